//! Telephone numbers.
//!
//! By themselves: `+` with a country's code, and the written forms of North America (`(212) 555-0142`,
//! `212-555-0142`, `1 212 555 0142`). With a column that says `phone`, any 7 to 15 digits.
//!
//! Traps: prices, ranges, timestamps, versions, identifiers: bare digits are never a telephone number without a
//! hint, and neighbours that continue the number end the reading.

use crate::bytes::{at, before, digits, is_word, run};

/// The number whose first digit is at `digit`, the first of a run: its first byte, the byte after its last.
pub fn around(bytes: &[u8], digit: usize) -> Option<(usize, usize)> {
    let (start, stop) = match before(bytes, digit) {
        b'+' => (digit - 1, international(bytes, digit)?),
        b'(' if before(bytes, digit - 1) == b'+' => (digit - 2, international(bytes, digit)?),
        b'(' => (digit - 1, american(bytes, digit - 1)?),
        _ => (digit, american(bytes, digit)?),
    };
    let previous = before(bytes, start);
    let joined = matches!(previous, b'.' | b'-' | b'/' | b',' | b'$' | b'#' | b'+' | b':')
        && (is_word(before(bytes, start - 1)) || matches!(previous, b'$' | b'#'));
    let labelled = previous == b':' && before(bytes, start - 1).is_ascii_alphabetic();
    let next = at(bytes, stop);
    let goes_on = is_word(next) && !matches!(next, b'x' | b'e');
    let goes_on =
        goes_on || (matches!(next, b'-' | b'.' | b'/' | b':') && at(bytes, stop + 1).is_ascii_digit());
    (!is_word(previous) && (!joined || labelled) && !goes_on).then_some((start, stop))
}

/// Whether the whole of `bytes` is a number, in a column that says so.
pub fn is_whole(bytes: &[u8]) -> bool {
    let form = bytes
        .iter()
        .all(|b| b.is_ascii_digit() || matches!(b, b' ' | b'(' | b')' | b'-' | b'.' | b'/' | b'+'));
    let date = matches!(bytes, [_, _, _, _, b'-', _, _, b'-', ..]) && digits(bytes) == 8;
    form && !date && (7..=15).contains(&digits(bytes))
}

/// After `+`: a country's code and the number, up to 15 digits.
fn international(bytes: &[u8], digit: usize) -> Option<usize> {
    let mut stop = digit;
    let mut count = 0;
    loop {
        let end = run(bytes, stop, |b| b.is_ascii_digit());
        let group = end - stop;
        if group == 0 || count + group > 15 {
            break;
        }
        count += group;
        stop = end;
        let next = separators(bytes, end);
        // At most 15 digits: what follows a complete number is something else.
        if next == end || run(bytes, next, |b| b.is_ascii_digit()) - next + count > 15 {
            break;
        }
        stop = next;
    }
    while !before(bytes, stop).is_ascii_digit() && stop > digit {
        stop -= 1;
    }
    let number = bytes.get(digit..stop)?;
    let mut lead = number.iter().filter(|b| b.is_ascii_digit()).map(|b| u32::from(b - b'0'));
    let (first, second, third) = (lead.next()?, lead.next()?, lead.next()?);
    let known = match first {
        1 => return (count == 11 && has_american_codes(number.get(1..)?)).then_some(stop),
        7 => count == 11,
        _ => is_country(first * 10 + second, first * 100 + second * 10 + third),
    };
    (known && (8..=15).contains(&count)).then_some(stop)
}

/// Up to three characters between groups of digits.
fn separators(bytes: &[u8], start: usize) -> usize {
    let end = run(bytes, start, |b| matches!(b, b' ' | b'-' | b'.' | b'(' | b')' | b'/'));
    if end - start <= 3 { end } else { start }
}

fn is_country(two: u32, three: u32) -> bool {
    matches!(two, 20 | 27 | 30..=34 | 36 | 39..=41 | 43..=49 | 51..=58 | 60..=66 | 81 | 82 | 84 | 86 | 90..=95 | 98)
        || matches!(three,
            211..=213 | 216 | 218 | 220..=269 | 290..=299 | 350..=359 | 370..=389 | 420..=423
            | 500..=509 | 590..=599 | 670..=692 | 800 | 808 | 850..=856 | 870..=888 | 960..=979 | 992..=998)
}

/// North America: `[1] area exchange line` with separators, `start` at the first digit or parenthesis.
fn american(bytes: &[u8], start: usize) -> Option<usize> {
    let mut from = start;
    if at(bytes, from) == b'1' && matches!(at(bytes, from + 1), b' ' | b'-' | b'.') {
        from += 2;
    }
    let parenthesis = at(bytes, from) == b'(';
    let area = from + usize::from(parenthesis);
    let (separator, exchange) = match (parenthesis, at(bytes, area + 3), at(bytes, area + 4)) {
        (true, b')', b' ') => (b'-', area + 5),
        (true, b')', _) => (b'-', area + 4),
        (false, separator @ (b'-' | b'.' | b' '), _) => (separator, area + 4),
        _ => return None,
    };
    let between = at(bytes, exchange + 3);
    let fits = between == separator || (parenthesis && matches!(between, b' ' | b'.'));
    let stop = exchange + 8;
    let groups =
        [bytes.get(area..area + 3)?, bytes.get(exchange..exchange + 3)?, bytes.get(exchange + 4..stop)?];
    let digits_only = groups.iter().all(|group| group.iter().all(u8::is_ascii_digit));
    (fits && digits_only && has_american_codes(bytes.get(area..stop)?)).then_some(stop)
}

/// Area code and exchange start with 2 to 9 and are no service codes (N11).
fn has_american_codes(number: &[u8]) -> bool {
    let mut digits = [0u8; 6];
    let mut found = number.iter().filter(|b| b.is_ascii_digit());
    for digit in &mut digits {
        match found.next() {
            Some(b) => *digit = *b,
            None => return false,
        }
    }
    let [a, b, c, d, e, f] = digits;
    let code = |first: u8, second: u8, third: u8| first >= b'2' && !(second == b'1' && third == b'1');
    code(a, b, c) && code(d, e, f)
}
