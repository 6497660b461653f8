//! JSON inside a text: an API that is asked for it gives its JSON as a script (JSONP), behind something that no script
//! can run (`)]}',`), or by the name of a text. What is JSON in a text has its fields as values, all other bytes are
//! text.

use super::json::{self, NoValues, Origin};
use super::values::{Collector, Style};
use crate::fault;
use crate::settings::Malformed;
use weir_sdk::http::Fault;

/// What APIs put in front of JSON so that no other site runs it as a script.
const GUARDS: [&str; 10] = [
    ")]}',",
    ")]}'",
    "while(1);",
    "while (1);",
    "for(;;);",
    "for (;;);",
    "throw 1;",
    "{}&&",
    "{} &&",
    "&&&START&&&",
];
/// Longest call in front of JSON, in bytes: `/**/ typeof callback === 'function' && callback(`.
const MAX_CALL: usize = 512;

/// Bytes in front of JSON that mean nothing: spaces, a mark, comments, guards.
pub(super) fn guard(text: &str) -> usize {
    let mut rest = text;
    loop {
        let before = rest.len();
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{1e}'));
        if let Some(found) = GUARDS.iter().find_map(|guard| rest.strip_prefix(guard)) {
            rest = found;
        }
        for (begin, end) in [("/*", "*/"), ("//", "\n")] {
            let comment = rest.strip_prefix(begin).and_then(|rest| rest.split_once(end));
            rest = comment.map_or(rest, |(_, behind)| behind);
        }
        if rest.len() == before {
            return text.len() - before;
        }
    }
}

/// Where the object begins that a text is meant to be: at its beginning, behind a guard, in a call or an assignment.
pub(super) fn meant(text: &str) -> Option<usize> {
    let guarded = guard(text);
    let rest = text.get(guarded..)?;
    let at = rest.bytes().take(MAX_CALL).position(|byte| matches!(byte, b'{' | b'['))?;
    // A name may have an index: `callbacks["f"]({…})`.
    let at = (at..rest.len().min(MAX_CALL))
        .take_while(|at| rest.as_bytes().get(*at) != Some(&b'}'))
        .find(|at| holds_object(rest.as_bytes().get(*at..).unwrap_or_default()))?;
    let before = rest.get(..at)?.trim_end();
    (before.is_empty() || before.ends_with(['(', '=', ','])).then_some(guarded + at)
}

/// Whether JSON seems to begin at the first of these bytes that has fields: `{"a":`, or lists around it.
fn holds_object(data: &[u8]) -> bool {
    let mut rest = data;
    while let [b'[', behind @ ..] = rest {
        rest = behind.trim_ascii_start();
    }
    let [b'{', behind @ ..] = rest else { return false };
    let [b'"', key @ ..] = behind.trim_ascii_start() else { return false };
    let Some(length) = string(key) else { return false };
    key.get(length..).is_some_and(|behind| behind.trim_ascii_start().starts_with(b":"))
}

/// Bytes of a string from behind its first quote to behind its last.
fn string(data: &[u8]) -> Option<usize> {
    let mut escaped = false;
    let end = data.iter().position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    })?;
    Some(end + 1)
}

