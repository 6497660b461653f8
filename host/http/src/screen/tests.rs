use super::{MAX_HEAD_BYTES, SUBSTITUTE, Screen};
use proptest::prelude::*;

/// What came out, how many heads, and what was refused in front of and inside a body.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    out: Vec<u8>,
    refused: Option<(u64, u16)>,
    broken: bool,
}

fn through(pieces: &[&[u8]]) -> Seen {
    let mut screen = Screen::default();
    let mut out = Vec::new();
    for piece in pieces {
        screen.take(piece);
        out.extend_from_slice(screen.ready());
        screen.forget();
    }
    let refused = screen.refusal().map(|(at, refusal)| (at, refusal.status));
    Seen { out, refused, broken: screen.broken().is_some() }
}

/// The same wherever the bytes are cut.
fn cut_everywhere(input: &[u8]) -> Seen {
    let whole = through(&[input]);
    let single: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(through(&single), whole, "byte by byte");
    for at in 0..input.len() {
        let (before, behind) = input.split_at(at);
        assert_eq!(through(&[before, behind]), whole, "cut at {at}");
    }
    whole
}

fn passes(input: &str) -> String {
    let seen = cut_everywhere(input.as_bytes());
    assert_eq!((seen.refused, seen.broken), (None, false), "{input:?}");
    String::from_utf8(seen.out).unwrap()
}

fn refused(input: &str) -> u16 {
    let seen = cut_everywhere(input.as_bytes());
    let (at, status) = seen.refused.unwrap_or_else(|| panic!("passes: {input:?}"));
    assert_eq!((at, seen.out.as_slice()), (0, SUBSTITUTE), "{input:?}");
    status
}

#[test]
fn a_head_is_written_anew() {
    let passed = passes("GET /a?b=c HTTP/1.1\r\nHost:  x:80 \r\nX-Empty:\r\nA:\tb\t\r\n\r\n");
    assert_eq!(passed, "GET /a?b=c HTTP/1.1\r\nHost: x:80\r\nX-Empty: \r\nA: b\r\n\r\n");
}

#[test]
fn requests_behind_each_other_are_kept_apart() {
    let pipeline = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc\
        POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n\
        GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_eq!(passes(pipeline), pipeline);
}

#[test]
fn what_looks_like_a_request_in_a_body_is_a_body() {
    let inner = "GET /admin HTTP/1.1\r\nHost: y\n\n\r\n\r\n";
    let with_length = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{inner}", inner.len());
    assert_eq!(passes(&with_length), with_length);
    let chunked = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{inner}\r\n0\r\n\r\n",
        inner.len()
    );
    assert_eq!(passes(&chunked), chunked);
}

#[test]
fn an_extension_of_a_chunk_is_left_out_and_a_trailer_passes() {
    let passed = passes(
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n0a;x=\"y\"\r\n0123456789\r\n000;z\r\nX-Sum:  1\r\n\r\n",
    );
    let expected = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\na\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n";
    assert_eq!(passed, expected);
}

