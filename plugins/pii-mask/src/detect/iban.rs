//! International bank account numbers: country, two check digits, the country's own number. The whole is 1
//! modulo 97 and has the country's length. Written with or without spaces every four.

use crate::bytes::{at, before, is_word};

/// Country and length.
const LENGTHS: [(&[u8; 2], u8); 89] = [
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BI", 27),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DJ", 27),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FK", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HN", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MN", 20),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NI", 28),
    (b"NL", 18),
    (b"NO", 15),
    (b"OM", 23),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"RU", 33),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"SO", 23),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
    (b"YE", 30),
];

/// The account number whose check digits start at `check`: its first byte and the byte after its last.
pub fn around(bytes: &[u8], check: usize) -> Option<(usize, usize)> {
    let start = check.checked_sub(2)?;
    let country = [at(bytes, start).to_ascii_uppercase(), at(bytes, start + 1).to_ascii_uppercase()];
    if is_word(before(bytes, start)) || !at(bytes, check + 1).is_ascii_digit() {
        return None;
    }
    let long = LENGTHS.binary_search_by(|(name, _)| name.as_slice().cmp(&country)).ok()?;
    let long = LENGTHS.get(long).map_or(0, |(_, length)| usize::from(*length));
    let stop = stop(bytes, start, long)?;
    let number = bytes.get(start..stop)?;
    (remainder(number)? == 1).then_some((start, stop))
}

/// Where `long` letters and digits end, with single spaces or dashes allowed between groups.
fn stop(bytes: &[u8], start: usize, long: usize) -> Option<usize> {
    let (mut stop, mut count) = (start, 0);
    while count < long {
        let byte = at(bytes, stop);
        if byte.is_ascii_alphanumeric() {
            count += 1;
        } else if !matches!(byte, b' ' | b'-') || !at(bytes, stop + 1).is_ascii_alphanumeric() {
            return None;
        }
        stop += 1;
    }
    (!is_word(at(bytes, stop))).then_some(stop)
}

/// The number modulo 97, its first four characters moved to the end.
fn remainder(number: &[u8]) -> Option<u32> {
    let characters = || number.iter().filter(|b| b.is_ascii_alphanumeric());
    characters().skip(4).chain(characters().take(4)).try_fold(0, |rest, b| {
        let value = (*b as char).to_digit(36)?;
        Some(if value < 10 { (rest * 10 + value) % 97 } else { (rest * 100 + value) % 97 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(LENGTHS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
