//! Settings as written, and what they mean.

use crate::columns::Named;
use crate::kind::{Kind, Kinds};
use crate::method::{Key, Method, Methods};
use serde::Deserialize;
use std::collections::BTreeMap;
use weir_sdk::Fault;

pub const SCHEMA: &str = include_str!("settings.schema.json");

/// As written in the configuration; the schema describes every field.
#[derive(Deserialize, Debug, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub detect: Option<Vec<String>>,
    pub method: Method,
    pub methods: BTreeMap<String, Method>,
    pub columns: Vec<ColumnSetting>,
    pub hash_key: Option<String>,
    pub messages: Messages,
}

#[derive(Deserialize, Debug)]
#[serde(untagged)]
pub enum ColumnSetting {
    Pattern(String),
    Full(FullColumn),
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct FullColumn {
    #[serde(rename = "match")]
    pub pattern: String,
    pub method: Option<Method>,
}

/// What happens to texts for people.
#[derive(Deserialize, Debug, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Messages {
    #[default]
    Strict,
    Scan,
    Redact,
}

/// As used.
#[derive(Debug)]
pub struct Rules {
    pub on: Kinds,
    pub methods: Methods,
    pub columns: Vec<Named>,
    pub messages: Messages,
}

const SHORTEST_KEY_BYTES: usize = 16;

impl Settings {
    /// # Errors
    /// A fault that says which setting is wrong and why.
    pub fn rules(&self) -> Result<Rules, Fault> {
        let on = match &self.detect {
            None => Kinds::from_iter(Kind::ALL).without(Kinds::only(Kind::Ip)),
            Some(names) => names.iter().map(|name| kind(name)).collect::<Result<_, _>>()?,
        };
        let mut methods = Methods::all(self.method);
        for (name, method) in &self.methods {
            methods.set(kind(name)?, *method);
        }
        let mut columns = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            let (pattern, method) = match column {
                ColumnSetting::Pattern(pattern) => (pattern, None),
                ColumnSetting::Full(full) => (&full.pattern, full.method),
            };
            let named = Named::parse(pattern, method.unwrap_or(self.method)).ok_or_else(|| {
                wrong(format!(
                    "columns: {pattern:?} is no pattern: write column, table.column or schema.table.column"
                ))
            })?;
            columns.push(named);
        }
        if !columns.is_empty() {
            columns.extend(Named::statistics());
        }
        methods.key = self.key(&methods, &columns)?;
        Ok(Rules { on, methods, columns, messages: self.messages })
    }

    fn key(&self, methods: &Methods, columns: &[Named]) -> Result<Option<Key>, Fault> {
        let hashes = methods.uses(Method::Hash) || columns.iter().any(|column| column.method == Method::Hash);
        match &self.hash_key {
            None if hashes => {
                Err(wrong("the method hash needs hash_key: at least 16 random bytes, by reference"))
            }
            None => Ok(None),
            Some(key) if key.len() < SHORTEST_KEY_BYTES => Err(wrong("hash_key is shorter than 16 bytes")),
            Some(key) => Ok(Key::new(key.as_bytes())),
        }
    }
}

impl Rules {
    /// With nothing to look for there is nothing to want.
    pub fn is_idle(&self) -> bool {
        self.on.is_empty() && self.columns.is_empty() && self.messages != Messages::Redact
    }
}

fn kind(name: &str) -> Result<Kind, Fault> {
    Kind::of_name(name).ok_or_else(|| {
        wrong(format!("unknown kind {name:?}: there are email, phone, card, iban, ssn, ip and secret"))
    })
}

fn wrong(message: impl Into<String>) -> Fault {
    Fault::new("settings", message)
}
