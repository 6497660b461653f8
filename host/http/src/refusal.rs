//! What a client is told whose request never reaches a handler.

use http::StatusCode;

/// A request that is not well-formed, or asks for what the gateway does not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    /// For the client; says what is wrong, never quotes it.
    pub message: &'static str,
}

impl Refusal {
    pub(crate) const fn new(status: StatusCode, message: &'static str) -> Self {
        Self { status: status.as_u16(), message }
    }

    pub(crate) const fn bad(message: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(crate) const fn too_large(message: &'static str) -> Self {
        Self::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, message)
    }

    pub(crate) const fn not_done(message: &'static str) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, message)
    }
}

/// An error with what caused it: hyper keeps the reason one level down.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
