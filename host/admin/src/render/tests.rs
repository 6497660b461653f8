//! What a terminal gets to see.

use super::*;
use crate::Timestamp;
use crate::views::*;
use expect_test::expect;
use proptest::prelude::*;

const NOW: u64 = 1_790_000_000_000;

fn now() -> Timestamp {
    Timestamp::from_ms(NOW)
}

fn agent() -> PrincipalView {
    PrincipalView {
        id: "ann-cursor".into(),
        kind: "agent".into(),
        on_behalf_of: Some("ann".into()),
        groups: vec!["engineers".into(), "on-call".into()],
    }
}

fn attribute(name: &str, value: &str) -> AttributeView {
    AttributeView { name: name.into(), value: value.into() }
}

fn asked(text: &str) -> ApprovalView {
    let parameter = |name: &str, type_name: &str, value: Option<&str>| ParameterView {
        name: name.into(),
        type_name: type_name.into(),
        value: value.map(Into::into),
    };
    ApprovalView {
        id: "apr-1f2e3d4c5b".into(),
        session: "0190-5c".into(),
        resource: "customers".into(),
        requester: agent(),
        client_address: "10.1.2.3".into(),
        kind: "sql.query".into(),
        action: "write".into(),
        text: text.into(),
        parameters: vec![
            parameter("$1", "int4", Some("7")),
            parameter("$2", "text", Some("two\nlines")),
            parameter("$3", "", None),
        ],
        objects: vec!["public.customers".into(), "public.orders".into()],
        attributes: vec![attribute("database", "crm")],
        claimed: vec![attribute("application_name", "psql\u{202e}")],
        digest: "ab".repeat(32),
        code: "delete-without-where".into(),
        reason: "DELETE without WHERE".into(),
        reviewers: vec!["group:leads".into(), "user:lea".into()],
        reviewers_now: None,
        asked_at: Timestamp::from_ms(NOW - 125_000),
        expires_at: Timestamp::from_ms(NOW + 775_000),
        is_shortened: false,
    }
}

fn session(text: &str) -> SessionView {
    SessionView {
        id: "0190-5c".into(),
        resource: "customers".into(),
        protocol: "postgres".into(),
        who: agent(),
        client_address: text.into(),
        started_at: Timestamp::from_ms(NOW - 7_500_000),
        attributes: vec![],
        claimed: vec![],
    }
}

fn plugin(problem: Option<&str>) -> PluginView {
    PluginView {
        name: "sql-guard".into(),
        file: "plugins/sql-guard.wasm".into(),
        digest: "cd".repeat(32),
        world: "policy".into(),
        generation: 2,
        state: "kept".into(),
        calls: 12_345,
        mean_us: 2.25,
        p50_us: 2.0,
        p99_us: 9.5,
        traps: 1,
        time_outs: 0,
        refusals: 40,
        limit_hits: 0,
        versions: vec![],
        problem: problem.map(Into::into),
    }
}

fn whole(problem: Option<&str>) -> StatusView {
    StatusView {
        version: "0.1.0".into(),
        started_at: Timestamp::from_ms(NOW - 200_000_000),
        config_file: "weir.toml".into(),
        generation: 3,
        reload_problem: problem.map(Into::into),
        trail: TrailView { records: 99, problem: problem.map(Into::into) },
        resources: vec![ResourceView {
            name: "customers".into(),
            protocol: "postgres".into(),
            listen: "127.0.0.1:6432".into(),
            sessions: 4,
            problem: problem.map(Into::into),
        }],
        sessions: 4,
        approvals: 1,
        plugins: 2,
    }
}

