//! Answers made of any bytes whatever: the guest answers what it was given as if it were its answer's memory, so that
//! each case is a call. What the host takes from it is sound, or the call is a fault.

use crate::hostile::Besieged;
use crate::made::Made;
use crate::support::*;
use weir_guests::{InspectorLimits, ReloadOutcome};
use weir_model::{Column, Fault};
use weir_session::http::traffic::HttpInspector;
use weir_session::ports::{Inspector, Maskers, Policies, Round};
use weir_session::traffic::{Batch, NULL_LENGTH, TOP_BIT, kind};

const CASES: usize = 3_000;

/// Zeros, which are a sound answer everywhere, with words among them that look like what answers are made of: small
/// numbers, places near the answer, lengths, and anything. From a few in forty to every second one.
fn answer(random: &mut Random, ascii: bool) -> Vec<u8> {
    let words = 16 + random.next_u32() as usize % 48;
    let one_in = [2, 6, 15, 40][random.next_u32() as usize % 4];
    let mut bytes = Vec::with_capacity(words * 4);
    for _ in 0..words {
        let word = match random.next_u32() % 6 {
            _ if !random.next_u32().is_multiple_of(one_in) => 0,
            0..=2 => random.next_u32() % 12,
            3 => 65_536 + (random.next_u32() % 64) * 4,
            4 => random.next_u32() % 300,
            _ => random.next_u32(),
        };
        bytes.extend(word.to_le_bytes());
    }
    if ascii {
        bytes.iter_mut().for_each(|byte| *byte &= 0x7f);
    }
    bytes
}

fn random() -> Random {
    Random(7)
}

/// Answers the place of an argument, where the host has just put what we gave.
const GIVEN: &str = "(local.get 0)";
const SECOND: &str = "(local.get 1)";

/// Bytes and texts always come to the same place, so that what lies where is known; everything else beside it.
const FRESH: &str = "
    (if (i32.gt_u (local.get 3) (i32.const 60000)) (then unreachable))
    (select (i32.const 65536) (i32.const 61440) (i32.eq (local.get 2) (i32.const 1)))";

async fn taken_in(world: &str, functions: &[(&str, &str)]) -> (Besieged, String) {
    let mut made = Made::quiet(world).realloc(FRESH);
    for (function, body) in functions {
        made = made.body(function, *body);
    }
    let mut besieged = Besieged::new().await;
    let outcome = besieged.take_in(&made.module()).await;
    assert!(matches!(outcome, ReloadOutcome::Applied { .. }), "{outcome:?}");
    let hostile = besieged.hostile();
    (besieged, hostile)
}

/// Counts, so that neither everything nor nothing is taken without anybody noticing.
#[derive(Debug, Default)]
struct Tally {
    sound: usize,
    faults: usize,
}

impl Tally {
    fn fault(&mut self, fault: &Fault) {
        let known = ["plugin-trap", "plugin-contract", "plugin-fault", "plugin-output", "plugin-memory"];
        assert!(known.contains(&fault.code.as_str()), "{fault:?}");
        assert!(fault.message.starts_with("plugin hostile"), "{fault:?}");
        self.faults += 1;
    }

    fn both_happened(&self) {
        assert!(self.sound > 20 && self.faults > 20, "{self:?}");
    }
}

