//! What is told of a document, and what is refused.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use weir_json::{Kind, Leaf, Limits, Place, Problem, Stop, Visitor, begins_like_json, check, walk};

#[derive(Default)]
struct Seen {
    leaves: Vec<(String, String, String, Kind)>,
    spans: Vec<(usize, usize)>,
    keys: Vec<(String, usize, usize)>,
    closed: Vec<(String, usize, usize)>,
}

impl Visitor for Seen {
    fn leaf(&mut self, place: &Place<'_>, leaf: &Leaf<'_>) -> Result<(), Stop> {
        self.leaves.push((place.path(), place.indexed(), leaf.text.to_string(), leaf.kind));
        self.spans.push((leaf.start, leaf.length));
        Ok(())
    }

    fn key(&mut self, place: &Place<'_>, key: &Leaf<'_>) -> Result<(), Stop> {
        self.keys.push((place.indexed(), key.start, key.length));
        Ok(())
    }

    fn closed(&mut self, place: &Place<'_>, start: usize, length: usize) -> Result<(), Stop> {
        self.closed.push((place.indexed(), start, length));
        Ok(())
    }
}

fn seen(text: &str) -> Seen {
    let mut seen = Seen::default();
    walk(text.as_bytes(), Limits::default(), &mut seen).unwrap();
    seen
}

fn problem(data: &[u8]) -> Problem {
    check(data, Limits::default()).unwrap_err().problem
}

