//! What becomes of a WebSocket's messages.

use crate::http::{Body, HttpScene, read};
use crate::trail::Disk;
use std::task::{Context, Waker};
use std::time::Duration;
use tokio::sync::mpsc;
use weir_model::EndReason;
use weir_session::http::traffic::{Answer, Broken, Frame, Goodbye, Header, Message, Pipe};

type Sender = mpsc::Sender<Result<Frame, Broken>>;

/// A WebSocket that is open: both ends in the hands of the test.
struct Open {
    scene: HttpScene,
    /// what the client says, and hears
    client: Sender,
    heard: Pipe,
    /// what the upstream says, and hears
    upstream: Sender,
    forwarded: Pipe,
}

fn text(text: &str) -> Frame {
    Frame::Message(Message::Text(text.to_owned().into()))
}

fn close(code: u16, reason: &str) -> Frame {
    Frame::Message(Message::Close(Some(Goodbye { code, reason: reason.to_owned() })))
}

async fn asks(scene: &mut HttpScene, path: &str) -> (Sender, tokio::task::JoinHandle<Answer>) {
    let (client, body) = mpsc::channel(8);
    let answer = scene.asks_for_socket(path, Body(body));
    (client, answer)
}

async fn open(masking: bool) -> Open {
    let mut scene = HttpScene::start(masking);
    let (client, answer) = asks(&mut scene, "/chat").await;
    let arrived = scene.arrived().await;
    assert!(arrived.head.asks_for_socket());
    let (upstream, back) = mpsc::channel(8);
    let (arrived, forwarded) = arrived.without_body();
    let headers = vec![Header::new("sec-websocket-protocol", "secret-chat")];
    arrived.answers_with(101, headers, Body(back));
    let answer = answer.await.unwrap();
    assert_eq!(answer.status, 101);
    // Not masked: it is what the client asked for.
    assert_eq!(answer.headers, [Header::new("sec-websocket-protocol", "secret-chat")]);
    Open { scene, client, heard: answer.body, upstream, forwarded }
}

impl Open {
    async fn says(&self, what: &str) {
        self.client.send(Ok(text(what))).await.unwrap();
    }

    async fn answers(&self, what: &str) {
        self.upstream.send(Ok(text(what))).await.unwrap();
    }

    async fn nothing_is_forwarded(&mut self) {
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(self.forwarded.poll_recv(&mut Context::from_waker(Waker::noop())).is_pending());
    }
}

