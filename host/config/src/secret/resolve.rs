//! Fetching a secret from where its reference points.

use std::path::Path;
use std::time::Duration;

use zeroize::Zeroize as _;

use super::{Reference, Secret};
use crate::document::{At, Report};
use crate::outside::{Outside, RunError, ThingKind};
use crate::problem::code;

/// A program that prints a secret gets this long.
pub(crate) const COMMAND_LIMIT: Duration = Duration::from_secs(10);

/// The secret, or `None` and reported. Relative files are looked for in `folder`.
pub(crate) fn resolve(
    reference: &At<Reference>,
    folder: &Path,
    outside: &dyn Outside,
    report: &Report,
) -> Option<Secret> {
    let span = reference.span;
    let origin = reference.value.origin();
    let bytes = match &reference.value {
        Reference::Variable(name) => outside.variable(name).or_else(|| {
            report
                .error(code::SECRET_VARIABLE, span, format!("the environment has no variable {name}"))
                .help("set it for the gateway's process, for example in its service file");
            None
        }),
        Reference::File(path) => read_file(&At::new(path, span), folder, outside, report),
        Reference::Command(command) => run(&At::new(command.as_slice(), span), outside, report),
    }?;
    let mut text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            error.into_bytes().zeroize();
            report.error(code::SECRET_NOT_TEXT, span, format!("the secret from {origin} is not UTF-8 text"));
            return None;
        }
    };
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    if text.is_empty() {
        report.error(code::SECRET_EMPTY, span, format!("the secret from {origin} is empty"));
        return None;
    }
    Some(Secret::new(text, origin))
}

fn read_file(path: &At<&String>, folder: &Path, outside: &dyn Outside, report: &Report) -> Option<Vec<u8>> {
    let full = folder.join(path.value);
    let thing = outside.look(&full).and_then(|thing| match thing.kind {
        ThingKind::Folder => Err(std::io::ErrorKind::IsADirectory.into()),
        _ => outside.read(&full).map(|bytes| (thing, bytes)),
    });
    let (thing, bytes) = match thing {
        Ok(found) => found,
        Err(error) => {
            let message = format!("the secret's file \"{}\" cannot be read: {error}", path.value);
            report
                .error(code::SECRET_FILE, path.span, message)
                .note(format!("it is looked for at {}", full.display()));
            return None;
        }
    };
    if thing.others_may_write {
        let message = format!("anybody on this machine can replace the secret in \"{}\"", path.value);
        report
            .error(code::SECRET_FILE_WRITABLE, path.span, message)
            .help(format!("run `chmod 600 {}`", full.display()));
        return None;
    }
    if thing.others_may_read {
        let message = format!("anybody on this machine can read the secret in \"{}\"", path.value);
        report
            .warning(code::SECRET_FILE_READABLE, path.span, message)
            .help(format!("run `chmod 600 {}`", full.display()));
    }
    Some(bytes)
}

fn run(command: &At<&[String]>, outside: &dyn Outside, report: &Report) -> Option<Vec<u8>> {
    let program = command.value.first().map_or("", String::as_str);
    let by_hand = "run it by hand, as the gateway's user, to see what it says";
    match outside.run(command.value, COMMAND_LIMIT) {
        Ok(bytes) => return Some(bytes),
        Err(RunError::Start(error)) => {
            let message = format!("the program `{program}` cannot be started: {error}");
            report.error(code::COMMAND_START, command.span, message);
        }
        Err(RunError::Failed(status)) => {
            let message = format!("the program `{program}` has failed: {status}");
            report.error(code::COMMAND_FAILED, command.span, message).help(by_hand);
        }
        Err(RunError::TooSlow) => {
            let limit = crate::units::show_duration(COMMAND_LIMIT);
            let message = format!("the program `{program}` has not printed the secret within {limit}");
            report.error(code::COMMAND_SLOW, command.span, message).help(by_hand);
        }
    }
    None
}
