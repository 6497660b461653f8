//! weir-approvals
