//! Plugin files that attack the loader: what they want, what they are made of, what it costs to compile them, and real
//! plugins with bytes changed, cut out and spliced.

use crate::hostile::Besieged;
use crate::made::{Made, WORLDS, component};
use crate::support::*;
use std::time::{Duration, Instant};
use weir_guests::{PluginSpec, ReloadOutcome, Stage};

async fn refused(besieged: &mut Besieged, what: &str, bytes: &[u8]) -> weir_guests::LoadProblem {
    match besieged.take_in(bytes).await {
        ReloadOutcome::Kept { problem, running: None } => {
            assert!(!problem.message.contains("decoder stop"), "{what}: {problem}");
            problem
        }
        other => panic!("{what}: {other:?}"),
    }
}

/// Fields that a module may not have, however well the rest of it behaves.
#[tokio::test]
async fn what_a_plugin_may_not_have_it_does_not_get() {
    let mut besieged = Besieged::new().await;
    let many = |count: usize, field: &str| field.repeat(count);
    let fields = [
        ("many memories", many(16, "(memory 1)\n")),
        ("many tables", many(101, "(table 1 funcref)\n")),
        ("a huge table", "(table 10000000 funcref)\n".to_owned()),
        ("a huge table of references", "(table 4294967295 externref)\n".to_owned()),
        ("shared memory", "(memory 1 2 shared)\n".to_owned()),
        ("64-bit memory", "(memory i64 1)\n".to_owned()),
        ("a huge memory", "(memory 65536)\n".to_owned()),
        ("memory beyond its limit", "(memory 129)\n".to_owned()),
        ("exceptions", "(tag $tag) (func (throw $tag))\n".to_owned()),
        (
            "garbage collection",
            "(type $struct (struct (field i32)))\n(func (drop (struct.new $struct (i32.const 1))))\n"
                .to_owned(),
        ),
        ("an import of its own", String::new()),
    ];
    for (what, more) in fields {
        let mut text = Made::quiet("policy").more(&more).text();
        if what == "an import of its own" {
            text = text.replacen("(memory", "(import \"wasi_snapshot_preview1\" \"fd_write\" (func (param i32 i32 i32 i32) (result i32)))\n(memory", 1);
        }
        let module = crate::made::embed(
            wat::parse_str(&text).unwrap_or_else(|error| panic!("{what}: {error}")),
            "policy",
        );
        refused(&mut besieged, what, &module).await;
    }
}

#[tokio::test]
async fn imports_of_another_version_or_shape_are_not_given() {
    let mut besieged = Besieged::new().await;
    let ours = |import: &str| {
        let text = format!(
            r#"(component {import} (instance $i) (export "weir:plugin/lifecycle@0.1.0" (instance $i))
               (export "weir:plugin/decide@0.1.0" (instance $i)))"#
        );
        wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    };
    for import in [
        r#"(import "weir:plugin/host-log@0.2.0" (instance (export "log" (func (param "level" u8) (param "message" string)))))"#,
        r#"(import "weir:plugin/host-log@1.0.0" (instance (export "log" (func))))"#,
        r#"(import "weir:plugin/host-log@0.1.0" (instance (export "log" (func))))"#,
        r#"(import "weir:plugin/host-log@0.1.0" (instance (export "read" (func (result string)))))"#,
        r#"(import "weir:plugin/host-log@0.1.0" (func))"#,
        r#"(import "weir:plugin/host-files@0.1.0" (instance))"#,
        r#"(import "other:plugin/host-log@0.1.0" (instance))"#,
        r#"(import "exit" (func))"#,
    ] {
        let problem = refused(&mut besieged, import, &ours(import)).await;
        assert_eq!(problem.stage, Stage::Imports, "{import}: {problem}");
    }
}

#[tokio::test]
async fn components_nested_without_end_are_refused() {
    let mut besieged = Besieged::new().await;
    // Written by hand: the text format's own parser would be the first to give up.
    let nested = |depth: usize| {
        let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
        for _ in 0..depth {
            let mut outer = b"\0asm\x0d\0\x01\0\x04".to_vec();
            let mut length = bytes.len();
            loop {
                outer.push((length & 0x7f) as u8 | if length > 0x7f { 0x80 } else { 0 });
                length >>= 7;
                if length == 0 {
                    break;
                }
            }
            outer.extend(&bytes);
            bytes = outer;
        }
        bytes
    };
    for depth in [10, 200, 5_000] {
        refused(&mut besieged, &format!("{depth} deep"), &nested(depth)).await;
    }
}

