//! ErrorResponse and NoticeResponse: writing ours, reading theirs.
//!
//! **Job.** [`ErrorReport`] is what a peer may read: severity, SQLSTATE, message, detail, hint. [`UpstreamReport`] is what an
//! upstream said, read with patience: a missing SQLSTATE, an unterminated field, text that is not UTF-8, even a
//! message in the format of protocol 2 all give a report, because an error that cannot be read must still end the
//! login as an error and not as a crash.
//!
//! **What it does not do.** It decides nothing about who may see what; the faults of each leg do.
//!
//! **Invariants.** A written report has exactly one of each field, none holds a NUL, and it ends with the empty field.
//! Source: PostgreSQL documentation, "Error and Notice Message Fields".

use std::fmt;

use super::frame::{Body, put_text, typed};

/// A five-character SQLSTATE (PostgreSQL documentation, appendix "Error Codes").
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SqlState([u8; 5]);

impl SqlState {
    /// `00000` successful completion, the code of notices that mean no harm.
    pub const SUCCESSFUL_COMPLETION: Self = Self(*b"00000");
    /// `08004` server rejected establishment of connection.
    pub const CONNECTION_REJECTED: Self = Self(*b"08004");
    /// `08006` connection failure.
    pub const CONNECTION_FAILURE: Self = Self(*b"08006");
    /// `08P01` protocol violation.
    pub const PROTOCOL_VIOLATION: Self = Self(*b"08P01");
    /// `0A000` feature not supported.
    pub const FEATURE_NOT_SUPPORTED: Self = Self(*b"0A000");
    /// `22021` character not in repertoire.
    pub const CHARACTER_NOT_IN_REPERTOIRE: Self = Self(*b"22021");
    /// `28000` invalid authorization specification.
    pub const INVALID_AUTHORIZATION: Self = Self(*b"28000");
    /// `28P01` invalid password.
    pub const INVALID_PASSWORD: Self = Self(*b"28P01");
    /// `3D000` invalid catalog name: no such database.
    pub const INVALID_CATALOG_NAME: Self = Self(*b"3D000");
    /// `42501` insufficient privilege.
    pub const INSUFFICIENT_PRIVILEGE: Self = Self(*b"42501");
    /// `42622` name too long.
    pub const NAME_TOO_LONG: Self = Self(*b"42622");
    /// `53300` too many connections.
    pub const TOO_MANY_CONNECTIONS: Self = Self(*b"53300");
    /// `57P01` admin shutdown.
    pub const ADMIN_SHUTDOWN: Self = Self(*b"57P01");
    /// `57P03` cannot connect now.
    pub const CANNOT_CONNECT_NOW: Self = Self(*b"57P03");
    /// `XX000` internal error.
    pub const INTERNAL_ERROR: Self = Self(*b"XX000");

    /// Takes a code of five ASCII digits or capital letters; `None` for anything else.
    pub fn parse(code: &str) -> Option<Self> {
        let code: [u8; 5] = code.as_bytes().try_into().ok()?;
        code.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase()).then_some(Self(code))
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XX000")
    }
}

impl fmt::Display for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How grave a report is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// The session ends with this message. Every refused login is one.
    Fatal,
    /// The statement failed, the session goes on.
    Error,
    /// A warning, in a NoticeResponse.
    Warning,
    /// A word to the user, in a NoticeResponse.
    Notice,
}

impl Severity {
    fn as_str(self) -> &'static str {
        match self {
            Self::Fatal => "FATAL",
            Self::Error => "ERROR",
            Self::Warning => "WARNING",
            Self::Notice => "NOTICE",
        }
    }
}

/// What a client may read when something is refused or told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorReport {
    /// How grave it is.
    pub severity: Severity,
    /// The machine's word for it.
    pub sqlstate: SqlState,
    /// One sentence, lower case, as PostgreSQL writes them.
    pub message: String,
    /// What exactly happened, if there is more to say.
    pub detail: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl ErrorReport {
    /// A report of the given severity with a message alone.
    pub fn new(severity: Severity, sqlstate: SqlState, message: impl Into<String>) -> Self {
        Self { severity, sqlstate, message: message.into(), detail: None, hint: None }
    }

    /// A report that ends the session.
    pub fn fatal(sqlstate: SqlState, message: impl Into<String>) -> Self {
        Self::new(Severity::Fatal, sqlstate, message)
    }

    /// The same with a detail.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The same with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The report as an ErrorResponse message (`E`). NULs inside texts are dropped, texts above 64 KiB are cut.
    pub fn to_error_response(&self) -> Vec<u8> {
        typed(b'E', &self.fields())
    }

    /// The report as a NoticeResponse message (`N`). NULs inside texts are dropped, texts above 64 KiB are cut.
    pub fn to_notice_response(&self) -> Vec<u8> {
        typed(b'N', &self.fields())
    }

    fn fields(&self) -> Vec<u8> {
        let mut body = Vec::new();
        let mut field = |name: u8, text: &str| {
            body.push(name);
            put_text(&mut body, text);
        };
        field(b'S', self.severity.as_str());
        field(b'V', self.severity.as_str());
        field(b'C', self.sqlstate.as_str());
        field(b'M', &self.message);
        if let Some(detail) = &self.detail {
            field(b'D', detail);
        }
        if let Some(hint) = &self.hint {
            field(b'H', hint);
        }
        body.push(0);
        body
    }
}

