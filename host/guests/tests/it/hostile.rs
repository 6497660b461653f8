//! The hostile suite: guests of a few instructions against every function of every world. What each attacks is told
//! in `tests/guests/README.md`.
//!
//! After every attack the same must hold: the host lives, the call was answered by a fault that names the plugin, the
//! instance is not entered again, and a session of honest plugins, opened before, is served.

use crate::made::{ALLOCATE, Exported, Made, ONES, WORLDS, ZEROS, functions};
use crate::support::*;
use std::time::Duration;
use weir_guests::{InspectorLimits, PluginSpec, ReloadOutcome, SessionGuests, Stage};
use weir_model::{Column, Fault, FaultSource};
use weir_session::http::traffic::{AnswerHead, HttpInspector, RequestHead};
use weir_session::ports::{Inspector, Maskers};
use weir_session::traffic::{Batch, Masked};

const LIMITS: InspectorLimits = InspectorLimits { max_operation_bytes: 1 << 20, max_answer_bytes: 1 << 20 };

/// A house of honest plugins into which hostile ones are put, and a session that is served all the while.
pub(crate) struct Besieged {
    pub(crate) house: House,
    pub(crate) witness: SessionGuests,
    honest: Vec<PluginSpec>,
    round: u32,
}

impl Besieged {
    pub(crate) async fn new() -> Self {
        let house = usual_house().await;
        let witness = house.session("witness").await;
        let mut honest: Vec<_> =
            ["inspector", "policy", "masker"].iter().map(|each| spec(&house.folder, each)).collect();
        for world in ["stream-inspector", "http-inspector"] {
            let quiet = spec(&house.folder, &format!("quiet-{world}"));
            std::fs::write(&quiet.file, Made::quiet(world).module()).unwrap();
            honest.push(quiet);
        }
        // Whether it is served is asked, not how fast: what is compiled beside it takes all of a small machine.
        honest.iter_mut().for_each(|each| each.limits.call_time = Some(Duration::from_secs(10)));
        let mut besieged = Self { house, witness, honest, round: 0 };
        besieged.house.guests.apply(besieged.honest.clone()).await;
        besieged.witness = besieged.house.session("witness").await;
        besieged
    }

    /// Puts a file into service under the name `hostile`, or tells why not.
    pub(crate) async fn take_in(&mut self, bytes: &[u8]) -> ReloadOutcome {
        self.round += 1;
        // A name of its own each time: a plugin may not become one of another world.
        let mut hostile = spec(&self.house.folder, &format!("hostile-{}", self.round));
        std::fs::write(&hostile.file, bytes).unwrap();
        hostile.limits.memory_bytes = Some(8 << 20);
        hostile.limits.output_bytes = Some(1 << 20);
        hostile.limits.call_time = Some(Duration::from_millis(30));
        hostile.limits.start_time = Some(Duration::from_millis(30));
        let mut specs = self.honest.clone();
        specs.push(hostile.clone());
        let outcomes = self.house.guests.apply(specs).await;
        std::fs::remove_file(&hostile.file).unwrap();
        let outcome = outcomes.into_iter().find(|(each, _)| *each == hostile.name).unwrap().1;
        self.witness_is_served().await;
        outcome
    }

    pub(crate) fn hostile(&self) -> String {
        format!("hostile-{}", self.round)
    }

    pub(crate) async fn witness_is_served(&mut self) {
        let said = ask(&mut self.witness, "allow").await;
        assert_eq!(said.by.answer, "allow", "{:?}", said.answer);
    }

    /// Calls that function of the hostile plugin, twice: how the first ended, and the second.
    pub(crate) async fn call(&mut self, world: &str, function: &str) -> [Result<(), Fault>; 2] {
        let hostile = self.hostile();
        let both = match world {
            "policy" => {
                let mut session = self.house.open("s", &["inspector", &hostile]).await.unwrap();
                let mut ends = Vec::new();
                for _ in 0..2 {
                    ends.push(ask(&mut session, "x").await.answer.map(drop));
                }
                ends
            }
            "masker" => {
                let mut session = self.house.open("s", &["inspector", &hostile]).await.unwrap();
                let mut ends = Vec::new();
                for _ in 0..2 {
                    ends.push(mask(&mut session, function).await);
                }
                ends
            }
            "stream-inspector" => {
                let mut inspector = self.house.open("s", &[&hostile]).await.unwrap().inspector;
                vec![stream(&mut inspector, function).await, stream(&mut inspector, function).await]
            }
            _ => {
                let judges = self.house.guests.open_judges(&info("s"), &[name(&hostile)]).await.unwrap();
                let opened = self.house.guests.open_http_inspector(judges, &info("s"), LIMITS).await;
                let mut inspector = opened.unwrap().inspector;
                vec![http(&mut inspector, function).await, http(&mut inspector, function).await]
            }
        };
        self.witness_is_served().await;
        both.try_into().unwrap()
    }
}

