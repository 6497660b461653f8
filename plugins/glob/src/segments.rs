//! Patterns for names.
//!
//! `*` stands for any text within one segment, `**` for any text at all; everything else for itself. A pattern is
//! compared with the whole name. `**/` where a segment begins also stands for nothing, and so does `/**` at the end:
//! `docs/**` is `docs` and all below it. What is `/` here, is the separator of the names.
//!
//! A name is read once, byte by byte, with the set of places in the pattern that it may have come to. So the time is
//! at most the product of the lengths, whatever the pattern.

/// Longest pattern, in bytes: longer than any name one would write down.
pub const MAX_PATTERN_BYTES: usize = 512;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    /// What every name begins with; `parts` are what follows.
    head: Vec<u8>,
    parts: Vec<Part>,
    separator: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Byte(u8),
    /// `*`
    InSegment,
    /// `**`
    Across,
    /// Nothing itself: what follows, or what stands this many parts further.
    Fork(usize),
}

impl Glob {
    /// `separator` is an ASCII character. Case counts.
    pub fn new(pattern: &str, separator: u8) -> Self {
        let mut parts: Vec<Part> = Vec::with_capacity(pattern.len());
        let mut rest = pattern.as_bytes();
        let mut begins_segment = true;
        while let Some((&byte, behind)) = rest.split_first() {
            if byte != b'*' {
                let below = byte == separator && behind.len() > 1 && behind.iter().all(|byte| *byte == b'*');
                if below && !parts.is_empty() {
                    parts.extend([Part::Fork(3), Part::Byte(separator), Part::Across]);
                    break;
                }
                parts.push(Part::Byte(byte));
                rest = behind;
                begins_segment = byte == separator;
                continue;
            }
            let stars = rest.iter().take_while(|byte| **byte == b'*').count();
            rest = rest.get(stars..).unwrap_or_default();
            match rest.split_first() {
                _ if stars == 1 => parts.push(Part::InSegment),
                Some((next, behind)) if begins_segment && *next == separator => {
                    parts.extend([Part::Fork(3), Part::Across, Part::Byte(separator)]);
                    rest = behind;
                    // A segment begins again.
                    continue;
                }
                _ => parts.push(Part::Across),
            }
            begins_segment = false;
        }
        let tail = parts.split_off(parts.iter().take_while(|part| matches!(part, Part::Byte(_))).count());
        let byte = |part: &Part| if let Part::Byte(byte) = part { Some(*byte) } else { None };
        Self { head: parts.iter().filter_map(byte).collect(), parts: tail, separator }
    }

    /// Whether the whole of `name` is of this form.
    pub fn matches(&self, name: &str) -> bool {
        let Some(rest) = name.as_bytes().strip_prefix(self.head.as_slice()) else { return false };
        if self.parts.is_empty() {
            return rest.is_empty();
        }
        let mut places = Places::new(self.parts.len());
        let mut next = Places::new(self.parts.len());
        places.enter(&self.parts, 0);
        for &byte in rest {
            for &place in &places.list {
                match self.parts.get(place) {
                    Some(Part::Byte(wanted)) if *wanted == byte => next.enter(&self.parts, place + 1),
                    Some(Part::InSegment) if byte != self.separator => next.enter(&self.parts, place),
                    Some(Part::Across) => next.enter(&self.parts, place),
                    _ => {}
                }
            }
            if next.list.is_empty() {
                return false;
            }
            places.clear();
            std::mem::swap(&mut places, &mut next);
        }
        places.list.contains(&self.parts.len())
    }
}

/// A set of places in a pattern: before each part, and behind the last.
struct Places {
    list: Vec<usize>,
    has: Vec<bool>,
}

impl Places {
    fn new(parts: usize) -> Self {
        Self { list: Vec::with_capacity(parts + 1), has: vec![false; parts + 1] }
    }

    /// Adds a place and those that are reached from it without reading anything.
    fn enter(&mut self, parts: &[Part], place: usize) {
        let mut open = self.list.len();
        self.add(place);
        while let Some(&place) = self.list.get(open) {
            open += 1;
            match parts.get(place) {
                Some(Part::InSegment | Part::Across) => self.add(place + 1),
                Some(Part::Fork(further)) => {
                    self.add(place + 1);
                    self.add(place + further);
                }
                Some(Part::Byte(_)) | None => {}
            }
        }
    }

    fn add(&mut self, place: usize) {
        if let Some(has) = self.has.get_mut(place)
            && !*has
        {
            *has = true;
            self.list.push(place);
        }
    }

    fn clear(&mut self) {
        for place in self.list.drain(..) {
            if let Some(has) = self.has.get_mut(place) {
                *has = false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[track_caller]
    fn check(pattern: &str, name: &str, expected: bool) {
        assert_eq!(Glob::new(pattern, b'/').matches(name), expected, "{pattern} {name}");
    }

    #[test]
    fn one_star_stays_in_its_segment_and_two_go_across() {
        for (pattern, name, expected) in [
            ("refs/heads/main", "refs/heads/main", true),
            ("refs/heads/main", "refs/heads/main2", false),
            ("refs/heads/main", "x/refs/heads/main", false),
            ("refs/tags/*", "refs/tags/v1.0.2", true),
            ("refs/tags/*", "refs/tags/", true),
            ("refs/tags/*", "refs/tags/a/b", false),
            ("refs/tags/**", "refs/tags/a/b", true),
            ("refs/*/main", "refs/heads/main", true),
            ("refs/*/main", "refs/heads/x/main", false),
            ("re*s", "refs", true),
            ("re*s", "res", true),
            ("*", "", true),
            ("*", "a/b", false),
            ("**", "a/b", true),
            ("", "", true),
            ("", "a", false),
            ("a**b", "a/x/b", true),
            ("a***b", "a/x/b", true),
            ("*é*", "caféteria", true),
        ] {
            check(pattern, name, expected);
        }
    }

    #[test]
    fn two_stars_as_a_segment_may_be_no_segment() {
        for (pattern, name, expected) in [
            ("**/main", "main", true),
            ("**/main", "a/main", true),
            ("**/main", "a/b/main", true),
            ("**/main", "amain", false),
            ("**/main", "/main", true),
            ("a/**/b", "a/b", true),
            ("a/**/b", "a/x/y/b", true),
            ("a/**/b", "ab", false),
            ("a/**/b", "a/xb", false),
            ("a/**/**/b", "a/b", true),
            ("docs/**", "docs", true),
            ("docs/**", "docs/", true),
            ("docs/**", "docs/a/b", true),
            ("docs/**", "docs2", false),
            ("/**", "/", true),
            ("/**", "", false),
            ("/**", "a", false),
            ("DELETE /**", "DELETE /a", true),
            ("*/**", "a", true),
        ] {
            check(pattern, name, expected);
        }
    }

    #[test]
    fn hostile_patterns_and_names_take_no_longer_than_their_product() {
        let began = Instant::now();
        for pattern in ["*a".repeat(250), "**a".repeat(160), "**/".repeat(160), "*".repeat(500)] {
            let glob = Glob::new(&format!("{pattern}x"), b'/');
            assert!(!glob.matches(&"a".repeat(20_000)));
            assert!(!glob.matches(&"a/".repeat(10_000)));
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }
}