#[test]
fn what_was_given_is_not_kept_while_more_comes() {
    let mut screen = Screen::default();
    screen.take(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n");
    for _ in 0..10_000 {
        // Something is left always.
        screen.take(&[b'x'; 1000]);
        screen.given(1000);
        assert!(!screen.ready().is_empty());
    }
    assert!(screen.ready.capacity() < 1 << 20, "{}", screen.ready.capacity());
}

#[test]
fn an_empty_line_in_front_of_a_head_is_left_out_once() {
    assert_eq!(passes("\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"), "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(refused("\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
}

#[test]
fn an_offer_of_another_version_is_left_out() {
    let passed = passes("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
    assert_eq!(passed, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n\r\n");
}

#[test]
fn a_head_that_can_be_read_in_two_ways_is_refused() {
    let post = |headers: &str| format!("POST / HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n");
    let bad = [
        // Where does it end?
        post("Content-Length: 3\r\nTransfer-Encoding: chunked"),
        post("Transfer-Encoding: chunked\r\nContent-Length: 3"),
        post("Content-Length: 3\r\nContent-Length: 3"),
        post("Content-Length: 3, 3"),
        post("Content-Length: +3"),
        post("Content-Length: -3"),
        post("Content-Length: 0x3"),
        post("Content-Length: 3 3"),
        post("Content-Length:"),
        post("Content-Length: 99999999999999999999"),
        post("Content-Length: 9999999999999999999"),
        post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
        // Which header is it?
        post("Content-Length : 3"),
        post(" Content-Length: 3"),
        post("X: y\r\n folded"),
        post("X: y\r\n\tfolded"),
        post("X\0: y"),
        post("X: a\0b"),
        post("X: a\x0bb"),
        post("X: a\x7fb"),
        post("X: a\rb"),
        post("X: a\nb"),
        post("X: a\r\r\nb: c"),
        post("no colon"),
        post(": no name"),
        post("X(): y"),
        "GET / HTTP/1.1\nHost: x\n\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: x\n\r\n".to_owned(),
        // For whom?
        "GET / HTTP/1.1\r\n\r\n".to_owned(),
        "GET / HTTP/1.0\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost:\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: a@x\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: x/y\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: x:y\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: x:99999\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: x, y\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: x y\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n".to_owned(),
        "GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET http://y/ HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        // What?
        "GET x HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET * HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET /ä HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET  / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET /  HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        " GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET\t/\tHTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "G(T / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET / http/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET /\r\n\r\n".to_owned(),
        "GET /\r\nHost: x\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1}".to_owned(),
    ];
    for input in bad {
        assert_eq!(refused(&input), 400, "{input:?}");
    }
}

#[test]
fn what_is_not_done_here_says_so() {
    let with = |header: &str| format!("GET / HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n");
    for (input, status) in [
        (with("Transfer-Encoding: gzip, chunked"), 501),
        (with("Transfer-Encoding: chunked, identity"), 501),
        (with("Transfer-Encoding: identity"), 501),
        (with("Transfer-Encoding: \u{b}chunked"), 400),
        (with("Transfer-Encoding: xchunked"), 501),
        (with("Transfer-Encoding: \"chunked\""), 501),
        (with("Transfer-Encoding:"), 501),
        (with("Connection: upgrade\r\nUpgrade: tls/1.0"), 501),
        (with("Upgrade: h2c, websocket"), 501),
        (with("Upgrade: websocket, h2c"), 501),
        (with("Upgrade: h2c\r\nUpgrade: websocket"), 501),
        (with("Upgrade: websocket\r\nUpgrade: websocket"), 501),
        ("CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n".to_owned(), 501),
        ("TRACE / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 501),
        ("GET / HTTP/1.2\r\nHost: x\r\n\r\n".to_owned(), 505),
        ("GET / HTTP/2.0\r\nHost: x\r\n\r\n".to_owned(), 505),
    ] {
        assert_eq!(refused(&input), status, "{input:?}");
    }
}

#[test]
fn a_head_has_limits() {
    let long = "a".repeat(MAX_HEAD_BYTES);
    assert_eq!(through(&[b"GET / HTTP/1.1\r\nHost: x\r\nX: ", long.as_bytes()]).refused, Some((0, 431)));
    let many = |count| format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(count));
    assert_eq!(through(&[many(99).as_bytes()]).refused, None);
    assert_eq!(through(&[many(100).as_bytes()]).refused, Some((0, 431)));
}

#[test]
fn nothing_behind_a_refused_request_is_looked_at() {
    let seen = cut_everywhere(
        b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\nHost: x\r\n\r\n",
    );
    assert_eq!(seen.refused, Some((1, 400)));
    assert_eq!(seen.out, [b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\n", SUBSTITUTE].concat());
}

#[test]
fn a_chunk_that_is_not_exact_breaks_the_body() {
    let head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    for body in [
        "\r\n",
        "g\r\n",
        "0x3\r\nabc\r\n",
        "+3\r\nabc\r\n",
        " 3\r\nabc\r\n",
        "3 \r\nabc\r\n",
        "3 ;x\r\nabc\r\n",
        ";x\r\n",
        "3\nabc\r\n",
        "3\r\nabcd\r\n",
        "3\r\nabc\n",
        "3\r\nabc\rx",
        "3\r\nabc0\r\n",
        "3;x\ny\r\nabc\r\n",
        "10000000000000003\r\n",
        "ffffffffffffffff\r\n",
        "0\r\nContent-Length: 3\r\n\r\n",
        "0\r\ntransfer_encoding: x\r\n\r\n",
        "0\r\nHost: y\r\n\r\n",
        "0\r\nAuthorization: y\r\n\r\n",
        "0\r\nX : y\r\n\r\n",
        "0\r\n folded\r\n\r\n",
        "0\r\nX: y\n\r\n",
        "0\r\nGET / HTTP/1.1\r\n\r\n",
    ] {
        let seen = cut_everywhere(format!("{head}{body}").as_bytes());
        assert!(seen.broken && seen.refused.is_none(), "{body:?} passes");
        // hyper is never shown an end.
        assert!(!String::from_utf8_lossy(&seen.out).ends_with("0\r\n\r\n"), "{body:?} ends");
    }
}

#[test]
fn a_head_that_comes_too_late_is_refused_in_its_turn() {
    let mut screen = Screen::default();
    assert!(!screen.is_inside_head());
    screen.take(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(!screen.is_inside_head());
    screen.take(b"GET /");
    assert!(screen.is_inside_head());
    screen.too_late();
    assert_eq!(screen.refusal().map(|(at, refusal)| (at, refusal.status)), Some((1, 408)));
}

fn request() -> impl Strategy<Value = Vec<u8>> {
    let chunks = prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..4);
    let chunked = (chunks, any::<bool>()).prop_map(|(chunks, trailer)| {
        let mut request = b"PUT /c HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        for chunk in chunks {
            request.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            request.extend_from_slice(&chunk);
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(if trailer { b"0\r\nx-sum: 1\r\n\r\n" } else { b"0\r\n\r\n" });
        request
    });
    let with_length = prop::collection::vec(any::<u8>(), 0..60).prop_map(|body| {
        let head = format!("POST /l HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
        [head.into_bytes(), body].concat()
    });
    prop_oneof![chunked, with_length, Just(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n".to_vec())]
}

proptest! {
    #[test]
    fn well_formed_requests_pass_as_they_are_however_they_are_cut(
        requests in prop::collection::vec(request(), 1..5),
        cuts in prop::collection::vec(1usize..50, 1..20),
    ) {
        let input = requests.concat();
        let mut rest = input.as_slice();
        let mut pieces = Vec::new();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, behind) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece);
            rest = behind;
        }
        prop_assert_eq!(through(&pieces), Seen { out: input, refused: None, broken: false });
    }

    /// Nothing in what comes out is still to be understood differently.
    #[test]
    fn what_came_out_passes_again_unchanged(
        start in prop_oneof![Just(""), Just("GET / HTTP/1.1\r\nhost: x\r\n"), Just("POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")],
        words in prop::collection::vec(prop_oneof![
            "[ -~]{0,6}", Just("\r\n".to_owned()), Just("\n".to_owned()), Just("\r".to_owned()), Just(": ".to_owned()),
            Just("content-length: 1\r\n".to_owned()), Just("0\r\n\r\n".to_owned()), Just("1\r\na\r\n".to_owned()),
            Just("transfer-encoding: chunked\r\n".to_owned()), Just("GET / HTTP/1.1\r\nhost: x\r\n\r\n".to_owned()),
        ], 0..20),
    ) {
        let input = format!("{start}{}", words.concat());
        let first = through(&[input.as_bytes()]);
        let again = through(&[&first.out]);
        prop_assert_eq!(again.refused, None);
        prop_assert!(!again.broken);
        prop_assert_eq!(again.out, first.out);
    }
}

const SWITCH: &str = "GET /a HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n\r\n";

#[test]
fn a_request_for_websocket_has_no_body() {
    for input in [
        "POST / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: x\r\nUpgrade: websocket\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nUpgrade: websocket\r\n\r\n",
    ] {
        assert_eq!(refused(input), 400, "{input:?}");
    }
}

#[test]
fn what_follows_a_request_for_websocket_at_once_is_refused_with_it() {
    for behind in ["G", "GET /b HTTP/1.1\r\nHost: x\r\n\r\n", "\u{81}\0"] {
        let mut screen = Screen::default();
        screen.take(b"GET /first HTTP/1.1\r\nHost: x\r\n\r\n");
        screen.take(format!("{SWITCH}{behind}").as_bytes());
        assert_eq!(screen.refusal().map(|(at, refusal)| (at, refusal.status)), Some((1, 400)), "{behind:?}");
        let ready = String::from_utf8(screen.ready().to_vec()).unwrap();
        assert!(
            ready.starts_with("GET /first ") && !ready.contains("/a") && !ready.contains("/b"),
            "{ready}"
        );
    }
}

#[test]
fn what_comes_before_the_answer_breaks_the_connection() {
    let mut screen = Screen::default();
    screen.take(SWITCH.as_bytes());
    screen.given(screen.ready().len());
    screen.take(b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(screen.refusal().is_none() && screen.broken().is_some());
    assert!(screen.ready().is_empty());
    screen.decided(0, true);
    screen.take(b"more");
    assert!(screen.ready().is_empty(), "nothing passes any more");
}

#[test]
fn behind_a_switch_every_byte_passes_and_behind_a_refusal_http_goes_on() {
    let mut screen = Screen::default();
    screen.take(SWITCH.as_bytes());
    screen.given(screen.ready().len());
    // Another request's answer says nothing of this one.
    screen.decided(1, true);
    screen.decided(0, false);
    screen.take(SWITCH.as_bytes());
    assert!(screen.broken().is_none() && screen.refusal().is_none());
    screen.given(screen.ready().len());
    screen.decided(1, true);
    screen.take(b"\x81\x80\r\n\n\0");
    assert_eq!(screen.ready(), b"\x81\x80\r\n\n\0");
}
