//! How fast passwords may be guessed: a small bucket of attempts per name and address.
//!
//! An attempt is taken before the password is looked at, and given back when it was right: attempts at the same time
//! cannot slip through together, and who knows the password never runs out.
//!
//! All loopback addresses are one: whoever is on this machine can use every one of `127.0.0.0/8`.
//!
//! Invariants: at most [`MAX_BUCKETS`] + 1 buckets; a bucket is forgotten only when it is full again; when there is no
//! room, all further names share one bucket.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Typing errors in a row that nobody should be punished for.
const BURST: u32 = 5;
/// Then this long for each: 8640 guesses a day.
const REFILL: Duration = Duration::from_secs(10);
/// About 200 KiB, and more names than any gateway has reviewers.
const MAX_BUCKETS: usize = 1024;

#[derive(Default)]
pub(crate) struct Throttle {
    /// When the bucket will be full again.
    full_at: Mutex<HashMap<Key, Instant>>,
}

/// Whose bucket; the empty name is the one that strangers share.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key(String, IpAddr);

impl Key {
    pub(crate) fn new(name: &str, address: IpAddr) -> Self {
        Self(name.to_owned(), if address.is_loopback() { Ipv4Addr::LOCALHOST.into() } else { address })
    }

    fn shared() -> Self {
        Self(String::new(), Ipv4Addr::UNSPECIFIED.into())
    }
}

/// One attempt, already taken.
#[derive(Debug)]
pub(crate) struct Attempt(Key);

impl Throttle {
    /// # Errors
    /// When there is none left: how long until there is one.
    pub(crate) fn take(&self, key: Key) -> Result<Attempt, Duration> {
        let now = Instant::now();
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let key =
            if full_at.contains_key(&key) || make_room(&mut full_at, now) { key } else { Key::shared() };
        let full = full_at.get(&key).map_or(now, |full| (*full).max(now)) + REFILL;
        let too_early = full.duration_since(now).saturating_sub(REFILL * BURST);
        if !too_early.is_zero() {
            return Err(too_early);
        }
        full_at.insert(key.clone(), full);
        Ok(Attempt(key))
    }

    pub(crate) fn give_back(&self, attempt: Attempt) {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(full) = full_at.get_mut(&attempt.0) {
            *full = full.checked_sub(REFILL).unwrap_or(*full);
        }
    }
}

fn make_room(full_at: &mut HashMap<Key, Instant>, now: Instant) -> bool {
    if full_at.len() >= MAX_BUCKETS {
        full_at.retain(|_, full| *full > now);
    }
    full_at.len() < MAX_BUCKETS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::new(name, [127, 0, 0, 1].into())
    }

    #[tokio::test(start_paused = true)]
    async fn five_at_once_then_one_every_ten_seconds() {
        let throttle = Throttle::default();
        for _ in 0..BURST {
            throttle.take(key("ann")).unwrap();
        }
        assert_eq!(throttle.take(key("ann")).unwrap_err(), REFILL);
        assert_eq!(throttle.take(Key::new("ann", [127, 9, 9, 9].into())).unwrap_err(), REFILL);
        assert_eq!(throttle.take(Key::new("ann", "::1".parse().unwrap())).unwrap_err(), REFILL);
        throttle.take(Key::new("ann", [10, 0, 0, 1].into())).unwrap();
        throttle.take(key("bob")).unwrap();
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(throttle.take(key("ann")).unwrap_err(), Duration::from_secs(6));
        tokio::time::advance(Duration::from_secs(6)).await;
        throttle.take(key("ann")).unwrap();
        throttle.take(key("ann")).unwrap_err();
        tokio::time::advance(Duration::from_secs(600)).await;
        for _ in 0..BURST {
            throttle.take(key("ann")).unwrap();
        }
        throttle.take(key("ann")).unwrap_err();
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_right_never_runs_out() {
        let throttle = Throttle::default();
        for _ in 0..100 {
            let attempt = throttle.take(key("ann")).unwrap();
            throttle.give_back(attempt);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_names_cost_bounded_memory_and_do_not_free_a_used_bucket() {
        let throttle = Throttle::default();
        for _ in 0..BURST {
            throttle.take(key("ann")).unwrap();
        }
        let taken = (0..5000).filter(|number| throttle.take(key(&format!("n{number}"))).is_ok()).count();
        assert_eq!(taken, MAX_BUCKETS - 1 + BURST as usize);
        assert_eq!(throttle.full_at.lock().unwrap().len(), MAX_BUCKETS + 1);
        throttle.take(key("ann")).unwrap_err();
        tokio::time::advance(Duration::from_secs(60)).await;
        throttle.take(key("zoe")).unwrap();
        assert_eq!(throttle.full_at.lock().unwrap().len(), 1);
    }
}
