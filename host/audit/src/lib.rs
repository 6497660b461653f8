//! weir-audit
