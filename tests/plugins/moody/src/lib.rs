//! A policy that allows everything, and misbehaves when the statement says so: `/* moody: trap */ select 1`.

use std::hint::black_box;
use weir_sdk::policy::{Decision, NoSettings, Operation, Policy, SessionInfo};
use weir_sdk::{Fault, log};

/// Some milliseconds: within the time of a call, but much for a policy.
const SLOW_TURNS: u64 = 30_000_000;
/// Longer than any time a call is given, but not for ever.
const LATE_TURNS: u64 = 20_000_000_000;

/// Lines of one flood.
const FLOOD_LINES: u32 = 10_000;

struct Moody {
    /// What it says next to somebody who asks for `flip`.
    denies: bool,
}

impl Policy for Moody {
    const NAME: &'static str = "moody";
    type Settings = NoSettings;

    fn open(_: &NoSettings, _: &SessionInfo) -> Result<Self, Fault> {
        Ok(Self { denies: false })
    }

    fn decide(&mut self, operation: &Operation) -> Decision {
        match mood(&operation.text) {
            "trap" => panic!("told to"),
            "loop" => loop {
                black_box(0);
            },
            "late" => (0..LATE_TURNS).for_each(|turn| _ = black_box(turn)),
            "slow" => (0..SLOW_TURNS).for_each(|turn| _ = black_box(turn)),
            "eat" => eat(),
            "overflow" => _ = black_box(dig(0)),
            "much" => return Decision::deny("much", "x".repeat(48 << 20)),
            "score" => return Decision::allow().finding("rule", "place", 255),
            "text" => return Decision::deny("text", not_utf8()),
            "rewrite" => return Decision::rewrite("select 'rewritten' -- by moody"),
            "ping-pong" => return Decision::rewrite(format!("{} ", operation.text)),
            "hold" => return Decision::hold("moody", "told to"),
            "abstain" => return Decision::abstain(),
            "flip" => {
                self.denies = !self.denies;
                if self.denies {
                    return Decision::deny("flip", "not this time");
                }
            }
            "flood" => (0..FLOOD_LINES).for_each(|line| log::info(&format!("flood {line}"))),
            "flood-and-trap" => {
                (0..FLOOD_LINES).for_each(|line| log::info(&format!("flood {line}")));
                panic!("told to");
            }
            _ => {}
        }
        Decision::allow()
    }
}

fn mood(text: &str) -> &str {
    let behind = text.split_once("/* moody: ").map(|(_, behind)| behind);
    behind.and_then(|behind| behind.split_once(" */")).map_or("", |(word, _)| word)
}

fn eat() {
    let mut all = Vec::new();
    loop {
        all.push(black_box(vec![1_u8; 1 << 20]));
    }
}

fn dig(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    match depth {
        u64::MAX => 0,
        _ => 1 + dig(frame[depth as usize % 64] + 1),
    }
}

fn not_utf8() -> String {
    // SAFETY: none; this is what a broken guest would answer.
    unsafe { String::from_utf8_unchecked(vec![b'a', 0xff, 0xfe]) }
}

weir_sdk::export_policy!(Moody);
