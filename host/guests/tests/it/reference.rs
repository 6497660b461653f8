//! `wit/reference.md` is what `wit/` says, and the words in it are those of the sources.
//!
//! `BLESS=1 cargo test -p weir-guests --test it reference` writes the page anew.

use crate::reference_page::page;
use crate::support::repository;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

#[test]
fn the_reference_is_what_the_contract_says() {
    let path = repository().join("wit/reference.md");
    let said = page(&repository());
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &said).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = written.lines().zip(said.lines()).position(|(old, new)| old != new);
    assert!(
        written == said,
        "wit/reference.md is not what wit/ says (line {:?}); BLESS=1 writes it anew",
        differs.map(|line| line + 1)
    );
}

/// Rust sources of the host and the plugins, without tests.
fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if path.is_dir() && !["tests", "target", "examples"].contains(&&*name) {
            sources(&path, into);
        } else if name.ends_with(".rs") && !name.contains("tests") {
            into.push(path);
        }
    }
}

fn texts() -> String {
    let mut files = Vec::new();
    ["host", "plugins"].iter().for_each(|folder| sources(&repository().join(folder), &mut files));
    files.sort();
    files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect()
}

fn words() -> Vec<(String, String)> {
    let table = std::fs::read_to_string(repository().join("wit/words.tsv")).unwrap();
    let lines = table.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t'));
    lines.map(|mut line| (line.next().unwrap().to_owned(), line.next().unwrap().to_owned())).collect()
}

#[test]
fn every_word_of_the_table_is_one_somebody_says() {
    let texts = texts();
    for (of, word) in words() {
        assert!(texts.contains(&format!("\"{word}\"")), "{of} `{word}` is in wit/words.tsv and in no source");
    }
}

#[test]
fn every_attribute_somebody_says_is_in_the_table() {
    let known: BTreeSet<_> = words().into_iter().map(|(_, word)| word).collect();
    let texts = texts();
    // What only policies look for, or tests make up, is said with the same calls: it is known anyway.
    let calls = ["Attribute::new(\"", "attribute(\"", "push(attribute(\""];
    let said =
        calls.iter().flat_map(|call| texts.split(call).skip(1).filter_map(|rest| rest.split('"').next()));
    let is_word = |word: &&str| {
        word.contains('-') && word.bytes().all(|byte| byte == b'-' || byte.is_ascii_lowercase())
    };
    let missing: BTreeSet<_> = said.filter(is_word).filter(|word| !known.contains(*word)).collect();
    let claims = ["user-agent"];
    let missing: Vec<_> = missing.into_iter().filter(|word| !claims.contains(word)).collect();
    assert!(missing.is_empty(), "wit/words.tsv says nothing of {missing:?}");
}
