//! What holds for every text.

use proptest::prelude::*;

use super::super::{Class, analyse};
use crate::{Kind, all_mentions, lex, literals, redact_secrets, split};

/// Pieces that matter to the lexer or parser, to be thrown together.
const PIECES: &[&str] = &[
    "select",
    "from",
    "where",
    "t",
    "a",
    "1",
    "'x'",
    "\"q\"",
    "(",
    ")",
    ",",
    ";",
    "=",
    "and",
    "or",
    "not",
    "in",
    "delete",
    "update",
    "set",
    "insert",
    "into",
    "values",
    "with",
    "as",
    "union",
    "$1",
    "$$",
    "$a$",
    "E'\\''",
    "U&\"\\0061\"",
    "uescape '!'",
    "--",
    "\n",
    "/*",
    "*/",
    "::",
    "int",
    "[",
    "]",
    ".",
    "*",
    "+",
    "-",
    "@-",
    "case",
    "when",
    "then",
    "end",
    "begin",
    "atomic",
    "create",
    "function",
    "table",
    "copy",
    "to",
    "stdout",
    "exists",
    "null",
    "is",
    "between",
    "like",
    "f(",
    "count(*)",
    "over",
    "join",
    "on",
    "using",
    "limit",
    "order",
    "by",
    "password",
    "'",
    "\"",
    "\\",
    "\u{e9}",
    "1.5",
    "explain",
    "analyze",
    "prepare",
    "merge",
    "matched",
    "returning",
    "for",
    "0x1",
    "..",
    ":=",
    "=>",
    "grant",
    "lateral",
];

fn soup() -> impl Strategy<Value = String> {
    prop::collection::vec((prop::sample::select(PIECES), prop::bool::ANY), 0..40).prop_map(|pieces| {
        pieces
            .into_iter()
            .map(|(piece, space)| if space { format!("{piece} ") } else { piece.to_owned() })
            .collect()
    })
}

/// Valid statements to be disguised.
const STATEMENTS: &[&str] = &[
    "select a, b as c from t where id = 1 and name like 'x%' order by 1 limit 3",
    "delete from t where id = 1",
    "delete from t where id = id",
    "update t set a = a + 1 where id in (1, 2, 3) or b between 1 and 2",
    "with x as (delete from t returning *) select count(*) from x",
    "select evil(1), lower('A'), (1).pg_sleep",
    "copy t (a, b) to stdout with (format csv, header)",
    "insert into t (a) select b from u on conflict (a) do nothing",
    "explain (analyze) select 1",
    "prepare p (int) as select * from t where id = $1",
    "create function f() returns int begin atomic select 1; select case when true then 1 end; end",
    "set search_path to a, b",
    "select case when a is not null then 1 else 2 end, cast(b as int), x::text from t left join u using (id)",
    "grant select on t to r",
    "merge into t using u on t.id = u.id when matched then delete",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn nothing_panics_and_spans_are_sound(text in prop_oneof![soup(), any::<String>()], scs in any::<bool>()) {
        let mut at = 0;
        let mut whole = true;
        for token in lex(&text, scs) {
            match token {
                Ok(token) => {
                    prop_assert_eq!(token.span.start, at);
                    prop_assert!(token.span.end > token.span.start);
                    prop_assert!(text.get(token.span.start as usize..token.span.end as usize).is_some());
                    at = token.span.end;
                }
                Err(error) => {
                    prop_assert!(error.at as usize <= text.len());
                    whole = false;
                }
            }
        }
        if whole {
            prop_assert_eq!(at as usize, text.len());
        }
        let analysis = analyse(&text, scs);
        prop_assert_eq!(analysis.error.is_some(), !whole);
        let mut last = 0;
        for statement in &analysis.statements {
            prop_assert!(statement.span.start >= last && statement.span.start < statement.span.end);
            prop_assert!(text.get(statement.span.start as usize..statement.span.end as usize).is_some());
            last = statement.span.end;
            prop_assert!(statement.classes.contains(statement.class));
            for item in statement.output_items.iter().flatten() {
                prop_assert!(item.span.start >= statement.span.start && item.span.end <= statement.span.end);
            }
        }
        if whole {
            let spans: Vec<_> = analysis.statements.iter().map(|s| s.span).collect();
            prop_assert_eq!(split(&text, scs).unwrap(), spans);
        }
        prop_assert_eq!(redact_secrets(&text, scs).is_some(), whole);
        let _ = literals(&text, scs).count();
        let _ = all_mentions(&text, scs, &["a"]);
    }

    /// A text analysed twice, once after another statement, says the same: there is no state.
    #[test]
    fn statements_do_not_influence_each_other(first in prop::sample::select(STATEMENTS), second in prop::sample::select(STATEMENTS)) {
        let both = analyse(&format!("{first} ; {second}"), true);
        prop_assert_eq!(both.statements.len(), 2);
        for (statement, alone) in both.statements.iter().zip([first, second]) {
            let alone = &analyse(alone, true).statements[0];
            prop_assert_eq!(statement.class, alone.class);
            prop_assert_eq!(&statement.objects, &alone.objects);
            prop_assert_eq!(statement.inner, alone.inner);
        }
    }

    /// White space, comments and the case of unquoted words mean nothing.
    #[test]
    fn disguise_changes_nothing(
        statement in prop::sample::select(STATEMENTS),
        disguise in prop::collection::vec((0usize..6, any::<bool>()), 1..60),
    ) {
        let mut disguised = String::new();
        let mut choices = disguise.iter().cycle();
        for token in lex(statement, true) {
            let token = token.unwrap();
            let (space, upper) = choices.next().unwrap();
            let written = token.span.of(statement);
            match token.kind {
                Kind::Space => disguised.push_str([" ", "\n", "/* ; */", " -- '\n", "\t/*/**/*/\r\n", "/*--*/ "][*space]),
                Kind::Word if *upper => disguised.push_str(&written.to_ascii_uppercase()),
                _ => disguised.push_str(written),
            }
        }
        let (plain, other) = (analyse(statement, true), analyse(&disguised, true));
        prop_assert_eq!(other.statements.len(), 1, "{}", disguised);
        let (plain, other) = (&plain.statements[0], &other.statements[0]);
        prop_assert_eq!(plain.classes, other.classes, "{}", disguised);
        prop_assert_eq!(plain.inner, other.inner);
        prop_assert_eq!(&plain.objects, &other.objects);
        prop_assert_eq!(&plain.functions, &other.functions);
        prop_assert_eq!(&plain.name, &other.name);
    }

    /// Adding anything to a delete without a condition never makes it a read.
    #[test]
    fn what_surrounds_a_change_does_not_hide_it(before in soup(), after in soup()) {
        let text = format!("{before};delete from t;{after}");
        let analysis = analyse(&text, true);
        // the change may end up inside a literal or comment; then there is no statement of that text
        let tokens: Vec<_> = lex(&text, true).filter_map(Result::ok).collect();
        let is_code = analysis.error.is_none()
            && tokens.iter().any(|t| t.span.start as usize == before.len() + 1 && t.span.of(&text) == "delete");
        if is_code {
            let holder = analysis.statements.iter().find(|s| (s.span.start as usize) <= before.len() + 1 && (s.span.end as usize) > before.len() + 1);
            prop_assert!(holder.is_some_and(|s| s.effect() >= Class::BulkWrite), "{}", text);
        }
    }
}
