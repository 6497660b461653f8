//! The worked examples of `wit/reference.md` do what the page says.

use crate::support::*;
use weir_guests::{HttpGuests, InspectorLimits, SessionGuests};
use weir_model::{Action, Applied, Column, Fault, FaultSource, PrincipalKind, Verdict};
use weir_session::http::traffic::{AnswerHead, Header, HttpInspector, RequestHead, Show};
use weir_session::ports::{Inspector, Maskers, Policies, Round};
use weir_session::traffic::{Batch, Event, Masked, TOP_BIT, kind};

const LIMITS: InspectorLimits = InspectorLimits { max_operation_bytes: 64, max_answer_bytes: 1 << 20 };

/// A house with all four, under their names.
async fn example_house() -> House {
    let names = ["example-policy", "example-masker", "example-stream", "example-http"];
    house(&names.map(|name| (name, guest(name))), false, |spec| match spec.name.as_str() {
        "example-policy" => spec.settings_json = r#"{"watched": ["agent", "service"]}"#.into(),
        "example-masker" => spec.settings_json = r#"{"hide": ["email"]}"#.into(),
        _ => {}
    })
    .await
}

async fn streams(house: &House, kind: PrincipalKind) -> SessionGuests {
    let mut info = info("s1");
    info.who.kind = kind;
    let pipeline = ["example-stream", "example-policy", "example-masker"].map(name);
    house.guests.open_session(&info, &pipeline, &[], LIMITS).await.unwrap()
}

async fn exchanges(house: &House) -> HttpGuests {
    let pipeline = ["example-http", "example-masker"].map(name);
    let judges = house.guests.open_judges(&info("s1"), &pipeline).await.unwrap();
    house.guests.open_http_inspector(judges, &info("s1"), LIMITS).await.unwrap()
}

#[tokio::test]
async fn the_policy_holds_what_a_machine_writes_and_denies_what_nobody_understood() {
    let house = example_house().await;
    for (who, action, word) in [
        (PrincipalKind::Human, Action::Write, "abstain"),
        (PrincipalKind::Agent, Action::Write, "hold"),
        (PrincipalKind::Agent, Action::Define, "hold"),
        (PrincipalKind::Agent, Action::Read, "abstain"),
        (PrincipalKind::Human, Action::Unknown, "deny"),
    ] {
        let mut session = streams(&house, who).await;
        let mut asked = operation("x");
        asked.action = action;
        let answer = session.policies.decide(&asked, Round::First).await.remove(0);
        assert_eq!(answer.by.answer, word, "{who:?} {action:?}");
        if let Verdict::Hold { code, .. } = answer.answer.unwrap().verdict {
            assert_eq!(code, "four-eyes");
        }
    }
}

#[tokio::test]
async fn the_masker_hides_columns_by_their_own_name_and_addresses_in_errors() {
    let house = example_house().await;
    let mut maskers = streams(&house, PrincipalKind::Human).await.maskers;
    let columns = [
        Column { name: "alias".into(), source: "email".into(), ..Column::default() },
        Column { name: "email".into(), source: "other".into(), ..Column::default() },
        Column { name: "message".into(), labels: vec!["error".into()], ..Column::default() },
    ];
    let plan = maskers.plan(1, &columns, &operation("x")).await.unwrap();
    assert_eq!(*plan.wanted, [0, 2]);
    let mut batch = Batch::default();
    for (text, column) in [("ann@example.com", 0), ("no b@c.de, no d@e", 2), ("nothing", 2)] {
        batch.push(text.as_bytes(), column).unwrap();
    }
    let masked = maskers.mask(1, &batch).await.unwrap();
    assert_eq!(
        (masked.cells.as_slice(), masked.texts.as_slice()),
        (&[TOP_BIT, 1][..], &b"no b@***, no d@***"[..])
    );
    let applied = |rule: &str, cells| Applied { rule: rule.into(), cells, beside: None };
    assert_eq!(masked.applied, [applied("column", 1), applied("address", 1)]);
}

fn kinds(events: &[Event]) -> Vec<(u16, u32)> {
    events.iter().map(|event| (event.kind, event.len)).collect()
}

