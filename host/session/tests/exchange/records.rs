//! Recorded before it happens; refused while it cannot be recorded.

use crate::scene::Scene;
use crate::trail::Disk;
use std::sync::atomic::Ordering;
use std::time::Duration;
use weir_model::EndReason;
use weir_session::ports::Entry;

#[tokio::test(start_paused = true)]
async fn nothing_of_an_operation_is_sent_before_its_intent_is_durable() {
    let mut live = Scene::new().start();
    live.disk(Disk::Slow);
    live.client.says("select 1\n!pass\nselect 2\n").await;
    live.upstream.hears_nothing().await;
    assert!(live.story().is_empty());
    live.disk(Disk::Up);
    live.upstream.hears("select 1\n!pass\nselect 2\n").await;
    assert_eq!(live.story(), ["intent 1: select 1", "intent 2: select 2"]);
}

#[tokio::test(start_paused = true)]
async fn bytes_without_an_operation_wait_for_the_sessions_beginning() {
    let mut live = Scene::new().start();
    live.hub.opened.send_replace(None);
    live.client.says("!pass\n").await;
    live.upstream.hears_nothing().await;
    live.hub.opened.send_replace(Some(true));
    live.upstream.hears("!pass\n").await;
    live.runs("one").await;
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_beginning_cannot_be_recorded_ends_before_anything_is_sent() {
    let mut live = Scene::new().start();
    live.hub.opened.send_replace(Some(false));
    live.client.says("!pass\n").await;
    let ended = live.end().await;
    assert!(matches!(ended.reason, EndReason::Failed(fault) if fault.code == "disk-down"));
    live.upstream.hears_last("").await;
}

#[tokio::test(start_paused = true)]
async fn a_session_that_says_nothing_ends_when_its_beginning_is_recorded() {
    let live = Scene::new().start();
    live.hub.opened.send_replace(Some(false));
    let hub = live.hub.clone();
    let disk = tokio::spawn(async move {
        while hub.opened_asked.load(Ordering::Relaxed) < 3 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        hub.opened.send_replace(Some(true));
    });
    drop(live.client);
    let ended = live.task.await.unwrap();
    assert!(matches!(ended.reason, EndReason::ClientClosed), "{:?}", ended.reason);
    disk.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn while_the_trail_is_down_operations_are_refused_and_then_the_session_goes_on() {
    let mut live = Scene::new().start();
    live.runs("one").await;
    live.disk(Disk::Down);
    live.client.says("two\n!pass\nthree\n").await;
    live.upstream.hears("nop\n!pass\nnop\n").await;
    live.client.hears("refused 2 disk-down: not recorded\nrefused 3 disk-down: not recorded\n").await;
    live.disk(Disk::Up);
    live.runs("four").await;
    assert_eq!(
        live.story(),
        [
            "intent 1: one",
            "outcome 1 ok 0",
            "refused 2 by trail disk-down: two",
            "refused 3 by trail disk-down: three",
            "intent 4: four",
            "outcome 4 ok 0"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn only_so_many_refusals_are_told_later() {
    let mut live = Scene::new().start();
    live.disk(Disk::Down);
    for _ in 0..500 {
        live.client.says("deny it\n").await;
        live.upstream.hears("nop\n").await;
        live.client.hears_line().await;
    }
    live.disk(Disk::Up);
    live.runs("one").await;
    let told = live.story().iter().filter(|line| line.contains("by policy denied")).count();
    assert!((50..200).contains(&told), "{told}");
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_lost_its_place_is_brought_again_before_anything_new() {
    let mut live = Scene::new().start();
    live.client.says("one\ntwo\n").await;
    live.upstream.hears("one\ntwo\n").await;
    live.disk(Disk::Losing);
    live.upstream.says("ok 1\nok 2\nidle\n").await;
    live.disk(Disk::Up);
    live.client.says("three\n").await;
    live.upstream.hears("three\n").await;
    let ours = ["intent 1: one", "intent 2: two", "outcome 1 ok 1", "outcome 2 ok 2", "intent 3: three"];
    assert_eq!(live.story(), ours);
    let again = |entry: &Entry| matches!(entry, Entry::Outcome(outcome) if outcome.again);
    assert_eq!(live.entries().iter().filter(|entry| again(entry)).count(), 2, "they are not counted twice");
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_lost_its_place_is_brought_again_at_the_end() {
    let mut live = Scene::new().start();
    live.client.says("one\n").await;
    live.disk(Disk::Losing);
    live.upstream.says("ok 1\nidle\n").await;
    live.disk(Disk::Down);
    live.client.falls_silent().await;
    live.disk(Disk::Up);
    live.end().await;
    assert_eq!(live.story(), ["intent 1: one", "outcome 1 ok 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_trail_that_fails_after_it_was_slow_refuses_too() {
    let mut live = Scene::new().start();
    live.disk(Disk::Slow);
    live.client.says("one\n").await;
    live.disk(Disk::Down);
    live.client.hears("refused 1 disk-down: not recorded\n").await;
    live.upstream.hears("nop\n").await;
}

#[tokio::test(start_paused = true)]
async fn an_outcome_waits_for_the_trail_and_comes_before_the_next_intent() {
    let mut live = Scene::new().start();
    live.client.says("one\ntwo\n").await;
    live.upstream.hears("one\ntwo\n").await;
    live.disk(Disk::Down);
    live.upstream.says("ok 1\nok 2\nidle\n").await;
    live.client.hears("ok 1\nok 2\nidle\n").await;
    live.client.says("three\n").await;
    live.client.hears("refused 3 disk-down: not recorded\n").await;
    live.upstream.hears("nop\n").await;
    live.disk(Disk::Up);
    live.client.says("four\n").await;
    live.upstream.hears("four\n").await;
    assert_eq!(
        live.story(),
        [
            "intent 1: one",
            "intent 2: two",
            "outcome 1 ok 1",
            "outcome 2 ok 2",
            "refused 3 by trail disk-down: three",
            "intent 4: four"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_trail_may_fail_at_any_write() {
    for writes in 0..4 {
        let mut live = Scene::new().start();
        *live.hub.writes_left.lock().unwrap() = Some(writes);
        let (mut sent, mut refused) = (0, 0);
        for text in ["one\n", "two\n", "three\n"] {
            live.client.says(text).await;
            let mut heard = [0; 16];
            let count = tokio::io::AsyncReadExt::read(&mut live.upstream.0, &mut heard).await.unwrap();
            if &heard[..count] == b"nop\n" {
                refused += 1;
            } else {
                sent += 1;
                live.upstream.says("ok 0\n").await;
            }
            let intents = live.story().iter().filter(|line| line.starts_with("intent")).count();
            assert_eq!(intents, sent, "what was sent is what was recorded");
        }
        assert_eq!(sent + refused, 3);
        live.still_lives().await;
    }
}

#[tokio::test(start_paused = true)]
async fn each_intent_has_one_outcome_and_those_open_at_the_end_are_unknown() {
    let mut live = Scene::new().start();
    live.client.says("one\ntwo\nthree\nfour\n").await;
    live.upstream.says("ok 3\nfail broken\n").await;
    live.client.hears("ok 3\nfail broken\n").await;
    drop(live.upstream.take());
    let ended = live.end().await;
    assert_eq!((ended.reason, ended.operations), (EndReason::UpstreamClosed, 4));
    assert_eq!(ended.bytes_from_client, 19);
    assert_eq!(ended.bytes_to_client, 17);
    assert_eq!(
        live.story()[4..],
        ["outcome 1 ok 3", "outcome 2 error 0", "outcome 3 unknown 0", "outcome 4 unknown 0"]
    );
}

#[tokio::test(start_paused = true)]
async fn outcomes_count_the_bytes_the_client_got() {
    let mut live = Scene::new().start();
    live.client.says("one\ntwo\n").await;
    live.upstream.says("big 4\nabcdok 1\nok 2\n").await;
    live.client.hears("big 4\nabcdok 1\nok 2\n").await;
    let bytes = |entry: &weir_session::ports::Entry| match entry {
        weir_session::ports::Entry::Outcome(outcome) => Some(outcome.bytes_to_client),
        _ => None,
    };
    assert_eq!(live.entries().iter().filter_map(bytes).collect::<Vec<_>>(), [15, 5]);
}
