//! Texts that hang on settings which what was sent before may change.

use crate::bytes::*;
use crate::host::{Host, Verdict};

/// One string with `standard_conforming_strings` on, two statements with it off.
const TRICK: &str = r"select '\''; create table x(i int); --'";
/// The reverse.
const REVERSE: &str = r"select '\'; create table x(i int); --'";

fn run(text: &str) -> Vec<u8> {
    cat(&[&parse("", text), &bind("", "", &[]), &execute("", 0)])
}

fn strings(value: &str) -> Vec<u8> {
    message(b'S', &cat(&[b"standard_conforming_strings\0", value.as_bytes(), b"\0"]))
}

fn last_action(host: &Host) -> (usize, &str) {
    (host.operations.len(), host.operations.last().map_or("", |last| &last.operation.action))
}

#[test]
fn a_text_with_a_backslash_waits_for_everything_sent_before() {
    for before in [
        "update pg_settings set setting = 'off' where name = 'standard_conforming_strings'",
        "rollback to savepoint s",
        "release savepoint s",
        "insert into t values (1)",
    ] {
        let mut host = Host::new();
        assert_eq!(host.client(cat(&[&query(before), &query(TRICK)])), query(before));
        assert_eq!(host.operations.len(), 1, "{before}");
        host.server(cat(&[&tag("DONE"), &strings("off"), IDLE]));
        assert_eq!(last_action(&host), (2, "define"), "{before}");
    }
}

#[test]
fn an_abort_brings_back_what_was_set_before() {
    let mut host = Host::new();
    host.server(strings("off"));
    host.client(query("begin; set local standard_conforming_strings = on"));
    host.server(cat(&[&tag("BEGIN"), &tag("SET"), &strings("on"), IN_TRANSACTION]));
    host.client(cat(&[&query("select 1/0"), &query("rollback"), &query(TRICK)]));
    assert_eq!(host.operations.len(), 3);
    host.server(cat(&[&error("22012", "division by zero"), &strings("off"), FAILED]));
    assert_eq!(host.operations.len(), 3);
    host.server(cat(&[&tag("ROLLBACK"), IDLE]));
    assert_eq!(last_action(&host), (4, "define"));
}

#[test]
fn a_later_segment_waits_too_and_is_read_as_the_server_says() {
    let mut host = Host::new();
    host.server(strings("off"));
    host.client(cat(&[&run("select 1/0"), SYNC, &run(REVERSE), SYNC]));
    assert_eq!(host.operations.len(), 1);
    host.server(cat(&[PARSED, BOUND, &error("22012", "division by zero"), &strings("on"), IDLE]));
    assert_eq!(last_action(&host), (2, "define"));
    // Texts that read the same always do not wait.
    assert!(host.client(run("select 2")).ends_with(&run("select 2")));
}

#[test]
fn in_one_segment_it_is_refused_behind_what_may_set() {
    for before in [
        "update pg_settings set setting = 'off' where name = 'standard_conforming_strings'",
        "select set_config('client_encoding', 'sjis', false)",
        "select f()",
        "rollback to savepoint s",
        "do 'whatever'",
    ] {
        for answered in [false, true] {
            for text in [TRICK, "select 'éx'"] {
                let mut host = Host::new();
                host.client(cat(&[&run(before), FLUSH]));
                if answered {
                    // The settings are not reported before the Sync.
                    host.server(cat(&[PARSED, BOUND, &tag("DONE")]));
                }
                let sent = host.client(cat(&[&run(text), SYNC]));
                assert!(!sent.windows(7).any(|part| part == b"select "), "{before} {sent:?}");
                assert!(host.log.iter().any(|line| line.starts_with("refused 2")), "{:?}", host.log);
                if !answered {
                    host.server(cat(&[PARSED, BOUND, &tag("DONE")]));
                }
                host.server(cat(&[&error("42601", "refused"), IDLE]));
                assert_eq!(host.client(cat(&[&run(text), SYNC])), cat(&[&run(text), SYNC]));
            }
        }
    }
}

#[test]
fn in_one_segment_it_passes_behind_what_cannot_set() {
    let mut host = Host::new();
    let asked = cat(&[&run("begin"), &run("insert into t values (1)"), &run(r"select '\d', 'éx'"), SYNC]);
    assert_eq!(host.client(&asked), asked);
}

#[test]
fn a_query_in_the_middle_of_a_segment_is_refused_behind_what_may_set() {
    let mut host = Host::new();
    host.client(run("select f()"));
    let sent = host.client(query(TRICK));
    assert!(sent.starts_with(b"Q") && sent != query(TRICK), "{sent:?}");
}

#[test]
fn a_bind_plans_and_planning_may_run_functions() {
    let mut host = Host::new();
    host.client(cat(&[&parse("s", "select f()"), SYNC]));
    host.server(cat(&[PARSED, IDLE]));
    host.client(cat(&[&bind("", "s", &[]), &parse("", TRICK), SYNC]));
    assert!(host.log.iter().any(|line| line.starts_with("refused")), "{:?}", host.log);
}

#[test]
fn a_text_put_in_the_place_of_another_does_not_hang_on_settings_in_flight() {
    let judge = || {
        Host::new().judge(|operation| match operation.text.as_str() {
            "old" => Verdict::Rewrite(r"select f('\')".into()),
            _ => Verdict::Allow,
        })
    };
    for asked in [query("old"), cat(&[&run("old"), SYNC])] {
        let mut host = judge();
        let sent = host.client(&asked);
        assert!(sent.windows(9).any(|part| part == b"select f("), "{sent:?}");
    }
    let mut host = judge();
    host.client(query("old"));
    let faults = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| host.client(query("old"))));
    assert!(faults.is_err(), "the host gets a fault and refuses");
}
