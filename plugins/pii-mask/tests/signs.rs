//! What the plan says of signs is true: a column none of whose values shows one is left as it is.

mod common;
use common::{batch, column, labelled, masker, operation};
use proptest::prelude::*;
use weir_sdk::masker::{Column, Operation, Signs};

/// As the contract says it, in another way than the host.
fn shows(signs: &Signs, text: &str) -> bool {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let lower = text.to_ascii_lowercase();
    (signs.digits > 0 && digits >= usize::from(signs.digits))
        || signs.bytes.iter().any(|byte| text.as_bytes().contains(byte))
        || signs.words.iter().any(|word| lower.contains(&word.to_ascii_lowercase()))
}

/// The cells of signed columns that show no sign and were edited all the same; the second number: how many were looked at.
fn edited(
    settings: &str,
    columns: &[Column],
    about: &Operation,
    cells: &[(u16, &str)],
) -> (Vec<String>, usize) {
    let mut masker = masker(settings);
    let plan = masker.plan_shape(1, columns, about);
    let Some(signs) = plan.signs else { return (Vec::new(), 0) };
    assert!(signs.columns.iter().all(|column| plan.wanted.contains(column)));
    let sent: Vec<_> = cells.iter().copied().filter(|cell| plan.wanted.contains(&cell.0)).collect();
    let shown: Vec<u16> = sent.iter().filter(|cell| shows(&signs, cell.1)).map(|cell| cell.0).collect();
    let is_kept = |column: u16| signs.columns.contains(&column) && !shown.contains(&column);
    let edits = masker.mask_shape(1, &batch(&sent)).unwrap();
    let wrong = edits.cells.iter().chain(&edits.nulls).filter_map(|cell| sent.get(*cell as usize));
    let wrong = wrong.filter(|cell| is_kept(cell.0)).map(|cell| cell.1.to_owned());
    (wrong.collect(), sent.iter().filter(|cell| is_kept(cell.0)).count())
}

const SETTINGS: [&str; 10] = [
    "{}",
    r#"{"detect":["email","phone","card","iban","ssn","ip","secret"]}"#,
    r#"{"detect":["email"]}"#,
    r#"{"detect":["ip"]}"#,
    r#"{"detect":["secret"]}"#,
    r#"{"detect":["phone","ssn"]}"#,
    r#"{"detect":[],"columns":["customers.full_name"]}"#,
    r#"{"columns":["customers.full_name","customers.note"]}"#,
    r#"{"messages":"scan","columns":["customers.full_name"]}"#,
    r#"{"messages":"redact","method":"hash","hash_key":"0123456789abcdef0123456789abcdef"}"#,
];

fn columns() -> Vec<Column> {
    let mut columns = Vec::new();
    for name in ["note", "phone", "ssn", "card", "email", "password", "client_ip", "full_name"] {
        columns.extend(
            ["text", "jsonb", "_text", "int4", ""].map(|kind| column(name, "public.customers", kind)),
        );
        columns.push(column(name, "", "text"));
    }
    let labels =
        ["error", "notice", "notification", "statement", "parameter", "reason", "tag", "something new"];
    columns.extend(labels.map(|label| labelled("body.x", label)));
    columns
}

fn about(kind: &str, text: &str) -> Operation {
    Operation { kind: kind.into(), ..operation(text) }
}

/// Each text in each column of a shape of its own, under all settings.
fn everywhere(texts: &[&str], kind: &str, statement: &str) -> (Vec<String>, usize) {
    let (columns, mut wrong, mut looked) = (columns(), Vec::new(), 0);
    for settings in SETTINGS {
        for column in &columns {
            for text in texts {
                let one = std::slice::from_ref(column);
                let (found, count) = edited(settings, one, &about(kind, statement), &[(0, *text)]);
                wrong.extend(found.iter().map(|text| format!("{settings} {column:?} {text:?}")));
                looked += count;
            }
        }
    }
    (wrong, looked)
}

