//! The command line.

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use weir_model::CertificateName;

/// Also an empty one: an empty variable is as good as none.
fn any_path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// Where the configuration is when nothing is said.
pub(crate) const USUAL_CONFIG: &str = "weir.toml";

/// A programmable access gateway: it stands between people or AI agents and the systems they reach, decides,
/// masks, asks, and records.
#[derive(Debug, Parser)]
#[command(name = "weir", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// The configuration file
    #[arg(long, short, global = true, default_value = USUAL_CONFIG, env = "WEIR_CONFIG", value_parser = any_path())]
    pub(crate) config: PathBuf,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the gateway until SIGTERM or SIGINT
    Run,
    /// Check the configuration together with the plugins it names, and tell everything that is wrong
    Check,
    /// Local users
    #[command(subcommand)]
    User(UserCommand),
    /// Short-lived tokens, in place of a user's password
    #[command(subcommand)]
    Token(TokenCommand),
    /// Operations that wait for a person
    #[command(subcommand)]
    Approvals(ApprovalsCommand),
    /// The audit trail
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Live sessions
    #[command(subcommand)]
    Sessions(SessionsCommand),
    /// Plugin files: look at them, test, replay, lock, sign, make, measure
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// What is loaded: calls, times, traps, refusals (by version: `weir plugin status`)
    ///
    /// `ready`: it serves. `kept`: a newer file or settings were refused, and the old ones serve. `set-aside`: a try
    /// that is over. `missing`: there is none that could serve. `leaving`: taken out of the configuration, and some session
    /// has it still. What is wrong with one is told below the table.
    Plugins {
        /// As JSON, for machines
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Add a user; the password is asked for, or read from standard input with `--password-stdin`
    #[command(group(ArgGroup::new("other-proof").args(["tokens", "certificates"]).multiple(true)))]
    Add {
        /// The name that the client logs in with
        name: String,
        /// A group; may be given several times
        #[arg(long = "group", short)]
        groups: Vec<String>,
        /// What the user is; an agent acts for a person, and needs `--on-behalf-of`
        #[arg(long, value_enum, default_value_t = Kind::Human)]
        kind: Kind,
        /// The person an agent acts for
        #[arg(long, required_if_eq("kind", "agent"))]
        on_behalf_of: Option<String>,
        /// Read the password from the first line of standard input
        #[arg(long)]
        password_stdin: bool,
        /// A token may stand where PostgreSQL asks for the password, which is then asked for in clear, through TLS or on
        /// loopback, instead of with SCRAM
        #[arg(long)]
        tokens: bool,
        /// What stands for the user in a client certificate: `uri:…`, `email:…`, `dns:…`, `sha256:…` (of the certificate),
        /// `key-sha256:…` or `cn:…`; may be given several times
        #[arg(long = "certificate", value_parser = certificate)]
        certificates: Vec<CertificateName>,
        /// No password at all: the user comes with tokens or certificates only
        #[arg(long, requires = "other-proof", conflicts_with = "password_stdin")]
        no_password: bool,
    },
    /// Change a user's password
    Passwd {
        /// The user, as `weir user list` shows it
        name: String,
        /// Read the password from the first line of standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// Remove a user
    Remove {
        /// The user, as `weir user list` shows it
        name: String,
    },
    /// List the users; nothing of their passwords is shown
    List {
        /// As JSON, for machines
        #[arg(long)]
        json: bool,
    },
}

fn certificate(text: &str) -> Result<CertificateName, String> {
    CertificateName::parse(text).map_err(|_| {
        "write `uri:…`, `email:…`, `dns:…`, `sha256:…`, `key-sha256:…` or `cn:…`; no patterns".to_owned()
    })
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Kind {
    Human,
    Agent,
    Service,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token and show it, this once
    Create {
        /// Whose it will be: whoever shows it is this user
        #[arg(long, env = "WEIR_USER")]
        user: String,
        /// How long it is good, such as `30m`, `8h`, `7d`; at most `90d`
        #[arg(long, default_value = "8h")]
        ttl: String,
        /// Good for this resource only; may be given several times. Without: wherever the user may go
        #[arg(long = "resource")]
        resources: Vec<String>,
        /// What it is for
        #[arg(long, default_value = "")]
        note: String,
    },
    /// List the tokens; nothing of their secrets is kept
    List {
        /// As JSON, for machines
        #[arg(long)]
        json: bool,
    },
    /// End a token, and the sessions that came with it
    Revoke {
        /// Its public part, as `weir token list` shows it
        id: String,
    },
}

/// Who is speaking to the admin API.
#[derive(Debug, Args)]
pub(crate) struct As {
    /// Your user name; the password comes from WEIR_PASSWORD or is asked for
    #[arg(long, env = "WEIR_USER")]
    pub(crate) user: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ApprovalsCommand {
    /// What waits
    List {
        #[command(flatten)]
        who: As,
        /// As JSON, for machines
        #[arg(long)]
        json: bool,
    },
    /// One request, on one screen
    Show {
        /// The request, as `weir approvals list` shows it
        id: String,
        #[command(flatten)]
        who: As,
        /// As JSON, for machines
        #[arg(long)]
        json: bool,
    },
    /// Let exactly this operation run, once
    Approve {
        /// The request, as `weir approvals list` shows it
        id: String,
        #[command(flatten)]
        who: As,
        /// Why; kept in the trail
        #[arg(long, short, default_value = "")]
        reason: String,
        /// The digest you were shown: refused if the request has another
        #[arg(long)]
        digest: Option<String>,
    },
    /// Refuse it
    Deny {
        /// The request, as `weir approvals list` shows it
        id: String,
        #[command(flatten)]
        who: As,
        /// Why; the client reads it
        #[arg(long, short, default_value = "")]
        reason: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// The newest records; with -f those to come
    Tail {
        /// Start with so many records
        #[arg(long, short = 'n', default_value_t = 20)]
        lines: u64,
        /// Go on with new records until interrupted
        #[arg(long, short)]
        follow: bool,
        /// As JSON, for machines
        #[arg(long)]
        json: bool,
    },
    /// Records that match everything given
    Search {
        #[command(flatten)]
        filter: Box<Filter>,
        /// As JSON, for machines
        #[arg(long)]
        json: bool,
    },
    /// One session, operation (SESSION/NUMBER) or record (its number), with everything known about it
    Show {
        /// As `weir audit search` shows it
        what: String,
        /// As JSON, for machines
        #[arg(long)]
        json: bool,
    },
    /// All records as JSON lines, with hashes and payloads
    Export {
        /// From this record on
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// To a file instead of standard output
        #[arg(long, short)]
        output: Option<PathBuf>,
    },
    /// Check the hash chain over all records
    Verify {
        /// A head known from elsewhere, `SEQ:HASH`: finds a trail that was cut off
        #[arg(long)]
        head: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Filter {
    /// From this moment on: RFC 3339, or an age like `2h`
    #[arg(long)]
    pub(crate) since: Option<String>,
    /// Until before this moment, written the same way
    #[arg(long)]
    pub(crate) until: Option<String>,
    /// Who did it; also who was named in a login that failed
    #[arg(long)]
    pub(crate) user: Option<String>,
    /// On this resource only
    #[arg(long)]
    pub(crate) resource: Option<String>,
    /// Of this session only, by its id
    #[arg(long)]
    pub(crate) session: Option<String>,
    /// `intent`, `refused`, `outcome`, `held`, `reviewed`, `login-failed`, `token-created`, …
    #[arg(long)]
    pub(crate) kind: Option<String>,
    /// `allow`, `deny`, `hold`, …
    #[arg(long)]
    pub(crate) verdict: Option<String>,
    /// `ok`, `error`, `skipped`, `suspended`, `unknown`
    #[arg(long)]
    pub(crate) status: Option<String>,
    /// Text anywhere in the record
    #[arg(long)]
    pub(crate) text: Option<String>,
    /// Digest of a plugin that took part, or its first digits
    #[arg(long)]
    pub(crate) plugin: Option<String>,
    /// So many records at most
    #[arg(long, default_value_t = 100)]
    pub(crate) limit: u32,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SessionsCommand {
    /// Who is connected to what, since when
    List {
        /// As JSON, for machines
        #[arg(long)]
        json: bool,
    },
    /// End a session now
    Kill {
        /// The session, as `weir sessions list` shows it
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// What a plugin file is and asks for; nothing of it runs but `describe`
    Inspect {
        /// A plugin file, or a folder in which `weir plugin build` has made one
        file: PathBuf,
        /// Print its settings as TOML to paste into the configuration
        #[arg(long)]
        settings: bool,
        /// As JSON, for machines
        #[arg(long)]
        json: bool,
    },
    /// Run a plugin against cases in JSON files; exit code 1 when one fails
    Test(PluginTest),
    /// Run recorded operations of the trail through a candidate and tell what would be otherwise
    Replay(Box<PluginReplay>),
    /// Pin every plugin of the configuration to its digest, in plugins.lock beside the configuration
    Lock {
        /// Take the new file of this plugin; what changes is told first. May be given several times
        #[arg(long)]
        upgrade: Vec<String>,
        /// As JSON, for machines
        #[arg(long)]
        json: bool,
    },
    /// Sign plugin files (FILE.sig) for gateways with `server.plugin_keys`; without files: tell the public key
    Sign {
        /// The private key, Ed25519 in PEM
        #[arg(long)]
        key: PathBuf,
        /// Make that file with a new key
        #[arg(long)]
        new_key: bool,
        /// Plugin files; the signature of each is put beside it
        files: Vec<PathBuf>,
        /// As JSON, for machines
        #[arg(long)]
        json: bool,
    },
    /// Make a folder to begin with: `weir plugin new rust policy my-policy`
    New(PluginNew),
    /// Build a folder of `weir plugin new`, or a crate in a checkout of weir
    Build {
        /// What to build
        #[arg(default_value = ".")]
        folder: PathBuf,
        /// The file to make; without: FOLDER/NAME.wasm
        #[arg(long, short)]
        out: Option<PathBuf>,
        /// As JSON, for machines
        #[arg(long)]
        json: bool,
    },
    /// What a plugin costs: loading, an instance, a call, a cell
    Bench(PluginBench),
    /// What a running gateway's plugins do, version by version
    Status {
        /// As JSON, for machines
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct PluginTest {
    /// A plugin file, or a folder in which `weir plugin build` has made one
    pub(crate) plugin: PathBuf,
    /// A case file or a folder of them; without: tests/cases or cases beside the plugin
    #[arg(long)]
    pub(crate) cases: Option<PathBuf>,
    /// Of the random splits of an inspector's bytes; it is told, so that a failure can be had again
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// As JSON, for machines
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PluginReplay {
    /// The candidate's file
    #[arg(long)]
    pub(crate) plugin: PathBuf,
    /// The plugin in whose place it is judged; without: the file's name. Where none of that name had a part, it is one
    /// more policy
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Its settings, a JSON file (`{}` for none); without: those that the configuration has for that name
    #[arg(long)]
    pub(crate) settings: Option<PathBuf>,
    /// From this moment on: RFC 3339, or an age like `2h`
    #[arg(long, default_value = "7d")]
    pub(crate) since: String,
    /// Until before this moment, written the same way
    #[arg(long)]
    pub(crate) until: Option<String>,
    /// Operations of this user only
    #[arg(long)]
    pub(crate) user: Option<String>,
    /// On this resource only
    #[arg(long)]
    pub(crate) resource: Option<String>,
    /// Of this session only, by its id
    #[arg(long)]
    pub(crate) session: Option<String>,
    /// As JSON, for machines
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PluginNew {
    /// `rust`, `python`, `js`, `c` or `go` (experimental)
    pub(crate) language: String,
    /// `policy` or `masker`; in Rust also `inspector` (of a stream) and `http-inspector`
    pub(crate) kind: String,
    /// What the configuration will call it
    pub(crate) name: String,
    /// Where to make it; without: ./NAME
    #[arg(long)]
    pub(crate) folder: Option<PathBuf>,
    /// A checkout of weir whose SDK is used; without: a copy of the SDK in this program
    #[arg(long)]
    pub(crate) sdk: Option<PathBuf>,
    /// As JSON, for machines
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PluginBench {
    /// A plugin file, or a folder in which `weir plugin build` has made one
    pub(crate) plugin: PathBuf,
    /// A case file or a folder of them; without: those beside the plugin, or built-in ones
    #[arg(long)]
    pub(crate) cases: Option<PathBuf>,
    /// Its settings, a JSON file; without: those of the first case file
    #[arg(long)]
    pub(crate) settings: Option<PathBuf>,
    /// How long to measure calls
    #[arg(long, default_value_t = 2000)]
    pub(crate) milliseconds: u64,
    /// As JSON, for machines
    #[arg(long)]
    pub(crate) json: bool,
}
