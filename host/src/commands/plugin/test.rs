//! `weir plugin test`: a plugin against its cases. Each case has an instance of its own, as a session has.

use super::cases::{self, Case, CaseFile};
use super::differ::{Differ, Difference};
use super::exchange::Exchanges;
use super::stream::{Conversation, Cuts, LIMITS, Split};
use super::{failed, glob, print_json, refused, runtime, spec_of, workbench};
use crate::cli::PluginTest;
use anyhow::{Context, bail};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use weir_admin::render::line;
use weir_guests::offline::Workbench;
use weir_guests::{Loaded, PluginSpec, World};
use weir_model::{Fault, Verdict};
use weir_session::ports::{Maskers as _, Policies as _, Round};
use weir_session::traffic::{Batch, TOP_BIT};

/// Random splits of each conversation, besides the whole and the one byte by byte.
const SPLITS: usize = 20;

#[derive(Serialize)]
struct Outcome {
    file: String,
    case: String,
    passed: bool,
    differences: Vec<Difference>,
    /// Why the case could not be tried.
    problem: Option<String>,
}

pub(super) fn test(asked: &PluginTest) -> anyhow::Result<ExitCode> {
    let file: &Path = &super::file_of(&asked.plugin)?;
    let place = match &asked.cases {
        Some(place) => place.clone(),
        None => cases::beside(&asked.plugin).context(
            "no cases: there is neither tests/cases nor cases beside the plugin; name a folder with --cases",
        )?,
    };
    let files = cases::read(&place)?;
    let seed = asked.seed.unwrap_or_else(|| {
        let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        now.as_secs() ^ u64::from(now.subsec_nanos())
    });
    let spec = spec_of(file)?;
    let outcomes = runtime()?.block_on(async {
        let bench = workbench(false)?;
        let sight = bench.look(&spec).await.map_err(|problem| refused(file, &problem))?;
        let mut tester = Tester { bench, spec, world: sight.world, seed, loaded: BTreeMap::new() };
        let mut outcomes = Vec::new();
        for (path, file) in &files {
            for case in &file.cases {
                outcomes.push(tester.run(path, file, case).await);
            }
        }
        Ok::<_, anyhow::Error>(outcomes)
    })?;
    let failed = outcomes.iter().filter(|outcome| !outcome.passed).count();
    if asked.json {
        print_json(&json!({
            "seed": seed, "passed": outcomes.len() - failed, "failed": failed, "cases": outcomes,
        }))?;
    } else {
        print!("{}", text(&outcomes));
        println!("{} passed, {failed} failed (seed {seed})", outcomes.len() - failed);
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn text(outcomes: &[Outcome]) -> String {
    let mut out = String::new();
    let mut put = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    for outcome in outcomes {
        let word = if outcome.passed { "ok    " } else { "FAILED" };
        put(format!("{word}  {}: {}", line(&outcome.file), line(&outcome.case)));
        if let Some(problem) = &outcome.problem {
            problem.lines().for_each(|part| put(format!("        {}", line(part))));
        }
        for difference in &outcome.differences {
            put(format!("        {}", line(&difference.what)));
            put(format!("          - expected  {}", line(&difference.expected.to_string())));
            put(format!("          + got       {}", line(&difference.got.to_string())));
        }
    }
    out
}

struct Tester {
    bench: Workbench,
    spec: PluginSpec,
    world: World,
    seed: u64,
    /// By settings: cases that share them share the code and its trial.
    loaded: BTreeMap<String, Arc<Loaded>>,
}

impl Tester {
    async fn run(&mut self, path: &Path, file: &CaseFile, case: &Case) -> Outcome {
        let tried = self.try_case(file, case).await;
        let (differences, problem) = match tried {
            Ok(differences) => (differences, None),
            Err(error) => (Vec::new(), Some(format!("{error:#}"))),
        };
        Outcome {
            file: path.display().to_string(),
            case: case.name.clone(),
            passed: differences.is_empty() && problem.is_none(),
            differences,
            problem,
        }
    }

    async fn load(&mut self, settings: String) -> anyhow::Result<Arc<Loaded>> {
        if let Some(loaded) = self.loaded.get(&settings) {
            return Ok(Arc::clone(loaded));
        }
        let spec = PluginSpec { settings_json: settings.clone(), ..self.spec.clone() };
        let loaded = self.bench.load(&spec).await.map_err(|problem| anyhow::anyhow!("{problem}"))?;
        self.loaded.insert(settings, Arc::clone(&loaded));
        Ok(loaded)
    }

    async fn try_case(&mut self, file: &CaseFile, case: &Case) -> anyhow::Result<Vec<Difference>> {
        let loaded = self.load(file.settings(case)).await?;
        match self.world {
            World::Policy => self.policy(&loaded, file, case).await,
            World::Masker => self.masker(&loaded, file, case).await,
            World::StreamInspector => self.inspector(&loaded, file, case).await,
            World::HttpInspector => self.http_inspector(&loaded, file, case).await,
        }
    }

    async fn policy(
        &self,
        loaded: &Arc<Loaded>,
        file: &CaseFile,
        case: &Case,
    ) -> anyhow::Result<Vec<Difference>> {
        let operation = case.operation.as_ref().context("a case of a policy has an `operation`")?.operation();
        let expect = &case.expect;
        let wanted = expect.verdict.as_deref().context("a case of a policy expects a `verdict`")?;
        known_verdict(wanted)?;
        let mut got = Got::default();
        match self.bench.policy(loaded, file.session(case)?).await {
            Ok(mut policy) => match policy.decide(&operation, Round::First).await.into_iter().next() {
                Some(answer) => match answer.answer {
                    Ok(decision) => got.take(decision),
                    Err(fault) => got.fault(&fault),
                },
                None => bail!("it was not asked"),
            },
            Err(fault) => got.fault(&fault),
        }
        let mut differ = Differ::default();
        differ.text("verdict", Some(wanted), &got.verdict);
        differ.text("code", expect.code.as_deref(), &got.code);
        if let Some(pattern) = &expect.reason
            && !glob::matches(pattern, &got.reason)
        {
            differ.push("reason", json!(pattern), json!(got.reason));
        }
        differ.text("text", expect.text.as_deref(), &got.text);
        if let Some(reviewers) = &expect.reviewers {
            differ.value("reviewers", json!(reviewers), json!(got.reviewers));
        }
        if let Some(findings) = &expect.findings {
            differ.findings(findings, &got.findings);
        }
        if let Some(tags) = &expect.tags {
            differ.value("tags", json!(tags), json!(got.tags));
        }
        // What was not expected at all explains the rest.
        if !differ.0.is_empty() && got.verdict != wanted && expect.reason.is_none() && !got.reason.is_empty()
        {
            differ.push("reason", Value::Null, json!(got.reason));
        }
        Ok(differ.0)
    }

    async fn masker(
        &self,
        loaded: &Arc<Loaded>,
        file: &CaseFile,
        case: &Case,
    ) -> anyhow::Result<Vec<Difference>> {
        let wanted = case.expect.rows.as_ref().context("a case of a masker expects `rows`")?;
        let columns: Vec<_> = case.columns.iter().map(cases::ColumnCase::column).collect();
        if columns.is_empty() || case.rows.iter().any(|row| row.len() != columns.len()) {
            bail!("a case of a masker has `columns`, and `rows` with a value for each of them");
        }
        let operation = match &case.operation {
            Some(operation) => operation.operation(),
            None => weir_model::Operation {
                kind: "sql.query".to_owned(),
                action: weir_model::Action::Read,
                text: String::new(),
                objects: Vec::new(),
                parameters: Vec::new(),
                attributes: Vec::new(),
                claimed: Vec::new(),
            },
        };
        let mut masker = self.bench.masker(loaded, file.session(case)?).await.map_err(failed)?;
        let plan = masker.plan(0, &columns, &operation).await.map_err(failed)?;
        let (mut batch, mut places) = (Batch::default(), Vec::new());
        for (at, row) in case.rows.iter().enumerate() {
            for (column, value) in (0..=u16::MAX).zip(row) {
                if let (true, Some(value)) = (plan.wanted.contains(&column), value) {
                    batch.push(value.as_bytes(), column).ok().context("too many values")?;
                    places.push((at, usize::from(column)));
                }
            }
        }
        let mut rows = case.rows.clone();
        let mut rules = BTreeMap::new();
        if !batch.is_empty() {
            let masked = masker.mask(0, &batch).await.map_err(failed)?;
            let mut from = 0;
            for (cell, end) in masked.cells.iter().zip(&masked.ends) {
                let text = masked.texts.get(from..*end as usize).unwrap_or_default();
                from = *end as usize;
                let new = (cell & TOP_BIT == 0).then(|| String::from_utf8_lossy(text).into_owned());
                let place = places.get((cell & !TOP_BIT) as usize);
                if let Some(value) =
                    place.and_then(|(row, column)| rows.get_mut(*row).and_then(|row| row.get_mut(*column)))
                {
                    *value = new;
                }
            }
            rules.extend(masked.applied.into_iter().map(|applied| (applied.rule, applied.cells)));
        }
        let mut differ = Differ::default();
        for at in 0..wanted.len().max(rows.len()) {
            differ.value(&format!("row {}", at + 1), json!(wanted.get(at)), json!(rows.get(at)));
        }
        if let Some(wanted) = &case.expect.rules {
            differ.value("rules", json!(wanted), json!(rules));
        }
        Ok(differ.0)
    }

    async fn inspector(
        &self,
        loaded: &Arc<Loaded>,
        file: &CaseFile,
        case: &Case,
    ) -> anyhow::Result<Vec<Difference>> {
        if case.wire.is_empty() {
            bail!("a case of a stream inspector has a conversation: `wire`");
        }
        let expect = &case.expect;
        if expect.operations.is_none() && expect.to_server.is_none() && expect.to_client.is_none() {
            bail!("a case of a stream inspector expects `operations`, `to_server` or `to_client`");
        }
        let mut said = Vec::new();
        for each in &case.wire {
            said.push((each.from, each.bytes()?));
        }
        let parameters: Vec<_> =
            case.parameters.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let masking = !case.masks.is_empty();
        let mut cuts = Cuts::new(self.seed);
        for round in 0..SPLITS + 2 {
            let (mut split, how) = self.split(round, &mut cuts);
            let opened =
                self.bench.inspector(loaded, file.session(case)?, &parameters, LIMITS, masking).await;
            let inspector = opened.map_err(failed)?;
            let mut conversation = Conversation::new(inspector, case.refuse.as_ref(), &case.masks);
            let mut spoken = Ok(());
            for (side, bytes) in &said {
                if spoken.is_ok() {
                    spoken = conversation.say(*side, bytes, &mut split).await;
                }
            }
            let heard =
                spoken.and_then(|()| conversation.end()).map_err(|why| anyhow::anyhow!("{how}: {why}"))?;
            let mut differ = Differ::default();
            if let Some(wanted) = &expect.operations {
                differ.tables("operation", wanted, &heard.operations, &how);
            }
            differ.bytes("to_server", expect.to_server.as_ref(), &heard.to_server, &how)?;
            differ.bytes("to_client", expect.to_client.as_ref(), &heard.to_client, &how)?;
            if !differ.0.is_empty() {
                return Ok(differ.0);
            }
        }
        Ok(Vec::new())
    }

    async fn http_inspector(
        &self,
        loaded: &Arc<Loaded>,
        file: &CaseFile,
        case: &Case,
    ) -> anyhow::Result<Vec<Difference>> {
        if case.exchanges.is_empty() {
            bail!("a case of an HTTP inspector has `exchanges`: a list of `request` and `answer`");
        }
        let expect = &case.expect;
        if expect.operations.is_none() && expect.values.is_none() && expect.answers.is_none() {
            bail!("a case of an HTTP inspector expects `operations`, `values` or `answers`");
        }
        let masking = !case.masks.is_empty() || expect.values.is_some();
        let mut session = file.session(case)?;
        if case.session.as_ref().or(file.session.as_ref()).is_none_or(cases::Session::is_of_no_protocol) {
            session.protocol = "http".to_owned();
        }
        let mut cuts = Cuts::new(self.seed);
        for round in 0..SPLITS + 2 {
            let (mut split, how) = self.split(round, &mut cuts);
            let opened = self.bench.http_inspector(loaded, session.clone(), LIMITS, masking).await;
            let mut exchanges = Exchanges::new(opened.map_err(failed)?, case.refuse.as_ref(), &case.masks);
            for (number, exchange) in (1..).zip(&case.exchanges) {
                let done = exchanges.exchange(number, exchange, &mut split).await;
                done.map_err(|why| anyhow::anyhow!("exchange {number} ({how}): {why}"))?;
            }
            let seen = exchanges.seen;
            let mut differ = Differ::default();
            let all = [
                ("operation", &expect.operations, &seen.operations),
                ("value", &expect.values, &seen.values),
                ("answer", &expect.answers, &seen.answers),
            ];
            for (what, wanted, got) in all {
                if let Some(wanted) = wanted {
                    differ.tables(what, wanted, got, &how);
                }
            }
            if !differ.0.is_empty() {
                return Ok(differ.0);
            }
        }
        Ok(Vec::new())
    }

    /// How bytes are cut in one round.
    fn split<'c>(&self, round: usize, cuts: &'c mut Cuts) -> (Split<'c>, String) {
        match round {
            0 => (Split::Whole, "whole".to_owned()),
            1 => (Split::Bytewise, "byte by byte".to_owned()),
            round => (Split::Random(cuts), format!("split {} of seed {}", round - 1, self.seed)),
        }
    }
}

fn known_verdict(word: &str) -> anyhow::Result<()> {
    const WORDS: [&str; 6] = ["allow", "deny", "hold", "rewrite", "abstain", "fault"];
    if !WORDS.contains(&word) {
        bail!("`verdict` is one of {}, not `{word}`", WORDS.join(", "));
    }
    Ok(())
}

/// A policy's answer in words.
#[derive(Default)]
struct Got {
    verdict: String,
    code: String,
    reason: String,
    text: String,
    reviewers: Vec<String>,
    findings: Vec<weir_model::Finding>,
    tags: BTreeMap<String, String>,
}

impl Got {
    fn fault(&mut self, fault: &Fault) {
        self.verdict = "fault".to_owned();
        self.code.clone_from(&fault.code);
        self.reason = format!("{} {}", fault.message, fault.detail).trim().to_owned();
    }

    fn take(&mut self, decision: weir_session::ports::PolicyDecision) {
        self.verdict = super::replay::word(&decision.verdict).to_owned();
        match decision.verdict {
            Verdict::Deny { code, reason } => (self.code, self.reason) = (code, reason),
            Verdict::Hold { code, reason, reviewers } => {
                (self.code, self.reason, self.reviewers) = (code, reason, reviewers);
            }
            Verdict::Rewrite { text } => self.text = text,
            Verdict::Allow | Verdict::Abstain => {}
        }
        self.findings = decision.findings;
        self.tags = decision.tags.iter().map(|tag| (tag.name.clone(), tag.value.clone())).collect();
    }
}

/// The cases' operations, for who measures with them.
pub(super) fn operations(files: &[(PathBuf, CaseFile)]) -> Vec<weir_model::Operation> {
    let cases = files.iter().flat_map(|(_, file)| &file.cases);
    cases.filter_map(|case| case.operation.as_ref()).map(cases::OperationCase::operation).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_case_shows_both_sides() {
        let differences =
            vec![Difference { what: "verdict".into(), expected: json!("deny"), got: json!("allow") }];
        let outcome =
            Outcome { file: "a.json".into(), case: "one".into(), passed: false, differences, problem: None };
        let text = text(&[outcome]);
        assert!(
            text.contains("FAILED  a.json: one\n        verdict\n          - expected  \"deny\"\n"),
            "{text}"
        );
        assert!(text.contains("+ got       \"allow\""), "{text}");
    }
}
