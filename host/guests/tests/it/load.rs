//! What is taken into service, and how the rest is refused: stage, sentence, advice.

use crate::support::*;
use weir_guests::{Capability, LoadProblem, Manifest, PluginSpec, ReloadOutcome, Stage, World};

async fn problem_with(bytes: &[u8], adjust: impl Fn(&mut PluginSpec)) -> LoadProblem {
    let house = house(&[("guard", bytes.to_vec())], false, adjust).await;
    match house.outcomes.into_iter().next() {
        Some((_, ReloadOutcome::Kept { problem, running: None })) => problem,
        other => panic!("{other:?}"),
    }
}

async fn problem(bytes: &[u8]) -> LoadProblem {
    problem_with(bytes, |_| {}).await
}

/// A component that exports empty interfaces of these names.
fn exporting(names: &[&str]) -> Vec<u8> {
    let exports: String = names.iter().map(|name| format!("(export \"{name}\" (instance $i))")).collect();
    wat::parse_str(format!("(component (instance $i) {exports})")).unwrap()
}

#[tokio::test]
async fn a_plugin_tells_what_it_is() {
    let house = usual_house().await;
    let generation = house.guests.generation();
    let worlds: Vec<_> = generation.plugins().map(|each| (each.name.as_str(), each.world)).collect();
    assert_eq!(
        worlds,
        [("inspector", World::StreamInspector), ("masker", World::Masker), ("policy", World::Policy)]
    );
    let policy = generation.find(&name("policy")).unwrap();
    assert_eq!(policy.version.to_string(), "0.1.0");
    let Manifest { name, version, description, settings_schema } = &policy.manifest;
    assert_eq!(
        (name.as_str(), version.as_str(), description.as_str()),
        ("obedient", "0.1.0", "Does what it is told")
    );
    assert!(settings_schema.contains("maxLength"));
    std::fs::write(house.folder.path().join("other.wasm"), "").unwrap();
    assert_eq!(house.guests.status().await.unused, [house.folder.path().join("other.wasm")]);
}

#[tokio::test]
async fn files_that_are_no_plugin_are_refused_with_advice() {
    let module = wat::parse_str("(module)").unwrap();
    let build = "build it as a `cdylib` with weir's SDK for wasm32-unknown-unknown, or give a component";
    let cases: Vec<(Vec<u8>, Stage, &str, &str)> = vec![
        (module, Stage::Parse, "a plain module: it does not say which world it implements", build),
        (exporting(&[]), Stage::World, "it exports nothing of weir:plugin", build),
        (
            exporting(&["weir:plugin/decide@0.1.0"]),
            Stage::World,
            "it exports `decide` and no `lifecycle`: half a policy",
            build,
        ),
        (
            exporting(&["weir:plugin/lifecycle@0.1.0"]),
            Stage::World,
            "it is neither policy nor masker nor stream-inspector",
            build,
        ),
        (
            exporting(&["weir:plugin/lifecycle@0.1.0", "weir:plugin/decide@0.1.0", "weir:plugin/mask@0.1.0"]),
            Stage::World,
            "it is several things at once: policy, masker",
            "a plugin has one world, so that its grants are for one purpose; make two of it",
        ),
        (
            exporting(&["weir:plugin/lifecycle@0.2.0", "weir:plugin/decide@0.2.0"]),
            Stage::Version,
            "it was built for contract 0.2.0",
            "this host serves contract 0.1.0; rebuild the plugin with a matching SDK",
        ),
        (
            exporting(&["weir:plugin/lifecycle@0.1.0", "weir:plugin/decide@0.1.1"]),
            Stage::Version,
            "it mixes versions of the contract: 0.1.0, 0.1.1",
            "this host serves contract 0.1.0; rebuild the plugin with a matching SDK",
        ),
    ];
    for (bytes, stage, message, help) in cases {
        let found = problem(&bytes).await;
        assert_eq!((found.stage, found.message.as_str(), found.help.as_str()), (stage, message, help));
    }
}

#[tokio::test]
async fn exports_of_the_right_name_and_the_wrong_shape_are_refused() {
    let found = problem(&exporting(&["weir:plugin/lifecycle@0.1.0", "weir:plugin/decide@0.1.0"])).await;
    assert_eq!(found.stage, Stage::World);
    assert!(found.message.starts_with("its exports do not fit"), "{found}");
}

