//! Texts inside structured values: the strings and numbers of JSON, the elements of a PostgreSQL array.
//!
//! Each is handed out as what it means (escapes resolved) with a way back to the bytes it is written in, so an
//! edit never leaves its string and never cuts an escape in two.

use crate::bytes::{at, run};

/// One text inside a value.
pub struct Piece<'v> {
    /// what it means
    pub text: &'v str,
    /// where its bytes are; for an escaped piece `origins` maps each byte of `text`
    pub start: u32,
    origins: Option<&'v [(u32, u32)]>,
    /// the name it stands under, still escaped
    pub key: Option<&'v str>,
    /// a JSON number: its replacement needs quotes
    pub is_number: bool,
}

impl Piece<'_> {
    /// Where `start..stop` of `text` is written in the value.
    pub fn place(&self, start: u32, stop: u32) -> (u32, u32) {
        match self.origins {
            None => (self.start + start, self.start + stop),
            Some(origins) => {
                let first = origins.get(start as usize).map_or(self.start, |origin| origin.0);
                let last = (stop as usize).checked_sub(1).and_then(|last| origins.get(last));
                (first, last.map_or(first, |origin| origin.1))
            }
        }
    }
}

/// Memory for texts with escapes, used again and again.
#[derive(Default, Debug)]
pub struct Scratch {
    text: String,
    origins: Vec<(u32, u32)>,
}

impl Scratch {
    fn clear(&mut self) {
        self.text.clear();
        self.origins.clear();
    }

    fn push(&mut self, c: char, start: usize, stop: usize) {
        self.text.push(c);
        self.origins.resize(self.text.len(), (start as u32, stop as u32));
    }
}

/// Every string and number of a JSON text, with the name it stands under. Tolerant: text that is no JSON is cut
/// at its quotes.
pub fn each_json(value: &str, scratch: &mut Scratch, mut visit: impl FnMut(&Piece<'_>)) {
    let bytes = value.as_bytes();
    let mut place = 0;
    // The last string, a key if a colon follows.
    let mut last: Option<&str> = None;
    let mut key: Option<&str> = None;
    while place < bytes.len() {
        match at(bytes, place) {
            b'"' => {
                let start = place + 1;
                let (stop, escaped) = string_end(bytes, start);
                let inside = value.get(start..stop).unwrap_or_default();
                let is_key = at(bytes, run(bytes, stop + 1, |b| b.is_ascii_whitespace())) == b':';
                let key = if is_key { None } else { key };
                if escaped && unescape_json(inside, start, scratch) {
                    let origins = Some(scratch.origins.as_slice());
                    visit(&Piece {
                        text: &scratch.text,
                        start: start as u32,
                        origins,
                        key,
                        is_number: false,
                    });
                } else {
                    visit(&Piece { text: inside, start: start as u32, origins: None, key, is_number: false });
                }
                last = Some(inside);
                place = stop + 1;
            }
            b':' => {
                key = last.take();
                place += 1;
            }
            // A name covers every element of a list below it, and no other member.
            b'{' | b'}' => {
                key = None;
                place += 1;
            }
            b',' => {
                place += 1;
            }
            b'0'..=b'9' | b'-' => {
                let stop = run(bytes, place, |b| {
                    b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E')
                });
                let text = value.get(place..stop).unwrap_or_default();
                visit(&Piece { text, start: place as u32, origins: None, key, is_number: true });
                place = stop;
            }
            _ => place += 1,
        }
    }
}

/// Where a string that starts at `start` ends, and whether it holds escapes.
fn string_end(bytes: &[u8], start: usize) -> (usize, bool) {
    let mut place = start;
    let mut escaped = false;
    while let Some(found) = memchr::memchr2(b'"', b'\\', bytes.get(place..).unwrap_or_default()) {
        place += found;
        if at(bytes, place) == b'"' {
            return (place, escaped);
        }
        escaped = true;
        place += 2;
    }
    (bytes.len(), escaped)
}

fn unescape_json(inside: &str, start: usize, scratch: &mut Scratch) -> bool {
    scratch.clear();
    let mut rest = inside.char_indices().peekable();
    while let Some((from, c)) = rest.next() {
        if c != '\\' {
            scratch.push(c, start + from, start + from + c.len_utf8());
            continue;
        }
        let Some((_, escape)) = rest.next() else { return false };
        let read = match escape {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'u' => {
                let hex = |at: usize| {
                    inside.get(at..at + 4).and_then(|digits| u32::from_str_radix(digits, 16).ok())
                };
                let Some(high) = hex(from + 2) else { return false };
                let pair = (0xd800..0xdc00).contains(&high) && inside.get(from + 6..from + 8) == Some("\\u");
                let low = if pair { hex(from + 8) } else { None };
                let (code, length) = match low {
                    Some(low @ 0xdc00..=0xdfff) => (0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00), 12),
                    _ => (high, 6),
                };
                while rest.next_if(|(next, _)| *next < from + length).is_some() {}
                let read = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                scratch.push(read, start + from, start + from + length);
                continue;
            }
            other => other,
        };
        scratch.push(read, start + from, start + from + 1 + escape.len_utf8());
    }
    true
}