#[test]
fn of_the_known_cells_none_is_hidden_that_shows_no_sign() {
    let texts: Vec<&str> = include_str!("cells.txt")
        .lines()
        .flat_map(|line| [line, line.split('|').next_back().unwrap().trim()])
        .collect();
    for (kind, statement) in [("sql.query", "select * from orders"), ("http.request", "GET /orders?x=1")] {
        let (wrong, looked) = everywhere(&texts, kind, statement);
        assert_eq!(wrong, Vec::<String>::new());
        assert!(looked > 1000, "only {looked} showed no sign");
    }
}

#[test]
fn usual_statements_and_values_show_no_sign_and_those_of_interest_do() {
    let signs =
        |columns: &[Column]| masker("{}").plan_shape(1, columns, &operation("select 1")).signs.unwrap();
    let text = signs(&[column("note", "public.t", "text")]);
    for plain in ["went out for lunch", "28 Nov 2026", "order 123456", "{\"a\": 1}", "GET /v1/customers/12"] {
        assert!(!shows(&text, plain), "{plain}");
    }
    let statement = signs(&[labelled("statement", "statement")]);
    for plain in
        ["SELECT abalance FROM pgbench_accounts WHERE aid = $1;", "select a, b from t where c >= 12 limit 10"]
    {
        assert!(!shows(&statement, plain), "{plain}");
    }
    for telling in ["select 'x'", "select $$x$$", "select $q$x$q$", "select 1 -- ann@example.com"] {
        assert!(shows(&statement, telling), "{telling}");
    }
    let of = |columns: &[Column]| masker("{}").plan_shape(1, columns, &operation("select 1")).signs;
    assert!(of(&[column("password", "public.t", "text")]).is_none(), "whatever it holds");
}

/// Pieces of what detectors look for, whole and cut.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec![
            "ann@example.com", "@", "+14155550132", "415-555-0132", "4111111111111111", "536-22-8145",
            "DE89370400440532013000", "203.0.113.7", "1.2.3.4", "2001:db8::1", "::", ":", "postgres://u:pw@h", "password=x1y2z3",
            "pwd: a1b2c3d4", "token=", "AKIAIOSFODNN7EXAMPLE", "SK", "0123456789abcdefABCDEF", "abcdefABCDEFabcdefABCDEFabcdefAB",
            "$2b$12$", "$1$", "md5", "{SSHA}", "-----BEGIN PRIVATE KEY-----", "eyJhbGciOiJub25lIn0.e30.",
            "sk-", "xoxb-", "ghp_", "４１１１", "\u{200b}", "‑", "é", "\"", "'", "\\", "{", "}", "[", "]", ",", ".", "-",
            " ", "=", "%", "+", "&", "?", "x", "\"pw\":", "{\"phone\": \"", "\\u0040", "$", "$a$", "\n", "--", "/*",
        ]).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
        2 => "[0-9]{1,9}",
        2 => "[a-zA-Z0-9._-]{1,40}",
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_column_without_a_sign_is_left_as_it_is(
        texts in prop::collection::vec(pieces(), 1..12),
        statement in prop_oneof![
            prop::sample::select(vec!["select * from orders", "select full_name from customers", "GET /x"]).prop_map(str::to_owned),
            pieces(),
        ],
        kind in prop::sample::select(vec!["sql.query", "http.request", "git.push"]),
    ) {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let (wrong, _) = everywhere(&texts, kind, &statement);
        prop_assert_eq!(wrong, Vec::<String>::new());
        // All of them in one batch: what most values are counts for the rest.
        for settings in SETTINGS {
            let columns = columns();
            let cells: Vec<(u16, &str)> =
                (0..columns.len() as u16).flat_map(|column| texts.iter().map(move |text| (column, *text))).collect();
            let (wrong, _) = edited(settings, &columns, &about(kind, &statement), &cells);
            prop_assert_eq!(wrong, Vec::<String>::new());
        }
    }
}
