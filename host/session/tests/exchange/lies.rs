//! Inspectors and maskers that break the contract end the session with a fault; nothing undecided gets out.

use crate::scene::{Live, Scene};
use crate::toy::{event, fault, operation};
use tokio::io::AsyncWriteExt;
use weir_model::{EndReason, FaultSource};
use weir_session::traffic::{
    ClientOutcome, Event, Masked, Request, ServerOutcome, TOP_BIT, WireColumn, kind,
};

async fn ends_with_a_plugin_fault(live: &mut Live) {
    match live.end().await.reason {
        EndReason::Failed(fault) => assert_eq!(fault.source, FaultSource::Plugin, "{fault:?}"),
        other => panic!("it ended otherwise: {other:?}"),
    }
}

fn numbered(kind: u16, len: usize, count: u32, reference: u32) -> Event {
    Event { count, reference, ..event(kind, len) }
}

#[tokio::test(start_paused = true)]
async fn about_the_client() {
    let operations = || vec![Request { id: 1, continues: 0, operation: operation("op").into() }];
    let framed = |count| Event { bits: 1, count, ..event(kind::OPERATION, 2) };
    // Each follows an operation that is allowed: not even that one may get out.
    let lies = [
        event(0, 1),
        event(7, 1),
        event(u16::MAX, 0),
        event(kind::PASS, 9),
        event(kind::PASS, u32::MAX as usize),
        event(kind::OPERATION, 9),
        numbered(kind::OPERATION, 1, 0, 1),
        numbered(kind::OPERATION, 1, 0, u32::MAX),
        framed(0),
        framed(u32::MAX),
        numbered(kind::INSERT, 0, 0, 0),
        numbered(kind::REFUSED, 0, 0, 7),
        numbered(kind::REFUSED, 0, 7, 0),
        numbered(kind::FATAL, 0, 7, 0),
    ];
    for lie in lies {
        let mut live = Scene::new().start();
        *live.hub.lie_to_client.lock().unwrap() = Some(Box::new(move |_, _| {
            let events = vec![event(kind::OPERATION, 3), lie];
            Some(Ok(ClientOutcome { events, operations: operations().into(), ..ClientOutcome::default() }))
        }));
        live.client.says("op\n12345678").await;
        ends_with_a_plugin_fault(&mut live).await;
        live.client.hears_last("farewell 58000\n").await;
        let story = live.story();
        // A fatal event is carried out, so what stands before it is recorded; it is not sent.
        live.upstream.hears_last("").await;
        assert_eq!(story.len(), if lie.kind == kind::FATAL { 2 } else { 1 }, "{lie:?}: {story:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn about_bytes_it_was_not_shown() {
    for kind in [kind::PASS, kind::OPERATION] {
        let mut live = Scene::new().start();
        *live.hub.lie_to_client.lock().unwrap() = Some(Box::new(move |_, _| {
            let operations = vec![Request { id: 1, continues: 0, operation: operation("hold it").into() }];
            let events = vec![event(kind::OPERATION, 3), event(kind, 5)];
            Some(Ok(ClientOutcome { events, operations: operations.into(), ..ClientOutcome::default() }))
        }));
        live.client.says("op\n").await;
        let asked = live.asked().await;
        live.client.says("evil\n").await;
        asked.approve();
        ends_with_a_plugin_fault(&mut live).await;
        live.upstream.hears_last("").await;
    }
}

#[tokio::test(start_paused = true)]
async fn about_the_upstream() {
    let lies = [
        vec![event(0, 1)],
        vec![event(kind::OPERATION, 1)],
        vec![event(kind::REFUSED, 0)],
        vec![event(u16::MAX, 0)],
        vec![event(kind::PASS, 99), event(kind::PASS, 0)],
        vec![event(kind::DROP, 99), event(kind::IDLE, 0)],
        vec![event(kind::INSERT, 0)],
        vec![event(kind::FATAL, 0)],
        vec![event(kind::DONE, 0)],
        vec![event(kind::SHAPE, 0)],
        vec![event(kind::SHAPE, 99)],
        vec![event(kind::SHAPE, 0), event(kind::PASS, 1)],
        vec![numbered(kind::ROWS, 3, 1, 0)],
        vec![event(kind::MESSAGE, 99)],
        vec![numbered(kind::MESSAGE, 3, 1, 0)],
        vec![numbered(kind::MESSAGE, 3, u32::MAX, 0)],
    ];
    for lie in lies {
        let mut live = Scene::new().masking().start();
        let told = format!("{lie:?}");
        *live.hub.lie_to_server.lock().unwrap() = Some(Box::new(move |_, _| {
            Some(Ok(ServerOutcome { events: lie.clone(), ..ServerOutcome::default() }))
        }));
        live.upstream.says("row secret\n").await;
        ends_with_a_plugin_fault(&mut live).await;
        let mut heard = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut live.client.0, &mut heard).await.unwrap();
        assert!(!String::from_utf8(heard).unwrap().contains("secret"), "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn about_where_cells_are() {
    let column = WireColumn {
        name: "a".into(),
        type_id: 0,
        type_modifier: 0,
        relation_id: 0,
        column_number: 0,
        type_name: String::new(),
    };
    let cells = [
        vec![],
        vec![0],
        vec![0, 12],
        vec![4, u32::MAX - 1],
        vec![12, 0],
        vec![TOP_BIT, 1],
        vec![u32::MAX, 1],
        vec![TOP_BIT - 1, TOP_BIT],
    ];
    for (cells, count) in
        cells.into_iter().map(|cells| (cells, 1)).chain([(vec![0, 1], 2), (vec![], u32::MAX)])
    {
        let mut live = Scene::new().masking().start();
        let (told, column) = (format!("{cells:?}"), column.clone());
        let mut shaped = false;
        *live.hub.lie_to_server.lock().unwrap() = Some(Box::new(move |_, _| {
            let events = match std::mem::replace(&mut shaped, true) {
                false => vec![event(kind::SHAPE, 0)],
                true => vec![numbered(kind::ROWS, 11, count, 0)],
            };
            let shapes = vec![vec![column.clone()]];
            Some(Ok(ServerOutcome { events, shapes, cells: cells.clone(), ..ServerOutcome::default() }))
        }));
        live.upstream.says("row secret\nmore").await;
        ends_with_a_plugin_fault(&mut live).await;
        live.client.hears_last("farewell 58000\n").await;
        drop(told);
    }
}

#[tokio::test(start_paused = true)]
async fn maskers_about_their_edits() {
    let masked = |cells: &[u32], texts: &str, ends: &[u32]| Masked {
        cells: cells.to_vec(),
        texts: texts.into(),
        ends: ends.to_vec(),
        applied: vec![],
    };
    let lies = [
        masked(&[1], "x", &[1]),
        masked(&[u32::MAX], "", &[0]),
        masked(&[0], "", &[]),
        masked(&[], "x", &[1]),
        masked(&[0], "x", &[2]),
        masked(&[0], "xy", &[1]),
        masked(&[0, 0], "xy", &[2, 1]),
    ];
    for lie in lies {
        for slot in 0..3 {
            let mut live = Scene::new().masking().start();
            let lie = lie.clone();
            *live.hub.masker_lies.lock().unwrap() = Some(Box::new(move |asked, _| {
                Ok(if asked == slot { lie.clone() } else { Masked::default() })
            }));
            live.client.says("secret\n").await;
            if slot == 0 {
                // It cannot be recorded masked, so it is refused; the inspector is as well as before.
                live.upstream.hears("nop\n").await;
                live.still_lives().await;
                continue;
            }
            let answer = if slot == 2 { "(cols) a\nrow secret\n" } else { "note secret\n" };
            live.upstream.0.write_all(answer.as_bytes()).await.unwrap();
            ends_with_a_plugin_fault(&mut live).await;
            live.client.hears_last("farewell 58000\n").await;
            live.upstream.hears_last("secret\n").await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn by_never_taking_what_is_there() {
    for need in [0, 1, 2000, u32::MAX] {
        let mut live = Scene::new().pipes(256).start();
        *live.hub.lie_to_client.lock().unwrap() =
            Some(Box::new(move |_, _| Some(Ok(ClientOutcome { need, ..ClientOutcome::default() }))));
        let mut flood = "x".repeat(100_000).into_bytes();
        flood.push(b'\n');
        let _ = live.client.0.write_all(&flood).await;
        ends_with_a_plugin_fault(&mut live).await;

        let mut live = Scene::new().pipes(256).start();
        *live.hub.lie_to_server.lock().unwrap() =
            Some(Box::new(move |_, _| Some(Ok(ServerOutcome { need, ..ServerOutcome::default() }))));
        let _ = live.upstream.0.write_all(&flood).await;
        ends_with_a_plugin_fault(&mut live).await;
    }
}

#[tokio::test(start_paused = true)]
async fn by_announcing_columns_without_end() {
    let mut live = Scene::new().masking().start();
    *live.hub.lie_to_server.lock().unwrap() = Some(Box::new(|_, _| {
        let (events, shapes) = (vec![event(kind::SHAPE, 0)], vec![vec![]]);
        Some(Ok(ServerOutcome { events, shapes, ..ServerOutcome::default() }))
    }));
    live.upstream.says("x\n").await;
    ends_with_a_plugin_fault(&mut live).await;
}

#[tokio::test(start_paused = true)]
async fn a_trap_ends_the_session_without_asking_the_plugin_again() {
    let mut live = Scene::new().start();
    live.client.says("one\n").await;
    *live.hub.lie_to_client.lock().unwrap() =
        Some(Box::new(|_, _| Some(Err(fault(FaultSource::Plugin, "trapped")))));
    live.client.says("two\n").await;
    ends_with_a_plugin_fault(&mut live).await;
    live.client.hears_last("farewell trapped\n").await;
    live.upstream.hears_last("one\n").await;
    assert_eq!(live.story(), ["intent 1: one", "outcome 1 unknown 0"]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_fails_ends_the_session_and_what_was_judged_is_recorded() {
    let mut live = Scene::new().start();
    *live.hub.refuse_fails.lock().unwrap() = Some(fault(FaultSource::Plugin, "trapped"));
    live.client.says("one\ndeny two\nthree\n").await;
    ends_with_a_plugin_fault(&mut live).await;
    live.upstream.hears_last("").await;
    assert_eq!(live.story(), ["refused 1 by plugin 57P01: one", "refused 2 by policy denied: deny two"]);
}

#[tokio::test(start_paused = true)]
async fn a_rewrite_that_kills_the_inspector_is_recorded() {
    let mut live = Scene::new().start();
    *live.hub.rewrite_fails.lock().unwrap() = Some(fault(FaultSource::Plugin, "trapped"));
    *live.hub.refuse_fails.lock().unwrap() = Some(fault(FaultSource::Plugin, "gone"));
    live.client.says("rewrite one\n").await;
    ends_with_a_plugin_fault(&mut live).await;
    live.upstream.hears_last("").await;
    assert_eq!(live.story(), ["refused 1 by plugin trapped: rewrite one"]);
}
