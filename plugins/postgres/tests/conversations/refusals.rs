use crate::bytes::*;
use crate::host::{Host, Verdict};
use weir_sdk::inspector::Limits;

const FAILING_QUERY: &[u8] = b"Q\0\0\0\x1a/* weir: refused */ !\0";
const FAILING_PARSE: &[u8] = b"P\0\0\0\x29weir:refused\0/* weir: refused */ !\0\0\0";

fn strict() -> Host {
    Host::new().judge(|operation| {
        if operation.text.contains("drop") {
            Verdict::Deny("no-drop", "nobody drops")
        } else {
            Verdict::Allow
        }
    })
}

fn ours() -> Vec<u8> {
    message(b'E', b"SERROR\0VERROR\0C42501\0Mnobody drops\0Hweir: no-drop\0\0")
}

#[test]
fn a_refused_query_fails_at_its_place() {
    let mut host = strict();
    let sent = host.client(cat(&[&query("a"), &query("drop"), &query("b")]));
    assert_eq!(sent, cat(&[&query("a"), FAILING_QUERY, &query("b")]));
    let got = host.server(cat(&[
        &tag("A"),
        IN_TRANSACTION,
        &error("42601", "syntax error"),
        FAILED,
        &error("25P02", "aborted"),
        FAILED,
    ]));
    assert_eq!(got, cat(&[&tag("A"), IN_TRANSACTION, &ours(), FAILED, &error("25P02", "aborted"), FAILED]));
    assert_eq!(
        host.take_log(),
        [
            r#"sql.query 1 "a""#,
            r#"sql.query 2 "drop""#,
            "denied 2",
            r#"sql.query 3 "b""#,
            r#"done 1 0 rows 0 "A""#,
            r#"done 3 1 rows 0 "" 25P02"#,
            "idle 3",
        ]
    );
}

#[test]
fn a_refused_operation_in_the_middle_of_a_pipeline() {
    let mut host = strict();
    let run = |text: &str| cat(&[&parse("", text), &bind("", "", &[]), &execute("", 0)]);
    let sent = host.client(cat(&[&run("a"), &run("drop"), &run("b"), SYNC, &run("c"), SYNC]));
    assert_eq!(sent, cat(&[&run("a"), FAILING_PARSE, &run("b"), SYNC, &run("c"), SYNC]));
    let got = host.server(cat(&[PARSED, BOUND, &tag("A"), &error("42601", "syntax error"), IDLE]));
    assert_eq!(got, cat(&[PARSED, BOUND, &tag("A"), &ours(), IDLE]));
    let got = host.server(cat(&[PARSED, BOUND, &tag("C"), IDLE]));
    assert_eq!(got, cat(&[PARSED, BOUND, &tag("C"), IDLE]));
    let log = host.take_log();
    assert_eq!(
        log[5..],
        [r#"done 1 0 rows 0 "A""#, r#"done 3 2 rows 0 """#, r#"done 4 0 rows 0 "C""#, "idle 0",]
    );
}

#[test]
fn the_unnamed_statement_survives_a_refused_parse_of_it() {
    let mut host = strict();
    host.client(cat(&[&parse("", "keep"), SYNC]));
    host.server(cat(&[PARSED, IDLE]));
    assert_eq!(host.client(cat(&[&parse("", "drop"), SYNC])), cat(&[FAILING_PARSE, SYNC]));
    host.server(cat(&[&error("42601", "syntax error"), IDLE]));
    host.take_log();
    host.client(cat(&[&bind("", "", &[]), &execute("", 0), SYNC]));
    assert_eq!(host.take_log(), [r#"sql.query 3 "keep""#]);
}

#[test]
fn an_execute_of_what_sql_has_prepared_never_runs() {
    let mut host = Host::new();
    let sent = host.client(cat(&[&bind("", "mine", &[]), &execute("", 0), SYNC]));
    assert_eq!(sent, cat(&[FAILING_PARSE, SYNC]));
    let got = host.server(cat(&[&error("42601", "syntax error"), IDLE]));
    assert!(String::from_utf8_lossy(&got).contains("prepared statement \"mine\" does not exist"));
    assert_eq!(host.take_log().last().unwrap(), "idle 0");
}

#[test]
fn what_is_too_large_is_refused_by_its_header_and_the_session_goes_on() {
    let mut host = Host::with(Limits { max_operation: 64, max_answer: 64 }, false);
    let big = query(&format!("select {}", "x".repeat(500)));
    let sent: Vec<u8> = big.chunks(50).flat_map(|chunk| host.client(chunk)).collect();
    assert_eq!(sent, FAILING_QUERY);
    let got = host.server(cat(&[&error("42601", "syntax error"), IDLE]));
    assert!(String::from_utf8_lossy(&got).contains("max_operation_bytes"));
    let log = host.take_log();
    assert!(log[0].starts_with("refused 1 \"select xxx"), "{log:?}");
    assert_eq!(log[1], "idle 0");
    assert_eq!(host.client(query("select 1")), query("select 1"));
}

#[test]
fn a_bind_that_makes_a_unit_too_large_is_released_alone() {
    let mut host = Host::with(Limits { max_operation: 64, max_answer: 64 }, false);
    let prepare = parse("", "select $1, 'some thirty bytes of text'");
    let bound = bind("", "", &[&"v".repeat(40)]);
    let sent = host.client(cat(&[&prepare, &bound, &execute("", 0), SYNC]));
    assert_eq!(sent, cat(&[&prepare, &bound, &execute("", 0), SYNC]));
    let log = host.take_log();
    assert!(log[0].starts_with("sql.prepare 1"));
    assert!(log[1].starts_with("sql.prepare 2") || log[1].starts_with("sql.query 2"));
}
