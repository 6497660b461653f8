//! One file per message whose body matters. Decoders borrow from the buffer and check every byte.

pub mod bind;
pub mod data_row;
pub mod describe;
pub mod error;
pub mod execute;
pub mod function_call;
pub mod parse;
pub mod query;
pub mod row_description;
