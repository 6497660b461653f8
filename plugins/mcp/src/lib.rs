pub mod glob;
pub mod path;
pub mod tree;
