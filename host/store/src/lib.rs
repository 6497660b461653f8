//! The SQL behind the traits of the other rooms; the only user of sqlx.
//!
//! [`Trail`] keeps the audit trail in `audit.db`, a SQLite file in the state folder. SQL that another database
//! would spell differently stays within [`trail`]; what it implements (`TrailStore`, `TrailReader`) says nothing
//! of SQLite, so PostgreSQL can follow beside it. [`KeyValue`] keeps what plugins keep, in `plugins.db`.

pub mod key_value;
pub mod trail;

pub use key_value::{KeyValue, KeyValueError, KeyValueOpenError};
pub use trail::{Damage, OpenError, Reader, Trail, TrailSettings};
