//! Maskers: plans, edits, chains, and every kind of nonsense.

use crate::support::*;
use weir_guests::SessionGuests;
use weir_model::{Applied, Column, Fault};
use weir_session::ports::{MaskPlan, Maskers};
use weir_session::traffic::{Batch, Masked, TOP_BIT};

fn columns(names: &[&str]) -> Vec<Column> {
    names.iter().map(|name| Column { name: (*name).into(), ..Column::default() }).collect()
}

fn batch(cells: &[(&str, u16)]) -> Batch {
    let mut batch = Batch::default();
    cells.iter().for_each(|(text, column)| batch.push(text.as_bytes(), *column).unwrap());
    batch
}

fn shown(masked: &Masked) -> Vec<(u32, &str)> {
    let mut start = 0;
    let cells = masked.cells.iter().zip(&masked.ends);
    cells
        .map(|(cell, end)| {
            let text = std::str::from_utf8(&masked.texts[start..*end as usize]).unwrap();
            start = *end as usize;
            (*cell, text)
        })
        .collect()
}

async fn plan(session: &mut SessionGuests, text: &str, names: &[&str]) -> Result<MaskPlan, Fault> {
    session.maskers.plan(1, &columns(names), &operation(text)).await
}

#[tokio::test]
async fn a_masker_changes_what_it_wanted() {
    let house = usual_house().await;
    let mut session = house.session("s1").await;
    assert!(session.maskers.active());
    let planned = plan(&mut session, "select", &["id", "upper", "hide"]).await.unwrap();
    assert_eq!(*planned.wanted, [1, 2]);
    assert_eq!(planned.by[0].answer, "mask");
    let given = batch(&[("straße", 1), ("secret", 2), ("ok", 1)]);
    let masked = session.maskers.mask(1, &given).await.unwrap();
    assert_eq!(shown(&masked), [(0, "STRASSE"), (1 | TOP_BIT, ""), (2, "OK")]);
    let applied = |rule: &str, cells| Applied { rule: rule.into(), cells, beside: None };
    assert_eq!(masked.applied, [applied("upper", 2), applied("hide", 1)]);

    let planned = plan(&mut session, "select", &["id", "name"]).await.unwrap();
    assert!(planned.wanted.is_empty());
    let masked = session.maskers.mask(1, &batch(&[("x", 0)])).await.unwrap();
    assert_eq!(masked, Masked::default());
}

#[tokio::test]
async fn the_second_masker_sees_what_the_first_left() {
    let files = [("inspector", guest("inspector")), ("first", guest("masker")), ("second", guest("masker"))];
    let house = house(&files, false, |spec| match spec.name.as_str() {
        "first" => spec.settings_json = r#"{"prefix": "hide", "instead": "hidden"}"#.into(),
        "second" => spec.settings_json = r#"{"prefix": "", "instead": "twice"}"#.into(),
        _ => {}
    })
    .await;
    let mut session = house.open("s1", &["inspector", "first", "second"]).await.unwrap();
    let planned = plan(&mut session, "select", &["hide", "upper", "id"]).await.unwrap();
    assert_eq!(*planned.wanted, [0, 1]);
    assert_eq!(planned.by.len(), 2);
    let masked = session.maskers.mask(1, &batch(&[("a", 0), ("b", 1), ("c", 0)])).await.unwrap();
    assert_eq!(shown(&masked), [(0, "twice"), (1, "B"), (2, "twice")]);
    let applied: Vec<_> = masked.applied.iter().map(|each| (each.rule.as_str(), each.cells)).collect();
    assert_eq!(applied, [("hide", 4), ("upper", 1)]);
}