#[tokio::test]
async fn any_bytes_as_a_stream_inspectors_answer() {
    let (mut besieged, hostile) = taken_in("stream-inspector", &[("client", GIVEN), ("server", GIVEN)]).await;
    let (mut random, mut tally) = (random(), Tally::default());
    for case in 0..CASES {
        let mut inspector = besieged.house.open("s", &[&hostile]).await.unwrap().inspector;
        let given = answer(&mut random, false);
        if case % 2 == 0 {
            match inspector.client(&given, false).await {
                Err(fault) => tally.fault(&fault),
                Ok(said) => {
                    tally.sound += 1;
                    assert!(said.operations.iter().all(|each| each.id != 0));
                    for event in &said.events {
                        let (count, reference) = (event.count as usize, event.reference as usize);
                        assert!(match event.kind {
                            kind::PASS | kind::DROP => true,
                            kind::INSERT => reference < said.inserts.len(),
                            kind::OPERATION =>
                                reference < said.operations.len()
                                    && (event.bits & 1 == 0 || count < said.inserts.len()),
                            kind::REFUSED => reference < said.operations.len() && count < said.refusals.len(),
                            kind::FATAL => count < said.refusals.len(),
                            _ => false,
                        });
                    }
                }
            }
        } else {
            match inspector.server(&given, false, 1).await {
                Err(fault) => tally.fault(&fault),
                Ok(said) => {
                    tally.sound += 1;
                    for cell in said.cells.chunks(2) {
                        let [start, length] = cell else { panic!("half a cell") };
                        let space = if start & TOP_BIT == 0 { given.len() } else { said.decoded.len() };
                        let end = u64::from(start & !TOP_BIT) + u64::from(*length);
                        assert!(*length == NULL_LENGTH || end <= space as u64);
                    }
                }
            }
        }
    }
    tally.both_happened();
    besieged.witness_is_served().await;
}

#[tokio::test]
async fn any_bytes_as_an_http_inspectors_answer() {
    let functions = [("request-body", SECOND), ("answer-body", SECOND), ("encode", "(local.get 3)")];
    let (mut besieged, hostile) = taken_in("http-inspector", &functions).await;
    let limits = InspectorLimits { max_operation_bytes: 1 << 20, max_answer_bytes: 1 << 20 };
    let (mut random, mut tally) = (random(), Tally::default());
    for case in 0..CASES {
        let judges = besieged.house.guests.open_judges(&info("s"), &[name(&hostile)]).await.unwrap();
        let opened = besieged.house.guests.open_http_inspector(judges, &info("s"), limits).await;
        let mut inspector = opened.unwrap().inspector;
        let given = answer(&mut random, false);
        let ascends = |starts: &[u32], stops: &[u32]| {
            starts.len() == stops.len()
                && starts.iter().zip(stops).all(|(start, stop)| start <= stop)
                && stops.iter().zip(starts.iter().skip(1)).all(|(stop, next)| stop <= next)
        };
        let fault = match case % 3 {
            0 => inspector.request_body(1, &given, true).await.map(|said| {
                assert!(said.release as usize <= given.len());
                assert!(said.operations.iter().all(|each| each.id != 0));
            }),
            1 => inspector.answer_body(1, &given, true).await.map(|said| {
                assert!(said.release as usize <= given.len());
                assert!(ascends(&said.changes.starts, &said.changes.stops));
                assert!(said.changes.stops.iter().all(|stop| *stop <= said.release));
                for cell in said.values.cells.chunks(3) {
                    let [column, start, length] = cell else { panic!("part of a cell") };
                    let space =
                        if start & TOP_BIT == 0 { said.release as usize } else { said.values.decoded.len() };
                    assert!((*column as usize) < said.values.columns.len());
                    assert!(u64::from(start & !TOP_BIT) + u64::from(*length) <= space as u64);
                }
            }),
            _ => inspector.encode(1, &[0], &given, &[given.len() as u32]).await.map(|said| {
                assert!(ascends(&said.starts, &said.stops));
                assert_eq!(said.ends.last().copied().unwrap_or(0) as usize, said.texts.len());
            }),
        };
        match fault {
            Ok(()) => tally.sound += 1,
            Err(fault) => tally.fault(&fault),
        }
    }
    tally.both_happened();
    besieged.witness_is_served().await;
}

