//! `weir plugin bench`: what a plugin costs, in the engine as a gateway has it.

use super::stream::{Conversation, LIMITS, Masks, Split};
use super::{cases, failed, print_json, refused, runtime, settings_of, spec_of, workbench};
use crate::cli::PluginBench;
use anyhow::{Context, bail};
use serde::Serialize;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use weir_guests::offline::{self, Workbench};
use weir_guests::{Loaded, PluginSpec, World};
use weir_model::{Action, Attribute, Column, Operation};
use weir_session::ports::{Maskers as _, Policies as _, Round};
use weir_session::traffic::Batch;

/// Instances made to learn what one costs.
const INSTANCES: u32 = 50;
/// Calls between looks at the clock.
const ROUND: u32 = 16;
/// Rows of a batch, as a page of a result has.
const ROWS: usize = 500;

#[derive(Debug, Default, Serialize)]
struct Costs {
    plugin: String,
    world: String,
    bytes: u64,
    /// What was asked: `cases` or `built-in`.
    with: &'static str,
    /// Reading and compiling, or taking compiled code from the cache, and the trial.
    load_ms: f64,
    /// A new instance with `configure` and `open`, on the average.
    instance_us: f64,
    /// Linear memory of an instance after its calls.
    memory_bytes: u64,
    calls: u64,
    mean_us: f64,
    p50_us: f64,
    p99_us: f64,
    /// For maskers: the mean of a `mask` call by its cells.
    #[serde(skip_serializing_if = "Option::is_none")]
    ns_per_cell: Option<f64>,
    /// For inspectors: the mean by bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    ns_per_byte: Option<f64>,
}

pub(super) fn bench(asked: &PluginBench) -> anyhow::Result<ExitCode> {
    let file = &super::file_of(&asked.plugin)?;
    let place = asked.cases.clone().or_else(|| cases::beside(&asked.plugin));
    let files = place.as_deref().map(cases::read).transpose()?.unwrap_or_default();
    let mut settings = settings_of(asked.settings.as_deref())?;
    if let (true, Some((_, first))) = (asked.settings.is_none(), files.first()) {
        settings = first.settings.as_ref().map(ToString::to_string).unwrap_or_default();
    }
    let spec = PluginSpec { settings_json: settings, ..spec_of(file)? };
    let time = Duration::from_millis(asked.milliseconds);
    let costs = runtime()?.block_on(async {
        let bench = workbench(true)?;
        let began = Instant::now();
        let loaded = bench.load(&spec).await.map_err(|problem| refused(file, &problem))?;
        let mut costs = Costs {
            plugin: loaded.name.to_string(),
            world: loaded.world.to_string(),
            bytes: std::fs::metadata(file)?.len(),
            load_ms: began.elapsed().as_secs_f64() * 1000.0,
            with: "built-in",
            ..Costs::default()
        };
        measure(&bench, &loaded, &files, time, &mut costs).await?;
        Ok::<_, anyhow::Error>(costs)
    })?;
    match asked.json {
        true => print_json(&costs)?,
        false => print!("{}", text(&costs)),
    }
    Ok(ExitCode::SUCCESS)
}

fn text(costs: &Costs) -> String {
    let mut rows = vec![
        ("plugin", format!("{} ({}, {} bytes)", costs.plugin, costs.world, costs.bytes)),
        ("load", format!("{:.1} ms", costs.load_ms)),
        ("instance", format!("{:.1} µs", costs.instance_us)),
        ("memory", format!("{} KiB", costs.memory_bytes / 1024)),
    ];
    match costs.calls {
        0 if costs.world == "http-inspector" => {
            rows.push(("calls", "none: calls of HTTP inspectors are not measured".to_owned()));
        }
        0 => rows.push(("calls", "none: an inspector is measured with cases (--cases)".to_owned())),
        calls => {
            rows.push(("calls", format!("{calls}, {}", costs.with)));
            let Costs { mean_us, p50_us, p99_us, .. } = costs;
            rows.push(("call", format!("mean {mean_us:.2} µs, p50 {p50_us:.2} µs, p99 {p99_us:.2} µs")));
        }
    }
    rows.extend(costs.ns_per_cell.map(|cost| ("cell", format!("{cost:.1} ns"))));
    rows.extend(costs.ns_per_byte.map(|cost| ("byte", format!("{cost:.2} ns"))));
    let line = |(label, value): &(&str, String)| format!("{label:<9} {}\n", weir_admin::render::line(value));
    rows.iter().map(line).collect()
}

