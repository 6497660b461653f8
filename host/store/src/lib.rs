//! The SQL behind the traits of the other rooms; the only user of sqlx.
//!
//! [`Trail`] keeps the audit trail in `audit.db`, a SQLite file in the state folder. SQL that another database
//! would spell differently stays within [`trail`]; what it implements (`TrailStore`, `TrailReader`) says nothing
//! of SQLite, so PostgreSQL can follow beside it.

pub mod trail;

pub use trail::{Damage, OpenError, Reader, Trail, TrailSettings};
