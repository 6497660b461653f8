//! `weir audit`: reading the trail, of a running gateway or a stopped one.

use super::load::client;
use crate::cli::{AuditCommand, Filter as Asked};
use anyhow::{Context, bail};
use std::fmt::Write as _;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use weir_audit::{Anchor, Filter, Record, TrailReader, VerifyError, export_line};
use weir_store::Reader;

/// How often a followed trail is looked at: another process writes it, and SQLite does not call.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

pub(crate) fn audit(config: &Path, command: AuditCommand) -> anyhow::Result<ExitCode> {
    let Ok(gateway) = client(config) else { return Ok(ExitCode::from(super::EXIT_CONFIG)) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let trail = Reader::open(&gateway.state)
            .await
            .context("there is no trail to read yet (has `weir run` been started?)")?;
        match command {
            AuditCommand::Tail { lines, follow, json } => tail(&trail, lines, follow, json).await,
            AuditCommand::Search { filter, json } => {
                let found = trail.search(&filter_of(*filter)?).await?;
                print(found.iter().rev(), json);
                if found.is_empty() && !json {
                    println!("no records");
                }
                Ok(ExitCode::SUCCESS)
            }
            AuditCommand::Show { what, json } => show(&trail, &what, json).await,
            AuditCommand::Export { from, output } => export(&trail, from, output.as_deref()).await,
            AuditCommand::Verify { head } => verify(&trail, head.as_deref()).await,
        }
    })
}

async fn tail(trail: &Reader, lines: u64, follow: bool, json: bool) -> anyhow::Result<ExitCode> {
    let mut seq = trail.head().await?.seq.saturating_sub(lines);
    loop {
        let page = trail.after(seq, 1000).await?;
        print(page.iter(), json);
        match page.last() {
            Some(last) => seq = last.seq,
            None if follow => tokio::time::sleep(LOOK_AGAIN).await,
            None => return Ok(ExitCode::SUCCESS),
        }
    }
}

async fn show(trail: &Reader, what: &str, json: bool) -> anyhow::Result<ExitCode> {
    let records = if let Ok(seq) = what.parse::<u64>() {
        weir_audit::show_record(trail, seq).await?.into_iter().collect()
    } else if let Some((session, operation)) = what.split_once('/') {
        let operation = operation.parse().context("an operation is SESSION/NUMBER")?;
        trail.of_session(session, Some(operation), 0, 1000).await?
    } else {
        trail.of_session(what, None, 0, 10_000).await?
    };
    if records.is_empty() {
        bail!("the trail knows nothing of `{what}`: `weir audit search` shows what there is");
    }
    for record in &records {
        if json {
            println!("{}", export_line(record));
        } else {
            println!("{}", details(record));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn export(trail: &Reader, from: u64, output: Option<&Path>) -> anyhow::Result<ExitCode> {
    let mut out: Box<dyn std::io::Write + Send> = match output {
        Some(path) => Box::new(std::io::BufWriter::new(
            std::fs::File::create(path).with_context(|| format!("creating {}", path.display()))?,
        )),
        None => Box::new(std::io::BufWriter::new(std::io::stdout())),
    };
    let mut failed = Ok(());
    weir_audit::export(trail, from.saturating_sub(1), |record| {
        match writeln!(out, "{}", export_line(record)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Err(error);
                ControlFlow::Break(())
            }
        }
    })
    .await?;
    failed.and_then(|()| out.flush()).context("writing the export")?;
    Ok(ExitCode::SUCCESS)
}

async fn verify(trail: &Reader, head: Option<&str>) -> anyhow::Result<ExitCode> {
    let anchor = head.map(anchor_of).transpose()?;
    if let Some(damage) = trail.foreign().await? {
        println!("the trail is broken: {damage}");
        return Ok(ExitCode::FAILURE);
    }
    match weir_audit::verify(trail, 1..=u64::MAX, anchor).await {
        Ok(verified) => {
            if let Some(damage) = trail.derived().await? {
                println!("the trail is broken: {damage}");
                return Ok(ExitCode::FAILURE);
            }
            println!(
                "the trail is whole: {} records, {} of them erased; its head is {}:{}",
                verified.records,
                verified.erased,
                verified.head.seq,
                weir_audit::chain::hex(&verified.head.hash)
            );
            Ok(ExitCode::SUCCESS)
        }
        Err(VerifyError::Broken(broken)) => {
            println!("the trail is broken: {broken}");
            Ok(ExitCode::FAILURE)
        }
        Err(error) => Err(error.into()),
    }
}

fn anchor_of(text: &str) -> anyhow::Result<Anchor> {
    let parsed = text.split_once(':').and_then(|(seq, hash)| {
        let digits = hash
            .as_bytes()
            .chunks(2)
            .map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()));
        let hash: Vec<u8> = digits.collect::<Option<_>>()?;
        Some(Anchor { seq: seq.parse().ok()?, hash: hash.try_into().ok()? })
    });
    parsed.context("a head is SEQ:HASH, the hash in hexadecimal")
}

/// Whoever misspells a word must not read that nothing was found.
fn known(option: &str, word: Option<String>, words: &[&str]) -> anyhow::Result<Option<String>> {
    match word {
        Some(word) if !words.contains(&word.as_str()) => {
            bail!(
                "--{option} knows no `{}`; it is one of {}",
                weir_admin::render::line(&word),
                words.join(", ")
            )
        }
        word => Ok(word),
    }
}

