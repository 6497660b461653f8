//! Durations and sizes as people write them: one whole number and one unit.
//!
//! No sums (`1h30m`), no fractions, no units that mean two things (`MB`): a limit should have one way to be read.

use std::time::Duration;

/// Longest first: the order in which a duration looks for its unit when it is shown.
const DURATIONS_MS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

const SIZES_BYTES: [(&str, u64); 5] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// `"250ms"`, `"30s"`, `"5m"`, `"1h"`, `"7d"`.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    parse(text, &DURATIONS_MS).map(Duration::from_millis)
}

/// `"512B"`, `"64KiB"`, `"16MiB"`, `"1GiB"`, `"1TiB"`: bytes.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    parse(text, &SIZES_BYTES)
}

/// In the largest unit that needs no fraction.
pub(crate) fn show_duration(duration: Duration) -> String {
    show(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), &DURATIONS_MS)
}

/// In the largest unit that needs no fraction.
pub(crate) fn show_size(bytes: u64) -> String {
    show(bytes, &SIZES_BYTES)
}

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let unit = unit.strip_prefix(' ').unwrap_or(unit);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

fn show(amount: u64, units: &[(&str, u64)]) -> String {
    let smallest = units.last().copied().unwrap_or(("", 1));
    let fits = |(_, factor): &&(&str, u64)| amount > 0 && amount.is_multiple_of(*factor);
    let (unit, factor) = units.iter().find(fits).copied().unwrap_or(smallest);
    format!("{}{unit}", amount / factor)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units_are_read_and_nothing_else() {
        assert_eq!(parse_duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(parse_duration("5 m"), Some(Duration::from_secs(300)));
        assert_eq!(parse_size("16MiB"), Some(16 << 20));
        for bad in
            ["", "5", "s", "-1s", "1.5h", "1h30m", "5  s", "99999999999999999999s", "18446744073709551615d"]
        {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
        for bad in ["16MB", "16M", "16mib", "1e3B"] {
            assert_eq!(parse_size(bad), None, "{bad}");
        }
    }

    #[test]
    fn they_are_shown_in_the_largest_whole_unit() {
        assert_eq!(show_duration(Duration::from_secs(90)), "90s");
        assert_eq!(show_duration(Duration::from_secs(7200)), "2h");
        assert_eq!(show_duration(Duration::ZERO), "0ms");
        assert_eq!(show_size(3 << 20), "3MiB");
        assert_eq!(show_size(1000), "1000B");
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(bytes: u64, ms in 0..u64::MAX / 1000) {
            prop_assert_eq!(parse_size(&show_size(bytes)), Some(bytes));
            prop_assert_eq!(parse_duration(&show_duration(Duration::from_millis(ms))), Some(Duration::from_millis(ms)));
        }
    }
}
