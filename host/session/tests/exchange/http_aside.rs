//! What stands beside an exchange: holds that are taken back, requests of our own, notes for other sessions.

use crate::http::{HttpScene, body, read};
use crate::trail::Disk;
use std::sync::Arc;
use weir_session::http::Notes;

#[tokio::test(start_paused = true)]
async fn a_held_operation_that_is_taken_back_never_runs() {
    let mut scene = HttpScene::start(false);
    let held = scene.asks("hold /a", &[], None);
    let asked = scene.asked().await;
    let cancelling = scene.asks("cancel 10", &[], None);
    scene.arrived().await.answers("unseen", &[]);
    read(cancelling).await;
    assert_eq!(read(held).await, (403, "refused [10] cancelled-by-client".into()));
    assert_eq!(*scene.hub.abandoned.lock().unwrap(), ["cancelled"]);
    let story = scene.story().await;
    assert_eq!(story[0], "intent 20: cancel 10");
    assert!(story.contains(&"refused 10 by client cancelled-by-client: hold /a".to_owned()), "{story:?}");
    drop(asked);
    scene.nothing_arrives().await;
}

#[tokio::test(start_paused = true)]
async fn taking_back_what_was_not_recorded_takes_nothing_back() {
    let mut scene = HttpScene::start(false);
    let held = scene.asks("hold /a", &[], None);
    let asked = scene.asked().await;
    scene.disk(Disk::Down);
    assert_eq!(read(scene.asks("cancel 10", &[], None)).await.0, 403);
    scene.disk(Disk::Up);
    asked.approve();
    scene.arrived().await.answers("unseen", &["ran"]);
    assert_eq!(read(held).await, (200, "ran".into()));
}

#[tokio::test(start_paused = true)]
async fn what_the_upstream_may_not_ask_is_answered_in_the_clients_place_and_recorded() {
    let mut scene = HttpScene::start(false);
    let answer = scene.asks("POST /a", &[], Some(body(&["x"])));
    scene.arrived().await.answers("whole", &["ask deny me"]);
    let mut own = scene.arrived().await;
    let story = scene.story().await;
    assert_eq!(
        story,
        ["intent 10: POST /a x", "refused 11 by policy denied: deny me", "intent 12: the toy says no"]
    );
    assert_eq!((own.head.method.as_str(), own.head.path.as_str()), ("POST", "/a"));
    assert!(own.head.headers.iter().any(|header| header.name == "x-own"));
    assert_eq!(own.all().await.unwrap(), "no: denied");
    own.answers("whole", &["for nobody"]);
    assert_eq!(read(answer).await, (200, "unasked".into()));
    assert_eq!(scene.story().await[3..], ["outcome 12 ok 0", "outcome 10 ok 0"]);
    let entries = scene.hub.entries.lock().unwrap();
    let said = entries.iter().find_map(|entry| match entry {
        weir_session::ports::Entry::Intent(intent) if intent.id == 12 => {
            Some(intent.operation.attributes.clone())
        }
        _ => None,
    });
    let said: Vec<_> = said.unwrap().iter().map(|each| format!("{}={}", each.name, each.value)).collect();
    assert_eq!(said, ["sent-by=gateway", "answers-refused=11"]);
}

#[tokio::test(start_paused = true)]
async fn a_no_that_cannot_be_recorded_is_not_sent() {
    let mut scene = HttpScene::start(false);
    let answer = scene.asks("GET /a", &[], None);
    let arrived = scene.arrived().await;
    scene.disk(Disk::Down);
    arrived.answers("whole", &["ask deny me"]);
    assert_eq!(read(answer).await, (200, "unasked".into()));
    scene.nothing_arrives().await;
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_does_not_take_the_no_keeps_nobody_for_long() {
    let mut scene = HttpScene::start(false);
    let answer = scene.asks("GET /a", &[], None);
    scene.arrived().await.answers("whole", &["ask deny me"]);
    let _own = scene.arrived().await;
    assert_eq!(read(answer).await, (200, "unasked".into()));
    assert!(scene.story().await.contains(&"outcome 12 unknown 0".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn what_one_session_notes_another_reads_before_its_next_request() {
    let notes = Arc::<Notes>::default();
    let mut scenes = [(); 2].map(|()| HttpScene::with_notes(false, Arc::clone(&notes)));
    for (scene, said) in scenes.iter_mut().zip(["note one", "note two"]) {
        let answer = scene.asks("GET /a", &[], None);
        scene.arrived().await.answers("growing", &[said]);
        assert_eq!(read(answer).await, (200, said.into()));
    }
    assert!(scenes[0].noted.lock().unwrap().is_empty());
    assert_eq!(*scenes[1].noted.lock().unwrap(), ["one"]);
    let answer = scenes[0].asks("GET /b", &[], None);
    scenes[0].arrived().await.answers("unseen", &[]);
    read(answer).await;
    assert_eq!(*scenes[0].noted.lock().unwrap(), ["one", "two"]);
}
