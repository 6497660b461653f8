//! The settings a client brings in its startup packet, as operations.
//!
//! `options=-c role=admin` does what `SET role = admin` does, so it is judged like it. Settings that only say how
//! dates look or who is calling are not worth a question.

use weir_model::{Action, Attribute, Operation};
use weir_wire::postgres::StartupParameters;

/// Settings that change nothing but the form of answers, or only describe the client. Everything else is judged.
const HARMLESS: [&str; 9] = [
    "application_name",
    "datestyle",
    "timezone",
    "intervalstyle",
    "extra_float_digits",
    "geqo",
    "lc_messages",
    "client_min_messages",
    "statement_timeout",
];

/// Every setting the client brings, those inside `options` included, by lower-case name.
pub(super) fn settings(parameters: &StartupParameters) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (name, value) in parameters.iter() {
        if name.eq_ignore_ascii_case("options") {
            all.extend(of_options(value));
        } else {
            all.push((name.to_ascii_lowercase(), value.to_owned()));
        }
    }
    all
}

/// What the client says of itself: kept as claimed context, never as identity.
pub(super) fn claims(settings: &[(String, String)]) -> Vec<Attribute> {
    let claimed = |name: &str| name == "application_name" || name.contains('.');
    let kept = settings.iter().filter(|(name, _)| claimed(name));
    kept.map(|(name, value)| Attribute::new(name.clone(), value.clone())).collect()
}

/// The settings that must be judged, each as the statement that would do the same.
pub(super) fn operations(settings: &[(String, String)]) -> Vec<Operation> {
    let judged = settings.iter().filter(|(name, value)| {
        let utf8 = name == "client_encoding"
            && ["utf8", "utf-8", "unicode", "'utf-8'", "'utf8'"]
                .contains(&value.to_ascii_lowercase().as_str());
        !utf8 && !HARMLESS.contains(&name.as_str()) && !name.contains('.')
    });
    judged
        .map(|(name, value)| Operation {
            kind: "sql.startup".into(),
            action: Action::Session,
            text: format!("SET \"{}\" TO '{}'", name.replace('"', "\"\""), value.replace('\'', "''")),
            objects: vec![name.clone()],
            parameters: vec![],
            attributes: vec![],
            claimed: vec![],
        })
        .collect()
}

/// The command line in `options`: `-c name=value` and `--name=value`, blanks escaped by a backslash
/// (PostgreSQL, `pg_split_opts`). What is neither is kept whole, so that it is judged and refused.
fn of_options(text: &str) -> Vec<(String, String)> {
    let mut words = words(text).into_iter();
    let mut settings = Vec::new();
    while let Some(word) = words.next() {
        let assignment = match word.strip_prefix("-c") {
            Some("") => words.next().unwrap_or_default(),
            Some(attached) => attached.to_owned(),
            None => word.strip_prefix("--").map_or_else(|| word.clone(), ToOwned::to_owned),
        };
        let (name, value) = assignment.split_once('=').unwrap_or((&assignment, ""));
        // The server takes `-` for `_` in names given here.
        settings.push((name.to_ascii_lowercase().replace('-', "_"), value.to_owned()));
    }
    settings
}

fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut inside) = (Vec::new(), String::new(), false);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                inside = true;
                word.extend(characters.next());
            }
            blank if blank.is_ascii_whitespace() || blank == '\u{b}' => {
                if std::mem::take(&mut inside) {
                    words.push(std::mem::take(&mut word));
                }
            }
            other => {
                inside = true;
                word.push(other);
            }
        }
    }
    if inside {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut parameters = StartupParameters::new();
        for (name, value) in pairs {
            parameters.push(*name, *value).unwrap();
        }
        settings(&parameters)
    }

    #[test]
    fn options_are_settings() {
        let found = of(&[("options", r"-c role=admin --search-path=a\ b -cgw.conv=42 -x")]);
        let expected = [("role", "admin"), ("search_path", "a b"), ("gw.conv", "42"), ("_x", "")];
        let found: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn only_what_changes_meaning_is_judged() {
        let found = of(&[
            ("application_name", "psql"),
            ("client_encoding", "UTF8"),
            ("DateStyle", "ISO"),
            ("options", "-c gw.conv=1 -c role=o'brien"),
        ]);
        let texts: Vec<_> = operations(&found).into_iter().map(|operation| operation.text).collect();
        assert_eq!(texts, [r#"SET "role" TO 'o''brien'"#]);
        let claims: Vec<_> = claims(&found).into_iter().map(|claim| claim.name).collect();
        assert_eq!(claims, ["application_name", "gw.conv"]);
        assert_eq!(operations(&of(&[("client_encoding", "SJIS")])).len(), 1);
    }
}