/// Bytes from the bracket that `data` begins with to the one that closes it.
fn balanced(data: &[u8]) -> Option<usize> {
    let (mut at, mut depth) = (0, 0_usize);
    loop {
        match *data.get(at)? {
            b'"' => at += string(data.get(at + 1..)?)?,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
}

/// Whether there is JSON with fields in a text.
pub(super) fn any(text: &str) -> bool {
    let data = text.as_bytes();
    let mut at = 0;
    while let Some(found) = opening(data, at) {
        let rest = data.get(found..).unwrap_or_default();
        if holds_object(rest) {
            return true;
        }
        at = found + in_vain(rest);
    }
    false
}

/// The next opening bracket from `at` on.
fn opening(data: &[u8], at: usize) -> Option<usize> {
    data.get(at..)?.iter().position(|byte| matches!(byte, b'{' | b'[')).map(|found| at + found)
}

/// How much need not be looked at again when no object was found at its beginning: all brackets of a list that lead to
/// the same place, or a text of brackets would be read once for each.
fn in_vain(data: &[u8]) -> usize {
    let run = data.iter().take_while(|byte| **byte == b'[' || byte.is_ascii_whitespace()).count();
    run.max(1)
}

/// Adds the values of a text that stands in the body from `offset` on.
///
/// # Errors
/// When it is meant to be JSON and is none (unless the settings take it for text), or there are too many values.
pub(super) fn add(
    text: &str,
    offset: usize,
    style: Style,
    malformed: Malformed,
    collector: &mut Collector<'_>,
) -> Result<(), Fault> {
    let meant = if malformed == Malformed::Refuse { meant(text) } else { None };
    let data = text.as_bytes();
    // Each opening bracket may be followed to the end of the text in vain.
    let mut effort = data.len().saturating_mul(8).saturating_add(1 << 16);
    let (mut done, mut at) = (0, 0);
    while let Some(found) = opening(data, at) {
        at = found;
        let rest = data.get(at..).unwrap_or_default();
        if !holds_object(rest) {
            at += in_vain(rest);
            continue;
        }
        let length = balanced(rest);
        effort = effort.checked_sub(length.unwrap_or(rest.len())).ok_or_else(|| {
            Fault::new(fault::ANSWER_TOO_MANY, "the answer cannot be masked: too much in it is nearly JSON")
        })?;
        let mark = collector.mark();
        plain(text, done, at, offset, style, collector)?;
        let json = length.and_then(|length| rest.get(..length)).unwrap_or(rest);
        match json::add(json, Origin::At(offset + at), collector) {
            Ok(()) => {
                at += json.len();
                done = at;
            }
            Err(NoValues::Refused(fault)) => return Err(fault),
            Err(NoValues::Malformed(error)) if meant == Some(at) => return Err(not_json(&error)),
            Err(NoValues::Malformed(_)) => {
                collector.back_to(mark);
                at += 1;
            }
        }
    }
    plain(text, done, data.len(), offset, style, collector)
}

/// What stands around JSON is text, unless it is nothing.
fn plain(
    text: &str,
    start: usize,
    stop: usize,
    offset: usize,
    style: Style,
    collector: &mut Collector<'_>,
) -> Result<(), Fault> {
    let is_all = start == 0 && stop == text.len() && stop > 0;
    if !is_all && text.get(start..stop).is_none_or(|piece| piece.trim().is_empty()) {
        return Ok(());
    }
    let column = collector.column("text", "text", "text", None)?;
    collector.plain(column, offset + start, offset + stop, style)
}

pub(super) fn not_json(error: &weir_json::Error) -> Fault {
    Fault::new(
        fault::ANSWER_JSON,
        format!("the answer is not the JSON it should be: {error} (setting malformed_answers)"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_are_passed_in_one_go() {
        assert_eq!([&b"[ [\n[x"[..], b"{x", b"[{"].map(in_vain), [5, 1, 1]);
        assert!(any(&format!("{}x[{{\"a\":1}}]", "[".repeat(1 << 20))));
        assert!(!any(&"[ ".repeat(1 << 20)));
    }

    #[test]
    fn what_a_text_is_meant_to_be_is_seen_behind_guards_and_calls() {
        for (text, rest) in [
            (r#"{"a":1}"#, Some(r#"{"a":1}"#)),
            (" [ [ {\"a\" :1}]]", Some("[ [ {\"a\" :1}]]")),
            (")]}',\n{\"a\":1}", Some("{\"a\":1}")),
            ("while(1); [{\"a\":1}]", Some("[{\"a\":1}]")),
            ("/**/f({\"a\":1});", Some("{\"a\":1});")),
            ("{} && {\"a\":1}", Some("{\"a\":1}")),
            ("/**/ typeof f === 'function' && f({\"a\":1});", Some("{\"a\":1});")),
            ("a[\"b\"] (200, {\"a\":1})", Some("{\"a\":1})")),
            ("window.x = {\"a\":x}", Some("{\"a\":x}")),
            ("// no\nf({\"a\"", None),
            ("[DONE]", None),
            ("[1] (see [[it]])", None),
            ("Dear {name}", None),
            ("(function(){\"use strict\"})", None),
            ("<p>{\"a\":1}", None),
        ] {
            assert_eq!(meant(text).map(|at| &text[at..]), rest, "{text}");
        }
    }

    #[test]
    fn much_that_is_nearly_json_is_not_read_for_ever() {
        let mut collector = Collector::new("GET /a");
        let text = "x{\"a\":".repeat(20_000);
        let fault = add(&text, 0, Style::Text, Malformed::Refuse, &mut collector).unwrap_err();
        assert_eq!(fault.code, fault::ANSWER_TOO_MANY);
    }
}
