//! weir-session