async fn measure(
    bench: &Workbench,
    loaded: &Arc<Loaded>,
    files: &[(std::path::PathBuf, cases::CaseFile)],
    time: Duration,
    costs: &mut Costs,
) -> anyhow::Result<()> {
    let info = files.first().and_then(|(_, file)| Some((file, file.cases.first()?)));
    let info = info.map(|(file, case)| file.session(case)).transpose()?.unwrap_or_else(offline::session);
    let began = Instant::now();
    for _ in 0..INSTANCES {
        match loaded.world {
            World::Policy => drop(bench.policy(loaded, info.clone()).await.map_err(failed)?),
            World::Masker => drop(bench.masker(loaded, info.clone()).await.map_err(failed)?),
            World::StreamInspector => {
                drop(bench.inspector(loaded, info.clone(), &[], LIMITS, true).await.map_err(failed)?);
            }
            World::HttpInspector => {
                drop(bench.http_inspector(loaded, info.clone(), LIMITS, true).await.map_err(failed)?);
            }
        }
    }
    costs.instance_us = began.elapsed().as_secs_f64() * 1e6 / f64::from(INSTANCES);
    let mut clock = Clock::new(time);
    match loaded.world {
        World::Policy => {
            let mut operations = super::test::operations(files);
            costs.with = if operations.is_empty() { "built-in" } else { "cases" };
            if operations.is_empty() {
                operations = built_in();
            }
            let mut policy = bench.policy(loaded, info).await.map_err(failed)?;
            while clock.goes_on() {
                for operation in &operations {
                    let answers = clock.time(policy.decide(operation, Round::First)).await;
                    if let Some(Err(fault)) = answers.into_iter().next().map(|answer| answer.answer) {
                        return Err(failed(fault));
                    }
                }
            }
        }
        World::Masker => {
            let (columns, rows) = cells(files);
            costs.with = if files.is_empty() { "built-in" } else { "cases" };
            let mut masker = bench.masker(loaded, info).await.map_err(failed)?;
            let operation = built_in().into_iter().next().context("no operation")?;
            let plan = masker.plan(0, &columns, &operation).await.map_err(failed)?;
            let batch = batch_of(&rows, &plan.wanted)?;
            if batch.is_empty() {
                bail!(
                    "the masker wants none of the columns: give settings (--settings) or cases in which it does"
                );
            }
            while clock.goes_on() {
                clock.time(masker.mask(0, &batch)).await.map_err(failed)?;
            }
            costs.ns_per_cell = Some(clock.mean_us() * 1000.0 / batch.len() as f64);
        }
        World::StreamInspector => {
            let mut bytes = 0_u64;
            let talks: Vec<_> =
                files.iter().flat_map(|(_, file)| &file.cases).filter(|case| !case.wire.is_empty()).collect();
            while !talks.is_empty() && clock.goes_on() {
                for case in &talks {
                    let parameters: Vec<_> = case.parameters.clone().into_iter().collect();
                    let opened = bench.inspector(loaded, info.clone(), &parameters, LIMITS, false).await;
                    let masks = Masks::new();
                    let mut talk = Conversation::new(opened.map_err(failed)?, None, &masks);
                    for said in &case.wire {
                        let said_bytes = said.bytes()?;
                        bytes += said_bytes.len() as u64;
                        let spoken = clock.time(talk.say(said.from, &said_bytes, &mut Split::Whole)).await;
                        spoken.map_err(anyhow::Error::msg)?;
                    }
                }
            }
            costs.with = "cases";
            costs.ns_per_byte = (bytes > 0).then(|| clock.total.as_nanos() as f64 / bytes as f64);
        }
        World::HttpInspector => {}
    }
    // Known when an instance is gone.
    costs.memory_bytes = loaded.memory_of_last();
    clock.tell(costs);
    Ok(())
}

/// Times of calls, as long as there is time.
struct Clock {
    until: Instant,
    times: Vec<Duration>,
    total: Duration,
    rounds: u32,
}

impl Clock {
    fn new(time: Duration) -> Self {
        Self { until: Instant::now() + time, times: Vec::new(), total: Duration::ZERO, rounds: 0 }
    }

