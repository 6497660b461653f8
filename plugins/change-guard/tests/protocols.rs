//! One set of rules, and the operations of every protocol as their inspectors make them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use weir_plugin_change_guard::judge::Guard;
use weir_plugin_change_guard::settings::Settings;
use weir_sdk::policy::{Attribute, Decision, Operation, Verdict};

const RULES: &str = r#"{"protect": [
    {"objects": ["refs/heads/main", "refs/heads/release/**", "refs/tags/*"], "kinds": ["git.*"],
     "reason": "main and releases change by review", "reviewers": ["group:leads"]},
    {"objects": ["delete **"], "kinds": ["git.update-ref"], "answer": "deny", "reason": "refs are not deleted"},
    {"objects": ["DELETE /v1/**", "/v1/payments/**"], "kinds": ["http.*"]},
    {"objects": ["delete_*", "admin/**"], "kinds": ["mcp.tool-call"], "answer": "deny"},
    {"objects": ["public.payments", "audit.*"], "kinds": ["sql.*"]},
    {"attributes": ["git-fast-forward=no"], "kinds": ["git.*"], "reviewers": ["user:ann"]}
]}"#;

fn guard(settings: &str) -> Guard {
    Guard::new(serde_json::from_str::<Settings>(settings).unwrap().rules().unwrap())
}

fn operation(
    kind: &str,
    action: &str,
    text: &str,
    objects: &[&str],
    attributes: &[(&str, &str)],
) -> Operation {
    Operation {
        kind: kind.into(),
        action: action.into(),
        text: text.into(),
        objects: objects.iter().map(|name| (*name).into()).collect(),
        parameters: vec![],
        attributes: attributes.iter().map(|(name, value)| Attribute::new(*name, *value)).collect(),
        claimed: vec![],
    }
}

fn word(decision: &Decision) -> &'static str {
    match decision.verdict {
        Verdict::Abstain => "abstain",
        Verdict::Deny(_) => "deny",
        Verdict::Hold(_) => "hold",
        Verdict::Allow | Verdict::Rewrite(_) => "never",
    }
}

#[track_caller]
fn check(operation: &Operation, expected: &str) {
    assert_eq!(word(&guard(RULES).judge(operation)), expected, "{operation:?}");
}

#[test]
fn pushes_are_judged_by_the_ref_they_change() {
    for (text, expected) in [
        ("update refs/heads/main", "hold"),
        ("create refs/heads/release/1.x/rc", "hold"),
        ("create refs/tags/v1.0", "hold"),
        ("create refs/heads/mine", "abstain"),
        ("update refs/heads/main2", "abstain"),
        ("delete refs/heads/mine", "deny"),
        ("delete refs/heads/main", "deny"),
    ] {
        let name = text.split_once(' ').unwrap().1;
        let with_repository = format!("team/shop.git {name}");
        check(&operation("git.update-ref", "write", text, &[&with_repository, name], &[]), expected);
    }
    check(
        &operation("git.fetch", "read", "fetch", &["team/shop.git refs/heads/main", "refs/heads/main"], &[]),
        "abstain",
    );
    check(&operation("git.probe", "session", "", &[], &[]), "abstain");
    check(&operation("git.list-refs", "read", "", &[], &[]), "abstain");
    let forced = [("git-fast-forward", "no")];
    check(&operation("git.update-ref", "write", "update refs/heads/x", &["refs/heads/x"], &forced), "hold");
}

#[test]
fn requests_are_judged_by_method_and_path() {
    for (action, method, template, raw, expected) in [
        ("write", "DELETE", "/v1/customers/{id}", "/v1/customers/7", "hold"),
        ("write", "DELETE", "/v2/customers/{id}", "/v2/customers/7", "abstain"),
        ("write", "POST", "/v1/customers", "/v1/customers", "abstain"),
        ("write", "POST", "/v1/payments", "/v1/payments", "hold"),
        ("write", "PATCH", "/v1/%70ayments/{id}", "/v1/%70ayments/7", "hold"),
        ("read", "GET", "/v1/payments/{id}", "/v1/payments/7", "abstain"),
        ("unknown", "REPORT", "/v1/payments", "/v1/payments", "hold"),
        ("unknown", "REPORT", "/v1/customers", "/v1/customers", "abstain"),
    ] {
        check(
            &operation("http.request", action, &format!("{method} {template}"), &[template, raw], &[]),
            expected,
        );
    }
}

