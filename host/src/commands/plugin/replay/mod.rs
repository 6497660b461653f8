//! `weir plugin replay`: recorded operations before a candidate, and what would be otherwise.
//!
//! The trail is read page by page and never written; records of one session go to one worker, in order, so a policy
//! that remembers sees what it would have seen. What the trail does not keep whole is not judged, and counted.

mod judge;
mod recorded;

use super::{print_json, refused, runtime, settings_of, spec_of, table};
use crate::cli::PluginReplay;
use crate::commands::audit::moment;
use crate::commands::load::client;
use crate::plugins::specs;
use anyhow::{Context, bail};
use judge::{Tally, Trial, Worker};
use serde_json::json;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{IsTerminal, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use weir_audit::{Record, TrailReader as _};
use weir_config::Machine;
use weir_config::settings::Fallback;
use weir_guests::{PluginSpec, World};
use weir_model::{PluginName, Verdict};
use weir_store::Reader;

/// Records read at a time.
const PAGE: u32 = 1000;
/// Pages on their way to a worker.
const QUEUE: usize = 4;
/// How often progress is told on a terminal.
const TELL_EACH: Duration = Duration::from_millis(500);

pub(super) fn replay(config: &Path, asked: PluginReplay) -> anyhow::Result<ExitCode> {
    let Ok(gateway) = client(config) else { return Ok(ExitCode::from(crate::commands::EXIT_CONFIG)) };
    let file = super::file_of(&asked.plugin)?;
    let mut spec = spec_of(&file)?;
    if let Some(name) = &asked.name {
        spec.name = PluginName::new(name.as_str());
    }
    let defaults = configured(config, &asked, &mut spec)?;
    let since = moment(&asked.since)?;
    let until = asked.until.as_deref().map(moment).transpose()?;
    let began = Instant::now();
    let (mut tally, read) = runtime()?.block_on(async {
        let trail = Reader::open(&gateway.state)
            .await
            .context("there is no trail to read yet (has `weir run` been started?)")?;
        let bench = super::workbench(true)?;
        let candidate = bench.load(&spec).await.map_err(|problem| refused(&file, &problem))?;
        if !matches!(candidate.world, World::Policy | World::Masker) {
            bail!(
                "{}: it is a {}, which reads bytes; the trail keeps operations, so policies and maskers can be replayed. \
                 Use `weir plugin test` with recorded bytes",
                asked.plugin.display(),
                candidate.world
            );
        }
        let name = spec.name.to_string();
        let trial = Arc::new(Trial { bench, candidate, name, defaults, trail: trail.clone() });
        run(&trail, trial, since, until, &asked).await
    })?;
    tally.changes.sort_by_key(|change| change.seq);
    let seconds = began.elapsed().as_secs_f64();
    let unjudged: u64 = tally.unjudged.values().sum();
    if asked.json {
        let why: BTreeMap<_, _> = tally
            .unjudged
            .iter()
            .map(|(why, count)| {
                Ok((serde_json::to_value(why)?.as_str().unwrap_or_default().to_owned(), *count))
            })
            .collect::<Result<_, serde_json::Error>>()?;
        print_json(&json!({
            "plugin": spec.name.as_str(), "records": read, "judged": tally.judged, "replaced": tally.replaced,
            "changed": tally.changes.len(), "not_asked": tally.not_asked, "unjudged": unjudged,
            "unjudged_why": why, "cells_of_answers_not_kept": tally.cells_of_answers,
            "faults": tally.faults, "first_fault": tally.first_fault, "seconds": seconds,
            "changes": tally.changes,
        }))?;
    } else {
        print!("{}", told(&tally, spec.name.as_str()));
        println!("{read} records in {seconds:.1} s");
    }
    Ok(ExitCode::SUCCESS)
}

/// Settings from the command or the configuration, and what the resources decide when nobody has an opinion.
fn configured(
    config: &Path,
    asked: &PluginReplay,
    spec: &mut PluginSpec,
) -> anyhow::Result<BTreeMap<String, &'static str>> {
    let loaded = weir_config::load(config, &Machine);
    let of_config = loaded
        .as_ref()
        .ok()
        .and_then(|config| specs(config).into_iter().find(|configured| configured.name == spec.name));
    match (&asked.settings, of_config, &loaded) {
        (Some(file), ..) => spec.settings_json = settings_of(Some(file))?,
        (None, Some(configured), _) => {
            spec.settings_json = configured.settings_json;
            spec.limits = configured.limits;
            spec.largest = configured.largest;
        }
        (None, None, Ok(_)) => {}
        (None, None, Err(problems)) => {
            eprintln!("{problems}");
            bail!(
                "the plugin's settings are not known, because the configuration does not load: give them with --settings FILE"
            )
        }
    }
    let resources = loaded.iter().flat_map(|config| &config.settings().resources);
    let word = |fallback| match fallback {
        Fallback::Allow => "allow",
        Fallback::Deny => "deny",
    };
    Ok(resources.map(|resource| (resource.name.to_string(), word(resource.fallback))).collect())
}

