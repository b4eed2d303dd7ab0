//! Shared code of the cross-crate tests.

pub mod boards;
pub mod golden;
pub mod images;
pub mod tiny;
