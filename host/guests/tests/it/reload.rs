//! Replacing, removing, breaking plugins while sessions decide.

use crate::support::*;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use weir_guests::{GuestEvent, ReloadOutcome, Stage};
use weir_model::Verdict;
use weir_session::ports::{Policies, Round};

#[tokio::test]
async fn a_new_version_takes_effect_between_operations() {
    let mut house = usual_house().await;
    let mut session = house.session("s1").await;
    let before = ask(&mut session, "one").await.by.digest;
    house.replace("policy", &variant(&guest("policy"), 1));
    house.guests.rescan().await;
    let after = ask(&mut session, "remember").await;
    assert_ne!(before, after.by.digest);
    assert_eq!(tag(&after, "seen"), "remember", "a new version starts afresh");
    let mut loaded = 0;
    while let Ok(event) = house.events.try_recv() {
        if let GuestEvent::Loaded { generation, digest, .. } = event {
            loaded += 1;
            assert_eq!(generation == 2, digest == after.by.digest);
        }
    }
    assert_eq!(loaded, 4);
    // The same contents under a new date are no new version.
    house.replace("policy", &variant(&guest("policy"), 1));
    house.guests.rescan().await;
    assert_eq!(house.guests.generation().number, 2);
}

#[tokio::test]
async fn a_new_version_is_asked_whatever_the_one_before_said() {
    let house = usual_house().await;
    let mut session = house.session("s1").await;
    for _ in 0..2 {
        assert_eq!(tag(&ask(&mut session, "again").await, "asked"), "1");
    }
    let calls = house.metrics("policy").calls.load(Ordering::Relaxed);
    house.replace("policy", &variant(&guest("policy"), 1));
    house.guests.rescan().await;
    let reused = house.metrics("policy").reused.load(Ordering::Relaxed);
    assert_eq!(tag(&ask(&mut session, "again").await, "asked"), "1");
    assert!(house.metrics("policy").calls.load(Ordering::Relaxed) > calls);
    assert_eq!(house.metrics("policy").reused.load(Ordering::Relaxed), reused);
}

#[tokio::test]
async fn new_settings_are_a_new_version_too() {
    let house = usual_house().await;
    let mut session = house.session("s1").await;
    assert_eq!(tag(&ask(&mut session, "mark").await, "mark"), "");
    let mut specs: Vec<_> =
        ["inspector", "policy", "masker"].iter().map(|each| spec(&house.folder, each)).collect();
    specs[1].settings_json = r#"{"mark": "new"}"#.into();
    let outcomes = house.guests.apply(specs.clone()).await;
    assert!(matches!(outcomes[1].1, ReloadOutcome::Applied { .. }), "{outcomes:?}");
    assert_eq!(outcomes[0].1, ReloadOutcome::Unchanged);
    assert_eq!(tag(&ask(&mut session, "mark").await, "mark"), "new");
    specs[1].settings_json = r#"{"mark": 5}"#.into();
    let outcomes = house.guests.apply(specs.clone()).await;
    let ReloadOutcome::Kept { problem, running: Some(_) } = &outcomes[1].1 else { panic!("{outcomes:?}") };
    assert_eq!(problem.stage, Stage::Settings);
    assert_eq!(tag(&ask(&mut session, "mark").await, "mark"), "new");
    // A plugin that is no longer configured is out of service.
    specs.remove(1);
    house.guests.apply(specs).await;
    assert_eq!(ask_fault(&mut session, "allow").await.code, "plugin-missing");
}

