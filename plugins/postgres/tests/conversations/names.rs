use crate::bytes::*;
use crate::host::Host;

fn run(statement: &str) -> Vec<u8> {
    cat(&[&bind("", statement, &[]), &execute("", 0), SYNC])
}

fn prepared(host: &mut Host, name: &str, text: &str) {
    host.client(cat(&[&parse(name, text), SYNC]));
    host.server(cat(&[PARSED, IDLE]));
    host.take_log();
}

#[test]
fn a_later_segment_waits_for_a_name_that_is_being_changed() {
    let mut host = Host::new();
    prepared(&mut host, "s", "old");
    let change = cat(&[&close(b'S', "s"), &parse("s", "new"), SYNC]);
    assert_eq!(host.client(cat(&[&change, &run("s")])), change);
    assert_eq!(host.take_log(), [r#"sql.prepare 2 "new""#]);
    // The change fails: the old text is still what runs.
    host.server(cat(&[&error("25P02", "aborted"), FAILED]));
    assert_eq!(host.take_log()[2..], [r#"sql.query 3 "old""#]);
}

#[test]
fn a_change_that_succeeds_is_what_runs() {
    let mut host = Host::new();
    prepared(&mut host, "s", "old");
    host.client(cat(&[&close(b'S', "s"), &parse("s", "new"), SYNC, &run("s")]));
    host.server(cat(&[CLOSED, PARSED, IDLE]));
    assert_eq!(host.take_log().last().unwrap(), r#"sql.query 3 "new""#);
}

#[test]
fn a_failed_parse_leaves_no_statement() {
    let mut host = Host::new();
    host.client(cat(&[&parse("s", "bad"), SYNC]));
    host.server(cat(&[&error("42601", "bad"), IDLE]));
    host.take_log();
    host.client(run("s"));
    assert!(host.take_log()[0].starts_with("refused 2 \"\": 26000"));
}

#[test]
fn a_failed_parse_of_the_unnamed_statement_drops_the_old_one() {
    let mut host = Host::new();
    prepared(&mut host, "", "old");
    host.client(cat(&[&parse("", "bad"), SYNC]));
    host.server(cat(&[&error("42601", "bad"), IDLE]));
    host.take_log();
    host.client(run(""));
    assert!(host.take_log()[0].starts_with("refused"));
}

#[test]
fn a_simple_query_drops_the_unnamed_statement() {
    let mut host = Host::new();
    prepared(&mut host, "", "old");
    host.client(query("select 1"));
    host.server(cat(&[&tag("SELECT 0"), IDLE]));
    host.take_log();
    host.client(run(""));
    assert!(host.take_log()[0].starts_with("refused"));
}

#[test]
fn a_failed_bind_leaves_no_portal() {
    let mut host = Host::new();
    prepared(&mut host, "s", "q $1");
    host.client(cat(&[&bind("p", "s", &["x"]), SYNC]));
    host.server(cat(&[&error("22P02", "bad value"), IDLE]));
    host.take_log();
    host.client(cat(&[&execute("p", 0), SYNC]));
    assert!(host.take_log()[0].starts_with("refused 3 \"\": 34000"));
}

#[test]
fn portals_end_with_their_transaction() {
    let mut host = Host::new();
    prepared(&mut host, "s", "q");
    host.client(cat(&[&bind("p", "s", &[]), SYNC]));
    host.server(cat(&[BOUND, IN_TRANSACTION]));
    host.take_log();
    host.client(cat(&[&execute("p", 1), SYNC]));
    assert_eq!(host.take_log(), [r#"sql.query 3 "q""#]);
    host.server(cat(&[SUSPENDED, IDLE]));
    host.take_log();
    host.client(cat(&[&execute("p", 1), SYNC]));
    assert!(host.take_log()[0].starts_with("refused"));
}

#[test]
fn names_are_bounded() {
    let mut host = Host::new();
    for index in 0..10_000 {
        host.client(cat(&[&parse(&format!("s{index}"), "q"), SYNC]));
        host.server(cat(&[PARSED, IDLE]));
    }
    host.take_log();
    host.client(cat(&[&parse("one-too-many", "q"), SYNC]));
    assert!(host.take_log()[0].contains("too many prepared statements"));
}

#[test]
fn names_that_sql_has_given_are_not_run_unseen() {
    let mut host = Host::new();
    prepared(&mut host, "s", "select 1");
    host.client(query("deallocate s; prepare s as delete from t"));
    host.server(cat(&[&tag("DEALLOCATE"), &tag("PREPARE"), IDLE]));
    host.take_log();
    host.client(run("s"));
    assert!(
        host.take_log()[0].contains("42501 statement \"s\" was not defined through this session's protocol")
    );
}

#[test]
fn a_parse_behind_deallocate_all_survives_it() {
    let mut host = Host::new();
    prepared(&mut host, "s", "select 1");
    host.client(cat(&[&query("deallocate all"), &parse("s", "select 2"), SYNC]));
    host.server(cat(&[&tag("DEALLOCATE ALL"), IDLE, PARSED, IDLE]));
    host.take_log();
    host.client(run("s"));
    assert_eq!(host.take_log(), [r#"sql.query 4 "select 2""#]);
}

#[test]
fn a_cursor_declared_in_sql_is_not_executed_by_name() {
    let mut host = Host::new();
    host.client(query("begin; declare c cursor for select 1"));
    host.server(cat(&[&tag("BEGIN"), &tag("DECLARE CURSOR"), IN_TRANSACTION]));
    host.take_log();
    host.client(cat(&[&execute("c", 0), SYNC]));
    assert!(host.take_log()[0].contains("42501 portal \"c\" was not defined"));
}

#[test]
fn execute_in_sql_says_what_it_runs() {
    let mut host = Host::new();
    prepared(&mut host, "s", "delete from t where id = 1");
    host.client(query("execute s"));
    let operation = &host.operations.last().unwrap().operation;
    assert_eq!((operation.action.as_str(), operation.objects.as_slice()), ("write", &["t".to_owned()][..]));
    assert!(operation.attributes.iter().any(|found| found.name == "sql-executes"));
}
