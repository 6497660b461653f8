//! Masked means masked: for the client, in the trail, before reviewers.

use crate::scene::{Scene, rewrite};
use crate::toy::to_hex;
use weir_model::{Attribute, EndReason, Fault, FaultSource, Finding, Verdict};
use weir_session::ports::{Entry, PolicyDecision};
use weir_session::traffic::Masked;

#[tokio::test(start_paused = true)]
async fn edits_go_to_the_right_cells() {
    let mut live = Scene::new().masking().start();
    live.client.says("one\n").await;
    live.upstream.says("cols a,plain,b\nrow secret,secret,x\nrow y,secret,\\N\nbetween\n").await;
    live.upstream.says("row \\N,secret,a secret\nrow void,secret,z\nok 4\n").await;
    live.client.hears("cols a,plain,b\nrow ***,secret,x\nrow y,secret,\\N\nbetween\n").await;
    live.client.hears("row \\N,secret,a ***\nrow \\N,secret,z\nok 4\n").await;
    let Entry::Outcome(outcome) = &live.entries()[1] else { panic!("an outcome") };
    assert_eq!(outcome.masked.iter().map(|applied| applied.cells).sum::<u64>(), 3);
    assert_eq!(outcome.masked_by.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn several_events_of_rows_in_one_answer() {
    let mut live = Scene::new().masking().start();
    live.client.says("one\n").await;
    let rows = "row secret,\\N\nrow b,secret\nx\nrow \\N,\\N\nrow c,d\ny\nrow secret,secret\nnote a secret\n";
    live.upstream.says(&format!("(cols) a,b\n{rows}ok 5\n")).await;
    live.client.hears(&format!("{}ok 5\n", rows.replace("secret", "***"))).await;
}

#[tokio::test(start_paused = true)]
async fn values_that_travel_in_another_form() {
    let mut live = Scene::new().masking().start();
    live.client.says("one\n").await;
    let (old, plain) = (to_hex("my secret"), to_hex("hi"));
    live.upstream.says(&format!("(cols) a,b\nrow x:{plain},x:{old}\nrow secret,x:{old}\nok 2\n")).await;
    let new = to_hex("my ***");
    live.client.hears(&format!("row x:{plain},x:{new}\nrow ***,x:{new}\nok 2\n")).await;
}

#[tokio::test(start_paused = true)]
async fn the_next_result_has_columns_of_its_own() {
    let mut live = Scene::new().masking().start();
    live.client.says("one\ntwo\nthree\n").await;
    live.upstream
        .says("(cols) a,plain\nrow secret,secret\nok 1\n(cols) plain,a\nrow secret,secret\nok 1\n")
        .await;
    live.upstream.says("(cols) plain\nrow secret\nok 1\n").await;
    live.client.hears("row ***,secret\nok 1\nrow secret,***\nok 1\nrow secret\nok 1\n").await;
}

#[tokio::test(start_paused = true)]
async fn messages_are_masked_for_the_client_and_for_the_trail() {
    let mut live = Scene::new().masking().start();
    live.client.says("one\n").await;
    live.upstream.says("note the secret\nfail no secret here\nnote plain\n").await;
    live.client.hears("note the ***\nfail no *** here\nnote plain\n").await;
    let Entry::Outcome(outcome) = &live.entries()[1] else { panic!("an outcome") };
    assert_eq!(outcome.message, "no *** here");
}

#[tokio::test(start_paused = true)]
async fn messages_of_one_operation_are_planned_once_for_each_kind() {
    let mut live = Scene::new().masking().start();
    live.client.says("one\ntwo\n").await;
    live.upstream.says(&"note a secret\n".repeat(100)).await;
    live.upstream.says("cols a\nrow secret\nnote a secret\nok 1\nnote a secret\nfail a secret\n").await;
    live.client.hears(&"note a ***\n".repeat(100)).await;
    live.client.hears("cols a\nrow ***\nnote a ***\nok 1\nnote a ***\nfail a ***\n").await;
    // Nothing runs any more: whoever masks now is asked anew.
    live.upstream.says("note a secret\nnote a secret\n").await;
    live.client.hears("note a ***\nnote a ***\n").await;
    let planned = live.hub.planned.lock().unwrap().clone();
    assert_eq!(planned, ["notice", "a", "notice", "error", "notice", "notice"]);
}

#[tokio::test(start_paused = true)]
async fn texts_parameters_and_claims_are_masked_before_they_are_recorded_or_shown() {
    let mut live = Scene::new().masking().start();
    let text = "hold secret $a=secret $b $c=plain -- secret claim\n";
    live.client.says(text).await;
    let (request, asked) = live.request().await;
    asked.approve();
    live.upstream.hears(text).await;
    let Entry::Intent(intent) = &live.entries()[0] else { panic!("an intent") };
    for operation in [&request.shown, &*intent.operation] {
        assert!(!format!("{operation:?}").contains("secret"), "{operation:?}");
        assert_eq!(operation.text, "hold *** $a=*** $b $c=plain");
        let values: Vec<_> =
            operation.parameters.iter().map(|parameter| parameter.value.as_deref()).collect();
        assert_eq!(values, [Some("***"), None, Some("plain")]);
        assert_eq!(operation.claimed[0].value, "*** claim");
    }
    assert_eq!(
        live.hub.judged.lock().unwrap()[0],
        "hold secret $a=secret $b $c=plain",
        "policies see it all"
    );
}

#[tokio::test(start_paused = true)]
async fn refusals_are_recorded_masked() {
    let mut live = Scene::new().masking().start();
    live.client.says("deny secret\n?secret\n").await;
    live.upstream.hears("nop\nskip\n").await;
    assert_eq!(
        live.story(),
        ["refused 1 by policy denied: deny ***", "refused 2 by inspector malformed: ?***"]
    );
}

#[tokio::test(start_paused = true)]
async fn rows_that_cannot_be_masked_are_not_sent() {
    let mut live = Scene::new().masking().start();
    live.client.says("one\n").await;
    live.upstream.says("before\n(cols) a\nrow fine\nrow trap\nok 2\n").await;
    let EndReason::Failed(Fault { code, .. }) = live.end().await.reason else { panic!("it goes on") };
    assert_eq!(code, "trapped");
    live.client.hears_last("before\nfarewell trapped\n").await;
    assert_eq!(live.story()[1..], ["outcome 1 unknown 0"]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_recorded_masked_is_not_run_and_the_session_goes_on() {
    for text in ["trap", "hold it $a=trap", "ok -- trap", "ok :: trap", "rewrite trap", "secret :: a trap"] {
        let mut live = Scene::new().masking().start();
        live.rule("secret :: a trap", Verdict::Allow);
        live.client.says(&format!("{text}\n")).await;
        let story = live.story();
        if text.ends_with(":: trap") || text.ends_with("a trap") {
            // A mere word, and a text the masker has nothing against.
            assert!(story[0].starts_with("intent"), "{story:?}");
            continue;
        }
        live.upstream.hears("nop\n").await;
        live.client.hears("refused 1 trapped: a masker failed\n").await;
        assert_eq!(story, ["refused 1 by plugin trapped: [withheld: a masker failed]"], "{text}");
        let told = format!("{:?}", live.entries());
        assert!(!told.contains("\"trap\"") && !told.contains("hold it"), "{told}");
        live.runs("two").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_whose_record_cannot_be_masked_stays_that_refusal() {
    let mut live = Scene::new().masking().start();
    live.client.says("deny it $a=trap\n").await;
    live.upstream.hears("nop\n").await;
    live.client.hears("refused 1 denied: not allowed\n").await;
    assert_eq!(live.story(), ["refused 1 by policy denied: [withheld: a masker failed]"]);
    let [Entry::Refused { why, .. }] = &live.entries()[..] else { panic!("a refusal") };
    assert_eq!(why.message, "[withheld: a masker failed]");
}

#[tokio::test(start_paused = true)]
async fn an_error_that_cannot_be_masked_is_withheld_from_the_trail() {
    let mut live = Scene::new().masking().start();
    live.client.says("one\n").await;
    *live.hub.masker_lies.lock().unwrap() = Some(Box::new(|slot, _| match slot {
        0 => Err(Fault::new(FaultSource::Plugin, "trapped", "a masker failed")),
        _ => Ok(Masked::default()),
    }));
    live.upstream.says("fail secret\n").await;
    live.client.hears("fail secret\n").await;
    let Entry::Outcome(outcome) = &live.entries()[1] else { panic!("an outcome") };
    assert_eq!(outcome.message, "[withheld: a masker failed]");
}

#[tokio::test(start_paused = true)]
async fn what_policies_and_the_inspector_say_is_masked_too() {
    let mut live = Scene::new().masking().start();
    let remarks = PolicyDecision {
        verdict: Verdict::Abstain,
        findings: vec![Finding { rule: "r".into(), place: "at secret".into(), score: 1 }],
        tags: [Attribute::new("t", "of secret")].into_iter().collect(),
    };
    let reason = |word: &str| format!("because of {word}");
    live.rule("one", Verdict::Deny { code: "no".into(), reason: reason("secret") });
    live.rule("two", Verdict::Hold { code: "ask".into(), reason: reason("secret"), reviewers: vec![] });
    for text in ["one", "two"] {
        live.hub.remarks.lock().unwrap().insert(text.into(), remarks.clone());
    }
    live.client.says("one :: my secret\ntwo :: my secret\n").await;
    // The client reads what is said of its own words.
    live.client.hears("refused 1 no: because of secret\n").await;
    live.client.hears("notice waiting for approval a: because of secret\n").await;
    let (request, asked) = live.request().await;
    assert_eq!(request.reason, reason("***"));
    assert_eq!(request.shown.attributes, [Attribute::new("toy-runs", "my ***")]);
    live.hub.remarks.lock().unwrap().get_mut("two").unwrap().tags.get_mut(0).unwrap().value =
        "another secret".into();
    asked.approve();
    live.upstream.hears("nop\ntwo :: my secret\n").await;
    let told = format!("{:?}", live.entries());
    assert!(!told.contains("secret"), "{told}");
    let Entry::Intent(intent) = &live.entries()[1] else { panic!("an intent") };
    assert_eq!(intent.decision.findings[0].place, "at ***");
    let tags: Vec<_> = intent.decision.tags.iter().map(|tag| tag.value.as_str()).collect();
    assert_eq!(tags, ["of ***", "another ***"]);
}

#[tokio::test(start_paused = true)]
async fn the_text_before_a_rewrite_is_kept_masked() {
    let mut live = Scene::new().masking().start();
    live.rule("my secret", rewrite("two"));
    live.client.says("my secret\n").await;
    live.upstream.hears("two\n").await;
    let Entry::Intent(intent) = &live.entries()[0] else { panic!("an intent") };
    assert_eq!(intent.original.as_deref(), Some("my ***"));
}

#[tokio::test(start_paused = true)]
async fn without_maskers_nothing_is_touched() {
    let mut live = Scene::new().start();
    live.client.says("secret\n").await;
    live.upstream.says("cols a\nrow secret\nrow trap\nnote secret\nfail secret\n").await;
    live.client.hears("cols a\nrow secret\nrow trap\nnote secret\nfail secret\n").await;
    assert_eq!(live.story(), ["intent 1: secret", "outcome 1 error 0"]);
}
