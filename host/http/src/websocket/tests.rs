use super::frame::{Decoder, Event, Wrong, encode, ping, pong};
use bytes::Bytes;
use proptest::prelude::*;
use weir_session::http::traffic::{Goodbye, Message};

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

fn all(mut decoder: Decoder, pieces: &[&[u8]]) -> Result<Vec<Event>, Wrong> {
    let mut events = Vec::new();
    for piece in pieces {
        decoder.take(piece);
        while let Some(event) = decoder.next()? {
            events.push(event);
        }
    }
    Ok(events)
}

fn of_server(bytes: &[u8]) -> Result<Vec<Event>, Wrong> {
    all(Decoder::new(false, 1000), &[bytes])
}

fn text(text: &str) -> Event {
    Event::Message(Message::Text(Bytes::copy_from_slice(text.as_bytes())))
}

fn close(code: u16, reason: &str) -> Event {
    Event::Message(Message::Close(Some(Goodbye { code, reason: reason.to_owned() })))
}

#[test]
fn the_examples_of_the_rfc() {
    assert_eq!(of_server(&[0x81, 5, b'H', b'e', b'l', b'l', b'o']), Ok(vec![text("Hello")]));
    let masked = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(all(Decoder::new(true, 1000), &[&masked]), Ok(vec![text("Hello")]));
    assert_eq!(encode(&Message::Text("Hello".into()), Some(KEY)), &masked[..]);
    assert_eq!(of_server(b"\x01\x03Hel\x80\x02lo"), Ok(vec![text("Hello")]));
    let between = b"\x01\x03Hel\x89\x01!\x80\x02lo";
    assert_eq!(of_server(between), Ok(vec![Event::Ping("!".into()), text("Hello")]));
    assert_eq!(ping(b"Hello", None), &b"\x89\x05Hello"[..]);
    assert_eq!(pong(b"Hello", Some(KEY))[..2], [0x8a, 0x85]);
}

#[test]
fn what_the_rfc_forbids_ends_the_connection() {
    let large = [&[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0][..]].concat();
    for (bytes, code) in [
        (&b"\xc1\x00"[..], 1002),
        (b"\xa1\x00", 1002),
        (b"\x91\x00", 1002),
        (b"\x83\x00", 1002),
        (b"\x8b\x00", 1002),
        (b"\x80\x00", 1002),
        (b"\x01\x01a\x81\x01b", 1002),
        (b"\x09\x00", 1002),
        (b"\x08\x00", 1002),
        (b"\x89\x7e\x00\x7e", 1002),
        (b"\x81\x80", 1002),
        (b"\x81\x7e\x00\x7d", 1002),
        (b"\x81\x7f\x00\x00\x00\x00\x00\x00\xff\xff", 1002),
        (b"\x81\x7f\x80\x00\x00\x00\x00\x00\x00\x00", 1002),
        (b"\x81\x02\xc3\x28", 1007),
        (b"\x81\x03\xed\xa0\x80", 1007),
        (b"\x88\x01\x03", 1002),
        (b"\x88\x02\x03\xed", 1002),
        (b"\x88\x02\x03\xee", 1002),
        (b"\x88\x02\x00\x00", 1002),
        (b"\x88\x02\x13\x88", 1002),
        (b"\x88\x03\x03\xe8\xff", 1007),
        (&large, 1009),
        (b"\x82\x7e\x03\xe9", 1009),
    ] {
        assert_eq!(of_server(bytes).map_err(|wrong| wrong.code), Err(code), "{bytes:x?}");
    }
    let unmasked = all(Decoder::new(true, 1000), &[b"\x81\x00"]);
    assert_eq!(unmasked.map_err(|wrong| wrong.code), Err(1002));
}

#[test]
fn fragments_count_together() {
    let mut bytes = b"\x02\x7e\x03\xe8".to_vec();
    bytes.extend([0; 1000]);
    assert_eq!(of_server(&bytes), Ok(vec![]));
    bytes.extend(b"\x80\x01x");
    assert_eq!(of_server(&bytes).map_err(|wrong| wrong.code), Err(1009));
}

#[test]
fn a_character_may_be_cut_by_a_fragment() {
    assert_eq!(of_server(b"\x01\x01\xc3\x80\x01\xa4"), Ok(vec![text("ä")]));
}

#[test]
fn behind_a_close_nothing_counts() {
    let said = of_server(b"\x88\x05\x03\xe8bye\x81\x01x\xff\xff");
    assert_eq!(said, Ok(vec![close(1000, "bye")]));
    assert_eq!(of_server(b"\x88\x00"), Ok(vec![Event::Message(Message::Close(None))]));
}

#[test]
fn a_reason_is_cut_at_a_character() {
    let reason = "ä".repeat(100);
    let bytes = encode(&Message::Close(Some(Goodbye { code: 1008, reason })), None);
    assert_eq!(bytes.len(), 2 + 2 + 122);
    assert_eq!(of_server(&bytes), Ok(vec![close(1008, &"ä".repeat(61))]));
}

#[test]
fn a_code_that_cannot_be_sent_is_an_error_of_ours() {
    let bytes = encode(&Message::Close(Some(Goodbye { code: 1006, reason: String::new() })), None);
    assert_eq!(of_server(&bytes), Ok(vec![close(1011, "")]));
}

fn message() -> impl Strategy<Value = Message> {
    let size = prop_oneof![4 => 0..200_usize, 1 => 65_530..65_540_usize];
    prop_oneof![
        size.clone().prop_map(|size| Message::Text("ö".repeat(size / 2).into())),
        size.prop_map(|size| Message::Binary(vec![7; size].into())),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_wherever_it_is_cut(
        messages in proptest::collection::vec(message(), 1..4),
        masked: bool,
        step in 1..50_usize,
    ) {
        let key = masked.then_some(KEY);
        let mut bytes = Vec::new();
        for message in &messages {
            bytes.extend_from_slice(&encode(message, key));
            bytes.extend_from_slice(&ping(b"p", key));
        }
        let step = if bytes.len() > 10_000 { step * 100 } else { step };
        let pieces: Vec<&[u8]> = bytes.chunks(step).collect();
        let events = all(Decoder::new(masked, 100_000), &pieces).unwrap();
        let expected: Vec<_> = messages
            .into_iter()
            .flat_map(|message| [Event::Message(message), Event::Ping("p".into())])
            .collect();
        prop_assert_eq!(events, expected);
    }

    #[test]
    fn split_at_every_byte_it_is_the_same(bytes in proptest::collection::vec(any::<u8>(), 0..40), masked: bool) {
        let whole = all(Decoder::new(masked, 100), &[&bytes]);
        for at in 0..bytes.len() {
            let (first, second) = bytes.split_at(at);
            prop_assert_eq!(&all(Decoder::new(masked, 100), &[first, second]), &whole);
        }
    }
}
