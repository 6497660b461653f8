//! Changing `users.toml` in place.
//!
//! Comments and order stay. The file as it would be is checked before it is written, so no edit can leave a file
//! that the gateway refuses. It is replaced as a whole ([`Replaceable`]).

use std::io;
use std::path::{Path, PathBuf};

use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, value};

use super::{User, parse_text};
use crate::problem::Problems;
use crate::replace::Replaceable;
use crate::secret::Secret;

/// Why the file has not been changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    #[error("{0} cannot be read: {1}")]
    Read(PathBuf, io::Error),
    #[error("{0} cannot be written: {1}")]
    Write(PathBuf, io::Error),
    /// The file is wrong already; nothing is changed before that is mended.
    #[error("{0}")]
    Broken(Problems),
    /// The file would be wrong: a name that is none, an agent without its human. The places are those of the file
    /// as it would be.
    #[error("{0}")]
    WouldBreak(Problems),
    #[error(
        "there is a user {0} already: `weir user passwd` changes the password, the rest is changed in the users file"
    )]
    Exists(String),
    #[error("there is no user {0}")]
    Unknown(String),
    #[error("{agent} acts for {owner}: remove it first (`weir user remove {agent}`)")]
    ActedFor { agent: String, owner: String },
}

/// Adds a user at the end; makes the file when there is none.
///
/// # Errors
/// See [`EditError`]; then nothing has changed.
pub fn add(path: &Path, user: &User) -> Result<(), EditError> {
    edit(path, |document| {
        let list = document.entry("user").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
        if find(list, &user.name).is_some() {
            return Err(EditError::Exists(user.name.clone()));
        }
        push(list, table_of(user));
        Ok(())
    })
}

/// Removes a user, with the comment above.
///
/// # Errors
/// See [`EditError`]; then nothing has changed. `ActedFor` when an agent still acts for the user.
pub fn remove(path: &Path, name: &str) -> Result<(), EditError> {
    edit(path, |document| {
        let list = document.entry("user").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
        let index = find(list, name).ok_or_else(|| EditError::Unknown(name.to_owned()))?;
        if let Some(agent) = acts_for(list, name) {
            return Err(EditError::ActedFor { agent, owner: name.to_owned() });
        }
        match list {
            Item::ArrayOfTables(tables) => {
                tables.remove(index);
            }
            other => {
                if let Some(array) = other.as_array_mut() {
                    array.remove(index);
                }
            }
        }
        Ok(())
    })
}

/// Gives a user another password verifier.
///
/// # Errors
/// See [`EditError`]; then nothing has changed. `WouldBreak` when it is not a verifier.
pub fn set_password(path: &Path, name: &str, verifier: &Secret) -> Result<(), EditError> {
    edit(path, |document| {
        let list = document.entry("user").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
        let index = find(list, name).ok_or_else(|| EditError::Unknown(name.to_owned()))?;
        let user = match list {
            Item::ArrayOfTables(tables) => {
                tables.get_mut(index).map(|table| table as &mut dyn toml_edit::TableLike)
            }
            other => other
                .as_array_mut()
                .and_then(|array| array.get_mut(index))
                .and_then(|user| user.as_inline_table_mut())
                .map(|table| table as &mut dyn toml_edit::TableLike),
        };
        if let Some(user) = user {
            match user.get_mut("password").and_then(Item::as_value_mut) {
                // In place, with whatever comment is behind it.
                Some(old) => {
                    let decor = old.decor().clone();
                    *old = verifier.expose().into();
                    *old.decor_mut() = decor;
                }
                None => {
                    user.insert("password", value(verifier.expose()));
                }
            }
        }
        Ok(())
    })
}

fn edit(
    path: &Path,
    change: impl FnOnce(&mut DocumentMut) -> Result<(), EditError>,
) -> Result<(), EditError> {
    let read_error = |error| EditError::Read(path.to_owned(), error);
    let write_error = |error| EditError::Write(path.to_owned(), error);
    let file = Replaceable::lock(path).map_err(write_error)?;
    let text = file.read().map_err(read_error)?;
    parse_text(path, text.clone()).map_err(EditError::Broken)?;
    // It has just been read as TOML by the other parser.
    let mut document: DocumentMut =
        text.parse().map_err(|error| read_error(io::Error::new(io::ErrorKind::InvalidData, error)))?;
    change(&mut document)?;
    let text = document.to_string();
    parse_text(path, text.clone()).map_err(EditError::WouldBreak)?;
    file.replace(&text).map_err(write_error)
}

fn find(list: &Item, name: &str) -> Option<usize> {
    let is_called = |called: Option<&str>| called == Some(name);
    match list {
        Item::ArrayOfTables(tables) => {
            tables.iter().position(|table| is_called(table.get("name").and_then(Item::as_str)))
        }
        other => other.as_array()?.iter().position(|user| {
            is_called(user.as_inline_table().and_then(|user| user.get("name")).and_then(|name| name.as_str()))
        }),
    }
}

/// An agent of this user.
fn acts_for(list: &Item, owner: &str) -> Option<String> {
    let of = |acts_for: Option<&str>, name: Option<&str>| {
        name.filter(|_| acts_for == Some(owner)).map(ToOwned::to_owned)
    };
    match list {
        Item::ArrayOfTables(tables) => tables.iter().find_map(|table| {
            of(table.get("on_behalf_of").and_then(Item::as_str), table.get("name").and_then(Item::as_str))
        }),
        other => other.as_array()?.iter().find_map(|user| {
            let user = user.as_inline_table()?;
            of(user.get("on_behalf_of")?.as_str(), user.get("name")?.as_str())
        }),
    }
}

fn push(list: &mut Item, table: Table) {
    match list {
        Item::ArrayOfTables(tables) => tables.push(table),
        other => {
            if let Some(array) = other.as_array_mut() {
                array.push(table.into_inline_table());
            }
        }
    }
}

fn table_of(user: &User) -> Table {
    let User { name, kind, groups, on_behalf_of, password, tokens, certificates, disabled, expires } = user;
    let mut table = Table::new();
    table.decor_mut().set_prefix("\n");
    table.insert("name", value(name.as_str()));
    table.insert("kind", value(kind.as_word()));
    if !groups.is_empty() {
        table.insert("groups", value(groups.iter().map(String::as_str).collect::<Array>()));
    }
    if let Some(owner) = on_behalf_of {
        table.insert("on_behalf_of", value(owner.as_str()));
    }
    if let Some(password) = password {
        table.insert("password", value(password.expose()));
    }
    if *tokens {
        table.insert("tokens", value(true));
    }
    if !certificates.is_empty() {
        let names = certificates.iter().map(ToString::to_string);
        table.insert("certificates", value(names.collect::<Array>()));
    }
    if *disabled {
        table.insert("disabled", value(true));
    }
    if let Some(moment) = expires {
        let moment = time::OffsetDateTime::from(*moment);
        if let Ok(text) = moment.format(&time::format_description::well_known::Rfc3339) {
            table.insert("expires", value(text));
        }
    }
    table
}
