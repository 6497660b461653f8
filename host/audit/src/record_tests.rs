use super::*;
use crate::chain::commitment;
use crate::clock::Moment;
use crate::event::*;
use serde_json::Value;
use std::time::Duration;
use weir_model::*;

fn place() -> Place {
    Place::new(&SessionId::new("s-1"), "ann", &ResourceName::new("customers"))
}

fn attempt(verdict: Verdict) -> Attempt {
    Attempt {
        place: place(),
        operation: 7,
        continues: Some(3),
        what: Arc::new(Operation {
            kind: "statement".into(),
            action: Action::Write,
            text: "update t set a = $1".into(),
            objects: vec!["public.t".into()],
            parameters: vec![
                Parameter {
                    name: "$1".into(),
                    type_name: "text".into(),
                    value: Some("password=x \"y\"".into()),
                },
                Parameter { name: "$2".into(), type_name: "int4".into(), value: None },
            ],
            attributes: vec![Attribute::new("database", "d")],
            claimed: vec![Attribute::new("api_key", "k")],
        }),
        original: None,
        decision: Arc::new(Decision {
            verdict,
            findings: vec![Finding { rule: "r".into(), place: "text".into(), score: 90 }],
            tags: Tags::from_iter([Attribute::new("class", "pii")]),
            judged_by: vec![JudgedBy {
                plugin: PluginName::new("guard"),
                digest: Digest([1; 32]),
                answer: "allow",
            }],
        }),
        approval: Some("a-1".into()),
        masked: vec![Applied { rule: "email".into(), cells: 2, beside: None }],
    }
}

fn facts() -> PluginFacts {
    PluginFacts {
        name: PluginName::new("guard"),
        file: "guard.wasm".into(),
        digest: Digest([1; 32]),
        world: "policy".into(),
        version: "0.1.0".into(),
        generation: 4,
    }
}

fn info() -> SessionInfo {
    SessionInfo {
        id: SessionId::new("s-1"),
        resource: ResourceName::new("customers"),
        protocol: "postgres".into(),
        who: Principal {
            id: "ann".into(),
            kind: PrincipalKind::Agent,
            on_behalf_of: Some("bob".into()),
            groups: vec!["engineers".into()],
        },
        client_address: "10.0.0.1:5000".into(),
        started_ms: 5,
        attributes: vec![Attribute::new("tls", "1.3"), Attribute::new(LOGIN_METHOD, "token k3")],
        claimed: vec![Attribute::new("application_name", "psql")],
    }
}

/// One of every kind.
pub(crate) fn every_event() -> Vec<Event> {
    let ended = |reason| SessionEnded {
        place: place(),
        reason,
        operations: 1,
        bytes_in: 2,
        bytes_out: 3,
        duration: Duration::from_micros(4),
    };
    let digest = Digest([2; 32]);
    vec![
        Event::HostStarted(HostStarted { version: "0.1.0".into(), instance: "i".into() }),
        Event::HostStopped(HostStopped { reason: "signal".into() }),
        Event::SessionOpened(SessionOpened::new(Arc::new(info()))),
        Event::SessionEnded(ended(EndReason::ClientClosed)),
        Event::SessionEnded(ended(EndReason::Failed(
            Fault::new(FaultSource::Plugin, "XX000", "sorry").with_detail("trapped"),
        ))),
        Event::LoginFailed(LoginFailed {
            resource: ResourceName::new("customers"),
            stage: LoginStage::Settings,
            principal: Some("ann".into()),
            claimed_user: String::new(),
            client_address: "10.0.0.9:1".into(),
            code: "42501".into(),
            reason: "it changes who the session is".into(),
            judged_by: vec![JudgedBy { plugin: PluginName::new("guard"), digest, answer: "deny" }],
        }),
        Event::Intent(attempt(Verdict::Allow)),
        Event::Intent(Attempt { original: Some("update t".into()), ..attempt(Verdict::Allow) }),
        Event::Refused(Refused {
            attempt: attempt(Verdict::Deny { code: "no".into(), reason: "because".into() }),
            by: RefusedBy::Policy,
            code: "42501".into(),
            message: "not allowed".into(),
        }),
        Event::Outcome(Outcome {
            place: place(),
            operation: 7,
            status: Status::Error,
            rows: Some(0),
            tag: "UPDATE 0".into(),
            error: Some(Failure { code: "23505".into(), message: "duplicate".into() }),
            bytes_to_client: 99,
            masked: vec![Applied { rule: "email".into(), cells: 2, beside: None }],
            masked_by: vec![],
            duration: Duration::from_micros(412),
        }),
        Event::Held(Held {
            place: place(),
            operation: 7,
            approval: "a-1".into(),
            digest,
            reviewers: vec!["group:leads".into()],
            code: "big".into(),
            reason: "a million rows".into(),
            expires_ms: 6,
        }),
        Event::Reviewed(Reviewed {
            place: place(),
            operation: 7,
            approval: "a-1".into(),
            digest,
            review: Review::Approve,
            reviewer: Some("cyd".into()),
            comment: "fine".into(),
        }),
        Event::PluginLoaded(facts()),
        Event::PluginRemoved(facts()),
        Event::PluginRefused(PluginRefused { plugin: facts(), reason: "no such world".into() }),
        Event::PluginSetAside(PluginRefused { plugin: facts(), reason: "tried with a: it trapped".into() }),
        Event::ConfigApplied(ConfigApplied {
            digest,
            outcome: "applied".into(),
            changes: vec!["+ resource x".into()],
        }),
        Event::ConfigRefused(ConfigRefused { digest, problems: vec!["line 3".into()] }),
        Event::SessionKilled(SessionKilled {
            place: place(),
            actor: "operator".into(),
            address: "10.0.0.2".into(),
        }),
        Event::Gap(Gap { events: 3, from_us: 0, until_us: 1, reason: "disk full".into() }),
        Event::Recovered(Recovered { operations: 1, holds: 2 }),
        Event::PayloadsErased(PayloadsErased {
            records: vec![1..=2, 9..=9],
            reason: "request".into(),
            actor: "dpo".into(),
        }),
        Event::TokenCreated(TokenCreated {
            id: "k3".into(),
            user: "ann".into(),
            expires_us: 7,
            resources: vec!["customers".into()],
            note: "a fine import".into(),
        }),
        Event::TokenRevoked(TokenRevoked { id: "k3".into(), user: "ann".into(), how: "revoked" }),
    ]
}

