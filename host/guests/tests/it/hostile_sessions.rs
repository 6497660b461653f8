//! Hostile guests over several calls and sessions: what they remember, how long they take, that they change their mind,
//! and how much they write.

use crate::hostile::Besieged;
use crate::made::{Made, ZEROS};
use crate::support::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use weir_guests::{Capability, FailureMode, ReloadOutcome};
use weir_model::Verdict;
use weir_session::ports::{Policies, Round};

/// Where an answer that denies lies: `result` ok, `verdict` the third, and two empty texts.
const DENIAL: u32 = 20_000;

/// A policy that denies when `condition` leaves something but zero, else abstains; `first` runs before.
fn denies_when(first: &str, condition: &str) -> Made {
    // After the result's own byte the decision is aligned to four: its first byte is the verdict's number.
    let denial = [0, 0, 0, 0, 2, 0, 0, 0];
    let body = format!(
        "{first}\n(if (result i32) {condition} (then (i32.const {DENIAL})) (else (i32.const {ZEROS})))"
    );
    Made::quiet("policy").data(DENIAL, &denial).body("decide", body)
}

#[tokio::test]
async fn a_guest_finds_nothing_another_session_left() {
    // It looks whether there is a mark in its data, its heap, memory it grows, its globals and its table, and leaves
    // one in each.
    let look = "
        (drop (memory.grow (i32.const 4)))
        (local.set $n (i32.or (i32.or (i32.load (i32.const 30000)) (i32.load (i32.const 70000)))
            (i32.or (i32.load (i32.const 131072)) (i32.load (i32.const 393200)))))
        (local.set $n (i32.or (local.get $n) (global.get $mark)))
        (local.set $n (i32.or (local.get $n) (i32.eqz (ref.is_null (table.get $marks (i32.const 3))))))
        (i32.store (i32.const 30000) (i32.const 77)) (i32.store (i32.const 70000) (i32.const 77))
        (i32.store (i32.const 131072) (i32.const 77)) (i32.store (i32.const 393200) (i32.const 77))
        (global.set $mark (i32.const 77))
        (table.set $marks (i32.const 3) (ref.func $deep))";
    let fields =
        "(global $mark (mut i32) (i32.const 0)) (table $marks 8 funcref) (elem declare func $deep)\n";
    let made = denies_when(look, "(local.get $n)").more(fields);
    let mut besieged = Besieged::new().await;
    let outcome = besieged.take_in(&made.module()).await;
    assert!(matches!(outcome, ReloadOutcome::Applied { .. }), "{outcome:?}");
    let hostile = besieged.hostile();
    // More sessions than there are places, so that places are used again; several live ones beside.
    let mut living = Vec::new();
    for turn in 0..400 {
        let mut session = besieged.house.open(&format!("s{turn}"), &["inspector", &hostile]).await.unwrap();
        assert_eq!(ask(&mut session, "x").await.by.answer, "abstain", "session {turn} finds a mark");
        // In its own session it does find it: the looking works.
        assert_eq!(ask(&mut session, "x").await.by.answer, "deny", "session {turn}");
        living.push(session);
        if turn % 7 == 6 {
            living.drain(..6);
        }
        living.truncate(20);
    }
    besieged.witness_is_served().await;
}

#[tokio::test]
async fn an_instance_that_failed_leaves_nothing_to_the_one_that_follows() {
    // It leaves a mark, and traps on its second operation.
    let first = "
        (if (i32.load (i32.const 70000)) (then unreachable))
        (i32.store (i32.const 70000) (i32.const 77))";
    let mut besieged = Besieged::new().await;
    besieged.take_in(&denies_when(first, "(i32.const 0)").module()).await;
    let hostile = besieged.hostile();
    let mut session = besieged.house.open("s", &["inspector", &hostile]).await.unwrap();
    for turn in 0..20 {
        let word = ask(&mut session, "x").await.by.answer;
        assert_eq!(word, if turn % 2 == 0 { "abstain" } else { "failed" }, "turn {turn}");
    }
}

