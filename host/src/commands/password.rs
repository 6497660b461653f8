//! Reading a password from a person or a program.

use anyhow::{Context, bail};
use std::io::{BufRead, IsTerminal, Write};

/// The shortest password that is taken for a user. Only the length counts: rules about characters make passwords that
/// are easy to guess and hard to keep (NIST SP 800-63B, section 5.1.1.2).
const MIN_CHARS: usize = 8;

/// A password that a user is to have from now on, read as [`read`] does.
///
/// # Errors
/// When it is too short.
pub(crate) fn new(from_stdin: bool, prompt: &str, otherwise: &str) -> anyhow::Result<String> {
    let password = read(from_stdin, prompt, otherwise)?;
    long_enough(&password)?;
    Ok(password)
}

fn long_enough(password: &str) -> anyhow::Result<()> {
    let length = password.chars().count();
    if length < MIN_CHARS {
        bail!(
            "the password has {length} characters, and needs {MIN_CHARS}: several words are easy to keep and hard to guess"
        );
    }
    Ok(())
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_length_of_a_new_password_counts() {
        for (password, is_taken) in
            [("aaaaaaaa", true), ("ünïcödé!", true), ("Aa1!Aa1", false), ("éééé", false)]
        {
            assert_eq!(long_enough(password).is_ok(), is_taken, "{password}");
        }
    }
}
