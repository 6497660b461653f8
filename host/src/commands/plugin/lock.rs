//! `weir plugin lock`: pins every plugin of the configuration to its digest. With a lock file, a gateway loads nothing
//! else (`weir_guests::trust`). What has changed is pinned anew only when it is named, and told first.

use super::sign::replace;
use super::{print_json, runtime, workbench};
use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use weir_admin::render::line;
use weir_config::Machine;
use weir_guests::offline::Sight;
use weir_guests::trust::LOCK_VERSION;

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Lock {
    version: u64,
    plugins: BTreeMap<String, Locked>,
}

/// One plugin as it was when it was pinned. Only the digest is enforced; the rest is for the next difference.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Locked {
    sha256: String,
    world: String,
    contract: String,
    version: String,
    capabilities: Vec<String>,
    exports: Vec<String>,
    settings_schema: Value,
}

/// What became of one plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
enum Outcome {
    /// Pinned for the first time.
    Added,
    Unchanged,
    /// Pinned anew.
    Upgraded {
        differences: Vec<String>,
    },
    /// Another file is there, and it was not named: the pin stays.
    Differs {
        differences: Vec<String>,
    },
    /// No pipeline names it any more: the pin is gone.
    Removed,
    /// It cannot be looked at: a pin stays as it is.
    Unusable {
        problem: String,
    },
}

pub(super) fn lock(config: &Path, upgrade: &[String], json: bool) -> anyhow::Result<ExitCode> {
    let config = match weir_config::examine(config, &Machine) {
        Ok(config) => config,
        Err(problems) => {
            eprintln!("{problems}");
            return Ok(ExitCode::from(crate::commands::EXIT_CONFIG));
        }
    };
    let place = crate::plugins::lock_file(config.file());
    let mut specs = crate::plugins::specs(&config);
    let names: BTreeSet<String> = specs.iter().map(|spec| spec.name.to_string()).collect();
    if let Some(unknown) = upgrade.iter().find(|name| !names.contains(*name)) {
        bail!(
            "no pipeline names a plugin {}; there are: {}",
            line(unknown),
            Vec::from_iter(names).join(", ")
        );
    }
    // Signatures are asked for, the old pins are not.
    specs.iter_mut().for_each(|spec| spec.trust.lock = None);
    let mut seen = BTreeMap::new();
    runtime()?.block_on(async {
        let bench = workbench(false)?;
        for spec in &specs {
            let sight = bench.look(spec).await;
            let entry = sight.and_then(|sight| locked(&sight)).map_err(|problem| problem.to_string());
            seen.insert(spec.name.to_string(), entry);
        }
        Ok::<_, anyhow::Error>(())
    })?;
    let mut lock = read(&place)?;
    let outcomes = settle(&mut lock, seen, upgrade);
    let text = told(&outcomes);
    if !json {
        // Before anything is written.
        print!("{text}");
    }
    let writes =
        |outcome: &Outcome| matches!(outcome, Outcome::Added | Outcome::Upgraded { .. } | Outcome::Removed);
    let changed = outcomes.values().any(writes) || !place.exists();
    if changed {
        replace(&place, format!("{}\n", serde_json::to_string_pretty(&lock)?).as_bytes())?;
    }
    match json {
        true => print_json(&json!({ "lock": place, "written": changed, "plugins": outcomes }))?,
        false if changed => println!("{} is written", place.display()),
        false => println!("{} stays as it is", place.display()),
    }
    let open = |outcome: &Outcome| matches!(outcome, Outcome::Differs { .. } | Outcome::Unusable { .. });
    Ok(if outcomes.values().any(open) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn read(place: &Path) -> anyhow::Result<Lock> {
    let text = match std::fs::read_to_string(place) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Lock { version: LOCK_VERSION, plugins: BTreeMap::new() });
        }
        Err(error) => return Err(error).with_context(|| place.display().to_string()),
    };
    let lock: Lock = serde_json::from_str(&text).with_context(|| {
        format!("{} is damaged: restore it, or remove it to pin everything anew", place.display())
    })?;
    if lock.version != LOCK_VERSION {
        bail!("{} has version {}, this program knows {LOCK_VERSION}", place.display(), lock.version);
    }
    Ok(lock)
}

fn locked(sight: &Sight) -> Result<Locked, weir_guests::LoadProblem> {
    let manifest = sight.manifest.clone()?;
    Ok(Locked {
        sha256: sight.digest.to_string(),
        world: sight.world.to_string(),
        contract: sight.version.to_string(),
        version: manifest.version,
        capabilities: sight.capabilities.iter().map(|wish| wish.as_word().to_owned()).collect(),
        exports: sight.exports.clone(),
        // What is no JSON is refused when it is loaded; here it is kept as a text.
        settings_schema: serde_json::from_str(&manifest.settings_schema)
            .unwrap_or(Value::String(manifest.settings_schema)),
    })
}

