//! The Model Context Protocol over streamable HTTP, versions 2024-11-05 to 2026-07-28.
//!
//! Each message of a client is an operation: a tool's call (`mcp.tool-call`, with all its arguments as parameters), a
//! resource that is read, a prompt, any other request, notification or response. What a server asks of the client
//! (`sampling/createMessage`, `elicitation/create`, `roots/list`; since 2026-07-28 in `inputRequests`) is one too. A
//! call that is refused gets a tool's result that says so.
//!
//! The texts and the data of answers are values; those of a tool belong to `mcp:TOOL`. Lists of tools show only what
//! the settings offer to the principal, and a tool whose definition has changed (since the principal was first shown
//! it, or against the digest in the settings) is neither shown nor called; nor is one called that was never shown. A
//! session of MCP is only used by whom the server gave it to. What is known of both goes to other sessions in notes.
//!
//! Refused: the transport of 2024-11-05 (HTTP with SSE), batches where the version has none, JSON that two readers could
//! read in two ways, headers that say something else than the body.

pub mod answer;
pub mod catalog;
pub mod cells;
pub mod events;
pub mod head;
pub mod inspector;
pub mod memory;
pub mod message;
pub mod notes;
pub mod operation;
pub mod path;
pub mod pins;
pub mod refusal;
pub mod request;
pub mod settings;
pub mod sse;
pub mod tree;
pub mod uri;
pub mod values;

pub use inspector::Mcp;

weir_sdk::export_http_inspector!(Mcp);
