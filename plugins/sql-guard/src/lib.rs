//! weir-plugin-sql-guard
