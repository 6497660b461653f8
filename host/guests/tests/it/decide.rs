//! Verdicts of policies, and that sessions are apart.

use crate::support::*;
use std::sync::atomic::Ordering;
use weir_model::{Operation, Parameter, Verdict};
use weir_session::ports::{Policies, Round};

#[tokio::test]
async fn every_verdict_comes_through() {
    let house = usual_house().await;
    let mut session = house.session("s1").await;
    let told = |word: &str| ("told".to_owned(), word.to_owned());
    let (code, reason) = told("because");
    let cases = [
        ("abstain", "abstain", Verdict::Abstain),
        ("allow", "allow", Verdict::Allow),
        ("deny because", "deny", Verdict::Deny { code: code.clone(), reason: reason.clone() }),
        ("hold because", "hold", Verdict::Hold { code, reason, reviewers: vec![] }),
        ("rewrite select 1\n", "rewrite", Verdict::Rewrite { text: "select 1\n".into() }),
    ];
    for (text, word, verdict) in cases {
        let answer = ask(&mut session, text).await;
        assert_eq!(answer.answer.unwrap().verdict, verdict);
        assert_eq!(answer.by.answer, word);
        assert_eq!(answer.by.plugin, name("policy"));
        assert!(!answer.open_on_failure);
    }
}

fn with_value(text: &str, value: &str) -> Operation {
    let value = Some(value.to_owned());
    let parameters = vec![Parameter { name: "$1".into(), type_name: "text".into(), value }];
    Operation { parameters, ..operation(text) }
}

#[tokio::test]
async fn a_decision_that_serves_again_is_not_asked_for_again() {
    let house = usual_house().await;
    let mut session = house.session("s1").await;
    let mut asked = async |operation: Operation| {
        let answers = session.policies.decide(&operation, Round::First).await;
        (tag(&answers[0], "asked"), answers[0].by.clone())
    };
    let (first, by) = asked(with_value("again", "one")).await;
    assert_eq!(first, "1");
    let calls = house.metrics("policy").calls.load(Ordering::Relaxed);
    for value in ["two", "three"] {
        assert_eq!(asked(with_value("again", value)).await, ("1".into(), by.clone()));
    }
    assert_eq!(house.metrics("policy").calls.load(Ordering::Relaxed), calls);
    assert_eq!(house.metrics("policy").reused.load(Ordering::Relaxed), 2);
    // Another text, and the same as another kind, are other operations.
    assert_eq!(asked(with_value("again x", "one")).await.0, "2");
    let other = Operation { kind: "other".into(), ..with_value("again", "one") };
    assert_eq!(asked(other).await.0, "3");
    assert_eq!(asked(with_value("again", "four")).await.0, "1");
    // Another session has its own.
    let mut late = house.session("late").await;
    assert_eq!(tag(&ask(&mut late, "again").await, "asked"), "1");
}

#[tokio::test]
async fn a_decision_for_any_text_is_not_asked_for_again_with_another() {
    let house = usual_house().await;
    let mut session = house.session("s1").await;
    assert_eq!(tag(&ask(&mut session, "whatever").await, "asked"), "1");
    for text in ["whatever it is", "deny"] {
        assert_eq!(tag(&ask(&mut session, text).await, "asked"), "1");
    }
    let other = Operation { kind: "other".into(), ..operation("whatever") };
    let answers = session.policies.decide(&other, Round::First).await;
    assert_eq!(tag(&answers[0], "asked"), "2");
}

#[tokio::test]
async fn a_decision_that_does_not_serve_again_is_asked_for_each_time() {
    let house = usual_house().await;
    let mut session = house.session("s1").await;
    for seen in ["remember", "remember,remember"] {
        assert_eq!(tag(&ask(&mut session, "remember").await, "seen"), seen);
    }
    // Nor is one used again when its instance is gone.
    assert_eq!(tag(&ask(&mut session, "again").await, "asked"), "3");
    ask_fault(&mut session, "panic").await;
    assert_eq!(tag(&ask(&mut session, "again").await, "asked"), "1");
}

#[tokio::test]
async fn sessions_see_nothing_of_each_other() {
    let house = usual_house().await;
    let (mut ann, mut bob) = (house.session("ann").await, house.session("bob").await);
    for text in ["one", "two"] {
        ask(&mut ann, text).await;
        ask(&mut bob, &format!("bob's {text}")).await;
    }
    let (of_ann, of_bob) = (ask(&mut ann, "remember").await, ask(&mut bob, "remember").await);
    assert_eq!((tag(&of_ann, "session"), tag(&of_ann, "seen")), ("ann".into(), "one,two,remember".into()));
    assert_eq!(
        (tag(&of_bob, "session"), tag(&of_bob, "seen")),
        ("bob".into(), "bob's one,bob's two,remember".into())
    );
    // A session that starts later, in memory that was used before, starts with nothing.
    drop((ann, bob));
    let mut late = house.session("late").await;
    assert_eq!(tag(&ask(&mut late, "remember").await, "seen"), "remember");
}

#[tokio::test]
async fn what_a_policy_says_is_cut_disarmed_and_counted() {
    let house = usual_house().await;
    let mut session = house.session("s1").await;
    let bell = ask(&mut session, "bell").await.answer.unwrap();
    assert_eq!(bell.verdict, Verdict::Deny { code: "bell".into(), reason: "ri[2Jngnow".into() });
    let Verdict::Deny { reason, .. } = ask(&mut session, "huge 100000").await.answer.unwrap().verdict else {
        panic!("not denied");
    };
    assert_eq!(reason.len(), 1024);
    assert_eq!(ask(&mut session, "findings 256").await.answer.unwrap().findings.len(), 256);
    assert_eq!(ask(&mut session, "reviewers group:leads,user:bob").await.by.answer, "hold");
    for nonsense in ["findings 257", "tags 65", "score 101", "reviewers leads", "reviewers "] {
        let fault = ask_fault(&mut session, nonsense).await;
        assert_eq!(fault.code, "plugin-contract", "{nonsense}");
        assert_eq!(ask(&mut session, "allow").await.by.answer, "allow", "after {nonsense}");
    }
}

#[tokio::test]
async fn logging_without_end_is_cut_not_punished() {
    let house = usual_house().await;
    let mut session = house.session("s1").await;
    assert_eq!(ask(&mut session, "log 1000").await.by.answer, "allow");
    let dropped = house.metrics("policy").log_lines_dropped.load(std::sync::atomic::Ordering::Relaxed);
    assert!((700..=800).contains(&dropped), "{dropped}");
}
