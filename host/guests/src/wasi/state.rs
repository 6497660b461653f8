//! What the stand-ins of one instance remember: a place in a sequence, a line that is not yet whole.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Longest line kept until its end comes, in bytes; what is longer is written in pieces.
const MAX_LINE_BYTES: usize = 1024;
/// Lines kept to explain a start that failed.
const LAST_LINES: usize = 12;

pub(crate) struct Wasi {
    /// Whether the plugin was granted the clock.
    clock: bool,
    began: Instant,
    sequence: u64,
    line: Vec<u8>,
    last: Vec<String>,
}

impl Wasi {
    pub(crate) fn new(clock: bool) -> Self {
        Self { clock, began: Instant::now(), sequence: 0, line: Vec::new(), last: Vec::new() }
    }

    /// Nanoseconds since the instance began.
    pub(super) fn monotonic(&self) -> u64 {
        match self.clock {
            true => u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX),
            false => 0,
        }
    }

    /// Since 1970.
    pub(super) fn wall(&self) -> Duration {
        match self.clock {
            true => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            false => Duration::ZERO,
        }
    }

    /// The next number of the sequence: splitmix64, from 0 on. Not zeros: programs draw until they like what they get.
    pub(super) fn number(&mut self) -> u64 {
        self.sequence = self.sequence.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.sequence;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count.saturating_add(8));
        while bytes.len() < count {
            bytes.extend(self.number().to_le_bytes());
        }
        bytes.truncate(count);
        bytes
    }

    /// Takes what the guest writes and gives each line that is whole, or too long to wait for its end.
    pub(crate) fn write(&mut self, bytes: &[u8], mut each: impl FnMut(&str)) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, whole) = match part.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (part, false),
            };
            for piece in text.chunks(MAX_LINE_BYTES) {
                self.line.extend(piece);
                if self.line.len() > MAX_LINE_BYTES {
                    self.end_line(&mut each);
                }
            }
            if whole {
                self.end_line(&mut each);
            }
        }
    }

    fn end_line(&mut self, each: &mut impl FnMut(&str)) {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line).into_owned();
        if line.trim().is_empty() {
            return;
        }
        each(&line);
        if self.last.len() == LAST_LINES {
            self.last.remove(0);
        }
        self.last.push(line);
    }

    /// The last lines it wrote, with one it did not finish.
    pub(crate) fn last_lines(&self) -> String {
        let unfinished = String::from_utf8_lossy(&self.line);
        let lines = self.last.iter().map(String::as_str).chain([unfinished.as_ref()]);
        lines.filter(|line| !line.trim().is_empty()).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_the_grant_time_stands_still() {
        let still = Wasi::new(false);
        assert_eq!((still.monotonic(), still.wall()), (0, Duration::ZERO));
        let granted = Wasi::new(true);
        assert!(granted.monotonic() > 0 && granted.wall() > Duration::from_secs(1_700_000_000));
    }

    #[test]
    fn numbers_are_the_same_for_every_instance_and_differ_within() {
        let (mut one, mut two) = (Wasi::new(false), Wasi::new(true));
        let drawn = one.bytes(37);
        assert_eq!((drawn.len(), &drawn), (37, &two.bytes(37)));
        assert_ne!(one.bytes(37), drawn);
        assert_ne!(one.number(), one.number());
        assert!(one.bytes(0).is_empty());
    }

    #[test]
    fn what_is_written_becomes_lines() {
        let mut output = Wasi::new(false);
        let mut lines = Vec::new();
        let mut write = |bytes: &[u8]| output.write(bytes, |line| lines.push(line.to_owned()));
        write(b"Trace");
        write(b"back\n\n  \nsecond\nlast");
        write(&[b'x'; 5000]);
        write(b"\xff end\n");
        assert_eq!(lines.first().map(String::as_str), Some("Traceback"));
        assert_eq!(lines.get(1).map(String::as_str), Some("second"));
        assert!(lines.last().unwrap().ends_with("\u{fffd} end"));
        assert!(lines.iter().all(|line| line.len() <= 2 * MAX_LINE_BYTES), "{lines:?}");
        assert_eq!(lines.iter().map(|line| line.matches('x').count()).sum::<usize>(), 5000);
    }

    #[test]
    fn the_last_lines_are_kept_with_the_unfinished_one() {
        let mut output = Wasi::new(false);
        (0..100).for_each(|number| output.write(format!("line {number}\n").as_bytes(), |_| {}));
        output.write(b"unfinished", |_| {});
        let last = output.last_lines();
        assert!(last.starts_with("line 88\n") && last.ends_with("line 99\nunfinished"), "{last}");
    }
}