/// Brings the lock to what is there, as far as that is wanted.
fn settle(
    lock: &mut Lock,
    seen: BTreeMap<String, Result<Locked, String>>,
    upgrade: &[String],
) -> BTreeMap<String, Outcome> {
    let mut outcomes = BTreeMap::new();
    lock.plugins.retain(|name, _| {
        let stays = seen.contains_key(name);
        if !stays {
            outcomes.insert(name.clone(), Outcome::Removed);
        }
        stays
    });
    for (name, entry) in seen {
        let outcome = match (entry, lock.plugins.get(&name)) {
            (Err(problem), _) => Outcome::Unusable { problem },
            (Ok(new), None) => {
                lock.plugins.insert(name.clone(), new);
                Outcome::Added
            }
            (Ok(new), Some(old)) if old.sha256 == new.sha256 => Outcome::Unchanged,
            (Ok(new), Some(old)) => {
                let differences = differences(old, &new);
                if upgrade.contains(&name) {
                    lock.plugins.insert(name.clone(), new);
                    Outcome::Upgraded { differences }
                } else {
                    Outcome::Differs { differences }
                }
            }
        };
        outcomes.insert(name, outcome);
    }
    outcomes
}

/// What is otherwise, a line each: `+` new, `-` gone, `~` changed.
fn differences(old: &Locked, new: &Locked) -> Vec<String> {
    let mut all = Vec::new();
    let texts = [
        ("sha256", &old.sha256, &new.sha256),
        ("version", &old.version, &new.version),
        ("world", &old.world, &new.world),
        ("contract", &old.contract, &new.contract),
    ];
    for (what, old, new) in texts.into_iter().filter(|(_, old, new)| old != new) {
        all.push(format!("~ {what}: {old} -> {new}"));
    }
    let lists =
        [("capability", &old.capabilities, &new.capabilities), ("export", &old.exports, &new.exports)];
    for (what, old, new) in lists {
        all.extend(new.iter().filter(|name| !old.contains(name)).map(|name| format!("+ {what}: {name}")));
        all.extend(old.iter().filter(|name| !new.contains(name)).map(|name| format!("- {what}: {name}")));
    }
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    leaves(&old.settings_schema, "", &mut before);
    leaves(&new.settings_schema, "", &mut after);
    for (place, value) in &after {
        match before.get(place) {
            None => all.push(format!("+ settings {place}: {value}")),
            Some(old) if old != value => all.push(format!("~ settings {place}: {old} -> {value}")),
            Some(_) => {}
        }
    }
    let gone = before.iter().filter(|(place, _)| !after.contains_key(*place));
    all.extend(gone.map(|(place, value)| format!("- settings {place}: {value}")));
    all
}

/// Every value of a schema that is no table or list, by its JSON pointer.
fn leaves(value: &Value, place: &str, out: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, field) in fields {
                let key = key.replace('~', "~0").replace('/', "~1");
                leaves(field, &format!("{place}/{key}"), out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                leaves(item, &format!("{place}/{index}"), out);
            }
        }
        Value::Null => {}
        value => _ = out.insert(place.to_owned(), value.to_string()),
    }
}

fn told(outcomes: &BTreeMap<String, Outcome>) -> String {
    if outcomes.is_empty() {
        return "no plugins\n".to_owned();
    }
    let mut out = String::new();
    for (name, outcome) in outcomes {
        let name = line(name);
        let (word, lines): (String, &[String]) = match outcome {
            Outcome::Added => ("pinned".into(), &[]),
            Outcome::Unchanged => ("unchanged".into(), &[]),
            Outcome::Upgraded { differences } => ("pinned anew".into(), differences),
            Outcome::Differs { differences } => (
                format!("another file than the pinned one; to take it: weir plugin lock --upgrade {name}"),
                differences,
            ),
            Outcome::Removed => ("no pipeline names it: its pin is gone".into(), &[]),
            Outcome::Unusable { problem } => (format!("cannot be pinned: {}", line(problem)), &[]),
        };
        let _ = writeln!(out, "{name}: {word}");
        short(lines).iter().for_each(|part| _ = writeln!(out, "  {}", line(part)));
    }
    out
}

