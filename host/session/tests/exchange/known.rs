//! Shapes that the inspector knows: it stops at each once, and nothing goes on under a plan that is over.

use crate::scene::{Live, Scene};
use crate::toy::event;
use std::sync::atomic::Ordering;
use std::time::Duration;
use weir_model::{EndReason, Fault};
use weir_session::ports::Entry;
use weir_session::traffic::{Event, ServerOutcome, kind};

fn serving_again() -> Live {
    let live = Scene::new().masking().start();
    live.hub.serves_again.store(true, Ordering::Relaxed);
    live
}

/// One operation and its answer, in one piece: how often the inspector was shown bytes of it.
async fn answered(live: &mut Live, answer: &str, heard: &str) -> usize {
    live.client.says("select\n").await;
    live.upstream.hears("select\n").await;
    let before = live.hub.server_calls.load(Ordering::Relaxed);
    live.upstream.says(answer).await;
    live.client.hears(heard).await;
    live.hub.server_calls.load(Ordering::Relaxed) - before
}

fn planned(live: &Live) -> Vec<String> {
    live.hub.planned.lock().unwrap().clone()
}

async fn is_ended(live: &mut Live) {
    let EndReason::Failed(Fault { code, .. }) = live.end().await.reason else { panic!("it goes on") };
    assert_eq!(code, "58000");
}

