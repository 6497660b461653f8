//! What a plugin file exports and imports, read before any of it is compiled.
//!
//! A core module that carries component type information (what `cargo build` for `wasm32-unknown-unknown`
//! gives) is encoded into a component first. Then the names at the component's outer level tell version, world
//! and wishes; nothing is instantiated to learn them.

use crate::contract::{ContractVersion, PACKAGE, SERVED, World};
use crate::problem::{LoadProblem, Stage};
use crate::text::clean;
use crate::wasi;
use std::borrow::Cow;
use std::collections::BTreeSet;
use wasmparser::{Encoding, Parser, Payload, Validator, WasmFeatures};

/// Something a plugin may be given beyond what it always has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Capability {
    Clock,
    Random,
    KeyValue,
    Metrics,
    /// Granted by the origins it may reach.
    Http,
}

impl Capability {
    pub const ALL: [Self; 5] = [Self::Clock, Self::Random, Self::KeyValue, Self::Metrics, Self::Http];

    /// The word the configuration grants it by.
    pub fn as_word(self) -> &'static str {
        match self {
            Self::Clock => "clock",
            Self::Random => "random",
            Self::KeyValue => "key-value",
            Self::Metrics => "metrics",
            Self::Http => "http",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|capability| capability.as_word() == word)
    }

    fn interface(self) -> &'static str {
        match self {
            Self::Clock => "host-clock",
            Self::Random => "host-random",
            Self::KeyValue => "host-key-value",
            Self::Metrics => "host-metrics",
            Self::Http => "host-http",
        }
    }
}

/// What the outer names of a component say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Surface {
    pub(crate) world: World,
    pub(crate) version: ContractVersion,
    pub(crate) wishes: BTreeSet<Capability>,
    /// Full names of imports the host has never heard of.
    strange: BTreeSet<String>,
}

/// Longest part of a guest's own name that a message repeats.
const NAME_CHARS: usize = 120;
/// The line of TOML that grants requests over HTTP, which no word in `capabilities` does.
pub const HTTP_GRANT: &str = "http = [\"https://api.example\"]   # the origins it may send requests to";
/// Imports that are named when they are not offered.
const MAX_TOLD: usize = 10;
/// The first four bytes of every module and component.
const MAGIC: &[u8] = b"\0asm";
const BUILD_HELP: &str =
    "build it as a `cdylib` with weir's SDK for wasm32-unknown-unknown, or give a component";

/// The file as a component.
pub(crate) fn as_component(bytes: &[u8]) -> Result<Cow<'_, [u8]>, LoadProblem> {
    let not_wasm = |error: &dyn std::fmt::Display| {
        LoadProblem::new(Stage::Parse, format!("not a WebAssembly file: {error}")).help(BUILD_HELP)
    };
    // The parser's own words for this are a dump of bytes.
    if !bytes.starts_with(MAGIC) {
        let what = if bytes.is_empty() { "it is empty" } else { "it does not begin like one" };
        return Err(not_wasm(&what));
    }
    let encoding = Parser::new(0).parse_all(bytes).next();
    match encoding {
        Some(Ok(Payload::Version { encoding: Encoding::Component, .. })) => Ok(Cow::Borrowed(bytes)),
        Some(Ok(Payload::Version { encoding: Encoding::Module, .. })) => encode(bytes).map(Cow::Owned),
        Some(Err(error)) => Err(not_wasm(&one_line(&error.to_string()))),
        _ => Err(not_wasm(&"it ends where it begins")),
    }
}

/// Some of the parser's messages go over many lines.
fn one_line(message: &str) -> String {
    clean(message.split_whitespace().collect::<Vec<_>>().join(" "), 300)
}