/// The same for a person: the beginning of digests, and of settings the names of those that have changed.
fn short(differences: &[String]) -> Vec<String> {
    const DIGITS: usize = 12;
    let mut out = Vec::new();
    let mut settings: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for difference in differences {
        if let Some((sign, place)) = difference.split_once(" settings ") {
            // `/properties/NAME/…: …`; what stands elsewhere is named by its first part.
            let place = place.split(": ").next().unwrap_or_default();
            let inside = place.strip_prefix("/properties").unwrap_or(place);
            let name = inside.split('/').nth(1).unwrap_or("schema");
            settings.entry(name).or_default().insert(sign);
        } else if let Some(digests) = difference.strip_prefix("~ sha256: ") {
            let digests: Vec<String> =
                digests.split(" -> ").map(|digest| digest.chars().take(DIGITS).collect()).collect();
            out.push(format!("~ sha256: {}", digests.join(" -> ")));
        } else {
            out.push(difference.clone());
        }
    }
    // A setting of which something is new and something gone is one that changed.
    let of = |wanted: &str| {
        let has = |signs: &BTreeSet<&str>| match signs.iter().copied().collect::<Vec<_>>().as_slice() {
            [one] => *one == wanted,
            _ => wanted == "~",
        };
        settings.iter().filter(|(_, signs)| has(signs)).map(|(name, _)| *name).collect::<Vec<_>>()
    };
    for (sign, names) in ["~", "+", "-"].map(|sign| (sign, of(sign))) {
        if !names.is_empty() {
            out.push(format!("{sign} settings: {}", names.join(", ")));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(sha256: &str, capabilities: &[&str], schema: Value) -> Locked {
        Locked {
            sha256: sha256.into(),
            world: "policy".into(),
            contract: "0.1.0".into(),
            version: "1".into(),
            capabilities: capabilities.iter().map(|word| (*word).to_owned()).collect(),
            exports: vec!["a".into()],
            settings_schema: schema,
        }
    }

    fn lock_of(entry: Locked) -> Lock {
        Lock { version: LOCK_VERSION, plugins: BTreeMap::from([("p".into(), entry)]) }
    }

    #[test]
    fn a_changed_file_is_pinned_only_when_it_is_named() {
        let old = entry("1", &[], json!({"properties": {"a": {"type": "string"}, "b": {"type": "null"}}}));
        let new = entry("2", &["clock"], json!({"properties": {"a": {"type": "integer"}, "c": {}}}));
        let seen = || BTreeMap::from([("p".to_owned(), Ok(new.clone()))]);
        let differences = vec![
            "~ sha256: 1 -> 2".to_owned(),
            "+ capability: clock".to_owned(),
            "~ settings /properties/a/type: \"string\" -> \"integer\"".to_owned(),
            "+ settings /properties/c: {}".to_owned(),
            "- settings /properties/b/type: \"null\"".to_owned(),
        ];
        let mut lock = lock_of(old.clone());
        let outcomes = settle(&mut lock, seen(), &[]);
        assert_eq!(outcomes["p"], Outcome::Differs { differences: differences.clone() });
        assert_eq!(lock.plugins["p"], old);
        let outcomes = settle(&mut lock, seen(), &["p".into()]);
        assert_eq!(outcomes["p"], Outcome::Upgraded { differences });
        assert_eq!(lock.plugins["p"], new);
    }

    #[test]
    fn a_person_reads_names_and_the_beginning_of_digests() {
        let old = entry(
            &"a".repeat(64),
            &[],
            json!({"properties": {"a": {"type": "string", "minLength": 1}, "b": {"type": "null"}}}),
        );
        let new = entry(
            &"b".repeat(64),
            &["clock"],
            json!({"properties": {"a": {"type": "integer"}, "c": {"description": "long: text"}}}),
        );
        assert_eq!(
            short(&differences(&old, &new)),
            [
                "~ sha256: aaaaaaaaaaaa -> bbbbbbbbbbbb",
                "+ capability: clock",
                "~ settings: a",
                "+ settings: c",
                "- settings: b"
            ]
        );
    }

    #[test]
    fn what_cannot_be_looked_at_keeps_its_pin_and_what_is_not_configured_loses_it() {
        let mut lock = lock_of(entry("1", &[], Value::Null));
        let broken = BTreeMap::from([("p".to_owned(), Err("damaged".to_owned()))]);
        assert_eq!(
            settle(&mut lock, broken, &["p".into()])["p"],
            Outcome::Unusable { problem: "damaged".into() }
        );
        assert!(lock.plugins.contains_key("p"));
        assert_eq!(settle(&mut lock, BTreeMap::new(), &[])["p"], Outcome::Removed);
        assert!(lock.plugins.is_empty());
    }
}
