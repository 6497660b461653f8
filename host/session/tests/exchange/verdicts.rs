//! Verdicts, rewrites, continuations.

use crate::scene::{Scene, deny, rewrite};
use crate::toy::fault;
use weir_model::{FaultSource, Verdict};
use weir_session::decide::Default as DefaultVerdict;
use weir_session::ports::Entry;

#[tokio::test(start_paused = true)]
async fn the_default_decides_where_nobody_does() {
    let mut live = Scene::new().start();
    live.client.says("abstain x\n").await;
    live.upstream.hears("nop\n").await;
    live.client.hears("refused 1 no-policy-allows: no policy allows this operation\n").await;

    let mut live = Scene { default: DefaultVerdict::Allow, ..Scene::new() }.start();
    live.client.says("abstain x\n").await;
    live.upstream.hears("abstain x\n").await;
}

#[tokio::test(start_paused = true)]
async fn a_policy_may_change_its_mind_between_operations() {
    let mut live = Scene::new().start();
    live.runs("one").await;
    live.rule("one", deny("no-more"));
    live.client.says("one\n").await;
    live.upstream.hears("nop\n").await;
    live.client.hears("refused 2 no-more: not allowed\n").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_rewritten_is_judged_again_and_sent_as_it_was_judged() {
    let mut live = Scene::new().start();
    live.client.says("rewrite two\n").await;
    live.upstream.hears("two\n").await;
    assert_eq!(*live.hub.judged.lock().unwrap(), ["rewrite two", "two"]);
    assert_eq!(live.story(), ["intent 1: two"]);
    let [Entry::Intent(intent)] = &live.entries()[..] else { panic!("one intent") };
    let answers: Vec<_> = intent.decision.judged_by.iter().map(|judged| judged.answer).collect();
    assert_eq!(answers, ["inspect", "rewrite", "allow"], "the record tells who rewrote it");
    assert_eq!(intent.original.as_deref(), Some("rewrite two"), "and what it was before");
    assert_eq!(*live.hub.rounds.lock().unwrap(), "fa", "one generation judges both");
    live.runs("three").await;
    assert_eq!(*live.hub.rounds.lock().unwrap(), "faf");
}

#[tokio::test(start_paused = true)]
async fn a_rewrite_the_inspector_cannot_make_is_a_refusal() {
    let mut live = Scene::new().start();
    *live.hub.rewrite_fails.lock().unwrap() = Some(fault(FaultSource::Plugin, "plugin-fault"));
    live.client.says("one\nrewrite two\nthree\n").await;
    live.upstream.hears("one\nnop\nthree\n").await;
    live.client.hears("refused 2 plugin-fault: plugin-fault!\n").await;
    assert_eq!(
        live.story(),
        ["intent 1: one", "refused 2 by plugin plugin-fault: rewrite two", "intent 3: three"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_rewritten_operation_may_be_denied() {
    let mut live = Scene::new().start();
    live.client.says("rewrite deny it\n").await;
    live.upstream.hears("nop\n").await;
    live.client.hears("refused 1 denied: not allowed\n").await;
    assert_eq!(live.story(), ["refused 1 by policy denied: deny it"]);
}

#[tokio::test(start_paused = true)]
async fn rewrites_without_end_end_in_a_refusal() {
    let mut live = Scene::new().start();
    live.rule("ping", rewrite("pong"));
    live.rule("pong", rewrite("ping"));
    live.client.says("ping\n").await;
    live.upstream.hears("nop\n").await;
    live.client.hears("refused 1 rewrite-loop: the policies rewrite this operation without end\n").await;
    assert_eq!(live.hub.judged.lock().unwrap().len(), 5);
    live.runs("one").await;
}

#[tokio::test(start_paused = true)]
async fn a_rewrite_wins_over_the_inspectors_new_frame() {
    let mut live = Scene::new().start();
    live.client.says("=rewrite two\n=three\n").await;
    live.upstream.hears("two\ninstead three\n").await;
}

#[tokio::test(start_paused = true)]
async fn only_what_was_allowed_may_go_on() {
    let mut live = Scene::new().start();
    live.client.says("fetch\n").await;
    live.upstream.says("more 10\n").await;
    live.client.says("deny cursor\n&1 deny even this\n&2 more\n&99 more\n").await;
    live.upstream.hears("fetch\nnop\n&1 deny even this\nnop\nnop\n").await;
    assert_eq!(
        live.story()[2..],
        [
            "refused 2 by policy denied: deny cursor",
            "intent 3 of 1: deny even this",
            "refused 4 by policy 42501: more",
            "refused 5 by policy 42501: more",
        ]
    );
    assert_eq!(*live.hub.judged.lock().unwrap(), ["fetch", "deny cursor"], "it is not judged again");
}

#[tokio::test(start_paused = true)]
async fn what_goes_on_may_follow_in_the_same_breath() {
    let mut live = Scene::new().start();
    live.client.says("fetch\n&1 more\n").await;
    live.upstream.hears("fetch\n&1 more\n").await;
}

#[tokio::test(start_paused = true)]
async fn one_cursor_may_be_fetched_from_for_ever() {
    let mut live = Scene::new().start();
    live.client.says("fetch\n").await;
    live.upstream.hears("fetch\n").await;
    for _ in 0..5000 {
        live.upstream.0.write_all_text("more 1\n").await;
        live.client.hears("more 1\n").await;
        live.client.0.write_all_text("&1 more\n").await;
        live.upstream.hears("&1 more\n").await;
    }
}

#[tokio::test(start_paused = true)]
async fn of_too_many_open_cursors_the_oldest_is_lost() {
    let mut live = Scene::new().pipes(1 << 20).start();
    let count = 4200;
    live.client.says(&"fetch\n".repeat(count)).await;
    live.upstream.hears(&"fetch\n".repeat(count)).await;
    live.upstream.says(&"more 1\n".repeat(count)).await;
    live.client.hears(&"more 1\n".repeat(count)).await;
    live.client.says(&format!("&1 more\n&104 more\n&105 more\n&{count} more\n")).await;
    live.upstream.hears(&format!("nop\nnop\n&105 more\n&{count} more\n")).await;
}

#[tokio::test(start_paused = true)]
async fn an_allowing_rule_is_enough() {
    let mut live = Scene::new().start();
    live.rule("deny but", Verdict::Allow);
    live.runs("deny but").await;
}

trait WriteText {
    async fn write_all_text(&mut self, text: &str);
}

impl WriteText for tokio::io::DuplexStream {
    async fn write_all_text(&mut self, text: &str) {
        tokio::io::AsyncWriteExt::write_all(self, text.as_bytes()).await.unwrap();
    }
}
