//! `E`: run a portal, at most so many rows (0: all).

use crate::wire::Reader;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Execute<'a> {
    pub portal: &'a [u8],
    pub max_rows: i32,
}

pub fn decode(body: &[u8]) -> Option<Execute<'_>> {
    let mut reader = Reader::new(body);
    let portal = reader.cstr()?;
    let max_rows = reader.i32()?;
    reader.at_end().then_some(Execute { portal, max_rows })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portal_and_limit() {
        assert_eq!(decode(b"p\0\0\0\0\x02"), Some(Execute { portal: b"p", max_rows: 2 }));
        assert_eq!(decode(b"p\0\0\0\0"), None);
    }
}
