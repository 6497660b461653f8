//! However the bytes of both directions are cut, the same bytes and records come out.

use crate::scene::{Scene, told};
use proptest::prelude::*;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use weir_model::Digest;
use weir_session::ports::Entry;

/// Lines of a client, with what the toy upstream makes of them.
fn client_line() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (0..6_u8).prop_map(|number| format!("op{number} secret $p=secret\n")),
        1 => Just("deny it\n".to_owned()),
        1 => Just("hold it\n".to_owned()),
        1 => Just("rewrite op1 changed\n".to_owned()),
        1 => Just("=op2 anew\n".to_owned()),
        1 => Just("?bad\n".to_owned()),
        1 => Just("@op3 wait\n".to_owned()),
        1 => Just("!pass\n".to_owned()),
        1 => Just("+put\n".to_owned()),
        1 => (0..40_usize).prop_map(|count| format!("~{count}\n{}", "d".repeat(count))),
        1 => (0..40_usize).prop_map(|count| format!("%{} op4 load\n{}\n", count + 1, "y".repeat(count))),
        1 => Just(format!("%5000 huge\n{}", "z".repeat(5000))),
    ]
}

/// What the upstream answers to a line that reached it.
fn answer(line: &str) -> String {
    match line.split(' ').next().unwrap_or_default() {
        "op0" => "cols a,plain\nrow secret,secret\nrow \\N,x\nok 2\n".into(),
        "op1" => format!("big 50\n{}\nok 0\n", "b".repeat(49)),
        "op2" => "fail the secret\n".into(),
        "@op3" => "note a secret\n(cols) a,b\nrow x:736563726574,void\nx\nrow secret,y\nok 2\n".into(),
        "op4" => format!("skip 30\n{}put mine\nok 0\n", "s".repeat(30)),
        "op5" => "more 3\n".into(),
        "instead" | "hold" => "ok 7\n".into(),
        word if word.starts_with('%') => "ok 1\n".into(),
        _ => String::new(),
    }
}

/// What comes out of a session.
#[derive(Debug, PartialEq, Eq)]
struct Trace {
    to_upstream: String,
    /// the upstream's words, ours taken out
    to_client: String,
    ours: Vec<String>,
    intents: Vec<String>,
    outcomes: Vec<String>,
}

async fn write_cut(
    out: &mut (impl AsyncWriteExt + Unpin),
    bytes: &[u8],
    cuts: &mut impl Iterator<Item = usize>,
) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(cuts.next().unwrap_or(usize::MAX).clamp(1, rest.len()));
        out.write_all(now).await.unwrap();
        if !later.is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        rest = later;
    }
}

async fn run(script: String, client_cuts: Vec<usize>, server_cuts: Vec<usize>, pipe_bytes: usize) -> Trace {
    let mut scene = Scene::new().masking().pipes(pipe_bytes);
    if script.contains("hold it") {
        // Who sends more than is kept behind what is held does not wait, however it is cut.
        scene.limits.buffer_bytes = 256 * 1024;
    }
    let mut live = scene.start();
    let (mut client_in, mut client_out) = tokio::io::split(live.client.take());
    let (upstream_in, mut upstream_out) = tokio::io::split(live.upstream.take());
    let client = tokio::spawn(async move {
        write_cut(&mut client_out, script.as_bytes(), &mut client_cuts.into_iter().cycle()).await;
        client_out
    });
    let upstream = tokio::spawn(async move {
        let (mut lines, mut heard) = (BufReader::new(upstream_in), String::new());
        let mut cuts = server_cuts.into_iter().cycle();
        loop {
            let start = heard.len();
            if lines.read_line(&mut heard).await.unwrap() == 0 {
                return heard;
            }
            write_cut(&mut upstream_out, answer(&heard[start..]).as_bytes(), &mut cuts).await;
        }
    });
    let hearing = tokio::spawn(async move {
        let mut heard = String::new();
        client_in.read_to_string(&mut heard).await.unwrap();
        heard
    });
    // Reviewers approve whatever they are asked, until nothing happens any more.
    loop {
        let asked = tokio::time::timeout(Duration::from_secs(100), live.next_asked()).await;
        match asked {
            Ok(asked) => asked.approve(),
            Err(_) => break,
        }
    }
    let client_out = client.await.unwrap();
    live.ask(weir_session::ports::Ask::End(weir_model::EndReason::Revoked));
    (&mut live.task).await.unwrap();
    drop(client_out);
    let heard = hearing.await.unwrap();
    let is_ours = |line: &&str| line.starts_with("refused") || line.starts_with("notice");
    let (mut intents, outcomes): (Vec<_>, Vec<_>) =
        live.entries().into_iter().partition(|entry| !matches!(entry, Entry::Outcome(_)));
    for entry in &mut intents {
        if let Entry::Intent(intent) | Entry::Refused { intent, .. } = entry
            && let Some(approval) = &mut intent.approval
        {
            // It binds the time.
            approval.digest = Digest([0; 32]);
        }
    }
    Trace {
        to_upstream: upstream.await.unwrap(),
        to_client: heard.split_inclusive('\n').filter(|line| !is_ours(line)).collect(),
        ours: heard.lines().filter(is_ours).map(Into::into).collect(),
        intents: intents.iter().map(|entry| format!("{} {entry:?}", told(entry))).collect(),
        outcomes: outcomes.iter().map(told).collect(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cuts_change_nothing(
        lines in prop::collection::vec(client_line(), 1..24),
        client_cuts in prop::collection::vec(1..60_usize, 1..8),
        server_cuts in prop::collection::vec(1..30_usize, 1..8),
        pipe_bytes in prop_oneof![Just(7_usize), Just(64), Just(4096)],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let script = lines.concat();
        let whole = runtime.block_on(run(script.clone(), vec![usize::MAX], vec![usize::MAX], 1 << 20));
        let cut = runtime.block_on(run(script, client_cuts, server_cuts, pipe_bytes));
        prop_assert_eq!(&whole, &cut);
        prop_assert!(!whole.intents.concat().contains("secret"));
        prop_assert!(!whole.to_client.replace("plain\nrow ***,secret\n", "").contains("secret"));
    }
}
