//! Signs: a masker is not called for values that show none.

use crate::support::*;
use std::sync::atomic::Ordering;
use weir_guests::SessionGuests;
use weir_model::Column;
use weir_session::ports::Maskers;
use weir_session::traffic::{Batch, Masked};

/// A column of a table, or with `#` in front a text about an operation.
fn column(name: &str) -> Column {
    match name.strip_prefix('#') {
        Some(text) => Column { name: text.into(), labels: vec!["statement".into()], ..Column::default() },
        None => Column { name: name.into(), relation: "t".into(), source: name.into(), ..Column::default() },
    }
}

async fn plan(session: &mut SessionGuests, slot: u32, names: &[&str]) {
    plan_for(session, slot, names, "signs").await;
}

async fn plan_for(session: &mut SessionGuests, slot: u32, names: &[&str], orders: &str) {
    let columns: Vec<_> = names.iter().map(|name| column(name)).collect();
    session.maskers.plan(slot, &columns, &operation(orders)).await.unwrap();
}

async fn mask(session: &mut SessionGuests, slot: u32, cells: &[(&str, u16)]) -> Vec<(u32, String)> {
    let mut batch = Batch::default();
    cells.iter().for_each(|(text, column)| batch.push(text.as_bytes(), *column).unwrap());
    shown(&session.maskers.mask(slot, &batch).await.unwrap())
}

fn shown(masked: &Masked) -> Vec<(u32, String)> {
    let mut start = 0;
    let cells = masked.cells.iter().zip(&masked.ends);
    cells
        .map(|(cell, end)| {
            let text = String::from_utf8(masked.texts[start..*end as usize].to_vec()).unwrap();
            start = *end as usize;
            (*cell, text)
        })
        .collect()
}

fn is(shown: Vec<(u32, String)>, expected: &[(u32, &str)]) {
    let shown: Vec<_> = shown.iter().map(|(cell, text)| (*cell, text.as_str())).collect();
    assert_eq!(shown, expected);
}

fn counters(house: &House) -> (u64, u64) {
    let metrics = house.metrics("masker");
    (metrics.calls.load(Ordering::Relaxed), metrics.unsigned.load(Ordering::Relaxed))
}

#[tokio::test]
async fn without_a_sign_a_masker_is_not_called_and_with_one_the_whole_column_is_sent() {
    let house = usual_house().await;
    let mut session = house.session("s1").await;
    plan(&mut session, 1, &["id", "#upper?", "#upper2?"]).await;
    let (calls, unsigned) = counters(&house);
    is(mask(&mut session, 1, &[("a", 1), ("b", 2), ("12", 1), ("", 1), ("ke", 2), ("y", 2)]).await, &[]);
    assert_eq!(counters(&house), (calls, unsigned + 1));
    for sign in ["x!", "1a2b3", "monKEYs"] {
        let masked = mask(&mut session, 1, &[("a", 1), ("b", 2), (sign, 1), ("c", 1), ("d", 2)]).await;
        is(masked, &[(0, "A"), (2, &sign.to_uppercase()), (3, "C")]);
    }
    assert_eq!(counters(&house), (calls + 3, unsigned + 1));
    // Texts about operations are each for themselves.
    is(mask(&mut session, 1, &[("a", 1)]).await, &[]);
    assert_eq!(counters(&house), (calls + 3, unsigned + 2));
}