#[tokio::test]
async fn a_bad_file_keeps_the_version_that_runs() {
    let mut house = usual_house().await;
    let mut session = house.session("s1").await;
    let good = ask(&mut session, "allow").await.by.digest;
    for bad in [b"nonsense".to_vec(), guest("clocked"), guest("masker"), vec![]] {
        while house.events.try_recv().is_ok() {}
        house.replace("policy", &bad);
        house.guests.rescan().await;
        let GuestEvent::Refused { generation: 1, .. } = house.event().await else { panic!("not refused") };
        assert_eq!(ask(&mut session, "allow").await.by.digest, good);
        // Told once, not at every look.
        house.guests.rescan().await;
        assert!(house.events.try_recv().is_err());
    }
    assert_eq!(house.metrics("policy").refusals.load(Ordering::Relaxed), 4);
    // The file that runs, once more: it is in service, and that is told once.
    house.replace("policy", &guest("policy"));
    house.guests.rescan().await;
    let GuestEvent::Loaded { generation: 1, digest, .. } = house.event().await else { panic!("not told") };
    assert_eq!(digest, good);
    house.guests.rescan().await;
    assert!(house.events.try_recv().is_err());
    house.replace("policy", &variant(&guest("policy"), 2));
    house.guests.rescan().await;
    assert_ne!(ask(&mut session, "allow").await.by.digest, good);
}

#[tokio::test]
async fn what_is_asked_again_about_an_operation_is_asked_of_the_same_generation() {
    let house = usual_house().await;
    let mut session = house.session("s1").await;
    let first = ask(&mut session, "allow").await.by.digest;
    house.replace("policy", &variant(&guest("policy"), 2));
    house.guests.rescan().await;
    let again = session.policies.decide(&operation("allow"), Round::Again).await;
    assert_eq!(again[0].by.digest, first);
    assert_ne!(ask(&mut session, "allow").await.by.digest, first);
}

#[tokio::test]
async fn what_is_removed_is_missed_until_it_is_back() {
    let mut house = usual_house().await;
    let mut session = house.session("s1").await;
    while house.events.try_recv().is_ok() {}
    std::fs::remove_file(house.file("policy")).unwrap();
    house.guests.rescan().await;
    assert!(matches!(house.event().await, GuestEvent::Removed { generation: 2, .. }));
    let fault = ask_fault(&mut session, "allow").await;
    assert_eq!((fault.code.as_str(), fault.message.as_str()), ("plugin-missing", "plugin policy is missing"));
    // A session may start meanwhile; its operations are refused just so.
    let mut late = house.session("late").await;
    assert_eq!(ask_fault(&mut late, "allow").await.code, "plugin-missing");
    house.replace("policy", &guest("policy"));
    house.guests.rescan().await;
    for session in [&mut session, &mut late] {
        assert_eq!(ask(session, "allow").await.answer.unwrap().verdict, Verdict::Allow);
    }
    std::fs::remove_file(house.file("inspector")).unwrap();
    house.guests.rescan().await;
    assert_eq!(house.open("more", &["inspector", "policy"]).await.err().unwrap().code, "plugin-missing");
}

