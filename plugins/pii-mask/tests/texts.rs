//! Messages, statements and parameters.

mod common;
use common::{batch, labelled, masker, one, operation};
use weir_sdk::masker::Column;
use weir_sdk::masker::Operation;

const NAMED: &str = r#"{"columns":["customers.full_name"]}"#;

#[test]
fn strict_messages() {
    let about = "select full_name::int from customers where city = 'x'";
    let table: &[(&str, &str, &str)] = &[
        (
            about,
            "invalid input syntax for type integer: \"Ann Lee\"",
            "invalid input syntax for type integer: \"[REDACTED]\"",
        ),
        (about, "column \"full_name\" does not exist", "column \"full_name\" does not exist"),
        (about, "column \"ful_name\" does not exist", "column \"[REDACTED]\" does not exist"),
        (about, "relation \"customers\" does not exist", "relation \"customers\" does not exist"),
        (about, "relation \"Ann Lee\" does not exist", "relation \"[REDACTED]\" does not exist"),
        (about, "syntax error at or near \"from\"", "syntax error at or near \"from\""),
        // values with quotes in them
        (
            about,
            "invalid input syntax for type integer: \"\" Ann Lee \"\"",
            "invalid input syntax for type integer: \"[REDACTED]\"",
        ),
        (
            about,
            "invalid input syntax for type integer: \"customers\" Ann Lee \"customers\"",
            "invalid input syntax for type integer: \"[REDACTED]\"",
        ),
        (
            about,
            "invalid input syntax for type integer: \"customers\"",
            "invalid input syntax for type integer: \"[REDACTED]\"",
        ),
        (about, "invalid input syntax for type date: \"Ann", "invalid input syntax for type [REDACTED]"),
        // lists of values
        (about, "Key (full_name)=(Ann Lee) already exists.", "Key (full_name)=([REDACTED]) already exists."),
        (
            about,
            "Key (full_name, city)=(Ann (x), Y) is still referenced from table \"customers\".",
            "Key (full_name, city)=([REDACTED]) is still referenced from table \"customers\".",
        ),
        (
            about,
            "Key (lower(full_name))=(ann lee) already exists.",
            "Key ([REDACTED])=([REDACTED]) already exists.",
        ),
        (about, "Failing row contains (1, Ann Lee, null).", "Failing row contains ([REDACTED])."),
        (
            about,
            "duplicate key value violates unique constraint \"customers_pkey\"",
            "duplicate key value violates unique constraint \"customers_pkey\"",
        ),
        (
            about,
            "duplicate key value violates unique constraint \"secret_of_ann\"",
            "duplicate key value violates unique constraint \"[REDACTED]\"",
        ),
        (
            about,
            "new row for relation \"customers\" violates check constraint \"customers_city_check\"",
            "new row for relation \"customers\" violates check constraint \"customers_city_check\"",
        ),
        (
            about,
            "null value in column \"city\" of relation \"customers\" violates not-null constraint",
            "null value in column \"city\" of relation \"customers\" violates not-null constraint",
        ),
        (about, "function lower(integer) does not exist", "function [REDACTED] does not exist"),
        (
            about,
            "value too long for type character varying(77007)",
            "value too long for type character varying([REDACTED])",
        ),
        // single quotes
        (about, "unnamed portal parameter $1 = 'Ann'", "[REDACTED]"),
        (about, "can't do that", "[REDACTED]"),
        // numbers of a text about something protected
        (about, "setseed parameter 65 is out of allowed range [-1,1]", "[REDACTED]"),
        // excerpts
        (about, "JSON data, line 1: {\"name\": ann lee", "[REDACTED]"),
        (about, "invalid XML content\nline 1: Start tag expected\nAnn Lee\n^", "[REDACTED]"),
        (about, "PL/pgSQL function f() line 3 at RAISE", "[REDACTED]"),
        (
            about,
            "current transaction is aborted, commands ignored until end of transaction block",
            "current transaction is aborted, commands ignored until end of transaction block",
        ),
        // code that writes its own texts
        (
            "do $$ begin raise notice '%', (select full_name from customers limit 1); end $$",
            "Ann Lee",
            "[REDACTED]",
        ),
        // other statements keep their numbers
        ("select 1/0", "value 12345 is out of range", "value 12345 is out of range"),
        (
            "select x::int from orders",
            "invalid input syntax for type integer: \"abc\"",
            "invalid input syntax for type integer: \"[REDACTED]\"",
        ),
        // detection comes on top
        ("select 1/0", "user ann@example.com is unknown", "user [EMAIL] is unknown"),
    ];
    for (statement, text, expected) in table {
        for label in ["error", "notice"] {
            let masked = one(NAMED, labelled("message", label), statement, text).unwrap();
            assert_eq!(masked, *expected, "{statement}");
        }
    }
}