fn sealed(event: &Event) -> Record {
    Draft::new(event).unwrap().seal(&mut Head { seq: 41, hash: [9; 32] }, &Moment::at(1_795_435_200_123_456))
}

#[test]
fn an_intent_in_full() {
    let record = sealed(&Event::Intent(attempt(Verdict::Allow)));
    let commit = commitment(&record.salt.unwrap(), record.payload.as_ref().unwrap());
    let ones = "01".repeat(32);
    assert_eq!(
        record.body,
        format!(
            concat!(
                r#"{{"at":"2026-11-23T12:00:00.123456Z","commit":"{commit}","detail":{{"action":"write","approval":"a-1","#,
                r#""continues":3,"findings":[{{"place":"text","rule":"r","score":90}}],"#,
                r#""judged_by":[{{"answer":"allow","digest":"{ones}","plugin":"guard"}}],"#,
                r#""masked":[{{"cells":2,"rule":"email"}}],"objects":["public.t"],"operation_kind":"statement"}},"#,
                r#""kind":"intent","operation":7,"principal":"ann","#,
                r#""resource":"customers","seq":42,"session":"s-1","v":1,"verdict":"allow"}}"#
            ),
            commit = commit,
            ones = ones
        )
    );
    assert_eq!(
        record.payload.as_deref().unwrap(),
        concat!(
            r#"{"attributes":[{"name":"database","value":"d"}],"#,
            r#""claimed":[{"name":"api_key","value":"[redacted:name]"}],"#,
            r#""parameters":[{"name":"$1","type":"text","value":"password=[redacted:password] \"y\""},"#,
            r#"{"name":"$2","type":"int4"}],"tags":[{"name":"class","value":"pii"}],"#,
            r#""text":"update t set a = $1"}"#
        )
    );
    assert_eq!(record.hash, link(&[9; 32], 42, &record.body));
}

#[test]
fn an_outcome_in_full() {
    let Some(event) = every_event().into_iter().find(|event| matches!(event, Event::Outcome(_))) else {
        panic!()
    };
    let record = sealed(&event);
    let body: Value = serde_json::from_str(&record.body).unwrap();
    assert_eq!(
        body["detail"].to_string(),
        concat!(
            r#"{"bytes_to_client":99,"duration_us":412,"error_code":"23505","#,
            r#""masked":[{"cells":2,"rule":"email"}],"rows":0,"tag":"UPDATE 0"}"#
        )
    );
    assert_eq!(record.payload.as_deref(), Some(r#"{"error_message":"duplicate"}"#));
    assert_eq!((record.status.as_deref(), record.verdict.as_deref()), (Some("error"), None));
}

#[test]
fn how_somebody_came_outlives_the_payload() {
    let body = sealed(&Event::SessionOpened(SessionOpened::new(Arc::new(info())))).body;
    assert!(body.contains(r#""method":"token k3""#), "{body}");
}

#[test]
fn every_kind_is_canonical() {
    let mut kinds = std::collections::BTreeSet::new();
    for event in every_event() {
        let record = sealed(&event);
        kinds.insert(event.kind());
        // serde_json sorts the keys of its maps: what it prints is the canonical spelling.
        let body: Value = serde_json::from_str(&record.body).unwrap();
        assert_eq!(body.to_string(), record.body);
        assert_eq!(body["kind"], event.kind());
        assert_eq!(body.get("commit").is_some(), record.payload.is_some());
        if let Some(payload) = &record.payload {
            assert_eq!(serde_json::from_str::<Value>(payload).unwrap().to_string(), **payload);
        }
    }
    assert_eq!(kinds.len(), crate::event::KINDS.len());
}

#[test]
fn nothing_personal_is_in_a_body() {
    for event in every_event() {
        let body = sealed(&event).body;
        for secret in [
            "update t",
            "password",
            "10.0.0",
            "\"eve\"",
            "psql",
            "duplicate",
            "because",
            "not allowed",
            "fine",
            "sorry",
            "pii",
        ] {
            assert!(!body.contains(secret), "{secret} in {body}");
        }
    }
}
