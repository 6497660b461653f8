//! A plugins folder, guests to put into it, and sessions to open.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc::UnboundedReceiver;
use weir_guests::{
    EngineConfig, GuestEvent, Guests, GuestsConfig, InspectorLimits, PluginMetrics, PluginSpec,
    ReloadOutcome, SessionGuests,
};
use weir_model::{
    Action, Attribute, Fault, Operation, PluginName, Principal, PrincipalKind, ResourceName, SessionId,
    SessionInfo,
};
use weir_session::ports::{Policies, PolicyAnswer, Round};
use weir_session::traffic::{Event, kind};

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The bytes of a guest from `tests/guests`, built once per test run.
pub(crate) fn guest(name: &str) -> Vec<u8> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let folder = BUILT.get_or_init(|| {
        let out = repository().join("target/test-guests");
        let crates = [
            "policy",
            "clocked",
            "masker",
            "inspector",
            "example-policy",
            "example-masker",
            "example-stream",
            "example-http",
        ];
        let crates = crates.map(|name| repository().join("tests/guests").join(name));
        let built =
            Command::new(repository().join("plugins/build")).arg("--out").arg(&out).args(crates).output();
        let built = built.expect("plugins/build runs");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        out
    });
    std::fs::read(folder.join(name).with_extension("wasm")).unwrap()
}

/// The same program under another digest: a custom section more.
pub(crate) fn variant(bytes: &[u8], number: u32) -> Vec<u8> {
    let mut out = bytes.to_vec();
    // Section 0, nine bytes: a name of four, then the number.
    out.extend([0, 9, 4]);
    out.extend(b"test");
    out.extend(number.to_le_bytes());
    out
}

/// A small engine: tests run many of them.
pub(crate) fn small_engine() -> EngineConfig {
    EngineConfig { max_sessions: 64, plugins_per_session: 4, ..EngineConfig::default() }
}

pub(crate) struct House {
    pub(crate) folder: TempDir,
    pub(crate) guests: Guests,
    pub(crate) outcomes: Vec<(PluginName, ReloadOutcome)>,
    pub(crate) events: UnboundedReceiver<GuestEvent>,
}

pub(crate) fn name(text: &str) -> PluginName {
    PluginName::new(text)
}

pub(crate) fn spec(folder: &TempDir, plugin: &str) -> PluginSpec {
    PluginSpec::new(name(plugin), folder.path().join(plugin).with_extension("wasm"))
}

/// Builds a house whose folder holds `files`, with a spec for each, adjusted.
pub(crate) async fn house(files: &[(&str, Vec<u8>)], watch: bool, adjust: impl Fn(&mut PluginSpec)) -> House {
    let folder = TempDir::new().unwrap();
    let mut specs = Vec::new();
    for (plugin, bytes) in files {
        let mut spec = spec(&folder, plugin);
        std::fs::write(&spec.file, bytes).unwrap();
        adjust(&mut spec);
        specs.push(spec);
    }
    let config = GuestsConfig {
        plugins: folder.path().to_owned(),
        cache: Some(folder.path().join("cache")),
        engine: small_engine(),
        watch,
        outside: Arc::new(weir_guests::Nothing),
    };
    let started = Guests::start(config, specs).await.unwrap();
    House { folder, guests: started.guests, outcomes: started.outcomes, events: started.events }
}

/// The test guests under the names `policy`, `masker` and `inspector`.
pub(crate) async fn usual_house() -> House {
    usual_house_with(|_| {}).await
}

pub(crate) async fn usual_house_with(adjust: impl Fn(&mut PluginSpec)) -> House {
    let files = [("inspector", guest("inspector")), ("policy", guest("policy")), ("masker", guest("masker"))];
    let house = house(&files, false, adjust).await;
    for (name, outcome) in &house.outcomes {
        assert!(matches!(outcome, ReloadOutcome::Applied { .. }), "{name}: {outcome:?}");
    }
    house
}

impl House {
    pub(crate) async fn session(&self, id: &str) -> SessionGuests {
        self.open(id, &["inspector", "policy", "masker"]).await.unwrap()
    }

    pub(crate) async fn open(&self, id: &str, pipeline: &[&str]) -> Result<SessionGuests, Fault> {
        let pipeline: Vec<_> = pipeline.iter().map(|each| name(each)).collect();
        let limits = InspectorLimits { max_operation_bytes: 1 << 20, max_answer_bytes: 1 << 20 };
        let parameters = [("server_version".to_owned(), "17".to_owned())];
        self.guests.open_session(&info(id), &pipeline, &parameters, limits).await
    }

    pub(crate) fn file(&self, plugin: &str) -> PathBuf {
        self.folder.path().join(plugin).with_extension("wasm")
    }

    /// Puts a file into its place the way deployments do.
    pub(crate) fn replace(&self, plugin: &str, bytes: &[u8]) {
        let beside = self.folder.path().join(format!(".{plugin}.new"));
        std::fs::write(&beside, bytes).unwrap();
        std::fs::rename(beside, self.file(plugin)).unwrap();
    }

    pub(crate) fn metrics(&self, plugin: &str) -> std::sync::Arc<PluginMetrics> {
        let all = self.guests.metrics();
        all.into_iter().find(|(found, _)| found.as_str() == plugin).unwrap().1
    }

    pub(crate) async fn event(&mut self) -> GuestEvent {
        let next = tokio::time::timeout(Duration::from_secs(30), self.events.recv());
        next.await.expect("an event comes").expect("the room lives")
    }
}

pub(crate) fn info(id: &str) -> SessionInfo {
    SessionInfo {
        id: SessionId::new(id),
        resource: ResourceName::new("customers"),
        protocol: "lines".into(),
        who: Principal {
            id: "ann".into(),
            kind: PrincipalKind::Human,
            on_behalf_of: None,
            groups: vec!["engineers".into(), "leads".into()],
        },
        client_address: "127.0.0.1".into(),
        started_ms: 1,
        attributes: vec![Attribute::new("database", "customers")],
        claimed: vec![Attribute::new("application", "psql")],
    }
}

pub(crate) fn operation(text: &str) -> Operation {
    Operation {
        kind: "line".into(),
        action: Action::Read,
        text: text.into(),
        objects: vec!["public.customers".into()],
        parameters: vec![],
        attributes: vec![Attribute::new("sql-relations", "public.customers")],
        claimed: vec![],
    }
}

/// Asks the one policy of a session.
pub(crate) async fn ask(session: &mut SessionGuests, text: &str) -> PolicyAnswer {
    let mut answers = session.policies.decide(&operation(text), Round::First).await;
    assert_eq!(answers.len(), 1);
    answers.remove(0)
}

/// The fault the one policy ends in.
pub(crate) async fn ask_fault(session: &mut SessionGuests, text: &str) -> Fault {
    let answer = ask(session, text).await;
    assert_eq!(answer.by.answer, "failed");
    answer.answer.expect_err(text)
}

/// The value of a tag of an answer.
pub(crate) fn tag(answer: &PolicyAnswer, name: &str) -> String {
    let decision = answer.answer.as_ref().unwrap();
    decision.tags.iter().find(|tag| tag.name == name).unwrap().value.clone()
}

/// Numbers that are the same in each run (SplitMix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn next_u32(&mut self) -> u32 {
        (self.next_u64() >> 32) as u32
    }
}

/// Rows in so many bytes.
pub(crate) fn rows_in(len: u32) -> Event {
    Event { kind: kind::ROWS, bits: 0, len, count: 1, reference: 0 }
}
