//! Plugins of any language at the real engine, without a gateway. Everything answered is a JSON line.
//!
//!     languages FOLDER judge NAME… < cases.jsonl     what each policy or masker says to each case
//!     languages FOLDER measure NAME…                 what they cost; figures, not promises
//!
//! FOLDER holds NAME.wasm and postgres.wasm (a pipeline has an inspector; it is opened and not asked). Compiled code is
//! kept in FOLDER/compiled. A case is a session with an operation, or with columns and rows of cells:
//!
//!     {"case": "…", "who": {"kind": "agent", "groups": ["leads"]}, "operation": {"kind": "sql.query", "text": "…", …}}
//!     {"case": "…", "columns": [{"name": "x", "source": "salary"}], "cells": [[0, "4100"]]}

#![allow(clippy::indexing_slicing, reason = "of JSON only: reading answers null, writing makes the key")]

use serde_json::{Value, json};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use weir_guests::{EngineConfig, Guests, GuestsConfig, PluginSpec, ReloadOutcome, SessionJudges, World};
use weir_model::{
    Action, Attribute, Column, Fault, Operation, Parameter, PluginName, Principal, PrincipalKind,
    ResourceName, SessionId, SessionInfo, Verdict,
};
use weir_session::ports::{Maskers, Policies, Round};
use weir_session::traffic::Batch;

type Outcome<T> = Result<T, Box<dyn Error>>;

const INSPECTOR: &str = "postgres";
/// Sessions kept at once to see what one takes.
const SESSIONS: u32 = 40;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("a folder with plugins is missing")?);
    let command = arguments.next().ok_or("say `judge` or `measure`")?;
    let names: Vec<_> = arguments.collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match command.as_str() {
        "judge" => runtime.block_on(judge(&folder, &names)),
        "measure" => runtime.block_on(measure(&folder, &names)),
        other => Err(format!("no command `{other}`").into()),
    }
}

fn say(line: &Value) {
    println!("{line}");
}

struct Room {
    guests: Guests,
}

impl Room {
    async fn open(folder: &Path, names: &[String]) -> Outcome<Self> {
        let all = names.iter().map(String::as_str).chain([INSPECTOR]);
        let specs = all.map(|name| {
            let mut spec = PluginSpec::new(PluginName::new(name), folder.join(name).with_extension("wasm"));
            // Machines that measure are busy with compiling just before.
            spec.limits.call_time = Some(Duration::from_secs(10));
            spec
        });
        let config = GuestsConfig {
            plugins: folder.to_owned(),
            cache: Some(folder.join("compiled")),
            engine: EngineConfig { max_sessions: 64, ..EngineConfig::default() },
            watch: false,
            outside: Arc::new(weir_guests::Nothing),
        };
        let started = Guests::start(config, specs.collect()).await?;
        for (name, outcome) in started.outcomes {
            if let ReloadOutcome::Kept { problem, .. } = outcome {
                return Err(format!("{name}: {problem}").into());
            }
        }
        Ok(Self { guests: started.guests })
    }

    async fn session(&self, plugin: &str, who: &Value) -> Outcome<SessionJudges> {
        let pipeline = [INSPECTOR, plugin].map(PluginName::new);
        let opened = self.guests.open_judges(&info(who), &pipeline).await;
        opened.map_err(|fault| format!("{plugin}: {}", told(fault)).into())
    }

    fn world(&self, plugin: &str) -> Outcome<World> {
        let generation = self.guests.generation();
        let found = generation.find(&PluginName::new(plugin)).ok_or("it is not loaded")?;
        Ok(found.world)
    }
}

async fn judge(folder: &Path, names: &[String]) -> Outcome<()> {
    let room = Room::open(folder, names).await?;
    let cases = std::io::read_to_string(std::io::stdin())?;
    for plugin in names {
        let world = room.world(plugin)?;
        for line in cases.lines().filter(|line| !line.trim().is_empty()) {
            let case: Value = serde_json::from_str(line)?;
            let of_masker = case.get("columns").is_some();
            if of_masker != (world == World::Masker) {
                continue;
            }
            let mut session = room.session(plugin, part(&case, "who")).await?;
            let answer = match of_masker {
                true => masked(&mut session, &case).await?,
                false => decided(&mut session, &case).await?,
            };
            say(&json!({ "plugin": plugin, "case": part(&case, "case"), "answer": answer }));
        }
    }
    Ok(())
}

async fn decided(session: &mut SessionJudges, case: &Value) -> Outcome<Value> {
    let operation = operation(part(case, "operation"));
    let answers = session.policies.decide(&operation, Round::First).await;
    let answer = answers.into_iter().next().ok_or("no policy was asked")?;
    Ok(match answer.answer {
        Err(fault) => json!({ "fault": fault.code, "detail": fault.detail }),
        Ok(decision) => {
            let findings = decision.findings.iter().map(|each| json!([each.rule, each.place, each.score]));
            let tags = decision.tags.iter().map(|each| json!([each.name, each.value]));
            let mut told = verdict(&decision.verdict);
            told["findings"] = findings.collect();
            told["tags"] = tags.collect();
            told
        }
    })
}

