//! The characters people and attackers write instead of ASCII: full-width digits, dashes of every length,
//! spaces that do not break, characters of no width. Detection reads them as what they look like; an offset
//! map brings what it finds back to the bytes of the value.

/// A text as detection reads it, with the place of each byte in the original.
#[derive(Default, Debug)]
pub struct Normalised {
    pub text: String,
    /// for each byte of `text` the character of the original it stands for: first byte, byte after the last
    origins: Vec<(u32, u32)>,
}

impl Normalised {
    /// Reads `text`. False if it reads as it is written; then this is empty.
    pub fn read(&mut self, text: &str) -> bool {
        self.text.clear();
        self.origins.clear();
        if !text.chars().any(|c| !c.is_ascii() && meaning(c) != Meaning::Itself) {
            return false;
        }
        for (start, c) in text.char_indices() {
            let read = match meaning(c) {
                Meaning::Itself => c,
                Meaning::Ascii(byte) => char::from(byte),
                Meaning::Nothing => continue,
            };
            let origin = (start as u32, (start + c.len_utf8()) as u32);
            self.text.push(read);
            self.origins.resize(self.text.len(), origin);
        }
        true
    }

    /// Where `start..stop` of `text` lies in the original.
    pub fn origin(&self, start: u32, stop: u32) -> (u32, u32) {
        let first = self.origins.get(start as usize).map_or(0, |origin| origin.0);
        let last = (stop as usize).checked_sub(1).and_then(|last| self.origins.get(last));
        (first, last.map_or(first, |origin| origin.1))
    }
}

#[derive(PartialEq, Eq)]
enum Meaning {
    Itself,
    Ascii(u8),
    /// no width: left out
    Nothing,
}

fn meaning(c: char) -> Meaning {
    let code = c as u32;
    match code {
        0..=0x7f => Meaning::Itself,
        0xa0 | 0x2000..=0x200a | 0x202f | 0x205f | 0x3000 => Meaning::Ascii(b' '),
        0xad
        | 0x34f
        | 0x180e
        | 0x200b..=0x200f
        | 0x202a..=0x202e
        | 0x2060..=0x2064
        | 0xfe00..=0xfe0f
        | 0xfeff => Meaning::Nothing,
        0x2010..=0x2015 | 0x2212 | 0xfe58 | 0xfe63 => Meaning::Ascii(b'-'),
        0x2024 | 0x3002 | 0xff61 => Meaning::Ascii(b'.'),
        0xfe6b => Meaning::Ascii(b'@'),
        // full-width forms of all of ASCII
        0xff01..=0xff5e => Meaning::Ascii((code - 0xfee0) as u8),
        // digits: Arabic-Indic, Persian, Devanagari, Bengali, mathematical
        0x660..=0x669 => digit(code - 0x660),
        0x6f0..=0x6f9 => digit(code - 0x6f0),
        0x966..=0x96f => digit(code - 0x966),
        0x9e6..=0x9ef => digit(code - 0x9e6),
        0x1d7ce..=0x1d7ff => digit((code - 0x1d7ce) % 10),
        _ => Meaning::Itself,
    }
}

fn digit(value: u32) -> Meaning {
    Meaning::Ascii(b'0' + value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_maps_back() {
        let mut normalised = Normalised::default();
        assert!(!normalised.read("żółć 日本 plain"));
        let raw = "x 4１1\u{200b}1\u{2011}5";
        assert!(normalised.read(raw));
        assert_eq!(normalised.text, "x 4111-5");
        let (start, stop) = normalised.origin(2, 6);
        assert_eq!(&raw[start as usize..stop as usize], "4１1\u{200b}1");
    }
}
