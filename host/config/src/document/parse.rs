//! TOML text to [`Node`]s.
//!
//! The parser recovers after an error, so all syntax errors of a file are told at once, the first of each line.
//! With any of them the tree is not used: what a broken line was meant to say is a guess.

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::{At, Entry, Node, Report, Source, Span, Value};
use crate::problem::code;
use crate::secret;

/// The document's tree, or `None` when its syntax is wrong and the report says where.
pub(crate) fn parse(text: &str, report: &Report) -> Option<Node> {
    let (table, mut errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        let root = node_of_table(table.get_ref(), table.span().into());
        hide_logins(&root, report);
        return Some(root);
    }
    errors.sort_by_key(|error| error.span().map_or(0, |span| span.start));
    let mut last_line = 0;
    for error in errors {
        let span: Span = error.span().unwrap_or(0..0).into();
        let line = report.source().line_of(span);
        if line != last_line {
            last_line = line;
            report.source().what_looks_secret(line).into_iter().for_each(|span| report.hide(span));
            let told = report.error(code::SYNTAX, span, format!("this is not TOML: {}", error.message()));
            told.help(help(error.message()));
        }
    }
    None
}

/// What to do about what the parser says. Its words change with its version: what is not known gets the rule.
fn help(message: &str) -> &'static str {
    match message {
        _ if message.contains("must be quoted") => {
            "write texts in quotes, durations and sizes too: `\"30s\"`"
        }
        _ if message.contains("duplicate key") => {
            "each key is written once in a table, each `[table]` once in a file"
        }
        _ if message.contains("unclosed") => {
            "close it before the line ends; a list may go over several lines"
        }
        _ => "one `key = value` to a line, texts in quotes, under `[table]` or `[[list of tables]]`",
    }
}

/// The tree as far as it can be read, and the lines that cannot: for those who need one key of it, and make sure that
/// it is not one of those.
pub(crate) fn salvage(source: &Source) -> (Node, Vec<usize>) {
    let (table, errors) = DeTable::parse_recoverable(source.text());
    let lines = errors
        .iter()
        .flat_map(|error| {
            let span = error.span().unwrap_or(0..0);
            let line = |at| source.line_of(Span { start: at, end: at });
            line(span.start)..=line(span.end)
        })
        .collect();
    (node_of_table(table.get_ref(), table.span().into()), lines)
}

/// Hides the password in whatever looks like a URL with a login, in whatever key it is.
fn hide_logins(node: &Node, report: &Report) {
    match &node.value {
        Value::Text(text) => {
            if let Some(password) = secret::password_in_url(text) {
                let span = report.source().inside(text, node.span, password.start, password.end);
                report.hide(span);
            }
        }
        Value::List(nodes) => nodes.iter().for_each(|node| hide_logins(node, report)),
        Value::Table(entries) => entries.iter().for_each(|entry| hide_logins(&entry.node, report)),
        _ => {}
    }
}

fn node_of_table(table: &DeTable<'_>, span: Span) -> Node {
    let mut entries: Vec<Entry> = table
        .iter()
        .map(|(key, value)| Entry {
            key: At::new(key.get_ref().to_string(), key.span().into()),
            node: node_of(value),
        })
        .collect();
    // The library sorts by name.
    entries.sort_by_key(|entry| entry.key.span);
    Node { span, value: Value::Table(entries) }
}

fn node_of(value: &Spanned<DeValue<'_>>) -> Node {
    let span = value.span().into();
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => Value::Integer(integer_of(number)),
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(flag) => Value::Boolean(*flag),
        DeValue::Datetime(date) => Value::Date(date.to_string()),
        DeValue::Array(nodes) => Value::List(nodes.iter().map(node_of).collect()),
        DeValue::Table(table) => return node_of_table(table, span),
    };
    Node { span, value }
}

/// The library leaves the size of a number to us; it has already removed `_` and the prefix of the radix.
fn integer_of(number: &DeInteger<'_>) -> i128 {
    let digits = number.as_str();
    let outside = if digits.starts_with('-') { i128::MIN } else { i128::MAX };
    i128::from_str_radix(digits, number.radix()).unwrap_or(outside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Source;

    fn tree(text: &str) -> Node {
        parse(text, &Report::new(Source::new("test.toml".into(), text.to_owned()))).unwrap()
    }

    #[test]
    fn places_are_those_of_the_text_and_order_is_kept() {
        let text = "z = 1\n[[r]]\nname = 'x'\nlist = [1, 2_000, 0x1f]\n";
        let tree = tree(text);
        let list = &tree.entry("r").unwrap().node.element(0).unwrap().entry("list").unwrap().node;
        let last = list.element(2).unwrap();
        assert_eq!(&text[last.span.start..last.span.end], "0x1f");
        assert!(matches!(last.value, Value::Integer(31)));
        assert!(matches!(list.element(1).unwrap().value, Value::Integer(2000)));
        let Value::Table(entries) = &tree.value else { panic!() };
        assert_eq!(entries.iter().map(|e| e.key.value.as_str()).collect::<Vec<_>>(), ["z", "r"]);
    }

    #[test]
    fn numbers_outside_of_everything_saturate() {
        let text = format!("a = {}\nb = -{}", "9".repeat(60), "9".repeat(60));
        let tree = tree(&text);
        assert!(matches!(tree.entry("a").unwrap().node.value, Value::Integer(i128::MAX)));
        assert!(matches!(tree.entry("b").unwrap().node.value, Value::Integer(i128::MIN)));
    }
}
