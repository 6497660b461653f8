//! How fast passwords may be guessed, at all doors together: PostgreSQL and HTTP.
//!
//! To refuse is to lock out, and whoever could lock others out by guessing would have another weapon. So:
//!
//! - a name at an address has few attempts, then one in a while: who guesses locks out that name where they are;
//! - an address has many more, for all names: an office may be behind one. Names that were right there lately are let
//!   past this, so that a neighbour's guesses do not lock out who comes every day;
//! - a name at all addresses is never refused. It waits a little when it has been wrong too often, and at most so many
//!   passwords are hashed at once.
//!
//! An attempt is taken before the password is looked at, and given back when it was right: attempts at the same time
//! cannot slip through together, and who knows the password never runs out. Where only attempts that are still under
//! way are in the way, as when a pool opens all its connections at once, the next one waits for them. Names that do not
//! exist are counted the same. A token cannot be guessed, so a right one always passes; a wrong one counts for its
//! address.
//!
//! The trail has each failed login of its own until there are too many; those and what was refused unread are one record
//! for each network and [`WINDOW`], so that strangers cannot fill the disk.
//!
//! Keys are hashes with a secret, so a long name costs no more than a short one. Invariants: at most [`MOST`] buckets, as
//! many pairs that were right, [`WINDOWS`] open windows. When there is no room, the half that matters least is forgotten.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use weir_identity::{Proof, Refusal, Tokens, Users, identify};
use weir_model::ResourceName;
use weir_wire::postgres::Password;

/// Of a name at an address: typing errors, and a script that has the old password. Then 8640 a day.
const OF_PAIR: Rate = Rate { burst: 20, refill: Duration::from_secs(10) };
/// Of an address, for all names.
const OF_ADDRESS: Rate = Rate { burst: 200, refill: Duration::from_secs(5) };
/// Of a name, at all addresses: beyond it, each attempt waits.
const OF_NAME: Rate = Rate { burst: 100, refill: Duration::from_secs(1) };
/// It is short, since waiting clients hold places.
const LONGEST_DELAY: Duration = Duration::from_secs(2);
/// Failed logins with a record of their own: about 50 MB a day.
const OF_RECORDS: Rate = Rate { burst: 1000, refill: Duration::from_secs(10) };
/// About 1 MiB.
const MOST: usize = 16_384;
/// How long who was right is let past the limit of an address.
const REMEMBERED: Duration = Duration::from_secs(86_400);
/// How long failures are counted before they are recorded.
pub(crate) const WINDOW: Duration = Duration::from_secs(60);
/// Networks that are counted apart at the same time; all others are counted together.
const WINDOWS: usize = 16;
/// Names are told apart up to so many.
const NAMES: usize = 1000;
/// Passwords that are hashed at once: each costs milliseconds, and sessions need the processor too.
const CHECKS_AT_ONCE: usize = 4;

struct Rate {
    burst: u32,
    /// for one more
    refill: Duration,
}

pub(crate) struct Guesses {
    state: Mutex<State>,
    hash: RandomState,
    checks: Semaphore,
    /// An attempt has ended.
    ended: Notify,
}

#[derive(Default)]
struct State {
    /// When the bucket will be full again.
    full_at: HashMap<u64, Instant>,
    /// Attempts under way.
    pending: HashMap<u64, u32>,
    /// Names that were right at an address, and when last.
    right: HashMap<u64, Instant>,
    windows: HashMap<Whose, Window>,
}

/// Whose failures are counted together: a network, or, of a resource, all others (`None`).
pub(crate) type Whose = (ResourceName, Option<IpAddr>);

/// Failures that are counted and not yet recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// Refused before anybody looked at the password.
    pub(crate) unread: u64,
    /// Looked at and wrong, when there were already too many records.
    pub(crate) wrong: u64,
    names: Vec<u64>,
    /// The first that was claimed.
    pub(crate) name: String,
}

/// One attempt, already taken. Dropped, it was wrong.
pub(crate) struct Attempt<'a> {
    guesses: &'a Guesses,
    taken: Vec<(u64, Duration)>,
    pair: u64,
    /// How long to wait before the password is looked at.
    pub(crate) delay: Duration,
}

