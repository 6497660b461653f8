//! `B`: portal name, THEN statement name, then parameters and the formats wanted for the result.

use crate::wire::Reader;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bind<'a> {
    pub portal: &'a [u8],
    pub statement: &'a [u8],
    pub values: Values<'a>,
}

/// Everything behind the names: what the parameters and result formats are. Checked once, read as often as
/// wanted; a portal keeps these bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Values<'a>(&'a [u8]);

impl<'a> Values<'a> {
    pub fn bytes(&self) -> &'a [u8] {
        self.0
    }

    /// Bytes that `decode` accepted before.
    pub fn kept(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Each parameter with its format.
    pub fn parameters(&self) -> Vec<(Format, Option<&'a [u8]>)> {
        let mut reader = Reader::new(self.0);
        let Some(formats) = formats(&mut reader) else { return Vec::new() };
        let count = usize::from(reader.u16().unwrap_or(0));
        let mut parameters = Vec::with_capacity(count);
        for index in 0..count {
            let Some(value) = reader.value() else { break };
            parameters.push((formats.at(index), value));
        }
        parameters
    }

    pub fn result_formats(&self) -> Formats<'a> {
        let mut reader = Reader::new(self.0);
        let found = (|| {
            formats(&mut reader)?;
            let count = reader.u16()?;
            for _ in 0..count {
                reader.value()?;
            }
            formats(&mut reader)
        })();
        found.unwrap_or_default()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Text,
    Binary,
}

impl Format {
    pub fn from_code(code: u16) -> Self {
        if code == 0 { Self::Text } else { Self::Binary }
    }
}

/// No code: all text. One: it holds for all. Otherwise one each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Formats<'a>(&'a [[u8; 2]]);

impl Formats<'_> {
    pub fn at(&self, index: usize) -> Format {
        let code = match self.0 {
            [] => None,
            [all] => Some(all),
            each => each.get(index),
        };
        code.map_or(Format::Text, |code| Format::from_code(u16::from_be_bytes(*code)))
    }
}

fn formats<'a>(reader: &mut Reader<'a>) -> Option<Formats<'a>> {
    let count = usize::from(reader.u16()?);
    let (codes, _) = reader.take(count * 2)?.as_chunks::<2>();
    Some(Formats(codes))
}

pub fn decode(body: &[u8]) -> Option<Bind<'_>> {
    let mut reader = Reader::new(body);
    let portal = reader.cstr()?;
    let statement = reader.cstr()?;
    let values = Values(reader.rest());
    formats(&mut reader)?;
    let count = reader.u16()?;
    for _ in 0..count {
        reader.value()?;
    }
    formats(&mut reader)?;
    reader.at_end().then_some(Bind { portal, statement, values })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portal_comes_before_statement() {
        let body = b"p\0s\0\0\x01\0\x01\0\x02\0\0\0\x01a\xff\xff\xff\xff\0\x02\0\0\0\x01";
        let bind = decode(body).unwrap();
        assert_eq!((bind.portal, bind.statement), (&b"p"[..], &b"s"[..]));
        assert_eq!(bind.values.parameters(), [(Format::Binary, Some(&b"a"[..])), (Format::Binary, None)]);
        let formats = bind.values.result_formats();
        assert_eq!(
            [formats.at(0), formats.at(1), formats.at(2)],
            [Format::Text, Format::Binary, Format::Text]
        );
    }

    #[test]
    fn no_code_is_text_and_one_is_for_all() {
        let none = decode(b"\0\0\0\0\0\0\0\0").unwrap().values.result_formats();
        assert_eq!(none.at(7), Format::Text);
        let one = decode(b"\0\0\0\0\0\0\0\x01\0\x01").unwrap();
        assert_eq!(one.values.result_formats().at(7), Format::Binary);
    }

    #[test]
    fn wrong_counts_are_refused() {
        assert_eq!(decode(b"\0\0\0\0\0\x01\0\0\0\x05a\0\0"), None);
        assert_eq!(decode(b"\0\0\0\0\0\0\0\x01\0"), None);
        assert_eq!(decode(b"\0\0\0\0\0\0\0\0x"), None);
        assert_eq!(decode(b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0"), None);
    }
}
