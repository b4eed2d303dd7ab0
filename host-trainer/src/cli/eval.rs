//! `denselet eval`: accuracy of a blob or a checkpoint on a data set.

/// Options of `denselet eval`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_args: &Args) -> anyhow::Result<()> {
    anyhow::bail!("`denselet eval` is not written yet")
}