fn verdict(verdict: &Verdict) -> Value {
    match verdict {
        Verdict::Abstain => json!({ "verdict": "abstain" }),
        Verdict::Allow => json!({ "verdict": "allow" }),
        Verdict::Deny { code, reason } => json!({ "verdict": "deny", "code": code, "reason": reason }),
        Verdict::Hold { code, reason, reviewers } => {
            json!({ "verdict": "hold", "code": code, "reason": reason, "reviewers": reviewers })
        }
        Verdict::Rewrite { text } => json!({ "verdict": "rewrite", "text": text }),
    }
}

/// Each cell's new text, with null for NULL; cells that stay are left out.
async fn masked(session: &mut SessionJudges, case: &Value) -> Outcome<Value> {
    let columns: Vec<_> = list(case, "columns").iter().map(column).collect();
    let asked = operation(part(case, "operation"));
    let plan = match session.maskers.plan(0, &columns, &asked).await {
        Ok(plan) => plan,
        Err(fault) => return Ok(json!({ "fault": fault.code, "detail": fault.detail })),
    };
    let mut batch = Batch::default();
    for cell in list(case, "cells") {
        let column = u16::try_from(cell[0].as_u64().unwrap_or_default())?;
        if plan.wanted.contains(&column) {
            batch.push(text(&cell[1]).as_bytes(), column).map_err(|_| "too many cells")?;
        }
    }
    let masked = match session.maskers.mask(0, &batch).await {
        Ok(masked) => masked,
        Err(fault) => return Ok(json!({ "fault": fault.code, "detail": fault.detail })),
    };
    let mut changed = Vec::new();
    let mut start = 0;
    for (cell, end) in masked.cells.iter().zip(&masked.ends) {
        let end = usize::try_from(*end)?;
        let new = String::from_utf8_lossy(masked.texts.get(start..end).unwrap_or_default()).into_owned();
        start = end;
        let is_null = cell >> 31 == 1;
        changed.push(json!([cell & (u32::MAX >> 1), (!is_null).then_some(new)]));
    }
    let applied: Vec<_> = masked.applied.iter().map(|each| json!([each.rule, each.cells])).collect();
    Ok(json!({ "wanted": *plan.wanted, "changed": changed, "applied": applied }))
}

async fn measure(folder: &Path, names: &[String]) -> Outcome<()> {
    // The inspector's code comes out of the cache from here on.
    drop(Room::open(folder, &[]).await?);
    for plugin in names {
        let before = of_process()?;
        let one = std::slice::from_ref(plugin);
        let room = Room::open(folder, one).await?;
        let loaded = of_process()?.saturating_sub(before);
        drop(room);
        let started = Instant::now();
        // The second time it comes out of the cache.
        let room = Room::open(folder, one).await?;
        let cached = started.elapsed();
        let size = std::fs::metadata(folder.join(plugin).with_extension("wasm"))?.len();
        let nobody = json!({});
        let mut figures = json!({
            "plugin": plugin,
            "bytes": size,
            "load_cpu_ms": loaded.as_millis() as u64,
            "load_cached_ms": cached.as_millis() as u64,
        });
        let opened = cost(async || room.session(plugin, &nobody).await.map(drop)).await?;
        figures["instance_us"] = micros(opened);
        let mut session = room.session(plugin, &nobody).await?;
        match room.world(plugin)? {
            World::Masker => figures["ns_per_cell"] = cells(&mut session).await?,
            _ => figures["decision_us"] = decisions(&mut session).await?,
        }
        figures["session_kib"] = memory(&room, plugin).await?;
        say(&figures);
    }
    Ok(())
}

async fn decisions(session: &mut SessionJudges) -> Outcome<Value> {
    let asked = usual();
    let call = cost(async || {
        session.policies.decide(&asked, Round::First).await;
        Ok(())
    });
    Ok(micros(call.await?))
}

async fn cells(session: &mut SessionJudges) -> Outcome<Value> {
    const CELLS: u32 = 500;
    let columns = [Column { name: "mail".into(), source: "email".into(), ..Column::default() }];
    session.maskers.plan(0, &columns, &usual()).await.map_err(told)?;
    let mut batch = Batch::default();
    for _ in 0..CELLS {
        batch.push(b"ann@example.com", 0).map_err(|_| "too many cells")?;
    }
    let call = cost(async || {
        session.maskers.mask(0, &batch).await.map_err(told)?;
        Ok(())
    });
    Ok(json!((call.await? / CELLS).as_nanos() as u64))
}

fn told(fault: Fault) -> String {
    format!("{}: {}", fault.message, fault.detail)
}

