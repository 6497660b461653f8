//! Operations that wait for a person: approved exactly, refused once, and the session goes on.

use crate::scene::{Scene, deny, hold, rewrite};
use crate::toy::fault;
use crate::trail::Disk;
use std::time::{Duration, SystemTime};
use weir_model::{Attribute, Decision, Digest, EndReason, FaultSource, Verdict};
use weir_session::ports::{Ask, Entry, PolicyDecision, Review};

const NOTICE: &str = "notice waiting for approval a: ask first\n";

#[tokio::test(start_paused = true)]
async fn what_is_approved_is_what_is_sent() {
    let mut live = Scene::new().start();
    live.client.says("one\n=hold two\nthree\n").await;
    live.upstream.hears("one\n").await;
    live.upstream.hears_nothing().await;
    live.client.hears(NOTICE).await;
    let (request, asked) = live.request().await;
    assert_eq!((request.operation_id, request.shown.text.as_str()), (2, "hold two"));
    assert_eq!(live.hub.judged.lock().unwrap().len(), 2, "nothing behind it is looked at");
    asked.approve();
    live.upstream.hears("instead hold two\nthree\n").await;
    live.client.hears_nothing().await;
    assert_eq!(live.story(), ["intent 1: one", "intent 2 approved: hold two", "intent 3: three"]);
    let Entry::Intent(intent) = &live.entries()[1] else { panic!("an intent") };
    assert_eq!(intent.approval.as_ref().unwrap().digest, request.digest);
}

#[tokio::test(start_paused = true)]
async fn an_approved_operation_waits_for_the_trail_too() {
    let mut live = Scene::new().start();
    live.client.says("hold one\n").await;
    live.disk(Disk::Slow);
    live.asked().await.approve();
    live.upstream.hears_nothing().await;
    live.disk(Disk::Down);
    live.upstream.hears("nop\n").await;
    live.client.hears(&format!("{NOTICE}refused 1 disk-down: not recorded\n")).await;
}

#[tokio::test(start_paused = true)]
async fn an_approval_is_for_one_operation_of_one_text_and_one_frame() {
    let mut digests = Vec::<Digest>::new();
    let mut live = Scene::new().start();
    for text in ["hold a\n", "hold a\n", "hold b\n", "=hold b\n", "hold $p=1\n", "hold $p=\n", "hold $p\n"] {
        live.client.says(text).await;
        let (request, asked) = live.request().await;
        assert!(!digests.contains(&request.digest), "{text}");
        digests.push(request.digest);
        asked.deny("");
    }
}

#[tokio::test(start_paused = true)]
async fn an_approval_binds_its_expiry() {
    let mut digests = Vec::<Digest>::new();
    for seconds in [60, 120] {
        let mut scene = Scene::new();
        scene.limits.approval_timeout = Duration::from_secs(seconds);
        let before = SystemTime::now();
        let mut live = scene.start();
        live.client.says("hold one\n").await;
        let (request, _asked) = live.request().await;
        let left = request.expires_at.duration_since(before).unwrap();
        assert!(left.abs_diff(Duration::from_secs(seconds)) < Duration::from_secs(30), "{left:?}");
        assert!(!digests.contains(&request.digest));
        digests.push(request.digest);
    }
}

/// As after a night in which the machine slept: no timer has fired, the clock has gone on.
#[tokio::test(start_paused = true)]
async fn an_approval_that_comes_too_late_is_none() {
    let mut scene = Scene::new();
    scene.limits.approval_timeout = Duration::ZERO;
    let mut live = scene.start();
    live.client.says("hold one\n").await;
    live.asked().await.approve();
    live.upstream.hears("nop\n").await;
    live.client
        .hears(&format!("{NOTICE}refused 1 42501: the approval of this operation has expired\n"))
        .await;
    assert_eq!(live.story(), ["refused 1 by approval 42501: hold one"]);
    live.runs("two").await;
}