#[test]
fn what_is_done_may_be_named_with_any_name_of_what_it_is_done_to() {
    let guard = guard(
        r#"{"protect": [{"objects": ["DELETE /v1/customers/7", "delete **/shop.git refs/heads/**"], "answer": "deny"}]}"#,
    );
    let request = |method: &str, raw: &str| {
        let text = format!("{method} /v1/customers/{{id}}");
        operation("http.request", "write", &text, &["/v1/customers/{id}", raw], &[])
    };
    let push = |word: &str, repository: &str| {
        let with_repository = format!("{repository} refs/heads/x");
        let text = format!("{word} refs/heads/x");
        operation("git.update-ref", "write", &text, &[&with_repository, "refs/heads/x"], &[])
    };
    for (operation, expected) in [
        (request("DELETE", "/v1/customers/7"), "deny"),
        (request("DELETE", "/v1/customers/8"), "abstain"),
        (request("PATCH", "/v1/customers/7"), "abstain"),
        (push("delete", "team/shop.git"), "deny"),
        (push("update", "team/shop.git"), "abstain"),
        (push("delete", "team/other.git"), "abstain"),
    ] {
        assert_eq!(word(&guard.judge(&operation)), expected, "{operation:?}");
    }
}

#[test]
fn tools_are_judged_by_their_name() {
    for (tool, expected) in
        [("delete_customer", "deny"), ("admin/users/reset", "deny"), ("find_customer", "abstain")]
    {
        check(&operation("mcp.tool-call", "call", tool, &[tool], &[]), expected);
    }
    check(&operation("mcp.resource-read", "read", "file:///delete_x", &["file:///delete_x"], &[]), "abstain");
}

#[test]
fn statements_are_judged_by_their_relations() {
    let sql = |action, class, objects: &[&str]| {
        operation("sql.query", action, "…", objects, &[("sql-class", class), ("sql-statements", "1")])
    };
    for (action, class, objects, expected) in [
        ("write", "write", &["public.payments"][..], "hold"),
        ("write", "write", &["payments"], "hold"),
        ("write", "bulk-write", &["customers"], "hold"), // `audit.*`: nobody knows in which schema it is
        ("write", "write", &["public.customers"], "abstain"),
        ("write", "write", &["public.customers", "\"Audit\".log"], "hold"),
        ("define", "schema-change", &["public.customers"], "abstain"),
        ("define", "schema-change", &["public.payments"], "hold"),
        ("define", "schema-change", &[], "hold"), // DROP SCHEMA public
        ("read", "read", &["public.payments"], "abstain"),
        ("session", "session-setting", &[], "abstain"),
        ("write", "listen", &[], "abstain"),      // NOTIFY
        ("write", "transaction", &[], "abstain"), // COMMIT PREPARED
        ("call", "lock", &[], "abstain"),         // pg_advisory_lock
        ("call", "lock", &["public.payments"], "hold"),
        ("call", "function-call", &["public.customers"], "hold"),
        ("write", "function-call", &["public.customers"], "hold"),
        ("call", "code-execution", &[], "hold"),
        ("unknown", "unknown", &[], "hold"),
        ("unknown", "unknown", &["public.customers"], "hold"),
        ("a-new-word", "write", &["public.customers"], "hold"),
    ] {
        check(&sql(action, class, objects), expected);
    }
    check(&operation("sql.call", "call", "", &["function:952"], &[]), "hold");
    check(
        &operation("sql.startup", "define", "set x = y", &[], &[("sql-class", "parsing-setting")]),
        "abstain",
    );
    let two = [("sql-class", "schema-change"), ("sql-statements", "2")];
    check(&operation("sql.query", "define", "", &["public.customers"], &two), "hold");
    let unsafe_text = [("sql-class", "write"), ("sql-statements", "1"), ("sql-lexing", "unsafe")];
    check(&operation("sql.query", "write", "", &["public.customers"], &unsafe_text), "hold");
}