/// Time on the processor for one call, the best of some rounds: others on the machine count as little as they can.
async fn cost(mut call: impl AsyncFnMut() -> Outcome<()>) -> Outcome<Duration> {
    const ROUND: Duration = Duration::from_millis(50);
    let mut calls = 1;
    let mut best = Duration::MAX;
    let mut rounds = 0;
    while rounds < 6 {
        let before = on_processor()?;
        for _ in 0..calls {
            call().await?;
        }
        let took = on_processor()?.saturating_sub(before);
        if took < ROUND {
            calls *= 2;
        } else {
            best = best.min(took / calls);
            rounds += 1;
        }
    }
    Ok(best)
}

/// Of this thread; the kernel brings it up to date some hundred times a second.
fn on_processor() -> Outcome<Duration> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(Duration::from_nanos(told.split_whitespace().next().ok_or("no figure")?.parse()?))
}

/// Private memory of one idle session that has worked once.
async fn memory(room: &Room, plugin: &str) -> Outcome<Value> {
    let before = private_kib()?;
    let mut sessions = Vec::new();
    for _ in 0..SESSIONS {
        let mut session = room.session(plugin, &json!({})).await?;
        match room.world(plugin)? {
            World::Masker => _ = cells_once(&mut session).await,
            _ => _ = session.policies.decide(&usual(), Round::First).await,
        }
        sessions.push(session);
    }
    let after = private_kib()?;
    Ok(json!(after.saturating_sub(before) / u64::from(SESSIONS)))
}

async fn cells_once(session: &mut SessionJudges) -> Outcome<()> {
    let columns = [Column { name: "mail".into(), source: "email".into(), ..Column::default() }];
    let mut batch = Batch::default();
    batch.push(b"ann@example.com", 0).map_err(|_| "too many cells")?;
    session.maskers.plan(0, &columns, &usual()).await.map_err(|fault| fault.message)?;
    session.maskers.mask(0, &batch).await.map_err(|fault| fault.message)?;
    Ok(())
}

fn private_kib() -> Outcome<u64> {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup")?;
    let line = rollup.lines().find(|line| line.starts_with("Private_Dirty:")).ok_or("no Private_Dirty")?;
    Ok(line.split_whitespace().nth(1).ok_or("no figure")?.parse()?)
}

/// Processor time of all threads, in hundredths of a second: compiling uses several.
fn of_process() -> Outcome<Duration> {
    let told = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = told.rsplit_once(')').ok_or("no figure")?;
    let mut spent = 0;
    for field in fields.split_whitespace().skip(11).take(2) {
        spent += field.parse::<u64>()?;
    }
    Ok(Duration::from_millis(spent * 10))
}

fn micros(time: Duration) -> Value {
    json!((time.as_nanos() as f64 / 100.0).round() / 10.0)
}

/// What an application sends.
fn usual() -> Operation {
    operation(&json!({
        "kind": "sql.query",
        "action": "read",
        "text": "select id, name, email from customers where id = $1",
        "objects": ["public.customers"],
        "parameters": [["$1", "7"]],
        "attributes": [["sql-class", "read"], ["sql-relations", "public.customers"]],
    }))
}

fn part<'a>(of: &'a Value, name: &str) -> &'a Value {
    of.get(name).unwrap_or(&Value::Null)
}

fn list<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    part(of, name).as_array().map_or(&[], Vec::as_slice)
}

fn text(of: &Value) -> String {
    of.as_str().unwrap_or_default().to_owned()
}

fn texts(of: &Value, name: &str) -> Vec<String> {
    list(of, name).iter().map(text).collect()
}

fn info(who: &Value) -> SessionInfo {
    SessionInfo {
        id: SessionId::new("case"),
        resource: ResourceName::new("customers"),
        protocol: "postgres".into(),
        who: Principal {
            id: "ann".into(),
            kind: PrincipalKind::from_word(&text(part(who, "kind"))).unwrap_or(PrincipalKind::Human),
            on_behalf_of: None,
            groups: texts(who, "groups"),
        },
        client_address: "127.0.0.1".into(),
        started_ms: 1_700_000_000_000,
        attributes: vec![Attribute::new("database", "customers")],
        claimed: vec![Attribute::new("application", "psql")],
    }
}

fn operation(of: &Value) -> Operation {
    let pairs = |name: &str| list(of, name).iter().map(|pair| (text(&pair[0]), pair[1].clone()));
    let parameters = pairs("parameters").map(|(name, value)| Parameter {
        name,
        type_name: "text".into(),
        value: value.as_str().map(str::to_owned),
    });
    Operation {
        kind: text(part(of, "kind")),
        action: Action::from_word(&text(part(of, "action"))),
        text: text(part(of, "text")),
        objects: texts(of, "objects"),
        parameters: parameters.collect(),
        attributes: pairs("attributes").map(|(name, value)| Attribute::new(name, text(&value))).collect(),
        claimed: vec![],
    }
}

fn column(of: &Value) -> Column {
    Column {
        name: text(part(of, "name")),
        source: text(part(of, "source")),
        relation: text(part(of, "relation")),
        type_name: text(part(of, "type")),
        labels: texts(of, "labels"),
    }
}
