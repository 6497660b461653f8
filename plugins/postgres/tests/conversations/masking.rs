use crate::bytes::*;
use crate::host::Host;
use weir_sdk::inspector::Limits;

/// Hides everything with an @, makes everything with a # NULL.
fn hiding() -> Host {
    Host::masking().mask(|text| match text {
        text if text.contains('@') => Some(Some("[EMAIL]".into())),
        text if text.contains('#') => Some(None),
        _ => None,
    })
}

#[test]
fn rows_of_a_query_come_after_their_shape() {
    let mut host = hiding();
    assert_eq!(host.client(query("select")), query("select"));
    let described = columns(&[("id", 23, -1, 0), ("mail", 1043, 9, 0)]);
    let got = host.server(cat(&[
        &described,
        &row(&["1", "a@b.c"]),
        &row(&["2", "plain"]),
        &row(&["3", "#"]),
        &tag("SELECT 3"),
        IDLE,
    ]));
    let null = message(b'D', b"\0\x02\0\0\0\x013\xff\xff\xff\xff");
    assert_eq!(
        got,
        cat(&[&described, &row(&["1", "[EMAI"]), &row(&["2", "plain"]), &null, &tag("SELECT 3"), IDLE])
    );
    assert_eq!(host.seen, ["1", "a@b.c", "2", "plain", "3", "#"]);
    assert_eq!(host.take_log()[1..], ["shape 1 id,mail", r#"done 1 0 rows 3 "SELECT 3""#, "idle 0"]);
    assert_eq!(host.shapes[0].1[1].relation_id, 16_500);
    assert_eq!(host.shapes[0].1[1].type_name, "varchar");
}

#[test]
fn columns_nobody_wants_pass() {
    let mut host = hiding().want(|_| vec![]);
    host.client(query("select"));
    let answer = cat(&[&text_columns(&["mail"]), &row(&["a@b.c"]), &tag("SELECT 1"), IDLE]);
    assert_eq!(host.server(&answer), answer);
    assert!(host.seen.is_empty());
    assert_eq!(host.results[0].rows, 1);
}

#[test]
fn only_wanted_columns_are_shown_and_each_result_has_its_own_shape() {
    let mut host = hiding().want(|columns| if columns.len() == 2 { vec![1] } else { vec![0] });
    host.client(query("two results"));
    host.server(cat(&[
        &text_columns(&["a", "b"]),
        &row(&["1", "2"]),
        &tag("SELECT 1"),
        &text_columns(&["c"]),
        &row(&["3"]),
        &tag("SELECT 1"),
        IDLE,
    ]));
    assert_eq!(host.seen, ["2", "3"]);
    assert_eq!(host.take_log()[1..3], ["shape 1 a,b", "shape 1 c"]);
}

#[test]
fn an_execute_without_describe_gets_a_hidden_one() {
    let mut host = hiding();
    let sent = host.client(cat(&[&parse("", "select"), &bind("p", "", &[]), &execute("p", 0), SYNC]));
    assert_eq!(
        sent,
        cat(&[&parse("", "select"), &bind("p", "", &[]), &describe(b'P', "p"), &execute("p", 0), SYNC])
    );
    let got =
        host.server(cat(&[PARSED, BOUND, &text_columns(&["mail"]), &row(&["a@b"]), &tag("SELECT 1"), IDLE]));
    assert_eq!(got, cat(&[PARSED, BOUND, &row(&["[EMAIL]"]), &tag("SELECT 1"), IDLE]));
    assert_eq!(host.take_log()[1..], ["shape 1 mail", r#"done 1 0 rows 1 "SELECT 1""#, "idle 0"]);
}

#[test]
fn a_hidden_describe_without_columns_and_one_that_fails() {
    let mut host = hiding();
    host.client(cat(&[&parse("", "update"), &bind("", "", &[]), &execute("", 0), SYNC]));
    let got = host.server(cat(&[PARSED, BOUND, NO_DATA, &tag("UPDATE 1"), IDLE]));
    assert_eq!(got, cat(&[PARSED, BOUND, &tag("UPDATE 1"), IDLE]));
    host.take_log();
    host.client(cat(&[&parse("", "select"), &bind("", "", &[]), &execute("", 0), SYNC]));
    let got = host.server(cat(&[PARSED, BOUND, &error("25P02", "aborted"), FAILED]));
    assert_eq!(got, cat(&[PARSED, BOUND, &error("25P02", "aborted"), FAILED]));
    assert_eq!(host.take_log()[1..], [r#"done 2 1 rows 0 "" 25P02"#, "idle 3"]);
}

#[test]
fn a_describe_of_the_client_is_used_and_shown() {
    let mut host = hiding();
    let asked = cat(&[&parse("", "select"), &bind("", "", &[]), &describe(b'P', ""), &execute("", 0), SYNC]);
    assert_eq!(host.client(&asked), asked);
    let described = text_columns(&["mail"]);
    let got = host.server(cat(&[PARSED, BOUND, &described, &row(&["a@b"]), &tag("SELECT 1"), IDLE]));
    assert_eq!(got, cat(&[PARSED, BOUND, &described, &row(&["[EMAIL]"]), &tag("SELECT 1"), IDLE]));
}

#[test]
fn a_portal_that_goes_on_keeps_its_shape() {
    let mut host = hiding();
    host.client(query("begin"));
    host.server(cat(&[&tag("BEGIN"), IN_TRANSACTION]));
    host.client(cat(&[&parse("", "select"), &bind("p", "", &[]), &execute("p", 1), SYNC]));
    host.server(cat(&[PARSED, BOUND, &text_columns(&["mail"]), &row(&["a@b"]), SUSPENDED, IN_TRANSACTION]));
    // Another result in between.
    host.client(query("other"));
    host.server(cat(&[&text_columns(&["x", "y"]), &row(&["1", "2"]), &tag("SELECT 1"), IN_TRANSACTION]));
    host.take_log();
    let again = cat(&[&execute("p", 1), SYNC]);
    assert_eq!(host.client(&again), again);
    let got = host.server(cat(&[&row(&["c@d"]), SUSPENDED, IN_TRANSACTION]));
    assert_eq!(got, cat(&[&row(&["[EMAIL]"]), SUSPENDED, IN_TRANSACTION]));
    assert_eq!(host.take_log()[1..3], ["shape 4 mail", r#"done 4 3 rows 1 """#]);
}

#[test]
fn binary_values_are_shown_as_text_and_put_back_in_binary() {
    let mut host =
        Host::masking().mask(|text| (text == "42" || text.starts_with('{')).then(|| Some("x".into())));
    host.client(query("select"));
    let described =
        columns(&[("n", 23, -1, 1), ("j", 3802, -1, 1), ("d", 1082, -1, 1), ("u", 99_999, -1, 1)]);
    let body = b"\0\x04\0\0\0\x04\0\0\0\x2a\0\0\0\x03\x01{}\0\0\0\x04\0\0\x23\xe6\0\0\0\x02\xff\0";
    let got = host.server(cat(&[&described, &message(b'D', body), &tag("SELECT 1"), IDLE]));
    // Nobody can read the last one.
    assert_eq!(host.seen, ["42", "{}", "2025-02-28", "NULL"]);
    let masked = b"\0\x04\0\0\0\x04\0\0\0\0\0\0\0\x04\x01\"x\"\0\0\0\x04\0\0\x23\xe6\xff\xff\xff\xff";
    assert_eq!(got, cat(&[&described, &message(b'D', masked), &tag("SELECT 1"), IDLE]));
}

#[test]
fn text_for_people_is_shown() {
    let mut host = hiding();
    let asked = notice("mail a@b");
    assert_eq!(host.server(&asked), notice("[EMAIL]"));
    let notification = message(b'A', b"\0\0\0\x01chan\0a@b\0");
    assert_eq!(host.server(&notification), message(b'A', b"\0\0\0\x01chan\0[EMAIL]\0"));
    host.client(query("select"));
    assert_eq!(
        host.server(cat(&[&error("22P02", "invalid: \"a@b\""), IDLE])),
        cat(&[&error("22P02", "[EMAIL]"), IDLE])
    );
}

#[test]
fn settings_that_take_any_text_are_shown() {
    let mut host = hiding();
    let status =
        |name: &str, value: &str| message(b'S', &cat(&[name.as_bytes(), b"\0", value.as_bytes(), b"\0"]));
    for name in ["application_name", "search_path", "TimeZone", "ext.custom"] {
        assert_eq!(host.server(status(name, "a@b")), status(name, "[EMAIL]"), "{name}");
        assert_eq!(host.server(status(name, "plain")), status(name, "plain"), "{name}");
    }
    let chosen = status("server_version", "18.1 (a@b)");
    assert_eq!(host.server(&chosen), chosen);
    let off = status("standard_conforming_strings", "off");
    assert_eq!(host.server(&off), off);
    // Without masking everything passes.
    let mut host = Host::new();
    let set = status("application_name", "a@b");
    assert_eq!(host.server(&set), set);
}

#[test]
fn what_is_not_utf8_is_shown_as_well_as_it_can_be() {
    let mut host = Host::masking().mask(|text| text.contains('\u{fffd}').then(|| Some("[BYTES]".into())));
    host.client(query("select"));
    let described = text_columns(&["a"]);
    let got =
        host.server(cat(&[&described, &message(b'D', b"\0\x01\0\0\0\x02a\xff"), &tag("SELECT 1"), IDLE]));
    assert_eq!(got, cat(&[&described, &row(&["[BYTES]"]), &tag("SELECT 1"), IDLE]));
}

#[test]
fn rows_that_cannot_be_shown_end_the_session() {
    let mut host = Host::with(Limits { max_operation: 1000, max_answer: 1000 }, true);
    host.client(query("select"));
    host.server(cat(&[&text_columns(&["a"]), &row(&[&"x".repeat(2000)])]));
    assert!(host.dead.unwrap().message.contains("max_answer_bytes"));

    let mut host = Host::masking();
    host.client(query("select"));
    host.server(row(&["no description"]));
    assert!(host.dead.is_some());

    let mut host = Host::masking();
    host.client(query("select"));
    host.server(cat(&[&text_columns(&["a", "b"]), &row(&["one value"])]));
    assert!(host.dead.is_some());
}

#[test]
fn a_function_call_is_refused() {
    let mut host = Host::masking();
    let call = message(b'F', b"\0\0\x03\xbb\0\0\0\0\0\x01");
    assert_eq!(host.client(&call), b"F\0\0\0\x0e\0\0\0\0\0\0\0\0\0\0");
    let got = host.server(cat(&[&error("42883", "function with OID 0 does not exist"), IDLE]));
    assert!(String::from_utf8_lossy(&got).contains("cannot be masked"));
}

#[test]
fn rows_split_anywhere_are_masked_the_same() {
    let answer = cat(&[
        &text_columns(&["mail"]),
        &row(&["a@b"]),
        &notice("x"),
        &row(&["plain"]),
        &row(&["c@d"]),
        &tag("SELECT 3"),
        IDLE,
    ]);
    let mut whole = hiding();
    whole.client(query("q"));
    let expected = whole.server(&answer);
    for split in 0..answer.len() {
        let mut host = hiding();
        host.client(query("q"));
        let mut got = host.server(&answer[..split]);
        got.extend(host.server(&answer[split..]));
        assert_eq!(got, expected, "split at {split}");
    }
}

/// A type that is in no table: the second of three columns, in binary.
const STRANGE: &[(&str, u32, i32, u16)] =
    &[("mail", 25, -1, 1), ("what", 16_999, -1, 1), ("note", 25, -1, 1)];

#[test]
fn a_binary_value_that_nobody_can_read_becomes_null() {
    let described = columns(STRANGE);
    let answer = cat(&[
        &described,
        &row(&["plain", "text", "plain"]),
        &row(&["a@b", "\x01\x02", "plain"]),
        &row(&["plain", "\x01\x02", "c@d"]),
        &row(&["plain", "\x01\x02", "plain"]),
        &row(&["#", "\x01\x02", "plain"]),
        &row(&["plain", "e@f", "plain"]),
        &tag("SELECT 6"),
        IDLE,
    ]);
    let null: &[u8] = b"\xff\xff\xff\xff";
    let value = |text: &str| cat(&[&(text.len() as u32).to_be_bytes(), text.as_bytes()]);
    let values = |values: &[&[u8]]| message(b'D', &cat(&[b"\0\x03", &values.concat()]));
    let expected = cat(&[
        &described,
        &row(&["plain", "text", "plain"]),
        &values(&[&value("[EMAIL]"), null, &value("plain")]),
        &values(&[&value("plain"), null, &value("[EMAIL]")]),
        &values(&[&value("plain"), null, &value("plain")]),
        &values(&[null, null, &value("plain")]),
        &values(&[&value("plain"), null, &value("plain")]),
        &tag("SELECT 6"),
        IDLE,
    ]);
    let mut host = hiding();
    host.client(query("select"));
    assert_eq!(host.server(&answer), expected);
    assert_eq!(host.results[0].rows, 6);
    assert!(!host.seen.iter().any(|seen| seen.contains('\x01')));
    for split in 0..answer.len() {
        let mut host = hiding();
        host.client(query("q"));
        let mut got = host.server(&answer[..split]);
        got.extend(host.server(&answer[split..]));
        assert_eq!(got, expected, "split at {split}");
    }
    let mut host = hiding().want(|_| vec![0, 2]);
    host.client(query("nobody wants it"));
    assert!(host.server(&answer).windows(2).any(|bytes| bytes == b"\x01\x02"));
}

#[test]
fn rows_and_types_of_the_user_are_read_by_maskers() {
    let mut host = hiding();
    host.client(query("select"));
    let described =
        columns(&[("a", 2249, -1, 1), ("b", 16_999, -1, 1), ("c", 3614, -1, 1), ("d", 790, -1, 1)]);
    let body = cat(&[
        b"\0\x04",
        b"\0\0\0\x13\0\0\0\x01\0\0\0\x19\0\0\0\x07a@b.c d",
        b"\0\0\0\x05happy",
        b"\0\0\0\x0c\0\0\0\x01a@b.c\0\0\0",
        b"\0\0\0\x08\0\0\0\0\0\0\x04\xd2",
    ]);
    let got = host.server(cat(&[&described, &message(b'D', &body), &tag("SELECT 1"), IDLE]));
    assert_eq!(host.seen, [r#"("a@b.c d")"#, "happy", "'a@b.c'", "12.34"]);
    assert!(!got.windows(2).any(|bytes| bytes == b"a@"));
    assert!(got.windows(5).any(|bytes| bytes == b"happy"));
}

#[test]
fn thousands_of_results_with_the_same_columns_are_announced_once() {
    let mut host = hiding();
    let statements = 5000;
    host.client(query(&"select 1;".repeat(statements)));
    let result = cat(&[&text_columns(&["?column?"]), &row(&["a@b.c"]), &tag("SELECT 1")]);
    let masked = cat(&[&text_columns(&["?column?"]), &row(&["[EMAIL]"]), &tag("SELECT 1")]);
    let got = host.server(cat(&[&result.repeat(statements), IDLE]));
    assert_eq!(got, cat(&[&masked.repeat(statements), IDLE]));
    assert_eq!((host.shapes.len(), host.seen.len()), (1, statements));
    assert_eq!(host.results[0].rows, statements as u64);
    // The next query is another operation.
    host.client(query("select 1"));
    host.server(cat(&[&result, IDLE]));
    assert_eq!(host.shapes.len(), 2);
}

#[test]
fn results_are_announced_again_when_columns_differ_or_may_have_changed_their_meaning() {
    let result = |name: &str| cat(&[&text_columns(&[name]), &row(&["x"]), &tag("SELECT 1")]);
    for (text, names, expected) in [
        ("select 1 as a; select 2 as a", &["a", "a"][..], 1),
        ("select 1 as a; select 2 as b; select 3 as a", &["a", "b", "a"], 3),
        ("select a from t; alter table t rename a to b; select b as a from t", &["a", "a"], 2),
        ("select a from t; select f(); select a from t", &["a", "a"], 2),
        ("execute x; execute x", &["a", "a"], 2),
        ("frobnicate", &["a", "a"], 2),
    ] {
        let mut host = hiding();
        host.client(query(text));
        let results: Vec<Vec<u8>> = names.iter().map(|name| result(name)).collect();
        host.server(cat(&[&results.concat(), IDLE]));
        assert_eq!(host.shapes.len(), expected, "{text}");
    }
}

#[test]
fn a_query_with_results_without_end_is_ended() {
    // Of those it knows nobody is told.
    let mut host = Host::with(Limits { max_operation: 1 << 22, max_answer: 1 << 16 }, true).keeping(0);
    let text = format!("select 1 as a; select 2 as b; {}", "-".repeat(1 << 20));
    host.client(query(&text));
    let results = ["a", "b"].map(|name| cat(&[&text_columns(&[name]), &tag("SELECT 0")]));
    for round in 0..1024 {
        assert!(host.dead.is_none(), "ended too early: {round}");
        host.server(&results[round % 2]);
    }
    host.server(&results[0]);
    assert!(host.dead.unwrap().message.contains("too many results"));
    assert!(host.shapes.len() >= 1000);
}
