//! One entry of a pack: what it is, how long, and its bytes, unpacked.

use super::{Hash, Id};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_COMPUTE_ADLER32, TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_PARSE_ZLIB_HEADER,
    TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) data: Vec<u8>,
    /// bytes of the pack
    pub(super) taken: usize,
}

pub(super) enum Kind {
    Commit,
    Tag,
    /// a difference from what begins this many bytes before
    Behind(usize),
    /// a difference from this object
    Of(Id),
}

pub(super) enum Next {
    Entry(Entry),
    /// Its end is not there.
    Needs,
    /// A tree or a file, or nothing that can be read: behind it nobody looks.
    Stop,
}

/// `room`: bytes it may have unpacked.
pub(super) fn read(bytes: &[u8], hash: Hash, room: usize) -> Next {
    let mut rest = bytes;
    let Some((kind, size)) = header(&mut rest) else { return needs_or_stop(bytes) };
    let kind = match kind {
        1 => Kind::Commit,
        4 => Kind::Tag,
        6 => match distance(&mut rest) {
            Some(distance) => Kind::Behind(distance),
            None => return needs_or_stop(rest),
        },
        7 => match rest.split_at_checked(hash.bytes()) {
            Some((id, behind)) => {
                rest = behind;
                Kind::Of(Id::of(id))
            }
            None => return Next::Needs,
        },
        _ => return Next::Stop,
    };
    if size > room {
        return Next::Stop;
    }
    match inflate(rest, size) {
        Inflated::All(data, taken) => {
            Next::Entry(Entry { kind, data, taken: bytes.len() - rest.len() + taken })
        }
        Inflated::Needs => Next::Needs,
        Inflated::Wrong => Next::Stop,
    }
}

/// A number that has no end within so many bytes never gets one.
const MAX_NUMBER: usize = 10;

fn needs_or_stop(bytes: &[u8]) -> Next {
    if bytes.len() < MAX_NUMBER { Next::Needs } else { Next::Stop }
}

/// Kind and size: three bits of kind, then the size, lowest bits first, four and then seven at a time.
fn header(rest: &mut &[u8]) -> Option<(u8, usize)> {
    let (first, mut behind) = rest.split_first()?;
    let mut size = usize::from(first & 15);
    let (mut shift, mut more) = (4_u32, first & 0x80 != 0);
    while more {
        let (byte, left) = behind.split_first()?;
        // Sizes of 2 GiB and more are not looked at anyway.
        if shift > 24 {
            return None;
        }
        size |= usize::from(byte & 0x7f) << shift;
        (shift, more, behind) = (shift + 7, byte & 0x80 != 0, left);
    }
    *rest = behind;
    Some((first >> 4 & 7, size))
}

/// Highest bits first, seven at a time, with one added for each byte that goes on.
fn distance(rest: &mut &[u8]) -> Option<usize> {
    let mut distance = 0_usize;
    for (index, byte) in rest.iter().enumerate().take(4) {
        distance = distance << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            *rest = rest.get(index + 1..).unwrap_or_default();
            return Some(distance);
        }
        distance += 1;
    }
    None
}

enum Inflated {
    All(Vec<u8>, usize),
    Needs,
    Wrong,
}

/// A zlib stream that must hold exactly `size` bytes.
fn inflate(bytes: &[u8], size: usize) -> Inflated {
    let flags = TINFL_FLAG_PARSE_ZLIB_HEADER
        | TINFL_FLAG_COMPUTE_ADLER32
        | TINFL_FLAG_HAS_MORE_INPUT
        | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    // One byte to spare shows a stream that is longer than announced.
    let mut data = vec![0; size + 1];
    let (status, taken, written) = decompress(&mut DecompressorOxide::new(), bytes, &mut data, 0, flags);
    match status {
        TINFLStatus::Done if written == size => {
            data.truncate(size);
            Inflated::All(data, taken)
        }
        TINFLStatus::NeedsMoreInput if written <= size => Inflated::Needs,
        _ => Inflated::Wrong,
    }
}
