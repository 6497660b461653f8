//! From the SQL reader's words to ours. The only file that knows it.

use super::{Copy, Facts, MaySet, NameEffect};
use crate::copy::{CopyOut, Form, Style};
use std::collections::BTreeSet;
use weir_sql::{Action, Analysis, Class, CopyFormat, CopySource, Statement, Verb};

/// Class of a text without statements.
const EMPTY: &str = "empty";

pub(super) fn of(text: &str, standard_conforming_strings: bool) -> Facts {
    let analysis = weir_sql::analyse(text, standard_conforming_strings);
    let statements = &analysis.statements;
    let action = statements.iter().map(Statement::action).max_by_key(|action| care(*action));
    let mut known = BTreeSet::new();
    let objects = statements.iter().flat_map(|statement| &statement.objects);
    let objects = objects.map(|object| object.name.as_str()).filter(|name| known.insert(*name));
    let objects = objects.map(str::to_owned).collect();
    let only_executes = matches!(statements.as_slice(), [only] if only.verb == Verb::Execute);
    Facts {
        action: action.unwrap_or(Action::Session).name(),
        objects,
        objects_incomplete: statements.iter().any(|statement| statement.flags.unnamed),
        statements: statements.len(),
        class: analysis.class().map_or(EMPTY, Class::name).to_owned(),
        copy: copy(text, &analysis),
        names: statements.iter().flat_map(|statement| effects(text, statement)).collect(),
        executes: executes(statements),
        fetches: statements.iter().filter_map(|statement| fetches(text, statement)).collect(),
        only_executes,
        unseen: statements.iter().any(|statement| {
            statement.classes.contains(Class::CodeExecution) || statement.classes.contains(Class::Unknown)
        }),
        claimed: crate::claimed::tags(text),
        may_set: statements.iter().map(may_set).max().unwrap_or_default(),
        defines_nothing: statements.iter().all(defines_nothing),
        unsafe_reading: false,
        old_strings: false,
        not_utf8: false,
    }
}

fn care(action: Action) -> u8 {
    match action {
        Action::Read => 0,
        Action::Session => 1,
        Action::Call => 2,
        Action::Write => 3,
        Action::Define => 4,
        Action::Unknown => 5,
    }
}

fn may_set(statement: &Statement) -> MaySet {
    let has = |class| statement.classes.contains(class);
    if has(Class::ParsingSetting)
        || has(Class::CodeExecution)
        || has(Class::Unknown)
        || has(Class::FunctionCall)
    {
        return MaySet::Something;
    }
    match statement.verb {
        Verb::Execute | Verb::Reset | Verb::Discard => MaySet::Something,
        // Back to an earlier value: `ROLLBACK TO` is read as Savepoint.
        Verb::Commit | Verb::Rollback | Verb::Savepoint => MaySet::Something,
        _ if statement.objects.iter().any(|object| is_settings(&object.name)) => MaySet::Something,
        _ => MaySet::Nothing,
    }
}

/// What it does is all in its text, and no more than rows and settings.
fn defines_nothing(statement: &Statement) -> bool {
    let harmless = statement.classes.greatest().is_some_and(|class| class <= Class::BulkWrite);
    harmless && statement.executes().is_none()
}

/// An UPDATE of this view sets.
fn is_settings(name: &str) -> bool {
    name.rsplit('.').next().is_some_and(|last| last.trim_matches('"') == "pg_settings")
}

/// An EXECUTE behind a PREPARE of the same text is only reached when that succeeded.
fn executes(statements: &[Statement]) -> Vec<String> {
    let mut executed: Vec<String> = Vec::new();
    // Those prepared before, and those that are listed.
    let mut known: BTreeSet<&str> = BTreeSet::new();
    for statement in statements {
        if statement.verb == Verb::Prepare {
            known.extend(statement.name.as_deref().filter(|name| super::is_plain(name)));
        }
        if let Some(name) = statement.executes()
            && known.insert(name)
        {
            executed.push(name.to_owned());
        }
    }
    executed
}

/// `None`: it does not fetch. A statement that was not understood but begins like one may fetch from any.
fn fetches(text: &str, statement: &Statement) -> Option<Option<String>> {
    match statement.verb {
        Verb::Fetch | Verb::Move => Some(statement.name.clone()),
        Verb::Unknown if begins_with(text, statement, &["fetch", "move"]) => Some(None),
        _ => None,
    }
}