#[tokio::test]
async fn any_text_as_a_policys_answer() {
    // The operation's text is the third of its fields, each a place and a length.
    let made = Made::quiet("policy").body("decide", "(local.get 4)");
    let mut besieged = Besieged::new().await;
    let outcome = besieged.take_in(&made.module()).await;
    assert!(matches!(outcome, ReloadOutcome::Applied { .. }), "{outcome:?}");
    let hostile = besieged.hostile();
    let mut session = besieged.house.open("s", &["inspector", &hostile]).await.unwrap();
    let (mut random, mut tally) = (random(), Tally::default());
    for _ in 0..CASES {
        let mut asked = operation("");
        asked.text = String::from_utf8(answer(&mut random, true)).unwrap();
        let answer = session.policies.decide(&asked, Round::First).await.remove(0);
        match answer.answer {
            Err(fault) => tally.fault(&fault),
            Ok(decision) => {
                tally.sound += 1;
                assert!(decision.findings.len() <= 256 && decision.tags.len() <= 64);
                assert!(decision.findings.iter().all(|finding| finding.score <= 100));
                assert_ne!(answer.by.answer, "failed");
            }
        }
    }
    tally.both_happened();
    besieged.witness_is_served().await;
}

#[tokio::test]
async fn any_text_as_a_maskers_answer() {
    // Values are text, so the answer is; the blob of cells is the first field behind the shape's number.
    let made = Made::quiet("masker").body("mask", SECOND);
    let mut besieged = Besieged::new().await;
    let outcome = besieged.take_in(&made.module()).await;
    assert!(matches!(outcome, ReloadOutcome::Applied { .. }), "{outcome:?}");
    let hostile = besieged.hostile();
    let mut session = besieged.house.open("s", &["inspector", &hostile]).await.unwrap();
    let columns = [Column { name: "one".into(), ..Column::default() }];
    let (mut random, mut tally) = (random(), Tally::default());
    for _ in 0..CASES {
        session.maskers.plan(1, &columns, &operation("x")).await.unwrap();
        let mut batch = Batch::default();
        batch.push(&answer(&mut random, true), 0).unwrap();
        match session.maskers.mask(1, &batch).await {
            Err(fault) => tally.fault(&fault),
            Ok(masked) => {
                tally.sound += 1;
                assert!(std::str::from_utf8(&masked.texts).is_ok());
                assert!(masked.cells.iter().all(|cell| cell & !TOP_BIT == 0));
                assert_eq!(masked.cells.len(), masked.ends.len());
            }
        }
    }
    tally.both_happened();
    besieged.witness_is_served().await;
}

#[tokio::test]
async fn schemas_that_are_programs_are_refused() {
    // A kilobyte that would take a century, one that would dig through the stack, one that goes in circles.
    let multiply: String = (0..60)
        .map(|at| {
            format!(r##""d{at}":{{"allOf":[{{"$ref":"#/$defs/d{0}"}},{{"$ref":"#/$defs/d{0}"}}]}},"##, at + 1)
        })
        .collect();
    let dig: String =
        (0..20_000).map(|at| format!(r##""d{at}":{{"not":{{"$ref":"#/$defs/d{}"}}}},"##, at + 1)).collect();
    let schemas = [
        format!(r##"{{"$defs":{{{multiply}"d60":{{}}}},"$ref":"#/$defs/d0"}}"##),
        format!(r##"{{"$defs":{{{}"d20000":{{}}}},"$ref":"#/$defs/d0"}}"##, &dig),
        r##"{"$ref":"#"}"##.to_owned(),
        format!("{}1{}", r#"{"not":"#.repeat(100_000), "}".repeat(100_000)),
        r#"{"pattern":"((a{999}){999}){999}"}"#.to_owned(),
        format!("[{}", "[".repeat(1 << 19)),
        "\u{feff}{}".to_owned(),
    ];
    let mut besieged = Besieged::new().await;
    for schema in schemas {
        // Four texts: name, version, description, and the schema.
        let place = 131_072_u32;
        let mut manifest = vec![0; 24];
        manifest.extend(place.to_le_bytes());
        manifest.extend((schema.len() as u32).to_le_bytes());
        let made = Made::quiet("policy")
            .pages(40)
            .data(20_000, &manifest)
            .data(place, schema.as_bytes())
            .body("describe", "(i32.const 20000)");
        let start: String = schema.chars().take(60).collect();
        match besieged.take_in(&made.module()).await {
            ReloadOutcome::Kept { problem, .. } => {
                assert_eq!(problem.stage, weir_guests::Stage::Describe, "{start}: {problem}");
            }
            other => panic!("{start}: {other:?}"),
        }
    }
}
