//! The text of a file: lines, columns, and what must not be shown of it.

use std::path::{Path, PathBuf};

use super::Span;
use crate::problem::{Location, Mark};
use crate::secret;

/// What stands in an excerpt where a secret was.
const HIDDEN: &str = "********";

/// A file's name and text.
#[derive(Debug)]
pub(crate) struct Source {
    file: PathBuf,
    text: String,
    /// Where each line begins.
    lines: Vec<usize>,
    hidden: Vec<Span>,
}

impl Source {
    pub(crate) fn new(file: PathBuf, text: String) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { file, text, lines, hidden: Vec::new() }
    }

    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// From 1.
    pub(crate) fn line_of(&self, span: Span) -> usize {
        self.lines.partition_point(|start| *start <= span.start).max(1)
    }

    /// From now on, these bytes are shown to nobody.
    pub(crate) fn hide(&mut self, spans: Vec<Span>) {
        self.hidden.extend(spans);
    }

    /// For lines we do not understand: everything behind `password =` and its like, and behind the colon of `//user:`.
    /// Coarse on purpose.
    pub(crate) fn what_looks_secret(&self, line: usize) -> Vec<Span> {
        let (start, text) = self.line(line);
        let end = start + text.len();
        let mut found = Vec::new();
        for (at, _) in text.match_indices('=') {
            let key = text.get(..at).unwrap_or_default().trim_end().trim_end_matches(['"', '\'']);
            let word = key.rsplit(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').next();
            if word.is_some_and(secret::is_name_of_secret) {
                found.push(Span { start: start + at + 1, end });
            }
        }
        if let Some(at) = text.find("//")
            && let Some(colon) = text.get(at..).and_then(|rest| rest.find(':'))
            && text.get(at + colon..).is_some_and(|rest| rest.contains('@'))
        {
            found.push(Span { start: start + at + colon + 1, end });
        }
        found
    }

    /// The part of a text value that `start..end` of its content means: exact for plain quoted texts, the whole
    /// value for those with escapes or several lines.
    pub(crate) fn inside(&self, value: &str, span: Span, start: usize, end: usize) -> Span {
        let quoted = self.text.get(span.start..span.end).unwrap_or_default();
        match quoted.get(1..quoted.len().saturating_sub(1)) {
            Some(content) if content == value => {
                Span { start: span.start + 1 + start, end: span.start + 1 + end }
            }
            _ => span,
        }
    }

    /// Where bytes are, for people. A span over several lines shows its first line.
    pub(crate) fn location(&self, span: Span) -> Location {
        let number = self.line_of(span);
        let (start, line) = self.line(number);
        let end = start + line.len();
        let from = span.start.clamp(start, end);
        let to = span.end.clamp(from, end);
        let (text, from_shown, to_shown) = self.shown(start, line, from, to);
        Location {
            file: self.file.clone(),
            mark: Some(Mark {
                line: number,
                column: line.get(..from - start).map_or(0, |before| before.chars().count()) + 1,
                text,
                indent: from_shown,
                width: to_shown.saturating_sub(from_shown).max(1),
            }),
        }
    }

    /// The line with its secrets replaced, and where `from..to` lie in it, in characters.
    fn shown(&self, start: usize, line: &str, from: usize, to: usize) -> (String, usize, usize) {
        let mut shown = String::new();
        let (mut caret_from, mut caret_to) = (None, None);
        let mut characters = 0;
        let mut covered_until = 0;
        for (offset, character) in line.char_indices() {
            let at = start + offset;
            let cover = self.hidden.iter().filter(|span| span.start <= at && at < span.end);
            if let Some(end) = cover.map(|span| span.end).max() {
                if at >= from {
                    caret_from.get_or_insert(characters);
                }
                if at >= covered_until {
                    shown.push_str(HIDDEN);
                    characters += HIDDEN.len();
                }
                covered_until = covered_until.max(end);
                continue;
            }
            if at >= from {
                caret_from.get_or_insert(characters);
            }
            if at >= to {
                caret_to.get_or_insert(characters);
            }
            // No control character of a file reaches a terminal.
            shown.push(if character.is_control() && character != '\t' { '\u{fffd}' } else { character });
            characters += 1;
        }
        (shown, caret_from.unwrap_or(characters), caret_to.unwrap_or(characters))
    }

    /// Where line `number` (from 1) begins, and its text without the end of line.
    fn line(&self, number: usize) -> (usize, &str) {
        let start = self.lines.get(number.saturating_sub(1)).copied().unwrap_or(self.text.len());
        let rest = self.text.get(start..).unwrap_or_default();
        (start, rest.split('\n').next().unwrap_or_default().trim_end_matches('\r'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(source: &Source, start: usize, end: usize) -> Mark {
        source.location(Span { start, end }).mark.unwrap()
    }

    #[test]
    fn lines_and_columns_count_characters_from_one() {
        let source = Source::new("f".into(), "a = 'ü' # x\r\nbb = 1".into());
        let umlaut = mark(&source, 4, 8);
        assert_eq!((umlaut.line, umlaut.column, umlaut.width), (1, 5, 3));
        assert_eq!(umlaut.text, "a = 'ü' # x");
        let one = mark(&source, 19, 20);
        assert_eq!((one.line, one.column, one.width), (2, 6, 1));
        let end = mark(&source, 20, 20);
        assert_eq!((end.line, end.column, end.width), (2, 7, 1));
    }

    #[test]
    fn what_is_hidden_is_never_shown_and_the_caret_still_fits() {
        let text = "p = { password = 'hunter2', colour = 1 }";
        let mut source = Source::new("f".into(), text.into());
        source.hide(vec![Span { start: 18, end: 25 }]);
        let colour = mark(&source, 28, 34);
        assert_eq!(colour.text, "p = { password = '********', colour = 1 }");
        assert_eq!((colour.column, colour.indent, colour.width), (29, 29, 6));
        let inside = mark(&source, 17, 26);
        assert_eq!((inside.indent, inside.width), (17, 10));
        source.hide(vec![Span { start: 18, end: 22 }]);
        assert_eq!(mark(&source, 28, 34).text, "p = { password = '********', colour = 1 }");
    }

    #[test]
    fn lines_that_are_not_toml_are_shown_without_what_may_be_secret() {
        for (line, shown) in [
            ("password = \"hunter2", "password =********"),
            ("x = { api_key = hunter2", "x = { api_key =********"),
            ("url = \"postgres://app:hunter2@db", "url = \"postgres://app:********"),
            ("url = \"postgres://db:5432", "url = \"postgres://db:5432"),
            ("name = hunter", "name = hunter"),
        ] {
            let mut source = Source::new("f".into(), line.into());
            source.hide(source.what_looks_secret(1));
            assert_eq!(mark(&source, 0, 1).text, shown);
        }
    }
}