#[test]
fn leaves_come_in_order_with_their_places() {
    let text = r#" {"items": [{"email": "a\u0040b", "n": 1.50}, {"email": null}, []], "": {}, "a.b": {"c": [[true]]}} "#;
    let seen = seen(text);
    let told: Vec<_> =
        seen.leaves.iter().map(|(path, indexed, text, kind)| (&**path, &**indexed, &**text, *kind)).collect();
    assert_eq!(
        told,
        [
            ("items[].email", "items[0].email", "a@b", Kind::String),
            ("items[].n", "items[0].n", "1.50", Kind::Number),
            ("items[].email", "items[1].email", "null", Kind::Null),
            ("items[]", "items[2]", "[]", Kind::EmptyArray),
            ("", "\"\"", "{}", Kind::EmptyObject),
            ("a.b.c[][]", "\"a.b\".c[0][0]", "true", Kind::Boolean),
        ]
    );
    let stand: Vec<_> = seen.spans.iter().map(|(start, length)| &text[*start..start + length]).collect();
    assert_eq!(stand, [r#""a\u0040b""#, "1.50", "null", "[]", "{}", "true"]);
    let keys: Vec<_> = seen.keys.iter().map(|(_, start, length)| &text[*start..start + length]).collect();
    assert_eq!(keys, ["\"items\"", "\"email\"", "\"n\"", "\"email\"", "\"\"", "\"a.b\"", "\"c\""]);
    let closed: Vec<_> = seen
        .closed
        .iter()
        .map(|(place, start, length)| (place.as_str(), &text[*start..start + length]))
        .collect();
    assert_eq!(closed[1], ("items[1]", r#"{"email": null}"#));
    assert_eq!(closed.last().unwrap().1, text.trim());
}

#[test]
fn the_top_may_be_any_value() {
    for (text, path) in [("7", ""), ("\"x\"", ""), ("[1]", "[]"), ("[{\"a\":1}]", "[].a"), ("null", "")] {
        assert_eq!(seen(text).leaves[0].0, path, "{text}");
    }
}

#[test]
fn what_readers_differ_in_is_refused() {
    for (text, expected) in [
        (&b""[..], Problem::End),
        (b" ", Problem::End),
        (b"\xef\xbb\xbf{}", Problem::Mark),
        (b"{\"a\":1,\"a\":2}", Problem::Duplicate),
        (b"{\"a\":1,\"\\u0061\":2}", Problem::Duplicate),
        (b"[{\"a\":1},{\"b\":{\"a\":1},\"b\":1}]", Problem::Duplicate),
        (b"\"\xff\"", Problem::Utf8),
        (b"\"\xed\xa0\x80\"", Problem::Utf8),
        (b"\"\\ud800\"", Problem::Surrogate),
        (b"{} {}", Problem::Behind),
        (b"1 2", Problem::Behind),
        (b"{\"a\":1,}", Problem::Key),
        (b"[1,]", Problem::Value),
        (b"[,1]", Problem::Value),
        (b"[1 2]", Problem::Comma),
        (b"{\"a\" 1}", Problem::Colon),
        (b"{a:1}", Problem::Key),
        (b"{'a':1}", Problem::Key),
        (b"[1}", Problem::Comma),
        (b"{\"a\":1]", Problem::Comma),
        (b"NaN", Problem::Value),
        (b"[Infinity]", Problem::Value),
        (b"[01]", Problem::Number),
        (b"-", Problem::Number),
        (b"[1.]", Problem::Number),
        (b"True", Problem::Value),
        (b"nulls", Problem::Behind),
        (b"/**/1", Problem::Value),
        (b"\x0b1", Problem::Value),
        (b"\"a\tb\"", Problem::Control),
        (b"[\"a\"", Problem::End),
        (b"{\"a\":", Problem::End),
        (b"{\"a\"", Problem::End),
        (b"{", Problem::End),
    ] {
        let refused = check(text, Limits::default());
        let refused = refused.map_err(|error| error.problem);
        assert_eq!(refused, Err(expected), "{}", String::from_utf8_lossy(text));
    }
}

#[test]
fn the_same_key_in_other_objects_is_no_duplicate() {
    check(br#"{"a":{"a":{"a":1}},"b":[{"a":1},{"a":2},[{"a":3}]]}"#, Limits::default()).unwrap();
}

#[test]
fn limits_hold() {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    check(deep(100).as_bytes(), Limits::default()).unwrap();
    assert_eq!(problem(deep(101).as_bytes()), Problem::Depth);
    // Nothing on the way is recursive.
    assert_eq!(problem("[".repeat(1 << 20).as_bytes()), Problem::Depth);
    let keys = |count: usize| {
        let members: Vec<String> = (0..count).map(|key| format!("\"{key}\":0")).collect();
        format!("{{{}}}", members.join(","))
    };
    check(keys(50_000).as_bytes(), Limits::default()).unwrap();
    assert_eq!(problem(keys(50_001).as_bytes()), Problem::Paths);
    let path = |length: usize| format!("{{\"a\": [{{\"{}\": 0}}]}}", "k".repeat(length - 1));
    check(path(1024).as_bytes(), Limits::default()).unwrap();
    assert_eq!(problem(path(1025).as_bytes()), Problem::Path);
    // Elements of an array are one place.
    check(format!("[{}0]", "0,".repeat(100_000)).as_bytes(), Limits::default()).unwrap();
}

#[test]
fn a_visitor_may_stop() {
    struct One(usize);
    impl Visitor for One {
        fn leaf(&mut self, _: &Place<'_>, _: &Leaf<'_>) -> Result<(), Stop> {
            self.0 += 1;
            if self.0 > 1 { Err(Stop) } else { Ok(()) }
        }
    }
    let error = walk(b"[1, 2, 3]", Limits::default(), &mut One(0)).unwrap_err();
    assert_eq!((error.at, error.problem), (4, Problem::Stopped));
}

#[test]
fn meant_to_be_json() {
    for text in ["{\"a\"", " [1", "[", "{", "{}", "[]", "[ {", "\u{feff}{\"a\": 1}", "[-", "[null"] {
        assert!(begins_like_json(text.as_bytes()), "{text}");
    }
    for text in ["[DONE]", "{name}", "", "hello", "<html>", "12", "\"a\"", "[email protected]"] {
        assert!(!begins_like_json(text.as_bytes()), "{text}");
    }
}
