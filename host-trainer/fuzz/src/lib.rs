//! What several targets do.

pub mod files;
pub mod import;
