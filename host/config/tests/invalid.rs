//! Every problem the checker can report, as people see it: `invalid/NAME.toml` is a file, `invalid/NAME.err` all
//! that is said about it, to the letter. Files called `users-…` are users files.
//!
//! `BLESS=1 cargo test -p weir-config` writes the `.err` files anew; read the difference before committing it.
//!
//! A line `# case: …` in a file changes the world it is loaded in; see [`world`].

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests are tests, too"
)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use common::Pretend;
use weir_config::Code;

#[test]
fn every_case_is_told_as_expected() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    let cases = cases();
    assert!(cases.len() >= 100);
    for case in cases {
        let said = check(&case);
        let golden = case.with_extension("err");
        if bless {
            fs::write(&golden, &said).unwrap();
        } else if fs::read_to_string(&golden).unwrap_or_default() != said {
            wrong.push(format!("--- {}\n{said}", golden.display()));
        }
    }
    assert!(wrong.is_empty(), "these differ from their .err files; they say now:\n\n{}", wrong.join("\n"));
}

#[test]
fn every_code_has_a_case() {
    let said: String =
        cases().iter().map(|case| fs::read_to_string(case.with_extension("err")).unwrap()).collect();
    let missing: Vec<_> = Code::all()
        .iter()
        .filter(|code| !said.contains(&format!("[{code}]: ")))
        .map(|code| code.as_str())
        .collect();
    assert!(missing.is_empty(), "no golden case says {missing:?}");
}

#[test]
fn every_golden_file_has_its_case() {
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        assert!(path.with_extension("toml").exists(), "{} belongs to no case", path.display());
    }
}

/// Otherwise one golden case could stand for several messages, and some of them would be read by nobody.
#[test]
fn every_code_is_reported_at_one_place() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            for (number, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
                for (at, _) in line.match_indices("code::") {
                    let word = line[at + 6..].split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                    let name = word.into_iter().next().unwrap_or_default();
                    let is_constant =
                        name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
                    if is_constant && !name.is_empty() {
                        places.entry(name.into()).or_default().push(format!(
                            "{}:{}",
                            path.display(),
                            number + 1
                        ));
                    }
                }
            }
        }
    }
    assert_eq!(places.len(), Code::all().len(), "a code is reported nowhere: {:?}", places.keys());
    for (name, places) in places {
        assert_eq!(places.len(), 1, "{name} is reported at {places:?}");
    }
}

/// What must never be read anywhere: the literal secrets of the cases.
#[test]
fn no_message_shows_a_secret() {
    for case in cases() {
        let said = fs::read_to_string(case.with_extension("err")).unwrap();
        assert!(!said.contains("hunter2"), "{}", case.display());
    }
}

fn check(case: &Path) -> String {
    let text = fs::read_to_string(case).unwrap();
    let said = if case.file_name().unwrap().to_str().unwrap().starts_with("users-") {
        match weir_config::users::load(Path::new("users.toml"), &world("users.toml", &text)) {
            Ok((_, warnings)) => warnings,
            Err(problems) => problems,
        }
    } else {
        match weir_config::load(Path::new("weir.toml"), &world("weir.toml", &text)) {
            Ok(config) => config.warnings().clone(),
            Err(problems) => problems,
        }
    };
    assert!(!said.is_empty(), "{} has no problem", case.display());
    format!("{said}\n")
}

fn world(name: &str, text: &str) -> Pretend {
    let world = Pretend::new().with_file(name, text, 0o600);
    match text.lines().find_map(|line| line.strip_prefix("# case: ")) {
        None => world,
        Some("this file does not exist") => world.without_file(name),
        Some("this file is Latin-1") => world.with_file(name, b"[server] # Stra\xdfe".as_slice(), 0o600),
        Some("there is no users file") => world.without_file("users.toml"),
        Some("the users file is open to all") => world.with_file("users.toml", common::USERS, 0o644),
        Some("the users file is wrong, too") => {
            world.with_file("users.toml", "[[user]]\nnam = \"ann\"\n", 0o600)
        }
        Some(other) => panic!("unknown case {other:?}"),
    }
}

fn cases() -> Vec<PathBuf> {
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
    cases.sort();
    cases
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/invalid")
}