#[tokio::test(start_paused = true)]
async fn an_approval_of_something_else_is_none() {
    let mut live = Scene::new().start();
    live.client.says("hold one\n").await;
    live.asked().await.approve_digest(Digest([0; 32]));
    live.upstream.hears("nop\n").await;
    live.client.hears(&format!("{NOTICE}refused 1 42501: the approval is for something else\n")).await;
    assert_eq!(live.story(), ["refused 1 by approval 42501: hold one"]);
    live.runs("two").await;
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_has_come_to_deny_wins_over_the_approval() {
    let mut live = Scene::new().start();
    live.client.says("hold one\n").await;
    live.rule("hold one", deny("too-late"));
    live.asked().await.approve();
    live.upstream.hears("nop\n").await;
    live.client.hears(&format!("{NOTICE}refused 1 too-late: not allowed\n")).await;
    assert_eq!(live.story(), ["refused 1 by policy too-late: hold one"]);
    let Entry::Refused { intent, .. } = &live.entries()[0] else { panic!("a refusal") };
    assert_eq!(intent.decision.verdict, deny("too-late"), "the record tells what was decided in the end");
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_rewrites_after_the_approval_refuses_it() {
    let mut live = Scene::new().start();
    live.client.says("hold one\n").await;
    live.rule("hold one", rewrite("something else"));
    live.asked().await.approve();
    live.upstream.hears("nop\n").await;
    assert_eq!(live.story(), ["refused 1 by policy 42501: hold one"]);
    let told = "refused 1 42501: a policy changed this operation after it was approved\n";
    live.client.hears(&format!("{NOTICE}{told}")).await;
    live.runs("two").await;
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_asks_others_by_now_refuses_it() {
    let mut live = Scene::new().start();
    live.rule("one", hold(&["group:leads"]));
    live.client.says("one\n").await;
    live.rule("one", hold(&["group:owners"]));
    live.asked().await.approve();
    live.upstream.hears("nop\n").await;
    assert_eq!(live.story(), ["refused 1 by policy 42501: one"]);
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_allows_by_now_does_not_hinder_it_and_is_recorded() {
    let mut live = Scene::new().start();
    let remark = |word: &str| PolicyDecision {
        verdict: Verdict::Abstain,
        findings: vec![],
        tags: [Attribute::new("said", word)].into_iter().collect(),
    };
    live.hub.remarks.lock().unwrap().insert("hold one".into(), remark("then"));
    live.client.says("hold one\n").await;
    live.rule("hold one", Verdict::Allow);
    live.hub.remarks.lock().unwrap().insert("hold one".into(), remark("now"));
    live.upstream.hears_nothing().await;
    live.asked().await.approve();
    live.upstream.hears("hold one\n").await;
    let [Entry::Intent(intent)] = &live.entries()[..] else { panic!("an intent") };
    let Decision { verdict, judged_by, tags, .. } = &*intent.decision;
    assert!(matches!(verdict, Verdict::Hold { .. }));
    let answers: Vec<_> = judged_by.iter().map(|judged| judged.answer).collect();
    assert_eq!(answers, ["inspect", "hold", "allow"], "also who let it through in the end");
    assert_eq!(**tags, [Attribute::new("said", "then"), Attribute::new("said", "now")]);
}

#[tokio::test(start_paused = true)]
async fn what_was_rewritten_and_then_held_is_approved_as_rewritten() {
    let mut live = Scene::new().start();
    live.client.says("rewrite hold one\n").await;
    let (request, asked) = live.request().await;
    assert_eq!(request.shown.text, "hold one");
    asked.approve();
    live.upstream.hears("hold one\n").await;
    assert_eq!(live.story(), ["intent 1 approved: hold one"]);
}

#[tokio::test(start_paused = true)]
async fn every_no_refuses_once_and_the_session_goes_on() {
    let no = [
        (
            Review::Deny { by: "lea".into(), comment: "not today".into() },
            "42501: lea did not approve this operation: not today",
        ),
        (
            Review::Deny { by: "lea".into(), comment: String::new() },
            "42501: lea did not approve this operation",
        ),
        (Review::Expire, "42501: nobody approved this operation in time"),
        (Review::Shutdown, "57P01: the gateway is shutting down"),
    ];
    for (review, told) in no {
        let mut live = Scene::new().start();
        live.client.says("hold one\n!behind\n").await;
        live.asked().await.vote(review);
        live.upstream.hears("nop\n!behind\n").await;
        live.client.hears(&format!("{NOTICE}refused 1 {told}\n")).await;
        live.runs("two").await;
        assert_eq!(live.story().iter().filter(|line| line.contains("hold one")).count(), 1);
        assert_eq!(*live.hub.no_longer_waiting.lock().unwrap(), 1);
        let by = if told.starts_with("57P01") { "host" } else { "approval" };
        assert!(live.story()[0].starts_with(&format!("refused 1 by {by}")), "{:?}", live.story());
        assert!(live.hub.abandoned.lock().unwrap().is_empty(), "the review is its end");
    }
}

#[tokio::test(start_paused = true)]
async fn the_client_may_cancel_what_it_waits_for() {
    let mut live = Scene::new().start();
    live.ask(Ask::Cancel);
    live.runs("one").await;
    live.client.says("hold two\nthree\n").await;
    live.client.hears(NOTICE).await;
    live.ask(Ask::Cancel);
    live.client.hears("refused 2 57014: canceling statement due to user request\n").await;
    live.upstream.hears("nop\nthree\n").await;
    assert_eq!(live.story()[2..], ["refused 2 by client 57014: hold two", "intent 3: three"]);
    assert_eq!(*live.hub.abandoned.lock().unwrap(), ["cancelled"]);
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_asked_cannot_approve() {
    let mut live = Scene::new().start();
    *live.hub.approvals_fail.lock().unwrap() = Some(fault(FaultSource::Host, "nobody"));
    live.client.says("hold one\ntwo\n").await;
    live.upstream.hears("nop\ntwo\n").await;
    live.client.hears("refused 1 nobody: nobody!\n").await;
    assert_eq!(live.story(), ["refused 1 by approval nobody: hold one", "intent 2: two"]);
}

#[tokio::test(start_paused = true)]
async fn one_after_the_other() {
    let mut live = Scene::new().start();
    live.client.says("hold one\nhold two\nthree\n").await;
    let (first, asked) = live.request().await;
    asked.approve();
    let (second, asked) = live.request().await;
    live.upstream.hears("hold one\n").await;
    assert_eq!((first.operation_id, second.operation_id), (1, 2));
    asked.deny("");
    live.upstream.hears("nop\nthree\n").await;
}

#[tokio::test(start_paused = true)]
async fn an_approval_is_not_good_for_the_next_operation() {
    let mut live = Scene::new().start();
    live.client.says("hold one\nhold one\n").await;
    let (first, asked) = live.request().await;
    asked.approve();
    live.upstream.hears("hold one\n").await;
    live.asked().await.approve_digest(first.digest);
    live.upstream.hears("nop\n").await;
}

#[tokio::test(start_paused = true)]
async fn the_upstream_is_heard_meanwhile() {
    let mut live = Scene::new().start();
    live.client.says("one\nhold two\n").await;
    live.client.hears(NOTICE).await;
    live.upstream.says("big 3\nabcok 1\n").await;
    live.client.hears("big 3\nabcok 1\n").await;
    assert_eq!(live.story(), ["intent 1: one", "outcome 1 ok 1"]);
    live.asked().await.approve();
    live.upstream.hears("one\nhold two\n").await;
}

#[tokio::test(start_paused = true)]
async fn bytes_behind_are_not_looked_at() {
    let mut live = Scene::new().start();
    live.client.says("hold one\n").await;
    let calls = live.hub.client_calls.load(std::sync::atomic::Ordering::Relaxed);
    let turns = live.turns();
    live.client.says("two\n#\n").await;
    live.client.says("more\n").await;
    assert_eq!(live.hub.client_calls.load(std::sync::atomic::Ordering::Relaxed), calls);
    assert!(live.turns() - turns < 10, "the session spins");
    live.still_lives().await;
}

#[tokio::test(start_paused = true)]
async fn patience_is_longer_than_the_idle_timeout() {
    let mut live = Scene::new().idle_timeout(Duration::from_secs(60)).start();
    live.client.says("hold one\n").await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    live.asked().await.approve();
    live.upstream.hears("hold one\n").await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_executed_for_a_client_that_is_gone() {
    let mut live = Scene::new().start();
    live.client.says("hold one\ntwo\n").await;
    live.client.falls_silent().await;
    assert_eq!(live.end().await.reason, EndReason::ClientClosed);
    live.upstream.hears_last("").await;
    assert_eq!(live.story(), ["refused 1 by client 57P01: hold one"]);
    assert_eq!(*live.hub.abandoned.lock().unwrap(), ["client-gone"]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_gone_is_noticed_behind_a_full_buffer() {
    // 1 KiB may wait otherwise, an operation have 4 KiB.
    let mut live = Scene::new().start();
    live.client.says("hold one\n").await;
    live.client.says(&"!behind\n".repeat(500)).await;
    live.still_lives().await;
    live.client.falls_silent().await;
    assert_eq!(live.end().await.reason, EndReason::ClientClosed);
    live.upstream.hears_last("").await;
    assert_eq!(live.story(), ["refused 1 by client 57P01: hold one"]);
}

#[tokio::test(start_paused = true)]
async fn much_behind_it_is_carried_out_in_pieces() {
    let mut live = Scene::new().start();
    live.client.says("hold one\n").await;
    let behind = "!behind\n".repeat(500);
    live.client.says(&behind).await;
    live.client.hears(NOTICE).await;
    live.asked().await.approve();
    live.upstream.hears(&format!("hold one\n{behind}")).await;
    assert!(live.hub.most_of_client.load(std::sync::atomic::Ordering::Relaxed) <= 1024);
    live.runs("two").await;
}

#[tokio::test(start_paused = true)]
async fn who_sends_more_than_is_kept_does_not_wait() {
    let mut live = Scene::new().start();
    live.client.says("hold one\n").await;
    let behind = "!behind\n".repeat(1000);
    live.client.says(&behind).await;
    let told =
        "refused 1 54000: more was sent behind this operation than is kept while it waits for approval\n";
    live.client.hears(&format!("{NOTICE}{told}")).await;
    live.upstream.hears(&format!("nop\n{behind}")).await;
    assert!(live.story()[0].starts_with("refused 1 by client 54000"));
    assert_eq!(*live.hub.abandoned.lock().unwrap(), ["overrun"]);
    live.runs("two").await;
}

#[tokio::test(start_paused = true)]
async fn nor_for_one_that_was_gone_when_its_turn_came() {
    let mut live = Scene::new().start();
    live.client.says("@one\nhold two\n").await;
    live.upstream.hears("@one\n").await;
    live.client.falls_silent().await;
    live.still_lives().await;
    live.upstream.says("ok 1\n").await;
    assert_eq!(live.end().await.reason, EndReason::ClientClosed);
    assert_eq!(live.story()[2..], ["refused 2 by client 57P01: hold two"]);
}

#[tokio::test(start_paused = true)]
async fn every_end_of_the_session_is_recorded_once_by_its_own_word() {
    let ends = [
        (EndReason::Drained, "host", "host-stopped"),
        (EndReason::CutShort, "host", "host-stopped"),
        (EndReason::Revoked, "operator", "session-killed"),
        (EndReason::UpstreamClosed, "upstream", "upstream-gone"),
    ];
    for (reason, by, word) in ends {
        let mut live = Scene::new().start();
        live.client.says("one\nhold two\n").await;
        let asked = live.asked().await;
        match reason {
            EndReason::UpstreamClosed => live.upstream.falls_silent().await,
            _ => live.ask(Ask::End(reason.clone())),
        }
        assert_eq!(live.end().await.reason, reason);
        let refused = format!("refused 2 by {by} 57P01: hold two");
        assert_eq!(live.story(), ["intent 1: one", "outcome 1 unknown 0", refused.as_str()]);
        let Some(Entry::Refused { intent, .. }) = live.entries().pop() else { panic!("a refusal") };
        assert_eq!(intent.approval.unwrap().digest, asked.request.digest);
        assert_eq!(*live.hub.abandoned.lock().unwrap(), [word]);
        assert_eq!(*live.hub.no_longer_waiting.lock().unwrap(), 1);
    }
}