/// What an expression computes can be put where a text has no quotes, and into names of one letter with dots between.
#[test]
fn no_text_of_the_server_echoes_what_is_computed() {
    let letters: String = ('A'..='z').map(|c| format!(", 1 as \"{c}\"")).collect();
    let echoes = [
        "unrecognized configuration parameter \"C.a.n.a.r.y._.Q.u.e.t.z.a.l.c.o.a.t.l\"",
        "invalid normalization form: Canary Quetzalcoatl=hhi-ah-haah;Ben Tanaka=gea-aj-eiad",
        "Canary Quetzalcoatl is not a valid encoding name",
        "cross-database references are not implemented: Canary Quetzalcoatl.a.b",
        "improper relation name (too many dotted names): Canary Quetzalcoatl.a.b.c",
        "line 1: Opening and ending tag mismatch: CanaryQuetzalcoatl line 1 and x\n</x>\n^",
        "line 1: Specification mandates value for attribute CanaryQuetzalcoatl",
        "function Canary(integer) does not exist",
        "operator does not exist: Canary = Quetzalcoatl",
        "column Canary.Quetzalcoatl does not exist",
        "permission denied for table Canary",
        "duplicate key value violates unique constraint \"customers_Canary_key\"",
        "Canary",
        "customers_Canary",
        // other languages: the server's, or one the client asked for
        "ungültige Eingabesyntax für Typ integer: »Canary Quetzalcoatl«",
        "syntaxe en entrée invalide pour le type integer : « Canary Quetzalcoatl »",
        "la sintaxis de entrada no es válida para tipo integer: «Canary Quetzalcoatl»",
        "неверный синтаксис для типа integer: \"Canary Quetzalcoatl\"",
        "\"Canary Quetzalcoatl\"型の入力構文が不正です",
        "integer 자료형 대한 잘못된 입력 구문: \"Canary Quetzalcoatl\"",
        "Token »Canary« ist ungültig.",
        "JSON-Daten, Zeile 1: Canary...",
        "Fehlgeschlagene Zeile enthält (9002, Canary Quetzalcoatl, null).",
        "donnée JSON, ligne 1 : Canary...",
    ];
    let byte = "character with byte sequence 0xe6 0x9d 0xb1 in encoding \"UTF8\" has no equivalent in encoding \"LATIN1\"";
    let statements = [
        format!("select f(full_name){letters} from customers"),
        "execute p".to_owned(),
        "fetch c".to_owned(),
        "select query_to_xml('select ' || chr(99), true, true, '')".to_owned(),
        String::new(),
    ];
    for statement in &statements {
        for label in ["error", "notice", "something new"] {
            let told = |text: &str| one(NAMED, labelled("message", label), statement, text).unwrap();
            for text in echoes {
                assert!(
                    !told(text).contains("Canary") && !told(text).contains("hhi"),
                    "{statement}: {}",
                    told(text)
                );
            }
            assert_eq!(told(byte), "[REDACTED]", "{statement}");
            assert_eq!(told("division by zero"), "division by zero", "{statement}");
        }
    }
}

