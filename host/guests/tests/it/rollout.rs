//! Maskers that are tried: beside another, and for it.

use crate::support::*;
use weir_guests::{Mode, SessionGuests};
use weir_model::{Applied, Column, Operation};
use weir_session::ports::{MaskPlan, Maskers};
use weir_session::traffic::{Batch, TOP_BIT};

fn columns(names: &[&str]) -> Vec<Column> {
    names.iter().map(|name| Column { name: (*name).into(), ..Column::default() }).collect()
}

fn batch(cells: &[(&str, u16)]) -> Batch {
    let mut batch = Batch::default();
    cells.iter().for_each(|(text, column)| batch.push(text.as_bytes(), *column).unwrap());
    batch
}

/// A masker, and `next` that is tried with it.
async fn tried(mode: Mode, of: &str, next: &str) -> House {
    let files = [
        ("inspector", guest("inspector")),
        ("masker", guest("masker")),
        ("next", variant(&guest("masker"), 1)),
    ];
    house(&files, false, |spec| match spec.name.as_str() {
        "masker" => spec.settings_json = of.into(),
        "next" => {
            spec.settings_json = next.into();
            spec.mode = mode.clone();
        }
        _ => {}
    })
    .await
}

async fn session(house: &House, id: &str) -> SessionGuests {
    house.open(id, &["inspector", "masker"]).await.unwrap()
}

async fn plan(session: &mut SessionGuests, slot: u32, text: &str, names: &[&str]) -> MaskPlan {
    // Of a database: the columns of others may be called by values, and are told by their places.
    let operation = Operation { kind: "sql.query".into(), ..operation(text) };
    session.maskers.plan(slot, &columns(names), &operation).await.unwrap()
}

/// Answer, words and cells of what shadows would have done.
fn beside(applied: &[Applied]) -> Vec<(&str, &str, u64)> {
    let told = applied.iter().filter_map(|each| Some((each.beside.as_ref()?, each)));
    told.map(|(by, each)| (by.answer, each.rule.as_str(), each.cells)).collect()
}

fn shadow() -> Mode {
    Mode::Shadow { of: name("masker") }
}

#[tokio::test]
async fn a_shadow_changes_nothing_and_is_told_by_column_and_rule() {
    let house = tried(shadow(), r#"{"prefix": "hide"}"#, r#"{"instead": "hidden"}"#).await;
    let alone = tried(Mode::Enforce, r#"{"prefix": "hide"}"#, "{}").await;
    let (mut session, mut other) = (session(&house, "s1").await, session(&alone, "s1").await);
    // The second time it is another operation; the third time the plan serves again.
    for text in ["select", "again", "again"] {
        let names = ["id", "upper", "hide", "hide secret"];
        let planned = plan(&mut session, 1, text, &names).await;
        let plain = plan(&mut other, 1, text, &names).await;
        assert_eq!((&*planned.wanted, planned.reusable), (&[2, 3][..], plain.reusable));
        assert_eq!(planned.by.iter().map(|by| by.plugin.as_str()).collect::<Vec<_>>(), ["masker"]);
        assert_eq!(beside(&planned.beside), [("shadow-unseen", "upper", 0)]);
        let given = batch(&[("a", 2), ("b", 3), ("c", 2)]);
        let masked = session.maskers.mask(1, &given).await.unwrap();
        let plain = other.maskers.mask(1, &given).await.unwrap();
        assert_eq!((&masked.cells, &masked.texts, &masked.ends), (&plain.cells, &plain.texts, &plain.ends));
        assert_eq!(masked.cells, [TOP_BIT, 1 | TOP_BIT, 2 | TOP_BIT]);
        // A column whose name could be a value is told by its place.
        let expected = [("shadow-otherwise", "hide: hide", 2), ("shadow-otherwise", "column 4: hide", 1)];
        assert_eq!(beside(&masked.applied), expected);
        assert_eq!(masked.applied[..1], plain.applied);
    }
}

#[tokio::test]
async fn a_shadow_that_leaves_what_is_hidden_is_told() {
    let house = tried(shadow(), "{}", r#"{"prefix": "hide"}"#).await;
    let mut session = session(&house, "s1").await;
    let planned = plan(&mut session, 1, "select", &["upper", "hide"]).await;
    assert!(planned.beside.is_empty());
    let masked = session.maskers.mask(1, &batch(&[("a", 0), ("b", 1), ("c", 0)])).await.unwrap();
    assert_eq!(beside(&masked.applied), [("shadow-leaves", "upper", 2)]);
}

#[tokio::test]
async fn a_shadow_that_agrees_is_not_told() {
    let house = tried(shadow(), "{}", "{}").await;
    let mut session = session(&house, "s1").await;
    assert!(plan(&mut session, 1, "select", &["upper", "hide"]).await.beside.is_empty());
    let masked = session.maskers.mask(1, &batch(&[("a", 0), ("b", 1)])).await.unwrap();
    assert!(beside(&masked.applied).is_empty() && masked.cells.len() == 2);
}

#[tokio::test]
async fn a_masker_that_was_set_aside_in_another_session_has_no_plan_left() {
    let house = tried(Mode::Canary { of: name("masker"), share: 100 }, "{}", r#"{"instead": "next"}"#).await;
    let (mut session, mut other) = (session(&house, "s1").await, session(&house, "s2").await);
    let names = ["hide"];
    let by = |planned: &MaskPlan| planned.by[0].plugin.to_string();
    assert_eq!(by(&plan(&mut session, 1, "again", &names).await), "next");
    plan(&mut other, 1, "panic", &names).await;
    assert!(other.maskers.mask(1, &batch(&[("a", 0)])).await.is_err());
    assert_eq!(by(&plan(&mut session, 1, "again", &names).await), "masker");
    let masked = session.maskers.mask(1, &batch(&[("a", 0)])).await.unwrap();
    assert_eq!(masked.cells, [TOP_BIT], "the old one hides with NULL");
}

#[tokio::test]
async fn while_something_is_tried_beside_a_masker_no_era_lasts() {
    let house = tried(shadow(), "{}", r#"{"prefix": "hide"}"#).await;
    let mut session = session(&house, "s1").await;
    plan(&mut session, 1, "again", &["upper"]).await;
    let era = session.maskers.era();
    assert_ne!(session.maskers.era(), era);
}
