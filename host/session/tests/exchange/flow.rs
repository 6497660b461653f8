//! Neither direction waits for the other, and nothing grows past its limits.

use crate::scene::{Live, Scene};
use std::sync::atomic::Ordering;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use weir_model::EndReason;
use weir_session::ports::Ask;

/// The largest need, and one read.
const MOST: usize = 4096 + 1024 + 32 * 1024;

fn assert_bounded(live: &Live) {
    for most in [&live.hub.most_of_client, &live.hub.most_of_server] {
        let most = most.load(Ordering::Relaxed);
        assert!(most <= MOST, "{most} bytes were buffered");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_may_go_on_sending() {
    let mut live = Scene::new().pipes(64).start();
    let answers = "an answer that nobody reads\n".repeat(20_000);
    let requests = "!data that passes\n".repeat(20_000);
    let (mut upstream_in, mut upstream_out) = tokio::io::split(live.upstream.take());
    let flood =
        tokio::spawn(async move { upstream_out.write_all(answers.as_bytes()).await.map(|()| answers) });
    let arrival = tokio::spawn(async move {
        let mut bytes = vec![0; 20_000 * 18];
        upstream_in.read_exact(&mut bytes).await.map(|_| bytes)
    });
    live.client.0.write_all(requests.as_bytes()).await.unwrap();
    assert_eq!(arrival.await.unwrap().unwrap(), requests.as_bytes());
    assert!(!flood.is_finished(), "somebody has buffered it all");
    assert_bounded(&live);
    let mut heard = vec![0; 20_000 * 28];
    live.client.0.read_exact(&mut heard).await.unwrap();
    assert_eq!(heard, flood.await.unwrap().unwrap().as_bytes());
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_does_not_read_may_go_on_answering() {
    let mut live = Scene::new().pipes(64).start();
    let answers = "an answer\n".repeat(20_000);
    let (mut client_in, mut client_out) = tokio::io::split(live.client.take());
    let flood = tokio::spawn(async move { client_out.write_all("!data\n".repeat(20_000).as_bytes()).await });
    let arrival = tokio::spawn(async move {
        let mut bytes = vec![0; 20_000 * 10];
        client_in.read_exact(&mut bytes).await.map(|_| bytes)
    });
    live.upstream.0.write_all(answers.as_bytes()).await.unwrap();
    assert_eq!(arrival.await.unwrap().unwrap(), answers.as_bytes());
    assert!(!flood.is_finished(), "somebody has buffered it all");
    assert_bounded(&live);
    flood.abort();
}

#[tokio::test(start_paused = true)]
async fn long_pipelines_of_operations_in_both_directions_complete() {
    let mut live = Scene::new().pipes(32).start();
    let (mut client_in, mut client_out) = tokio::io::split(live.client.take());
    let (upstream_in, mut upstream_out) = tokio::io::split(live.upstream.take());
    const COUNT: usize = 3000;
    let sending = tokio::spawn(async move {
        for number in 0..COUNT {
            client_out.write_all(format!("op {number:04}\n").as_bytes()).await.unwrap();
        }
        client_out
    });
    let answering = tokio::spawn(async move {
        let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(upstream_in));
        for number in 0..COUNT {
            assert_eq!(lines.next_line().await.unwrap().unwrap(), format!("op {number:04}"));
            upstream_out
                .write_all(format!("big 100\n{}ok {number:04}\n", "x".repeat(100)).as_bytes())
                .await
                .unwrap();
        }
        (lines, upstream_out)
    });
    let mut heard = vec![0; COUNT * 116];
    client_in.read_exact(&mut heard).await.unwrap();
    let _kept = (sending.await.unwrap(), answering.await.unwrap());
    let outcomes = live.hub.entries.lock().unwrap().len();
    assert_eq!(outcomes, 2 * COUNT);
}

#[tokio::test(start_paused = true)]
async fn refusals_nobody_reads_are_bounded() {
    let mut live = Scene::new().pipes(64).start();
    let flood = "deny this\n".repeat(50_000);
    let mut upstream = [0; 4096];
    let sent = tokio::time::timeout(std::time::Duration::from_secs(5), async {
        tokio::join!(live.client.0.write_all(flood.as_bytes()), async {
            while live.upstream.0.read(&mut upstream).await.unwrap() > 0 {}
        })
    });
    assert!(sent.await.is_err(), "it took everything");
    let refused = live.story().len();
    assert!(refused < 5000, "{refused} refusals wait for the client");
    // Once it reads, it goes on.
    let (mut client_in, mut client_out) = tokio::io::split(live.client.take());
    let mut heard = vec![0; 200_000];
    tokio::select! {
        read = client_in.read_exact(&mut heard) => { read.unwrap(); }
        written = client_out.write_all(flood.as_bytes()) => written.unwrap(),
        () = async {
            while live.upstream.0.read(&mut upstream).await.unwrap() > 0 {}
        } => {}
    }
    assert!(heard.starts_with(b"refused 1 denied: not allowed\n") && !heard.ends_with(&[0]));
}

#[tokio::test(start_paused = true)]
async fn an_operator_does_not_wait_for_a_bulk_transfer() {
    let mut live = Scene::new().pipes(1024).start();
    let (mut client, mut upstream) = (live.client.take(), live.upstream.take());
    let reading = tokio::spawn(async move { tokio::io::copy(&mut client, &mut tokio::io::sink()).await });
    let writing = tokio::spawn(async move {
        let lines = "a line of a very long answer\n".repeat(1000);
        while upstream.write_all(lines.as_bytes()).await.is_ok() {}
    });
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    live.ask(Ask::End(EndReason::Revoked));
    assert_eq!(live.end().await.reason, EndReason::Revoked);
    reading.await.unwrap().unwrap();
    writing.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_session_with_nothing_to_do_does_nothing() {
    let mut live = Scene::new().pipes(64).start();
    live.client.says("%100 part\n01234").await;
    live.upstream.says("half a li").await;
    let turns = live.turns();
    tokio::time::sleep(std::time::Duration::from_secs(600)).await;
    assert_eq!(live.turns(), turns);
    live.still_lives().await;
}

#[tokio::test(start_paused = true)]
async fn a_stuck_reader_costs_no_turns() {
    let mut live = Scene::new().pipes(64).start();
    let flood = "x\n".repeat(10_000);
    let stuck =
        tokio::time::timeout(std::time::Duration::from_secs(1), live.upstream.0.write_all(flood.as_bytes()));
    assert!(stuck.await.is_err());
    let turns = live.turns();
    tokio::time::sleep(std::time::Duration::from_secs(600)).await;
    assert!(live.turns() - turns < 3);
}
