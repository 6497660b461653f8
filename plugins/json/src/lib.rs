//! JSON as RFC 8259 has it and nothing else, walked without building a tree: each value comes with its place and with
//! the bytes it stands in, so that one value can be changed and every other byte stays.
//!
//! Two readers of one text must not see two things, so what readers differ in is an error here: a key that stands
//! twice in an object, invalid UTF-8, a byte order mark, half a surrogate pair, anything behind the value, `NaN`,
//! comments, trailing commas. Numbers are kept as they are written. A text nested deeper than [`Limits::depth`],
//! with more different places than [`Limits::paths`] or longer paths than [`Limits::path_bytes`], is refused too.
//!
//! ```
//! use weir_json::{Leaf, Limits, Place, Stop, Visitor, walk};
//!
//! struct Print(Vec<String>);
//!
//! impl Visitor for Print {
//!     fn leaf(&mut self, place: &Place<'_>, leaf: &Leaf<'_>) -> Result<(), Stop> {
//!         self.0.push(format!("{} = {}", place.indexed(), leaf.text));
//!         Ok(())
//!     }
//! }
//!
//! let mut print = Print(Vec::new());
//! walk(br#"{"items": [{"email": "a\u0040b.example"}]}"#, Limits::default(), &mut print).unwrap();
//! assert_eq!(print.0, ["items[0].email = a@b.example"]);
//! ```
//!
//! Pure: no dependencies, no IO, no state, no recursion. Time is linear in the text, but for a logarithm of the number
//! of different keys in one object; memory is the different places (not the values).

#![forbid(unsafe_code)]

mod error;
mod number;
mod paths;
mod text;
mod walk;

pub use error::{Error, Problem};
pub use number::{is_number, without_exponent};
pub use paths::{Place, Step};
pub use text::{escape, literal};
pub use walk::{Kind, Leaf, Limits, Stop, Visitor, begins_like_json, check, walk};
