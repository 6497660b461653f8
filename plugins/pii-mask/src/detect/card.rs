//! Payment cards: 13 to 19 digits whose first digits name an issuer and whose last is a check digit (Luhn).
//!
//! Traps: one in ten random numbers passes Luhn, so the issuer must fit too; with a column that says `card`
//! Luhn is enough. Order numbers, tracking numbers and timestamps have other first digits.

use crate::bytes::{at, before, is_word, run};

/// Widths of the groups cards are written in.
const LAYOUTS: [&[usize]; 5] = [&[4, 4, 4, 4, 3], &[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[4, 4, 5]];

/// The end of the card number that starts at `start`, the first digit of a run.
pub fn starting(bytes: &[u8], start: usize, hint: bool) -> Option<usize> {
    if !free_on_the_left(bytes, start) {
        return None;
    }
    let first = run(bytes, start, |b| b.is_ascii_digit()) - start;
    match first {
        13..=19 => check(bytes, start, start + first, hint),
        4 => LAYOUTS.iter().find_map(|layout| {
            let stop = grouped(bytes, start, layout)?;
            check(bytes, start, stop, hint)
        }),
        _ => None,
    }
}

fn grouped(bytes: &[u8], start: usize, layout: &[usize]) -> Option<usize> {
    let separator = at(bytes, start + 4);
    if !matches!(separator, b' ' | b'-' | b'.') {
        return None;
    }
    let mut stop = start;
    for (index, width) in layout.iter().enumerate() {
        if index > 0 {
            (at(bytes, stop) == separator).then_some(())?;
            stop += 1;
        }
        let group = bytes.get(stop..stop + width)?;
        group.iter().all(u8::is_ascii_digit).then_some(())?;
        stop += width;
    }
    Some(stop)
}

fn check(bytes: &[u8], start: usize, stop: usize, hint: bool) -> Option<usize> {
    if !free_on_the_right(bytes, stop) {
        return None;
    }
    let mut digits = [0u8; 19];
    let mut count = 0;
    for b in bytes.get(start..stop)?.iter().filter(|b| b.is_ascii_digit()) {
        *digits.get_mut(count)? = b - b'0';
        count += 1;
    }
    let digits = digits.get(..count)?;
    let known = issuer(digits) || (hint && count >= 13);
    (known && luhn(digits) && digits.iter().any(|d| *d != 0)).then_some(stop)
}

pub fn luhn(digits: &[u8]) -> bool {
    let mut sum = 0u32;
    for (index, digit) in digits.iter().rev().enumerate() {
        let digit = u32::from(*digit);
        sum += match index % 2 {
            0 => digit,
            _ if digit > 4 => digit * 2 - 9,
            _ => digit * 2,
        };
    }
    sum.is_multiple_of(10)
}

/// Whether the first digits belong to an issuer that gives out numbers of this length.
fn issuer(digits: &[u8]) -> bool {
    let lead = |count: usize| digits.iter().take(count).fold(0u32, |lead, d| lead * 10 + u32::from(*d));
    let (two, three, four) = (lead(2), lead(3), lead(4));
    match digits.len() {
        13 => lead(1) == 4,
        14 => matches!(three, 300..=305 | 309) || matches!(two, 36 | 38 | 39),
        15 => matches!(two, 34 | 37) || matches!(four, 1800 | 2131),
        16 => {
            lead(1) == 4
                || matches!(two, 51..=55 | 36 | 38 | 39)
                || matches!(four, 2221..=2720 | 3528..=3589 | 6011)
                || matches!(three, 644..=649)
                || matches!(two, 62 | 65 | 50 | 60)
                || matches!(two, 56..=58 | 63 | 67 | 81 | 82)
        }
        17 | 18 => two == 62,
        19 => lead(1) == 4 || matches!(two, 62 | 65 | 63 | 67) || four == 6011,
        _ => false,
    }
}

fn free_on_the_left(bytes: &[u8], start: usize) -> bool {
    let previous = before(bytes, start);
    let joined = matches!(previous, b'.' | b'-') && before(bytes, start - 1).is_ascii_digit();
    !is_word(previous) && !joined
}

fn free_on_the_right(bytes: &[u8], stop: usize) -> bool {
    let next = at(bytes, stop);
    if next == b'.' {
        // A number with an empty fraction, `4111111111111111.00`, is the same number.
        let end = run(bytes, stop + 1, |b| b == b'0');
        return !is_word(at(bytes, end)) || !at(bytes, stop + 1).is_ascii_digit();
    }
    let joined = next == b'-' && at(bytes, stop + 1).is_ascii_digit();
    !is_word(next) && !joined
}
