//! One look at every byte of a value: which detectors can possibly find something?
//!
//! Nearly all cells are clean, so this loop is what masking costs. It has no branches.

/// Classes a byte belongs to.
pub mod class {
    pub const DIGIT: u8 = 1;
    pub const AT: u8 = 2;
    pub const COLON: u8 = 4;
    pub const EQUAL: u8 = 8;
    /// begins a character that detection may read as another one
    pub const ODD: u8 = 16;
    pub const DASH: u8 = 32;
    /// may be part of a token without spaces
    pub const TOKEN: u8 = 128;
}

/// Shortest secret that recognises itself: anything below this length without a space is none.
pub const MIN_SECRET: u32 = 16;

/// `-----BEGIN` is shorter.
pub const MIN_FRAME: u32 = 10;

/// Fewest digits of a number worth a look.
pub const MIN_DIGITS: u32 = 7;

#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Profile {
    /// union of the classes of all bytes
    pub classes: u8,
    pub digits: u32,
    /// longest run of `TOKEN` bytes
    pub longest: u32,
}

/// Eight copies of a byte.
const fn eight(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// A quick look at eight bytes at a time: `true` when there is surely nothing in them for any detector but that of
/// IP addresses. No text that is not ASCII, no `@`, `:`, `=` or `-`, no seven digits, and no sixteen characters
/// without a space.
pub fn is_clean(bytes: &[u8]) -> bool {
    const TOP: u64 = eight(0x80);
    let mut marks = 0u64;
    let (mut digits, mut run, mut longest) = (0, 0, 0);
    let mut look = |word: u64| {
        let has = |byte: u8| {
            let others = word ^ eight(byte);
            others.wrapping_sub(eight(1)) & !others & TOP
        };
        marks |= (word & TOP) | has(b'@') | has(b':') | has(b'=') | has(b'-');
        // Sums of ASCII bytes and these do not carry into the next byte.
        let ascii = word & !TOP;
        digits += ((ascii + eight(0x80 - b'0')) & !(ascii + eight(0x80 - b'9' - 1)) & TOP).count_ones();
        let spaces = !(ascii + eight(0x7f - b' ')) & TOP;
        longest = longest.max(run + spaces.trailing_zeros() / 8);
        run = if spaces == 0 { run + 8 } else { spaces.leading_zeros() / 8 };
    };
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        look(u64::from_le_bytes(*word));
    }
    let mut last = [b' '; 8];
    for (place, byte) in last.iter_mut().zip(rest) {
        *place = *byte;
    }
    look(u64::from_le_bytes(last));
    marks == 0 && digits < MIN_DIGITS && longest < MIN_SECRET
}

impl Profile {
    pub fn of(bytes: &[u8]) -> Profile {
        let mut profile = Profile::default();
        let mut run = 0u32;
        for byte in bytes {
            let class = CLASSES.get(usize::from(*byte)).copied().unwrap_or(0);
            profile.classes |= class;
            profile.digits += u32::from(class & class::DIGIT);
            let keep = 0u32.wrapping_sub(u32::from(class >> 7));
            run = (run + 1) & keep;
            profile.longest = profile.longest.max(run);
        }
        profile
    }

    pub fn has(self, class: u8) -> bool {
        self.classes & class != 0
    }
}

static CLASSES: [u8; 256] = classes();

#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn classes() -> [u8; 256] {
    let mut table = [0u8; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        let mut class = 0;
        if b.is_ascii_digit() {
            class |= class::DIGIT;
        }
        if b == b'@' {
            class |= class::AT;
        }
        if b == b':' {
            class |= class::COLON;
        }
        if b == b'=' {
            class |= class::EQUAL;
        }
        if b == b'-' {
            class |= class::DASH;
        }
        // The first bytes of what `normalise` maps.
        if matches!(b, 0xc2 | 0xd9 | 0xdb | 0xe0 | 0xe1 | 0xe2 | 0xe3 | 0xef | 0xf0) {
            class |= class::ODD;
        }
        if b.is_ascii_graphic() && !matches!(b, b'"' | b'\'' | b',' | b';' | b'(' | b')' | b'<' | b'>') {
            class |= class::TOKEN;
        }
        table[byte] = class;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clean_is_what_no_detector_would_look_at() {
        for text in
            ["", "Ann Smith", "went out for lunch", "123456", "Christopher Smith, batch", "elevenchars\t"]
        {
            assert!(is_clean(text.as_bytes()), "{text}");
        }
        let mut never =
            vec!["a@b", "12:30", "a=b", "x-y", "é", "1234567", "1a2b3c4d5e6f7", "abcdefghijklmnop"];
        never.extend([" abcdefghijklmnop", "ab cdefghijklmnopqr", "words and abcdefghijklmnop"]);
        for text in never {
            assert!(!is_clean(text.as_bytes()), "{text}");
        }
        // Whatever is clean has a profile that none of them looks at.
        let letters = [b'a', b'1', b' ', b'@', b'-', 0xc3, b'~', b'/', b'0', b'9', b':', b'?'];
        let mut state = 7u64;
        for _ in 0..200_000 {
            let mut next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) as usize
            };
            let text: Vec<u8> =
                (0..next() % 40).map(|_| letters[next() % (3 + next() % 10).min(12)]).collect();
            if is_clean(&text) {
                let profile = Profile::of(&text);
                let marks = class::AT | class::COLON | class::EQUAL | class::DASH | class::ODD;
                assert!(!profile.has(marks) && profile.digits < MIN_DIGITS && profile.longest < MIN_SECRET);
            }
        }
    }

    #[test]
    fn counts_what_the_detectors_ask_for() {
        let profile = Profile::of(b"call 555-0142, ann@example.com");
        assert_eq!(profile.digits, 7);
        assert_eq!(profile.longest, 15);
        assert!(profile.has(class::AT) && !profile.has(class::COLON) && !profile.has(class::ODD));
        assert_eq!(Profile::of(b""), Profile::default());
    }
}
