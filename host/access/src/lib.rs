//! weir-access
