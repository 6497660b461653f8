//! Dates and times: days and microseconds since 2000-01-01, written in ISO form.

use crate::wire::Reader;

const SECOND_US: i64 = 1_000_000;
const DAY_US: i64 = 86_400 * SECOND_US;
/// Days from 1970-01-01 to 2000-01-01.
const EPOCH_DAYS: i64 = 10_957;

pub fn date_to_text(days: i32, out: &mut Vec<u8>) {
    match days {
        i32::MAX => out.extend_from_slice(b"infinity"),
        i32::MIN => out.extend_from_slice(b"-infinity"),
        days => {
            let before_christ = put_date(i64::from(days), out);
            if before_christ {
                out.extend_from_slice(b" BC");
            }
        }
    }
}

pub fn timestamp_to_text(us: i64, zone: bool, out: &mut Vec<u8>) {
    match us {
        i64::MAX => out.extend_from_slice(b"infinity"),
        i64::MIN => out.extend_from_slice(b"-infinity"),
        us => {
            let before_christ = put_date(us.div_euclid(DAY_US), out);
            out.push(b' ');
            time_to_text(us.rem_euclid(DAY_US), out);
            if zone {
                out.extend_from_slice(b"+00");
            }
            if before_christ {
                out.extend_from_slice(b" BC");
            }
        }
    }
}

pub fn time_to_text(us: i64, out: &mut Vec<u8>) {
    let seconds = us / SECOND_US;
    let text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    out.extend_from_slice(text.as_bytes());
    put_fraction(us % SECOND_US, out);
}

/// `west` counts seconds west of Greenwich, as the wire does.
pub fn zone_to_text(west: i32, out: &mut Vec<u8>) {
    let east = -i64::from(west);
    let (sign, size) = if east < 0 { ('-', -east) } else { ('+', east) };
    let mut text = format!("{sign}{:02}", size / 3600);
    if size % 3600 != 0 {
        text.push_str(&format!(":{:02}", size / 60 % 60));
    }
    if size % 60 != 0 {
        text.push_str(&format!(":{:02}", size % 60));
    }
    out.extend_from_slice(text.as_bytes());
}

/// Style `postgres`: `1 year 2 mons 3 days 04:05:06`.
pub fn interval_to_text(bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut reader = Reader::new(bytes);
    let us = reader.i64()?;
    let days = i64::from(reader.i32()?);
    let months = i64::from(reader.i32()?);
    if !reader.at_end() {
        return None;
    }
    match (us, days, months) {
        (i64::MAX, 0x7FFF_FFFF, 0x7FFF_FFFF) => {
            out.extend_from_slice(b"infinity");
            return Some(());
        }
        (i64::MIN, -0x8000_0000, -0x8000_0000) => {
            out.extend_from_slice(b"-infinity");
            return Some(());
        }
        _ => {}
    }
    let start = out.len();
    let mut negative_before = false;
    for (value, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
        if value == 0 {
            continue;
        }
        let space = if out.len() > start { " " } else { "" };
        let plus = if negative_before && value > 0 { "+" } else { "" };
        let plural = if value == 1 { "" } else { "s" };
        out.extend_from_slice(format!("{space}{plus}{value} {unit}{plural}").as_bytes());
        negative_before = value < 0;
    }
    if us != 0 || out.len() == start {
        if out.len() > start {
            out.push(b' ');
        }
        if us < 0 {
            out.push(b'-');
        } else if negative_before {
            out.push(b'+');
        }
        let size = us.unsigned_abs();
        let seconds = size / 1_000_000;
        let text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
        out.extend_from_slice(text.as_bytes());
        put_fraction(i64::try_from(size % 1_000_000).unwrap_or(0), out);
    }
    Some(())
}

/// Days of `YYYY-MM-DD`; strict, because it decides whether an edited date still is one.
pub fn date_from_text(text: &str) -> Option<i32> {
    let mut parts = text.splitn(3, '-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if year.len() != 4 || month.len() != 2 || day.len() != 2 {
        return None;
    }
    let (year, month, day) = (digits(year)?, digits(month)?, digits(day)?);
    if year < 1 || !(1..=12).contains(&month) || day < 1 || day > month_days(year, month) {
        return None;
    }
    i32::try_from(days_from_civil(year, month, day) - EPOCH_DAYS).ok()
}

