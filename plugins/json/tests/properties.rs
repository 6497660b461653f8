//! Held against serde_json, and against itself.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use proptest::prelude::*;
use std::collections::HashSet;
use weir_json::{Kind, Leaf, Limits, Place, Stop, Visitor, check, escape, literal, walk};

fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\"a\"",
        "\"b\"",
        "\"a\":",
        "\"\\u0061\":",
        "\\",
        "\\u",
        "\\ud83d",
        "1",
        "0",
        "-",
        ".",
        "e",
        "1.5e+3",
        "true",
        "false",
        "null",
        " ",
        "\n",
        "\t",
        "\"é\"",
        "\u{feff}",
        "x",
        "//",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        ".*".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            prop::collection::btree_map("[a-c.\\[\"]{0,3}", inner, 0..6)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

#[derive(Default)]
struct Seen(Vec<(String, Kind, usize, usize, String)>);

impl Visitor for Seen {
    fn leaf(&mut self, place: &Place<'_>, leaf: &Leaf<'_>) -> Result<(), Stop> {
        self.0.push((place.indexed(), leaf.kind, leaf.start, leaf.length, leaf.text.to_string()));
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// serde_json takes duplicates, and nothing else that is refused here at these depths.
    #[test]
    fn what_is_taken_others_take_too(text in pieces()) {
        let ours = check(text.as_bytes(), Limits::default());
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        match ours {
            Ok(()) => prop_assert!(theirs.is_ok(), "{text:?}: {theirs:?}"),
            Err(error) if error.problem == weir_json::Problem::Duplicate => {}
            Err(error) => prop_assert!(theirs.is_err(), "{text:?}: {error}"),
        }
    }

    #[test]
    fn every_leaf_reads_back_and_has_a_place_of_its_own(value in value(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let mut seen = Seen::default();
        walk(text.as_bytes(), Limits::default(), &mut seen).unwrap();
        let mut places = HashSet::new();
        let mut behind = 0;
        for (place, kind, start, length, said) in seen.0 {
            prop_assert!(places.insert(place));
            prop_assert!(start >= behind);
            behind = start + length;
            let stands: serde_json::Value = serde_json::from_str(&text[start..behind]).unwrap();
            match kind {
                Kind::String => prop_assert_eq!(stands.as_str().unwrap(), said),
                _ => prop_assert_eq!(stands.to_string(), said),
            }
        }
    }

    #[test]
    fn any_text_is_written_and_read_back(text in any::<String>()) {
        let written = literal(&text);
        prop_assert_eq!(serde_json::from_slice::<String>(&written).unwrap(), &*text);
        let mut inside = Vec::new();
        escape(&text, &mut inside);
        prop_assert_eq!(&written[1..written.len() - 1], &*inside);
        prop_assert!(!inside.iter().any(|byte| *byte < 0x20));
    }

    #[test]
    fn nothing_makes_it_panic(data in prop::collection::vec(any::<u8>(), 0..64)) {
        _ = check(&data, Limits::default());
    }
}
