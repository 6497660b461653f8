//! Everything sensitive in one value: profile, normalise, detect, settle overlaps.

use crate::bytes::{at, before, trimmed};
use crate::detect::{card, email, iban, ip, phone, secret, ssn};
use crate::hint::Hint;
use crate::kind::{Kind, Kinds};
use crate::normalise::Normalised;
use crate::profile::{MIN_DIGITS, MIN_FRAME, MIN_SECRET, Profile, class, is_clean};

/// Something found: bytes `start..stop` of the value, both on character boundaries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hit {
    pub start: u32,
    pub stop: u32,
    pub kind: Kind,
}

/// The detectors that are on, and memory they use again and again.
#[derive(Debug)]
pub struct Scanner {
    on: Kinds,
    normalised: Normalised,
}

impl Scanner {
    pub fn new(on: Kinds) -> Self {
        Self { on, normalised: Normalised::default() }
    }

    pub fn on(&self) -> Kinds {
        self.on
    }

    /// Finds into `hits` (emptied first): in order, not overlapping.
    pub fn scan(&mut self, text: &str, hint: Hint, hits: &mut Vec<Hit>) {
        hits.clear();
        let hinted = !hint.kinds.and(self.on).is_empty();
        if !hinted && !self.on.has(Kind::Ip) && is_clean(text.as_bytes()) {
            return;
        }
        let profile = Profile::of(text.as_bytes());
        if profile.has(class::ODD) && self.normalised.read(text) {
            let read = std::mem::take(&mut self.normalised.text);
            find(&read, Profile::of(read.as_bytes()), self.on, hint, hits);
            self.normalised.text = read;
            for hit in &mut *hits {
                (hit.start, hit.stop) = self.normalised.origin(hit.start, hit.stop);
            }
        } else {
            find(text, profile, self.on, hint, hits);
        }
    }
}

fn find(text: &str, profile: Profile, on: Kinds, hint: Hint, hits: &mut Vec<Hit>) {
    let bytes = text.as_bytes();
    let hinted = hint.kinds.and(on);
    if !hinted.is_empty() && find_whole(text, profile, hinted, hits) {
        return;
    }
    if on.has(Kind::Secret) {
        find_secrets(bytes, profile, hits);
    }
    if on.has(Kind::Email) && profile.has(class::AT) {
        for sign in memchr::memchr_iter(b'@', bytes) {
            if let Some((start, stop)) = email::around(bytes, sign, hinted.has(Kind::Email)) {
                hits.push(hit(start, stop, Kind::Email));
            }
        }
    }
    let ip = on.has(Kind::Ip) && !hint.not.has(Kind::Ip);
    if profile.digits >= MIN_DIGITS || (ip && profile.digits >= 4) {
        find_numbers(bytes, profile, if ip { on } else { on.without(Kinds::only(Kind::Ip)) }, hinted, hits);
    }
    if ip && profile.has(class::COLON) {
        let mut from = 0;
        while let Some(colon) = memchr::memchr(b':', bytes.get(from..).unwrap_or_default()) {
            let found = ip::v6(bytes, from + colon);
            if let Some((start, stop)) = found {
                hits.push(hit(start, stop, Kind::Ip));
            }
            from = found.map_or(0, |found| found.1).max(from + colon + 1);
        }
    }
    if hits.len() > 1 {
        settle(hits);
    }
}

/// What only a column's name makes recognisable takes the whole value.
fn find_whole(text: &str, profile: Profile, hinted: Kinds, hits: &mut Vec<Hit>) -> bool {
    let (start, value) = trimmed(text);
    let bytes = value.as_bytes();
    let kind = if hinted.has(Kind::Secret) && !value.is_empty() && !secret::is_placeholder(bytes) {
        Kind::Secret
    } else if hinted.has(Kind::Phone) && profile.digits >= MIN_DIGITS && phone::is_whole(bytes) {
        Kind::Phone
    } else {
        return false;
    };
    hits.push(hit(start, start + value.len(), kind));
    true
}