/// Why there is no attempt now.
#[derive(Debug, PartialEq, Eq)]
enum Early {
    /// Perhaps when one of those under way has ended.
    Busy,
    TooMany(TooMany),
}

/// Too many were wrong: how long until there is another attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany(pub(crate) Duration);

impl TooMany {
    /// Whole seconds, rounded up.
    pub(crate) fn seconds(self) -> u64 {
        self.0.as_secs() + u64::from(self.0.subsec_nanos() > 0)
    }
}

impl Default for Guesses {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            hash: RandomState::new(),
            checks: Semaphore::new(CHECKS_AT_ONCE),
            ended: Notify::new(),
        }
    }
}

impl Guesses {
    /// Before a password of this name is looked at. Cancel safe.
    ///
    /// # Errors
    /// When the name has no attempt left at this address, or the address none at all.
    pub(crate) async fn take(&self, name: &str, client: IpAddr) -> Result<Attempt<'_>, TooMany> {
        loop {
            let mut ended = std::pin::pin!(self.ended.notified());
            // From before the look, so that no end is missed.
            ended.as_mut().enable();
            match self.try_take(name, client, Instant::now()) {
                Ok(attempt) => return Ok(attempt),
                Err(Early::TooMany(too_many)) => return Err(too_many),
                Err(Early::Busy) => ended.await,
            }
        }
    }

    fn try_take(&self, name: &str, client: IpAddr, now: Instant) -> Result<Attempt<'_>, Early> {
        let net = network(client);
        let pair = self.hash.hash_one((0_u8, name, net));
        let mut state = self.lock();
        let known = state.right.get(&pair).is_some_and(|at| now.duration_since(*at) < REMEMBERED);
        let mut wanted = vec![(pair, &OF_PAIR)];
        if !known {
            wanted.push((self.hash.hash_one((1_u8, net)), &OF_ADDRESS));
        }
        for (key, rate) in &wanted {
            let early = state.too_early(*key, rate, now);
            if !early.is_zero() {
                let is_busy = state.pending.contains_key(key);
                return Err(if is_busy { Early::Busy } else { Early::TooMany(TooMany(early)) });
            }
        }
        let of_name = self.hash.hash_one((2_u8, name));
        let delay = if known { Duration::ZERO } else { state.too_early(of_name, &OF_NAME, now) };
        wanted.push((of_name, &OF_NAME));
        for (key, rate) in &wanted {
            state.put(*key, rate, now);
            *state.pending.entry(*key).or_default() += 1;
        }
        let taken = wanted.into_iter().map(|(key, rate)| (key, rate.refill)).collect();
        Ok(Attempt { guesses: self, taken, pair, delay: delay.min(LONGEST_DELAY) })
    }

    /// It was right.
    pub(crate) fn right(&self, attempt: Attempt<'_>, now: Instant) {
        let mut state = self.lock();
        make_room(&mut state.right);
        state.right.insert(attempt.pair, now);
        drop(state);
        self.give_back(attempt);
    }

    /// Nothing was guessed: the client went away before it showed anything.
    pub(crate) fn give_back(&self, attempt: Attempt<'_>) {
        let mut state = self.lock();
        for (key, refill) in &attempt.taken {
            if let Some(full) = state.full_at.get_mut(key) {
                *full = full.checked_sub(*refill).unwrap_or(*full);
            }
        }
    }

    /// A token was wrong.
    ///
    /// # Errors
    /// When the address has none left.
    pub(crate) fn wrong_token(&self, client: IpAddr, now: Instant) -> Result<(), TooMany> {
        let key = self.hash.hash_one((1_u8, network(client)));
        let mut state = self.lock();
        let early = state.too_early(key, &OF_ADDRESS, now);
        if !early.is_zero() {
            return Err(TooMany(early));
        }
        state.put(key, &OF_ADDRESS, now);
        Ok(())
    }

    /// A place among those whose password is hashed.
    pub(crate) async fn place(&self) -> Option<SemaphorePermit<'_>> {
        self.checks.acquire().await.ok()
    }

    /// Whether a failed login has a record of its own. If not, [`count`](Self::count) it.
    pub(crate) fn own_record(&self, now: Instant) -> bool {
        let key = self.hash.hash_one(3_u8);
        let mut state = self.lock();
        let fits = state.too_early(key, &OF_RECORDS, now).is_zero();
        if fits {
            state.put(key, &OF_RECORDS, now);
        }
        fits
    }

    /// Counts a failed login. Gives the window when it has just begun: in [`WINDOW`], [`close`](Self::close) it.
    pub(crate) fn count(
        &self,
        resource: &ResourceName,
        client: IpAddr,
        name: &str,
        unread: bool,
    ) -> Option<Whose> {
        let named = self.hash.hash_one(name);
        let mut state = self.lock();
        let mut whose = (resource.clone(), Some(network(client)));
        if !state.windows.contains_key(&whose) && state.windows.len() >= WINDOWS {
            whose.1 = None;
        }
        let begins = !state.windows.contains_key(&whose);
        let window = state.windows.entry(whose.clone()).or_insert_with(|| Window {
            unread: 0,
            wrong: 0,
            names: Vec::new(),
            // Names of users have at most 63 characters.
            name: name.chars().take(64).collect(),
        });
        *(if unread { &mut window.unread } else { &mut window.wrong }) += 1;
        if window.names.len() < NAMES && !window.names.contains(&named) {
            window.names.push(named);
        }
        begins.then_some(whose)
    }

    /// The window is over: what is to be recorded, unless that has been done.
    pub(crate) fn close(&self, whose: &Whose) -> Option<Window> {
        self.lock().windows.remove(whose)
    }

    /// All windows that are open.
    pub(crate) fn open_windows(&self) -> Vec<Whose> {
        self.lock().windows.keys().cloned().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let mut state = self.guesses.lock();
        for (key, _) in &self.taken {
            if let Some(count) = state.pending.get_mut(key) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    state.pending.remove(key);
                }
            }
        }
        drop(state);
        self.guesses.ended.notify_waiters();
    }
}

