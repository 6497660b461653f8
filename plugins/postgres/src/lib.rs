//! weir-plugin-postgres
