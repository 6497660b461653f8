//! What the plan says of signs is true: a column none of whose values shows one is left as it is, and a text about an
//! operation is left each time if it is once.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests may panic, their helpers too")]

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

/// Texts about an operation that were left as they are when they came first, and are not when all have been seen.
fn changed_later(settings: &str, columns: &[Column], about: &Operation, texts: &[&str]) -> Vec<String> {
    let mut masker = masker(settings);
    let plan = masker.plan_shape(1, columns, about);
    let signed = plan.signs.map(|signs| signs.columns).unwrap_or_default();
    let of_texts = signed.iter().copied().filter(|column| !columns[usize::from(*column)].labels.is_empty());
    let cells: Vec<(u16, &str)> =
        of_texts.flat_map(|column| texts.iter().map(move |text| (column, *text))).collect();
    let mut edited = |cells: &[(u16, &str)]| {
        let edits = masker.mask_shape(1, &batch(cells)).unwrap();
        edits.cells.into_iter().chain(edits.nulls).map(|cell| cell as usize).collect::<Vec<_>>()
    };
    let left: Vec<_> = cells.iter().copied().filter(|cell| edited(&[*cell]).is_empty()).collect();
    edited(&cells);
    let together = edited(&left).into_iter().map(|cell| left[cell]).collect::<Vec<_>>();
    let alone = left.iter().copied().filter(|cell| !edited(&[*cell]).is_empty());
    together.into_iter().chain(alone).map(|cell| format!("{settings} {cell:?}")).collect()
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

/// Secrets of every form, without digits and without a second sign where that is possible.
fn secrets() -> Vec<String> {
    let letters: String = ('a'..='z').chain('A'..='Z').cycle().take(400).collect();
    let body = |length: usize| letters[..length].to_owned();
    let hex = |length: usize| "abcdefABCDEF".chars().cycle().take(length).collect::<String>();
    let upper = |length: usize| ('A'..='Z').cycle().take(length).collect::<String>();
    let mut all = Vec::new();
    for name in [
        "api_key",
        "privatekey",
        "password",
        "passwd",
        "passcode",
        "passphrase",
        "passwort",
        "pw",
        "pwd",
        "secret",
        "token",
        "apikey",
        "credential",
        "credentials",
    ] {
        all.extend([
            format!("{name}=ab/cd"),
            format!("say {name}: abc1de"),
            format!("{{\"{name}\": \"ab/cd\"}}"),
            format!("[{{\"{name}\": \"ab/cd\"}}]"),
        ]);
    }
    all.extend(["AKIA", "ASIA", "ABIA", "ACCA"].map(|prefix| format!("{prefix}{}", upper(16))));
    all.push(format!("AGE-SECRET-KEY-1{}", upper(58)));
    for (prefix, length) in [
        ("AIza", 35),
        ("SG.", 66),
        ("GOCSPX-", 28),
        ("PMAK-", 60),
        ("dckr_pat_", 30),
        ("github_pat_", 80),
        ("glpat-", 30),
        ("gldt-", 30),
        ("glrt-", 30),
        ("glsa_", 44),
        ("hf_", 36),
        ("lin_api_", 40),
        ("npm_", 36),
        ("pypi-AgE", 60),
        ("rk_live_", 20),
        ("rk_test_", 20),
        ("sk_live_", 20),
        ("sk_test_", 20),
        ("sk_prod_", 20),
        ("sk-ant-", 40),
        ("sk-proj-", 40),
        ("sk-svcacct-", 40),
        ("sk-", 48),
        ("sq0csp-", 43),
        ("sq0atp-", 22),
        ("whsec_", 30),
        ("xapp-", 60),
        ("xkeysib-", 80),
        ("ya29.", 40),
    ] {
        all.push(format!("{prefix}{}", body(length)));
    }
    for prefix in ["ghp_", "gho_", "ghu_", "ghs_", "ghr_"] {
        all.push(format!("{prefix}1{}", body(35)));
    }
    for prefix in ["doo_v1_", "dop_v1_", "dor_v1_", "sk-or-v1-"] {
        all.push(format!("{prefix}{}", hex(64)));
    }
    for (prefix, length) in [("SK", 32), ("sbp_", 40), ("shpat_", 32), ("shpca_", 32), ("shpss_", 32)] {
        all.push(format!("{prefix}{}", hex(length)));
    }
    all.extend(["xoxa-", "xoxb-", "xoxp-", "xoxs-"].map(|prefix| format!("{prefix}1{}", body(20))));
    all.push(format!("md5{}", "abcdef".chars().cycle().take(32).collect::<String>()));
    for prefix in [
        "$2a$",
        "$2b$",
        "$2x$",
        "$2y$",
        "$argon2id$",
        "$argon2i$",
        "$argon2d$",
        "$1$",
        "$5$",
        "$6$",
        "$y$",
        "$7$",
        "$pbkdf2",
        "$scrypt$",
        "SCRAM-SHA-256$",
        "pbkdf2_sha256$",
        "pbkdf2_sha1$",
        "bcrypt_sha256$",
        "{SSHA}",
        "{SSHA512}",
        "scrypt:",
    ] {
        all.push(format!("{prefix}{}", body(100)));
    }
    all.push("eyJhbGciOiJub25lIn.e30.".to_owned());
    all.push("https://u:pwx@host".replace("pwx", "abc"));
    all.push(format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----", body(60)));
    all.push("PuTTY-User-Key-File-2: ssh-rsa\nPrivate-Lines: 1\nabc".to_owned());
    all.push("123456789:AA".to_owned() + &body(33));
    all
}

#[test]
fn every_form_of_a_secret_shows_a_sign() {
    let texts = secrets();
    let note = [column("note", "public.t", "text")];
    let mut masker = masker(r#"{"detect":["secret"]}"#);
    let signs = masker.plan_shape(1, &note, &operation("select 1")).signs.unwrap();
    for text in &texts {
        let edits = masker.mask_shape(1, &batch(&[(0, text.as_str())])).unwrap();
        assert!(!edits.cells.is_empty(), "no secret: {text}");
        assert!(shows(&signs, text), "no sign: {text}");
    }
    // Each word is there for one of them.
    let without = |word: &String| signs.words.iter().filter(|other| *other != word).cloned().collect();
    let is_needed = |word: &&String| {
        let others = Signs { words: without(word), ..signs.clone() };
        texts.iter().any(|text| !shows(&others, text))
    };
    let idle: Vec<_> = signs.words.iter().filter(|word| !is_needed(word)).collect();
    assert!(idle.is_empty(), "nothing needs {idle:?}");
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
            let wrong = changed_later(settings, &columns, &about(kind, &statement), &texts);
            prop_assert_eq!(wrong, Vec::<String>::new());
        }
    }
}
