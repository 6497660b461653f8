//! Size and depth: linear time, bounded stack, whatever the text.

use super::super::{Class, MAX_DEPTH, analyse};
use crate::{redact_secrets, split};

const MIB: usize = 1 << 20;

#[test]
fn a_mebibyte_of_anything_ends() {
    for unit in [
        "(",
        ")",
        "'",
        "''",
        "\"",
        "/*",
        "*/",
        "--",
        "+-",
        "a.b.c.",
        "a = 1 or ",
        "select ",
        "not ",
        "[",
        "f(",
        "case when ",
        "(select ",
        ";",
        "begin atomic;",
        "create function begin atomic ;",
        "inherits (inherits, ",
        "partition.",
        "references inherit ",
        "a.b(",
        "with a as (select 1) ",
        "$1 ",
        "$a$",
        "e'\\'",
        "U&\"a\" ",
        "a::b",
        "a,",
        "x in (1) or ",
        "(1),",
        "- ",
        "a join b on c ",
        "1..2 ",
    ] {
        for start in ["", "select ", "delete from t where ", "select * from ", "alter table t add "] {
            let text = format!("{start}{}", unit.repeat(MIB / 16 / unit.len()));
            assert!(!analyse(&text, true).statements.iter().any(|s| s.span.end as usize > text.len()));
            let _ = split(&text, false);
            let _ = redact_secrets(&text, true);
        }
    }
    for unit in ["(", "'", "/*", "a.b.c.", "a = 1 or "] {
        let text = format!("delete from t where {}", unit.repeat(MIB / unit.len()));
        assert!(analyse(&text, true).class() >= Some(Class::BulkWrite));
    }
}

#[test]
fn long_is_not_deep() {
    let arms = format!("delete from t where {} id = 0", "id = 1 or ".repeat(50_000));
    assert_eq!(analyse(&arms, true).class(), Some(Class::Write));
    let arms = format!("delete from t where {} id = id", "id = 1 or ".repeat(50_000));
    assert_eq!(analyse(&arms, true).class(), Some(Class::BulkWrite));
    for text in [
        format!("select {} 'x'", "'x' || ".repeat(50_000)),
        format!("select {} 1", "- ".repeat(50_000)),
        format!("select {} true", "not ".repeat(50_000)),
        format!("select 1 {}", "union all select 1 ".repeat(20_000)),
        format!("select 1 {}", ", 1".repeat(100_000)),
        format!("select 1{}", "::int".repeat(50_000)),
        format!("select 1 from t {}", "join t on true ".repeat(20_000)),
    ] {
        assert_eq!(analyse(&text, true).class(), Some(Class::Read), "{}", &text[..60]);
    }
}

#[test]
fn depth_is_limited_and_said_so() {
    let nested = |depth: usize| format!("select {}1{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(analyse(&nested(MAX_DEPTH as usize / 3), true).class(), Some(Class::Read));
    for (open, close) in [
        ("(", ")"),
        ("(select ", ")"),
        ("f(", ")"),
        ("array[", "]"),
        ("case when ", " then 1 end"),
        ("(1, ", ")"),
        ("coalesce(", ")"),
        ("xmlconcat(", ")"),
        ("json_object('a' value ", ")"),
        ("1 in (", ")"),
        ("1 between (", ") and 1"),
    ] {
        let text = format!("select {}1{}", open.repeat(20_000), close.repeat(20_000));
        let analysis = analyse(&text, true);
        assert_eq!(analysis.class(), Some(Class::Unknown), "{open}");
        assert!(analysis.statements[0].flags.too_deep, "{open}");
    }
    for (open, close) in
        [("(", ")"), ("(select * from ", ") x"), ("lateral (", ")"), ("(a join ", " on true)")]
    {
        let text = format!("select * from {}a{}", open.repeat(20_000), close.repeat(20_000));
        assert_eq!(analyse(&text, true).class(), Some(Class::Unknown), "{open}");
    }
    let ctes = format!("{}select 1{}", "with a as (".repeat(20_000), ") select 1".repeat(20_000));
    assert_eq!(analyse(&ctes, true).class(), Some(Class::Unknown));
    let joins = format!("select * from a {} {}", "join a ".repeat(20_000), "on true ".repeat(20_000));
    assert_eq!(analyse(&joins, true).class(), Some(Class::Unknown));
}

/// The stack of a WebAssembly guest, with the large frames of a build without optimisation.
#[test]
fn the_deepest_text_fits_on_a_small_stack() {
    let run = || {
        for (start, open) in [
            ("select ", "("),
            ("select ", "(select "),
            ("select ", "f("),
            ("select ", "coalesce("),
            ("select ", "case when "),
            ("select ", "array["),
            ("select ", "1 in ("),
            ("select ", "trim("),
            ("select * from ", "("),
            ("select * from ", "(select * from "),
            ("select * from a ", "join b "),
            ("delete from t where ", "id in (select id from u where "),
            ("", "with a as ("),
        ] {
            let analysis = analyse(&format!("{start}{}", open.repeat(5_000)), true);
            assert!(analysis.statements[0].flags.too_deep, "{open}");
        }
    };
    std::thread::Builder::new().stack_size(MIB).spawn(run).unwrap().join().unwrap();
}
