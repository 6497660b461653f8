//! Every kind of problem this crate can report: one code, one message, one place in the code that raises it,
//! at least one golden case. `tests/invalid.rs` checks all four.

use std::fmt;

/// The kind of a problem: `unknown-key`. Stable, so that people can search for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(&'static str);

impl Code {
    /// A code of another crate: the host reports what plugins say about their settings.
    pub const fn new(text: &'static str) -> Self {
        Self(text)
    }

    pub const fn as_str(self) -> &'static str {
        self.0
    }

    /// All codes of this crate.
    pub const fn all() -> &'static [Code] {
        ALL
    }
}

impl fmt::Display for Code {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.0)
    }
}

macro_rules! codes {
    ($($(#[$title:meta])* $name:ident = $text:literal;)*) => {
        $($(#[$title])* pub(crate) const $name: Code = Code($text);)*
        const ALL: &[Code] = &[$($name),*];
    };
}

codes! {
    // The file as a whole
    UNREADABLE = "unreadable";
    NOT_TEXT = "not-text";
    SYNTAX = "syntax";

    // One key
    UNKNOWN_KEY = "unknown-key";
    MISSING_KEY = "missing-key";
    WRONG_TYPE = "wrong-type";
    EMPTY_TEXT = "empty-text";
    UNKNOWN_WORD = "unknown-word";
    BAD_DURATION = "bad-duration";
    DURATION_BOUNDS = "duration-bounds";
    BAD_SIZE = "bad-size";
    SIZE_BOUNDS = "size-bounds";
    COUNT_BOUNDS = "count-bounds";
    BAD_NAME = "bad-name";
    BAD_GRANTEE = "bad-grantee";
    BAD_KEY = "bad-key";
    BAD_FILTER = "bad-filter";
    BAD_ADDRESS = "bad-address";
    REPEATED_ENTRY = "repeated-entry";
    BAD_HOST = "bad-host";
    BAD_PATH = "bad-path";
    BAD_VARIABLE = "bad-variable";
    NOT_HERE = "not-here";

    // Secrets
    SECRET_LITERAL = "secret-literal";
    SECRET_SHAPE = "secret-shape";
    SECRET_VARIABLE = "secret-variable";
    SECRET_FILE = "secret-file";
    SECRET_FILE_READABLE = "secret-file-readable";
    SECRET_FILE_WRITABLE = "secret-file-writable";
    COMMAND_EMPTY = "command-empty";
    COMMAND_START = "command-start";
    COMMAND_FAILED = "command-failed";
    COMMAND_SLOW = "command-slow";
    SECRET_EMPTY = "secret-empty";
    SECRET_NOT_TEXT = "secret-not-text";
    SECRET_NOT_SENDABLE = "secret-not-sendable";

    // Files and folders
    FILE_MISSING = "file-missing";
    FILE_WANTED = "file-wanted";
    FOLDER_MISSING = "folder-missing";
    FOLDER_WANTED = "folder-wanted";

    // [admin], [limits]
    ADMIN_ADDRESS = "admin-address";

    // [[resource]]
    NO_RESOURCES = "no-resources";
    DUPLICATE_RESOURCE = "duplicate-resource";
    DUPLICATE_LISTEN = "duplicate-listen";
    PLAIN_LISTENER = "plain-listener";
    KEY_FILE_READABLE = "key-file-readable";
    NOBODY_ALLOWED = "nobody-allowed";
    UNKNOWN_GROUP = "unknown-group";
    UNKNOWN_USER = "unknown-user";
    EMPTY_PIPELINE = "empty-pipeline";
    REPEATED_PLUGIN = "repeated-plugin";
    CLIENT_CA_MISSING = "client-ca-missing";
    CLIENT_CERTIFICATES_IN_CLEAR = "client-certificates-in-clear";

    // [[resource]] of the protocol http
    SHARED_LISTEN = "shared-listen";
    DUPLICATE_ROUTE = "duplicate-route";
    EMPTY_AUTH = "empty-auth";
    TLS_REQUIRED = "tls-required";
    CREDENTIAL_SHAPE = "credential-shape";
    CREDENTIAL_USER = "credential-user";
    CREDENTIAL_HEADER = "credential-header";
    PLAIN_UPSTREAM = "plain-upstream";
    NOT_FOR_PROGRAMS = "not-for-programs";

    // upstream = "…"
    URL_SHAPE = "url-shape";
    URL_SCHEME = "url-scheme";
    URL_PASSWORD = "url-password";
    URL_LOGIN = "url-login";
    URL_QUERY = "url-query";
    URL_USER = "url-user";
    URL_HOST = "url-host";
    URL_PORT = "url-port";
    URL_DATABASE = "url-database";
    URL_ESCAPE = "url-escape";
    URL_PARAMETER = "url-parameter";
    URL_SSLMODE = "url-sslmode";
    WEAK_SSLMODE = "weak-sslmode";
    UNUSED_CA = "unused-ca";
    CERTIFICATE_WITHOUT_KEY = "certificate-without-key";
    CERTIFICATE_WITHOUT_TLS = "certificate-without-tls";

    // [plugin.NAME]
    UNUSED_PLUGIN = "unused-plugin";
    HTTP_ORIGIN = "http-origin";
    ROLLOUT_KEYS = "rollout-keys";
    ROLLOUT_PIPELINE = "rollout-pipeline";
    ROLLOUT_OF = "rollout-of";
    ROLLOUT_TWICE = "rollout-twice";
    SETTING_NUMBER = "setting-number";
    SETTING_SECRET = "setting-secret";
    SETTING_REFERENCE = "setting-reference";

    // users.toml
    USERS_MISSING = "users-missing";
    USERS_READABLE = "users-readable";
    USER_NAME = "user-name";
    DUPLICATE_USER = "duplicate-user";
    AGENT_OWNER = "agent-owner";
    OWNER_OF_NO_AGENT = "owner-of-no-agent";
    OWNER_UNKNOWN = "owner-unknown";
    OWNER_KIND = "owner-kind";
    PASSWORD_PLAIN = "password-plain";
    PASSWORD_SCRAM = "password-scram";
    PASSWORD_ARGON2 = "password-argon2";
    BAD_DATE = "bad-date";
    CERTIFICATE_NAME = "certificate-name";
    DUPLICATE_CERTIFICATE = "duplicate-certificate";
}
