//! Packet lines (gitprotocol-common): four hexadecimal digits that say how long a line is, these four included, and
//! then the line. Lengths 0, 1 and 2 are marks without a line.

use weir_sdk::Fault;

/// The longest packet, in bytes, with its length.
pub const MAX_PACKET: usize = 65_520;
const LENGTH: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    Line(&'a [u8]),
    /// `0000`
    Flush,
    /// `0001`
    Delimiter,
    /// `0002`
    End,
}

/// What stands at the start of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// A packet, and how many bytes it takes.
    Packet(Packet<'a>, usize),
    /// Not all of it is there: this many bytes would do, or show how many would.
    Needs(usize),
}

/// # Errors
/// When the length is none, or larger than a packet may be.
pub fn next(bytes: &[u8]) -> Result<Next<'_>, Fault> {
    let Some((digits, rest)) = bytes.split_at_checked(LENGTH) else { return Ok(Next::Needs(LENGTH)) };
    let mut length = 0;
    for digit in digits {
        let value = char::from(*digit).to_digit(16).and_then(|value| usize::try_from(value).ok());
        length = length * 16 + value.ok_or_else(|| malformed("a packet line has no length"))?;
    }
    let packet = match length {
        0 => Packet::Flush,
        1 => Packet::Delimiter,
        2 => Packet::End,
        LENGTH..=MAX_PACKET => match rest.get(..length - LENGTH) {
            Some(line) => return Ok(Next::Packet(Packet::Line(line), length)),
            None => return Ok(Next::Needs(length)),
        },
        _ => return Err(malformed("a packet line has an impossible length")),
    };
    Ok(Next::Packet(packet, LENGTH))
}

/// All of a body that must hold nothing but whole packets.
///
/// # Errors
/// When it does not.
pub fn all(mut bytes: &[u8]) -> Result<Vec<Packet<'_>>, Fault> {
    let mut packets = Vec::new();
    while !bytes.is_empty() {
        match next(bytes)? {
            Next::Packet(packet, taken) => {
                packets.push(packet);
                bytes = bytes.get(taken..).unwrap_or_default();
            }
            Next::Needs(_) => return Err(malformed("the request ends within a packet line")),
        }
    }
    Ok(packets)
}

/// A line as text, without the line feed at its end, which may be there or not.
///
/// # Errors
/// When it is empty, or holds control characters or bytes that are no UTF-8: git reads such lines otherwise than they
/// look.
pub fn text(line: &[u8]) -> Result<&str, Fault> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    match std::str::from_utf8(line) {
        Ok(text) if !text.is_empty() && !text.chars().any(char::is_control) => Ok(text),
        _ => Err(malformed("a line of the request is empty or no plain text")),
    }
}

/// Writes one line, cut off where a packet must end.
pub fn write(out: &mut Vec<u8>, line: &[u8]) {
    let line = line.get(..MAX_PACKET - LENGTH).unwrap_or(line);
    out.extend_from_slice(format!("{:04x}", line.len() + LENGTH).as_bytes());
    out.extend_from_slice(line);
}

/// Writes bytes of a channel of the side band, in as many packets as they take.
pub fn write_band(out: &mut Vec<u8>, channel: u8, bytes: &[u8]) {
    for piece in bytes.chunks(MAX_PACKET - LENGTH - 1) {
        out.extend_from_slice(format!("{:04x}", piece.len() + LENGTH + 1).as_bytes());
        out.push(channel);
        out.extend_from_slice(piece);
    }
}

pub const FLUSH: &[u8] = b"0000";

pub fn malformed(message: &str) -> Fault {
    Fault::new("git-malformed", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_say_where_a_packet_ends() {
        assert_eq!(next(b"").unwrap(), Next::Needs(4));
        assert_eq!(next(b"000").unwrap(), Next::Needs(4));
        assert_eq!(next(b"0006a").unwrap(), Next::Needs(6));
        assert_eq!(next(b"0006a\nrest").unwrap(), Next::Packet(Packet::Line(b"a\n"), 6));
        assert_eq!(next(b"0004").unwrap(), Next::Packet(Packet::Line(b""), 4));
        assert_eq!(next(b"000Aabcdef").unwrap(), Next::Packet(Packet::Line(b"abcdef"), 10));
        assert_eq!(next(b"0000x").unwrap(), Next::Packet(Packet::Flush, 4));
        assert_eq!(next(b"0001").unwrap(), Next::Packet(Packet::Delimiter, 4));
        assert_eq!(next(b"0002").unwrap(), Next::Packet(Packet::End, 4));
        assert_eq!(next(b"fff0").unwrap(), Next::Needs(65_520));
        for wrong in [&b"0003"[..], b"fff1", b"ffff", b"+006", b"0x06", b" 006", b"PACK", b"-001"] {
            next(wrong).unwrap_err();
        }
    }

    #[test]
    fn what_is_no_plain_text_is_no_line() {
        assert_eq!(text(b"done\n").unwrap(), "done");
        assert_eq!(text(b"done").unwrap(), "done");
        for wrong in [&b""[..], b"\n", b"a\n\n", b"a\0b", b"a\rb", b"a\xff", b"a\xc2\x85"] {
            text(wrong).unwrap_err();
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20)) {
            let mut bytes = Vec::new();
            for line in &lines {
                write(&mut bytes, line);
            }
            let read: Vec<_> = all(&bytes).unwrap();
            let wanted: Vec<_> = lines.iter().map(|line| Packet::Line(line)).collect();
            prop_assert_eq!(read, wanted);
        }

        #[test]
        fn a_band_is_cut_into_packets(bytes in prop::collection::vec(any::<u8>(), 0..200_000)) {
            let mut out = Vec::new();
            write_band(&mut out, 1, &bytes);
            let mut read = Vec::new();
            for packet in all(&out).unwrap() {
                let Packet::Line([1, rest @ ..]) = packet else { panic!("{packet:?}") };
                read.extend_from_slice(rest);
            }
            prop_assert_eq!(read, bytes);
        }

        #[test]
        fn nothing_makes_it_fall(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            _ = next(&bytes);
            _ = all(&bytes);
            _ = text(&bytes);
        }
    }
}
