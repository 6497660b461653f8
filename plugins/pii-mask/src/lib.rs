//! weir-plugin-pii-mask