/// What an upstream said in an ErrorResponse or NoticeResponse. For the log: its texts are the upstream's, may name
/// its users, and are not for the client as they stand.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpstreamReport {
    fields: Vec<(u8, String)>,
}

impl UpstreamReport {
    /// Reads the body of an `E` or `N` message, without type byte and length. Never fails: reading stops at the first
    /// field that does not hold together, and what was read until then is kept. Text that is not UTF-8 is repaired.
    pub fn parse(body: &[u8]) -> Self {
        let mut body = Body::new(body);
        let mut fields = Vec::new();
        while let Some(name) = body.byte().filter(|name| *name != 0) {
            let text = body.text().unwrap_or_else(|| body.rest());
            fields.push((name, String::from_utf8_lossy(text).into_owned()));
        }
        Self { fields }
    }

    /// The same report as a message for a client, field by field.
    pub(crate) fn to_error_response(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for (name, text) in &self.fields {
            body.push(*name);
            put_text(&mut body, text);
        }
        body.push(0);
        typed(b'E', &body)
    }

    /// An error in the format of protocol 2: a bare text.
    pub(crate) fn bare(text: &[u8]) -> Self {
        Self { fields: vec![(b'M', String::from_utf8_lossy(text).trim_end().to_owned())] }
    }

    /// The first field of this name, such as `M` for the message.
    pub fn field(&self, name: u8) -> Option<&str> {
        self.fields.iter().find(|(field, _)| *field == name).map(|(_, text)| text.as_str())
    }

    /// The severity that does not depend on the language of the server (`V`), or else the localised one (`S`).
    pub fn severity(&self) -> Option<&str> {
        self.field(b'V').or_else(|| self.field(b'S'))
    }

    /// The SQLSTATE, if there is a well-formed one.
    pub fn sqlstate(&self) -> Option<SqlState> {
        self.field(b'C').and_then(SqlState::parse)
    }

    /// The message; empty if there is none.
    pub fn message(&self) -> &str {
        self.field(b'M').unwrap_or_default()
    }
}

impl fmt::Display for UpstreamReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = self.severity().unwrap_or("ERROR");
        write!(f, "{severity:.16} ")?;
        match self.sqlstate() {
            Some(sqlstate) => write!(f, "{sqlstate}")?,
            None => f.write_str("without SQLSTATE")?,
        }
        // Quoted, so that a text of the upstream cannot write lines of our log.
        write!(f, ": {:?}", self.message())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_written_field_by_field() {
        let report = ErrorReport::fatal(SqlState::INVALID_PASSWORD, "no\0pe").with_hint("try");
        assert_eq!(
            report.to_error_response(),
            b"E\0\0\0\x25SFATAL\0VFATAL\0C28P01\0Mnope\0Htry\0\0".as_slice()
        );
        let notice = ErrorReport::new(Severity::Notice, SqlState::SUCCESSFUL_COMPLETION, "hi");
        assert_eq!(notice.to_notice_response(), b"N\0\0\0\x20SNOTICE\0VNOTICE\0C00000\0Mhi\0\0".as_slice());
    }

    #[test]
    fn what_is_written_is_read_back() {
        let report = ErrorReport::fatal(SqlState::CANNOT_CONNECT_NOW, "starting up").with_detail("d");
        let bytes = report.to_error_response();
        let read = UpstreamReport::parse(&bytes[5..]);
        assert_eq!(read.severity(), Some("FATAL"));
        assert_eq!(read.sqlstate(), Some(SqlState::CANNOT_CONNECT_NOW));
        assert_eq!(read.message(), "starting up");
        assert_eq!(read.field(b'D'), Some("d"));
    }

    #[test]
    fn broken_reports_are_still_reports() {
        let check = |body: &[u8], message: &str| {
            let report = UpstreamReport::parse(body);
            assert_eq!(report.message(), message);
            assert_eq!(report.sqlstate(), None);
        };
        check(b"", "");
        check(b"\0", "");
        check(b"M", "");
        check(b"Mno end", "no end");
        check(b"SFATAL\0Mno state\0\0", "no state");
        check(b"C28p01\0Mlower case\0\0", "lower case");
        check(b"C28P011\0Mtoo long\0\0", "too long");
        check(b"M\xff\0\0", "\u{fffd}");
        assert_eq!(UpstreamReport::bare(b"FATAL: old\n").message(), "FATAL: old");
    }

    #[test]
    fn a_report_cannot_write_lines_of_the_log() {
        let shown = UpstreamReport::parse(b"SFATAL\0C28000\0Ma\nb\0\0").to_string();
        assert_eq!(shown, r#"FATAL 28000: "a\nb""#);
    }
}
