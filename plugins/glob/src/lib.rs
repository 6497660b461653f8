//! Patterns with stars, as the settings of plugins have them.
//!
//! In a name without parts (`read_*`, `app.*`) a star is any text: [`matches`], or [`matches_in_any_case`]. In one with
//! segments (`refs/heads/*`) it stays in its segment, and two go across: [`Glob`]. None takes longer than the product of
//! the lengths, whatever the pattern.

mod segments;
mod text;

pub use segments::{Glob, MAX_PATTERN_BYTES};
pub use text::{matches, matches_in_any_case};
