//! `state/tokens.toml`: the tokens there are, without their secrets.
//!
//! ```toml
//! [[token]]
//! id = "k3v9…"
//! user = "ann"
//! sha256 = "…"                          # of the secret part, from which nobody gets the token back
//! created = "2026-11-27T15:00:00Z"
//! expires = "2026-11-27T23:00:00Z"
//! resources = ["customers"]             # empty or missing: wherever the user may go
//! note = "nightly import"
//! revoked = "2026-11-27T16:00:00Z"      # missing: not revoked
//! recorded = "created"                  # what of it the trail knows: "created", "revoked" or missing
//! ```
//!
//! The file is the gateway's own: `weir token` and the gateway change it, with [`change`], and nobody edits it by hand.
//! It is read strictly, and a file that is wrong anywhere counts as wrong as a whole. A token that is taken out is
//! revoked.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, value};

use crate::replace::Replaceable;

/// Its name in the folder `server.state`.
pub const FILE: &str = "tokens.toml";

/// Characters of a note.
pub const MAX_NOTE: usize = 200;

/// One `[[token]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub id: String,
    /// Whose it is.
    pub user: String,
    /// Of the secret part.
    pub sha256: [u8; 32],
    pub created: SystemTime,
    pub expires: SystemTime,
    /// Where it is good; empty: wherever the user may go.
    pub resources: Vec<String>,
    /// What it is for, in its maker's words.
    pub note: String,
    pub revoked: Option<SystemTime>,
    pub recorded: Recorded,
}

/// What of a token the trail knows. The gateway writes it back when the record is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Recorded {
    Nothing,
    Created,
    Revoked,
}

/// Why the tokens cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    #[error("{0} cannot be read: {1}")]
    Read(PathBuf, io::Error),
    #[error("{0} cannot be written: {1}")]
    Write(PathBuf, io::Error),
    #[error("{0} is damaged: {1}")]
    Damaged(PathBuf, String),
}

/// All tokens of the file; none when there is no file yet.
///
/// # Errors
/// When the file cannot be read or is wrong.
pub fn load(path: &Path) -> Result<Vec<Token>, TokensError> {
    let bytes = match crate::outside::regular_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(|error| TokensError::Read(path.to_owned(), error))?,
    };
    let damaged = |what: String| TokensError::Damaged(path.to_owned(), what);
    let text = String::from_utf8(bytes).map_err(|_| damaged("it is not UTF-8 text".into()))?;
    parse(&text).map_err(damaged)
}

/// Changes the list, if `change` says so: what it returns is passed on. When this returns, the change is on disk.
///
/// # Errors
/// When the file cannot be read or written, or is wrong; then nothing has changed.
pub fn change<T>(path: &Path, change: impl FnOnce(&mut Vec<Token>) -> T) -> Result<T, TokensError> {
    let file = Replaceable::lock(path).map_err(|error| TokensError::Write(path.to_owned(), error))?;
    let text = file.read().map_err(|error| TokensError::Read(path.to_owned(), error))?;
    let old = parse(&text).map_err(|what| TokensError::Damaged(path.to_owned(), what))?;
    let mut new = old.clone();
    let told = change(&mut new);
    if new != old {
        file.replace(&text_of(&new)).map_err(|error| TokensError::Write(path.to_owned(), error))?;
    }
    Ok(told)
}

fn parse(text: &str) -> Result<Vec<Token>, String> {
    // Where, but not what stands there.
    let document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| match error.span() {
        Some(span) => format!("it is no TOML at byte {}", span.start),
        None => "it is no TOML".to_owned(),
    })?;
    if let Some((key, _)) = document.iter().find(|(key, _)| *key != "token") {
        return Err(format!("it has the unknown key `{key}`"));
    }
    let Some(list) = document.get("token") else { return Ok(Vec::new()) };
    let tables = list.as_array_of_tables().ok_or("`token` is not a list of tables")?;
    let mut tokens: Vec<Token> = Vec::new();
    for (number, table) in (1..).zip(tables) {
        let token = token(table).map_err(|what| format!("token number {number}: {what}"))?;
        if tokens.iter().any(|other| other.id == token.id) {
            return Err(format!("two tokens are called {}", token.id));
        }
        tokens.push(token);
    }
    Ok(tokens)
}

const KEYS: [&str; 9] =
    ["id", "user", "sha256", "created", "expires", "resources", "note", "revoked", "recorded"];

fn token(table: &Table) -> Result<Token, String> {
    if let Some((key, _)) = table.iter().find(|(key, _)| !KEYS.contains(key)) {
        return Err(format!("the unknown key `{key}`"));
    }
    let text = |key: &str| table.get(key).map(|item| item.as_str().ok_or(format!("`{key}` is not a text")));
    let needed = |key: &str| text(key).unwrap_or_else(|| Err(format!("`{key}` is missing")));
    let resources = match table.get("resources") {
        None => Vec::new(),
        Some(list) => {
            let wrong = "`resources` is not a list of names";
            let names = list.as_array().ok_or(wrong)?.iter().map(|name| name.as_str().map(str::to_owned));
            // Without this, a list whose names have been taken out would open every resource.
            names.collect::<Option<Vec<_>>>().filter(|names| !names.is_empty()).ok_or(wrong)?
        }
    };
    Ok(Token {
        id: needed("id")?.to_owned(),
        user: needed("user")?.to_owned(),
        sha256: digest(needed("sha256")?).ok_or("`sha256` is not 64 hexadecimal digits")?,
        created: moment("created", needed("created")?)?,
        expires: moment("expires", needed("expires")?)?,
        resources,
        note: text("note").transpose()?.unwrap_or_default().to_owned(),
        revoked: text("revoked").transpose()?.map(|text| moment("revoked", text)).transpose()?,
        recorded: match text("recorded").transpose()? {
            None => Recorded::Nothing,
            Some("created") => Recorded::Created,
            Some("revoked") => Recorded::Revoked,
            Some(_) => return Err("`recorded` is neither \"created\" nor \"revoked\"".into()),
        },
    })
}