#[tokio::test(start_paused = true)]
async fn the_second_result_of_a_shape_is_one_call() {
    let mut live = serving_again();
    let (answer, heard) = ("cols a,plain\nrow secret,secret\nok 1\n", "cols a,plain\nrow ***,secret\nok 1\n");
    let calls = [
        answered(&mut live, answer, heard).await,
        answered(&mut live, answer, heard).await,
        answered(&mut live, &format!("({}", answer.replacen("cols", "cols)", 1)), &heard[13..]).await,
    ];
    assert_eq!(calls, [2, 1, 1]);
    assert_eq!(planned(&live), ["a,plain"]);
    for entry in live.entries().iter().skip(1).step_by(2) {
        let Entry::Outcome(outcome) = entry else { panic!("an outcome") };
        assert_eq!((outcome.masked[0].cells, outcome.masked_by.len()), (1, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn several_known_shapes_in_one_answer_are_masked_each_in_its_way() {
    let mut live = serving_again();
    let results =
        "cols a,plain\nrow secret,secret\ncols plain,a\nrow secret,secret\nrow x,x\ncols plain\nrow secret\n";
    let masked =
        "cols a,plain\nrow ***,secret\ncols plain,a\nrow secret,***\nrow x,x\ncols plain\nrow secret\n";
    let (answer, heard) = (format!("{results}note secret\nok 4\n"), format!("{masked}note ***\nok 4\n"));
    assert_eq!(answered(&mut live, &answer, &heard).await, 4);
    assert_eq!(answered(&mut live, &answer, &heard).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_does_not_serve_again_is_made_again() {
    let mut live = Scene::new().masking().start();
    for _ in 0..2 {
        assert_eq!(answered(&mut live, "cols a\nrow secret\nok 1\n", "cols a\nrow ***\nok 1\n").await, 2);
    }
    assert_eq!(planned(&live), ["a", "a"]);
}

#[tokio::test(start_paused = true)]
async fn the_very_next_result_has_the_new_masker_and_the_running_one_ends_under_the_old() {
    let mut live = serving_again();
    answered(&mut live, "cols a\nrow secret\nok 1\n", "cols a\nrow ***\nok 1\n").await;
    live.client.says("select\n").await;
    live.upstream.hears("select\n").await;
    live.upstream.says("cols a\nrow secret new\n").await;
    live.client.hears("cols a\nrow *** new\n").await;
    *live.hub.word.lock().unwrap() = "new";
    live.hub.era.fetch_add(1, Ordering::Relaxed);
    live.upstream.says("row secret new\nok 2\n").await;
    live.client.hears("row *** new\nok 2\n").await;
    let (answer, heard) = ("cols a\nrow secret new\nok 1\n", "cols a\nrow secret ***\nok 1\n");
    assert_eq!(answered(&mut live, answer, heard).await, 2);
    assert_eq!(answered(&mut live, answer, heard).await, 1);
    assert_eq!(planned(&live), ["a", "a"]);
}

#[tokio::test(start_paused = true)]
async fn a_column_is_masked_by_its_new_name_when_the_old_one_is_believed_no_longer() {
    let mut live = serving_again();
    *live.hub.believed.lock().unwrap() = Some(Duration::from_secs(30));
    let name = |live: &Live, source: &str| {
        live.hub.sources.lock().unwrap().insert("a".into(), source.into());
    };
    name(&live, "plain");
    let answer = "cols a\nrow secret\nok 1\n";
    assert_eq!(answered(&mut live, answer, answer).await, 2);
    name(&live, "mail");
    tokio::time::advance(Duration::from_secs(29)).await;
    assert_eq!(answered(&mut live, answer, answer).await, 1);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(answered(&mut live, answer, "cols a\nrow ***\nok 1\n").await, 2);
    assert_eq!(answered(&mut live, answer, "cols a\nrow ***\nok 1\n").await, 1);
}

#[tokio::test(start_paused = true)]
async fn no_more_plans_are_held_than_are_kept_and_those_that_are_over_are_let_go() {
    let mut live = serving_again();
    for round in 0..2 {
        for number in 0..50 {
            let (columns, row) = (format!("cols a{number}\n"), "row secret\nok 1\n");
            let heard = format!("{columns}row ***\nok 1\n");
            assert_eq!(answered(&mut live, &format!("{columns}{row}"), &heard).await, 2, "{round}");
        }
    }
    let held = |live: &Live| live.hub.plans.lock().unwrap().keys().filter(|slot| **slot > 1).count();
    assert_eq!(held(&live), 32);
    live.hub.era.fetch_add(1, Ordering::Relaxed);
    answered(&mut live, "ok 0\n", "ok 0\n").await;
    assert_eq!(held(&live), 1, "of the last result");
    answered(&mut live, "cols b\nok 0\n", "cols b\nok 0\n").await;
    assert_eq!(held(&live), 1, "of the new one");
}

#[tokio::test(start_paused = true)]
async fn an_inspector_that_does_not_let_go_is_ended_before_a_byte_passes() {
    for change in ["era", "believed"] {
        let mut live = serving_again();
        *live.hub.believed.lock().unwrap() = Some(Duration::from_secs(30));
        answered(&mut live, "cols a\nrow secret\nok 1\n", "cols a\nrow ***\nok 1\n").await;
        live.hub.keeps_for_ever.store(true, Ordering::Relaxed);
        match change {
            "era" => drop(live.hub.era.fetch_add(1, Ordering::Relaxed)),
            _ => tokio::time::advance(Duration::from_secs(30)).await,
        }
        live.client.says("select\n").await;
        live.upstream.says("cols a\nrow secret\nok 1\n").await;
        is_ended(&mut live).await;
        live.client.hears_last("farewell 58000\n").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_number_that_was_never_given_ends_the_session() {
    for count in [0, 1, 2, u32::MAX] {
        let mut live = serving_again();
        *live.hub.lie_to_server.lock().unwrap() = Some(Box::new(move |_, _| {
            let events = vec![Event { count, ..event(kind::KNOWN, 0) }, event(kind::PASS, 6)];
            Some(Ok(ServerOutcome { events, ..ServerOutcome::default() }))
        }));
        live.upstream.says("cols a\n").await;
        is_ended(&mut live).await;
        live.client.hears_last("farewell 58000\n").await;
    }
}

#[tokio::test(start_paused = true)]
async fn cells_of_a_known_shape_are_checked_like_any() {
    // Two of a shape that has one, none at all, one outside of its row.
    for cells in [vec![4, 6], vec![], vec![900, 6]] {
        let mut live = serving_again();
        answered(&mut live, "cols a\nrow secret\nok 1\n", "cols a\nrow ***\nok 1\n").await;
        let count = if cells.len() == 2 && cells[0] == 4 { 2 } else { 1 };
        *live.hub.lie_to_server.lock().unwrap() = Some(Box::new(move |_, _| {
            let rows = Event { count, ..event(kind::ROWS, 11) };
            let events = vec![Event { count: 1, ..event(kind::KNOWN, 0) }, rows];
            Some(Ok(ServerOutcome { events, cells: cells.clone(), ..ServerOutcome::default() }))
        }));
        live.upstream.says("row secret\n").await;
        is_ended(&mut live).await;
        live.client.hears_last("farewell 58000\n").await;
    }
}