#[tokio::test]
async fn nonsense_edits_are_faults_and_the_next_plan_works() {
    let house = usual_house_with(|spec| spec.limits.output_bytes = Some(4 << 20)).await;
    let mut session = house.session("s1").await;
    for (order, code) in [
        ("cell-order", "plugin-contract"),
        ("cell-range", "plugin-contract"),
        ("span-range", "plugin-contract"),
        ("span-order", "plugin-contract"),
        ("span-overlap", "plugin-contract"),
        ("mid-character", "plugin-contract"),
        ("not-utf8", "plugin-contract"),
        ("ends", "plugin-contract"),
        ("trailing", "plugin-contract"),
        ("ragged", "plugin-contract"),
        ("rule", "plugin-contract"),
        ("null-order", "plugin-contract"),
        ("null-range", "plugin-contract"),
        ("null-rule", "plugin-contract"),
        ("edited-null", "plugin-contract"),
        ("growth", "plugin-output"),
        ("panic", "plugin-trap"),
        ("loop", "plugin-timeout"),
        ("fault", "plugin-fault"),
    ] {
        plan(&mut session, order, &["upper"]).await.unwrap();
        let given = batch(&[("éab", 0), ("cd", 0)]);
        let fault = session.maskers.mask(1, &given).await.expect_err(order);
        assert_eq!(fault.code, code, "{order}: {fault:?}");
        plan(&mut session, "select", &["upper"]).await.unwrap();
        let masked = session.maskers.mask(1, &given).await.unwrap();
        assert_eq!(shown(&masked), [(0, "ÉAB"), (1, "CD")], "after {order}");
    }
    for (order, code) in [
        ("plan-panic", "plugin-trap"),
        ("plan-fault", "plugin-fault"),
        ("plan-column", "plugin-contract"),
        ("plan-rules", "plugin-contract"),
        ("signs-column", "plugin-contract"),
        ("signs-unwanted", "plugin-contract"),
        ("signs-words", "plugin-contract"),
        ("signs-bytes", "plugin-contract"),
        ("signs-long", "plugin-contract"),
        ("signs-short", "plugin-contract"),
        ("signs-none", "plugin-contract"),
    ] {
        let fault = plan(&mut session, order, &["id", "upper?"]).await.expect_err(order);
        assert_eq!(fault.code, code, "{order}: {fault:?}");
        let unplanned = session.maskers.mask(1, &batch(&[("a", 0)])).await.unwrap_err();
        assert_eq!(unplanned.code, "pipeline", "a failed plan leaves none: {unplanned:?}");
    }
}

#[tokio::test]
async fn after_a_trap_what_was_planned_before_is_refused_until_planned_again() {
    let house = usual_house().await;
    let mut session = house.session("s1").await;
    let one = || batch(&[("a", 0)]);
    session.maskers.plan(1, &columns(&["upper"]), &operation("select")).await.unwrap();
    session.maskers.plan(2, &columns(&["upper"]), &operation("panic")).await.unwrap();
    assert_eq!(session.maskers.mask(2, &one()).await.unwrap_err().code, "plugin-trap");
    assert_eq!(session.maskers.mask(1, &one()).await.unwrap_err().code, "plugin-gone");
    session.maskers.plan(1, &columns(&["upper"]), &operation("select")).await.unwrap();
    assert_eq!(shown(&session.maskers.mask(1, &one()).await.unwrap()), [(0, "A")]);
}

#[tokio::test]
async fn values_that_are_no_text_reach_no_masker() {
    let house = usual_house().await;
    let mut session = house.session("s1").await;
    plan(&mut session, "select", &["upper"]).await.unwrap();
    let mut broken = Batch::default();
    broken.push(&[0xff, 0xfe], 0).unwrap();
    let mut elsewhere = Batch::default();
    elsewhere.push(b"a", 7).unwrap();
    // Each half of a character in a cell of its own.
    let mut cut = Batch::default();
    cut.push(&[0xc3], 0).unwrap();
    cut.push(&[0xa9], 0).unwrap();
    for given in [broken, elsewhere, cut] {
        assert_eq!(session.maskers.mask(1, &given).await.unwrap_err().code, "pipeline");
    }
}

#[tokio::test]
async fn a_slot_stays_with_the_version_it_was_planned_with() {
    let house = usual_house().await;
    let mut session = house.session("s1").await;
    let first = plan(&mut session, "select", &["upper"]).await.unwrap();
    house.replace("masker", &variant(&guest("masker"), 1));
    house.guests.rescan().await;
    let masked = session.maskers.mask(1, &batch(&[("a", 0)])).await.unwrap();
    assert_eq!(shown(&masked), [(0, "A")]);
    // Another slot gets the new version; the first keeps its own, then follows.
    let second = session.maskers.plan(2, &columns(&["upper"]), &operation("select")).await.unwrap();
    assert_ne!(first.by[0].digest, second.by[0].digest);
    assert_eq!(house.metrics("masker").resident.load(std::sync::atomic::Ordering::Relaxed), 2);
    assert_eq!(shown(&session.maskers.mask(1, &batch(&[("b", 0)])).await.unwrap()), [(0, "B")]);
    assert_eq!(plan(&mut session, "select", &["upper"]).await.unwrap().by, second.by);
    assert_eq!(house.metrics("masker").resident.load(std::sync::atomic::Ordering::Relaxed), 1);
    // Without its file, nothing can be planned; what is planned goes on.
    std::fs::remove_file(house.file("masker")).unwrap();
    house.guests.rescan().await;
    assert_eq!(shown(&session.maskers.mask(1, &batch(&[("c", 0)])).await.unwrap()), [(0, "C")]);
    assert_eq!(plan(&mut session, "select", &["upper"]).await.unwrap_err().code, "plugin-missing");
}

