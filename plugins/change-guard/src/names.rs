//! How the things of an operation are called, and which of those names a pattern must be held against.
//!
//! Case never counts: a rule only makes things stricter, and on some servers `Main` and `main` are one.

use weir_glob::Glob;

/// SQL's names have at most three parts (database, schema, relation); one more for what is no name at all.
const MAX_SQL_PARTS: usize = 4;

/// Stands for a dot inside a quoted part of an SQL name.
const QUOTED_DOT: char = '\u{1}';

/// A pattern for the names of every protocol.
#[derive(Clone, Debug)]
pub struct Pattern {
    pub text: String,
    /// `/` separates; a dot is a character like any other, as in `refs/tags/v1.0`.
    path: Glob,
    /// A dot separates.
    sql: Glob,
    /// It without its first parts, for names that leave them out.
    sql_tails: Vec<Glob>,
}

impl Pattern {
    pub fn new(text: &str) -> Self {
        let sql = sql_name(text);
        // `**` of a longer pattern is one part here, or `audit.**` would be everything.
        let tails = sql.match_indices('.').filter_map(|(dot, _)| sql.get(dot + 1..)).take(MAX_SQL_PARTS);
        let sql_tails = tails.map(|tail| Glob::new(&one_star(tail), b'.')).collect();
        Self {
            text: text.to_owned(),
            path: Glob::new(&text.to_lowercase(), b'/'),
            sql: Glob::new(&sql, b'.'),
            sql_tails,
        }
    }

    pub fn matches(&self, name: &Name) -> bool {
        match name {
            Name::Path(spellings) => spellings.iter().any(|spelling| self.path.matches(spelling)),
            // Either may leave out the schema, and nobody knows here which it is then.
            Name::Sql(name) => {
                let ends = name.rmatch_indices('.').filter_map(|(dot, _)| name.get(dot + 1..));
                self.sql.matches(name)
                    || ends.take(MAX_SQL_PARTS).any(|end| self.sql.matches(end))
                    || self.sql_tails.iter().any(|tail| tail.matches(name))
            }
        }
    }
}

/// One name of an operation, ready to be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    Sql(String),
    /// All ways to read it: a server may resolve escapes, and take `/a/`, `/a;x` and `/a` for the same.
    Path(Vec<String>),
}

impl Name {
    pub fn of(kind: &str, name: &str) -> Self {
        if is_sql(kind) { Self::Sql(sql_name(name)) } else { Self::Path(spellings(name)) }
    }
}

pub fn is_sql(kind: &str) -> bool {
    kind.starts_with("sql.")
}

/// Without quotes and case: `public."Pay"` is `public.pay`.
fn sql_name(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    let mut quoted = false;
    let mut letters = name.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.next_if_eq(&'"').is_some() => plain.push('"'),
            '"' => quoted = !quoted,
            '.' if quoted => plain.push(QUOTED_DOT),
            letter => plain.extend(letter.to_lowercase()),
        }
    }
    plain
}

fn one_star(pattern: &str) -> String {
    let mut once = String::with_capacity(pattern.len());
    for letter in pattern.chars() {
        if letter != '*' || !once.ends_with('*') {
            once.push(letter);
        }
    }
    once
}

fn spellings(name: &str) -> Vec<String> {
    let mut all = vec![name.to_lowercase()];
    if name.contains('%') {
        add(&mut all, percent_decoded(name).to_lowercase());
    }
    for at in 0..all.len() {
        let plain = all.get(at).filter(|name| name.contains(';')).map(|name| without_parameters(name));
        if let Some(plain) = plain {
            add(&mut all, plain);
        }
    }
    for at in 0..all.len() {
        let shorter = all.get(at).and_then(|name| name.strip_suffix('/')).map(str::to_owned);
        if let Some(shorter) = shorter.filter(|name| !name.is_empty() && !name.ends_with(' ')) {
            add(&mut all, shorter);
        }
    }
    all
}

