use crate::bytes::*;
use crate::host::{Host, Verdict};

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

/// What the host is told about the last operation's EXECUTE.
fn executed(host: &Host) -> Vec<(&str, &str)> {
    let attributes = host.operations.last().into_iter().flat_map(|request| &request.operation.attributes);
    let found = attributes.map(|found| (found.name.as_str(), found.value.as_str()));
    found.filter(|(name, _)| name.starts_with("sql-executes")).collect()
}

fn done(host: &mut Host, text: &str, answer: &[u8]) {
    host.client(query(text));
    host.server(cat(&[answer, IDLE]));
}

const ONE: &str = "prepare x as select 1";
const UNKNOWN: [(&str, &str); 1] = [("sql-executes-unknown", "x")];

#[test]
fn what_sql_has_prepared_is_said_too() {
    let mut host = Host::new();
    done(&mut host, "execute x", &error("26000", "no"));
    assert_eq!(executed(&host), UNKNOWN);
    done(&mut host, ONE, &tag("PREPARE"));
    for text in ["execute x", "explain analyze execute x", "select 1; execute x"] {
        done(&mut host, text, &tag("SELECT 1"));
        assert_eq!(executed(&host), [("sql-executes", ONE)], "{text}");
    }
    host.client(cat(&[&parse("", "execute x"), &bind("", "", &[]), &execute("", 0), SYNC]));
    host.server(cat(&[PARSED, BOUND, &tag("SELECT 1"), IDLE]));
    assert_eq!(executed(&host), [("sql-executes", ONE)]);
    // Prepared statements survive what a rollback takes back.
    done(&mut host, "rollback", &tag("ROLLBACK"));
    done(&mut host, "execute x", &tag("SELECT 1"));
    assert_eq!(executed(&host), [("sql-executes", ONE)]);
    for text in ["deallocate x", "discard all"] {
        done(&mut host, ONE, &tag("PREPARE"));
        done(&mut host, text, &tag("DEALLOCATE"));
        done(&mut host, "execute x", &error("26000", "no"));
        assert_eq!(executed(&host), UNKNOWN, "{text}");
    }
}

#[test]
fn a_prepare_that_may_have_failed_is_not_believed() {
    let failed = error("42P05", "exists");
    for (text, answer, expected) in [
        ("prepare x as delete from t", failed.clone(), UNKNOWN),
        ("select 1; prepare x as delete from t", cat(&[&tag("SELECT 1"), &failed]), UNKNOWN),
        ("prepare x as delete from t; select 1/0", cat(&[&tag("PREPARE"), &failed]), UNKNOWN),
        ("deallocate x; select 1/0", cat(&[&tag("DEALLOCATE"), &failed]), UNKNOWN),
        ("do $$ begin execute 'deallocate x'; end $$", tag("DO"), UNKNOWN),
        ("do $$ begin execute 'deallocate x'; raise 'x'; end $$", error("P0001", "x"), UNKNOWN),
        (ONE, failed.clone(), [("sql-executes", ONE)]),
    ] {
        let mut host = Host::new();
        done(&mut host, ONE, &tag("PREPARE"));
        done(&mut host, text, &answer);
        done(&mut host, "execute x", &tag("SELECT 1"));
        assert_eq!(executed(&host), expected, "{text}");
    }
    // In the protocol: skipped, and failed.
    for answer in [error("42601", "x"), cat(&[PARSED, BOUND, &failed])] {
        let mut host = Host::new();
        host.client(cat(&[&parse("", ONE), &bind("", "", &[]), &execute("", 0), SYNC]));
        host.server(cat(&[&answer, IDLE]));
        done(&mut host, "execute x", &tag("SELECT 1"));
        assert_eq!(executed(&host), UNKNOWN);
    }
}

#[test]
fn a_denied_prepare_changes_nothing() {
    let mut host = Host::new().judge(|operation| match operation.text.contains("delete") {
        true => Verdict::Deny("x", "no"),
        false => Verdict::Allow,
    });
    done(&mut host, ONE, &tag("PREPARE"));
    done(&mut host, "prepare x as delete from t", &error("42601", "refused"));
    done(&mut host, "do $$ delete $$", &error("42601", "refused"));
    done(&mut host, "execute x", &tag("SELECT 1"));
    assert_eq!(executed(&host), [("sql-executes", ONE)]);
}

#[test]
fn an_execute_right_behind_a_prepare_waits_for_what_came_of_it() {
    let mut host = Host::new();
    host.client(cat(&[&query(ONE), &query("execute x")]));
    assert_eq!(host.operations.len(), 1);
    host.server(cat(&[&error("42P05", "exists"), IDLE]));
    assert_eq!((host.operations.len(), executed(&host).as_slice()), (2, &UNKNOWN[..]));
    host.server(cat(&[&error("26000", "no"), IDLE]));

    // In one segment of the protocol it only runs when the PREPARE has.
    let run = |text: &str| cat(&[&parse("", text), &bind("", "", &[]), &execute("", 0)]);
    host.client(cat(&[&run(ONE), &run("execute x"), SYNC]));
    assert_eq!((host.operations.len(), executed(&host).as_slice()), (4, &[("sql-executes", ONE)][..]));
}

#[test]
fn a_text_that_would_be_read_differently_later_is_not_shown() {
    let mut host = Host::new();
    host.server(message(b'S', b"standard_conforming_strings\0off\0"));
    done(&mut host, r"prepare x as select '\'", &tag("PREPARE"));
    done(&mut host, "execute x", &tag("SELECT 1"));
    assert_eq!(executed(&host), UNKNOWN);
    done(&mut host, "deallocate x", &tag("DEALLOCATE"));
    done(&mut host, ONE, &tag("PREPARE"));
    done(&mut host, "execute x", &tag("SELECT 1"));
    assert_eq!(executed(&host), [("sql-executes", ONE)]);
}

#[test]
fn names_that_the_server_would_cut_are_refused() {
    let (one, other) = ("n".repeat(63) + "a", "n".repeat(63) + "b");
    for message in [
        parse(&one, "select 1"),
        bind(&one, "s", &[]),
        bind("", &other, &[]),
        describe(b'S', &one),
        describe(b'P', &one),
        execute(&one, 0),
        close(b'S', &other),
        close(b'P', "é"),
        parse("é", "select 1"),
    ] {
        let mut host = Host::new();
        prepared(&mut host, "s", "select 1");
        let sent = host.client(cat(&[&message, &run("s"), SYNC]));
        assert!(sent.starts_with(b"P") && sent.ends_with(SYNC) && sent != message, "{sent:?}");
        assert!(!sent.windows(9).any(|part| part == b"nnnnnnnnn" || part == b"select 1\0"), "{sent:?}");
        assert_eq!(host.log.iter().filter(|line| line.starts_with("refused")).count(), 1, "{:?}", host.log);
        let got = host.server(cat(&[&error("42601", "refused"), IDLE]));
        assert!(got.windows(5).any(|part| part == b"42622") && got.ends_with(IDLE));
        // The session goes on.
        assert_eq!(host.client(cat(&[&run("s"), SYNC])), cat(&[&run("s"), SYNC]));
    }
    let mut host = Host::new();
    let fitting = cat(&[&parse(&"n".repeat(63), "select 1"), SYNC]);
    assert_eq!(host.client(&fitting), fitting);
}