async fn mask(session: &mut SessionGuests, function: &str) -> Result<(), Fault> {
    let columns = [Column { name: "one".into(), ..Column::default() }];
    let planned = session.maskers.plan(1, &columns, &operation("x")).await;
    if function == "plan" {
        return planned.map(drop);
    }
    assert_eq!(*planned?.wanted, [0]);
    let mut batch = Batch::default();
    batch.push(b"value", 0).unwrap();
    session.maskers.mask(1, &batch).await.map(drop)
}

fn no() -> Fault {
    Fault::new(FaultSource::Policy, "no", "not you")
}

async fn stream(inspector: &mut impl Inspector, function: &str) -> Result<(), Fault> {
    let masked = Masked { cells: vec![0], texts: b"x".to_vec(), ends: vec![1], applied: vec![] };
    match function {
        "client" => inspector.client(b"bytes", false).await.map(drop),
        "server" => inspector.server(b"bytes", true, 1).await.map(drop),
        "want" => inspector.want(&[0], 1).await,
        "edit" => inspector.edit(b"bytes", &rows_in(5), &masked).await.map(drop),
        "refuse" => inspector.refuse(1, &no()).await.map(drop),
        "rewrite" => inspector.rewrite(1, "text").await.map(drop),
        "notice" => inspector.notice("wait").await.map(drop),
        "closing" => inspector.closing(&no()).await.map(drop),
        other => panic!("no call of {other}"),
    }
}

async fn http(inspector: &mut impl HttpInspector, function: &str) -> Result<(), Fault> {
    let head = RequestHead {
        method: "GET".into(),
        authority: "api".into(),
        path: "/".into(),
        query: None,
        headers: vec![],
        has_body: true,
        length: None,
        runs_once: false,
    };
    let answer = AnswerHead { status: 200, headers: vec![], has_body: true, length: None };
    match function {
        "request" => inspector.request(&[], 1, &head, None).await.map(drop),
        "request-body" => inspector.request_body(1, b"bytes", true).await.map(drop),
        "answer" => inspector.answer(1, &answer, None).await.map(drop),
        "answer-body" => inspector.answer_body(1, b"bytes", true).await.map(drop),
        "message" => inspector.message(1, true, b"bytes").await.map(drop),
        "answer-message" => inspector.answer_message(1, true, b"bytes").await.map(drop),
        "answer-asked" => inspector.answer_asked(1, &[1], &no()).await.map(drop),
        "noted" => inspector.noted(&["note".to_owned()]).await,
        "encode" => inspector.encode(1, &[0], b"x", &[1]).await.map(drop),
        "refuse" => inspector.refuse(1, &[1], &no()).await.map(drop),
        "refuse-asked" => inspector.refuse_asked(1, &[1], &no()).await.map(drop),
        "waiting" => inspector.waiting(1, "wait").await.map(drop),
        "end" => {
            // It has no answer; how it ended shows in whether there is an instance.
            inspector.end(1).await;
            match inspector.is_usable() {
                true => Ok(()),
                false => Err(Fault::new(FaultSource::Plugin, "plugin-gone", "plugin hostile is gone")),
            }
        }
        other => panic!("no call of {other}"),
    }
}

/// Functions of a world that the host calls once the plugin serves. `forget` it never calls.
fn served(world: &str) -> Vec<Exported> {
    functions(world).into_iter().filter(|each| !each.is_of_the_start() && each.name != "forget").collect()
}