#[test]
fn columns_of_any_table_are_echoed_by_rows_too() {
    for statement in [
        "select f(p::text) from people p",
        "select x from people p(a, x)",
        "select 1 from people p where f(p::text) = ''",
        "insert into people select * from others",
    ] {
        let told = one(r#"{"columns":["*.ssn"]}"#, labelled("message", "error"), statement, "no Ann");
        assert_eq!(told.as_deref(), Some("[REDACTED]"), "{statement}");
    }
    let other =
        one(r#"{"columns":["*.ssn"]}"#, labelled("message", "error"), "select f(x) from people", "no x");
    assert_eq!(other.as_deref(), Some("no x"));
}

/// About nothing protected, values are hidden where they are likely to stand, in quotes of whatever language.
#[test]
fn quotes_of_other_languages() {
    for (text, expected) in [
        ("ungültige Eingabe: »Ann«", "ungültige Eingabe: »[REDACTED]«"),
        ("entrée invalide : « Ann »", "entrée invalide : «[REDACTED]»"),
        ("リレーション「Ann", "リレーション「[REDACTED]"),
        (
            "unrecognized configuration parameter \"x.y\"",
            "unrecognized configuration parameter \"[REDACTED]\"",
        ),
    ] {
        let told = one(NAMED, labelled("message", "error"), "select x, y from orders", text);
        assert_eq!(told.as_deref(), Some(expected));
    }
}

/// What a policy says of an operation is no text of the server.
#[test]
fn reasons_stay_readable() {
    let about = "select full_name from customers";
    for label in ["reason", "finding", "tag"] {
        let said = one(NAMED, labelled("x", label), about, "only leads read \"customers\"");
        assert_eq!(said.as_deref(), Some("only leads read \"customers\""));
        let quoted = one(NAMED, labelled("x", label), about, "it looks for 'Ann'");
        assert_eq!(quoted.as_deref(), Some("it looks for '[REDACTED]'"));
    }
}

#[test]
fn values_of_requests_under_a_protected_name() {
    let names = [
        "query.full_name",
        "body.people[0].full_name",
        "arguments.full_name.last",
        "query.city",
        "application",
    ];
    let columns = names.map(|name| Column { type_name: "string".into(), ..labelled(name, "parameter") });
    let cells: Vec<(u16, &str)> = (0..5).map(|index| (index, "Canary")).collect();
    for (kind, pattern) in [("http.request", "*.full_name"), ("mcp.tool-call", "full_name")] {
        let mut masker = masker(&format!(r#"{{"columns":["{pattern}"]}}"#));
        let asked = Operation { kind: kind.into(), ..operation("POST /customers") };
        let plan = masker.plan_shape(1, &columns, &asked);
        assert!(plan.reusable && plan.rules.contains(&format!("column:{pattern}")));
        let edits = masker.mask_shape(1, &batch(&cells)).unwrap();
        let shown: Vec<_> = common::applied(&cells, &edits, plan.rules.len()).into_iter().flatten().collect();
        assert_eq!(shown, ["[REDACTED]", "[REDACTED]", "[REDACTED]", "Canary", "Canary"], "{kind}");
    }
    let asked = Operation { kind: "mcp.tool-call".into(), ..operation("find") };
    let mut masker = masker(NAMED);
    masker.plan_shape(1, &[labelled("statement", "statement")], &asked);
    let cells = [(0, "full_name=Canary&x=1")];
    let edits = masker.mask_shape(1, &batch(&cells)).unwrap();
    assert_eq!(common::applied(&cells, &edits, 99)[0].as_deref(), Some("full_name=[REDACTED]&x=1"));
}

#[test]
fn message_settings() {
    let text = "invalid input syntax for type integer: \"ann@example.com\"";
    let error = || labelled("message", "error");
    let scan = |settings: &str, text: &str| one(settings, error(), "select 1", text).unwrap();
    assert_eq!(scan("{}", text), "invalid input syntax for type integer: \"[EMAIL]\"");
    assert_eq!(scan("{}", "relation \"x\" does not exist"), "relation \"x\" does not exist");
    assert_eq!(
        scan(r#"{"columns":["a.b"],"messages":"scan"}"#, text),
        "invalid input syntax for type integer: \"[EMAIL]\""
    );
    assert_eq!(scan(r#"{"messages":"redact"}"#, text), "[REDACTED]");
    assert_eq!(scan(r#"{"messages":"redact","detect":[]}"#, text), "[REDACTED]");
    assert_eq!(scan(r#"{"detect":[]}"#, text), text);
    let payload =
        |settings: &str| one(settings, labelled("message", "notification"), "select 1", "Ann Lee").unwrap();
    assert_eq!(payload("{}"), "Ann Lee");
    assert_eq!(payload(NAMED), "[REDACTED]");
    assert_eq!(payload(r#"{"columns":["a.b"],"messages":"scan"}"#), "Ann Lee");
}

#[test]
fn statements_in_the_trail() {
    let check = |settings: &str, statement: &str, expected: &str| {
        assert_eq!(
            one(settings, labelled("statement", "statement"), statement, statement).unwrap(),
            expected
        );
    };
    check(
        NAMED,
        "select * from customers where full_name = 'Ann'",
        "select * from customers where full_name = '[REDACTED]'",
    );
    check(
        NAMED,
        "select * from customers where phone = '+14155550132' limit 10",
        "select * from customers where phone = '[REDACTED]' limit 10",
    );
    check(
        NAMED,
        "select * from orders where mail = 'ann@example.com'",
        "select * from orders where mail = '[EMAIL]'",
    );
    check(
        "{}",
        "select * from customers where full_name = 'Ann'",
        "select * from customers where full_name = 'Ann'",
    );
    check("{}", "alter role app password 'hunter2'", "alter role app password '[REDACTED]'");
    check("{}", "select 4111111111111111", "select [CARD]");
    check(
        NAMED,
        "insert into customers values (1, 'Ann', 123456)",
        "insert into customers values (1, '[REDACTED]', [REDACTED])",
    );
}

#[test]
fn statements_in_the_trail_about_columns_of_any_table() {
    let any = r#"{"columns":["*.full_name"]}"#;
    let shown = |statement: &str| {
        one(any, labelled("statement", "statement"), statement, statement).unwrap_or(statement.to_owned())
    };
    // The table's columns get names nobody sees, or rows are meant as a whole.
    for statement in [
        "insert into people values (100, null, 'Ann')",
        "insert into public.people as p values (100, null, 'Ann')",
        "insert into people overriding user value select 1, 'Ann'",
        "insert into people (select 1, 'Ann')",
        "insert into people (values (1, 'Ann'))",
        "begin; insert into people values (1, 'Ann')",
        "with x as (select 1) insert into people select 1, 'Ann' from x",
        "merge into people using pets on pets.id = people.id when not matched then insert values (1, 'Ann')",
        "select e.a from people e(a, b, c) where c = 'Ann'",
        "select id from people p where p = row(1, 'Ann')",
        "update people set id = 1 from (values ('Ann')) v where people = row(1)",
    ] {
        assert_eq!(shown(statement), statement.replace("Ann", "[REDACTED]"), "{statement}");
    }
    // Every column that gets a value is named, and none is protected.
    for statement in [
        "insert into people (id, city) values (1, 'Bern')",
        "insert into people (id, city) select 1, 'Bern'",
        "insert into public.people as p (city) values ('Bern') returning p.id",
        "update people set city = 'Bern' where id = 1",
        "merge into people using pets on pets.id = people.id when not matched then insert (city) values ('Bern')",
        "select p.city from people p where p.city = 'Bern' for update",
        "select id from only (people) where city = 'Bern'",
    ] {
        assert_eq!(shown(statement), statement, "{statement}");
    }
}

#[test]
fn parameters_in_the_trail() {
    let parameter =
        |name: &str, type_name: &str| Column { type_name: type_name.into(), ..labelled(name, "parameter") };
    let columns = [
        parameter("$1", "text"),
        parameter("$2", "int4"),
        parameter("$3", ""),
        parameter("application", ""),
        parameter("$4", "jsonb"),
        parameter("$5", "numeric"),
    ];
    let cells = [(0, "Ann"), (1, "7"), (2, "Lee"), (3, "billing"), (4, "{}"), (5, "77007.70")];
    let bound = |text: &str| Operation {
        parameters: ["$1", "$2", "$3", "$4", "$5"]
            .map(|name| weir_sdk::Parameter { name: name.into(), type_name: String::new(), value: None })
            .to_vec(),
        ..operation(text)
    };
    let masked_by = |settings: &str, statement: &str| {
        let mut masker = masker(settings);
        let plan = masker.plan_shape(1, &columns, &bound(statement));
        assert_eq!(plan.wanted, [0, 1, 2, 3, 4, 5]);
        let edits = masker.mask_shape(1, &batch(&cells)).unwrap();
        common::applied(&cells, &edits, plan.rules.len()).into_iter().flatten().collect::<Vec<_>>()
    };
    let masked = |statement: &str| masked_by(NAMED, statement);
    let about = "select id from customers where full_name = $1 and id = $2 and x = $3 and y = $4";
    let hidden = ["[REDACTED]", "7", "[REDACTED]", "billing", "\"[REDACTED]\"", "[REDACTED]"];
    assert_eq!(masked(about), hidden);
    assert_eq!(masked("execute p($1, $2, $3, $4, $5)"), hidden);
    assert_eq!(
        masked("select id from orders where x = $1"),
        ["Ann", "7", "Lee", "billing", "{}", "77007.70"]
    );
    let any = r#"{"columns":["*.full_name"]}"#;
    assert_eq!(masked_by(any, "insert into people values ($1, $2, $3, $4, $5)"), hidden);
    let named = "insert into people (a, b, c, d, e) values ($1, $2, $3, $4, $5)";
    assert_eq!(masked_by(any, named), ["Ann", "7", "Lee", "billing", "{}", "77007.70"]);
}

#[test]
fn other_protocols() {
    let mut masker = masker(NAMED);
    let request = Operation { kind: "http.request".into(), ..operation("GET /v1/customers/{id}") };
    let plan = masker.plan_shape(1, &[labelled("statement", "statement")], &request);
    assert_eq!(plan.wanted, [0]);
    let edits = masker.mask_shape(1, &batch(&[(0, "GET /v1/customers/{id}?mail=ann@example.com")])).unwrap();
    let cells = [(0, "GET /v1/customers/{id}?mail=ann@example.com")];
    let masked = common::applied(&cells, &edits, plan.rules.len());
    assert_eq!(masked[0].as_deref(), Some("GET /v1/customers/{id}?mail=[EMAIL]"));
}

#[test]
fn statements_kept_by_the_database() {
    let activity = || common::column("query", "pg_catalog.pg_stat_activity", "text");
    let shown = |text: &str| one(NAMED, activity(), "select query from pg_stat_activity", text).unwrap();
    assert_eq!(
        shown("select * from customers where full_name = 'Ann'"),
        "select * from customers where full_name = '[REDACTED]'"
    );
    assert_eq!(shown("select 'x' from orders"), "select 'x' from orders");
    assert_eq!(shown("select * from customers where full_name = 'An"), "[REDACTED]");
}
