//! Measures the trail: operations that wait for their intent, then record their outcome.
//!
//! `cargo run --release -p weir-store --example throughput [seconds] [folder] [in flight]…`
//!
//! Each of N tasks does what a session does: record the intent, wait until it is durable, record the outcome,
//! go on without waiting for the outcome (its durability is awaited one operation later). Printed per N: records per
//! second, CPU of the whole process per record (kernel included: the flush is most of it), the mean group, and
//! the time from `record` to durable.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use weir_audit::{
    Attempt, AuditHandle, Event, Head, LATENCY_BOUNDS_US, Outcome, Place, Record, Status, StoreError,
    TrailStore, Writer, WriterSettings,
};
use weir_model::{
    Action, Applied, Attribute, Decision, Digest, Finding, JudgedBy, Operation, Parameter, PluginName,
    ResourceName, SessionId, Verdict,
};
use weir_store::{Trail, TrailSettings};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let seconds: u64 = arguments.next().map_or(Ok(3), |text| text.parse())?;
    let folder = arguments.next().map_or_else(|| std::env::temp_dir().join("weir-throughput"), PathBuf::from);

    let chosen = arguments.map(|number| number.parse()).collect::<Result<Vec<usize>, _>>()?;
    let chosen = if chosen.is_empty() { vec![1, 8, 16, 64, 256] } else { chosen };

    println!("in flight   records/s   CPU us/record   user   group   p50 us <=   p99 us <=");
    for in_flight in chosen {
        _ = std::fs::remove_dir_all(&folder);
        let trail = Trail::open(&folder, TrailSettings::default()).await?;
        // The log file grows to its size in the first seconds; growing is slower.
        load(&trail.handle(), in_flight, Duration::from_secs(1)).await;
        let before = Numbers::of(&trail.handle())?;
        load(&trail.handle(), in_flight, Duration::from_secs(seconds)).await;
        Numbers::of(&trail.handle())?.print_since(&before, in_flight);
        trail.stop("measured").await;
    }
    std::fs::remove_dir_all(&folder)?;

    println!("the same without a store: what writing out, hashing, chaining and waking cost");
    let (handle, writer) = Writer::start(Nowhere(Head::EMPTY), Head::EMPTY, WriterSettings::default());
    let before = Numbers::of(&handle)?;
    load(&handle, 16, Duration::from_secs(seconds)).await;
    Numbers::of(&handle)?.print_since(&before, 16);
    writer.stop().await;
    Ok(())
}

/// Forgets every record.
struct Nowhere(Head);

impl TrailStore for Nowhere {
    async fn append(&mut self, group: Vec<Record>) -> Result<(), StoreError> {
        if let Some(last) = group.last() {
            self.0 = Head { seq: last.seq, hash: last.hash };
        }
        Ok(())
    }

    async fn head(&mut self) -> Result<Head, StoreError> {
        Ok(self.0)
    }

    async fn rest(&mut self, _open_from: u64) {}

    async fn close(self) {}
}

async fn load(trail: &AuditHandle, in_flight: usize, how_long: Duration) {
    let stop = Arc::new(AtomicBool::new(false));
    let tasks: Vec<_> = (0..in_flight)
        .map(|session| tokio::spawn(session_of(trail.clone(), session, Arc::clone(&stop))))
        .collect();
    tokio::time::sleep(how_long).await;
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        _ = task.await;
    }
}

