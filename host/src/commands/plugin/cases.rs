//! Cases in files: what a plugin is given, and what it must say.
//!
//! A file is JSON: `{"settings": …, "session": …, "cases": [{"name": …, "operation": …, "expect": …}]}`. What stands
//! beside `cases` holds for each case that does not say otherwise. Unknown keys are mistakes.

use anyhow::{Context, bail};
use base64::Engine as _;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use weir_guests::offline;
use weir_model::{
    Action, Attribute, Column, Operation, Parameter, Principal, PrincipalKind, ResourceName, SessionInfo,
};

/// All cases of one file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CaseFile {
    #[serde(default)]
    pub(super) settings: Option<Value>,
    #[serde(default)]
    pub(super) session: Option<Session>,
    /// Words about the file.
    #[serde(default, rename = "about")]
    _about: String,
    pub(super) cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub(super) name: String,
    #[serde(default)]
    pub(super) settings: Option<Value>,
    #[serde(default)]
    pub(super) session: Option<Session>,
    /// What a policy judges, or whose answer a masker sees.
    #[serde(default)]
    pub(super) operation: Option<OperationCase>,
    /// For maskers.
    #[serde(default)]
    pub(super) columns: Vec<ColumnCase>,
    /// For maskers: one value per column, `null` for NULL.
    #[serde(default)]
    pub(super) rows: Vec<Vec<Option<String>>>,
    /// For stream inspectors: what was said, in turn.
    #[serde(default)]
    pub(super) wire: Vec<Said>,
    /// For stream inspectors: what the upstream said of itself during login.
    #[serde(default)]
    pub(super) parameters: BTreeMap<String, String>,
    /// For HTTP inspectors: requests with their answers, in turn.
    #[serde(default)]
    pub(super) exchanges: Vec<ExchangeCase>,
    /// For inspectors: what the values of a column become, `null` for nothing.
    #[serde(default)]
    pub(super) masks: BTreeMap<String, Option<String>>,
    /// For inspectors: which operations are refused.
    #[serde(default)]
    pub(super) refuse: Option<RefuseCase>,
    pub(super) expect: Expect,
}

