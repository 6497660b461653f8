//! Searching, showing, following; the SQL agrees with the filter's own meaning.

use crate::events::*;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use weir_audit::{Filter, Record, Review, TrailReader, show_operation, show_record, verify};
use weir_model::Digest;
use weir_store::Trail;

/// Some thousand records: most of them indexed, the last ones not.
async fn filled(trail: &Trail) -> Vec<Record> {
    let texts = [
        "select 1",
        "SELECT \"Name\" FROM t",
        "line\nbreak\ttab",
        "50% off_",
        "nul\0byte",
        "ä€😀",
        "back\\slash",
    ];
    for operation in 0..700u64 {
        let place = place(&format!("s-{}", operation % 5));
        let text = texts[operation as usize % texts.len()];
        let mut events = vec![intent(&place, operation / 5, text)];
        if operation % 50 == 0 {
            events.extend([held(&place, operation / 5), reviewed(&place, operation / 5, Review::Approve)]);
            // The second has only said so, the third has proven it.
            events.extend([
                turned_away("bob", None),
                turned_away("ann", None),
                turned_away("x", Some("bob")),
            ]);
        }
        events.push(outcome(&place, operation / 5));
        trail.handle().record(events).await.unwrap().durable().await.unwrap();
    }
    everything(&trail.reader()).await
}

fn filters(records: &[Record]) -> impl Strategy<Value = Filter> + use<> {
    let (first, last) = (records[0].at_us, records[records.len() - 1].at_us);
    let word = |words: &[&'static str]| {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        proptest::option::weighted(0.3, proptest::sample::select(words))
    };
    (
        proptest::option::weighted(0.3, first - 1..last + 2),
        proptest::option::weighted(0.3, first - 1..last + 2),
        (word(&["ann", "bob", "x"]), word(&["customers", "x"]), word(&["s-0", "s-3", "s-9"])),
        (
            proptest::option::weighted(0.2, 0..150u64),
            word(&["intent", "outcome", "held", "reviewed", "login-failed", "host-started", "x"]),
        ),
        (word(&["allow", "deny"]), word(&["ok", "approve", "error"])),
        word(&[
            "select", "NAME", "\"na", "%", "_", "e\nb", "\t", "l\0b", "ä€", "\\s", "psql", "text", "go on",
            "",
        ]),
        (proptest::option::weighted(0.1, Just(Digest([3; 32]))), proptest::option::weighted(0.3, 1..2000u64)),
        proptest::option::of(0..2000u32),
    )
        .prop_map(
            |(
                since_us,
                until_us,
                (principal, resource, session),
                (operation, kind),
                (verdict, status),
                text,
                more,
                limit,
            )| {
                let (plugin, before_seq) = more;
                Filter {
                    since_us,
                    until_us,
                    principal,
                    resource,
                    session,
                    operation,
                    kind,
                    verdict,
                    status,
                    text,
                    plugin: plugin.map(|digest: weir_model::Digest| digest.to_string()),
                    limit,
                    before_seq,
                }
            },
        )
}

#[tokio::test]
async fn a_search_finds_what_the_filter_means() {
    let folder = tempfile::tempdir().unwrap();
    let trail = open(folder.path()).await;
    let records = filled(&trail).await;
    let reader = trail.reader();
    let strategy = filters(&records);
    let mut runner = TestRunner::deterministic();
    let mut found_some = 0;
    for _ in 0..300 {
        let filter = strategy.new_tree(&mut runner).unwrap().current();
        let expected: Vec<_> = records
            .iter()
            .rev()
            .filter(|record| filter.matches(record))
            .take(filter.limit() as usize)
            .cloned()
            .collect();
        let found = reader.search(&filter).await.unwrap();
        assert_eq!(found.len(), expected.len(), "{filter:?}");
        assert!(found == expected, "{filter:?}");
        found_some += usize::from(!found.is_empty());
    }
    assert!(found_some > 60, "{found_some}");
    trail.stop("test").await;
}

#[tokio::test]
async fn who_was_named_in_a_failed_login_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let trail = open(folder.path()).await;
    filled(&trail).await;
    let odd = "o\"b,\\";
    trail.handle().record(vec![turned_away(odd, None)]).await.unwrap().durable().await.unwrap();
    for (user, count) in [("bob", 28), ("ob", 0), ("x", 0), (odd, 1)] {
        let filter = Filter { principal: Some(user.into()), ..Filter::default() };
        let found = trail.reader().search(&filter).await.unwrap();
        assert_eq!(found.len(), count, "{user}");
        assert!(found.iter().all(|record| &*record.kind == "login-failed"));
    }
    trail.stop("test").await;
}

#[tokio::test]
async fn records_operations_and_sessions_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let trail = open(folder.path()).await;
    let records = filled(&trail).await;
    let reader = trail.reader();
    assert_eq!(show_record(&*reader, 17).await.unwrap().as_ref(), records.get(16));
    assert_eq!(show_record(&*reader, 99_999).await.unwrap(), None);
    assert_eq!(show_operation(&*reader, "s-0", 9_999).await.unwrap(), None);
    let view = show_operation(&*reader, "s-0", 10).await.unwrap().unwrap();
    assert!(view.intent.is_some() && view.held.is_some() && view.outcome.is_some() && view.refused.is_none());
    assert_eq!((view.reviews.len(), view.others.len()), (1, 0));
    for operation in [None, Some(3), Some(139)] {
        let of_session = reader.of_session("s-2", operation, 4, 5000).await.unwrap();
        let fits = |r: &&Record| {
            r.session.as_deref() == Some("s-2")
                && r.seq > 4
                && operation.is_none_or(|o| r.operation == Some(o))
        };
        assert_eq!(of_session, records.iter().filter(fits).cloned().collect::<Vec<_>>());
        assert!(!of_session.is_empty());
    }
    assert_eq!(verify(&*reader, 100..=200, None).await.unwrap().records, 101);
    trail.stop("test").await;
}

#[tokio::test]
async fn a_follower_is_woken_by_each_group() {
    let folder = tempfile::tempdir().unwrap();
    let trail = open(folder.path()).await;
    let mut durable = trail.handle().durable_seq();
    durable.mark_unchanged();
    let reader = trail.reader();
    let seen = reader.head().await.unwrap().seq;
    let follower = tokio::spawn(async move {
        durable.changed().await.unwrap();
        reader.after(seen, 10).await.unwrap()
    });
    record(&trail.handle(), intent(&place("s-1"), 0, "select 1")).await.unwrap();
    let followed = follower.await.unwrap();
    assert_eq!(followed.iter().map(|record| &*record.kind).collect::<Vec<_>>(), ["intent"]);
    trail.stop("test").await;
}