/// Every element of an array's text, however deep. NULL elements are left out.
pub fn each_element(value: &str, scratch: &mut Scratch, mut visit: impl FnMut(&Piece<'_>)) {
    let bytes = value.as_bytes();
    // `[1:2]={…}` has bounds in front.
    let mut place = memchr::memchr(b'{', bytes).unwrap_or(0);
    while place < bytes.len() {
        match at(bytes, place) {
            b'{' | b'}' | b',' | b';' => place += 1,
            b if b.is_ascii_whitespace() => place += 1,
            b'"' => {
                let start = place + 1;
                let (stop, escaped) = string_end(bytes, start);
                let inside = value.get(start..stop).unwrap_or_default();
                visit_element(inside, start, escaped, scratch, &mut visit);
                place = stop + 1;
            }
            _ => {
                let stop = element_end(bytes, place);
                let inside = value.get(place..stop).unwrap_or_default();
                if !inside.eq_ignore_ascii_case("null") {
                    visit_element(inside, place, inside.contains('\\'), scratch, &mut visit);
                }
                place = stop.max(place + 1);
            }
        }
    }
}

fn element_end(bytes: &[u8], start: usize) -> usize {
    let mut place = start;
    while place < bytes.len() && !matches!(at(bytes, place), b',' | b'{' | b'}' | b'"') {
        place += if at(bytes, place) == b'\\' { 2 } else { 1 };
    }
    place.min(bytes.len())
}

fn visit_element(
    inside: &str,
    start: usize,
    escaped: bool,
    scratch: &mut Scratch,
    visit: &mut impl FnMut(&Piece<'_>),
) {
    if !escaped {
        return visit(&Piece {
            text: inside,
            start: start as u32,
            origins: None,
            key: None,
            is_number: false,
        });
    }
    scratch.clear();
    let mut rest = inside.char_indices();
    while let Some((from, c)) = rest.next() {
        let (read, to) = match (c, c == '\\') {
            (_, true) => rest.next().map_or(('\\', from + 1), |(at, c)| (c, at + c.len_utf8())),
            (c, false) => (c, from + c.len_utf8()),
        };
        scratch.push(read, start + from, start + to);
    }
    let origins = Some(scratch.origins.as_slice());
    visit(&Piece { text: &scratch.text, start: start as u32, origins, key: None, is_number: false });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_pieces() {
        let value = r#"{"a": "x\u0040y", "n": [12, -3.5], "deep": {"k\"": "\\z"}, "last": true}"#;
        let mut seen = Vec::new();
        each_json(value, &mut Scratch::default(), |piece| {
            let (start, stop) = piece.place(0, piece.text.len() as u32);
            seen.push((
                piece.text.to_owned(),
                piece.key.map(str::to_owned),
                value[start as usize..stop as usize].to_owned(),
            ));
        });
        let texts: Vec<_> =
            seen.iter().map(|(text, key, raw)| (text.as_str(), key.as_deref(), raw.as_str())).collect();
        assert_eq!(
            texts,
            [
                ("a", None, "a"),
                ("x@y", Some("a"), r"x\u0040y"),
                ("n", None, "n"),
                ("12", Some("n"), "12"),
                ("-3.5", Some("n"), "-3.5"),
                ("deep", None, "deep"),
                ("k\"", None, "k\\\""),
                ("\\z", Some("k\\\""), r"\\z"),
                ("last", None, "last"),
            ]
        );
    }

    #[test]
    fn array_elements() {
        let value = r#"[0:1]={{a,"b \"c"},{NULL,d\,e}}"#;
        let mut seen = Vec::new();
        each_element(value, &mut Scratch::default(), |piece| seen.push(piece.text.to_owned()));
        assert_eq!(seen, ["a", "b \"c", "d,e"]);
    }
}
