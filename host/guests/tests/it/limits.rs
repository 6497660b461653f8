//! Guests that loop, recurse, grow, trap: refused, counted, and never for long.

use crate::support::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use weir_guests::{FailureMode, ReloadOutcome, Stage};
use weir_model::FaultSource;
use weir_session::ports::{Policies, Round};

#[tokio::test]
async fn whatever_stops_a_policy_the_next_operation_works() {
    let house = usual_house_with(|spec| {
        (spec.limits.memory_bytes, spec.limits.output_bytes) = (Some(32 << 20), Some(4 << 20));
    })
    .await;
    let mut session = house.session("s1").await;
    for (text, code) in [
        ("panic", "plugin-trap"),
        ("recurse", "plugin-trap"),
        ("utf8", "plugin-trap"),
        ("grow", "plugin-memory"),
        ("huge 5000000", "plugin-output"),
        ("loop", "plugin-timeout"),
    ] {
        let fault = ask_fault(&mut session, text).await;
        assert_eq!(fault.code, code, "{text}: {fault:?}");
        assert!(fault.message.starts_with("plugin policy "), "{fault:?}");
        let limit = match code {
            "plugin-memory" => "the limit is `memory` of [plugin.policy.limits], now 32 MiB\n",
            "plugin-output" => "the limit is `output` of [plugin.policy.limits], now 4 MiB\n",
            "plugin-timeout" => "the limit is `call_time` of [plugin.policy.limits], now ",
            _ => "decide: ",
        };
        assert!(fault.detail.starts_with(limit), "{fault:?}");
        let after = ask(&mut session, "remember").await;
        assert_eq!(tag(&after, "seen"), "remember", "a fresh instance after {text}");
    }
    let metrics = house.metrics("policy");
    let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    assert_eq!((of(&metrics.traps), of(&metrics.time_outs), of(&metrics.limit_hits)), (3, 1, 2));
}

#[tokio::test]
async fn a_backtrace_names_functions() {
    let house = usual_house().await;
    let mut session = house.session("s1").await;
    let fault = ask_fault(&mut session, "recurse").await;
    assert!(fault.detail.contains("recurse"), "{}", fault.detail);
    assert!(fault.detail.contains("call stack exhausted"), "{}", fault.detail);
}