#[tokio::test]
async fn what_is_not_granted_is_not_there() {
    let found = problem(&guest("clocked")).await;
    assert_eq!(found.stage, Stage::Imports);
    assert_eq!(
        found.to_string(),
        "it needs a capability that is not granted: `clock`\n\
         help: to grant it, write\n[plugin.guard]\ncapabilities = [\"clock\"]"
    );
    let granted = house(&[("inspector", guest("inspector")), ("guard", guest("clocked"))], false, |spec| {
        spec.capabilities = vec![Capability::Clock]
    })
    .await;
    let mut session = granted.open("s1", &["inspector", "guard"]).await.unwrap();
    let told: u64 = tag(&ask(&mut session, "x").await, "unix-ms").parse().unwrap();
    assert!(told > 1_700_000_000_000);
}

#[tokio::test]
async fn imports_the_host_does_not_know_are_refused_by_name() {
    let wants = |import: &str| {
        wat::parse_str(format!(
            r#"(component (import "{import}" (instance)) (instance $i)
               (export "weir:plugin/lifecycle@0.1.0" (instance $i))
               (export "weir:plugin/decide@0.1.0" (instance $i)))"#
        ))
        .unwrap()
    };
    for strange in ["wasi:http/types@0.2.0", "wasi:cli/environment@0.3.0", "wasi:filesystem/types"] {
        let found = problem(&wants(strange)).await;
        assert_eq!(found.stage, Stage::Imports);
        assert_eq!(found.message, format!("it imports `{strange}`, which the host does not offer"));
        assert!(found.help.contains("with nothing behind them"), "{found}");
    }
    // What has a stand-in gets as far as its exports.
    let found = problem(&wants("wasi:filesystem/types@0.2.0")).await;
    assert_eq!(found.stage, Stage::World, "{found}");
    let found = problem(&wants("weir:plugin/host-secrets@0.1.0")).await;
    assert_eq!(found.message, "it imports `weir:plugin/host-secrets@0.1.0`, which the host does not offer");
}

#[tokio::test]
async fn settings_are_checked_before_the_plugin_sees_them() {
    let found = problem_with(&guest("policy"), |spec| {
        spec.settings_json = r#"{"mark": "much too long for a mark", "open": "x", "extra": 1}"#.into();
    })
    .await;
    assert_eq!(found.stage, Stage::Settings);
    let places: Vec<_> = found.message.lines().filter_map(|line| line.split(':').next()).collect();
    assert_eq!(places.len(), 3, "{found}");
    for place in ["/", "/mark", "/open"] {
        assert!(places.contains(&place), "{found}");
    }
}

#[tokio::test]
async fn the_world_can_be_demanded() {
    let found = problem_with(&guest("policy"), |spec| spec.expected_world = Some(World::Masker)).await;
    assert_eq!((found.stage, found.message.as_str()), (Stage::World, "it is a policy; a masker is needed"));
}

#[tokio::test]
async fn a_file_that_is_too_large_is_not_read() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("large.wasm");
    std::fs::File::create(&path).unwrap().set_len((32 << 20) + 1).unwrap();
    let house = usual_house().await;
    let found = house.guests.check(&PluginSpec::new(name("large"), path.clone())).await.unwrap_err();
    assert_eq!(
        (found.stage, found.message),
        (Stage::Read, format!("{}: larger than 32 MiB", path.display()))
    );
    let missing = PluginSpec::new(name("none"), folder.path().join("none.wasm"));
    assert_eq!(house.guests.check(&missing).await.unwrap_err().stage, Stage::Read);
}

#[tokio::test]
async fn checking_takes_nothing_into_service() {
    let house = usual_house().await;
    let spec = PluginSpec::new(name("other"), house.file("policy"));
    let loaded = house.guests.check(&spec).await.unwrap();
    assert_eq!((loaded.world, loaded.manifest.name.as_str()), (World::Policy, "obedient"));
    assert!(house.guests.generation().find(&name("other")).is_none());
    assert!(loaded.open_fault.is_none());
    let spec = PluginSpec { settings_json: r#"{"open": "fault"}"#.into(), ..spec };
    assert!(house.guests.check(&spec).await.unwrap().open_fault.is_some());
}