/// Microseconds of `HH:MM:SS[.ffffff]`.
pub fn time_from_text(text: &str) -> Option<i64> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let mut parts = clock.splitn(3, ':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    if hours.len() != 2 || minutes.len() != 2 || seconds.len() != 2 || fraction.len() > 6 {
        return None;
    }
    let (hours, minutes, seconds) = (digits(hours)?, digits(minutes)?, digits(seconds)?);
    if hours > 23 || minutes > 59 || seconds > 59 {
        return None;
    }
    let fraction_us = digits(&format!("{fraction:0<6}"))?;
    Some(((hours * 60 + minutes) * 60 + seconds) * SECOND_US + fraction_us)
}

/// `YYYY-MM-DD HH:MM:SS[.ffffff]`, and with `zone` an offset `+HH[:MM]` behind it.
pub fn timestamp_from_text(text: &str, zone: bool) -> Option<i64> {
    let (date, rest) = text.split_once(' ')?;
    let days = i64::from(date_from_text(date)?);
    let (time, east_s) = if zone { split_zone(rest)? } else { (rest, 0) };
    Some(days * DAY_US + time_from_text(time)? - east_s * SECOND_US)
}

fn split_zone(text: &str) -> Option<(&str, i64)> {
    let at = text.rfind(['+', '-'])?;
    let (time, zone) = text.split_at_checked(at)?;
    let (sign, zone) = if let Some(zone) = zone.strip_prefix('-') { (-1, zone) } else { (1, zone.get(1..)?) };
    let (hours, minutes) = zone.split_once(':').unwrap_or((zone, "00"));
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    Some((time, sign * (digits(hours)? * 3600 + digits(minutes)? * 60)))
}

fn digits(text: &str) -> Option<i64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Writes the date without its era; true when it lies before Christ.
fn put_date(days: i64, out: &mut Vec<u8>) -> bool {
    let (year, month, day) = civil_from_days(days + EPOCH_DAYS);
    let before_christ = year <= 0;
    let shown = if before_christ { 1 - year } else { year };
    out.extend_from_slice(format!("{shown:04}-{month:02}-{day:02}").as_bytes());
    before_christ
}

fn put_fraction(us: i64, out: &mut Vec<u8>) {
    if us != 0 {
        let text = format!(".{us:06}");
        out.extend_from_slice(text.trim_end_matches('0').as_bytes());
    }
}

fn month_days(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Howard Hinnant's `days_from_civil`: days since 1970-01-01.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn dates() {
        assert_eq!(text(|out| date_to_text(0, out)), "2000-01-01");
        assert_eq!(text(|out| date_to_text(9_190, out)), "2025-02-28");
        assert_eq!(text(|out| date_to_text(-730_120, out)), "0001-12-31 BC");
        assert_eq!(text(|out| date_to_text(i32::MAX, out)), "infinity");
        for days in [-36_525, -1, 0, 59, 60, 9_190, 100_000] {
            assert_eq!(date_from_text(&text(|out| date_to_text(days, out))), Some(days));
        }
        assert_eq!(date_from_text("2025-02-29"), None);
        assert_eq!(date_from_text("2025-2-09"), None);
    }

    #[test]
    fn timestamps() {
        let us = 9_190 * DAY_US + 3 * 3600 * SECOND_US + 500_000;
        assert_eq!(text(|out| timestamp_to_text(us, true, out)), "2025-02-28 03:00:00.5+00");
        assert_eq!(timestamp_from_text("2025-02-28 03:00:00.5+00", true), Some(us));
        assert_eq!(timestamp_from_text("2025-02-28 05:30:00.5+02:30", true), Some(us));
        assert_eq!(timestamp_from_text("2025-02-28 03:00:00.5", false), Some(us));
        assert_eq!(text(|out| timestamp_to_text(-1, false, out)), "1999-12-31 23:59:59.999999");
        assert_eq!(timestamp_from_text("2025-02-28 3:00:00", false), None);
    }

    #[test]
    fn intervals_as_the_server_prints_them() {
        let show = |us: i64, days: i32, months: i32| {
            let mut bytes = us.to_be_bytes().to_vec();
            bytes.extend(days.to_be_bytes());
            bytes.extend(months.to_be_bytes());
            text(|out| interval_to_text(&bytes, out).unwrap())
        };
        assert_eq!(show(0, 0, 0), "00:00:00");
        assert_eq!(show(14_706_500_000, 3, 14), "1 year 2 mons 3 days 04:05:06.5");
        assert_eq!(show(-1_000_000, 1, 0), "1 day -00:00:01");
        assert_eq!(show(1_000_000, -1, 0), "-1 days +00:00:01");
    }

    #[test]
    fn zones() {
        assert_eq!(text(|out| zone_to_text(-3600, out)), "+01");
        assert_eq!(text(|out| zone_to_text(12_600, out)), "-03:30");
    }
}
