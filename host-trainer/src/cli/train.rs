//! `denselet train`: trains a network on a data set.

/// Options of `denselet train`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_args: &Args) -> anyhow::Result<()> {
    anyhow::bail!("`denselet train` is not written yet")
}