fn encode(module: &[u8]) -> Result<Vec<u8>, LoadProblem> {
    // The encoder reads the module more trustingly than the validator does.
    Validator::new_with_features(WasmFeatures::all()).validate_all(module).map_err(|error| {
        LoadProblem::new(Stage::Parse, format!("a damaged module: {}", one_line(&error.to_string())))
    })?;
    let typed = Parser::new(0).parse_all(module).any(|payload| {
        matches!(payload, Ok(Payload::CustomSection(section)) if section.name().starts_with("component-type"))
    });
    if !typed {
        let problem =
            LoadProblem::new(Stage::Parse, "a plain module: it does not say which world it implements");
        return Err(problem.help(BUILD_HELP));
    }
    wit_component::ComponentEncoder::default()
        .module(module)
        // The compiler validates the result anyway.
        .and_then(|encoder| encoder.validate(false).encode())
        .map_err(|error| {
            let message = clean(format!("{error:#}").replace('\n', " "), 500);
            LoadProblem::new(Stage::Parse, format!("the module cannot be made a component: {message}"))
                .help("it imports or exports something its world does not have; build it with weir's SDK")
        })
}

impl Surface {
    /// Reads the names at the outer level of a component.
    pub(crate) fn read(component: &[u8]) -> Result<Self, LoadProblem> {
        let (exports, imports) = names(component)?;
        let of_ours = |names: &BTreeSet<String>| -> BTreeSet<(String, String)> {
            names.iter().filter_map(|name| split(name)).collect()
        };
        let ours = of_ours(&exports);
        let version = version(&ours)?;
        let world = world(&ours)?;
        let mut wishes = BTreeSet::new();
        let mut strange = BTreeSet::new();
        for name in imports {
            let interface = split(&name).map(|(interface, _)| interface);
            let wish = Capability::ALL
                .into_iter()
                .find(|capability| interface.as_deref() == Some(capability.interface()));
            match (interface.as_deref(), wish) {
                (_, Some(wish)) => _ = wishes.insert(wish),
                (Some("types" | "host-log"), None) => {}
                (None, None) if wasi::is_known(&name) => {}
                _ => _ = strange.insert(name),
            }
        }
        Ok(Self { world, version, wishes, strange })
    }

    /// Whether it may have all it wants.
    pub(crate) fn check_imports(
        &self,
        plugin: &str,
        granted: &[Capability],
        http: bool,
    ) -> Result<(), LoadProblem> {
        let mut wrong = Vec::new();
        let mut advice = Vec::new();
        let strange: Vec<_> =
            self.strange.iter().take(MAX_TOLD).map(|name| clean(name.clone(), NAME_CHARS)).collect();
        if !strange.is_empty() {
            let named: Vec<_> = strange.iter().map(|name| format!("`{name}`")).collect();
            wrong.push(format!("it imports {}, which the host does not offer", named.join(", ")));
            if strange.iter().any(|name| name.starts_with("wasi:")) {
                advice.push(
                    "of WASI 0.2, plugins may import cli, clocks, filesystem, io, random and sockets, with nothing \
                     behind them; build without the rest (componentize-js: --disable http --disable fetch-event)"
                        .to_owned(),
                );
            }
            if strange.iter().any(|name| !name.starts_with("wasi:")) {
                let granted: Vec<_> = Capability::ALL.iter().map(|each| each.interface()).collect();
                let granted = granted.join(", ");
                advice.push(format!("plugins may import weir:plugin/host-log and, when granted, {granted}"));
            }
        }
        let granted_otherwise = |wish: &&Capability| **wish != Capability::Http && !granted.contains(wish);
        let missing: Vec<_> = self.wishes.iter().filter(granted_otherwise).collect();
        let words = |capabilities: &[&Capability], quote: &str| {
            let words =
                capabilities.iter().map(|capability| format!("{quote}{}{quote}", capability.as_word()));
            words.collect::<Vec<_>>().join(", ")
        };
        let mut lines = String::new();
        if !missing.is_empty() {
            wrong.push(format!("it needs a capability that is not granted: {}", words(&missing, "`")));
            let all: BTreeSet<_> = granted.iter().chain(missing.iter().copied()).collect();
            let all: Vec<_> = all.into_iter().collect();
            lines.push_str(&format!("\ncapabilities = [{}]", words(&all, "\"")));
        }
        if self.wishes.contains(&Capability::Http) && !http {
            wrong.push("it wants to send HTTP requests, and no origin is granted".to_owned());
            lines.push('\n');
            lines.push_str(HTTP_GRANT);
        }
        if wrong.is_empty() {
            return Ok(());
        }
        if !lines.is_empty() {
            advice.push(format!("to grant it, write\n[plugin.{plugin}]{lines}"));
        }
        Err(LoadProblem::new(Stage::Imports, wrong.join("; ")).help(advice.join("\n")))
    }
}

