//! One file per kind: its form, its check rule, its traps. All of them look at bytes and know nothing of
//! columns, settings or methods.

pub mod card;
pub mod email;
pub mod iban;
pub mod ip;
pub mod phone;
pub mod secret;
pub mod ssn;
