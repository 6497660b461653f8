//! Whatever comes in: edits obey the contract, nothing that is detected stays, masking twice is masking once.

mod common;
use common::{column, labelled, masker, one, plan_and_mask};
use proptest::prelude::*;
use weir_plugin_pii_mask::hint::Hint;
use weir_plugin_pii_mask::kind::{Kind, Kinds};
use weir_plugin_pii_mask::scan::Scanner;

/// Pieces that detectors look at, glued in any way.
fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => prop::sample::select(vec![
            "ann@example.com", "@", "a@b.co", "+14155550132", "(415) 555-0132", "415-555-0132", "4111111111111111",
            "4111 1111 1111 1111", "536-22-8145", "DE89370400440532013000", "203.0.113.7", "2001:db8::1", "::", ":",
            "postgres://u:pw@h", "://", "password=x1y2z3", "AKIAIOSFODNN7EXAMPLE", "$2b$12$", "-----BEGIN ",
            "PRIVATE KEY-----", "eyJhbGciOiJub25lIn0.e30.", "４１１１", "\u{200b}", "\u{a0}", "‑", "é", "日本", "\"",
            "'", "\\", "{", "}", "[", "]", ",", ".", "-", " ", "=", "(", ")", "\n", "0", "12", "x", "_", "\\u0040",
            "[EMAIL]", "[CARD]", "ssn", "\"ssn\":", "🎉",
        ]).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
        1 => "[0-9]{1,19}",
        1 => "[a-z0-9.@:+ -]{1,12}",
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn detected(text: &str, name: &str) -> Vec<(Kind, String)> {
    let mut hits = Vec::new();
    Scanner::new(Kinds::from_iter(Kind::ALL)).scan(text, Hint::of_name(name), &mut hits);
    hits.iter().map(|hit| (hit.kind, text[hit.start as usize..hit.stop as usize].to_owned())).collect()
}

const ALL: &str = r#"{"detect":["email","phone","card","iban","ssn","ip","secret"]}"#;
const PARTIAL: &str = r#"{"method":"partial","detect":["email","phone","card","iban","ssn","ip","secret"]}"#;
const HASH: &str = r#"{"method":"hash","hash_key":"0123456789abcdef0123456789abcdef"}"#;
const NAMED: &str = r#"{"columns":["customers.full_name"]}"#;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn hits_are_in_order_and_on_boundaries(text in nasty()) {
        let mut hits = Vec::new();
        Scanner::new(Kinds::from_iter(Kind::ALL)).scan(&text, Hint::NONE, &mut hits);
        let mut place = 0;
        for hit in hits {
            prop_assert!(place <= hit.start && hit.start < hit.stop && hit.stop as usize <= text.len());
            prop_assert!(text.is_char_boundary(hit.start as usize) && text.is_char_boundary(hit.stop as usize));
            place = hit.stop;
        }
    }

    #[test]
    fn nothing_detected_stays(text in nasty(), settings in prop::sample::select(vec![ALL, PARTIAL, HASH])) {
        let masked = one(settings, column("notes", "public.t", "text"), "select notes from t", &text).unwrap();
        let left: Vec<_> = detected(&masked, "notes").into_iter().filter(|found| settings != HASH || found.0 != Kind::Ip).collect();
        prop_assert!(left.is_empty(), "{left:?} in {masked:?} from {text:?}");
        let again = one(settings, column("notes", "public.t", "text"), "select notes from t", &masked).unwrap();
        prop_assert_eq!(again, masked);
    }

    #[test]
    fn names_of_columns_do_not_break_it(text in nasty(), name in prop::sample::select(vec!["phone", "ssn", "card", "email", "password", "ip"])) {
        let masked = one(ALL, column(name, "public.t", "text"), "select 1", &text).unwrap();
        let again = one(ALL, column(name, "public.t", "text"), "select 1", &masked).unwrap();
        prop_assert_eq!(again, masked);
    }

    #[test]
    fn json_stays_json(texts in prop::collection::vec((nasty(), nasty()), 0..4), number in any::<u64>()) {
        let object: serde_json::Map<String, serde_json::Value> =
            texts.iter().map(|(key, text)| (key.clone(), text.clone().into())).collect();
        let value = serde_json::json!({"ssn": number, "password": texts.first().map(|pair| &pair.0), "o": object, "l": [number, texts.first().map(|pair| &pair.1)]});
        let masked = one(ALL, column("doc", "public.t", "jsonb"), "select doc from t", &value.to_string()).unwrap();
        prop_assert!(serde_json::from_str::<serde_json::Value>(&masked).is_ok(), "{masked}");
        let again = one(ALL, column("doc", "public.t", "jsonb"), "select doc from t", &masked).unwrap();
        prop_assert_eq!(again, masked);
    }

    #[test]
    fn structured_types_take_anything(text in nasty(), type_name in prop::sample::select(vec!["json", "_text", "inet", "int8", ""])) {
        one(ALL, column("c", "public.t", type_name), "select c from t", &text);
        one(HASH, column("c", "public.t", type_name), "select c from t", &text);
    }

    #[test]
    fn texts_for_people_and_the_trail_take_anything(text in nasty(), statement in nasty()) {
        for settings in [ALL, NAMED, PARTIAL] {
            for label in ["error", "notice", "statement", "parameter", "something new"] {
                let masked = one(settings, labelled("x", label), &statement, &text).unwrap();
                let all = settings != NAMED;
                let left: Vec<_> = detected(&masked, "x").into_iter().filter(|found| all || found.0 != Kind::Ip).collect();
                prop_assert!(left.is_empty(), "{left:?} in {masked:?}");
            }
        }
    }

    #[test]
    fn batches_are_deterministic(cells in prop::collection::vec((0u16..3, nasty()), 0..24)) {
        let columns = [column("a", "public.t", "text"), column("email", "public.t", "text"), column("doc", "public.t", "jsonb")];
        let cells: Vec<(u16, &str)> = cells.iter().map(|(column, text)| (*column, text.as_str())).collect();
        let first = plan_and_mask(&mut masker(ALL), &columns, "select * from t", &cells).1;
        let second = plan_and_mask(&mut masker(ALL), &columns, "select * from t", &cells).1;
        prop_assert_eq!(first, second);
    }
}
