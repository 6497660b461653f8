//! Looking at bytes without the risk of looking beside them.

/// The byte at `at`; NUL beyond the end.
#[inline]
pub fn at(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

/// The byte before `at`; NUL at the beginning.
#[inline]
pub fn before(bytes: &[u8], at: usize) -> u8 {
    at.checked_sub(1).and_then(|index| bytes.get(index)).copied().unwrap_or(0)
}

/// A letter, a digit or `_`: what makes a neighbour part of the same word.
#[inline]
pub fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The end of the run of bytes from `start` on that satisfy `is`.
#[inline]
pub fn run(bytes: &[u8], start: usize, is: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(start..).unwrap_or_default();
    start + rest.iter().position(|byte| !is(*byte)).unwrap_or(rest.len())
}

/// How many digits `bytes` holds.
pub fn digits(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| byte.is_ascii_digit()).count()
}

/// `text` without white space around it, and where that begins.
pub fn trimmed(text: &str) -> (usize, &str) {
    let rest = text.trim_start();
    (text.len() - rest.len(), rest.trim_end())
}

/// Whether `bytes` begin with `prefix` at `start`, in whatever case. `prefix` is lower case.
pub fn starts_with_folded(bytes: &[u8], start: usize, prefix: &[u8]) -> bool {
    bytes.get(start..start + prefix.len()).is_some_and(|found| found.eq_ignore_ascii_case(prefix))
}

/// Whether `bytes` end with `suffix`, in whatever case. `suffix` is lower case.
pub fn ends_with_folded(bytes: &[u8], suffix: &[u8]) -> bool {
    let start = bytes.len().checked_sub(suffix.len());
    start.is_some_and(|start| starts_with_folded(bytes, start, suffix))
}

/// The ends of runs whose beginnings ascend: what was walked over once is not walked over again, so that a text full of
/// beginnings does not cost the square of its length.
#[derive(Debug, Default)]
pub struct Runs {
    from: usize,
    stop: usize,
}

impl Runs {
    /// As [`run`]; always with the same `is` for the same bytes.
    pub fn run(&mut self, bytes: &[u8], start: usize, is: impl Fn(u8) -> bool) -> usize {
        if !(self.from..=self.stop).contains(&start) || self.stop == 0 {
            (self.from, self.stop) = (start, run(bytes, start, is));
        }
        self.stop
    }
}
