//! An object told by its difference from another (gitformat-pack, "Deltified representation").

/// Nothing when it does not fit its base, or makes more than `room` bytes.
pub(super) fn apply(base: &[u8], mut delta: &[u8], room: usize) -> Option<Vec<u8>> {
    if number(&mut delta)? != base.len() {
        return None;
    }
    let size = number(&mut delta)?;
    if size > room {
        return None;
    }
    let mut made = Vec::with_capacity(size);
    while let Some(code) = byte(&mut delta) {
        let piece = match code {
            0 => return None,
            1..=0x7f => {
                let (piece, behind) = delta.split_at_checked(usize::from(code))?;
                delta = behind;
                piece
            }
            _ => {
                let start = place(code, 4, &mut delta)?;
                let length = match place(code >> 4, 3, &mut delta)? {
                    0 => 0x10000,
                    length => length,
                };
                base.get(start..start.checked_add(length)?)?
            }
        };
        if made.len() + piece.len() > size {
            return None;
        }
        made.extend_from_slice(piece);
    }
    (made.len() == size).then_some(made)
}

/// Bits of `code` say which of `bytes` bytes are there, the lowest first.
fn place(code: u8, bytes: u32, delta: &mut &[u8]) -> Option<usize> {
    let mut place = 0;
    for index in 0..bytes {
        if code >> index & 1 == 1 {
            place |= u32::from(byte(delta)?) << (8 * index);
        }
    }
    usize::try_from(place).ok()
}

/// Lowest bits first, seven at a time.
fn number(delta: &mut &[u8]) -> Option<usize> {
    let mut number = 0;
    for shift in [0_u32, 7, 14, 21] {
        let byte = byte(delta)?;
        number |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn byte(bytes: &mut &[u8]) -> Option<u8> {
    let (first, behind) = bytes.split_first()?;
    *bytes = behind;
    Some(*first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pieces_are_copied_or_given() {
        let base = b"tree and parent";
        // 4 bytes from 0; "X"; 6 bytes from 9.
        let delta = [15, 11, 0b1001_0000, 4, 1, b'X', 0b1001_0001, 9, 6];
        assert_eq!(apply(base, &delta, 100).unwrap(), b"treeXparent");
        assert_eq!(apply(base, &delta, 10), None, "too large");
        assert_eq!(apply(&base[1..], &delta, 100), None, "another base");
        assert_eq!(apply(base, &delta[..6], 100), None, "too short");
        assert_eq!(apply(base, &[15, 11, 0], 100), None, "a code that means nothing");
        assert_eq!(apply(base, &[15, 7, 0b1001_0001, 9, 7], 100), None, "behind the end of its base");
        assert_eq!(apply(base, &[15, 3, 5, b'a', b'b', b'c'], 100), None, "cut off");
        assert_eq!(apply(base, &[15, 1, 2, b'a', b'b'], 100), None, "longer than it says");
        assert_eq!(apply(base, &[0xff, 0xff, 0xff, 0xff, 0xff, 1], 100), None, "a number without an end");
    }

    #[test]
    fn a_length_of_nothing_is_65536() {
        let base = vec![7; 0x10000];
        let delta = [0x80, 0x80, 4, 0x80, 0x80, 4, 0x80];
        assert_eq!(apply(&base, &delta, 1 << 20).unwrap(), base);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_fall(base in prop::collection::vec(any::<u8>(), 0..100), mut delta in prop::collection::vec(any::<u8>(), 0..100), fits: bool) {
            if let (true, Some(first)) = (fits, delta.first_mut()) {
                *first = base.len() as u8;
            }
            if let Some(made) = apply(&base, &delta, 1000) {
                prop_assert!(made.len() <= 1000);
            }
        }
    }
}