#[test]
fn what_is_only_prepared_waits_when_it_runs_but_is_denied_at_once() {
    let write = [("sql-class", "write"), ("sql-statements", "1")];
    let prepared = [("sql-class", "prepared"), ("sql-statements", "1")];
    let executed = [("sql-class", "prepared"), ("sql-statements", "1"), ("sql-executes", "prepare x as …")];
    let several = [("sql-class", "prepared"), ("sql-statements", "2")];
    let objects = &["public.payments"][..];
    let deny = guard(r#"{"protect": [{"objects": ["public.payments"], "answer": "deny"}]}"#);
    for (kind, attributes, expected) in [
        ("sql.prepare", &write[..], "abstain"),
        ("sql.query", &prepared, "abstain"),
        ("sql.query", &executed, "hold"),
        ("sql.query", &several, "hold"),
        ("sql.query", &write, "hold"),
    ] {
        let operation = operation(kind, "write", "…", objects, attributes);
        check(&operation, expected);
        assert_eq!(word(&deny.judge(&operation)), "deny", "{operation:?}");
    }
}

#[test]
fn a_change_of_nobody_knows_what_counts_as_protected() {
    check(&operation("mcp.tool-call", "call", "", &[], &[]), "deny");
    check(&operation("http.request", "write", "", &[], &[]), "hold");
    check(&operation("redis.command", "write", "", &[], &[]), "abstain");
    let by_attribute = guard(r#"{"protect": [{"attributes": ["a=b"]}]}"#);
    assert_eq!(word(&by_attribute.judge(&operation("redis.command", "write", "", &[], &[]))), "abstain");
}

#[test]
fn reads_are_held_when_a_rule_says_so() {
    let guard = guard(r#"{"protect": [{"objects": ["hr.salaries"], "actions": ["read", "write"]}]}"#);
    let read = |objects: &[&str]| operation("sql.query", "read", "…", objects, &[("sql-class", "read")]);
    assert_eq!(word(&guard.judge(&read(&["hr.salaries"]))), "hold");
    assert_eq!(word(&guard.judge(&read(&["hr.people"]))), "abstain");
    assert_eq!(word(&guard.judge(&read(&[]))), "abstain");
}

#[test]
fn reason_and_reviewers_are_the_rules_and_nothing_of_the_operation_is_told() {
    let main = operation("git.update-ref", "write", "update refs/heads/main", &["refs/heads/main"], &[]);
    let decision = guard(RULES).judge(&main);
    let Verdict::Hold(hold) = &decision.verdict else { panic!("{decision:?}") };
    assert_eq!(hold.code, "protected");
    assert_eq!(hold.reason, "main and releases change by review");
    assert_eq!(hold.reviewers, ["group:leads"]);
    assert_eq!(
        (decision.tags[0].name.as_str(), decision.tags[0].value.as_str()),
        ("protected", "refs/heads/main")
    );

    let secret =
        operation("http.request", "write", "DELETE /v1/ann@example.com", &["/v1/ann@example.com"], &[]);
    let decision = guard(RULES).judge(&secret);
    let Verdict::Hold(hold) = &decision.verdict else { panic!("{decision:?}") };
    assert!(hold.reason.contains("`DELETE /v1/**`") && !format!("{decision:?}").contains("ann@"));
    assert!(hold.reviewers.is_empty());
}

#[test]
fn a_denial_counts_before_a_hold_and_the_first_hold_before_later_ones() {
    let forced = [("git-fast-forward", "no")];
    let main = operation("git.update-ref", "write", "update refs/heads/main", &["refs/heads/main"], &forced);
    let Verdict::Hold(hold) = guard(RULES).judge(&main).verdict else { panic!() };
    assert_eq!(hold.reviewers, ["group:leads"]);
}

/// What is not known to keep the branch is refused; so is what ends it.
#[test]
fn a_branch_moves_forward_or_not_at_all() {
    let guard = guard(
        r#"{"protect": [{"objects": ["refs/heads/main"], "kinds": ["git.*"], "answer": "deny",
            "unless": ["git-fast-forward=yes", "git-update=create"]}]}"#,
    );
    let forward = |value| ("git-fast-forward", value);
    let update = |value| ("git-update", value);
    for (attributes, expected) in [
        (&[update("update"), forward("yes")][..], "abstain"),
        (&[update("update"), forward("YES")], "abstain"),
        (&[update("update"), forward("no")], "deny"),
        (&[update("update"), forward("unknown")], "deny"),
        (&[update("update"), forward("")], "deny"),
        (&[update("update"), forward("yes"), forward("no")], "deny"),
        (&[update("update")], "deny"),
        (&[update("create")], "abstain"),
        (&[update("delete")], "deny"),
        (&[], "deny"),
    ] {
        let push = |object: &str| operation("git.update-ref", "write", "…", &[object], attributes);
        assert_eq!(word(&guard.judge(&push("refs/heads/main"))), expected, "{attributes:?}");
        assert_eq!(word(&guard.judge(&push("refs/heads/other"))), "abstain", "{attributes:?}");
    }
    // What the client claims is no fact.
    let mut claimed = operation("git.update-ref", "write", "…", &["refs/heads/main"], &[]);
    claimed.claimed.push(Attribute::new("git-fast-forward", "yes"));
    assert_eq!(word(&guard.judge(&claimed)), "deny");
}
