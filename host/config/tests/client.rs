//! What commands need that only ask: they work whatever else is wrong with the file, and never guess.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests are tests, too"
)]

mod common;

use common::Pretend;
use std::path::Path;
use weir_config::{Client, Problems};

fn client(text: &str) -> Result<Client, Problems> {
    weir_config::client(Path::new("weir.toml"), &Pretend::new().with_file("weir.toml", text, 0o600))
}

fn is(admin: &str, state: &str) -> Client {
    Client { admin: admin.parse().unwrap(), state: state.into() }
}

#[test]
fn nothing_but_two_keys_is_looked_at() {
    let rest = "[[resource]]\npassword = { env = \"NOT_SET\" }\nlisten = 7\nnonsense = 1\n";
    assert_eq!(client(rest).unwrap(), is("127.0.0.1:6440", "state"));
    let text = format!(
        "[server]\nstate = \"var\"\nplugins = 3\n[admin]\nlisten = \"127.0.0.1:7000\"\nx = 1\n{rest}"
    );
    assert_eq!(client(&text).unwrap(), is("127.0.0.1:7000", "var"));
}

#[test]
fn a_line_that_is_no_toml_does_not_lock_anybody_out() {
    let text = "[admin]\nlisten = \"127.0.0.1:7000\"\n[log]\nlevel = \n[[resource]]\nname = \"a\n";
    assert_eq!(client(text).unwrap(), is("127.0.0.1:7000", "state"));
}

#[test]
fn a_key_that_cannot_be_made_out_is_told_and_not_guessed() {
    for (text, code) in [
        ("[admin]\nlisten = \"127.0.0.1:70\n", "syntax"),
        ("[admin]\nlisten = 127.0.0.1:7000\n", "syntax"),
        ("[admin\nlisten = \"127.0.0.1:7000\"\n", "syntax"),
        ("[admin]\nlisten = \"127.0.0.1:1\"\nlisten = \"127.0.0.1:2\"\n", "syntax"),
        ("[log]\nlevel = [\n[admin]\nlisten \"127.0.0.1:1\"\n", "syntax"),
        ("admin.listen = \n", "syntax"),
        ("[server]\nstate = 'x\n", "syntax"),
        ("[server]\nstate = 7\n", "wrong-type"),
        ("[admin]\nlisten = \"nowhere\"\n", "bad-address"),
        ("[admin]\nlisten = \"0.0.0.0:6440\"\n", "admin-address"),
    ] {
        let said = client(text).expect_err(text).to_string();
        assert!(said.contains(&format!("error[{code}]")) && said.contains("weir.toml:"), "{text}\n{said}");
    }
}