fn effects(text: &str, statement: &Statement) -> Vec<NameEffect> {
    let named = |effect: fn(String) -> NameEffect| statement.name.clone().map(effect).into_iter().collect();
    // Which name the server makes of it is not sure, so all of them are as if it was theirs.
    let unsure = statement.name.as_deref().is_some_and(|name| !super::is_plain(name));
    match statement.verb {
        Verb::Prepare | Verb::Deallocate if unsure => return vec![NameEffect::DeallocateAll],
        Verb::Declare | Verb::Close if unsure => return vec![NameEffect::CloseAllCursors],
        _ => {}
    }
    match statement.verb {
        Verb::Prepare => {
            let body = slice(text, statement.span.start, statement.span.end);
            let prepare = |name| NameEffect::Prepare(name, Some(body.to_owned()));
            statement.name.clone().map(prepare).into_iter().collect()
        }
        Verb::Deallocate if statement.flags.all => vec![NameEffect::DeallocateAll],
        Verb::Deallocate => named(NameEffect::Deallocate),
        Verb::Discard if statement.flags.all => vec![NameEffect::DeallocateAll, NameEffect::CloseAllCursors],
        Verb::Declare => named(NameEffect::Declare),
        Verb::Close if statement.flags.all => vec![NameEffect::CloseAllCursors],
        Verb::Close => named(NameEffect::CloseCursor),
        // Then no name is sure.
        Verb::Unknown
            if begins_with(text, statement, &["prepare", "deallocate", "discard", "declare", "close"]) =>
        {
            vec![NameEffect::DeallocateAll, NameEffect::CloseAllCursors]
        }
        _ => Vec::new(),
    }
}

fn begins_with(text: &str, statement: &Statement, words: &[&str]) -> bool {
    let part = slice(text, statement.span.start, statement.span.end);
    let first: String = part.chars().take_while(char::is_ascii_alphabetic).collect();
    words.iter().any(|word| first.eq_ignore_ascii_case(word))
}

fn copy(text: &str, analysis: &Analysis) -> Copy {
    let goes_out = |statement: &&Statement| matches!(statement.copy, Some(weir_sql::Copy::Out(_)));
    match analysis.statements.as_slice() {
        [only] => match &only.copy {
            Some(weir_sql::Copy::In) => Copy::In,
            Some(weir_sql::Copy::Out(out)) => copy_out(text, out),
            _ => Copy::None,
        },
        several if several.iter().any(|statement| goes_out(&statement)) => {
            Copy::OutUnclear("several statements with a COPY TO STDOUT among them; send it alone")
        }
        _ => Copy::None,
    }
}

fn copy_out(text: &str, out: &weir_sql::CopyOut) -> Copy {
    let utf8 = |encoding: &String| matches!(encoding.replace(['-', '_'], "").as_str(), "utf8" | "unicode");
    if !out.encoding.as_ref().is_none_or(utf8) {
        return Copy::OutUnclear("COPY with another ENCODING than UTF8");
    }
    let byte = |letter: char| u8::try_from(letter).ok().filter(u8::is_ascii);
    let (Some(delimiter), Some(quote), Some(escape)) =
        (byte(out.delimiter), byte(out.quote), byte(out.escape))
    else {
        return Copy::OutUnclear("COPY with a delimiter, quote or escape that is not ASCII");
    };
    let form = match out.format {
        CopyFormat::Text => Form::Text,
        CopyFormat::Csv => Form::Csv,
        CopyFormat::Binary => Form::Binary,
    };
    let describe = match &out.source {
        CopySource::Table { name, columns } => {
            let columns: Vec<String> = columns.iter().map(|column| quoted(column)).collect();
            let list = if columns.is_empty() { "*".to_owned() } else { columns.join(", ") };
            format!("SELECT {list} FROM {}", quoted_path(name))
        }
        CopySource::Query { span, .. } => slice(text, span.start, span.end).to_owned(),
    };
    let style =
        Style { form, delimiter, null: out.null.clone().into_bytes(), quote, escape, header: out.header };
    Copy::Out(Box::new(CopyOut { describe, style }))
}