fn find_secrets(bytes: &[u8], profile: Profile, hits: &mut Vec<Hit>) {
    let framed = || profile.longest >= MIN_FRAME && memchr::memmem::find(bytes, b"-----BEGIN ").is_some();
    if profile.longest >= MIN_SECRET || (profile.has(class::DASH) && framed()) {
        secret::each(bytes, |start, stop| hits.push(hit(start, stop, Kind::Secret)));
    }
    if profile.has(class::EQUAL | class::COLON) {
        let mut assigned = secret::Assigned::default();
        let mut hidden = 0;
        for sign in memchr::memchr2_iter(b'=', b':', bytes) {
            // What lies in a value that is hidden is hidden with it.
            if sign < hidden {
                continue;
            }
            if let Some((start, stop)) = assigned.value(bytes, sign) {
                hidden = stop;
                hits.push(hit(start, stop, Kind::Secret));
            }
        }
    }
}

/// At the first digit of each run: is this the beginning of a number that checks?
fn find_numbers(bytes: &[u8], profile: Profile, on: Kinds, hinted: Kinds, hits: &mut Vec<Hit>) {
    let mut place = 0;
    while let Some(found) = bytes.get(place..).and_then(|rest| rest.iter().position(u8::is_ascii_digit)) {
        let start = place + found;
        let number = number_at(bytes, start, profile, on, hinted);
        place = match number {
            Some(number) => {
                hits.push(number);
                (number.stop as usize).max(start + 1)
            }
            None => crate::bytes::run(bytes, start, |b| b.is_ascii_digit()),
        };
    }
}

fn number_at(bytes: &[u8], start: usize, profile: Profile, on: Kinds, hinted: Kinds) -> Option<Hit> {
    if on.has(Kind::Iban)
        && before(bytes, start).is_ascii_alphabetic()
        && let Some((start, stop)) = iban::around(bytes, start)
    {
        return Some(hit(start, stop, Kind::Iban));
    }
    if on.has(Kind::Card)
        && profile.digits >= 13
        && let Some(stop) = card::starting(bytes, start, hinted.has(Kind::Card))
    {
        return Some(hit(start, stop, Kind::Card));
    }
    if on.has(Kind::Ssn)
        && let Some(stop) = ssn::starting(bytes, start, hinted.has(Kind::Ssn))
    {
        return Some(hit(start, stop, Kind::Ssn));
    }
    if on.has(Kind::Ip)
        && let Some(stop) = ip::v4(bytes, start)
    {
        return Some(hit(start, stop, Kind::Ip));
    }
    let separated = !at(bytes, start + 1).is_ascii_alphabetic();
    if on.has(Kind::Phone)
        && profile.digits >= 8
        && separated
        && let Some((start, stop)) = phone::around(bytes, start)
    {
        return Some(hit(start, stop, Kind::Phone));
    }
    None
}

fn hit(start: usize, stop: usize, kind: Kind) -> Hit {
    Hit { start: start as u32, stop: stop as u32, kind }
}

/// Orders hits and leaves one for each place: where two overlap, the better checked one gives the name and
/// takes the bytes of both. (An address that overlaps a secret is the host behind a password.)
fn settle(hits: &mut Vec<Hit>) {
    hits.sort_by_key(|hit| (hit.start, hit.kind.rank(), hit.stop));
    let mut kept: usize = 0;
    for index in 0..hits.len() {
        let Some(next) = hits.get(index).copied() else { break };
        let last = kept.checked_sub(1).and_then(|last| hits.get_mut(last));
        match last {
            Some(last) if next.start < last.stop => {
                if next.kind.rank() < last.kind.rank() {
                    last.kind = next.kind;
                }
                last.stop = last.stop.max(next.stop);
            }
            _ => {
                if let Some(place) = hits.get_mut(kept) {
                    *place = next;
                }
                kept += 1;
            }
        }
    }
    hits.truncate(kept);
}
