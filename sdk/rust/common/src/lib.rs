//! What the SDK's worlds share: the contract's vocabulary, the host's log, an instance's memory.

#[doc(hidden)]
pub mod bindings;
pub mod granted;
#[cfg(target_arch = "wasm32")]
mod heap;
pub mod log;
#[doc(hidden)]
pub mod state;

pub use bindings::weir::plugin::types::{
    Attribute, Column, Fault, Operation, Parameter, Principal, SessionInfo,
};

use serde::Deserialize;

/// For a plugin that takes no settings.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct NoSettings {}

impl Fault {
    /// `code` is short and stable; `message` is for the operator and holds no values.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }
}

impl Attribute {
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

impl Operation {
    /// The value of the inspector's attribute of that name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|attribute| attribute.name == name).map(|found| found.value.as_str())
    }
}

/// `lifecycle` is the same in every world; only the trait that names the plugin differs.
#[doc(hidden)]
#[macro_export]
macro_rules! export_lifecycle {
    ($kind:ident) => {
        impl lifecycle::Guest for Component {
            fn describe() -> lifecycle::Manifest {
                lifecycle::Manifest {
                    name: <Plugin as $kind>::NAME.into(),
                    version: <Plugin as $kind>::VERSION.into(),
                    description: <Plugin as $kind>::DESCRIPTION.into(),
                    settings_schema: <Plugin as $kind>::SETTINGS_SCHEMA.into(),
                }
            }

            fn configure(settings: String) -> Result<(), lifecycle::Fault> {
                STATE.with(|state| state.configure(&settings, <Plugin as $kind>::check))
            }
        }
    };
}
