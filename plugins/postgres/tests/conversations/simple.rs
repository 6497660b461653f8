use crate::bytes::*;
use crate::host::Host;

#[test]
fn one_query_is_one_operation_and_its_answer_passes_as_it_is() {
    let mut host = Host::new();
    let asked = query("select 1");
    assert_eq!(host.client(&asked), asked);
    let answer = cat(&[&text_columns(&["?column?"]), &row(&["1"]), &tag("SELECT 1"), IDLE]);
    assert_eq!(host.server(&answer), answer);
    assert_eq!(host.take_log(), [r#"sql.query 1 "select 1""#, r#"done 1 0 rows 1 "SELECT 1""#, "idle 0"]);
}

#[test]
fn several_results_are_told_once() {
    let mut host = Host::new();
    host.client(query("insert …; select 2; select 3"));
    host.server(cat(&[
        &tag("INSERT 0 1"),
        &text_columns(&["a"]),
        &row(&["2"]),
        &tag("SELECT 1"),
        &notice("between"),
        &text_columns(&["a"]),
        &row(&["3"]),
        &row(&["3"]),
        &tag("SELECT 2"),
        IN_TRANSACTION,
    ]));
    assert_eq!(host.take_log()[1..], [r#"done 1 0 rows 4 "INSERT 0 1; SELECT 1; SELECT 2""#, "idle 1"]);
}

#[test]
fn rows_that_are_changed_are_counted_once() {
    let mut host = Host::new();
    for (operation, (said, rows)) in (1..).zip([
        ("UPDATE 3", 3),
        ("DELETE 2", 2),
        ("MERGE 4", 4),
        ("INSERT 0 5", 5),
        ("UPDATE 0", 0),
        ("UPDATE x", 0),
    ]) {
        host.client(query("…"));
        host.server(cat(&[&tag(said), IDLE]));
        let log = host.take_log();
        assert_eq!(log[1..], [format!("done {operation} 0 rows {rows} {said:?}"), "idle 0".to_owned()]);
    }
    // With RETURNING they have been counted as they came; what is changed before or behind is not among them.
    host.client(query("update …; delete … returning a; update …"));
    host.server(cat(&[
        &tag("UPDATE 3"),
        &text_columns(&["a"]),
        &row(&["2"]),
        &row(&["3"]),
        &tag("DELETE 2"),
        &tag("UPDATE 1"),
        IDLE,
    ]));
    assert_eq!(host.take_log()[1..], [r#"done 7 0 rows 6 "UPDATE 3; DELETE 2; UPDATE 1""#, "idle 0"]);
}

#[test]
fn an_error_ends_the_query_and_is_told() {
    let mut host = Host::new();
    host.client(query("select 1/0"));
    let answer = cat(&[&error("22012", "division by zero"), FAILED]);
    assert_eq!(host.server(&answer), answer);
    assert_eq!(host.take_log()[1..], [r#"done 1 1 rows 0 "" 22012"#, "idle 3"]);
    assert_eq!(host.results[0].message, "division by zero");
}

#[test]
fn queries_in_a_pipeline_are_answered_in_order() {
    let mut host = Host::new();
    host.client(cat(&[&query("a"), &query("b"), &query("")]));
    host.server(cat(&[&tag("A"), IDLE, &error("42601", "b?"), IDLE]));
    assert_eq!(host.take_log()[3..], [r#"done 1 0 rows 0 "A""#, r#"done 2 1 rows 0 "" 42601"#]);
    host.server(cat(&[b"I\0\0\0\x04", IDLE]));
    assert_eq!(host.take_log(), [r#"done 3 0 rows 0 """#, "idle 0"]);
}

#[test]
fn notices_and_settings_come_at_any_time() {
    let mut host = Host::new();
    let status = message(b'S', b"TimeZone\0UTC\0");
    let notification = message(b'A', b"\0\0\0\x01chan\0hello\0");
    let bytes = cat(&[&status, &notice("hi"), &notification]);
    assert_eq!(host.server(&bytes), bytes);
    host.client(query("select 1"));
    let answer = cat(&[&text_columns(&["a"]), &row(&["1"]), &bytes, &row(&["2"]), &tag("SELECT 2"), IDLE]);
    assert_eq!(host.server(&answer), answer);
    assert_eq!(host.results[0].rows, 2);
}

#[test]
fn a_row_larger_than_any_buffer_streams() {
    let mut host = Host::new();
    host.client(query("select big"));
    let big = "x".repeat(300_000);
    let answer = cat(&[&text_columns(&["a"]), &row(&[&big]), &row(&["y"]), &tag("SELECT 2"), IDLE]);
    let mut got = vec![];
    for chunk in answer.chunks(1000) {
        let passed = host.server(chunk);
        assert!(passed.len() >= chunk.len().saturating_sub(8), "held back {}", chunk.len() - passed.len());
        got.extend(passed);
    }
    assert_eq!(got, answer);
    assert_eq!(host.results[0].rows, 2);
}

#[test]
fn function_calls_are_operations() {
    let mut host = Host::new();
    let call = message(b'F', b"\0\0\x03\xbb\0\x01\0\x01\0\x01\0\0\0\x02\x01\x02\0\x01");
    assert_eq!(host.client(&call), call);
    assert_eq!(host.operations[0].operation.objects, ["function:955"]);
    let answer = cat(&[&message(b'V', b"\0\0\0\x01a"), IDLE]);
    assert_eq!(host.server(&answer), answer);
    assert_eq!(
        host.take_log(),
        [r#"sql.call 1 "function call of OID 955" $1="\\x0102""#, r#"done 1 0 rows 0 """#, "idle 0"]
    );
}

#[test]
fn last_words_of_the_server_pass() {
    let mut host = Host::new();
    host.client(cat(&[&query("select 1"), &query("select 2")]));
    let fatal = message(b'E', b"SFATAL\0VFATAL\0C57P01\0Mterminating\0\0");
    assert_eq!(host.server(&fatal), fatal);
    assert_eq!(host.take_log()[2..], [r#"done 1 1 rows 0 "" 57P01"#, r#"done 2 2 rows 0 """#]);
}