async fn session_of(trail: AuditHandle, session: usize, stop: Arc<AtomicBool>) {
    let id = SessionId::new(format!("0190f5c2-7b1e-7000-8000-{session:012}"));
    let place = Place::new(&id, "ann@example.com", &ResourceName::new("customers"));
    let what = Arc::new(operation());
    let decision = Arc::new(decision());
    let mut last = None;
    for operation in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let intent = Attempt {
            place: place.clone(),
            operation,
            continues: None,
            what: Arc::clone(&what),
            original: None,
            decision: Arc::clone(&decision),
            approval: None,
            masked: Vec::new(),
        };
        let Ok(receipt) = trail.record(vec![Event::Intent(intent)]).await else { return };
        if receipt.durable().await.is_err() {
            return;
        }
        let outcome = Outcome {
            place: place.clone(),
            operation,
            status: Status::Ok,
            rows: Some(1),
            tag: "SELECT 1".to_owned(),
            error: None,
            bytes_to_client: 180,
            masked: vec![Applied { rule: "email".to_owned(), cells: 1, beside: None }],
            masked_by: vec![],
            duration: Duration::from_micros(412),
        };
        let Ok(receipt) = trail.record(vec![Event::Outcome(outcome)]).await else { return };
        if let Some(last) = last.replace(receipt)
            && last.durable().await.is_err()
        {
            return;
        }
    }
}

fn operation() -> Operation {
    Operation {
        kind: "statement".to_owned(),
        action: Action::Read,
        text: "SELECT id, name, email, created_at FROM customers WHERE region = $1 AND id = $2 ORDER BY id LIMIT 20"
            .to_owned(),
        objects: vec!["public.customers".to_owned()],
        parameters: vec![
            Parameter { name: "$1".to_owned(), type_name: "text".to_owned(), value: Some("north".to_owned()) },
            Parameter { name: "$2".to_owned(), type_name: "int8".to_owned(), value: Some("4711".to_owned()) },
        ],
        attributes: vec![Attribute::new("database", "customers")],
        claimed: vec![Attribute::new("application_name", "cursor/conversation-42")],
    }
}

fn decision() -> Decision {
    let judge =
        |name: &str, answer| JudgedBy { plugin: PluginName::new(name), digest: Digest([7; 32]), answer };
    Decision {
        verdict: Verdict::Allow,
        findings: vec![Finding { rule: "limit-present".to_owned(), place: "text".to_owned(), score: 10 }],
        tags: weir_model::Tags::default(),
        judged_by: vec![judge("postgres", "inspect"), judge("sql-guard", "allow")],
    }
}

struct Numbers {
    at: Instant,
    records: u64,
    groups: u64,
    user_us: f64,
    cpu_us: f64,
    latency: Vec<u64>,
}

impl Numbers {
    fn of(trail: &AuditHandle) -> Result<Self, Box<dyn Error>> {
        let metrics = trail.metrics();
        // Fields 14 and 15 of the file, counted behind the name: user and kernel time in hundredths of a second.
        let stat = std::fs::read_to_string("/proc/self/stat")?;
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let times: Vec<f64> =
            fields.skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap_or(0.0) * 1e4).collect();
        Ok(Self {
            at: Instant::now(),
            records: metrics.records.load(Ordering::Relaxed),
            groups: metrics.groups.load(Ordering::Relaxed),
            user_us: times.first().copied().unwrap_or(0.0),
            cpu_us: times.iter().sum(),
            latency: metrics.latency.counts().to_vec(),
        })
    }

    fn print_since(&self, before: &Self, in_flight: usize) {
        let records = (self.records - before.records) as f64;
        let counts: Vec<u64> =
            self.latency.iter().zip(&before.latency).map(|(now, then)| now - then).collect();
        println!(
            "{in_flight:9} {:11.0} {:15.2} {:6.2} {:7.1} {:>11} {:>11}",
            records / self.at.duration_since(before.at).as_secs_f64(),
            (self.cpu_us - before.cpu_us) / records,
            (self.user_us - before.user_us) / records,
            records / (self.groups - before.groups) as f64,
            quantile(&counts, 0.5),
            quantile(&counts, 0.99),
        );
    }
}

/// The upper bound of the bucket that holds the quantile.
fn quantile(counts: &[u64], quantile: f64) -> String {
    let wanted = (counts.iter().sum::<u64>() as f64 * quantile) as u64;
    let mut seen = 0;
    for (count, bound) in counts.iter().zip(LATENCY_BOUNDS_US) {
        seen += count;
        if seen > wanted {
            return bound.to_string();
        }
    }
    "more".to_owned()
}
