//! The configuration of the gateway: one TOML file, and the users file it names.
//!
//! A file is read in two shapes (habit of ripgrep): **as written** (`raw/`), where every value knows its line and
//! column, and **as used** ([`settings`]), plain values with every default filled in. Between the two lie the
//! checks (`check/`), which all run and tell everything that is wrong at once, each with its line, a caret and what
//! to do ([`problem`]).
//!
//! ```text
//! text ─► document ─► raw ─► check ─► settings
//!         (TOML)      types  the rest  plain values
//!                     units  files
//!                            secrets
//! ```
//!
//! What this room does not do: it starts nothing, keeps nothing, and is asked by nobody at run time. Somebody calls
//! [`load`], hands the parts of the settings to those who need them, and on a change of the file calls it again and
//! compares with [`diff()`]. It is the only room that knows TOML; `document/` is the only place in it that does, but
//! for the editor of the users file and the gateway's own list of [`tokens`].
//!
//! Environment, files and programs are reached through [`Outside`].

mod check;
mod client;
mod config;
mod diff;
mod document;
mod outside;
mod place;
pub mod problem;
mod raw;
mod replace;
mod secret;
pub mod settings;
pub mod tokens;
mod units;
pub mod users;

pub use client::{Client, client};
pub use config::{Config, Reachable, examine, file_digest, known_keys, load, reachable, users_file};
pub use diff::{Change, ChangeKind, Changes, Effect, diff};
pub use outside::{Machine, Outside, RunError, Thing, ThingKind};
pub use place::Place;
pub use problem::{Code, Location, Mark, Problem, Problems, Severity};
pub use secret::Secret;