fn add(all: &mut Vec<String>, name: String) {
    if !all.contains(&name) {
        all.push(name);
    }
}

/// `/a;x=1/b` is `/a/b`.
fn without_parameters(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').map(|part| part.split(';').next().unwrap_or(part)).collect();
    parts.join("/")
}

/// What is no escape stays as it is; bytes that are no UTF-8 become U+FFFD.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte == b'%'
            && let [high, low, behind @ ..] = rest
            && let (Some(high), Some(low)) = (char::from(*high).to_digit(16), char::from(*low).to_digit(16))
        {
            bytes.push(u8::try_from(high * 16 + low).unwrap_or(byte));
            rest = behind;
            continue;
        }
        bytes.push(byte);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: &str, pattern: &str, name: &str, expected: bool) {
        assert_eq!(Pattern::new(pattern).matches(&Name::of(kind, name)), expected, "{pattern} {name}");
    }

    #[test]
    fn sql_names_match_with_and_without_their_schema_in_any_case() {
        for (pattern, name, expected) in [
            ("public.payments", "public.payments", true),
            ("public.payments", "payments", true),
            ("public.payments", "shop.public.payments", true),
            ("public.payments", "archive.payments", false),
            ("public.payments", "payments2", false),
            ("shop.public.payments", "public.payments", true),
            ("shop.public.payments", "payments", true),
            ("payments", "public.payments", true),
            ("payments", "payments.lines", false),
            ("Public.Payments", "public.payments", true),
            ("public.payments", "public.\"PAYMENTS\"", true),
            ("public.\"Pay.ments\"", "public.\"pay.ments\"", true),
            ("public.\"Pay.ments\"", "\"pay.ments\"", true),
            ("pay.ments", "\"pay.ments\"", false),
            ("ments", "public.\"pay.ments\"", false),
            ("public.pay*", "public.payments", true),
            ("public.pay*", "payments", true),
            ("audit.*", "audit.log", true),
            ("audit.*", "log", true),
            ("audit.*", "sales.log", false),
            ("audit.**", "sales.log", false),
            ("audit.**", "audit.log", true),
            ("audit.**", "shop.audit.log", true),
            ("**", "sales.log", true),
            ("public.überweisung", "public.\"Überweisung\"", true),
        ] {
            check("sql.query", pattern, name, expected);
        }
    }

    #[test]
    fn paths_match_however_they_are_written() {
        for (pattern, name, expected) in [
            ("/v1/customers/**", "/v1/customers/7", true),
            ("/v1/customers/**", "/v1/%63ustomers/7", true),
            ("/v1/customers/**", "/V1/Customers/7", true),
            ("/v1/customers/**", "/v1/customers;jsessionid=1/7", true),
            ("/v1/customers/**", "/v1/%63ustomers;a/7/", true),
            ("/v1/customers", "/v1/customers/", true),
            ("/v1/customers/*", "/v1/customers/7/", true),
            ("/v1/customers/*", "/v1/customers/7/orders", false),
            ("/v1/50%", "/v1/50%", true),
            ("/v1/%zz", "/v1/%zz", true),
            ("DELETE /**", "DELETE /", true),
            ("/v1/customers/{id}", "/v1/customers/{id}", true),
        ] {
            check("http.request", pattern, name, expected);
        }
    }

    #[test]
    fn refs_and_tools_are_names_with_slashes() {
        check("git.update-ref", "refs/tags/*", "refs/tags/v1.2", true);
        check("git.update-ref", "refs/heads/main", "refs/heads/Main", true);
        check("git.update-ref", "**/shop.git refs/heads/*", "team/shop.git refs/heads/main", true);
        check("mcp.tool-call", "fs.*", "fs.write.file", true);
        check("mcp.tool-call", "delete_*", "delete_customer", true);
        check("mcp.tool-call", "delete_*", "undelete_customer", false);
    }
}