impl State {
    /// How long until there is another attempt; zero when there is one.
    fn too_early(&self, key: u64, rate: &Rate, now: Instant) -> Duration {
        let full = self.full_at.get(&key).map_or(now, |full| (*full).max(now)) + rate.refill;
        full.duration_since(now).saturating_sub(rate.refill * rate.burst)
    }

    fn put(&mut self, key: u64, rate: &Rate, now: Instant) {
        if !self.full_at.contains_key(&key) {
            if self.full_at.len() >= MOST {
                self.full_at.retain(|_, full| *full > now);
            }
            make_room(&mut self.full_at);
        }
        let most = now + rate.refill * rate.burst;
        let full = self.full_at.entry(key).or_insert(now);
        // What is only delayed is not counted beyond the rate: then it would wait for ever after.
        *full = ((*full).max(now) + rate.refill).min(most);
    }
}

impl Window {
    /// For the trail.
    pub(crate) fn reason(&self) -> String {
        let Self { unread, wrong, names, .. } = self;
        let at_least = if names.len() == NAMES { "at least " } else { "" };
        format!(
            "{} more failed logins in {} s: {unread} refused unread after too many wrong ones, {wrong} wrong; {at_least}{} names",
            unread + wrong,
            WINDOW.as_secs(),
            names.len()
        )
    }

    /// The name, if it was one alone.
    pub(crate) fn only_name(&self) -> &str {
        if self.names.len() == 1 { &self.name } else { "" }
    }
}

/// Forgets the half with the earliest moments when there is no room for one more.
fn make_room(of: &mut HashMap<u64, Instant>) {
    if of.len() < MOST {
        return;
    }
    let mut moments: Vec<Instant> = of.values().copied().collect();
    let middle = moments.len() / 2;
    let (_, median, _) = moments.select_nth_unstable(middle);
    let median = *median;
    of.retain(|_, moment| *moment > median);
}

/// Whether it is a token, good or not, rather than a password. Cheap.
pub(crate) fn has_form_of_token(
    users: &Users,
    tokens: &Tokens,
    secret: &Password,
    resource: &ResourceName,
) -> bool {
    let shown = identify(users, tokens, Proof::Bearer(secret), resource, SystemTime::now());
    !matches!(shown, Err(Refusal::NoToken))
}

/// Whoever has an address has all of this: of IPv6 a /64, on this machine all of loopback.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        address if address.is_loopback() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        address => address,
    }
}

#[cfg(test)]
#[path = "guesses_tests.rs"]
mod tests;
