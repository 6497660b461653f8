//! The text of a statement on its way to the trail: its names stay, its values go when it is about something
//! protected.

use crate::bytes::at;
use crate::columns::Named;
use crate::message::{Part, join};
use crate::taint::Analysis;
use weir_sql::{Kind, Span, lex, redact_secrets};

/// Numbers with fewer digits say little: limits, flags, small identifiers.
const MIN_DIGITS: usize = 5;

/// What of a statement is hidden beside what is detected in it.
pub fn values(text: &str, analysis: &Analysis) -> Vec<Part> {
    if !analysis.holds_values {
        return if analysis.is_sql { secrets(text) } else { Vec::new() };
    }
    let mut parts = Vec::new();
    for token in lex(text, true) {
        let Ok(token) = token else { return vec![(0, text.len())] };
        let (start, stop) = (token.span.start as usize, token.span.end as usize);
        let written = token.span.of(text);
        match token.kind {
            kind if kind.is_quoted_literal() => parts.push(inside(written, start, stop)),
            Kind::Comment => parts.push((start, stop)),
            Kind::Integer | Kind::Decimal if tells(written) => {
                parts.push((start, stop));
            }
            _ => {}
        }
    }
    // Under the other reading of backslashes literals lie elsewhere.
    let doubtful = text.contains('\\') && lex(text, false).any(|token| token.is_err());
    if doubtful { vec![(0, text.len())] } else { join(parts) }
}

/// Of what is said over HTTP: values of a query that stand under the name of a named column, `?full_name=Ann&x=1`.
pub fn of_query(text: &str, columns: &[Named]) -> Vec<Part> {
    let mut parts = Vec::new();
    for (equals, _) in text.match_indices('=') {
        let (head, tail) = text.split_at_checked(equals).unwrap_or_default();
        let start = head.rfind(['?', '&', ';', '#', ' ']).map_or(0, |mark| mark + 1);
        let name = head.get(start..).unwrap_or_default();
        // An escaped name may be any.
        let is_named = name.contains(['%', '+'])
            || columns.iter().any(|column| column.names_parameter(&format!("query.{name}")));
        let length = tail.find(['&', ';', '#', ' ']).unwrap_or(tail.len());
        if is_named {
            parts.push((equals + 1, equals + length));
        }
    }
    join(parts)
}

/// Whether a number has so many digits that it says something.
pub fn tells(number: &str) -> bool {
    crate::bytes::digits(number.as_bytes()) >= MIN_DIGITS
}

/// `'…'` without its quotes; other notations whole.
fn inside(written: &str, start: usize, stop: usize) -> Part {
    let plain = written.len() >= 2 && written.starts_with('\'') && written.ends_with('\'');
    if plain { (start + 1, stop - 1) } else { (start, stop) }
}

/// Literals in places where secrets are given: `PASSWORD '…'`, `OPTIONS (… '…')`, `CONNECTION '…'`.
fn secrets(text: &str) -> Vec<Part> {
    // Every literal that can hold one has a quote, or dollars that are none of `$1`.
    let bytes = text.as_bytes();
    let begins_quote = |dollar: usize| {
        let next = at(bytes, dollar + 1);
        next == b'$' || next == b'_' || next.is_ascii_alphabetic() || !next.is_ascii()
    };
    if memchr::memchr(b'\'', bytes).is_none() && !memchr::memchr_iter(b'$', bytes).any(begins_quote) {
        return Vec::new();
    }
    let part = |span: &Span| inside(span.of(text), span.start as usize, span.end as usize);
    match redact_secrets(text, true) {
        Some(spans) => spans.iter().map(part).collect(),
        // Nobody can say where its values are.
        None => vec![(0, text.len())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::Method;

    fn hidden(text: &str) -> String {
        let columns = [Named::parse("customers.full_name", Method::Redact).unwrap()];
        let mut shown = text.to_owned();
        for (start, stop) in values(text, &Analysis::of("sql.query", text, &columns)).into_iter().rev() {
            shown.replace_range(start..stop, "~");
        }
        shown
    }

    #[test]
    fn queries() {
        let columns = [Named::parse("customers.full_name", Method::Redact).unwrap()];
        let table = [
            ("GET /customers?full_name=Ann%20Lee&city=Bern", "GET /customers?full_name=~&city=Bern"),
            ("full_name[]=Ann", "full_name[]=~"),
            ("person.full_name=Ann=Lee;x=1", "person.full_name=~;x=1"),
            ("x=1&full%5fname=Ann", "x=1&full%5fname=~"),
            ("GET /customers?name=Ann", "GET /customers?name=Ann"),
            ("full_name=", "full_name="),
        ];
        for (text, expected) in table {
            let mut shown = text.to_owned();
            for (start, stop) in of_query(text, &columns).into_iter().rev() {
                shown.replace_range(start..stop, "~");
            }
            assert_eq!(shown, expected, "{text}");
        }
    }

    #[test]
    fn statements() {
        let table = [
            (
                "select * from orders where note = 'Ann' limit 100000",
                "select * from orders where note = 'Ann' limit 100000",
            ),
            (
                "select * from customers where full_name = 'Ann'",
                "select * from customers where full_name = '~'",
            ),
            (
                "select * from customers where id = 1234 or n = 12345",
                "select * from customers where id = 1234 or n = ~",
            ),
            (
                "insert into customers values ('Ann', E'x\\'y', $$z$$)",
                "insert into customers values ('~', ~, ~)",
            ),
            ("update customers set full_name='Ann' -- was 'Bob'", "update customers set full_name='~' ~"),
            ("select 'customers' /* Ann */ from customers where x = U&'\\0041'", "~"),
            ("alter role ann password 'hunter2'", "alter role ann password '~'"),
            (
                "create user mapping for x server y options (user 'a', password 'b')",
                "create user mapping for x server y options (user '~', password '~')",
            ),
            (
                "create subscription s connection 'host=x password=y' publication p",
                "create subscription s connection '~' publication p",
            ),
            ("select 'unfinished from customers", "~"),
            ("execute p('Ann', 7, 77007.70)", "execute p('~', 7, ~)"),
            ("select 1; explain analyze execute p('Ann')", "select 1; explain analyze execute p('~')"),
            ("call p('Ann')", "call p('~')"),
            ("begin; do $$ 'Ann' $$", "begin; do ~"),
            (
                "insert into orders values ('Ann') on conflict do nothing",
                "insert into orders values ('Ann') on conflict do nothing",
            ),
        ];
        for (text, expected) in table {
            assert_eq!(hidden(text), expected, "{text}");
        }
    }
}
