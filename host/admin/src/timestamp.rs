//! Moments, as RFC 3339 in UTC with milliseconds.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// 9999-12-31T23:59:59.999Z: what RFC 3339 can say.
const LAST_MS: u64 = 253_402_300_799_999;

/// A moment between 1970 and 9999; others become the nearest of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    /// `0 <= ms <= LAST_MS`, since 1970-01-01 UTC
    ms: u64,
}

impl Timestamp {
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// Milliseconds since 1970-01-01 UTC.
    pub fn from_ms(ms: u64) -> Self {
        Self { ms: ms.min(LAST_MS) }
    }

    /// How long after `earlier` this is; zero when it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.ms.saturating_sub(earlier.ms))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(moment: SystemTime) -> Self {
        let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::from_ms(u64::try_from(since.as_millis()).unwrap_or(LAST_MS))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.ms) * 1_000_000)
            .ok()
            .and_then(|moment| moment.format(&Rfc3339).ok());
        out.write_str(&text.ok_or(fmt::Error)?)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let moment = OffsetDateTime::parse(&text, &Rfc3339).map_err(de::Error::custom)?;
        let ms = (moment.unix_timestamp_nanos() / 1_000_000).max(0);
        Ok(Self::from_ms(u64::try_from(ms).unwrap_or(LAST_MS)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_rfc_3339_and_back() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_790_000_000_123, "2026-09-21T14:13:20.123Z"),
            (u64::MAX, "9999-12-31T23:59:59.999Z"),
        ] {
            let moment = Timestamp::from_ms(ms);
            assert_eq!(moment.to_string(), text);
            let back: Timestamp = serde_json::from_str(&serde_json::to_string(&moment).unwrap()).unwrap();
            assert_eq!(back, moment);
        }
        assert_eq!(Timestamp::from(UNIX_EPOCH - Duration::from_secs(1)), Timestamp::from_ms(0));
        assert_eq!(Timestamp::from_ms(5).since(Timestamp::from_ms(9)), Duration::ZERO);
    }
}
