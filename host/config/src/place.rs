//! Where something of the configuration is written, for those who find out later that it is wrong.
//!
//! Only a loaded plugin knows its world and the schema of its settings. So the host checks those, names the
//! [`Place`], and gets the line and the caret from [`Config::locate`](crate::Config::locate).

use std::fmt;

use weir_model::PluginName;

use crate::document::{Node, Span, Value};

/// A place in the configuration, by the names of its keys and the numbers (from 0) of its lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    steps: Vec<String>,
    key_itself: bool,
}

impl Place {
    /// A key by its path: `Place::key(["admin", "listen"])`.
    pub fn key<S: Into<String>>(path: impl IntoIterator<Item = S>) -> Self {
        Self { steps: path.into_iter().map(Into::into).collect(), key_itself: false }
    }

    /// A key of `settings.resources[index]`.
    pub fn resource(index: usize, key: &str) -> Self {
        Self::key(["resource", &index.to_string(), key])
    }

    /// `settings.resources[resource].pipeline[entry]`.
    pub fn pipeline(resource: usize, entry: usize) -> Self {
        Self::key(["resource", &resource.to_string(), "pipeline", &entry.to_string()])
    }

    /// A key of `[plugin.NAME]`.
    pub fn plugin(name: &PluginName, key: &str) -> Self {
        Self::key(["plugin", name.as_str(), key])
    }

    /// A value of a plugin's settings, by JSON pointer (RFC 6901): `""` is all of them, `/hold/0` the first entry
    /// of `hold`.
    pub fn setting(name: &PluginName, pointer: &str) -> Self {
        let steps = pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~"));
        let start = ["plugin", name.as_str(), "settings"].map(str::to_owned);
        Self { steps: start.into_iter().chain(steps).collect(), key_itself: false }
    }

    /// Points at the key instead of its value: for keys that should not be there.
    pub fn key_itself(self) -> Self {
        Self { key_itself: true, ..self }
    }

    /// The bytes, or those of the nearest place around it that is written: a key that is missing is located at its
    /// table.
    pub(crate) fn find(&self, root: &Node) -> Option<Span> {
        let mut found = None;
        let mut node = root;
        for (index, step) in self.steps.iter().enumerate() {
            let last = index + 1 == self.steps.len();
            match &node.value {
                Value::Table(_) => {
                    let Some(entry) = node.entry(step) else { break };
                    node = &entry.node;
                    // `plugin` itself is written nowhere, but for the headers of other plugins.
                    if index > 0 || step != "plugin" {
                        found = Some(if last && self.key_itself { entry.key.span } else { node.span });
                    }
                }
                _ => {
                    let Some(element) = step.parse().ok().and_then(|index| node.element(index)) else {
                        break;
                    };
                    node = element;
                    found = Some(node.span);
                }
            }
        }
        found
    }
}

impl fmt::Display for Place {
    /// `plugin.sql-guard.settings.hold.0`
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.steps.join("."))
    }
}
