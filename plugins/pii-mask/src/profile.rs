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
    fn counts_what_the_detectors_ask_for() {
        let profile = Profile::of(b"call 555-0142, ann@example.com");
        assert_eq!(profile.digits, 7);
        assert_eq!(profile.longest, 15);
        assert!(profile.has(class::AT) && !profile.has(class::COLON) && !profile.has(class::ODD));
        assert_eq!(Profile::of(b""), Profile::default());
    }
}