/// Ways to go wrong wherever code of the guest runs. Each leaves nothing on the stack that anybody comes back to.
const RUNS: [(&str, &str, &[&str]); 7] = [
    ("trap", "unreachable", &["plugin-trap"]),
    ("loop", "(loop $again (br $again)) unreachable", &["plugin-timeout"]),
    // Long instructions do not stop the clock: the fill takes its time, the loop is cut.
    (
        "fill",
        "(loop $again (memory.fill (i32.const 70000) (i32.const 1) (i32.const 50000)) (br $again)) unreachable",
        &["plugin-timeout"],
    ),
    ("recursion", "(drop (call $deep (i64.const 0))) unreachable", &["plugin-trap"]),
    (
        "growth",
        "(loop $again (br_if $again (i32.ne (memory.grow (i32.const 8)) (i32.const -1)))) unreachable",
        &["plugin-memory"],
    ),
    ("outside", "(i32.store (i32.const -16) (i32.const 1)) unreachable", &["plugin-trap"]),
    ("division", "(drop (i32.div_u (i32.const 1) (global.get $zero))) unreachable", &["plugin-trap"]),
];
const ZERO: &str = "(global $zero i32 (i32.const 0))\n";

#[tokio::test]
async fn quiet_guests_of_every_world_are_served() {
    // So that what follows is the doing of the part that is put in.
    let mut besieged = Besieged::new().await;
    for world in WORLDS {
        let outcome = besieged.take_in(&Made::quiet(world).module()).await;
        assert!(matches!(outcome, ReloadOutcome::Applied { .. }), "{world}: {outcome:?}");
        for function in served(world) {
            let [first, second] = besieged.call(world, &function.name).await;
            assert_eq!((first, second), (Ok(()), Ok(())), "{world} {}", function.name);
        }
    }
}

async fn attack(
    besieged: &mut Besieged,
    world: &str,
    function: &str,
    what: &str,
    made: Made,
    codes: &[&str],
) {
    let outcome = besieged.take_in(&made.module()).await;
    assert!(matches!(outcome, ReloadOutcome::Applied { .. }), "{world} {function} {what}: {outcome:?}");
    let [first, second] = besieged.call(world, function).await;
    let fault = first.expect_err(&format!("{world} {function} {what}"));
    let codes = if function == "end" { &["plugin-gone"] } else { codes };
    assert!(codes.contains(&fault.code.as_str()), "{world} {function} {what}: {fault:?}");
    assert!(fault.message.starts_with("plugin hostile"), "{fault:?}");
    // A policy or masker gets a fresh instance, which does the same; an inspector is gone with its session.
    let again = second.expect_err(what);
    match world {
        "policy" | "masker" => assert_eq!(again.code, fault.code, "{world} {function} {what}"),
        _ => assert_eq!(again.code, "plugin-gone", "{world} {function} {what}"),
    }
}

async fn attack_everywhere(world: &str) {
    let mut besieged = Besieged::new().await;
    for function in served(world) {
        for (what, body, codes) in RUNS {
            let made = Made::quiet(world).more(ZERO).body(&function.name, body);
            attack(&mut besieged, world, &function.name, what, made, codes).await;
        }
    }
}

#[tokio::test]
async fn a_policy_goes_wrong_in_every_function() {
    attack_everywhere("policy").await;
}

#[tokio::test]
async fn a_masker_goes_wrong_in_every_function() {
    attack_everywhere("masker").await;
}

#[tokio::test]
async fn a_stream_inspector_goes_wrong_in_every_function() {
    attack_everywhere("stream-inspector").await;
}

#[tokio::test]
async fn an_http_inspector_goes_wrong_in_every_function() {
    attack_everywhere("http-inspector").await;
}

#[tokio::test]
async fn answers_that_point_nowhere_or_say_what_there_is_not_are_faults() {
    let mut besieged = Besieged::new().await;
    for world in WORLDS {
        for function in served(world).iter().filter(|function| function.answers) {
            let nonsense = [
                ("outside", "(i32.const -4)".to_owned()),
                ("not aligned", format!("(i32.const {})", ZEROS + 1)),
                ("all ones", format!("(i32.const {ONES})")),
            ];
            for (what, body) in nonsense {
                let made = Made::quiet(world).body(&function.name, body);
                attack(&mut besieged, world, &function.name, what, made, &["plugin-trap"]).await;
            }
        }
    }
}