/// A refusal of a policy's.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RefuseCase {
    /// Only operations with this text; `*` stands for any.
    pub(super) text: Option<String>,
    pub(super) code: String,
    #[serde(default)]
    pub(super) reason: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExchangeCase {
    pub(super) request: RequestCase,
    /// None: the upstream does not answer.
    #[serde(default)]
    pub(super) answer: Option<AnswerCase>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestCase {
    pub(super) method: String,
    /// With the query, as a client sends it.
    pub(super) target: String,
    #[serde(default)]
    pub(super) authority: Option<String>,
    #[serde(default)]
    pub(super) headers: Attributes,
    #[serde(default)]
    pub(super) body: Option<Bytes>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AnswerCase {
    pub(super) status: u16,
    #[serde(default)]
    pub(super) headers: Attributes,
    #[serde(default)]
    pub(super) body: Option<Bytes>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Session {
    resource: Option<String>,
    protocol: Option<String>,
    user: Option<String>,
    kind: Option<String>,
    groups: Option<Vec<String>>,
    on_behalf_of: Option<String>,
    client_address: Option<String>,
    #[serde(default)]
    attributes: Attributes,
    #[serde(default)]
    claimed: Attributes,
}

/// `{"name": "value"}`, or a list where a name comes twice.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Attributes {
    Map(BTreeMap<String, String>),
    List(Vec<Named>),
}

impl Default for Attributes {
    fn default() -> Self {
        Self::Map(BTreeMap::new())
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    name: String,
    value: String,
}

impl Attributes {
    pub(super) fn list(&self) -> Vec<Attribute> {
        match self {
            Self::Map(map) => map.iter().map(|(name, value)| Attribute::new(name, value)).collect(),
            Self::List(list) => list.iter().map(|each| Attribute::new(&each.name, &each.value)).collect(),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OperationCase {
    pub(super) kind: String,
    #[serde(default)]
    action: Option<String>,
    #[serde(default)]
    text: String,
    #[serde(default)]
    objects: Vec<String>,
    #[serde(default)]
    parameters: Vec<ParameterCase>,
    #[serde(default)]
    attributes: Attributes,
    #[serde(default)]
    claimed: Attributes,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ParameterCase {
    name: String,
    #[serde(default, rename = "type")]
    type_name: String,
    #[serde(default)]
    value: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ColumnCase {
    #[serde(default)]
    name: String,
    #[serde(default)]
    relation: String,
    #[serde(default)]
    source: String,
    #[serde(default, rename = "type")]
    type_name: String,
    #[serde(default)]
    labels: Vec<String>,
}

/// Bytes of one side: exactly one of `text`, `hex`, `base64`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Said {
    pub(super) from: Side,
    text: Option<String>,
    hex: Option<String>,
    base64: Option<String>,
}

/// A text, or a table with exactly one of `text`, `hex`, `base64`.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Bytes {
    Text(String),
    Coded(Coded),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Coded {
    text: Option<String>,
    hex: Option<String>,
    base64: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Side {
    Client,
    Server,
}

/// What must come out. Only what is written is looked at; `verdict`, `rows` or one of an inspector's must be.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    /// `allow`, `deny`, `hold`, `rewrite`, `abstain`, or `fault`.
    pub(super) verdict: Option<String>,
    pub(super) code: Option<String>,
    /// `*` stands for any text.
    pub(super) reason: Option<String>,
    pub(super) reviewers: Option<Vec<String>>,
    /// Of a rewrite.
    pub(super) text: Option<String>,
    pub(super) findings: Option<Vec<FindingCase>>,
    pub(super) tags: Option<BTreeMap<String, String>>,
    /// The rows as the client gets them.
    pub(super) rows: Option<Vec<Vec<Option<String>>>>,
    /// How many cells each rule changed.
    pub(super) rules: Option<BTreeMap<String, u64>>,
    /// Of an inspector, in order: a table with the keys of an operation that must be so.
    pub(super) operations: Option<Vec<Value>>,
    /// Of a stream inspector: all that the server gets, and all that the client gets.
    pub(super) to_server: Option<Bytes>,
    pub(super) to_client: Option<Bytes>,
    /// Of an HTTP inspector, in order: a table with the keys of a value that must be so.
    pub(super) values: Option<Vec<Value>>,
    /// Of an HTTP inspector, one for each exchange: a table with the keys of what the client gets.
    pub(super) answers: Option<Vec<Value>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FindingCase {
    pub(super) rule: String,
    pub(super) place: Option<String>,
    pub(super) score: Option<u8>,
}

impl Session {
    pub(super) fn is_of_no_protocol(&self) -> bool {
        self.protocol.is_none()
    }

    pub(super) fn info(&self) -> anyhow::Result<SessionInfo> {
        let made_up = offline::session();
        let kind = match &self.kind {
            Some(word) => PrincipalKind::from_word(word)
                .with_context(|| format!("`kind` is `human`, `agent` or `service`, not `{word}`"))?,
            None => PrincipalKind::Human,
        };
        Ok(SessionInfo {
            resource: ResourceName::new(self.resource.as_deref().unwrap_or("test")),
            protocol: self.protocol.clone().unwrap_or_else(|| "postgres".to_owned()),
            who: Principal {
                id: self.user.clone().unwrap_or_else(|| "ann".to_owned()),
                kind,
                on_behalf_of: self.on_behalf_of.clone(),
                groups: self.groups.clone().unwrap_or_default(),
            },
            client_address: self.client_address.clone().unwrap_or(made_up.client_address.clone()),
            attributes: self.attributes.list(),
            claimed: self.claimed.list(),
            ..made_up
        })
    }
}

impl OperationCase {
    pub(super) fn operation(&self) -> Operation {
        Operation {
            kind: self.kind.clone(),
            action: self.action.as_deref().map_or(Action::Unknown, Action::from_word),
            text: self.text.clone(),
            objects: self.objects.clone(),
            parameters: self.parameters.iter().map(ParameterCase::parameter).collect(),
            attributes: self.attributes.list(),
            claimed: self.claimed.list(),
        }
    }
}

impl ParameterCase {
    fn parameter(&self) -> Parameter {
        let (name, type_name) = (self.name.clone(), self.type_name.clone());
        Parameter { name, type_name, value: self.value.clone() }
    }
}

impl ColumnCase {
    pub(super) fn column(&self) -> Column {
        Column {
            name: self.name.clone(),
            relation: self.relation.clone(),
            source: self.source.clone(),
            type_name: self.type_name.clone(),
            labels: self.labels.clone(),
        }
    }
}

impl Said {
    pub(super) fn bytes(&self) -> anyhow::Result<Vec<u8>> {
        decoded(self.text.as_deref(), self.hex.as_deref(), self.base64.as_deref())
    }
}

impl Bytes {
    pub(super) fn bytes(&self) -> anyhow::Result<Vec<u8>> {
        match self {
            Self::Text(text) => Ok(text.clone().into_bytes()),
            Self::Coded(Coded { text, hex, base64 }) => {
                decoded(text.as_deref(), hex.as_deref(), base64.as_deref())
            }
        }
    }
}

fn decoded(text: Option<&str>, hex: Option<&str>, base64: Option<&str>) -> anyhow::Result<Vec<u8>> {
    match (text, hex, base64) {
        (Some(text), None, None) => Ok(text.as_bytes().to_vec()),
        (None, Some(hex), None) => bytes_of_hex(hex).context("`hex` is pairs of digits 0 to f"),
        (None, None, Some(text)) => {
            base64::engine::general_purpose::STANDARD.decode(text.trim()).context("`base64` is none")
        }
        _ => bail!("what is said is exactly one of `text`, `hex` and `base64`"),
    }
}

fn bytes_of_hex(hex: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if !digits.len().is_multiple_of(2) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.chunks(2).map(pair).collect()
}

impl CaseFile {
    /// The settings of a case as the plugin gets them.
    pub(super) fn settings(&self, case: &Case) -> String {
        let settings = case.settings.as_ref().or(self.settings.as_ref());
        settings.map(Value::to_string).unwrap_or_default()
    }

    pub(super) fn session(&self, case: &Case) -> anyhow::Result<SessionInfo> {
        case.session.as_ref().or(self.session.as_ref()).cloned().unwrap_or_default().info()
    }
}

/// Reads the case files of a folder, or one file, by name.
///
/// # Errors
/// When there are none, or one is not as it should be.
pub(super) fn read(place: &Path) -> anyhow::Result<Vec<(PathBuf, CaseFile)>> {
    let mut files = Vec::new();
    if place.is_dir() {
        for entry in std::fs::read_dir(place).with_context(|| place.display().to_string())? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                files.push(path);
            }
        }
        files.sort();
    } else {
        files.push(place.to_owned());
    }
    if files.is_empty() {
        bail!("{} has no case files (NAME.json)", place.display());
    }
    let read = |path: PathBuf| {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(&path).with_context(|| shown.clone())?;
        let file: CaseFile = serde_json::from_str(&text).with_context(|| shown.clone())?;
        if file.cases.is_empty() {
            bail!("{shown} has no cases");
        }
        Ok((path, file))
    };
    files.into_iter().map(read).collect()
}

/// Where the cases of a plugin are looked for when nothing is said: beside its source, or beside the file.
pub(super) fn beside(plugin: &Path) -> Option<PathBuf> {
    let folder = if plugin.is_dir() { plugin } else { plugin.parent()? };
    // `.` and `..` have no name.
    let own = plugin.file_stem().map(|name| folder.join("cases").join(name));
    std::iter::once(folder.join("tests/cases"))
        .chain(own)
        .chain([folder.join("cases")])
        .find(|place| place.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_may_say_less_than_everything() {
        let text = r#"{"settings": {"a": 1}, "session": {"groups": ["leads"]}, "cases": [
            {"name": "one", "operation": {"kind": "sql.query", "attributes": {"x": "y"}}, "expect": {"verdict": "allow"}},
            {"name": "two", "settings": {}, "session": {"user": "bob"}, "expect": {"rows": [["a", null]]}}]}"#;
        let file: CaseFile = serde_json::from_str(text).unwrap();
        assert_eq!(
            (file.settings(&file.cases[0]), file.settings(&file.cases[1])),
            (r#"{"a":1}"#.into(), "{}".into())
        );
        assert_eq!(file.session(&file.cases[0]).unwrap().who.groups, ["leads"]);
        assert_eq!(file.session(&file.cases[1]).unwrap().who.id, "bob");
        let operation = file.cases[0].operation.as_ref().unwrap().operation();
        assert_eq!(operation.attributes, [Attribute::new("x", "y")]);
    }

    #[test]
    fn a_misspelt_key_is_told() {
        let text = r#"{"cases": [{"name": "one", "expect": {"verdct": "allow"}}]}"#;
        assert!(serde_json::from_str::<CaseFile>(text).unwrap_err().to_string().contains("verdct"));
    }

    #[test]
    fn bytes_are_written_in_one_of_three_ways() {
        let said = |text: &str| serde_json::from_str::<Said>(text).unwrap().bytes();
        assert_eq!(said(r#"{"from": "client", "hex": "51 0a"}"#).unwrap(), [0x51, 0x0a]);
        assert_eq!(said(r#"{"from": "server", "text": "Q\n"}"#).unwrap(), b"Q\n");
        assert_eq!(said(r#"{"from": "server", "base64": "UQo="}"#).unwrap(), b"Q\n");
        for wrong in [
            r#"{"from": "client"}"#,
            r#"{"from": "client", "hex": "5"}"#,
            r#"{"from": "client", "hex": "51", "text": "Q"}"#,
        ] {
            assert!(said(wrong).is_err(), "{wrong}");
        }
    }
}
