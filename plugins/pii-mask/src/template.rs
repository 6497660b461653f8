//! The server's own texts, which it writes around names and values.
//!
//! A text about something protected is shown only where it is known to be fixed: it has to be one of
//! [`crate::templates::ALL`] from end to end, in English, and what stands in a place of it has to be a word of the
//! statement that can stand there. Any way to read a text as a template is as good as another, since all that is shown
//! is fixed or the statement's own; the one that shows most is taken.

use crate::message::Part;
use crate::taint::{Names, is_operator};
use crate::templates::ALL;

/// A place in a template, and what may be shown there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// a name of the statement
    Name,
    /// that, or one the server made of names of the statement
    Made,
    /// names of the statement, separated by commas
    Columns,
    /// a type of the server's, or a name of the statement
    Type,
    /// a function with the types of its arguments
    Function,
    /// an operator of the statement
    Operator,
    /// a word of the statement or a mark
    Near,
    /// `$1`, if it is in the statement
    Parameter,
    /// never shown
    Value,
}

impl Place {
    fn of(name: &str) -> Option<Place> {
        Some(match name {
            "name" => Place::Name,
            "made" => Place::Made,
            "columns" => Place::Columns,
            "type" => Place::Type,
            "function" => Place::Function,
            "operator" => Place::Operator,
            "near" => Place::Near,
            "parameter" => Place::Parameter,
            "value" => Place::Value,
            _ => return None,
        })
    }

    fn shows(self, text: &str, names: &Names) -> bool {
        match self {
            // Among so many one could be any value.
            _ if names.are_many() => false,
            Place::Name => names.has(text),
            Place::Made => names.has(text) || names.has_made(text),
            Place::Columns => {
                let columns: Vec<&str> = text.split(", ").collect();
                columns.len() <= MAX_LISTED
                    && columns.iter().all(|column| column.len() >= MIN_LISTED_BYTES && names.has(column))
            }
            Place::Type => is_type(text, names),
            Place::Function => is_function(text, names),
            Place::Operator => {
                text.len() <= MAX_OPERATOR_BYTES && text.chars().all(is_operator) && names.has_piece(text)
            }
            // Repeated as it is written, so in any case.
            Place::Near => MARKS.contains(&text) || names.has(&text.to_lowercase()),
            Place::Parameter => text.starts_with('$') && names.has_piece(text),
            Place::Value => false,
        }
    }
}

/// A list of more, or of shorter names, could spell a value.
const MAX_LISTED: usize = 4;
const MIN_LISTED_BYTES: usize = 2;
const MAX_ARGUMENTS: usize = 3;
const MAX_OPERATOR_BYTES: usize = 3;

/// What of `text` is hidden, if it is one of the server's; none if nobody knows it.
pub fn hidden(text: &str, names: &Names) -> Option<Vec<Part>> {
    let least = |parts: &Vec<Part>| parts.iter().map(|(start, stop)| stop - start).sum::<usize>();
    ALL.iter().filter_map(|template| read(text, template, names)).min_by_key(least)
}

/// `text` read as `template`: the places that are hidden.
fn read(text: &str, template: &str, names: &Names) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut pieces = template.split('{');
    let mut at = 0;
    let mut rest = text.strip_prefix(pieces.next()?)?;
    at += text.len() - rest.len();
    let mut pieces = pieces.peekable();
    while let Some(piece) = pieces.next() {
        let (place, fixed) = piece.split_once('}')?;
        let place = Place::of(place)?;
        let length = match pieces.peek() {
            None => rest.strip_suffix(fixed)?.len(),
            Some(_) => rest.find(fixed)?,
        };
        let (inside, behind) = rest.split_at_checked(length)?;
        if !place.shows(inside, names) {
            parts.push((at, at + length));
        }
        rest = behind.get(fixed.len()..)?;
        at += length + fixed.len();
    }
    rest.is_empty().then_some(parts)
}

fn is_type(text: &str, names: &Names) -> bool {
    let element = text.strip_suffix("[]").unwrap_or(text);
    // In quotes, with parentheses or spaces it could be several words of a value.
    let is_plain = |text: &str| text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '$'));
    TYPES.contains(&element) || is_plain(element) && names.has(element)
}