/// Functions that are much work to compile, or that dig into the compiler's own stack. Loaded or refused: there is an
/// answer, and sessions are served while it is being found.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_hard_to_compile_is_compiled_or_refused_beside_the_traffic() {
    let function = |body: &str| format!("(func (param i32) (result i32) (local i32 i64) {body})\n");
    let bombs = [
        ("many functions", function("(i32.const 1)").repeat(4_000)),
        (
            "nested blocks",
            function(&format!("{}{}i32.const 1", "block ".repeat(50_000), "end ".repeat(50_000))),
        ),
        ("a deep expression", {
            let mut body = "local.get 0 ".repeat(100_000);
            body.push_str(&"i32.add ".repeat(99_999));
            function(&body)
        }),
        (
            "a long chain",
            function(&format!("local.get 0 {}", "i32.const 3 i32.mul local.get 0 i32.xor ".repeat(20_000))),
        ),
        (
            "a wide branch",
            function(&format!("(block (br_table {} (local.get 0))) (i32.const 1)", "0 ".repeat(20_000))),
        ),
        (
            "many loops",
            function(&format!("{} (i32.const 1)", "(loop (br_if 0 (i32.eqz (local.get 0))))".repeat(800))),
        ),
        ("many locals", format!("(func {})\n", "(local i64)".repeat(49_000))),
        ("a large data segment", format!("(data (i32.const 70000) \"{}\")\n", "\\aa".repeat(50_000))),
    ];
    let mut besieged = Besieged::new().await;
    for (what, bomb) in bombs {
        let module = Made::quiet("policy").more(&bomb).module();
        let path = besieged.house.folder.path().join("bomb.wasm");
        std::fs::write(&path, &module).unwrap();
        let spec = PluginSpec::new(name("bomb"), path);
        let start = Instant::now();
        let mut served = 0;
        {
            let loading = besieged.house.guests.check(&spec);
            tokio::pin!(loading);
            loop {
                tokio::select! {
                    biased;
                    loaded = &mut loading => {
                        println!("{what}: {:?}, {served} served meanwhile, {:?}", start.elapsed(), loaded.map(|_| ()));
                        break;
                    }
                    answer = ask(&mut besieged.witness, "allow") => {
                        assert_eq!(answer.by.answer, "allow");
                        served += 1;
                    }
                }
            }
        }
        besieged.witness_is_served().await;
    }
}

/// Files that are almost plugins: from a real one by flipping, cutting, doubling and splicing.
fn damaged(whole: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    let below = |random: &mut Random, end: usize| (random.next_u64() % end.max(1) as u64) as usize;
    for _ in 0..1 + below(random, 4) {
        let (at, length) = (below(random, bytes.len()), below(random, 64));
        let end = (at + length).min(bytes.len());
        match random.next_u32() % 7 {
            0 => bytes[at] ^= 1 << (random.next_u32() % 8),
            1 => bytes[at] = random.next_u32() as u8,
            2 => _ = bytes.drain(at..end),
            3 => bytes.truncate(at.max(8)),
            4 => {
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            5 => {
                let from = below(random, other.len());
                let part = other[from..(from + length).min(other.len())].to_vec();
                bytes.splice(at..end, part);
            }
            // Lengths and counts are small numbers in few bytes: let one become the largest.
            _ => _ = bytes.splice(at..at + 1, [0xff, 0xff, 0xff, 0xff, 0x0f]),
        }
        if bytes.len() < 9 {
            break;
        }
    }
    bytes
}

/// Each damaged file is refused or becomes a plugin, within bounded time, and the host is none the worse.
async fn damage(cases: u64, seed: u64) {
    let mut besieged = Besieged::new().await;
    let mut whole: Vec<Vec<u8>> = WORLDS.iter().map(|world| Made::quiet(world).module()).collect();
    whole.extend(WORLDS.map(|world| component(&Made::quiet(world).module())));
    let real = guest("example-policy");
    let mut spec = PluginSpec::new(name("damaged"), besieged.house.folder.path().join("damaged"));
    spec.limits.start_time = Some(Duration::from_millis(100));
    let (mut taken, mut refused) = (0, 0);
    for case in 0..cases {
        // A seed for each case: one that fails can be had again alone.
        let mut random = Random(seed.wrapping_mul(1 << 32).wrapping_add(case));
        // Small ones, where every byte matters, and now and then one of a real toolchain.
        let of = (random.next_u32() as usize) % whole.len();
        let from = if case % 32 == 31 { &real } else { &whole[of] };
        let file = damaged(from, &whole[(of + 1) % whole.len()], &mut random);
        std::fs::write(&spec.file, &file).unwrap();
        match besieged.house.guests.check(&spec).await {
            Ok(_) => taken += 1,
            Err(problem) => {
                assert!(!problem.message.contains("decoder stop"), "case {case} of seed {seed}: {problem}");
                let is_fit = !problem.message.contains(['\0', '\u{1b}']) && problem.message.len() < 4096;
                assert!(is_fit, "case {case} of seed {seed}: {problem}");
                refused += 1;
            }
        }
        besieged.witness_is_served().await;
    }
    // Both happen, or nothing was tried.
    assert!(refused > 0 && (taken > 0 || cases < 200), "{taken} taken, {refused} refused");
    println!("{taken} taken, {refused} refused");
}

#[tokio::test]
async fn damaged_files_are_refused_or_work() {
    damage(300, 1).await;
}

/// `WEIR_FUZZ_CASES=100000 WEIR_FUZZ_SEED=7 cargo test --release -p weir-guests --test it fuzz -- --ignored --nocapture`
#[tokio::test]
#[ignore = "runs as long as it is told to"]
async fn fuzz_files() {
    let number =
        |name: &str, default| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    damage(number("WEIR_FUZZ_CASES", 20_000), number("WEIR_FUZZ_SEED", 2)).await;
}
