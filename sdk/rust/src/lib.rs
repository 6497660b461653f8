//! Write plugins for weir in Rust: a policy in about twenty lines.
//!
//! ```
//! use weir_sdk::policy::{Decision, NoSettings, Operation, Policy, SessionInfo};
//!
//! /// Nobody but the leads deletes.
//! struct NoDeletes { is_lead: bool }
//!
//! impl Policy for NoDeletes {
//!     const NAME: &'static str = "no-deletes";
//!     type Settings = NoSettings;
//!
//!     fn open(_: &NoSettings, session: &SessionInfo) -> Result<Self, weir_sdk::Fault> {
//!         Ok(Self { is_lead: session.who.groups.iter().any(|group| group == "leads") })
//!     }
//!
//!     fn decide(&mut self, operation: &Operation) -> Decision {
//!         match operation.text.to_ascii_lowercase().contains("delete") && !self.is_lead {
//!             true => Decision::deny("no-deletes", "only leads may delete"),
//!             false => Decision::abstain(),
//!         }
//!     }
//! }
//!
//! weir_sdk::export_policy!(NoDeletes);
//! # fn main() {}
//! ```
//!
//! Build it as a `cdylib` for `wasm32-unknown-unknown` and drop the `.wasm` into the plugins folder: the host
//! encodes the component. Natively (`cargo test`) the export macros expand to nothing and the contract's types
//! are plain structs, so the logic of a plugin is tested without WebAssembly.
//!
//! The contract itself, with every promise and obligation, is in `wit/`.

pub use weir_sdk_common::{
    Attribute, Column, Fault, NoSettings, Operation, Parameter, Principal, SessionInfo, granted, log,
};
pub use weir_sdk_http::{self as http, export_http_inspector};
pub use weir_sdk_inspector::{self as inspector, export_stream_inspector};
pub use weir_sdk_masker::{self as masker, export_masker};
pub use weir_sdk_policy::{self as policy, export_policy};