#[tokio::test]
async fn what_happens_after_an_answer_counts_too() {
    // The answer was read already; a guest that fails behind it is not believed.
    let mut besieged = Besieged::new().await;
    for world in WORLDS {
        for function in served(world).iter().filter(|function| function.answers) {
            for (what, code) in
                [("unreachable", "plugin-trap"), ("(loop $again (br $again))", "plugin-timeout")]
            {
                let made = Made::quiet(world).post(&function.name, what);
                attack(&mut besieged, world, &function.name, what, made, &[code]).await;
            }
        }
    }
}

#[tokio::test]
async fn an_allocator_that_lies_fails_its_own_call_only() {
    let mut besieged = Besieged::new().await;
    for world in WORLDS {
        // Not while it starts, when it is asked for room as well; the first call that is served turns it.
        for function in served(world).iter().filter(|function| function.allocates) {
            let turned = |what: &str| format!("(if (global.get $turned) (then {what}))\n{ALLOCATE}");
            let globals = "(global $turned (mut i32) (i32.const 0))\n";
            for (what, body, codes) in [
                ("trap", "unreachable", &["plugin-trap"][..]),
                ("outside", "(return (i32.const -16))", &["plugin-trap"]),
                ("loop", "(loop $again (br $again))", &["plugin-timeout"]),
                ("recursion", "(drop (call $deep (i64.const 0)))", &["plugin-trap"]),
                ("calls the host", "(call $log (i32.const 2) (i32.const 0) (i32.const 1))", &["plugin-trap"]),
            ] {
                let open = format!("(global.set $turned (i32.const 1)) (i32.const {ZEROS})");
                let made = Made::quiet(world).more(globals).realloc(turned(body)).body("open", open);
                attack(&mut besieged, world, &function.name, what, made, codes).await;
            }
        }
    }
}

#[tokio::test]
async fn log_lines_that_are_none_fail_the_call() {
    let mut besieged = Besieged::new().await;
    for (what, line) in [
        ("outside", "(i32.const -16) (i32.const 64)".to_owned()),
        ("not text", format!("(i32.const {ONES}) (i32.const 8)")),
        ("longer than there is", "(i32.const 0) (i32.const -1)".to_owned()),
    ] {
        let body = format!("(call $log (i32.const 2) {line}) (i32.const {ZEROS})");
        let made = Made::quiet("policy").body("decide", body);
        attack(&mut besieged, "policy", "decide", what, made, &["plugin-trap"]).await;
    }
}

#[tokio::test]
async fn a_guest_that_goes_wrong_before_it_serves_never_serves() {
    let mut besieged = Besieged::new().await;
    for world in WORLDS {
        for function in functions(world).iter().filter(|function| function.is_of_the_start()) {
            let stage = if function.name == "describe" { Stage::Describe } else { Stage::Start };
            for (what, body, _) in RUNS {
                let made = Made::quiet(world).more(ZERO).body(&function.name, body);
                let ReloadOutcome::Kept { problem, running: None } = besieged.take_in(&made.module()).await
                else {
                    panic!("{world} {} {what}", function.name);
                };
                assert_eq!(problem.stage, stage, "{world} {} {what}: {problem}", function.name);
            }
        }
        // Nor one that does so before any function is called.
        for (what, body, _) in RUNS {
            let made = Made::quiet(world).more(ZERO).more(&format!("(func $first {body}) (start $first)\n"));
            let ReloadOutcome::Kept { problem, .. } = besieged.take_in(&made.module()).await else {
                panic!("{what}")
            };
            assert_eq!(problem.stage, Stage::Describe, "{what}: {problem}");
        }
    }
}

/// What three functions answer is bytes and nothing else: as many as there are.
#[tokio::test]
async fn bytes_beyond_the_limit_are_not_read() {
    let mut besieged = Besieged::new().await;
    for (world, function) in
        [("stream-inspector", "notice"), ("stream-inspector", "closing"), ("http-inspector", "refuse-asked")]
    {
        // 80 pages lie there, 2 MiB are answered, 1 MiB is the limit.
        let list: Vec<u8> = [0_u32, 2 << 20].iter().flat_map(|word| word.to_le_bytes()).collect();
        let made = Made::quiet(world).pages(80).data(20_000, &list).body(function, "(i32.const 20000)");
        attack(&mut besieged, world, function, "huge", made, &["plugin-output"]).await;
    }
}