/// `lower(integer)`.
fn is_function(text: &str, names: &Names) -> bool {
    let Some((name, arguments)) = text.strip_suffix(')').and_then(|text| text.split_once('(')) else {
        return false;
    };
    let arguments: Vec<&str> = arguments.split(", ").collect();
    names.has(name)
        && arguments.len() <= MAX_ARGUMENTS
        && arguments.iter().all(|argument| argument.is_empty() || is_type(argument, names))
}

/// What the scanner finds besides words.
const MARKS: &[&str] = &["(", ")", "[", "]", ",", ";", ".", ":", "::", "=", "<", ">", "*", "+", "-", "/"];

/// Types every server has, as it writes them. Without lengths: those can be computed (`pg_catalog.varchar(x, 5, false)`).
const TYPES: &[&str] = &[
    "integer",
    "bigint",
    "smallint",
    "text",
    "unknown",
    "boolean",
    "numeric",
    "character",
    "character varying",
    "date",
    "time without time zone",
    "time with time zone",
    "timestamp without time zone",
    "timestamp with time zone",
    "json",
    "jsonb",
    "uuid",
    "bytea",
    "double precision",
    "real",
    "record",
    "interval",
    "inet",
    "name",
    "anyelement",
    "anyarray",
    "xml",
    "money",
    "oid",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::Named;
    use crate::method::Method;
    use crate::taint::Analysis;

    fn shown(statement: &str, text: &str) -> Option<String> {
        let columns = [Named::parse("customers.full_name", Method::Redact).unwrap()];
        let analysis = Analysis::of("sql.query", statement, &columns);
        let mut shown = text.to_owned();
        for (start, stop) in hidden(text, analysis.names())?.into_iter().rev() {
            shown.replace_range(start..stop, "~");
        }
        Some(shown)
    }

    #[test]
    fn every_place_of_every_template_is_known() {
        for template in ALL {
            assert!(!template.contains('\n'), "{template}");
            for piece in template.split('{').skip(1) {
                let (place, _) = piece.split_once('}').unwrap();
                assert!(Place::of(place).is_some(), "{template}");
            }
            // Filled with something strange it is itself again.
            let filled = template.split('{').enumerate().map(|(index, piece)| match piece.split_once('}') {
                Some((_, fixed)) if index > 0 => format!("~{fixed}"),
                _ => piece.to_owned(),
            });
            let filled: String = filled.collect();
            if filled.trim_matches('~').is_empty() {
                continue;
            }
            assert_eq!(shown("select 1", &filled).as_deref(), Some(filled.as_str()), "{template}");
        }
    }

    #[test]
    fn no_place_spells_a_value() {
        let all = "select a.b, 'x', \"C\", \"n\", c + $1 -> 2, full_name from customers";
        let table = [
            ("column a.b does not exist", Some("column a.b does not exist")),
            ("column a.n does not exist", Some("column ~ does not exist")),
            ("column \"C.a.n\" does not exist", Some("column \"~\" does not exist")),
            ("Key (C, a, n)=(1) already exists.", Some("Key (~)=(~) already exists.")),
            ("operator does not exist: text -> integer", Some("operator does not exist: text -> integer")),
            ("operator does not exist: text +->+ integer", Some("operator does not exist: text ~ integer")),
            ("function c(integer, text) does not exist", Some("function c(integer, text) does not exist")),
            ("function c(integer, text, integer, text) does not exist", Some("function ~ does not exist")),
            (
                "could not determine data type of parameter $1",
                Some("could not determine data type of parameter $1"),
            ),
            (
                "could not determine data type of parameter $77",
                Some("could not determine data type of parameter ~"),
            ),
            ("syntax error at or near \"FROM\"", Some("syntax error at or near \"FROM\"")),
            ("syntax error at or near \"778077007\"", Some("syntax error at or near \"~\"")),
            ("Canary Quetzalcoatl is not a valid encoding name", Some("~")),
            ("division by zero Canary", Some("~")),
            ("a division by zero", Some("~")),
            ("", Some("")),
        ];
        for (text, expected) in table {
            assert_eq!(shown(all, text).as_deref(), expected, "{text}");
        }
    }
}
