//! HTTP APIs, for anything that has no inspector of its own: a request is one operation, `http.request`, named by
//! method and form of its path, with path, query and body as parameters; an answer is JSON, lines of JSON, server-sent
//! events or text, and its values are named by their place in it.
//!
//! What two servers could read in two ways is refused. So is a body that cannot be judged, unless the settings say
//! otherwise, and under masking an answer whose values cannot be told.
//!
//! - [`request`]: heads and bodies, to operations;
//! - [`answer`]: heads and bodies, to values, and back;
//! - [`message`]: those of a WebSocket;
//! - [`inspector`]: what an exchange is in the middle of;
//! - [`settings`], [`media`], [`fault`]: what is written, spoken and refused.

#![forbid(unsafe_code)]

pub mod answer;
pub mod fault;
pub mod inspector;
pub mod media;
pub mod message;
mod percent;
pub mod request;
pub mod settings;

pub use inspector::HttpApi;

weir_sdk::export_http_inspector!(HttpApi);
