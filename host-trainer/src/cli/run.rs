//! `denselet run`: runs a model on an emulated board.

/// Options of `denselet run`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_args: &Args) -> anyhow::Result<()> {
    anyhow::bail!("`denselet run` is not written yet")
}
