//! Microseconds since 1970-01-01 UTC, and their one spelling: `2026-11-23T12:00:00.123456Z`.
//!
//! Times are what the host's clock said. The order of records is their number, never their time: a clock may
//! step back.

use time::{Duration, OffsetDateTime};

/// A time with its spelling: the records of a group share one.
pub(crate) struct Moment {
    pub(crate) us: i64,
    pub(crate) text: String,
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self::at(now_us())
    }

    pub(crate) fn at(us: i64) -> Self {
        Self { us, text: rfc3339(us) }
    }
}

/// Now.
pub fn now_us() -> i64 {
    i64::try_from(OffsetDateTime::now_utc().unix_timestamp_nanos() / 1000).unwrap_or(i64::MAX)
}

/// Always six digits behind the point. A time outside the years 0 to 9999 is clamped to them.
pub fn rfc3339(micros: i64) -> String {
    let at = (OffsetDateTime::UNIX_EPOCH.checked_add(Duration::microseconds(micros)))
        .filter(|at| (0..=9999).contains(&at.year()))
        .unwrap_or(if micros < 0 { FIRST } else { LAST });
    let mut out = String::with_capacity(27);
    for (number, digits, behind) in [
        (u32::try_from(at.year()).unwrap_or(0), 4, '-'),
        (u32::from(u8::from(at.month())), 2, '-'),
        (at.day().into(), 2, 'T'),
        (at.hour().into(), 2, ':'),
        (at.minute().into(), 2, ':'),
        (at.second().into(), 2, '.'),
        (at.microsecond(), 6, 'Z'),
    ] {
        let mut unit = 10u32.pow(digits);
        for _ in 0..digits {
            unit /= 10;
            out.push(char::from(b'0' + (number / unit % 10) as u8));
        }
        out.push(behind);
    }
    out
}

/// The inverse of [`rfc3339`]; also takes fewer digits behind the point, or none, and a bare date.
/// `None` when the text is no such time.
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let at = OffsetDateTime::parse(&whole, &time::format_description::well_known::Rfc3339).ok()?;
    i64::try_from(at.unix_timestamp_nanos() / 1000).ok()
}

const FIRST: OffsetDateTime = time::macros::datetime!(0000-01-01 00:00:00 UTC);
const LAST: OffsetDateTime = time::macros::datetime!(9999-12-31 23:59:59.999999 UTC);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_one_spelling() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (1_795_435_200_123_456, "2026-11-23T12:00:00.123456Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (i64::MAX, "9999-12-31T23:59:59.999999Z"),
            (i64::MIN, "0000-01-01T00:00:00.000000Z"),
        ] {
            assert_eq!(rfc3339(micros), text);
        }
    }

    #[test]
    fn times_parse_back() {
        for micros in [0, 1_795_435_200_123_456, -1] {
            assert_eq!(parse_rfc3339(&rfc3339(micros)), Some(micros));
        }
        assert_eq!(parse_rfc3339("2026-11-23"), parse_rfc3339("2026-11-23T00:00:00Z"));
        assert_eq!(parse_rfc3339("2026-11-23T13:00:00+01:00"), Some(1_795_435_200_000_000));
        assert_eq!(parse_rfc3339("yesterday"), None);
    }
}
