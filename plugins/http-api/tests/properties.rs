//! Whatever comes and however it is cut: the same values, and not a byte changed that is not masked.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod common;
use common::{Got, Host, KEEP, Mask};
use proptest::prelude::*;

fn get(content_type: &str, pieces: &[&[u8]], mask: Mask<'_>) -> Got {
    let mut host = Host::new(r#"{"malformed_answers": "text"}"#);
    host.ask("GET", "/a", &[], None);
    host.answer(200, &[("content-type", content_type)], pieces, mask)
}

/// An answer without what depends on how it was cut.
fn told(got: Got) -> Got {
    Got { released: Vec::new(), ..got }
}

const STAR: Mask<'static> = &|_, text| (text.len() % 2 == 0).then(|| Some(format!("*{text}\"\n*")));

fn same_however_it_is_cut(content_type: &str, body: &[u8]) {
    let whole = told(get(content_type, &[body], STAR));
    for at in 1..body.len() {
        let (first, second) = body.split_at(at);
        assert_eq!(told(get(content_type, &[first, second], STAR)), whole, "cut at {at}");
    }
    let each: Vec<&[u8]> = body.chunks(1).collect();
    assert_eq!(told(get(content_type, &each, STAR)), whole);
}

#[test]
fn events_are_the_same_however_they_are_cut() {
    let body = "\u{feff}event: e\r\nid: 7\r\ndata: {\"a\":\rdata:\"xé\",\r\nid: 8\ndata: \"b\": \"y\\n\"}\n: hi\n\n\
                \r\ndata: one\rdata: two\r\rdata: four\n\n\ndata: {\"n\": 12}\r\n\r\ndata: [DONE]";
    same_however_it_is_cut("text/event-stream", body.as_bytes());
}

#[test]
fn lines_are_the_same_however_they_are_cut() {
    let body = "{\"a\": \"xy\"}\r\n\n[\"é\\u00e9\", 12]\nno json\n7\n\"last\"";
    same_however_it_is_cut("application/x-ndjson", body.as_bytes());
}

fn stream() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "\n",
        "\r",
        "\r\n",
        "\n\n",
        "\r\r",
        "data",
        "data:",
        "data: ",
        ": ",
        "id: ",
        "event:",
        "{\"a\":",
        "\"xy\"}",
        "12",
        "[",
        "]",
        " ",
        "é",
        "\u{feff}",
        "\\n",
        ",",
        "x",
        "{\"k\": \"v1\"}",
        "retry: 1",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        ".{0,12}".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::from),
            prop::collection::btree_map("[a-c.@1]{1,8}", inner, 0..5)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Changes every string and number as [`STAR`] does.
fn starred(value: &mut serde_json::Value) {
    use serde_json::Value;
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(starred),
        Value::Object(members) => members.values_mut().for_each(starred),
        Value::Null => {}
        leaf => {
            let text = leaf.as_str().map_or_else(|| leaf.to_string(), str::to_owned);
            if text.len() % 2 == 0 {
                *leaf = Value::from(format!("*{text}\"\n*"));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_stream_is_the_same_however_it_is_cut(text in stream(), cuts in prop::collection::vec(0usize..200, 0..4),
                                                lines: bool) {
        let content_type = if lines { "application/jsonl" } else { "text/event-stream" };
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).chain([0, text.len()]).collect();
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &text.as_bytes()[cut[0]..cut[1]]).collect();
        let whole = told(get(content_type, &[text.as_bytes()], STAR));
        prop_assert_eq!(told(get(content_type, &pieces, STAR)), whole);
        let kept = get(content_type, &pieces, KEEP);
        if kept.refusal.is_none() {
            prop_assert_eq!(kept.body, text.as_bytes());
        }
    }

    #[test]
    fn masked_json_is_the_same_json_with_other_values(mut value in value(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let kept = get("application/json", &[text.as_bytes()], &|_, text| Some(Some(text.to_owned())));
        let read: serde_json::Value = serde_json::from_slice(&kept.body).unwrap();
        prop_assert_eq!(&read, &value);
        let mask: Mask<'_> = &|column, text| if column.type_name == "key" { None } else { STAR(column, text) };
        let masked = get("application/json", &[text.as_bytes()], mask);
        starred(&mut value);
        let read: serde_json::Value = serde_json::from_slice(&masked.body).unwrap();
        prop_assert_eq!(read, value);
    }

    #[test]
    fn no_request_makes_it_panic(path in "/[a-z%./;@0-9]{0,20}", query in "[a-z%&=+]{0,20}", body in stream()) {
        let target = format!("{path}?{query}");
        for content_type in ["application/json", "application/x-www-form-urlencoded", "text/plain"] {
            let asked = Host::new("{}").ask("POST", &target, &[("content-type", content_type)], Some(body.as_bytes()));
            if asked.refusal.is_none() {
                prop_assert_eq!(asked.forwarded, body.as_bytes());
            }
        }
    }
}