#[tokio::test]
async fn a_text_of_an_operation_that_was_left_is_not_sent_again_under_its_plan() {
    let house = usual_house().await;
    let mut session = house.session("s1").await;
    let columns = ["#upper?", "upper2?", "#upper3?"];
    plan_for(&mut session, 1, &columns, "signs-settled").await;
    let (mut calls, mut unsigned) = counters(&house);
    let mut asked = async |session: &mut SessionGuests, cells: &[(&str, u16)], is_asked: bool| {
        let masked = mask(session, 1, cells).await;
        calls += u64::from(is_asked);
        unsigned += u64::from(!is_asked);
        assert_eq!(counters(&house), (calls, unsigned), "{cells:?}");
        masked
    };
    is(asked(&mut session, &[("left!", 0)], true).await, &[]);
    is(asked(&mut session, &[("left!", 0)], false).await, &[]);
    // In its column only, and beside another that shows a sign only that one is sent.
    is(asked(&mut session, &[("left!", 2)], true).await, &[]);
    is(asked(&mut session, &[("left!", 0), ("a!", 2)], true).await, &[(1, "A!")]);
    // What was changed, or stood beside what was, has to be asked about again.
    is(asked(&mut session, &[("b!", 0)], true).await, &[(0, "B!")]);
    is(asked(&mut session, &[("b!", 0)], true).await, &[(0, "B!")]);
    is(asked(&mut session, &[("left?!", 0), ("b!", 2)], true).await, &[(1, "B!")]);
    is(asked(&mut session, &[("left?!", 0)], true).await, &[]);
    // Values of a result are not texts.
    is(asked(&mut session, &[("left!", 1)], true).await, &[]);
    is(asked(&mut session, &[("left!", 1)], true).await, &[]);
    plan_for(&mut session, 1, &columns, "signs-settled").await;
    let (before, _) = counters(&house);
    mask(&mut session, 1, &[("left!", 0)]).await;
    assert_eq!(counters(&house).0, before + 1, "another plan knows nothing");
    // Nor does one of a masker that does not say so.
    plan(&mut session, 1, &columns).await;
    let (before, _) = counters(&house);
    for asked in 1..3 {
        mask(&mut session, 1, &[("left!", 0)]).await;
        assert_eq!(counters(&house).0, before + asked);
    }
}

#[tokio::test]
async fn columns_without_signs_are_sent_beside_those_with() {
    let house = usual_house().await;
    let mut session = house.session("s1").await;
    plan(&mut session, 1, &["upper?", "upper2", "id"]).await;
    is(mask(&mut session, 1, &[("a", 0), ("b", 1), ("c", 0), ("d", 1)]).await, &[(1, "B"), (3, "D")]);
    is(mask(&mut session, 1, &[("a", 0), ("b!", 1), ("c", 0)]).await, &[(1, "B!")]);
    is(mask(&mut session, 1, &[("b", 1), ("a!", 0), ("c", 0)]).await, &[(0, "B"), (1, "A!"), (2, "C")]);
}

#[tokio::test]
async fn a_column_of_a_result_that_has_shown_a_sign_is_sent_from_then_on() {
    let house = usual_house().await;
    let mut session = house.session("s1").await;
    plan(&mut session, 1, &["upper?", "upper2?"]).await;
    plan(&mut session, 2, &["id", "upper?"]).await;
    is(mask(&mut session, 1, &[("a", 0), ("b", 1)]).await, &[]);
    is(mask(&mut session, 2, &[("a", 1)]).await, &[]);
    is(mask(&mut session, 1, &[("a!", 0), ("b", 1)]).await, &[(0, "A!")]);
    // In this plan, in others that were made before, and in those to come.
    is(mask(&mut session, 1, &[("a", 0), ("b", 1)]).await, &[(0, "A")]);
    is(mask(&mut session, 2, &[("a", 1)]).await, &[(0, "A")]);
    plan(&mut session, 2, &["upper2?", "upper?"]).await;
    is(mask(&mut session, 2, &[("a", 1), ("b", 0)]).await, &[(0, "A")]);
    // Another session has seen nothing.
    let mut other = house.session("s2").await;
    plan(&mut other, 1, &["upper?"]).await;
    is(mask(&mut other, 1, &[("a", 0)]).await, &[]);
}

#[tokio::test]
async fn the_second_masker_is_asked_by_what_the_first_left() {
    for (left, masked) in [("now!", "twice"), ("plain", "plain")] {
        let files =
            [("inspector", guest("inspector")), ("first", guest("masker")), ("masker", guest("masker"))];
        let house = house(&files, false, |spec| match spec.name.as_str() {
            "first" => spec.settings_json = format!(r#"{{"prefix": "hide", "instead": "{left}"}}"#),
            "masker" => spec.settings_json = r#"{"prefix": "", "instead": "twice"}"#.into(),
            _ => {}
        })
        .await;
        let mut session = house.open("s1", &["inspector", "first", "masker"]).await.unwrap();
        plan(&mut session, 1, &["#hide", "#upper?", "#hide?"]).await;
        is(mask(&mut session, 1, &[("a", 0), ("b", 1), ("c", 0)]).await, &[(0, "twice"), (2, "twice")]);
        let (calls, unsigned) = counters(&house);
        is(mask(&mut session, 1, &[("b", 1), ("a!", 2)]).await, &[(1, masked)]);
        let asked = u64::from(left == "now!");
        assert_eq!(counters(&house), (calls + asked, unsigned + 1 - asked));
    }
}
