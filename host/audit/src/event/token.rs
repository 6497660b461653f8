//! Tokens: given to a user, and taken back. That one was used is told by the session it opened (`method`), or by the
//! failed login.

use crate::canon::Object;
use crate::clock::rfc3339;

/// A user has been given a token.
#[derive(Clone, Debug)]
pub struct TokenCreated {
    /// Its name, which is no secret.
    pub id: String,
    /// Whose it is.
    pub user: String,
    /// Microseconds since 1970-01-01 UTC.
    pub expires_us: i64,
    /// Where it is good; empty: wherever the user may go.
    pub resources: Vec<String>,
    /// What it is for, in its maker's words.
    pub note: String,
}

/// A token is no longer good, before its time.
#[derive(Clone, Debug)]
pub struct TokenRevoked {
    pub id: String,
    pub user: String,
    /// `revoked`, or `removed` from the file.
    pub how: &'static str,
}

impl TokenCreated {
    pub(super) fn detail(&self, out: &mut Object<'_>) {
        out.word("expires", &rfc3339(self.expires_us));
        out.texts("resources", &self.resources);
        out.word("token", &self.id);
    }

    pub(super) fn payload(&self, out: &mut Object<'_>) {
        out.text("note", &self.note);
    }
}

impl TokenRevoked {
    pub(super) fn detail(&self, out: &mut Object<'_>) {
        out.word("how", self.how);
        out.word("token", &self.id);
    }
}