#[tokio::test]
async fn columns_that_take_turns_in_a_slot_are_planned_once_when_a_plan_serves_again() {
    let house = usual_house().await;
    let mut session = house.session("s1").await;
    let calls = || house.metrics("masker").calls.load(std::sync::atomic::Ordering::Relaxed);
    for name in ["hide", "upper"] {
        assert!(plan(&mut session, "again", &[name]).await.unwrap().reusable);
    }
    let planned = calls();
    for _ in 0..3 {
        for (name, masked) in [("hide", (TOP_BIT, "")), ("upper", (0, "A"))] {
            // Whatever the operation is.
            assert_eq!(*plan(&mut session, "select", &[name]).await.unwrap().wanted, [0]);
            assert_eq!(shown(&session.maskers.mask(1, &batch(&[("a", 0)])).await.unwrap()), [masked]);
        }
    }
    assert_eq!(calls() - planned, 6, "only values were masked");
    // More than a slot keeps: the oldest is planned anew, and none is taken for another.
    let names: Vec<_> = (0..20).map(|number| format!("hide{number}")).collect();
    for name in names.iter().chain(&names) {
        plan(&mut session, "again", &[name]).await.unwrap();
        assert_eq!(shown(&session.maskers.mask(1, &batch(&[("a", 0)])).await.unwrap()), [(TOP_BIT, "")]);
    }
    assert_eq!(*plan(&mut session, "again", &["upper"]).await.unwrap().wanted, [0]);
    assert_eq!(shown(&session.maskers.mask(1, &batch(&[("a", 0)])).await.unwrap()), [(0, "A")]);
    // A new version plans everything itself, and nothing keeps the old one.
    house.replace("masker", &variant(&guest("masker"), 1));
    house.guests.rescan().await;
    plan(&mut session, "again", &["upper"]).await.unwrap();
    assert_eq!(house.metrics("masker").resident.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_slot_has_its_plan_until_it_is_planned_anew_or_forgotten() {
    let house = usual_house().await;
    let mut session = house.session("s1").await;
    let name = |slot: u32| if slot.is_multiple_of(2) { "upper" } else { "hide" };
    let made = |slot: u32| if slot.is_multiple_of(2) { (0, "A") } else { (TOP_BIT, "") };
    for slot in 3..40 {
        let columns = columns(&[name(slot), &format!("of {slot}")]);
        session.maskers.plan(slot, &columns, &operation("again")).await.unwrap();
    }
    // Any number of others in between, and the same in two slots.
    for number in 0..30 {
        plan(&mut session, "again", &[&format!("hide{number}")]).await.unwrap();
    }
    let both = columns(&["upper", "of 4"]);
    session.maskers.plan(2, &both, &operation("select")).await.unwrap();
    for slot in (2..40).rev().filter(|slot| *slot != 3) {
        assert_eq!(
            shown(&session.maskers.mask(slot, &batch(&[("a", 0)])).await.unwrap()),
            [made(slot)],
            "{slot}"
        );
    }
    session.maskers.forget(4);
    assert_eq!(session.maskers.mask(4, &batch(&[("a", 0)])).await.unwrap_err().code, "pipeline");
    assert_eq!(shown(&session.maskers.mask(2, &batch(&[("a", 0)])).await.unwrap()), [(0, "A")]);
}

#[tokio::test]
async fn an_era_ends_with_a_generation_and_with_an_instance() {
    let house = usual_house().await;
    let mut session = house.session("s1").await;
    plan(&mut session, "again", &["upper"]).await.unwrap();
    let first = session.maskers.era();
    for _ in 0..3 {
        plan(&mut session, "again", &["upper"]).await.unwrap();
        session.maskers.mask(1, &batch(&[("a", 0)])).await.unwrap();
        assert_eq!(session.maskers.era(), first);
    }
    house.replace("masker", &variant(&guest("masker"), 1));
    house.guests.rescan().await;
    let second = session.maskers.era();
    assert_ne!(second, first);
    plan(&mut session, "again", &["upper"]).await.unwrap();
    assert_eq!(session.maskers.era(), second);
    // Also when a plan is the first to see the next generation.
    house.replace("masker", &variant(&guest("masker"), 2));
    house.guests.rescan().await;
    plan(&mut session, "again", &["upper"]).await.unwrap();
    let third = session.maskers.era();
    assert_ne!(third, second);
    session.maskers.plan(2, &columns(&["upper", "x"]), &operation("panic")).await.unwrap();
    session.maskers.mask(2, &batch(&[("a", 0)])).await.unwrap_err();
    assert_ne!(session.maskers.era(), third, "what was planned with it is planned anew");
    plan(&mut session, "again", &["upper"]).await.unwrap();
    let fourth = session.maskers.era();
    assert_eq!(session.maskers.era(), fourth);
}