#[test]
fn the_screen_of_a_reviewer() {
    let text = "DELETE\n\tFROM customers -- \u{202e}only mine\u{2069}\n  WHERE t\u{430}g = $1 OR name = $2 OR 1 = 1 OR city = 'Ростов' OR x IS NULL";
    expect![[r#"
        approval apr-1f2e3d4c5b

          who            agent ann-cursor
          on behalf of   ann
          groups         engineers
                         on-call
          from           10.1.2.3
          resource       customers
          session        0190-5c
          action         write (sql.query)
          objects        public.customers
                         public.orders
          rule           delete-without-where
          reason         DELETE without WHERE
          asked          2026-09-21T14:11:15Z (2 min ago)
          expires        2026-09-21T14:26:15Z (in 12 min)
          reviewers      group:leads
                         user:lea

        exactly this would run:
             1 | DELETE
             2 | →   FROM customers -- \u{202e}only mine\u{2069}
             3 |   WHERE t\u{430}g = $1 OR name = $2 OR 1 = 1 OR city = 'Ростов'
               :  OR x IS NULL

        with these parameters:
          $1 (int4)            | 7
          $2 (text)            | two
                               | lines
          $3 (unknown type)    - NULL, or cannot be read

        known to the gateway:
          database             | crm

        claimed by the client, not proven:
          application_name     | psql\u{202e}

        digest of what would run (sha-256):
          abababababababababababababababababababababababababababababababab

        careful: 4 characters are written as \u{…} above: invisible, reordering others, or looking like others
    "#]]
    .assert_eq(&approval(&asked(text), now(), 72));
}

#[test]
fn lists() {
    let mut long = asked("x");
    long.reason = "a reason that is longer than a column of a table may be".into();
    long.requester.id = "eve\x1b[31m".into();
    expect![[r#"
        ID              AGE    WHO                    RESOURCE   ACTION  REASON                                EXPIRES IN
        apr-1f2e3d4c5b  2 min  ann-cursor for ann     customers  write   DELETE without WHERE                  12 min
        apr-1f2e3d4c5b  2 min  eve\u{1b}[31m for ann  customers  write   a reason that is longer than a colu…  12 min
    "#]].assert_eq(&approvals(&[asked("x"), long], now()));
    expect![[r#"
        ID       AGE        WHO                 RESOURCE   PROTOCOL  FROM
        0190-5c  2 h 5 min  ann-cursor for ann  customers  postgres  10.1.2.3
    "#]]
    .assert_eq(&sessions(&[session("10.1.2.3")], now()));
    expect![[r#"
        NAME       WORLD   STATE  GEN  DIGEST        CALLS  MEAN US  P50 US  P99 US  TRAPS  TIME-OUTS  REFUSALS
        sql-guard  policy  kept   2    cdcdcdcdcdcd  12345  2.2      2.0     9.5     1      0          40
        sql-guard  policy  kept   2    cdcdcdcdcdcd  12345  2.2      2.0     9.5     1      0          40
          plugin         sql-guard
          file           plugins/sql-guard.wasm
          problem        two
                         lines\u{7}
    "#]]
    .assert_eq(&plugins(&[plugin(None), plugin(Some("two\nlines\x07"))], 80));
    expect![[r#"
        weir 0.1.0

          started        2026-09-19T06:40:00Z (2 d 7 h ago)
          configuration  weir.toml
          generation     3
          not applied    disk full\u{d}
          trail          DOWN, everything is refused: disk full\u{d}
          sessions       4
          approvals      1 waiting
          plugins        2

        RESOURCE   PROTOCOL  LISTEN          SESSIONS  STATE
        customers  postgres  127.0.0.1:6432  4         disk full\u{d}
    "#]]
    .assert_eq(&status(&whole(Some("disk full\r")), now(), 80));
    assert_eq!(approvals(&[], now()), "nothing waits for a review\n");
    assert_eq!(sessions(&[], now()), "no sessions\n");
    assert_eq!(plugins(&[], 80), "no plugins\n");
}

/// Puts the text into every field that holds text, and renders everything.
fn everything_with(text: &str, width: usize) -> Vec<String> {
    let who = || PrincipalView {
        id: text.into(),
        kind: text.into(),
        on_behalf_of: Some(text.into()),
        groups: vec![text.into()],
    };
    let mut request = asked(text);
    let fields = [
        &mut request.id,
        &mut request.session,
        &mut request.resource,
        &mut request.client_address,
        &mut request.kind,
        &mut request.action,
        &mut request.digest,
        &mut request.code,
        &mut request.reason,
    ];
    fields.into_iter().for_each(|field| *field = text.into());
    request.requester = who();
    request.objects = vec![text.into()];
    request.reviewers = vec![text.into()];
    request.attributes = vec![attribute(text, text)];
    request.claimed = vec![attribute(text, text)];
    request.parameters = vec![
        ParameterView { name: text.into(), type_name: text.into(), value: Some(text.into()) },
        ParameterView { name: text.into(), type_name: text.into(), value: None },
    ];
    let mut visit = session(text);
    let fields = [&mut visit.id, &mut visit.resource, &mut visit.protocol];
    fields.into_iter().for_each(|field| *field = text.into());
    visit.who = who();
    let mut part = plugin(Some(text));
    let fields = [&mut part.name, &mut part.file, &mut part.digest, &mut part.world, &mut part.state];
    fields.into_iter().for_each(|field| *field = text.into());
    let mut house = whole(Some(text));
    let place = &mut house.resources[0];
    let fields =
        [&mut place.name, &mut place.protocol, &mut place.listen, &mut house.version, &mut house.config_file];
    fields.into_iter().for_each(|field| *field = text.into());
    vec![
        approval(&request, now(), width),
        approvals(&[request], now()),
        sessions(&[visit], now()),
        plugins(&[part], width),
        status(&house, now(), width),
    ]
}

fn assert_harmless(screens: &[String]) {
    for screen in screens {
        let harmless =
            |letter: char| matches!(letter, '\n' | ' '..='~' | '→' | '…') || letter.is_alphanumeric();
        assert!(screen.chars().all(harmless), "{screen:?}");
    }
}

#[test]
fn no_field_lets_an_escape_sequence_through() {
    for text in [
        "\x1b[2J",
        "\x1b]8;;http://evil\x1b\\click\x1b]8;;\x1b\\",
        "\x1b]0;title\x07",
        "\u{9b}31m",
        "\u{9d}0;x\u{9c}",
        "\r\x1b[K",
        "\x07",
        "\x08\x08",
        "\u{202e}txet",
        "\u{2066}",
        "\u{200b}",
        "\0",
        "\x7f",
        "\u{85}",
        "\u{2028}",
    ] {
        assert_harmless(&everything_with(text, 80));
    }
}

/// A text that is as long as a line and goes on with something that looks like ours.
#[test]
fn nothing_from_outside_begins_a_line() {
    for pad in 0..120 {
        let text = format!("{}FAKE\nFAKE\rFAKE\u{2028}FAKE", " ".repeat(pad));
        for screen in everything_with(&text, 80) {
            // The first cell of a table's only row.
            let begins = screen.lines().skip(1).filter(|line| line.starts_with("FAKE")).count();
            assert!(begins <= 1, "{screen}");
        }
    }
    let long = approval(&asked(&"x".repeat(500)), now(), 80);
    assert!(long.lines().all(|line| line.chars().count() <= 100), "{long}");
    assert!(long.lines().filter(|line| line.contains("xxx")).all(|line| line.len() <= 80), "{long}");
}

proptest! {
    #[test]
    fn whatever_the_text(text in any::<String>(), width in 0_usize..200) {
        assert_harmless(&everything_with(&text, width));
    }

    #[test]
    fn the_command_can_be_read_from_the_screen(text in "[ -~\n]{0,300}", width in 40_usize..120) {
        let mut request = asked(&text);
        request.parameters.clear();
        let screen = approval(&request, now(), width);
        let lines = screen.lines().skip_while(|line| *line != "exactly this would run:").skip(1);
        let lines = lines.take_while(|line| !line.is_empty());
        let mut read = String::new();
        for line in lines {
            match line.as_bytes()[7] {
                b'|' if line[..6].trim() == "1" => {}
                b'|' => read.push('\n'),
                _ => assert_eq!(&line[..8], "       :"),
            }
            read.push_str(line.get(9..).unwrap_or_default());
        }
        // Spaces at the end of a line are not shown.
        let bare = |text: &str| text.replace(' ', "");
        prop_assert_eq!(bare(&read), bare(&text.replace("\\u{", "\\u{5c}u{")));
    }
}

#[test]
fn a_list_has_the_beginning_of_a_long_request() {
    let short = asked("select 1");
    assert_eq!(short.clone().shortened(), short);
    let mut long = asked(&"ä".repeat(100_000));
    long.parameters = vec![long.parameters[0].clone(); 1000];
    long.parameters[0].value = Some("x".repeat(10_000_000));
    let listed = long.clone().shortened();
    assert!(listed.is_shortened && long.text.starts_with(listed.text.trim_end_matches('…')));
    assert!(serde_json::to_string(&listed).unwrap().len() < 100_000);
    assert_eq!(listed.id, long.id);
}
