use super::*;

fn tokens(text: &str, scs: bool) -> Vec<(Kind, String)> {
    lex(text, scs)
        .map(|t| t.unwrap())
        .filter(|t| !t.kind.is_trivia())
        .map(|t| (t.kind, t.span.of(text).to_owned()))
        .collect()
}

fn check(text: &str, expected: &[(Kind, &str)]) {
    let expected: Vec<(Kind, String)> = expected.iter().map(|(k, s)| (*k, (*s).to_owned())).collect();
    assert_eq!(tokens(text, true), expected, "{text}");
}

fn check_error(text: &str, problem: Problem) {
    let last = lex(text, true).last().unwrap();
    assert_eq!(last.map_err(|e| e.problem), Err(problem), "{text}");
}

#[test]
fn names() {
    check("a A_1$x étage", &[(Kind::Word, "a"), (Kind::Word, "A_1$x"), (Kind::Word, "étage")]);
    check("a$$b$$", &[(Kind::Word, "a$$b$$")]);
    check(
        r#""a""b".U&"\0061""#,
        &[(Kind::Quoted, r#""a""b""#), (Kind::Dot, "."), (Kind::UnicodeQuoted, r#"U&"\0061""#)],
    );
    check(
        r#"U&"!0061" UESCAPE '!' x"#,
        &[(Kind::UnicodeQuoted, r#"U&"!0061" UESCAPE '!'"#), (Kind::Word, "x")],
    );
    check(
        r#"u&"!0061"/* */uescape --
        E'\x21'"#,
        &[(Kind::UnicodeQuoted, "u&\"!0061\"/* */uescape --\n        E'\\x21'")],
    );
    check(
        "U&a u &",
        &[
            (Kind::Word, "U"),
            (Kind::Operator, "&"),
            (Kind::Word, "a"),
            (Kind::Word, "u"),
            (Kind::Operator, "&"),
        ],
    );
    check_error("\"\"", Problem::EmptyIdentifier);
    check_error("\"a", Problem::UnterminatedIdentifier);
    check_error(r#"U&"\00g1""#, Problem::BadEscape);
    check_error(r#"U&"\D83D""#, Problem::BadEscape);
    check_error(r#"U&"a" UESCAPE 'ab'"#, Problem::BadUnicodeEscapeCharacter);
    check_error(r#"U&"a" UESCAPE '+'"#, Problem::BadUnicodeEscapeCharacter);
    check_error(r#"U&"a" UESCAPE x"#, Problem::BadUnicodeEscapeCharacter);
}

#[test]
fn folded_names() {
    let name = |text: &str| folded(text);
    fn folded(text: &str) -> String {
        let token = lex(text, true).next().unwrap().unwrap();
        crate::folded_name(text, token).unwrap().into_owned()
    }
    assert_eq!(name("SELECT"), "select");
    assert_eq!(name("ÉTÉ"), "ÉtÉ");
    assert_eq!(name("\"A\"\"b\""), "A\"b");
    assert_eq!(name(r#"U&"\0073sn""#), "ssn");
    assert_eq!(name(r#"U&"d!0061t!+000061" UESCAPE '!'"#), "data");
    assert_eq!(name(r#"U&"\D83D\DE00""#), "😀");
    assert_eq!(name(&"a".repeat(70)), "a".repeat(63));
    assert_eq!(name(&"é".repeat(40)), "é".repeat(31));
}

#[test]
fn literals() {
    check("'a''b' 'c'", &[(Kind::Text, "'a''b'"), (Kind::Text, "'c'")]);
    check("'a'\n'b'", &[(Kind::Text, "'a'\n'b'")]);
    check("'a' -- x'y\n --z\n\t'b'", &[(Kind::Text, "'a' -- x'y\n --z\n\t'b'")]);
    check("'a' /*\n*/ 'b'", &[(Kind::Text, "'a'"), (Kind::Text, "'b'")]);
    check("'a'\n-'b'", &[(Kind::Text, "'a'"), (Kind::Minus, "-"), (Kind::Text, "'b'")]);
    check(r"'a\' 'b'", &[(Kind::Text, r"'a\'"), (Kind::Text, "'b'")]);
    check(r"E'a\'b' e'\\'", &[(Kind::EscapeText, r"E'a\'b'"), (Kind::EscapeText, r"e'\\'")]);
    check(
        "b'01' X'ff' N'x'",
        &[(Kind::Bits, "b'01'"), (Kind::Hex, "X'ff'"), (Kind::Word, "N"), (Kind::Text, "'x'")],
    );
    check("U&'a!0062' UESCAPE '!'", &[(Kind::UnicodeText, "U&'a!0062' UESCAPE '!'")]);
    check_error("U&'a!b' UESCAPE '!'", Problem::BadEscape);
    check("b'1''' x'f'\n'e'", &[(Kind::Bits, "b'1'"), (Kind::Text, "''"), (Kind::Hex, "x'f'\n'e'")]);
    check("$$a$b$$ $t$ $$ $T$ $t$", &[(Kind::DollarText, "$$a$b$$"), (Kind::DollarText, "$t$ $$ $T$ $t$")]);
    check("$a$ $b$a$", &[(Kind::DollarText, "$a$ $b$a$")]);
    for text in ["'a", "'a''", "E'a\\'", "E'\\", "b'0", "x'", "U&'a", "$$a$", "$a$a$A$", "'a'\n'b"] {
        check_error(text, Problem::UnterminatedText);
    }
    for text in
        [r"E'\u00g1'", r"E'\ud83d'", r"E'\ud83dx'", r"E'\ude00'", r"E'\000'", r"E'\xff'", r"E'\U00110000'"]
    {
        check_error(text, Problem::BadEscape);
    }
}

#[test]
fn without_standard_conforming_strings_a_backslash_escapes() {
    assert_eq!(tokens(r"'a\'b'", false), [(Kind::EscapeText, r"'a\'b'".to_owned())]);
    assert_eq!(tokens(r"b'a\' 'c'", false).len(), 2);
    let error = lex("U&'a'", false).last().unwrap().unwrap_err();
    assert_eq!(error.problem, Problem::UnicodeTextNotAllowed);
}

#[test]
fn literal_values() {
    let value = |text: &str| {
        let token = lex(text, true).next().unwrap().unwrap();
        crate::literal_text(text, token).map(|v| v.into_owned())
    };
    assert_eq!(value("'a''b'").unwrap(), "a'b");
    assert_eq!(value("'DEL'\n'E''TE'").unwrap(), "DELE'TE");
    assert_eq!(value("'a' --'x'\n 'b'").unwrap(), "ab");
    assert_eq!(value(r"E'\x41\102\u0043\U00000044\n\'''\q'").unwrap(), "ABCD\n''q");
    assert_eq!(value(r"U&'\0041''\\\D83D\DE00'").unwrap(), "A'\\😀");
    assert_eq!(value(r"U&'!0041' UESCAPE $$!$$").unwrap(), "A");
    assert_eq!(value("$a$x'$$y$a$").unwrap(), "x'$$y");
    assert_eq!(value("$$$$").unwrap(), "");
    assert_eq!(value("12"), None);
}

#[test]
fn numbers() {
    use Kind::{Decimal, DotDot, Integer, Param};
    check(
        "1 1.5 .5 1. 1e5 1.e-5 .5E+1",
        &[
            (Integer, "1"),
            (Decimal, "1.5"),
            (Decimal, ".5"),
            (Decimal, "1."),
            (Decimal, "1e5"),
            (Decimal, "1.e-5"),
            (Decimal, ".5E+1"),
        ],
    );
    check("1..2", &[(Integer, "1"), (DotDot, ".."), (Integer, "2")]);
    check("1.5.3", &[(Decimal, "1.5"), (Decimal, ".3")]);
    check(
        "0x1F 0o17 0b101 1_000 0x_ff",
        &[(Integer, "0x1F"), (Integer, "0o17"), (Integer, "0b101"), (Integer, "1_000"), (Integer, "0x_ff")],
    );
    check("$1 $23$4", &[(Param, "$1"), (Param, "$23"), (Param, "$4")]);
    check("$1$$a$$", &[(Param, "$1"), (Kind::DollarText, "$$a$$")]);
    for text in
        ["1a", "1OR", "1_", "1__0", "1e", "1e+", "1.5x", "0x", "0xg", "0b12", "0o8", "1.a", "0x1$1", "1é"]
    {
        check_error(text, Problem::JunkAfterNumber);
    }
    check_error("$1a", Problem::JunkAfterParameter);
    check_error("$ 1", Problem::UnexpectedCharacter);
    check_error("$a b", Problem::UnexpectedCharacter);
}

#[test]
fn operators() {
    use Kind::{Equal, LessEqual, Minus, NotEqual, Operator, Plus, Star};
    let op = |text: &'static str| (Operator, text);
    check(
        "@- =- <=- <>-+",
        &[
            op("@-"),
            (Equal, "="),
            (Minus, "-"),
            (LessEqual, "<="),
            (Minus, "-"),
            (NotEqual, "<>"),
            (Minus, "-"),
            (Plus, "+"),
        ],
    );
    check("*-/*x*/+--y", &[(Star, "*"), (Minus, "-"), (Plus, "+")]);
    check("+-+-", &[(Plus, "+"), (Minus, "-"), (Plus, "+"), (Minus, "-")]);
    check("->> #>> <-> ~~* <@", &[op("->>"), op("#>>"), op("<->"), op("~~*"), op("<@")]);
    check("@--c", &[op("@")]);
    check("<--c", &[(Kind::Less, "<")]);
    check("=>/**/::", &[(Kind::Arrow, "=>"), (Kind::Cast, "::")]);
    check(":=:", &[(Kind::Assign, ":="), (Kind::Colon, ":")]);
    check("*/", &[op("*/")]);
    check_error(&"@".repeat(64), Problem::OperatorTooLong);
    check(
        &"@".repeat(63),
        &[op("@").0].map(|k| (k, "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@")),
    );
}

#[test]
fn comments_nest() {
    check("/* /* */ 'a */ 1 --2\n3", &[(Kind::Integer, "1"), (Kind::Integer, "3")]);
    check("/**/1/***/2/*/**/*/3", &[(Kind::Integer, "1"), (Kind::Integer, "2"), (Kind::Integer, "3")]);
    check_error("/* /* */", Problem::UnterminatedComment);
    check_error("/*/", Problem::UnterminatedComment);
}

#[test]
fn what_no_rule_knows_is_an_error() {
    for text in ["\\", "{", "}", "\u{1}", "\u{7f}"] {
        check_error(text, Problem::UnexpectedCharacter);
    }
    check_error("select 1\0", Problem::NulByte);
}

#[test]
fn any_size_takes_linear_time() {
    let mib = 1 << 20;
    for unit in
        ["(", "'", "''", "\"", "/*", "--", "+-", "-+", "a.", "$a$", "$a", "$", "U&\"a\" /* */", "'a'\n", "1."]
    {
        let text = unit.repeat(mib / unit.len());
        let _ = lex(&text, true).count();
        let _ = lex(&text, false).count();
    }
}
