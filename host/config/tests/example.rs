//! `examples/weir.toml` shows every key, states every default, and is right about them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests are tests, too"
)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use common::Pretend;
use weir_config::Config;

/// A comment that is a key at its default: `#key = value`. Prose has a space behind the `#`.
fn is_default(line: &str) -> bool {
    line.starts_with('#') && line[1..].starts_with(|c: char| c.is_ascii_lowercase()) && line.contains(" = ")
}

fn example() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/weir.toml")).unwrap()
}

fn uncommented() -> String {
    example()
        .lines()
        .map(|line| if is_default(line) { &line[1..] } else { line })
        .collect::<Vec<_>>()
        .join("\n")
}

fn load(text: &str) -> Config {
    let users = "[[user]]\nname = \"zoe\"\nkind = \"human\"\ngroups = [\"engineers\", \"leads\"]\n";
    let world = Pretend::new()
        .with_variable("CUSTOMERS_PASSWORD", "s3cret")
        .with_variable("CRM_TOKEN", "s3cret")
        .with_variable("GIT_PASSWORD", "s3cret")
        .with_file("secrets/billing", "s3cret\n", 0o600)
        .with_file("users.toml", users, 0o600)
        .with_file("certificates/internal-ca.pem", "certificate", 0o644)
        .with_file("certificates/weir.pem", "certificate", 0o644)
        .with_file("certificates/weir.key", "key", 0o600)
        .with_file("certificates/weir-client.pem", "certificate", 0o644)
        .with_file("secrets/weir-client.key", "key", 0o600)
        .with_file("certificates/clients-ca.pem", "certificate", 0o644)
        .with_file("certificates/clients.crl", "list", 0o644)
        .with_file("secrets/orders", "s3cret\n", 0o600)
        .with_file("plugins/pii-mask-2.wasm", "component", 0o644)
        .with_file("weir.toml", text.replace("\"weir-secret\"", "\"prints\""), 0o644);
    weir_config::load(Path::new("weir.toml"), &world).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn it_is_without_problems() {
    let config = load(&example());
    assert!(config.warnings().is_empty(), "{}", config.warnings());
    assert_eq!(config.settings().resources.len(), 5);
}

#[test]
fn the_defaults_it_states_are_those_of_the_code() {
    let (stated, defaults) = (load(&uncommented()), load(&example()));
    assert_eq!(stated.settings(), defaults.settings());
    assert!(stated.settings().limits == Default::default());
}

/// Every key is there, commented out or not, and every key with a default is there commented out.
#[test]
fn every_key_is_shown() {
    let shown: BTreeSet<String> =
        uncommented()
            .lines()
            .filter(|line| !line.starts_with('#'))
            .flat_map(|line| line.split(['{', ',']).filter_map(|part| part.split_once('=')))
            .map(|(key, _)| key.trim().to_owned())
            .chain(uncommented().lines().filter(|line| line.starts_with('[')).flat_map(|line| {
                line.trim_matches(['[', ']']).split('.').map(str::to_owned).collect::<Vec<_>>()
            }))
            .collect();
    let known = weir_config::known_keys(&uncommented());
    assert!(known.len() > 50, "{known:?}");
    let missing: Vec<_> =
        known.iter().filter(|key| !shown.contains(key.rsplit('.').next().unwrap_or_default())).collect();
    assert!(missing.is_empty(), "examples/weir.toml does not show {missing:?}");
}
