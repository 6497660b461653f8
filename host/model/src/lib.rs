//! The vocabulary of the gateway: who, where, what, and what was decided.
//!
//! Plain values with no behaviour beyond their own rules. No IO, no async, no serialisation: what a value
//! looks like on a wire, in a file or in a plugin is the business of the room that writes it there.
//! The words are those of the glossary in ARCHITECTURE.md and of the plugin contract (`wit/types.wit`).

mod certificate;
mod decision;
mod ending;
mod ids;
pub mod nearest;
mod operation;
mod principal;
mod session;

pub use certificate::{CERTIFICATE, CertificateFacts, CertificateName, CertificateNameError};
pub use decision::{Applied, Decision, Finding, JudgedBy, Tags, Verdict};
pub use ending::{Abandoned, RefusedBy, Status};
pub use ids::{Digest, PluginName, ResourceName, SessionId};
pub use operation::{Action, Attribute, Column, Operation, Parameter};
pub use principal::{Grantee, GranteeError, Principal, PrincipalKind};
pub use session::{EndReason, Fault, FaultSource, LOGIN_METHOD, SessionInfo, TOKEN_ID};
