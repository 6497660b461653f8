//! Views as text for a terminal: pure functions, the command prints what they return.
//!
//! Everything in a view comes from outside: from clients, plugins, files, other processes. All of it goes through
//! [`line()`], one way or another, and stands where it cannot be mistaken for ours: in a cell of a table, or behind a
//! margin that it cannot leave, not even by being longer than the terminal is wide.

mod approval;
mod escape;
mod json;
mod layout;
mod lists;

pub use approval::{approval, approvals};
pub use escape::line;
pub use json::json;
pub use lists::{plugins, sessions, status};

#[cfg(test)]
mod tests;