#[tokio::test]
async fn while_one_loops_others_go_on() {
    // One thread: the looping guest must give way, or the counter stands still.
    let house = usual_house_with(|spec| spec.limits.call_time = Some(Duration::from_millis(200))).await;
    let (mut looping, mut working) = (house.session("looping").await, house.session("working").await);
    let decided = Arc::new(AtomicU64::new(0));
    let counting = Arc::clone(&decided);
    let others = tokio::spawn(async move {
        loop {
            assert_eq!(ask(&mut working, "allow").await.by.answer, "allow");
            counting.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    let fault = ask_fault(&mut looping, "loop").await;
    assert_eq!(fault.code, "plugin-timeout");
    assert!(decided.load(Ordering::Relaxed) > 10, "{decided:?}");
    others.abort();
}

#[tokio::test]
async fn work_below_the_budget_is_answered() {
    let house = usual_house_with(|spec| spec.limits.call_time = Some(Duration::from_secs(20))).await;
    let mut session = house.session("s1").await;
    // Long enough to give way many times.
    assert_eq!(ask(&mut session, "work 100000000").await.by.answer, "allow");
    // The next call has a whole budget again.
    assert_eq!(ask(&mut session, "work 100000000").await.by.answer, "allow");
}

#[tokio::test]
async fn a_failure_mode_is_told_with_the_answer() {
    let house = usual_house_with(|spec| spec.failure_mode = FailureMode::Open).await;
    let mut session = house.session("s1").await;
    let answer = ask(&mut session, "panic").await;
    assert!(answer.open_on_failure && answer.answer.is_err());
}

#[tokio::test]
async fn a_version_that_fails_its_trial_is_refused() {
    let small = 8 << 20;
    for (settings, message) in [
        (r#"{"configure": "fault"}"#, "it does not take its settings"),
        (r#"{"configure": "panic"}"#, "plugin policy failed"),
        (r#"{"configure": "loop"}"#, "plugin policy took too long"),
        (r#"{"configure": "grow"}"#, "plugin policy needed too much memory"),
        (r#"{"open": "panic"}"#, "plugin policy failed"),
        (r#"{"open": "loop"}"#, "plugin policy took too long"),
    ] {
        let house = house(&[("policy", guest("policy"))], false, |spec| {
            spec.settings_json = settings.into();
            spec.limits.memory_bytes = Some(small);
            spec.limits.start_time = Some(Duration::from_millis(100));
        })
        .await;
        let ReloadOutcome::Kept { problem, running: None } = &house.outcomes[0].1 else {
            panic!("{settings}: {:?}", house.outcomes);
        };
        if message == "it does not take its settings" {
            // The plugin's own reason, for the place of all of them.
            let (start, why) = problem.message.split_once(": ").unwrap();
            assert_eq!((problem.stage, start), (Stage::Settings, message), "{problem:?}");
            assert_eq!(problem.settings, [(String::new(), why.to_owned())]);
            continue;
        }
        assert_eq!((problem.stage, problem.message.as_str()), (Stage::Start, message), "{problem:?}");
        if message.ends_with("too long") {
            let limit = "the limit is `start_time` of [plugin.policy.limits], now 100ms\n";
            assert!(problem.help.starts_with(limit), "{problem:?}");
        }
    }
}

#[tokio::test]
async fn a_session_the_plugin_does_not_take_is_refused() {
    let house = usual_house_with(|spec| {
        if spec.name == name("policy") {
            spec.settings_json = r#"{"open": "fault-unless-trial"}"#.into();
        }
    })
    .await;
    let fault = house.open("s1", &["inspector", "policy"]).await.err().unwrap();
    assert_eq!(fault.code, "plugin-fault");
    assert!(fault.detail.contains("told to refuse"));
}

#[tokio::test]
async fn a_full_pool_refuses_sessions_and_recovers() {
    // Room for 4 * 64 + 32 instances; each session takes three.
    let house = usual_house().await;
    let mut sessions = Vec::new();
    let fault = loop {
        match house.open("s", &["inspector", "policy", "masker"]).await {
            Ok(session) => sessions.push(session),
            Err(fault) => break fault,
        }
        assert!(sessions.len() <= 96, "the pool has an end");
    };
    assert_eq!((fault.code.as_str(), fault.source), ("plugin-capacity", FaultSource::Host), "{fault:?}");
    assert!(sessions.len() >= 90, "{}", sessions.len());
    assert_eq!(ask(&mut sessions[0], "allow").await.by.answer, "allow");
    sessions.truncate(10);
    house.session("again").await;
}

#[tokio::test]
async fn no_instance_stays_when_sessions_end() {
    let house = usual_house().await;
    let session = house.session("s1").await;
    let resident = |plugin: &str| house.metrics(plugin).resident.load(Ordering::Relaxed);
    assert_eq!([resident("inspector"), resident("policy"), resident("masker")], [1, 1, 1]);
    drop(session);
    assert_eq!([resident("inspector"), resident("policy"), resident("masker")], [0, 0, 0]);
}

#[tokio::test]
async fn the_plugins_of_a_session_share_its_memory() {
    let names = ["one", "two", "three"];
    let mut files = vec![("inspector", guest("inspector"))];
    files.extend(names.map(|name| (name, guest("policy"))));
    // Together they may have 128 MiB more than one of them.
    let house = house(&files, false, |spec| {
        (spec.limits.memory_bytes, spec.limits.output_bytes) = (Some(200 << 20), Some(128 << 20));
        spec.limits.call_time = Some(Duration::from_secs(10));
    })
    .await;
    let mut session = house.open("s1", &["inspector", "one", "two", "three"]).await.unwrap();
    let answers = session.policies.decide(&operation("huge 120000000"), Round::First).await;
    let words: Vec<_> = answers.iter().map(|answer| answer.by.answer).collect();
    assert_eq!(words.iter().filter(|word| **word == "failed").count(), 1, "{words:?}");
    let fault = answers.into_iter().find_map(|answer| answer.answer.err()).unwrap();
    assert_eq!(fault.code, "plugin-memory", "{fault:?}");
    // Another session has its own.
    let mut other = house.open("s2", &["inspector", "one"]).await.unwrap();
    assert_eq!(ask(&mut other, "huge 120000000").await.by.answer, "deny");
}
