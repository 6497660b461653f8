//! What becomes of answers.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod common;
use common::{Got, Host, KEEP, Mask};
use weir_sdk::Fault;

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
const EVENTS: &[(&str, &str)] = &[("content-type", "text/event-stream")];
const LINES: &[(&str, &str)] = &[("content-type", "application/x-ndjson")];

fn get(settings: &str, lines: &[(&str, &str)], pieces: &[&[u8]], mask: Mask<'_>) -> Got {
    let mut host = Host::new(settings);
    host.ask("GET", "/v1/customers/7", &[], None);
    host.answer(200, lines, pieces, mask)
}

fn seen(got: &Got) -> Vec<(&str, &str, &str)> {
    got.seen.iter().map(|(source, type_name, text)| (&**source, &**type_name, &**text)).collect()
}

fn text(got: &Got) -> &str {
    std::str::from_utf8(&got.body).unwrap()
}

#[test]
fn values_of_json_are_named_by_their_place() {
    let body = br#"{"items": [{"email": "a@b", "n": 1.50, "ok": true, "x": null}, {"email": "c\u0040d"}],
        "emails": ["e@f"], "empty": {}, "by": {"ann@example.com": {"phone": "1"}}}"#;
    let got = get("{}", JSON, &[body], KEEP);
    assert_eq!(got.body, body);
    assert_eq!(
        seen(&got),
        [
            ("items[].email", "string", "a@b"),
            ("items[].n", "number", "1.50"),
            ("items[].ok", "boolean", "true"),
            ("items[].email", "string", "c@d"),
            ("emails", "string", "e@f"),
            ("by.{id}", "key", "ann@example.com"),
            ("by.{id}.phone", "string", "1"),
        ]
    );
}

#[test]
fn a_column_says_to_what_it_belongs() {
    let mask: Mask<'_> = &|column, _| {
        assert_eq!(column.relation, "GET /v1/customers/{id}");
        assert_eq!((&*column.name, &*column.source), ("email", "[].email"));
        None
    };
    get("{}", JSON, &[br#"[{"email": "a@b"}]"#], mask);
}

#[test]
fn new_texts_stand_where_the_values_stood() {
    let mask: Mask<'_> = &|column, text| match (&*column.name, text) {
        ("a", _) => Some(Some("\"x\"\n".to_owned())),
        ("n", _) => Some(Some("0".to_owned())),
        ("card", _) => Some(Some("[CARD]".to_owned())),
        ("gone", _) => Some(None),
        ("key", _) => Some(Some("[EMAIL]".to_owned())),
        _ => None,
    };
    let body =
        br#" {"a" : "one\ttwo", "n":17, "card":4111111111111111 , "gone": "x", "b":"\u00e9", "k": {"a@b": 1},
        "ok": {"gone": true}} "#;
    let got = get("{}", JSON, &[body], mask);
    let expected = " {\"a\" : \"\\\"x\\\"\\n\", \"n\":0, \"card\":\"[CARD]\" , \"gone\": null, \"b\":\"\\u00e9\", \
                    \"k\": {\"[EMAIL]\": 1},\n        \"ok\": {\"gone\": null}} ";
    assert_eq!(text(&got), expected);
    let _: serde_json::Value = serde_json::from_slice(&got.body).unwrap();
}

