//! `denselet build`: builds the firmware with a model embedded.

/// Options of `denselet build`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_args: &Args) -> anyhow::Result<()> {
    anyhow::bail!("`denselet build` is not written yet")
}
