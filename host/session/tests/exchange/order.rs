//! Bytes keep their order, whatever is done with them; bytes of ours stand only between messages.

use crate::scene::Scene;
use crate::trail::Disk;

#[tokio::test(start_paused = true)]
async fn passes_inserts_operations_refusals_and_drops_keep_their_order() {
    let mut live = Scene::new().start();
    live.client.says("!a\none\ndeny x\n+put\n~3\nxyz=two\n?bad\nthree\n!z\n").await;
    live.upstream.hears("!a\none\nnop\nput\ninstead two\nskip\nthree\n!z\n").await;
    live.client.hears("refused 2 denied: not allowed\n").await;
    assert_eq!(
        live.story(),
        [
            "intent 1: one",
            "refused 2 by policy denied: deny x",
            "intent 3: two",
            "refused 4 by inspector malformed: ?bad",
            "intent 5: three",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_in_a_pipeline_leaves_its_neighbours_alone() {
    let mut live = Scene::new().start();
    live.client.says("one\ndeny two\nthree\n").await;
    live.upstream.hears("one\nnop\nthree\n").await;
    live.upstream.says("ok 1\nok 3\n").await;
    live.client.hears("refused 2 denied: not allowed\nok 1\nok 3\n").await;
    assert_eq!(
        live.story(),
        [
            "intent 1: one",
            "refused 2 by policy denied: deny two",
            "intent 3: three",
            "outcome 1 ok 1",
            "outcome 3 ok 3",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_operation_may_come_in_pieces() {
    let mut live = Scene::new().start();
    for piece in ["%10 up", "load\n012", "34567"] {
        live.client.says(piece).await;
        live.upstream.hears_nothing().await;
    }
    live.client.says("89two\n").await;
    live.upstream.hears("%10 upload\n0123456789two\n").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_too_large_is_dropped_unseen_and_recorded() {
    let mut live = Scene::new().start();
    live.client.says(&format!("%20000 huge\n{}two\n", "x".repeat(20_000))).await;
    live.upstream.hears("skip\ntwo\n").await;
    assert_eq!(live.story(), ["refused 1 by inspector malformed: huge", "intent 2: two"]);
    let most = live.hub.most_of_client.load(std::sync::atomic::Ordering::Relaxed);
    assert!(most < 1024 + 32 * 1024, "{most} bytes were buffered");
}

#[tokio::test(start_paused = true)]
async fn dropping_and_inserting_towards_the_client() {
    let mut live = Scene::new().start();
    live.upstream.says("a\nskip 6\n123").await;
    live.upstream.says("456b\nput mine\nc\n").await;
    live.client.hears("a\nb\nmine\nc\n").await;
}

#[tokio::test(start_paused = true)]
async fn bytes_of_ours_wait_for_the_end_of_a_message() {
    let mut live = Scene::new().start();
    live.upstream.says("big 6\n123").await;
    live.client.hears("big 6\n123").await;
    live.client.says("deny x\n").await;
    live.upstream.hears("nop\n").await;
    live.client.hears_nothing().await;
    // Exactly the end of the message: nothing else will come to wake anybody.
    live.upstream.says("456").await;
    live.client.hears("456refused 1 denied: not allowed\n").await;
}

#[tokio::test(start_paused = true)]
async fn bytes_of_ours_stand_before_the_next_message() {
    let mut live = Scene::new().start();
    live.upstream.says("big 6\n123").await;
    live.client.says("deny x\nhold y\n").await;
    live.asked().await;
    live.upstream.says("456next\n").await;
    let ours = "refused 1 denied: not allowed\nnotice waiting for approval a: ask first\n";
    live.client.hears(&format!("big 6\n123456{ours}next\n")).await;
}

#[tokio::test(start_paused = true)]
async fn what_came_behind_the_login_is_looked_at_first() {
    let mut live = Scene { client_ahead: "one\ntw", upstream_ahead: "hello\n", ..Scene::new() }.start();
    live.upstream.hears("one\n").await;
    live.client.hears("hello\n").await;
    live.client.says("o\n").await;
    live.upstream.hears("two\n").await;
}

#[tokio::test(start_paused = true)]
async fn what_follows_waits_for_an_answer_when_the_inspector_says_so() {
    let mut live = Scene::new().start();
    live.client.says("@one\ntwo\n").await;
    live.upstream.hears("@one\n").await;
    live.upstream.hears_nothing().await;
    let turns = live.turns();
    live.client.says("three\n").await;
    assert_eq!(live.hub.judged.lock().unwrap().len(), 1, "the rest is not judged");
    assert!(live.turns() - turns < 10, "the session spins");
    live.upstream.says("ok 1\n").await;
    live.upstream.hears("two\nthree\n").await;
}

#[tokio::test(start_paused = true)]
async fn an_insert_may_be_used_twice() {
    use crate::toy::event;
    use weir_session::traffic::{ClientOutcome, kind};
    let mut live = Scene::new().start();
    *live.hub.lie_to_client.lock().unwrap() = Some(Box::new(|data, _| {
        let events = vec![event(kind::INSERT, 0), event(kind::DROP, data.len()), event(kind::INSERT, 0)];
        Some(Ok(ClientOutcome { events, inserts: vec![b"x\n".to_vec()], ..ClientOutcome::default() }))
    }));
    live.client.says("?\n").await;
    live.upstream.hears("x\nx\n").await;
}

#[tokio::test(start_paused = true)]
async fn more_operations_than_one_write_takes() {
    let mut live = Scene::new().pipes(1 << 20).start();
    let all: String = (0..2000).map(|number| format!("op {number}\n")).collect();
    live.client.says(&all).await;
    live.upstream.hears(&all).await;
    assert_eq!(live.story().len(), 2000);
    live.disk(Disk::Down);
    live.client.says(&all).await;
    live.upstream.hears(&"nop\n".repeat(2000)).await;
    assert_eq!(live.story().len(), 2000);
}
