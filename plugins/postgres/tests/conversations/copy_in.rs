use crate::bytes::*;
use crate::host::{Host, Verdict};

#[test]
fn data_of_any_size_streams() {
    let mut host = Host::new();
    host.client(query("copy t from stdin"));
    host.server(copy_response(b'G', 0, 1));
    let data = copy_data(&vec![b'x'; 300_000]);
    let mut got = vec![];
    for chunk in data.chunks(10_000) {
        let passed = host.client(chunk);
        assert_eq!(passed.len(), chunk.len());
        got.extend(passed);
    }
    assert_eq!(got, data);
    assert_eq!(host.client(COPY_DONE), COPY_DONE);
    host.server(cat(&[&tag("COPY 3"), IDLE]));
    assert_eq!(host.take_log()[1..], [r#"done 1 0 rows 3 "COPY 3""#, "idle 0"]);
}

#[test]
fn the_client_need_not_wait_to_be_asked() {
    let mut host = Host::new();
    let all = cat(&[&query("copy t from stdin"), &copy_data(b"1\n"), COPY_DONE]);
    assert_eq!(host.client(&all), all);
    host.server(cat(&[&copy_response(b'G', 0, 1)]));
    let next = cat(&[&parse("", "q"), SYNC]);
    assert_eq!(host.client(&next), next, "no Sync is lost");
    host.server(cat(&[&tag("COPY 1"), IDLE, PARSED, IDLE]));
    assert_eq!(host.take_log().last().unwrap(), "idle 0");
}

#[test]
fn data_nobody_asked_for_is_dropped() {
    let mut host = Host::new().judge(|_| Verdict::Deny("no", "no"));
    host.client(query("copy t from stdin"));
    assert_eq!(host.client(cat(&[&copy_data(b"1\n"), COPY_DONE])), b"");
    host.server(cat(&[&error("42601", "syntax"), IDLE]));
    assert_eq!(host.take_log().last().unwrap(), "idle 0");
}

#[test]
fn a_sync_sent_with_the_copy_waits_for_what_becomes_of_it() {
    // As libpq does it: Sync right behind the Execute, and another behind CopyDone.
    let start = cat(&[&parse("", "copy t from stdin"), &bind("", "", &[]), &execute("", 0)]);
    let mut host = Host::new();
    assert_eq!(host.client(cat(&[&start, SYNC])), start);
    host.server(cat(&[PARSED, BOUND, &copy_response(b'G', 0, 1)]));
    let rest = cat(&[&copy_data(b"1\n"), COPY_DONE, SYNC]);
    assert_eq!(host.client(&rest), rest, "the first Sync is none");
    host.server(cat(&[&tag("COPY 1"), IDLE]));
    assert_eq!(host.take_log()[1..], [r#"done 1 0 rows 1 "COPY 1""#, "idle 0"]);

    let mut host = Host::new();
    assert_eq!(host.client(cat(&[&start, SYNC])), start);
    host.server(cat(&[PARSED, BOUND, &error("42P01", "no table")]));
    assert_eq!(host.to_server, SYNC, "the Sync is one");
    host.server(IDLE);
    assert_eq!(host.take_log()[1..], [r#"done 1 1 rows 0 "" 42P01"#, "idle 0"]);
}

#[test]
fn an_error_in_the_middle_skips_to_the_sync() {
    let mut host = Host::new();
    host.client(cat(&[&parse("", "copy t from stdin"), &bind("", "", &[]), &execute("", 0), SYNC]));
    host.server(cat(&[PARSED, BOUND, &copy_response(b'G', 0, 1)]));
    host.client(copy_data(b"bad\n"));
    host.server(error("22P02", "bad"));
    assert_eq!(host.client(cat(&[&copy_data(b"1\n"), COPY_DONE, SYNC])), SYNC);
    host.server(IDLE);
    assert_eq!(host.take_log().last().unwrap(), "idle 0");
}
