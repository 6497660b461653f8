//! Reading a password from a person or a program.

use anyhow::{Context, bail};
use std::io::{BufRead, IsTerminal, Write};

/// From the first line of standard input, or asked for without showing it.
///
/// `otherwise` says how to give it where nobody can be asked.
pub(crate) fn read(from_stdin: bool, prompt: &str, otherwise: &str) -> anyhow::Result<String> {
    let stdin = std::io::stdin();
    if !from_stdin && !stdin.is_terminal() {
        bail!("there is no terminal to ask for the password: {otherwise}");
    }
    let password = if from_stdin {
        let mut line = String::new();
        stdin.lock().read_line(&mut line).context("reading the password from standard input")?;
        line.trim_end_matches(['\r', '\n']).to_owned()
    } else {
        rpassword::prompt_password(prompt).context("reading the password")?
    };
    std::io::stderr().flush().ok();
    if password.is_empty() {
        bail!("the password is empty");
    }
    Ok(password)
}
