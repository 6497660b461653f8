//! What becomes of requests and answers over HTTP.

use crate::http::{Body, HttpScene, body, read};
use crate::trail::Disk;
use bytes::Bytes;
use tokio::sync::mpsc;
use weir_model::EndReason;
use weir_session::http::traffic::{Frame, Header};

#[tokio::test(start_paused = true)]
async fn a_request_is_recorded_before_it_is_forwarded() {
    let mut scene = HttpScene::start(false);
    scene.disk(Disk::Slow);
    let answer = scene.asks("GET /a", &[], None);
    scene.nothing_arrives().await;
    scene.disk(Disk::Up);
    scene.arrived().await.answers("unseen", &["hello"]);
    assert_eq!(read(answer).await, (200, "hello".into()));
    assert_eq!(scene.story().await, ["intent 10: GET /a", "outcome 10 ok 0"]);
    assert_eq!(*scene.ended.lock().unwrap(), [1]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_recorded_is_not_forwarded() {
    let mut scene = HttpScene::start(false);
    scene.disk(Disk::Down);
    let answer = scene.asks("GET /a", &[], None);
    assert_eq!(read(answer).await, (403, "refused [10] disk-down".into()));
    scene.nothing_arrives().await;
    scene.disk(Disk::Up);
    let answer = scene.asks("GET /b", &[], None);
    scene.arrived().await.answers("unseen", &[]);
    read(answer).await;
    // What was refused meanwhile is told first.
    assert_eq!(scene.story().await[..2], ["refused 10 by trail disk-down: GET /a", "intent 20: GET /b"]);
}

#[tokio::test(start_paused = true)]
async fn a_denied_request_never_leaves() {
    let mut scene = HttpScene::start(false);
    let answer = scene.asks("deny /a", &[], Some(body(&["x", "y"])));
    assert_eq!(read(answer).await, (403, "refused [10] denied".into()));
    scene.nothing_arrives().await;
    assert_eq!(scene.story().await, ["refused 10 by policy denied: deny /a xy"]);
}

#[tokio::test(start_paused = true)]
async fn a_request_without_operation_is_refused() {
    let mut scene = HttpScene::start(false);
    let answer = scene.asks("POST /nothing", &[], Some(body(&["x"])));
    assert_eq!(read(answer).await, (403, "refused [] no-operation".into()));
    scene.nothing_arrives().await;
    assert!(scene.story().await[0].ends_with("by inspector no-operation: POST /nothing"));
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_growing_body_goes_before_its_operation_is_allowed() {
    let mut scene = HttpScene::start(false);
    let (sender, receiver) = mpsc::channel(8);
    let answer = scene.asks("POST /push", &["x-growing"], Some(Body(receiver)));
    let say = async |text: &'static str| sender.send(Ok(Frame::Data(text.into()))).await.unwrap();
    say("mai").await;
    scene.nothing_arrives().await;
    say("n\npa").await;
    let mut arrived = scene.arrived().await;
    say("ck").await;
    drop(sender);
    assert_eq!(arrived.all().await.unwrap(), "main\npack");
    arrived.answers("unseen", &["done"]);
    assert_eq!(read(answer).await, (200, "done".into()));
    assert_eq!(scene.story().await[0], "intent 10: POST /push main");
}

#[tokio::test(start_paused = true)]
async fn a_request_larger_than_what_is_inspected_is_refused() {
    let mut scene = HttpScene::start(false);
    let large = "x".repeat(65);
    let answer = scene.asks("POST /a", &[], Some(body(&[&large])));
    assert_eq!(read(answer).await, (403, "refused [] too-large".into()));
    scene.nothing_arrives().await;
}

#[tokio::test(start_paused = true)]
async fn values_are_masked_whole_and_growing_and_in_heads() {
    let mut scene = HttpScene::start(true);
    for (show, pieces) in [("whole", ["a sec", "ret b\n"]), ("growing", ["a secret", " b\n"])] {
        let answer = scene.asks("GET /a", &[], None);
        scene.arrived().await.answers(show, &pieces);
        assert_eq!(read(answer).await, (200, "a *** b\n".into()), "{show}");
    }
    let answer = scene.asks("GET /a", &[], None);
    let headers = vec![Header::new("x-value", "secret"), Header::new("etag", "\"e\"")];
    scene.arrived().await.answers_with(302, headers, body(&[]));
    let answer = answer.await.unwrap();
    assert_eq!(answer.headers[0].value, "***");
    scene.story().await;
    let entries = scene.hub.entries.lock().unwrap();
    let masked = entries.iter().filter(|entry| format!("{entry:?}").contains("word")).count();
    assert_eq!(masked, 3, "outcomes tell what was masked");
}

#[tokio::test(start_paused = true)]
async fn a_value_cut_by_the_network_waits_for_its_end() {
    let mut scene = HttpScene::start(true);
    let (sender, receiver) = mpsc::channel(8);
    let answer = scene.asks("GET /a", &[], None);
    scene.arrived().await.answers_with(200, vec![Header::new("x-show", "growing")], Body(receiver));
    let mut answer = answer.await.unwrap();
    sender.send(Ok(Frame::Data("one\nsec".into()))).await.unwrap();
    assert_eq!(answer.body.recv().await, Some(Ok(Frame::Data("one\n".into()))));
    sender.send(Ok(Frame::Data("ret\n".into()))).await.unwrap();
    assert_eq!(answer.body.recv().await, Some(Ok(Frame::Data("***\n".into()))));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_comes_in_two_is_masked_as_one_that_is_here() {
    let mut scene = HttpScene::start(true);
    for show in ["whole", "growing"] {
        let (sender, receiver) = mpsc::channel(8);
        sender.send(Ok(Frame::Data("sec".into()))).await.unwrap();
        let answer = scene.asks(if show == "whole" { "GET /a" } else { "GET /b" }, &[], None);
        scene.arrived().await.answers_with(200, vec![Header::new("x-show", show)], Body(receiver));
        tokio::task::yield_now().await;
        sender.send(Ok(Frame::Data("ret b".into()))).await.unwrap();
        drop(sender);
        assert_eq!(read(answer).await, (200, "*** b".into()), "{show}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_comes_in_two_is_judged_as_one_that_is_here() {
    let mut scene = HttpScene::start(false);
    for (id, pieces) in [(10, &["one two"][..]), (20, &["one", " two"])] {
        let (sender, receiver) = mpsc::channel(8);
        let answer = scene.asks("POST /a", &[], Some(Body(receiver)));
        for piece in pieces {
            sender.send(Ok(Frame::Data(Bytes::from(*piece)))).await.unwrap();
            tokio::task::yield_now().await;
        }
        drop(sender);
        scene.arrived().await.answers("unseen", &["ok"]);
        assert_eq!(read(answer).await.0, 200);
        assert!(scene.story().await.contains(&format!("intent {id}: POST /a one two")));
    }
}

#[tokio::test(start_paused = true)]
async fn who_has_seen_a_body_that_was_not_shown_is_not_believed() {
    let mut scene = HttpScene::start(true);
    let answer = scene.asks("GET /a", &[], None);
    let (sender, receiver) = mpsc::channel(8);
    scene.arrived().await.answers_with(200, vec![Header::new("x-show", "seen")], Body(receiver));
    let (status, text) = read(answer).await;
    assert_eq!(status, 503, "{text}");
    drop(sender);
}

#[tokio::test(start_paused = true)]
async fn a_masker_that_fails_lets_nothing_through() {
    let mut scene = HttpScene::start(true);
    let answer = scene.asks("GET /a", &[], None);
    scene.arrived().await.answers("whole", &["trap secret"]);
    let (status, text) = read(answer).await;
    assert_eq!(status, 503);
    assert!(!text.contains("secret"), "{text}");
    assert_eq!(scene.story().await[1], "outcome 10 unknown 0");
}

#[tokio::test(start_paused = true)]
async fn an_answer_too_large_to_inspect_is_not_told() {
    let mut scene = HttpScene::start(true);
    let answer = scene.asks("GET /a", &[], None);
    scene.arrived().await.answers("whole", &["secret", &"x".repeat(64)]);
    assert_eq!(read(answer).await, (403, "refused [] answer-too-large".into()));
}

#[tokio::test(start_paused = true)]
async fn an_approved_request_goes_and_a_denied_one_does_not() {
    let mut scene = HttpScene::start(false);
    let answer = scene.asks("hold /a", &[], None);
    let asked = scene.asked().await;
    scene.nothing_arrives().await;
    asked.approve();
    scene.arrived().await.answers("unseen", &["ok"]);
    assert_eq!(read(answer).await, (200, "ok".into()));
    assert_eq!(scene.story().await[0], "intent 10 approved: hold /a");

    let answer = scene.asks("hold /b", &[], None);
    scene.asked().await.deny("not today");
    assert_eq!(read(answer).await, (403, "refused [20] not-approved".into()));
    scene.nothing_arrives().await;
}

#[tokio::test(start_paused = true)]
async fn an_approval_is_for_these_bytes() {
    let mut scene = HttpScene::start(false);
    let answer = scene.asks("hold /a", &[], Some(body(&["one"])));
    let first = scene.asked().await;
    let digest = first.request.digest;
    first.deny("");
    read(answer).await;
    let answer = scene.asks("hold /a", &[], Some(body(&["two"])));
    scene.asked().await.approve_digest(digest);
    assert_eq!(read(answer).await, (403, "refused [20] not-approved".into()));
    scene.nothing_arrives().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_went_away_is_not_approved_any_more() {
    let mut scene = HttpScene::start(false);
    let answer = scene.asks("hold /a", &[], None);
    let asked = scene.asked().await;
    answer.abort();
    assert_eq!(scene.story().await, ["refused 10 by client client-gone: hold /a"]);
    assert_eq!(*scene.hub.abandoned.lock().unwrap(), ["client-gone"]);
    drop(asked);
    scene.nothing_arrives().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_can_be_told_hears_that_it_waits() {
    for show in ["unseen", "whole", "growing"] {
        let mut scene = HttpScene::start(false);
        let answer = scene.asks("hold /notice", &[], None);
        let asked = scene.asked().await;
        tokio::time::sleep(std::time::Duration::from_secs(6)).await;
        asked.approve();
        scene.arrived().await.answers(show, &["ok\n"]);
        assert_eq!(read(answer).await, (200, "wait wait ok\n".into()), "{show}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_hangs_up_in_the_answer_leaves_an_unknown_outcome() {
    let mut scene = HttpScene::start(false);
    let (sender, receiver) = mpsc::channel(1);
    let answer = scene.asks("GET /a", &[], None);
    scene.arrived().await.answers_with(200, vec![], Body(receiver));
    drop(answer.await.unwrap());
    assert_eq!(scene.story().await, ["intent 10: GET /a", "outcome 10 unknown 0"]);
    assert!(sender.is_closed(), "the upstream is not read any more");
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_cannot_be_reached_is_an_error_and_one_that_breaks_is_unknown() {
    let mut scene = HttpScene::start(false);
    for code in ["upstream-unreachable", "upstream-broke"] {
        let answer = scene.asks("GET /a", &[], None);
        scene.arrived().await.fails(code);
        assert_eq!(read(answer).await, (403, format!("refused [] {code}")));
    }
    let story = scene.story().await;
    assert_eq!([&*story[1], &*story[3]], ["outcome 10 error 0", "outcome 20 unknown 0"]);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_ends_breaks_off_what_runs() {
    let mut scene = HttpScene::start(false);
    let (_sender, receiver) = mpsc::channel(1);
    let running = scene.asks("GET /a", &[], None);
    scene.arrived().await.answers_with(200, vec![], Body(receiver));
    let held = scene.asks("hold /b", &[], None);
    let _asked = scene.asked().await;
    scene.end(EndReason::Revoked);
    assert_eq!(read(running).await, (200, "!".into()));
    assert_eq!(read(held).await.0, 403);
    assert_eq!(scene.story().await[1], "outcome 10 unknown 0");
    scene.nothing_arrives().await;
}

#[tokio::test(start_paused = true)]
async fn an_inspector_that_fails_lets_nothing_through() {
    let mut scene = HttpScene::start(false);
    let answer = scene.asks("GET /trap", &[], None);
    assert_eq!(read(answer).await.0, 503);
    scene.nothing_arrives().await;
    assert!(!scene.session.is_usable());
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_slows_the_upstream() {
    let mut scene = HttpScene::start(false);
    let (sender, receiver) = mpsc::channel(1);
    let answer = scene.asks("GET /a", &[], None);
    scene.arrived().await.answers_with(200, vec![], Body(receiver));
    let answer = answer.await.unwrap();
    let mut taken = 0;
    while tokio::time::timeout(std::time::Duration::from_millis(1), sender.send(Ok(Frame::Data("x".into()))))
        .await
        .is_ok()
    {
        taken += 1;
    }
    assert!(taken < 10, "{taken} pieces wait for a client that reads nothing");
    drop(answer);
}

#[tokio::test(start_paused = true)]
async fn what_is_masked_is_asked_for_whole_and_unencoded() {
    for (masking, left) in [(true, vec!["x-other"]), (false, vec!["range", "accept-encoding", "x-other"])] {
        let mut scene = HttpScene::start(masking);
        let _answer = scene.asks("GET /a", &["range", "accept-encoding", "x-other"], None);
        let arrived = scene.arrived().await;
        let names: Vec<_> = arrived.head.headers.iter().map(|header| &*header.name).collect();
        assert_eq!(names, left);
    }
}

#[tokio::test(start_paused = true)]
async fn trailers_are_masked_too() {
    for show in ["unseen", "whole", "growing"] {
        let mut scene = HttpScene::start(true);
        let (sender, receiver) = mpsc::channel(2);
        let trailers = vec![Header::new("x-owner", "a secret"), Header::new("plain", "secret")];
        sender.send(Ok(Frame::Data("x\n".into()))).await.unwrap();
        sender.send(Ok(Frame::Trailers(trailers))).await.unwrap();
        drop(sender);
        let answer = scene.asks("GET /a", &[], None);
        scene.arrived().await.answers_with(200, vec![Header::new("x-show", show)], Body(receiver));
        let mut answer = answer.await.unwrap();
        assert_eq!(answer.body.recv().await, Some(Ok(Frame::Data("x\n".into()))));
        let masked = vec![Header::new("x-owner", "a ***"), Header::new("plain", "secret")];
        assert_eq!(answer.body.recv().await, Some(Ok(Frame::Trailers(masked))), "{show}");
    }
}
