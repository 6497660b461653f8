use crate::bytes::*;
use crate::host::{Host, Verdict};

#[test]
fn parse_bind_describe_execute_are_one_operation() {
    let mut host = Host::new();
    let asked =
        cat(&[&parse("", "select $1"), &bind("", "", &["7"]), &describe(b'P', ""), &execute("", 0), SYNC]);
    assert_eq!(host.client(&asked), asked);
    let answer = cat(&[PARSED, BOUND, &text_columns(&["a"]), &row(&["7"]), &tag("SELECT 1"), IDLE]);
    assert_eq!(host.server(&answer), answer);
    assert_eq!(
        host.take_log(),
        [r#"sql.query 1 "select $1" $1="7""#, r#"done 1 0 rows 1 "SELECT 1""#, "idle 0"]
    );
}

#[test]
fn a_unit_waits_for_its_execute_and_for_nothing_else() {
    let mut host = Host::new();
    let start = cat(&[&parse("", "select 1"), &bind("", "", &[])]);
    assert_eq!(host.client(&start), b"");
    assert_eq!(host.client(execute("", 0)), cat(&[&start, &execute("", 0)]));
    assert_eq!(host.take_log(), [r#"sql.query 1 "select 1""#]);
}

#[test]
fn prepare_first_execute_later() {
    let mut host = Host::new();
    let prepare = cat(&[&parse("s", "select $1"), &describe(b'S', "s"), FLUSH]);
    assert_eq!(host.client(&prepare), prepare);
    let described = cat(&[PARSED, &message(b't', b"\0\x01\0\0\0\x17"), &text_columns(&["a"])]);
    assert_eq!(host.server(&described), described);
    assert_eq!(host.take_log(), [r#"sql.prepare 1 "select $1""#, r#"done 1 0 rows 0 """#]);
    // A binary int4, known from the server's description.
    let bind = message(b'B', b"\0s\0\0\x01\0\x01\0\x01\0\0\0\x04\0\0\0\x2a\0\0");
    let run = cat(&[&bind, &execute("", 0), SYNC]);
    assert_eq!(host.client(&run), run);
    host.server(cat(&[BOUND, &row(&["42"]), &tag("SELECT 1"), IDLE]));
    assert_eq!(
        host.take_log(),
        [r#"sql.query 2 "select $1" $1="42""#, r#"done 2 0 rows 1 "SELECT 1""#, "idle 0"]
    );
}

#[test]
fn fetching_more_of_a_portal_continues_its_operation() {
    let mut host = Host::new();
    host.client(cat(&[&query("begin")]));
    host.server(cat(&[&tag("BEGIN"), IN_TRANSACTION]));
    host.take_log();
    host.client(cat(&[&parse("", "select *"), &bind("p", "", &[]), &execute("p", 1), SYNC]));
    host.server(cat(&[PARSED, BOUND, &row(&["1"]), SUSPENDED, IN_TRANSACTION]));
    host.client(cat(&[&execute("p", 1), SYNC]));
    host.server(cat(&[&row(&["2"]), &tag("SELECT 1"), IN_TRANSACTION]));
    assert_eq!(
        host.take_log(),
        [
            r#"sql.query 2 "select *""#,
            r#"done 2 3 rows 1 """#,
            "idle 1",
            r#"sql.fetch 3 "select *" continues 2"#,
            r#"done 3 0 rows 1 "SELECT 1""#,
            "idle 1",
        ]
    );
}

#[test]
fn an_error_skips_to_the_next_sync_only() {
    let mut host = Host::new();
    let run = |text: &str| cat(&[&parse("", text), &bind("", "", &[]), &execute("", 0)]);
    host.client(cat(&[&run("a"), &run("b"), &run("c"), SYNC, &run("d"), SYNC]));
    host.server(cat(&[PARSED, BOUND, &tag("A"), PARSED, &error("22012", "b"), IDLE]));
    assert_eq!(
        host.take_log()[4..],
        [r#"done 1 0 rows 0 "A""#, r#"done 2 1 rows 0 "" 22012"#, r#"done 3 2 rows 0 """#]
    );
    host.server(cat(&[PARSED, BOUND, &tag("D"), IDLE]));
    assert_eq!(host.take_log(), [r#"done 4 0 rows 0 "D""#, "idle 0"]);
}

#[test]
fn what_comes_after_an_error_and_before_the_sync_is_dropped() {
    let mut host = Host::new();
    host.client(cat(&[&parse("", "bad"), FLUSH]));
    host.server(error("42601", "bad"));
    assert_eq!(host.client(cat(&[&bind("", "", &[]), &execute("", 0), &query("select 1")])), b"");
    assert_eq!(host.client(SYNC), SYNC);
    host.server(IDLE);
    assert_eq!(host.take_log(), [r#"sql.prepare 1 "bad""#, r#"done 1 1 rows 0 "" 42601"#, "idle 0"]);
}

#[test]
fn a_query_inside_a_segment_has_its_own_ready() {
    let mut host = Host::new();
    host.client(cat(&[&parse("s", "one"), &query("two"), &bind("", "s", &[]), &execute("", 0), SYNC]));
    host.server(cat(&[PARSED, &tag("TWO"), IDLE, BOUND, &tag("ONE"), IDLE]));
    assert_eq!(
        host.take_log(),
        [
            r#"sql.prepare 1 "one""#,
            r#"sql.query 2 "two""#,
            r#"sql.query 3 "one""#,
            r#"done 1 0 rows 0 """#,
            r#"done 2 0 rows 0 "TWO""#,
            r#"done 3 0 rows 0 "ONE""#,
            "idle 0",
        ]
    );
}

#[test]
fn portals_that_run_after_all_binds_are_found() {
    let mut host = Host::new();
    let asked = cat(&[
        &parse("s", "q $1"),
        &bind("p1", "s", &["1"]),
        &bind("p2", "s", &["2"]),
        &execute("p2", 0),
        &execute("p1", 0),
        SYNC,
    ]);
    assert_eq!(host.client(&asked), asked);
    assert_eq!(
        host.take_log(),
        [r#"sql.prepare 1 "q $1" $1="1""#, r#"sql.query 2 "q $1" $1="2""#, r#"sql.query 3 "q $1" $1="1""#,]
    );
}

#[test]
fn a_text_is_replaced_with_everything_around_it_kept() {
    let mut host = Host::new().judge(|operation| match operation.text.as_str() {
        "old $1" => Verdict::Rewrite("new $1".into()),
        _ => Verdict::Allow,
    });
    let sent = host.client(cat(&[&parse("s", "old $1"), &bind("", "s", &["5"]), &execute("", 0), SYNC]));
    assert_eq!(sent, cat(&[&parse("s", "new $1"), &bind("", "s", &["5"]), &execute("", 0), SYNC]));
    host.server(cat(&[PARSED, BOUND, &tag("NEW"), IDLE]));
    host.take_log();
    host.client(cat(&[&bind("", "s", &["6"]), &execute("", 0), SYNC]));
    assert_eq!(host.take_log(), [r#"sql.query 2 "new $1" $1="6""#]);
    assert_eq!(host.client(query("old $1")), query("new $1"));
}