async fn run(
    trail: &Reader,
    trial: Arc<Trial>,
    since: i64,
    until: Option<i64>,
    asked: &PluginReplay,
) -> anyhow::Result<(Tally, u64)> {
    let cores = std::thread::available_parallelism().map_or(2, usize::from).max(2);
    let (mut doors, mut workers) = (Vec::new(), Vec::new());
    for _ in 0..cores {
        let (door, records) = mpsc::channel(QUEUE);
        doors.push(door);
        workers.push(tokio::spawn(Worker::new(Arc::clone(&trial)).work(records)));
    }
    let head = trail.head().await?.seq;
    let mut seq = trail.first_since(since).await?.saturating_sub(1);
    let mut progress = Progress::new(seq, head);
    let mut read = 0;
    let is_masker = trial.candidate.world == World::Masker;
    let wanted = |record: &Record| {
        let is = |wanted: &Option<String>, is: Option<&str>| wanted.is_none() || wanted.as_deref() == is;
        // A session's facts matter, whenever it began.
        matches!(&*record.kind, "session-opened" | "session-ended")
            || ((matches!(&*record.kind, "intent" | "refused") || (is_masker && record.kind == "outcome"))
                && record.at_us >= since
                && until.is_none_or(|until| record.at_us < until)
                && is(&asked.user, record.principal.as_deref())
                && is(&asked.resource, record.resource.as_deref())
                && is(&asked.session, record.session.as_deref()))
    };
    'pages: while seq < head {
        let page = trail.after(seq, PAGE).await?;
        let Some(last) = page.last().map(|record| record.seq) else { break };
        seq = last;
        let mut shares: Vec<Vec<Record>> = doors.iter().map(|_| Vec::new()).collect();
        for record in page {
            // What is recorded from now on is not part of it.
            if record.seq > head || !wanted(&record) {
                continue;
            }
            read += 1;
            let share = share_of(record.session.as_deref().unwrap_or_default(), shares.len());
            if let Some(share) = shares.get_mut(share) {
                share.push(record);
            }
        }
        for (door, share) in doors.iter().zip(shares) {
            // A worker that is gone has failed, and says why below.
            if !share.is_empty() && door.send(share).await.is_err() {
                break 'pages;
            }
        }
        progress.tell(seq);
    }
    drop(doors);
    let mut tally = Tally::default();
    for worker in workers {
        tally.add(worker.await.context("a worker stopped")??);
    }
    progress.end();
    Ok((tally, read))
}

fn share_of(session: &str, shares: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    session.hash(&mut hasher);
    usize::try_from(hasher.finish() % shares.max(1) as u64).unwrap_or(0)
}

/// Progress on a terminal; nothing anywhere else.
struct Progress {
    from: u64,
    to: u64,
    told: Instant,
    visible: bool,
    any: bool,
}

impl Progress {
    fn new(from: u64, to: u64) -> Self {
        Self { from, to, told: Instant::now(), visible: std::io::stderr().is_terminal(), any: false }
    }

    fn tell(&mut self, at: u64) {
        if !self.visible || self.told.elapsed() < TELL_EACH {
            return;
        }
        (self.told, self.any) = (Instant::now(), true);
        let (done, all) = (at.saturating_sub(self.from), self.to.saturating_sub(self.from).max(1));
        eprint!("\r{done} of {all} records ({} %)", done * 100 / all);
        let _ = std::io::stderr().flush();
    }

    fn end(&self) {
        if self.any {
            eprintln!();
        }
    }
}

fn told(tally: &Tally, name: &str) -> String {
    let mut out = String::new();
    if !tally.changes.is_empty() {
        let said = |said: &judge::Said| match (said.code.is_empty(), said.reason.is_empty()) {
            (true, true) => said.verdict.clone(),
            (false, _) => format!("{} {}", said.verdict, said.code),
            (true, false) => format!("{} ({})", said.verdict, said.reason),
        };
        let rows: Vec<Vec<String>> = tally
            .changes
            .iter()
            .map(|change| {
                let candidate = match change.hidden.is_empty() {
                    true => said(&change.candidate),
                    false => {
                        let names: Vec<_> = change.hidden.iter().map(|hidden| hidden.name.as_str()).collect();
                        format!("hides {}", names.join(", "))
                    }
                };
                vec![
                    change.seq.to_string(),
                    change.at.clone(),
                    change.user.clone(),
                    change.resource.clone(),
                    said(&change.recorded),
                    candidate,
                    change.text.split_whitespace().collect::<Vec<_>>().join(" "),
                ]
            })
            .collect();
        out.push_str(&table(&["RECORD", "WHEN", "WHO", "RESOURCE", "RECORDED", "CANDIDATE", "TEXT"], &rows));
        out.push('\n');
    }
    let mut put = |line: String| {
        out.push_str(&line);
        out.push('\n');
    };
    put(format!("{} operations judged, {} would be otherwise", tally.judged, tally.changes.len()));
    let besides = tally.judged - tally.replaced;
    if tally.replaced > 0 && besides > 0 {
        put(format!("in {besides} of them no plugin {name} had a part: judged as one more policy"));
    } else if tally.replaced == 0 && tally.judged > 0 {
        put(format!("no plugin {name} had a part in any of them: judged as one more plugin"));
    }
    if tally.not_asked > 0 {
        put(format!("{} more no policy was asked about", tally.not_asked));
    }
    for (why, count) in &tally.unjudged {
        put(format!("{count} not judged: {}", why.told()));
    }
    if tally.cells_of_answers > 0 {
        let cells = tally.cells_of_answers;
        put(format!(
            "{cells} cells were hidden in answers: the trail keeps no values of answers, so nothing is said of them"
        ));
    }
    if let Some(fault) = &tally.first_fault {
        put(format!("{} answers failed; the first: {}", tally.faults, weir_admin::render::line(fault)));
    }
    out
}

/// A verdict's word.
pub(super) fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Abstain => "abstain",
        Verdict::Allow => "allow",
        Verdict::Deny { .. } => "deny",
        Verdict::Hold { .. } => "hold",
        Verdict::Rewrite { .. } => "rewrite",
    }
}
