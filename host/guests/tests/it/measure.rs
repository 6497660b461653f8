//! Figures, not assertions: `cargo test --release -p weir-guests --test it measure -- --ignored --nocapture`.

use crate::support::*;
use std::future::Future;
use std::time::{Duration, Instant};
use weir_session::ports::{Inspector, Maskers, Policies, Round};
use weir_session::traffic::Batch;

/// Best of many rounds, per call: what the code costs, not what else the machine does.
async fn best<F: Future<Output = ()>>(calls: u32, mut round: impl FnMut() -> F) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..50 {
        let start = Instant::now();
        round().await;
        best = best.min(start.elapsed());
    }
    best / calls
}

#[tokio::test]
#[ignore = "prints measurements"]
async fn calls_and_instances() {
    let house = usual_house().await;
    let session = tokio::sync::Mutex::new(house.session("s1").await);
    const CALLS: u32 = 1000;
    let inspect = async |bytes: &[u8]| {
        let took = best(CALLS, || async {
            let mut session = session.lock().await;
            for _ in 0..CALLS {
                session.inspector.server(bytes, false, 1).await.unwrap();
            }
        });
        took.await
    };
    println!("server, 6 bytes, one event: {:?}", inspect(b"select").await);
    println!("server, 1 KiB, one event: {:?}", inspect(&[b'x'; 1024]).await);
    println!("server, 16 KiB, one event: {:?}", inspect(&[b'x'; 16384]).await);
    let took = best(CALLS, || async {
        let mut session = session.lock().await;
        for _ in 0..CALLS {
            session.inspector.client(b"select abalance from accounts\n", false).await.unwrap();
        }
    });
    println!("client, one operation: {:?}", took.await);
    let allow = operation("allow");
    let took = best(CALLS, || async {
        let mut session = session.lock().await;
        for _ in 0..CALLS {
            session.policies.decide(&allow, Round::First).await;
        }
    });
    println!("decide, one policy: {:?}", took.await);
    let columns = [weir_model::Column { name: "upper".into(), ..Default::default() }];
    let mut batch = Batch::default();
    (0..500).for_each(|_| batch.push(b"ann@example.com", 0).unwrap());
    session.lock().await.maskers.plan(1, &columns, &allow).await.unwrap();
    let took = best(500 * 20, || async {
        let mut session = session.lock().await;
        for _ in 0..20 {
            session.maskers.mask(1, &batch).await.unwrap();
        }
    });
    println!("mask, per cell of 500, all edited: {:?}", took.await);
    let took = best(20, || async {
        for _ in 0..20 {
            let mut session = session.lock().await;
            session.maskers.plan(1, &columns, &allow).await.unwrap();
        }
    });
    println!("plan: {:?}", took.await);
    let took = best(10, || async {
        for _ in 0..10 {
            house.open("s2", &["inspector"]).await.unwrap();
        }
    });
    println!("inspector alone, instance + configure + open + drop: {:?}", took.await);
    let took = best(10, || async {
        for _ in 0..10 {
            house.session("s2").await;
        }
    });
    println!("session of three plugins, opened and dropped: {:?}", took.await);
}

#[tokio::test]
#[ignore = "prints measurements"]
async fn memory_per_idle_session() {
    let house = usual_house().await;
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
        let of = |field: &str| -> u64 {
            let line = status.lines().find(|line| line.starts_with(field)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse().unwrap()
        };
        (of("Rss:"), of("Private_Dirty:"))
    };
    let before = resident();
    let mut sessions = Vec::new();
    for number in 0..60 {
        let mut session = house.session(&format!("s{number}")).await;
        session.inspector.server(&[b'x'; 16384], false, 1).await.unwrap();
        session.policies.decide(&operation("allow"), Round::First).await;
        sessions.push(session);
    }
    let after = resident();
    println!(
        "per instance: {} KiB resident, {} KiB private",
        (after.0 - before.0) / 180,
        (after.1 - before.1) / 180
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "prints measurements"]
async fn change_to_effect() {
    let files = [("policy", guest("policy"))];
    let house = house(&files, true, |_| {}).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    for number in 0..5 {
        let before = house.guests.generation().number;
        house.replace("policy", &variant(&guest("policy"), number));
        let start = Instant::now();
        while house.guests.generation().number == before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        println!("change to effect: {:?}", start.elapsed());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The standard plugins as `plugins/build` left them.
#[tokio::test]
#[ignore = "prints measurements"]
async fn standard_plugins() {
    let names = ["postgres", "sql-guard", "pii-mask"];
    let built =
        |name: &str| std::fs::read(repository().join("target/plugins").join(name).with_extension("wasm"));
    let Ok(files) = names.iter().map(|name| Ok((*name, built(name)?))).collect::<std::io::Result<Vec<_>>>()
    else {
        println!("not built");
        return;
    };
    let start = Instant::now();
    let house = house(&files, false, |_| {}).await;
    println!("all three compiled and tried: {:?}", start.elapsed());
    for (name, outcome) in &house.outcomes {
        println!("{name}: {outcome:?}");
    }
    let took = best(10, || async {
        for _ in 0..10 {
            house.open("s", &names).await.unwrap();
        }
    });
    println!("session opened and dropped: {:?}", took.await);
    let session = tokio::sync::Mutex::new(house.open("s", &names).await.unwrap());
    let statement = operation("SELECT abalance FROM pgbench_accounts WHERE aid = 4711");
    let took = best(500, || async {
        let mut session = session.lock().await;
        for _ in 0..500 {
            session.policies.decide(&statement, Round::First).await;
        }
    });
    println!("sql-guard, a plain select: {:?}", took.await);
}