fn digest(text: &str) -> Option<[u8; 32]> {
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let pairs = text.as_bytes().chunks(2);
    let bytes = pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    if text.len() == 64 { bytes.collect::<Option<Vec<_>>>()?.try_into().ok() } else { None }
}

fn moment(key: &str, text: &str) -> Result<SystemTime, String> {
    OffsetDateTime::parse(text, &Rfc3339)
        .map(SystemTime::from)
        .map_err(|_| format!("`{key}` is not a moment like 2027-01-31T18:00:00Z"))
}

fn text_of(tokens: &[Token]) -> String {
    let mut list = ArrayOfTables::new();
    for token in tokens {
        let Token { id, user, sha256, created, expires, resources, note, revoked, recorded } = token;
        let mut table = Table::new();
        let mut put = |key: &str, text: &dyn Display| table.insert(key, value(text.to_string()));
        put("id", id);
        put("user", user);
        put("sha256", &sha256.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        put("created", &shown(*created));
        put("expires", &shown(*expires));
        if !note.is_empty() {
            put("note", note);
        }
        if let Some(moment) = revoked {
            put("revoked", &shown(*moment));
        }
        match recorded {
            Recorded::Nothing => None,
            Recorded::Created => put("recorded", &"created"),
            Recorded::Revoked => put("recorded", &"revoked"),
        };
        if !resources.is_empty() {
            table.insert("resources", value(resources.iter().map(String::as_str).collect::<Array>()));
        }
        list.push(table);
    }
    let mut document = DocumentMut::new();
    document.insert("token", Item::ArrayOfTables(list));
    format!(
        "# Written by the gateway and by `weir token`. A token that is taken out is revoked.\n\n{document}"
    )
}

/// Whole seconds are kept.
fn shown(moment: SystemTime) -> String {
    let moment = OffsetDateTime::from(moment);
    let whole = moment.replace_nanosecond(0).unwrap_or(moment);
    // Years beyond 9999 have no such form; 90 days from now is none of them.
    whole.format(&Rfc3339).unwrap_or_else(|_| "9999-12-31T23:59:59Z".to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn token(id: &str) -> Token {
        let created = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        Token {
            id: id.into(),
            user: "ann".into(),
            sha256: [0xab; 32],
            created,
            expires: created + Duration::from_secs(3600),
            resources: vec!["customers".into()],
            note: "night \"import\"\n".into(),
            revoked: Some(created + Duration::from_secs(60)),
            recorded: Recorded::Created,
        }
    }

    fn bare(id: &str) -> Token {
        let recorded = Recorded::Nothing;
        Token { resources: Vec::new(), note: String::new(), revoked: None, recorded, ..token(id) }
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let tokens = [token("one"), bare("two")];
        assert_eq!(parse(&text_of(&tokens)).unwrap(), tokens);
        assert_eq!(parse("").unwrap(), []);
        assert_eq!(parse(&text_of(&[])).unwrap(), []);
    }

    #[test]
    fn a_change_is_on_disk_and_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        assert_eq!(load(&path).unwrap(), []);
        change(&path, |tokens| tokens.push(token("one"))).unwrap();
        change(&path, |tokens| tokens.push(bare("two"))).unwrap();
        assert_eq!(load(&path).unwrap(), [token("one"), bare("two")]);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let before = std::fs::metadata(&path).unwrap().modified().unwrap();
        assert_eq!(change(&path, |tokens| tokens.len()).unwrap(), 2);
        assert_eq!(std::fs::metadata(&path).unwrap().modified().unwrap(), before, "nothing was to change");
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "something lies beside the file");
    }

    #[test]
    fn a_damaged_file_is_refused_as_a_whole_and_not_overwritten() {
        let good = text_of(&[token("one")]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        for (from, to) in [
            ("id = \"one\"\n", ""),
            ("abab", "xyxy"),
            ("abab", ""),
            ("[\"customers\"]", "[]"),
            ("[\"customers\"]", "\"customers\""),
            ("[\"customers\"]", "[1]"),
            ("recorded = \"created\"", "recorded = \"yes\""),
            ("user = \"ann\"", "user = \"ann\"\nadmin = true"),
            ("Z\"", "\""),
            ("[[token]]", "[[tokens]]"),
            ("[[token]]", "[[token]"),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good, "{from}");
            std::fs::write(&path, &bad).unwrap();
            assert!(load(&path).is_err(), "{bad}");
            assert!(change(&path, |tokens| tokens.clear()).is_err(), "{bad}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), bad);
        }
        let one = good.split_once("\n\n").unwrap().1;
        std::fs::write(&path, format!("{good}\n{one}")).unwrap();
        assert!(load(&path).is_err(), "two tokens of one name");
    }
}