#[test]
fn json_of_any_name_is_json() {
    for content_type in
        ["application/problem+json", "application/vnd.api+json; v=1", "text/json; charset=utf-8"]
    {
        let got = get("{}", &[("content-type", content_type)], &[br#"{"detail": "x"}"#], KEEP);
        assert_eq!(seen(&got), [("detail", "string", "x")], "{content_type}");
    }
    // Without a type it is looked at.
    assert_eq!(seen(&get("{}", &[], &[b"{\"a\": 1}"], KEEP)), [("a", "number", "1")]);
    assert_eq!(seen(&get("{}", &[], &[b"a@b"], KEEP)), [("text", "text", "a@b")]);
    assert_eq!(seen(&get("{}", &[], &[b"\xff"], KEEP)), []);
    // A mark in front is passed over.
    let got = get("{}", JSON, &[b"\xef\xbb\xbf{\"a\": \"b\"}"], &|_, _| Some(Some("c".to_owned())));
    assert_eq!(got.body, b"\xef\xbb\xbf{\"a\": \"c\"}");
}

#[test]
fn malformed_json_is_refused_or_one_text() {
    for body in ["{\"ssn\": \"1\", \"x\": NaN}", "{\"a\":1,\"a\":2}", "[1,", "<h1>Oops</h1>", "f([1]);", "x"]
    {
        let got = get("{}", JSON, &[body.as_bytes()], KEEP);
        assert_eq!(got.refusal.as_deref(), Some("answer-malformed-json"), "{body}");
        assert!(got.body.is_empty());
        let got = get(r#"{"malformed_answers": "text"}"#, JSON, &[body.as_bytes()], KEEP);
        assert_eq!(seen(&got), [("text", "text", body)]);
    }
    let two = br#"{"a":1} {"a":2}"#;
    assert_eq!(get("{}", JSON, &[two], KEEP).refusal.as_deref(), Some("answer-malformed-json"));
    let got = get(r#"{"malformed_answers": "text"}"#, JSON, &[two], KEEP);
    assert_eq!(seen(&got), [("a", "number", "1"), ("a", "number", "2")]);
    assert_eq!(get("{}", JSON, &[b" \n"], KEEP).body, b" \n");
    let deep = "[".repeat(200);
    let got = get(r#"{"malformed_answers": "text"}"#, JSON, &[deep.as_bytes()], KEEP);
    assert_eq!(got.refusal.as_deref(), Some("answer-too-many-values"));
}

#[test]
fn json_in_another_dress_has_its_fields() {
    let mask: Mask<'_> = &|column, _| (column.name == "name").then(|| Some("***".to_owned()));
    let json = r#"{"id": 1, "name": "Ann \u0041"}"#;
    let masked = r#"{"id": 1, "name": "***"}"#;
    let types = ["text/plain", "text/html", "application/javascript", "application/json", ""];
    for (before, behind) in [
        (")]}',\n", ""),
        ("while(1);[", "]"),
        ("\u{feff}for(;;);", "\n"),
        ("f(", ");"),
        ("/**/a.b[\"c\"](", ")"),
        ("/**/ typeof f === 'function' && f(", ");"),
        ("window.all = [", "];"),
        ("f(200, ", ")"),
    ] {
        for kind in types {
            let lines = [("content-type", kind)];
            let lines = if kind.is_empty() { &[] } else { &lines[..] };
            let got = get("{}", lines, &[format!("{before}{json}{behind}").as_bytes()], mask);
            assert_eq!(text(&got), format!("{before}{masked}{behind}"), "{kind}");
        }
    }
    for (kind, before, behind) in [
        ("text/plain", "", ""),
        ("text/html", " ", ""),
        ("text/plain", "", "\n{\"name\": 2}"),
        ("text/html", "<script type=\"application/ld+json\">", "</script>"),
        ("text/plain", "42[\"row\",", "]"),
        ("text/javascript", "try { go({}, ", ") } catch (e) {}"),
        ("application/json-seq", "\u{1e}", "\n\u{1e}{\"name\": null}\n"),
    ] {
        let got = get("{}", &[("content-type", kind)], &[format!("{before}{json}{behind}").as_bytes()], mask);
        let behind = behind.replace('2', "\"***\"");
        assert_eq!(text(&got), format!("{before}{masked}{behind}"), "{kind}");
    }
    let got = get("{}", EVENTS, &[format!("data: f({json})\n\n").as_bytes()], mask);
    assert_eq!(text(&got), format!("data: f({masked})\n\n"));
}

#[test]
fn what_stands_around_json_is_text() {
    let got = get("{}", &[("content-type", "text/html")], &[b"<b>a@b</b> {\"c\": 1} \n {\"d\": 2}x"], KEEP);
    assert_eq!(
        seen(&got),
        [("text", "text", "<b>a@b</b> "), ("c", "number", "1"), ("d", "number", "2"), ("text", "text", "x")]
    );
}

#[test]
fn what_is_dressed_as_json_and_cannot_be_read_is_refused() {
    for kind in ["text/plain", "text/html", "application/javascript", "application/json"] {
        for body in
            ["{\"name\": Ann}", ")]}',\n{\"name\": 'Ann'}", "f( {\"name\": \"Ann\",});", "f({\"name\": \"Ann"]
        {
            let got = get("{}", &[("content-type", kind)], &[body.as_bytes()], KEEP);
            assert_eq!(got.refusal.as_deref(), Some("answer-malformed-json"), "{kind} {body}");
            let text =
                get(r#"{"malformed_answers": "text"}"#, &[("content-type", kind)], &[body.as_bytes()], KEEP);
            assert_eq!(seen(&text), [("text", "text", body)], "{kind}");
        }
    }
    // What only has brackets is a text.
    for body in
        ["[2026-11-27] started", "[[a link]] (of {a} page)", "(function(){\"use strict\"})()", "f([1])"]
    {
        let got = get("{}", &[("content-type", "text/plain")], &[body.as_bytes()], KEEP);
        assert_eq!(seen(&got), [("text", "text", body)]);
    }
    let got = get("{}", EVENTS, &[b"data: f({\"name\":\ndata: \"Ann\"})\n\n"], KEEP);
    assert_eq!(got.refusal.as_deref(), Some("answer-malformed-json"));
}

#[test]
fn texts_are_one_value_and_pictures_none() {
    for content_type in
        ["text/plain", "text/csv", "text/html; charset=utf-8", "application/xml", "image/svg+xml"]
    {
        let got =
            get("{}", &[("content-type", content_type)], &[b"a,", b"b\n"], &|_, _| Some(Some("x".into())));
        assert_eq!(seen(&got), [("text", "text", "a,b\n")], "{content_type}");
        assert_eq!(got.body, b"x");
    }
    let png = [("content-type", "image/png")];
    let got = get("{}", &png, &[b"\x89PNG", b"\xff"], KEEP);
    assert_eq!((got.released, got.seen.len()), (vec![4, 5], 0));
    let got = get(r#"{"unseen_answers": "refuse"}"#, &png, &[b"\x89PNG"], KEEP);
    assert_eq!(got.refusal.as_deref(), Some("answer-unseen"));
}

#[test]
fn what_cannot_be_masked_is_refused() {
    let latin = [("content-type", "text/plain; charset=iso-8859-1")];
    assert_eq!(get("{}", &latin, &[b"caf\xe9"], KEEP).refusal.as_deref(), Some("answer-not-text"));
    assert_eq!(seen(&get("{}", &latin, &[b"cafe"], KEEP)), [("text", "text", "cafe")]);
    let wide = [("content-type", "application/json; charset=utf-16")];
    assert_eq!(get("{}", &wide, &[b"{\0}\0"], KEEP).refusal.as_deref(), Some("answer-not-text"));
    for content_type in ["application/octet-stream", "application/msgpack", "multipart/mixed; boundary=x"] {
        let kind = [("content-type", content_type)];
        assert_eq!(
            get("{}", &kind, &[b"x"], KEEP).refusal.as_deref(),
            Some("answer-unseen"),
            "{content_type}"
        );
        let allowed = get(r#"{"unseen_answers": "allow"}"#, &kind, &[b"x"], KEEP);
        assert_eq!(allowed.released, [1], "{content_type}");
    }
    let plain = [("content-type", "text/plain")];
    assert_eq!(get("{}", &plain, &[b"a\0@\0b\0"], KEEP).refusal.as_deref(), Some("answer-not-text"));
    let twice = [("content-type", "image/png"), ("content-type", "text/html")];
    assert_eq!(get("{}", &twice, &[b"x"], KEEP).refusal.as_deref(), Some("answer-malformed-head"));
    let mut host = Host::new("{}");
    host.ask("GET", "/a", &[], None);
    let part = host.answer(206, JSON, &[b"ple.com\"}"], KEEP);
    assert_eq!(part.refusal.as_deref(), Some("answer-partial"));
    let fields: Vec<String> = (0..5000).map(|field| format!("\"f{field}\":0")).collect();
    let many = format!("{{{}}}", fields.join(","));
    let got = get("{}", JSON, &[many.as_bytes()], KEEP);
    assert_eq!(got.refusal.as_deref(), Some("answer-too-many-values"));
}

#[test]
fn without_masking_nothing_is_looked_at() {
    let mut host = Host::with("{}", false);
    host.ask("GET", "/a", &[], None);
    let got = host.answer(200, JSON, &[b"{\"a\"", b":NaN}"], KEEP);
    assert_eq!((got.seen.len(), got.released), (0, vec![4, 9]));
}

#[test]
fn headers_with_values_are_masked() {
    let lines = [
        ("content-type", "text/plain"),
        ("location", "/users/ann@example.com"),
        ("x-customer", "ann@example.com"),
        ("etag", "\"ann@example.com\""),
        ("access-control-allow-origin", "https://ann@example.com"),
        ("content-disposition", "attachment; filename=ann.csv"),
    ];
    let mut host = Host::new("{}");
    host.ask("POST", "/users", &[], None);
    let got = host.answer(201, &lines, &[], &|column, text| {
        let masked = text.contains('@').then(|| text.replace("ann@example.com", "[E\r\nMAIL]"));
        masked.map(|masked| if column.name == "x-customer" { None } else { Some(masked) })
    });
    let names: Vec<_> = got.head_seen.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["location", "x-customer", "content-disposition"]);
    assert_eq!(got.headers[1].1, "/users/[E  MAIL]");
    assert_eq!(got.headers[2].1, "");
    assert_eq!(got.headers[3].1, "\"ann@example.com\"");
}

#[test]
fn events_pass_one_by_one() {
    let got =
        get("{}", EVENTS, &[b"data: {\"a\":", b" \"x\"}\n", b"\nda", b"ta: [DONE]\n\n", b"data: end"], KEEP);
    assert_eq!(got.released, [0, 0, 18, 32, 41]);
    assert_eq!(seen(&got), [("a", "string", "x"), ("text", "text", "[DONE]"), ("text", "text", "end")]);
}

#[test]
fn fields_and_lines_of_events_keep_their_form() {
    let body = "\u{feff}event: e\r\nid: 7\r\ndata: {\"a\":\rdata:\"x\",\r\nid: 8\ndata: \"b\": \"y\\n\"}\n: hi\nretry: 5\n\n\
                data: one\ndata:two\n\ndata\n\nzap: 1\n\n";
    let mask: Mask<'_> = &|_, text| Some(Some(format!("<{text}\n>")));
    let got = get("{}", EVENTS, &[body.as_bytes()], mask);
    assert_eq!(
        seen(&got),
        [
            ("sse-event", "text", "e"),
            ("sse-id", "text", "7"),
            ("a", "string", "x"),
            ("sse-id", "text", "8"),
            ("b", "string", "y\n"),
            ("sse-comment", "text", "hi"),
            ("text", "text", "one\ntwo"),
            ("sse-comment", "text", "1"),
        ]
    );
    assert_eq!(
        text(&got),
        "\u{feff}event: <e >\r\nid: <7 >\r\ndata: {\"a\":\rdata:\"<x\\n>\",\r\nid: <8 >\ndata: \"b\": \"<y\\n\\n>\"}\n: <hi \
         >\nretry: 5\n\ndata: <one\ndata: two\ndata: >\n\ndata\n\nzap: <1 >\n\n"
    );
}

#[test]
fn a_malformed_event_ends_the_stream() {
    let got = get("{}", EVENTS, &[b"data: {\"a\": 1}\n\n", b"data: {\"a\": NaN}\n\n"], KEEP);
    assert_eq!(got.refusal.as_deref(), Some("answer-malformed-json"));
    assert_eq!(got.body, b"data: {\"a\": 1}\n\n");
    let many = format!("{}\n", "data\n".repeat(100_001));
    let got = get("{}", EVENTS, &[many.as_bytes()], KEEP);
    assert_eq!(got.refusal.as_deref(), Some("answer-too-many-values"));
    let got = get("{}", EVENTS, &[b"data: \xff\n\n"], KEEP);
    assert_eq!(got.refusal.as_deref(), Some("answer-not-text"));
}

#[test]
fn lines_pass_one_by_one() {
    let as_text = r#"{"malformed_answers": "text"}"#;
    let pieces: &[&[u8]] = &[b"{\"a\": 1}\n{\"b\"", b": 2}\r", b"\n\noops\r\n", b"[3]"];
    let got = get(as_text, LINES, pieces, KEEP);
    assert_eq!(got.released, [9, 9, 26, 29]);
    assert_eq!(
        seen(&got),
        [("a", "number", "1"), ("b", "number", "2"), ("text", "text", "oops"), ("", "number", "3")]
    );
    for line in ["{\"a\": 1,}", "oops", "f({\"a\": 1})", ")]}',"] {
        let got = get("{}", LINES, &[b"{\"a\": 1}\n", line.as_bytes(), b"\n"], KEEP);
        assert_eq!(got.refusal.as_deref(), Some("answer-malformed-json"), "{line}");
    }
}

#[test]
fn refusals_are_problem_details() {
    let mut host = Host::new("{}");
    host.ask("DELETE", "/v1/customers/7", &[], None);
    let own = host.refuse(true, &Fault::new("no-deletes", "only leads may delete"));
    assert_eq!(own.status, 403);
    assert_eq!(own.headers[0].value, "application/problem+json");
}