#[tokio::test(start_paused = true)]
async fn each_message_is_recorded_before_it_is_forwarded() {
    let mut open = open(false).await;
    open.scene.disk(Disk::Slow);
    open.says("hello").await;
    open.nothing_is_forwarded().await;
    open.scene.disk(Disk::Up);
    assert_eq!(open.forwarded.recv().await, Some(Ok(text("hello"))));
    open.answers("hi there").await;
    assert_eq!(open.heard.recv().await, Some(Ok(text("hi there"))));
    open.client.send(Ok(close(1000, "bye secret"))).await.unwrap();
    // Its reason is a text that nobody has judged.
    assert_eq!(open.forwarded.recv().await, Some(Ok(close(1000, ""))));
    open.upstream.send(Ok(close(1000, "so long"))).await.unwrap();
    assert_eq!(open.heard.recv().await, Some(Ok(close(1000, "so long"))));
    assert_eq!(open.heard.recv().await, None);
    let story = open.scene.story().await;
    let expected = ["intent 10: GET /chat", "intent 1001: hello", "outcome 1001 ok 0", "outcome 10 ok 0"];
    assert_eq!(story, expected);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_recorded_is_not_forwarded() {
    let mut open = open(false).await;
    open.scene.disk(Disk::Down);
    open.says("hello").await;
    assert!(matches!(
        open.heard.recv().await,
        Some(Ok(Frame::Message(Message::Close(Some(Goodbye { code: 1011, .. })))))
    ));
    assert!(matches!(open.forwarded.recv().await, Some(Err(_))), "nothing but the end");
}

#[tokio::test(start_paused = true)]
async fn a_denied_message_ends_the_connection_and_says_why() {
    let mut open = open(false).await;
    open.says("deny this").await;
    open.says("and this").await;
    let Some(Ok(Frame::Message(Message::Close(Some(said))))) = open.heard.recv().await else {
        panic!("no close frame")
    };
    assert_eq!(said.code, 1008);
    assert!(said.reason.starts_with("weir: "), "{}", said.reason);
    assert!(matches!(open.forwarded.recv().await, Some(Err(_))), "nothing but the end");
    let story = open.scene.story().await;
    assert_eq!(story[1], "refused 1001 by policy denied: deny this");
    assert_eq!(story[2..], ["outcome 10 error 0"]);
}

#[tokio::test(start_paused = true)]
async fn a_held_message_waits_and_those_behind_it_too_while_the_upstream_goes_on() {
    let mut open = open(false).await;
    open.says("hold this").await;
    open.says("next").await;
    let asked = open.scene.asked().await;
    open.nothing_is_forwarded().await;
    open.answers("meanwhile").await;
    assert_eq!(open.heard.recv().await, Some(Ok(text("meanwhile"))));
    asked.approve();
    assert_eq!(open.forwarded.recv().await, Some(Ok(text("hold this"))));
    assert_eq!(open.forwarded.recv().await, Some(Ok(text("next"))));
    assert!(open.scene.story().await.contains(&"intent 1001 approved: hold this".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn an_approval_of_a_message_is_for_its_bytes() {
    let mut open = open(false).await;
    open.says("hold one").await;
    let first = open.scene.asked().await;
    let digest = first.request.digest;
    first.approve();
    open.forwarded.recv().await;
    open.says("hold two").await;
    open.scene.asked().await.approve_digest(digest);
    assert!(matches!(open.forwarded.recv().await, Some(Err(_))));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_while_its_message_is_held_is_seen() {
    let mut open = open(false).await;
    open.says("hold this").await;
    let asked = open.scene.asked().await;
    drop(open.heard);
    let story = open.scene.story().await;
    assert_eq!(story[1..], ["refused 1001 by client client-gone: hold this", "outcome 10 unknown 0"]);
    assert_eq!(*open.scene.hub.abandoned.lock().unwrap(), ["client-gone"]);
    drop(asked);
    assert!(matches!(open.forwarded.recv().await, Some(Err(_))));
}

#[tokio::test(start_paused = true)]
async fn values_of_messages_and_reasons_are_masked() {
    let mut open = open(true).await;
    open.answers("my secret is").await;
    assert_eq!(open.heard.recv().await, Some(Ok(text("my *** is"))));
    open.upstream.send(Ok(close(4000, "secret"))).await.unwrap();
    assert_eq!(open.heard.recv().await, Some(Ok(close(4000, "***"))));
    assert_eq!(open.forwarded.recv().await, Some(Ok(close(4000, ""))));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_shown_is_not_told() {
    let mut open = open(true).await;
    open.upstream.send(Ok(Frame::Message(Message::Binary(vec![0].into())))).await.unwrap();
    let expected = close(1011, "weir: no text");
    assert_eq!(open.heard.recv().await, Some(Ok(expected)));
    assert_eq!(open.heard.recv().await, None);
}

#[tokio::test(start_paused = true)]
async fn what_the_inspector_cannot_judge_ends_the_connection() {
    for (what, code, record) in [
        ("broken", 1008, "refused 1001 by inspector malformed: broken"),
        ("nothing", 1008, "no-operation: GET /chat"),
        ("keep", 1011, ""),
    ] {
        let mut open = open(false).await;
        open.says(what).await;
        let Some(Ok(Frame::Message(Message::Close(Some(said))))) = open.heard.recv().await else {
            panic!("no close frame for {what}")
        };
        assert_eq!(said.code, code, "{what}");
        assert!(matches!(open.forwarded.recv().await, Some(Err(_))), "{what}");
        assert!(open.scene.story().await[1].contains(record), "{what}: {:?}", open.scene.story().await);
    }
}

#[tokio::test(start_paused = true)]
async fn an_inspector_that_reads_no_websocket_has_it_refused() {
    let mut scene = HttpScene::start(false);
    let (_client, answer) = asks(&mut scene, "/blind").await;
    assert_eq!(read(answer).await, (403, "refused [10] no-websocket".into()));
    scene.nothing_arrives().await;
    assert_eq!(scene.story().await, ["refused 10 by inspector no-websocket: GET /blind"]);
}

#[tokio::test(start_paused = true)]
async fn a_denied_handshake_never_leaves() {
    let scene = HttpScene::start(false);
    let (client, body) = mpsc::channel(8);
    let answer = scene.asks_as("deny", "/chat", Body(body));
    assert_eq!(read(answer).await, (403, "refused [10] denied".into()));
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_does_not_switch_gives_an_answer_like_any() {
    let mut scene = HttpScene::start(true);
    let (_client, answer) = asks(&mut scene, "/chat").await;
    scene.arrived().await.answers("whole", &["no secret here"]);
    assert_eq!(read(answer).await, (200, "no *** here".into()));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_ends_tells_both_sides() {
    let mut open = open(false).await;
    open.scene.end(EndReason::Revoked);
    assert!(matches!(open.heard.recv().await, Some(Err(Broken { .. }))));
    assert!(matches!(open.forwarded.recv().await, Some(Err(_))));
    assert_eq!(open.scene.story().await[1..], ["outcome 10 unknown 0"]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_on_which_nothing_is_said_ends() {
    let mut open = open(false).await;
    tokio::time::sleep(Duration::from_secs(3000)).await;
    open.answers("still here").await;
    assert_eq!(open.heard.recv().await, Some(Ok(text("still here"))));
    tokio::time::sleep(Duration::from_secs(3000)).await;
    assert!(open.heard.poll_recv(&mut Context::from_waker(Waker::noop())).is_pending());
    tokio::time::sleep(Duration::from_secs(601)).await;
    assert_eq!(open.heard.recv().await, Some(Ok(close(1001, "weir: nothing was said for too long"))));
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_never_closes_is_not_waited_for() {
    let mut open = open(false).await;
    open.client.send(Ok(close(1000, ""))).await.unwrap();
    assert_eq!(open.forwarded.recv().await, Some(Ok(close(1000, ""))));
    assert_eq!(open.heard.recv().await, Some(Ok(close(1000, ""))));
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_vanishes_is_told() {
    let Open { scene, client: _client, mut heard, upstream, forwarded: _forwarded } = open(false).await;
    drop(upstream);
    assert!(matches!(
        heard.recv().await,
        Some(Ok(Frame::Message(Message::Close(Some(Goodbye { code: 1011, .. })))))
    ));
    assert_eq!(scene.story().await[1..], ["outcome 10 error 0"]);
}

#[tokio::test(start_paused = true)]
async fn a_held_message_is_refused_when_its_upstream_closes_or_vanishes() {
    for closes in [true, false] {
        let mut open = open(false).await;
        open.says("hold this").await;
        let asked = open.scene.asked().await;
        let code = if closes {
            open.upstream.send(Ok(close(1001, ""))).await.unwrap();
            1001
        } else {
            drop(open.upstream);
            1011
        };
        let Some(Ok(Frame::Message(Message::Close(Some(said))))) = open.heard.recv().await else {
            panic!("no close frame")
        };
        assert_eq!(said.code, code);
        let story = open.scene.story().await;
        assert_eq!(story[1], "refused 1001 by upstream upstream-gone: hold this");
        assert_eq!(*open.scene.hub.abandoned.lock().unwrap(), ["upstream-gone"]);
        drop(asked);
    }
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_closes_leaves_no_inspector_in_the_middle_of_a_call() {
    let mut open = open(false).await;
    open.says("slow").await;
    open.nothing_is_forwarded().await;
    open.upstream.send(Ok(close(1001, ""))).await.unwrap();
    assert_eq!(open.heard.recv().await, Some(Ok(close(1001, ""))));
    assert_eq!(*open.scene.noted.lock().unwrap(), ["looked at slow"]);
}
