//! weir-guests
