use super::*;
use proptest::prelude::*;

/// Each secret is put together here, so that no scanner takes this file for a leak.
fn join(parts: &[&str]) -> String {
    parts.concat()
}

#[test]
fn secrets_are_replaced() {
    let hex = "0123456789abcdef0123456789abcdef";
    let word = "abcdefghijABCDEFGHIJ0123456789abcdefghij";
    let p = "[redacted:password]";
    let table: &[(String, String)] = &[
        ("ALTER ROLE ann PASSWORD 'hunter2'".into(), format!("ALTER ROLE ann PASSWORD '{p}'")),
        (
            "create user a with encrypted password  E'it\\'s''x' valid until 'now'".into(),
            format!("create user a with encrypted password  E'{p}' valid until 'now'"),
        ),
        ("CREATE USER a IDENTIFIED BY 'x y;z'".into(), format!("CREATE USER a IDENTIFIED BY '{p}'")),
        (
            "create user a identified with caching_sha2_password by 'x'".into(),
            format!("create user a identified with caching_sha2_password by '{p}'"),
        ),
        ("alter role a password $$it's x$$ login".into(), format!("alter role a password $${p}$$ login")),
        ("alter role a password $t$x$$y$t$".into(), format!("alter role a password $t${p}$t$")),
        ("host=db password=hunter2 user=a".into(), format!("host=db password={p} user=a")),
        ("?sslpassword=a%20b&x=1".into(), format!("?sslpassword={p}&x=1")),
        ("PGPASSWORD=abc psql".into(), format!("PGPASSWORD={p} psql")),
        (r#"{"password": "a\"b", "n": 1}"#.into(), format!(r#"{{"password": "{p}", "n": 1}}"#)),
        ("{'api_key':'k1'}".into(), format!("{{'api_key':'{p}'}}")),
        ("X-Api-Key: abc".into(), format!("X-Api-Key: {p}")),
        ("postgres://ann:hunter2@db:5432/x".into(), format!("postgres://ann:{p}@db:5432/x")),
        ("redis://:p@ss@h/0".into(), format!("redis://:{p}@h/0")),
        (join(&["select '", "AKIA", "ABCDEFGHIJKLMNOP'"]), "select '[redacted:token]'".into()),
        (join(&["ghp", "_", word]), "[redacted:token]".into()),
        (join(&["(github", "_pat_", word, ")"]), "([redacted:token])".into()),
        (join(&["glpat", "-", word]), "[redacted:token]".into()),
        (join(&["'weir", "_abcdefghijkl_", word, "xyz'"]), "'[redacted:token]'".into()),
        (join(&["xox", "b-1234567890-abcdef"]), "[redacted:token]".into()),
        (join(&["sk", "_live_", word]), "[redacted:token]".into()),
        (join(&["AI", "za", word]), "[redacted:token]".into()),
        (
            join(&["a eyJ", "hbGciOiJIUzI1NiJ9.eyJ", "zdWIiOiIxIn0.c2lnbmF0dXJl b"]),
            "a [redacted:jwt] b".into(),
        ),
        (
            join(&[
                "-----BEGIN RSA ",
                "PRIVATE KEY-----\nMIIEpAIBAAKCAQEA1234\nabcd==\n-----END RSA PRIVATE KEY-----",
            ]),
            join(&[
                "-----BEGIN RSA ",
                "PRIVATE KEY-----[redacted:private-key]\n-----END RSA PRIVATE KEY-----",
            ]),
        ),
        (
            join(&["'-----BEGIN ", "PRIVATE KEY-----\\nMIIEpAIBAAKCAQEA1234\\nMIIEpAIBAAKCAQEA1234'"]),
            join(&["'-----BEGIN ", "PRIVATE KEY-----[redacted:private-key]'"]),
        ),
        (join(&["'SCRAM-SHA-256", "$4096:c2FsdHNhbHQ=$c3RvcmVk:c2VydmVy'"]), "'[redacted:verifier]'".into()),
        (join(&["'md", "5", hex, "'"]), "'[redacted:verifier]'".into()),
        (join(&["$2", "b$12$abcdefghijklmnopqrstuv"]), "[redacted:verifier]".into()),
        (
            "Authorization: Bearer abc.def\r\nHost: x".into(),
            "Authorization: Bearer [redacted:authorization]\r\nHost: x".into(),
        ),
        ("authorization: dG9rZW4=".into(), "authorization: [redacted:authorization]".into()),
        ("curl -H 'bearer abcdefghijklmnopqrst'".into(), "curl -H 'bearer [redacted:authorization]'".into()),
    ];
    for (text, expected) in table {
        assert_eq!(redact(text), *expected, "{text}");
    }
}

#[test]
fn other_text_is_left_alone() {
    for text in [
        "select password from users",
        "update users set password = $1 where id = $2",
        "select * from t where password = other.column",
        "select password::text from t",
        "alter role a password $1",
        "alter role a password $1$x$1$",
        "alter role a password $$never closed",
        "select password_hash = 'x' from t",
        "https://example.com/a@b:c",
        "select 'ghp_short', 'akiaabcdefghijklmnop', 'skeleton'",
        "select md5('x'), md5(y)",
        "-----BEGIN CERTIFICATE-----\nMIIEpAIBAAKCAQEA1234\n-----END CERTIFICATE-----",
        "the bearer of this",
        "eyJust a word",
    ] {
        assert_eq!(redact(text), text);
    }
}

#[test]
fn a_statement_cannot_hide_behind_an_anchor() {
    for text in [
        "/* authorization: */ drop table users",
        "/* -----BEGIN PRIVATE KEY----- drop table users",
        "select $$password '$$; drop table a_name_that_is_quite_long",
    ] {
        assert!(redact(text).contains("drop table"), "{}", redact(text));
    }
    let long = format!("password '{}'", "drop table x; ".repeat(30));
    assert_eq!(redact(&long), long);
}

#[test]
fn names_tell_secrets() {
    for name in ["password", "db_password", "API-Key", "apiKey", "access_token", "Authorization"] {
        assert_eq!(redact_named(name, "x"), "[redacted:name]", "{name}");
    }
    for name in ["$1", "max_tokens", "passwords_reset_at", "id", ""] {
        assert_eq!(redact_named(name, "x"), "x", "{name}");
    }
}

#[test]
fn the_shortest_secrets_are_replaced() {
    assert_eq!(redact(&join(&["ey", "Jabcdefg."])), "[redacted:jwt]");
    assert_eq!(redact("pwd=x"), "pwd=[redacted:password]");
    assert_eq!(redact("pwd'x'"), "pwd'[redacted:password]'");
}

proptest! {
    #[test]
    fn any_text_is_survived_and_stable(text in any::<String>()) {
        let once = redact(&text).into_owned();
        prop_assert_eq!(redact(&once), once.as_str());
    }

    /// Whatever short text is not looked at has nothing to find.
    #[test]
    fn short_texts_are_not_passed_over_wrongly(
        anchor in prop::sample::select(ANCHORS),
        before in "[a-z .]{0,3}",
        behind in "[a-zA-Z0-9_. =:'\"$@/-]{0,10}",
    ) {
        let text = format!("{before}{}{behind}", anchor.0);
        let short: String = text.chars().take(SHORTEST).collect();
        prop_assert_eq!(redact(&short), redact_any(&short));
        prop_assert_eq!(redact(&text), redact_any(&text));
    }

    #[test]
    fn anchors_in_noise_are_survived(parts in prop::collection::vec(
        prop::sample::select(vec!["password", "=", "'", "\"", "\\", " ", "é", "://", "@", ":", "eyJ", ".", "identified", " by ",
            "-----BEGIN ", "PRIVATE KEY-----", "-----END", "md5", "E'", "bearer ", "authorization", "abcdefghijklmnopqrstuvwxyz012345"]), 0..24)) {
        let _ = redact(&parts.concat());
    }
}
