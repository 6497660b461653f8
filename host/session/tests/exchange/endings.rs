//! Every way out of a session.

use crate::scene::Scene;
use crate::toy::event;
use crate::trail::Disk;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use weir_model::EndReason;
use weir_session::ports::Ask;
use weir_session::traffic::{ClientOutcome, kind};

#[tokio::test(start_paused = true)]
async fn a_client_that_says_goodbye() {
    let mut live = Scene::new().start();
    live.runs("one").await;
    live.client.says("!bye\n").await;
    live.client.falls_silent().await;
    let ended = live.end().await;
    assert_eq!((ended.reason, ended.operations), (EndReason::ClientClosed, 1));
    live.upstream.hears_last("!bye\n").await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_hangs_up_behind_its_last_words() {
    let mut live = Scene::new().pipes(8).start();
    let words = tokio::spawn(async move {
        let mut client = live.client;
        client.0.write_all(b"one\n!two\nthree\n!bye\nhalf a li").await.unwrap();
        client.falls_silent().await;
        client
    });
    live.upstream.hears_last("one\n!two\nthree\n!bye\n").await;
    live.client = words.await.unwrap();
    assert_eq!(live.end().await.reason, EndReason::ClientClosed);
    assert_eq!(live.story()[2..], ["outcome 1 unknown 0", "outcome 2 unknown 0"]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_disappears() {
    let mut live = Scene::new().start();
    live.client.says("one\n").await;
    drop(live.client.take());
    assert_eq!(live.end().await.reason, EndReason::ClientClosed);
    live.upstream.hears_last("one\n").await;
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_hangs_up_in_every_state() {
    // what the client said, what the upstream said before, what the client hears of it
    let states = [
        ("", "", ""),
        ("", "half a li", ""),
        ("one\n", "", ""),
        ("one\n", "ok 1\nidle\n", "ok 1\nidle\n"),
        ("one\n", "big 10\n123", "big 10\n123"),
        ("one\n", "skip 10\n123", ""),
        ("@one\ntwo\n", "", ""),
        ("%100 part\n0123", "bye\n", "bye\n"),
    ];
    for (client, upstream, heard) in states {
        let mut live = Scene::new().start();
        live.client.says(client).await;
        live.upstream.says(upstream).await;
        live.upstream.falls_silent().await;
        assert_eq!(live.end().await.reason, EndReason::UpstreamClosed, "{client:?} {upstream:?}");
        live.client.hears_last(heard).await;
        let story = live.story();
        let count = |word: &str| story.iter().filter(|line| line.starts_with(word)).count();
        assert_eq!(count("intent"), count("outcome"), "{client:?} {upstream:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_upstream_says_at_last_is_heard() {
    let mut live = Scene::new().start();
    live.client.says("one\n").await;
    // Nobody reads there any more when the client goes on.
    // Written without giving the session a turn.
    live.upstream.0.write_all(b"note the end is near\n").await.unwrap();
    drop(live.upstream.take());
    let _ = live.client.0.write_all(b"two\nthree\n").await;
    assert_eq!(live.end().await.reason, EndReason::UpstreamClosed);
    live.client.hears_last("note the end is near\n").await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_on_after_the_upstream_has_left() {
    let mut live = Scene::new().pipes(16).start();
    let unread = "a long answer\n".repeat(20);
    live.upstream.0.write_all(unread.as_bytes()).await.unwrap();
    live.upstream.falls_silent().await;
    let before = live.turns();
    live.client.says("!one\n").await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(live.turns() - before < 20, "the session spins");
    live.client.hears_last(&unread).await;
    assert_eq!(live.end().await.reason, EndReason::UpstreamClosed);
}

#[tokio::test(start_paused = true)]
async fn leftovers_at_the_end_do_not_spin() {
    let mut live = Scene::new().start();
    live.client.says("@one\nhalf").await;
    live.client.falls_silent().await;
    let turns = live.turns();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(live.turns(), turns);
    live.upstream.says("ok 1\n").await;
    assert_eq!(live.end().await.reason, EndReason::ClientClosed);
    assert_eq!(live.story(), ["intent 1: one", "outcome 1 ok 1"]);
}

#[tokio::test(start_paused = true)]
async fn silence() {
    let mut live = Scene::new().idle_timeout(Duration::from_secs(60)).start();
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_secs(50)).await;
        live.runs("one").await;
    }
    tokio::time::sleep(Duration::from_secs(59)).await;
    live.still_lives().await;
    assert_eq!(live.end().await.reason, EndReason::Idle);
    live.client.hears_last("closing 57P05\n").await;
    live.upstream.hears_last("").await;
}

#[tokio::test(start_paused = true)]
async fn an_operation_may_take_long() {
    let mut live = Scene::new().idle_timeout(Duration::from_secs(60)).start();
    live.client.says("one\n").await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    live.still_lives().await;
    live.upstream.says("ok 1\nidle\n").await;
    live.client.hears("ok 1\nidle\n").await;
    tokio::time::sleep(Duration::from_secs(58)).await;
    live.still_lives().await;
    assert_eq!(live.end().await.reason, EndReason::Idle);
}

#[tokio::test(start_paused = true)]
async fn draining_waits_for_a_quiet_moment() {
    let mut live = Scene::new().start();
    live.client.says("one\n").await;
    live.ask(Ask::End(EndReason::Drained));
    live.still_lives().await;
    live.upstream.says("ok 1\n").await;
    live.still_lives().await;
    live.upstream.says("idle\n").await;
    assert_eq!(live.end().await.reason, EndReason::Drained);
    live.client.hears_last("ok 1\nidle\nclosing 57P01\n").await;
    assert_eq!(live.story(), ["intent 1: one", "outcome 1 ok 1"]);
}

#[tokio::test(start_paused = true)]
async fn draining_a_quiet_session_ends_it_at_once() {
    let mut live = Scene::new().start();
    live.runs("one").await;
    live.ask(Ask::End(EndReason::Drained));
    assert_eq!(live.end().await.reason, EndReason::Drained);
    live.client.hears_last("closing 57P01\n").await;
}

#[tokio::test(start_paused = true)]
async fn draining_does_not_wait_for_a_reviewer() {
    let mut live = Scene::new().start();
    live.client.says("one\n").await;
    live.ask(Ask::End(EndReason::Drained));
    live.client.says("hold two\n").await;
    assert_eq!(live.end().await.reason, EndReason::Drained);
}

#[tokio::test(start_paused = true)]
async fn a_kill_does_not_wait() {
    let mut live = Scene::new().start();
    live.client.says("one\n%100 part\n").await;
    live.ask(Ask::End(EndReason::Drained));
    live.still_lives().await;
    live.ask(Ask::End(EndReason::Revoked));
    assert_eq!(live.end().await.reason, EndReason::Revoked);
    live.client.hears_last("closing 57P01\n").await;
    assert_eq!(live.story(), ["intent 1: one", "outcome 1 unknown 0"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_of_ours_is_put_into_half_a_message() {
    let mut live = Scene::new().start();
    live.upstream.says("big 10\n123").await;
    live.ask(Ask::End(EndReason::Revoked));
    assert_eq!(live.end().await.reason, EndReason::Revoked);
    live.client.hears_last("big 10\n123").await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_cannot_delay_the_end() {
    let mut live = Scene::new().pipes(16).start();
    live.upstream.says("much that fits\n").await;
    live.upstream.says("0123456789\n").await;
    live.ask(Ask::End(EndReason::Revoked));
    assert_eq!(live.end().await.reason, EndReason::Revoked);
}

#[tokio::test(start_paused = true)]
async fn the_inspector_may_end_it() {
    let mut live = Scene::new().start();
    live.client.says("#\n").await;
    assert_eq!(live.end().await.reason.as_word(), "failed");
    live.client.hears_last("closing fatal\n").await;

    let mut live = Scene::new().start();
    live.upstream.says("a\n#\nb\n").await;
    assert_eq!(live.end().await.reason.as_word(), "failed");
    live.client.hears_last("a\nclosing fatal\n").await;
}

#[tokio::test(start_paused = true)]
async fn a_trail_that_is_down_does_not_hinder_the_end() {
    let mut live = Scene::new().start();
    live.client.says("one\n").await;
    live.disk(Disk::Down);
    live.client.falls_silent().await;
    assert_eq!(live.end().await.reason, EndReason::ClientClosed);
}

#[tokio::test(start_paused = true)]
async fn the_inspector_is_told_of_the_end() {
    let mut live = Scene::new().start();
    *live.hub.lie_to_client.lock().unwrap() = Some(Box::new(|data, eof| {
        let events = if eof { vec![event(kind::PASS, data.len())] } else { vec![] };
        Some(Ok(ClientOutcome { events, ..ClientOutcome::default() }))
    }));
    live.client.says("no end of line").await;
    live.upstream.hears_nothing().await;
    live.client.falls_silent().await;
    live.upstream.hears_last("no end of line").await;
    assert_eq!(live.end().await.reason, EndReason::ClientClosed);
}
