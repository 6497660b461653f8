//! A policy that does what the operation's text says.

use serde::Deserialize;
use std::hint::black_box;
use weir_sdk::policy::{Decision, HoldRequest, Operation, Policy, SessionInfo, Verdict};
use weir_sdk::{Fault, log};

/// Where to misbehave before any operation comes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default)]
    configure: String,
    #[serde(default)]
    open: String,
    /// Comes back as a tag.
    #[serde(default)]
    mark: String,
}

struct Obedient {
    session: String,
    mark: String,
    seen: Vec<String>,
}

impl Policy for Obedient {
    const NAME: &'static str = "obedient";
    const DESCRIPTION: &'static str = "Does what it is told";
    const SETTINGS_SCHEMA: &'static str = r#"{
        "type": "object",
        "properties": {
            "configure": { "type": "string" },
            "open": { "enum": ["", "loop", "panic", "fault", "fault-unless-trial"] },
            "mark": { "type": "string", "maxLength": 20 }
        },
        "additionalProperties": false
    }"#;
    type Settings = Settings;

    fn check(settings: &Settings) -> Result<(), Fault> {
        match settings.configure.as_str() {
            "fault" => Err(Fault::new("no", "told to refuse")),
            "panic" => panic!("told to"),
            "loop" => forever(),
            "grow" => grow(),
            _ => Ok(()),
        }
    }

    fn open(settings: &Settings, session: &SessionInfo) -> Result<Self, Fault> {
        match settings.open.as_str() {
            "fault" => return Err(Fault::new("no", "told to refuse")),
            "fault-unless-trial" if session.id != "trial" => return Err(Fault::new("no", "told to refuse")),
            "panic" => panic!("told to"),
            "loop" => forever(),
            _ => {}
        }
        Ok(Self { session: session.id.clone(), mark: settings.mark.clone(), seen: Vec::new() })
    }

    fn decide(&mut self, operation: &Operation) -> Decision {
        self.seen.push(operation.text.clone());
        let (word, rest) = operation.text.split_once(' ').unwrap_or((&operation.text, ""));
        let number = || rest.parse::<usize>().unwrap_or_default();
        match word {
            "allow" => Decision::allow(),
            // Says how often it was asked, and that this serves again.
            "again" => Decision::allow().tag("asked", self.seen.len().to_string()).reusable(),
            "whatever" => Decision::allow().tag("asked", self.seen.len().to_string()).reusable_for_any_text(),
            "deny" => Decision::deny("told", rest),
            "hold" => Decision::hold("told", rest),
            "rewrite" => Decision::rewrite(rest),
            "mark" => Decision::allow().tag("mark", &self.mark),
            "remember" => Decision::allow().tag("session", &self.session).tag("seen", self.seen.join(",")),
            "loop" => forever(),
            "work" => {
                work(number());
                Decision::allow()
            }
            "recurse" => Decision::allow().tag("depth", recurse(0).to_string()),
            "panic" => panic!("told to"),
            "grow" => grow(),
            "huge" => Decision::deny("huge", "x".repeat(number())),
            "bell" => Decision::deny("be\u{7}ll", "ri\u{1b}[2Jng\n\u{202e}now"),
            "utf8" => Decision::deny("utf8", not_utf8()),
            "findings" => (0..number()).fold(Decision::allow(), |all, _| all.finding("rule", "place", 1)),
            "tags" => (0..number()).fold(Decision::allow(), |all, _| all.tag("name", "value")),
            "score" => Decision::allow().finding("rule", "place", number() as u8),
            "reviewers" => Decision::of(Verdict::Hold(HoldRequest {
                code: "told".into(),
                reason: "told".into(),
                reviewers: rest.split(',').map(str::to_owned).collect(),
            })),
            "log" => {
                (0..number()).for_each(|line| log::info(&format!("line {line}\u{1b}")));
                Decision::allow()
            }
            _ => Decision::abstain(),
        }
    }
}

fn forever() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns + 1);
    }
}

fn work(turns: usize) {
    (0..turns).for_each(|turn| _ = black_box(turn));
}

fn recurse(depth: u64) -> u64 {
    match black_box(depth) {
        u64::MAX => 0,
        depth => 1 + recurse(depth + 1),
    }
}

fn grow() -> ! {
    let mut all = Vec::new();
    loop {
        all.push(black_box(vec![1_u8; 1 << 20]));
    }
}

fn not_utf8() -> String {
    // What a broken or hostile guest would do.
    unsafe { String::from_utf8_unchecked(vec![b'a', 0xff, 0xfe]) }
}

weir_sdk::export_policy!(Obedient);