fn filter_of(asked: Asked) -> anyhow::Result<Filter> {
    Ok(Filter {
        since_us: asked.since.as_deref().map(moment).transpose()?,
        until_us: asked.until.as_deref().map(moment).transpose()?,
        principal: asked.user,
        resource: asked.resource,
        session: asked.session,
        operation: None,
        kind: known("kind", asked.kind, &weir_audit::KINDS)?,
        verdict: known("verdict", asked.verdict, &weir_audit::VERDICTS)?,
        status: known("status", asked.status, &weir_audit::STATUSES)?,
        text: asked.text,
        plugin: asked.plugin.map(first_digits).transpose()?,
        limit: Some(asked.limit),
        before_seq: None,
    })
}

/// RFC 3339, or an age: `90s`, `15m`, `2h`, `7d`.
pub(crate) fn moment(text: &str) -> anyhow::Result<i64> {
    if let Some(moment) = weir_audit::clock::parse_rfc3339(text) {
        return Ok(moment);
    }
    let age = text.char_indices().last().and_then(|(at, unit)| {
        let count: i64 = text.get(..at)?.parse().ok()?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            _ => return None,
        };
        count.checked_mul(seconds)?.checked_mul(1_000_000)
    });
    let age =
        age.with_context(|| format!("`{text}` is no moment: write 2026-11-23T12:00:00Z, or an age like 2h"))?;
    Ok(weir_audit::clock::now_us() - age)
}

fn first_digits(text: String) -> anyhow::Result<String> {
    let digits = !text.is_empty() && text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits.then_some(text).context("--plugin takes the first hexadecimal digits of a digest, 64 at most")
}

fn print<'r>(records: impl Iterator<Item = &'r Record>, json: bool) {
    for record in records {
        if json {
            println!("{}", export_line(record));
        } else {
            println!("{}", line(record));
        }
    }
}

/// One line per record: when, what, who, where, and the beginning of the text. Nothing from outside reaches the
/// terminal unescaped.
fn line(record: &Record) -> String {
    let mut line =
        format!("{:>6}  {}  {:<15}", record.seq, weir_audit::clock::rfc3339(record.at_us), record.kind);
    let payload: serde_json::Value =
        record.payload.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    for part in [&record.principal, &record.resource] {
        let _ = write!(line, " {:<10}", weir_admin::render::line(part.as_deref().unwrap_or("-")));
    }
    if record.principal.is_none()
        && let Some(claimed) = payload.get("claimed_user").and_then(serde_json::Value::as_str)
    {
        let _ = write!(line, " says it is {}", weir_admin::render::line(claimed));
    }
    for word in [&record.verdict, &record.status].into_iter().flatten() {
        let _ = write!(line, " {word}");
    }
    if let (Some(session), Some(operation)) = (&record.session, record.operation) {
        let _ = write!(line, " {session}/{operation}");
    }
    let body: serde_json::Value = serde_json::from_str(&record.body).unwrap_or_default();
    let detail = |key: &str| body.get("detail").and_then(|detail| detail.get(key));
    for name in ["plugin", "token"].into_iter().filter_map(|key| detail(key)?.as_str()) {
        let _ = write!(line, " {}", weir_admin::render::line(name));
    }
    let shown = ["text", "message", "reason", "comment", "problems", "changes"]
        .iter()
        .find_map(|key| payload.get(key).or_else(|| detail(key)))
        .map(|said| match said {
            serde_json::Value::Array(all) => {
                all.iter().filter_map(serde_json::Value::as_str).collect::<Vec<_>>().join("; ")
            }
            said => said.as_str().unwrap_or_default().to_owned(),
        })
        .filter(|text| !text.is_empty());
    if let Some(text) = shown {
        let short: String = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(100).collect();
        let _ = write!(line, "  {}", weir_admin::render::line(&short));
    }
    line
}

/// Everything about one record, key by key.
fn details(record: &Record) -> String {
    let mut out = line(record);
    for (title, text) in [("body", Some(record.body.as_str())), ("payload", record.payload.as_deref())] {
        let Some(value) = text.and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok()) else {
            continue;
        };
        let pretty = serde_json::to_string_pretty(&value).unwrap_or_default();
        let _ = write!(out, "\n  {title}: {}", shown_lines(&pretty));
    }
    out
}

/// Each line made safe for a terminal.
fn shown_lines(text: &str) -> String {
    text.lines().map(weir_admin::render::line).collect::<Vec<_>>().join("\n  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_word_is_refused_with_those_there_are() {
        let said = known("kind", Some("nonsense".into()), &weir_audit::KINDS).unwrap_err().to_string();
        assert!(said.contains("`nonsense`") && said.contains("login-failed"), "{said}");
        assert_eq!(known("kind", Some("held".into()), &weir_audit::KINDS).unwrap().as_deref(), Some("held"));
        assert_eq!(known("kind", None, &weir_audit::KINDS).unwrap(), None);
        let said = known("verdict", Some("denied".into()), &weir_audit::VERDICTS).unwrap_err().to_string();
        assert!(said.contains("`denied`") && said.contains("deny"), "{said}");
        assert!(known("status", Some("success".into()), &weir_audit::STATUSES).is_err());
    }

    #[test]
    fn moments_and_anchors() {
        assert_eq!(moment("1970-01-01T00:00:01Z").unwrap(), 1_000_000);
        assert!(moment("2h").unwrap() < weir_audit::clock::now_us() - 7_000_000_000);
        for bad in ["", "h", "2y", "yesterday"] {
            assert!(moment(bad).is_err(), "{bad}");
        }
        assert_eq!(anchor_of(&format!("7:{}", "ab".repeat(32))).unwrap().seq, 7);
        assert!(anchor_of("7").is_err() && anchor_of("7:zz").is_err());
    }
}
