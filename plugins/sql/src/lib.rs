//! What a PostgreSQL statement does, told from its text alone, and never told wrongly in the harmless
//! direction.
//!
//! Three layers, each usable by itself:
//!
//! - [`lex`]: tokens, exactly as PostgreSQL's scanner cuts them;
//! - [`split`]: where statements end;
//! - [`analyse`]: what each statement is ([`Class`]), which relations it touches, which functions it calls.
//!
//! beside them [`redact_secrets`] and [`literals`] for whoever writes statements down, and [`mentions`] and
//! [`Statement::output_items`] for whoever masks what comes back.
//!
//! The rule of the analyser: it recognises PostgreSQL's grammar for queries and the beginnings of all other
//! statements, and what it does not recognise is [`Class::Unknown`]. A [`Class::Read`] has been read to its
//! last token, calls only functions and operators on a list of harmless ones, and modifies nothing. The price
//! is that it may call a harmless thing unknown; the differential test against PostgreSQL's own parser says
//! how often.
//!
//! What text cannot tell, this crate cannot tell: that a view calls a function, that a type's cast does, that
//! `search_path` makes a name mean something else. [`Class::ParsingSetting`] marks the settings that matter.
//!
//! Pure: no dependencies, no IO, no state, no recursion deeper than a fixed limit, time linear in the text.

#![forbid(unsafe_code)]

mod analyse;
mod decode;
mod functions;
pub mod keyword;
mod lex;
mod mentions;
mod secrets;
mod split;

pub use analyse::{
    Action, Analysis, Class, Classes, Copy, CopyFormat, CopyOut, CopySource, Flags, Function, ItemForm,
    MAX_DEPTH, Object, OutputItem, Statement, Verb, analyse,
};
pub use decode::{folded_name, literal_text};
pub use lex::{Kind, LexError, Lexer, Problem, Span, Token, lex};
pub use mentions::{all_mentions, mentions};
pub use secrets::{literals, redact_secrets};
pub use split::split;
