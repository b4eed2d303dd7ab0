//! A network by the name of a preset, from a TOML file, or from text.

use super::{Draft, Spec, SpecError, error};

impl Spec {
    /// The network of a preset's name or of a TOML file.
    ///
    /// # Errors
    ///
    /// Names the field that is wrong, what was expected there and what was found.
    pub fn load(name_or_path: &str) -> Result<Self, SpecError> {
        Draft::load(name_or_path)?.spec()
    }

    /// The network described by `text`, the short TOML form; `name` is used when the text has none.
    ///
    /// # Errors
    ///
    /// As [`Spec::load`].
    pub fn parse(text: &str, name: &str) -> Result<Self, SpecError> {
        Draft::parse(text, name)?.spec()
    }

    /// Checks what the types cannot say: nothing is empty, no feature map vanishes, numbers are in range.
    ///
    /// # Errors
    ///
    /// The first field that is wrong.
    pub fn check(&self) -> Result<(), SpecError> {
        error::check(self)
    }
}