    fn goes_on(&mut self) -> bool {
        self.rounds += 1;
        !self.rounds.is_multiple_of(ROUND) || Instant::now() < self.until
    }

    async fn time<T>(&mut self, call: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let answer = call.await;
        let took = began.elapsed();
        self.times.push(took);
        self.total += took;
        answer
    }

    fn mean_us(&self) -> f64 {
        self.total.as_secs_f64() * 1e6 / self.times.len().max(1) as f64
    }

    fn tell(mut self, costs: &mut Costs) {
        self.times.sort_unstable();
        let at = |share: usize| {
            let place = self.times.len().saturating_sub(1) * share / 100;
            self.times.get(place).map_or(0.0, |time| time.as_secs_f64() * 1e6)
        };
        costs.calls = self.times.len() as u64;
        (costs.mean_us, costs.p50_us, costs.p99_us) = (self.mean_us(), at(50), at(99));
    }
}

/// A few operations of each protocol.
fn built_in() -> Vec<Operation> {
    let operation = |kind: &str, action, text: &str, object: &str| Operation {
        kind: kind.to_owned(),
        action,
        text: text.to_owned(),
        objects: vec![object.to_owned()],
        parameters: Vec::new(),
        attributes: vec![Attribute::new("protocol", kind.split('.').next().unwrap_or_default())],
        claimed: Vec::new(),
    };
    vec![
        operation(
            "sql.query",
            Action::Read,
            "select id, name from customers where id = 7",
            "public.customers",
        ),
        operation(
            "sql.query",
            Action::Write,
            "update customers set name = 'x' where id = 7",
            "public.customers",
        ),
        operation("http.request", Action::Read, "GET /v1/customers/7", "/v1/customers/7"),
        operation("mcp.tool-call", Action::Call, "read_file", "read_file"),
        operation("git.update-ref", Action::Write, "refs/heads/main", "refs/heads/main"),
    ]
}

/// Columns and rows: those of the first case that has some, or made up; repeated to a page of rows.
fn cells(files: &[(std::path::PathBuf, cases::CaseFile)]) -> (Vec<Column>, Vec<Vec<Option<String>>>) {
    let case = files.iter().flat_map(|(_, file)| &file.cases).find(|case| !case.rows.is_empty());
    let (columns, rows) = match case {
        Some(case) => (case.columns.iter().map(cases::ColumnCase::column).collect(), case.rows.clone()),
        None => {
            let column = |name: &str| Column {
                name: name.to_owned(),
                relation: "public.customers".to_owned(),
                source: name.to_owned(),
                type_name: "text".to_owned(),
                labels: Vec::new(),
            };
            let row = ["Ann Example", "ann@example.com", "+1 555 010 1234", "Asked for a refund of order 7."];
            let row = row.iter().map(|text| Some((*text).to_owned())).collect();
            (["full_name", "email", "phone", "notes"].map(column).to_vec(), vec![row])
        }
    };
    let rows: Vec<_> = rows.iter().cycle().take(ROWS).cloned().collect();
    (columns, rows)
}

fn batch_of(rows: &[Vec<Option<String>>], wanted: &[u16]) -> anyhow::Result<Batch> {
    let mut batch = Batch::default();
    for row in rows {
        for (column, value) in (0..=u16::MAX).zip(row) {
            if let (true, Some(value)) = (wanted.contains(&column), value) {
                batch.push(value.as_bytes(), column).ok().context("too many values")?;
            }
        }
    }
    Ok(batch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_cells_fill_a_page() {
        let (columns, rows) = cells(&[]);
        assert_eq!((columns.len(), rows.len()), (4, ROWS));
        assert_eq!(batch_of(&rows, &[1, 3]).unwrap().len(), 2 * ROWS);
    }

    #[test]
    fn quantiles_come_from_the_calls() {
        let mut clock = Clock::new(Duration::ZERO);
        clock.times = (1..=100).rev().map(Duration::from_micros).collect();
        clock.total = clock.times.iter().sum();
        let mut costs = Costs::default();
        clock.tell(&mut costs);
        assert_eq!((costs.calls, costs.p50_us.round(), costs.p99_us.round()), (100, 50.0, 99.0));
        assert!((costs.mean_us - 50.5).abs() < 0.01);
    }
}
