//! US social security numbers: area, group, serial.
//!
//! Traps: any nine digits look like one, so only the dashed form stands by itself; a bare or spaced one needs a
//! column that says so, and a column of integers has lost its leading zeros. Numbers of advertisements are not
//! anybody's.

use crate::bytes::{at, before, is_word, run};

/// The end of the number that starts at `start`, the first digit of a run.
pub fn starting(bytes: &[u8], start: usize, hint: bool) -> Option<usize> {
    let previous = before(bytes, start);
    if is_word(previous) || (matches!(previous, b'.' | b'-') && before(bytes, start - 1).is_ascii_digit()) {
        return None;
    }
    let first = run(bytes, start, |b| b.is_ascii_digit()) - start;
    let separator = at(bytes, start + 3);
    let stop = match first {
        3 if separator == b'-' || (hint && matches!(separator, b' ' | b'.')) => {
            let form = bytes.get(start..start + 11)?;
            let fits = form.iter().enumerate().all(|(index, b)| match index {
                3 | 6 => *b == separator,
                _ => b.is_ascii_digit(),
            });
            fits.then_some(start + 11)?
        }
        7..=9 if hint => start + first,
        _ => return None,
    };
    let next = at(bytes, stop);
    let joined = matches!(next, b'-' | b'.') && at(bytes, stop + 1).is_ascii_digit();
    let number = bytes.get(start..stop)?.iter().filter(|b| b.is_ascii_digit());
    let number = number.fold(0u32, |number, b| number * 10 + u32::from(b - b'0'));
    (!is_word(next) && !joined && is_given_out(number)).then_some(stop)
}

fn is_given_out(number: u32) -> bool {
    let (area, group, serial) = (number / 1_000_000, number / 10_000 % 100, number % 10_000);
    let advertised = matches!(number, 78_051_120 | 219_099_999 | 123_456_789 | 987_654_321);
    !matches!(area, 0 | 666 | 900..) && group != 0 && serial != 0 && !advertised
}