fn slice(text: &str, start: u32, end: u32) -> &str {
    let place = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
    text.get(place(start)..place(end)).unwrap_or_default()
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A folded path, whose parts are quoted only where they must be, with all of them quoted.
fn quoted_path(path: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut part = String::new();
    let mut in_quotes = false;
    for letter in path.chars() {
        match letter {
            '.' if !in_quotes => parts.push(std::mem::take(&mut part)),
            '"' => {
                in_quotes = !in_quotes;
                part.push('"');
            }
            other => part.push(other),
        }
    }
    parts.push(part);
    let quote = |part: &String| if part.starts_with('"') { part.clone() } else { quoted(part) };
    parts.iter().map(quote).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_careful_word_counts() {
        for (text, action, class) in [
            ("select 1", "read", "read"),
            ("select 1; drop table t", "define", "schema-change"),
            ("insert into t values (1); select 1", "write", "write"),
            ("", "session", "empty"),
            ("-- nothing", "session", "empty"),
            ("select 'open", "unknown", "unknown"),
        ] {
            let facts = of(text, true);
            assert_eq!((facts.action, facts.class.as_str()), (action, class), "{text}");
        }
        let facts = of("select * from a, b; delete from a where id = 1", true);
        assert_eq!(facts.objects, ["a", "b"]);
        assert_eq!(facts.statements, 2);
    }

    #[test]
    fn what_may_change_the_reading_of_later_texts() {
        for text in [
            "update pg_settings set setting = 'off' where name = 'standard_conforming_strings'",
            "with x as (update pg_catalog.pg_settings set setting = 'off') select 1",
            "merge into pg_settings using t on true when matched then update set setting = 'off'",
            "select set_config('client_encoding', 'sjis', false)",
            "with x as (select set_config('client_encoding', 'sjis', false)) select 1",
            "select f()",
            "savepoint s",
            "rollback to s",
            "release s",
            "rollback",
            "commit",
            "end",
            "execute s",
        ] {
            assert_eq!(of(text, true).may_set, MaySet::Something, "{text}");
        }
        for text in ["begin", "select 1", "insert into t values (now())"] {
            assert_eq!(of(text, true).may_set, MaySet::Nothing, "{text}");
        }
    }

    #[test]
    fn names_in_sql() {
        use NameEffect::*;
        for (text, expected) in [
            (
                "select 1; prepare S1 as select 1;",
                vec![Prepare("s1".into(), Some("prepare S1 as select 1".into()))],
            ),
            ("deallocate \"S\"", vec![Deallocate("S".into())]),
            ("deallocate all", vec![DeallocateAll]),
            ("discard all", vec![DeallocateAll, CloseAllCursors]),
            ("declare c cursor for select 1; close c", vec![Declare("c".into()), CloseCursor("c".into())]),
            ("close all", vec![CloseAllCursors]),
            ("prepare what is this", vec![DeallocateAll, CloseAllCursors]),
            ("select 1", vec![]),
            ("prepare \"é\" as select 1", vec![DeallocateAll]),
            (&format!("deallocate {}", "n".repeat(64)), vec![DeallocateAll]),
            (&format!("declare {} cursor for select 1", "n".repeat(64)), vec![CloseAllCursors]),
            ("close é", vec![CloseAllCursors]),
        ] {
            assert_eq!(of(text, true).names, expected, "{text}");
        }
        for (text, fetched) in [
            ("fetch all from q", &[Some("q")][..]),
            ("fetch Q", &[Some("q")]),
            ("fetch backward 3 in \"Q\"; move q", &[Some("Q"), Some("q")]),
            ("fetch first from", &[None]),
            ("move what is this", &[None]),
            ("declare q cursor for select 1; close q", &[]),
        ] {
            let found = of(text, true).fetches;
            assert_eq!(found.iter().map(Option::as_deref).collect::<Vec<_>>(), fetched, "{text}");
        }
        for (text, executed) in [
            ("execute s1(1)", &["s1"][..]),
            ("explain analyze execute s1", &["s1"]),
            ("create table t as execute s1", &["s1"]),
            ("execute a; execute b; execute a", &["a", "b"]),
            ("prepare a as select 1; execute a; execute b", &["b"]),
            ("execute a; prepare a as select 1", &["a"]),
            ("deallocate a", &[]),
            ("prepare é as select 1; execute é", &["é"]),
        ] {
            assert_eq!(of(text, true).executes, executed, "{text}");
        }
    }

    #[test]
    fn copies_and_how_to_describe_them() {
        let describe = |text: &str| match of(text, true).copy {
            Copy::Out(out) => out.describe,
            other => format!("{other:?}"),
        };
        assert_eq!(describe("copy t to stdout"), "SELECT * FROM \"t\"");
        assert_eq!(
            describe("copy s.\"T.x\" (a, \"B\"\"c\") to stdout"),
            "SELECT \"a\", \"B\"\"c\" FROM \"s\".\"T.x\""
        );
        assert_eq!(describe("copy (select a from t) to stdout with (format csv)"), "select a from t");
        assert!(describe("copy t to stdout (encoding 'latin1')").starts_with("OutUnclear"));
        assert!(describe("copy t to stdout; select 1").starts_with("OutUnclear"));
        assert_eq!(of("copy t from stdin", true).copy, Copy::In);
        assert_eq!(of("copy t to '/tmp/x'", true).copy, Copy::None);
    }
}
