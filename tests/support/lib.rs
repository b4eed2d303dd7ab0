//! What the cross-crate tests share.

pub mod boards;
pub mod golden;
pub mod pictures;
pub mod tiny;
