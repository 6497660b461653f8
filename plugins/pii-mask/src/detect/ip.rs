//! IP addresses, of hosts that could be somebody's: not loopback, not unspecified, no masks, no networks like
//! `10.0.0.0`.
//!
//! Traps: four-part version numbers (`Chrome/120.0.0.0`, `version 1.2.3.4`), times (`12:30:45`), hardware
//! addresses, `a::b` in program text.

use crate::bytes::{at, before, is_word, run};
use std::net::{Ipv4Addr, Ipv6Addr};

/// The end of the IPv4 address that starts at `start`, the first digit of a run.
pub fn v4(bytes: &[u8], start: usize) -> Option<usize> {
    let previous = before(bytes, start);
    if is_word(previous) || matches!(previous, b'.' | b'-' | b'+') || is_version(bytes, start) {
        return None;
    }
    let mut octets = [0u8; 4];
    let mut stop = start;
    for (index, octet) in octets.iter_mut().enumerate() {
        if index > 0 {
            (at(bytes, stop) == b'.').then_some(())?;
            stop += 1;
        }
        let end = run(bytes, stop, |b| b.is_ascii_digit());
        *octet = std::str::from_utf8(bytes.get(stop..end)?).ok()?.parse().ok()?;
        (end - stop == 1 || at(bytes, stop) != b'0').then_some(())?;
        stop = end;
    }
    let next = at(bytes, stop);
    let goes_on = is_word(next) || next == b'-' || (next == b'.' && is_word(at(bytes, stop + 1)));
    (!goes_on && is_host(Ipv4Addr::from(octets))).then_some(stop)
}

fn is_host(address: Ipv4Addr) -> bool {
    let bits = u32::from(address);
    let mask = bits.leading_ones() + bits.trailing_zeros() == 32;
    let network = bits & 0x00ff_ffff == 0;
    !address.is_loopback() && address.octets().first() != Some(&0) && !mask && !network
}

/// `v`, `version`, `release`, `build` or `Product/` in front.
fn is_version(bytes: &[u8], start: usize) -> bool {
    let head = bytes.get(start.saturating_sub(12)..start).unwrap_or_default();
    if head.ends_with(b"/") {
        return head.len() > 1 && before(head, head.len() - 1).is_ascii_alphabetic();
    }
    let end = head.iter().rposition(|b| !matches!(b, b' ' | b':' | b'=')).map_or(0, |last| last + 1);
    let head = head.get(..end).unwrap_or_default().to_ascii_lowercase();
    ["version", "release", "build", "ver", " v", "rev"].iter().any(|word| head.ends_with(word.as_bytes()))
}

/// The IPv6 address around the colon at `colon`: its first byte, the byte after its last.
pub fn v6(bytes: &[u8], colon: usize) -> Option<(usize, usize)> {
    let mut start = colon;
    while before(bytes, start).is_ascii_hexdigit() || before(bytes, start) == b':' {
        start -= 1;
    }
    let mut stop = run(bytes, colon, |b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.'));
    while before(bytes, stop) == b'.' || (before(bytes, stop) == b':' && before(bytes, stop - 1) != b':') {
        stop -= 1;
    }
    if is_word(before(bytes, start)) || is_word(at(bytes, stop)) || stop <= colon || stop - start > 45 {
        return None;
    }
    let text = std::str::from_utf8(bytes.get(start..stop)?).ok()?;
    let address: Ipv6Addr = text.parse().ok()?;
    let groups = text.split(':').filter(|group| !group.is_empty()).count();
    let known = groups >= 3 || (groups == 2 && text.len() >= 6 && text.bytes().any(|b| b.is_ascii_digit()));
    (known && !address.is_loopback() && !address.is_unspecified()).then_some((start, stop))
}