#[tokio::test]
async fn a_policy_that_changes_its_mind_is_asked_once() {
    // Its verdict alternates. Were it asked twice about one operation and the better answer taken, one word would be missing.
    let first = "(global.set $turn (i32.xor (global.get $turn) (i32.const 1)))";
    let made = denies_when(first, "(global.get $turn)").more("(global $turn (mut i32) (i32.const 0))\n");
    let mut besieged = Besieged::new().await;
    besieged.take_in(&made.module()).await;
    let hostile = besieged.hostile();
    let mut session = besieged.house.open("s", &["inspector", &hostile]).await.unwrap();
    let calls = || besieged.house.metrics(&hostile).calls.load(Ordering::Relaxed);
    for turn in 0..20 {
        let before = calls();
        let word = ask(&mut session, "the same").await.by.answer;
        assert_eq!(
            (word, calls() - before),
            (if turn % 2 == 0 { "deny" } else { "abstain" }, 1),
            "turn {turn}"
        );
    }
    // Asked again about the same operation, what it says now counts, whatever it said before.
    let again = session.policies.decide(&operation("the same"), Round::Again).await.remove(0);
    assert!(matches!(again.answer.unwrap().verdict, Verdict::Deny { .. }));
}

#[tokio::test]
async fn answers_just_below_the_limit_are_answers_and_others_go_on() {
    // One thread. The clock is granted, so that it can wait for the greater part of its time: 150 of 250 ms.
    let wait = "
        (local.set $l (i64.add (call $now) (i64.const 150000000)))
        (loop $again (br_if $again (i64.lt_u (call $now) (local.get $l))))";
    let module = denies_when(wait, "(i32.const 0)").text();
    let clock =
        "(import \"weir:plugin/host-clock@0.1.0\" \"monotonic-ns\" (func $now (result i64)))\n(memory";
    let module = crate::made::embed(wat::parse_str(module.replacen("(memory", clock, 1)).unwrap(), "policy");
    let files = [("inspector", guest("inspector")), ("policy", guest("policy")), ("slow", module)];
    let house = house(&files, false, |spec| {
        spec.capabilities = vec![Capability::Clock];
        spec.limits.call_time =
            Some(Duration::from_millis(if spec.name.as_str() == "slow" { 250 } else { 2_000 }));
    })
    .await;
    let mut slow = house.open("slow", &["inspector", "slow"]).await.unwrap();
    let mut working = house.open("working", &["inspector", "policy"]).await.unwrap();
    let decided = Arc::new(AtomicU64::new(0));
    let counting = Arc::clone(&decided);
    let others = tokio::spawn(async move {
        loop {
            assert_eq!(ask(&mut working, "allow").await.by.answer, "allow");
            counting.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    for turn in 0..4 {
        // What it has used up in one call is not missing in the next.
        assert_eq!(ask(&mut slow, "x").await.by.answer, "abstain", "turn {turn}");
    }
    assert!(decided.load(Ordering::Relaxed) >= 4, "others stand still while it computes");
    others.abort();
}

#[tokio::test]
async fn a_guest_that_writes_and_traps_writes_no_more_than_one_that_lives() {
    // Each trap brings a fresh instance, whose own allowance is whole.
    let body = "
        (local.set $n (i32.const 100))
        (loop $again
            (call $log (i32.const 2) (i32.const 1024) (i32.const 16))
            (local.set $n (i32.sub (local.get $n) (i32.const 1)))
            (br_if $again (local.get $n)))
        unreachable";
    let mut besieged = Besieged::new().await;
    besieged.take_in(&Made::quiet("policy").body("decide", body).module()).await;
    let hostile = besieged.hostile();
    let mut session = besieged.house.open("s", &["inspector", &hostile]).await.unwrap();
    let start = std::time::Instant::now();
    for _ in 0..100 {
        assert_eq!(ask_fault(&mut session, "x").await.code, "plugin-trap");
    }
    let dropped = besieged.house.metrics(&hostile).log_lines_dropped.load(Ordering::Relaxed);
    let written = 10_000 - dropped;
    let allowed = 2_000 + 100 * (start.elapsed().as_secs() + 1);
    assert!(written <= allowed, "{written} lines written, {allowed} allowed");
    besieged.witness_is_served().await;
}

#[tokio::test]
async fn open_on_failure_opens_failures_and_not_nonsense_of_others() {
    // What is nonsense fails, and only where the configuration says so does a failure open anything.
    for mode in [FailureMode::Closed, FailureMode::Open] {
        let nonsense = Made::quiet("policy").body("decide", "(i32.const -4)");
        let files = [("inspector", guest("inspector")), ("hostile", nonsense.module())];
        let house = house(&files, false, |spec| spec.failure_mode = mode).await;
        let mut session = house.open("s", &["inspector", "hostile"]).await.unwrap();
        let answer = ask(&mut session, "x").await;
        assert!(answer.answer.is_err());
        assert_eq!(answer.open_on_failure, mode == FailureMode::Open);
    }
}