pub(crate) type Names = (BTreeSet<String>, BTreeSet<String>);

/// Exported and imported names at the outer level.
pub(crate) fn names(component: &[u8]) -> Result<Names, LoadProblem> {
    let damaged = |error: wasmparser::BinaryReaderError| {
        LoadProblem::new(Stage::Parse, format!("a damaged file: {}", one_line(&error.to_string())))
    };
    let (mut exports, mut imports) = (BTreeSet::new(), BTreeSet::new());
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(damaged)? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    exports.insert(export.map_err(damaged)?.name.name.to_owned());
                }
            }
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    imports.insert(import.map_err(damaged)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok((exports, imports))
}

/// `weir:plugin/decide@0.1.0` is (`decide`, `0.1.0`).
fn split(name: &str) -> Option<(String, String)> {
    let rest = name.strip_prefix(PACKAGE)?.strip_prefix('/')?;
    let (interface, version) = rest.split_once('@').unwrap_or((rest, ""));
    Some((interface.to_owned(), version.to_owned()))
}

fn version(exports: &BTreeSet<(String, String)>) -> Result<ContractVersion, LoadProblem> {
    let served: Vec<_> = SERVED.iter().map(ToString::to_string).collect();
    let served = served.join(" and ");
    let versions: BTreeSet<_> = exports.iter().map(|(_, version)| version.as_str()).collect();
    let versions: Vec<_> = versions.into_iter().collect();
    let problem = |message: String| {
        LoadProblem::new(Stage::Version, message)
            .help(format!("this host serves contract {served}; rebuild the plugin with a matching SDK"))
    };
    match versions.as_slice() {
        [] => Err(LoadProblem::new(Stage::World, "it exports nothing of weir:plugin").help(BUILD_HELP)),
        [one] => match ContractVersion::parse(one) {
            Some(version) if version.is_served() => Ok(version),
            Some(version) => Err(problem(format!("it was built for contract {version}"))),
            None => {
                let one = clean((*one).to_owned(), NAME_CHARS);
                Err(problem(format!("it was built for contract `{one}`, which is no version")))
            }
        },
        several => {
            let several = clean(several.join(", "), NAME_CHARS);
            Err(problem(format!("it mixes versions of the contract: {several}")))
        }
    }
}

fn world(exports: &BTreeSet<(String, String)>) -> Result<World, LoadProblem> {
    let has = |interface: &str| exports.iter().any(|(name, _)| name == interface);
    let worlds: Vec<_> = World::ALL.into_iter().filter(|world| has(world.interface())).collect();
    match worlds.as_slice() {
        [world] if has("lifecycle") => Ok(*world),
        [world] => Err(LoadProblem::new(
            Stage::World,
            format!("it exports `{}` and no `lifecycle`: half a {world}", world.interface()),
        )
        .help(BUILD_HELP)),
        [] => Err(LoadProblem::new(Stage::World, "it is neither policy nor masker nor stream-inspector")
            .help(BUILD_HELP)),
        several => {
            let several: Vec<_> = several.iter().map(|world| world.as_word()).collect();
            Err(LoadProblem::new(
                Stage::World,
                format!("it is several things at once: {}", several.join(", ")),
            )
            .help("a plugin has one world, so that its grants are for one purpose; make two of it"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_wasm_is_told_in_one_line() {
        for (bytes, said) in [
            (b"".as_slice(), "it is empty"),
            (b"hello, world", "it does not begin like one"),
            (b"\0as", "it does not begin like one"),
            (b"\0asm", "not a WebAssembly file"),
            (b"\0asm\x63\0\0\0", "not a WebAssembly file"),
            (b"\0asm\x01\0\0\0\xff\xff\xff", "damaged"),
        ] {
            let told = as_component(bytes).unwrap_err().message;
            assert!(told.contains(said) && !told.contains('\n') && !told.contains('['), "{bytes:?}: {told}");
        }
    }
}