/// The heart of promise 8: eight sessions decide without pause while versions come and go.
#[tokio::test(flavor = "multi_thread")]
async fn replaced_under_load_nothing_fails_and_nothing_mixes() {
    let files = [("inspector", guest("inspector")), ("policy", guest("policy")), ("second", guest("policy"))];
    let house = Arc::new(house(&files, true, |_| {}).await);
    let stop = Arc::new(AtomicBool::new(false));
    let decided = Arc::new(AtomicU64::new(0));
    let mut tasks = Vec::new();
    for task in 0..8 {
        let mut session = house.open(&format!("s{task}"), &["inspector", "policy", "second"]).await.unwrap();
        let (stop, decided) = (Arc::clone(&stop), Arc::clone(&decided));
        tasks.push(tokio::spawn(async move {
            let mut seen = BTreeSet::new();
            while !stop.load(Ordering::Relaxed) {
                let answers = session.policies.decide(&operation("allow"), Round::First).await;
                assert_eq!(answers.len(), 2);
                for answer in &answers {
                    let decision = answer.answer.as_ref().expect("no decision fails");
                    assert_eq!(decision.verdict, Verdict::Allow);
                }
                seen.insert(answers[0].by.digest.to_string());
                decided.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
            seen
        }));
    }
    let mut served = Vec::new();
    for round in 0..5 {
        // A burst, faster than anything can be compiled, with a broken file in the middle of it.
        for step in 0..4 {
            house.replace("policy", &variant(&guest("policy"), round * 10 + step));
            tokio::time::sleep(Duration::from_millis(3)).await;
            house.replace("policy", b"broken");
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        let last = variant(&guest("policy"), round * 10 + 9);
        house.replace("policy", &last);
        let digest = digest_of(&last);
        let serving = || house.guests.generation().find(&name("policy")).map(|each| each.digest);
        until("the last of a burst", || serving() == Some(digest)).await;
        let before = decided.load(Ordering::Relaxed);
        until("decisions by it", || decided.load(Ordering::Relaxed) > before + 100).await;
        served.push(digest.to_string());
    }
    stop.store(true, Ordering::Relaxed);
    let mut seen = BTreeSet::new();
    for task in tasks {
        seen.extend(task.await.unwrap());
    }
    assert!(served.iter().all(|digest| seen.contains(digest)), "each version that came to rest decided");
    for plugin in ["policy", "second"] {
        let metrics = house.metrics(plugin);
        let stops = [&metrics.traps, &metrics.time_outs, &metrics.limit_hits, &metrics.faults, &metrics.lies];
        assert!(stops.iter().all(|counter| counter.load(Ordering::Relaxed) == 0), "{metrics:?}");
    }
}

fn digest_of(bytes: &[u8]) -> weir_model::Digest {
    use sha2::Digest as _;
    weir_model::Digest(sha2::Sha256::digest(bytes).into())
}

async fn until(what: &str, mut done: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    start.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watch_sees_renames_slow_writes_links_and_new_folders() {
    let files = [("policy", guest("policy"))];
    let mut house = house(&files, true, |_| {}).await;
    let serving = |house: &House| house.guests.generation().find(&name("policy")).map(|each| each.digest);

    // In place, in two pieces with a pause that is longer than one look.
    while house.events.try_recv().is_ok() {}
    let second = variant(&guest("policy"), 2);
    {
        use std::io::Write;
        let mut file = std::fs::File::create(house.file("policy")).unwrap();
        for piece in second.chunks(second.len() / 6 + 1) {
            file.write_all(piece).unwrap();
            file.flush().unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    until("written in place", || serving(&house) == Some(digest_of(&second))).await;
    assert!(matches!(house.event().await, GuestEvent::Loaded { .. }), "nothing was refused in between");

    // A link that is turned to another file, as configuration maps do it.
    let store = tempfile::TempDir::new().unwrap();
    let third = variant(&guest("policy"), 3);
    std::fs::write(store.path().join("v3.wasm"), &third).unwrap();
    std::os::unix::fs::symlink(store.path().join("v3.wasm"), house.folder.path().join("link")).unwrap();
    std::fs::rename(house.folder.path().join("link"), house.file("policy")).unwrap();
    until("a link", || serving(&house) == Some(digest_of(&third))).await;
    let fourth = variant(&guest("policy"), 4);
    std::fs::write(store.path().join("new"), &fourth).unwrap();
    std::fs::rename(store.path().join("new"), store.path().join("v3.wasm")).unwrap();
    until("the file behind the link", || serving(&house) == Some(digest_of(&fourth))).await;

    // The whole folder replaced.
    let path = house.folder.path().to_owned();
    let old = path.with_extension("old");
    std::fs::rename(&path, &old).unwrap();
    std::fs::create_dir(&path).unwrap();
    let fifth = variant(&guest("policy"), 5);
    std::fs::write(path.join("policy.wasm"), &fifth).unwrap();
    until("another folder", || serving(&house) == Some(digest_of(&fifth))).await;
    std::fs::remove_file(path.join("policy.wasm")).unwrap();
    until("removed", || serving(&house).is_none()).await;
    std::fs::write(path.join("policy.wasm"), &fifth).unwrap();
    until("back", || serving(&house) == Some(digest_of(&fifth))).await;
    std::fs::remove_dir_all(old).unwrap();
}