#[tokio::test]
async fn the_stream_inspector_finds_lines_and_puts_values_and_refusals_back() {
    let house = example_house().await;
    let mut inspector = streams(&house, PrincipalKind::Human).await.inspector;
    let found = inspector.client(b"get name\nset name x\nget na", false).await.unwrap();
    assert_eq!(kinds(&found.events), [(kind::OPERATION, 9), (kind::OPERATION, 11)]);
    let told: Vec<_> =
        found.operations.iter().map(|each| (each.operation.text.as_str(), each.operation.action)).collect();
    assert_eq!(told, [("get name", Action::Read), ("set name x", Action::Write)]);
    // The second is refused: its line is replaced by one that fails, whose answer becomes ours.
    let why = Fault::new(FaultSource::Policy, "no", "not\nyou");
    assert_eq!(inspector.refuse(found.operations[1].id, &why).await.unwrap().upstream, b"refused\n");
    let answers = b"value Ann\nerror unknown command\n";
    let shape = inspector.server(answers, false, 1).await.unwrap();
    assert_eq!((kinds(&shape.events), shape.shapes[0][0].name.as_str()), (vec![(kind::SHAPE, 0)], "name"));
    inspector.want(&[0], 1).await.unwrap();
    let rows = inspector.server(answers, false, 1).await.unwrap();
    assert_eq!(
        kinds(&rows.events),
        [(kind::ROWS, 10), (kind::DONE, 0), (kind::DROP, 22), (kind::INSERT, 0), (kind::IDLE, 0)]
    );
    assert_eq!((rows.cells.as_slice(), rows.inserts[0].as_slice()), (&[6, 3][..], &b"error not you\n"[..]));
    assert_eq!((rows.results[0].rows, rows.results.len()), (1, 1));
    let new = Masked { cells: vec![0], texts: b"A\nB".to_vec(), ends: vec![3], applied: vec![] };
    assert_eq!(inspector.edit(b"value Ann\n", &rows_in(10), &new).await.unwrap(), b"value A B\n");
    // What may not be judged, because it is too long, ends the session; what nobody asked for, too.
    let long = inspector.client(&[b'x'; 65], false).await.unwrap();
    assert_eq!(kinds(&long.events), [(kind::FATAL, 0)]);
    assert_eq!(inspector.server(b"ok\n", false, 1).await.unwrap_err().code, "plugin-fault");
    assert_eq!(inspector.closing(&why).await.unwrap(), b"error not you\n");
}

#[tokio::test]
async fn the_http_inspector_finds_requests_and_puts_values_and_refusals_back() {
    let house = example_house().await;
    let mut inspector = exchanges(&house).await.inspector;
    let header = |name: &str, value: &str| Header::new(name, value.to_owned());
    let head = |method: &str, query: Option<&str>, has_body| RequestHead {
        method: method.into(),
        authority: "api".into(),
        path: "/notes/1".into(),
        query: query.map(str::to_owned),
        headers: vec![],
        has_body,
        length: None,
        runs_once: false,
    };
    let asked = inspector.request(&[], 1, &head("GET", None, false), None).await.unwrap();
    assert_eq!(asked.operations[0].operation.text, "GET /notes/1");
    assert!(
        inspector.request(&[], 2, &head("GET", Some("a=b"), false), None).await.unwrap().refusal.is_some()
    );
    let asked = inspector.request(&[2], 3, &head("POST", None, true), None).await.unwrap();
    assert!(asked.operations.is_empty() && asked.show == Show::Whole);
    let asked = inspector.request_body(3, b"hello", true).await.unwrap();
    assert_eq!(
        (asked.release, asked.operations[0].operation.parameters[0].value.as_deref()),
        (5, Some("hello"))
    );
    let answer = |kind: &str| AnswerHead {
        status: 200,
        headers: vec![header("content-type", kind)],
        has_body: true,
        length: None,
    };
    assert!(inspector.answer(3, &answer("image/png"), None).await.unwrap().refusal.is_some());
    assert_eq!(
        inspector.answer(1, &answer("text/plain; charset=utf-8"), None).await.unwrap().show,
        Show::Whole
    );
    let shown = inspector.answer_body(1, "grün".as_bytes(), true).await.unwrap();
    assert_eq!((shown.values.cells.as_slice(), shown.release), (&[0, 0, 5][..], 5));
    assert_eq!(shown.values.columns[0].relation, "GET /notes/1");
    let spans = inspector.encode(1, &[0], b"gone", &[4]).await.unwrap();
    assert_eq!((spans.starts[0], spans.stops[0], spans.texts.as_slice()), (0, 5, &b"gone"[..]));
    let own = inspector.refuse(1, &[1], &Fault::new(FaultSource::Policy, "no", "not you")).await.unwrap();
    assert_eq!((own.status, own.body.as_slice()), (403, &b"not you\n"[..]));
    // What comes with its body is dealt with at once.
    let asked = inspector.request(&[3], 4, &head("POST", None, true), Some(b"hello")).await.unwrap();
    assert_eq!((asked.show, asked.release, asked.operations.len()), (Show::Seen, 5, 1));
    let shown = inspector.answer(4, &answer("text/plain"), Some(b"hello")).await.unwrap();
    assert_eq!((shown.show, shown.values.cells.as_slice()), (Show::Seen, &[0, 0, 5][..]));
    inspector.end(1).await;
    // What is over is forgotten.
    assert_eq!(inspector.encode(1, &[0], b"", &[0]).await.unwrap_err().code, "plugin-fault");
}
