//! `denselet boards`: lists the boards.

/// Options of `denselet boards`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_args: &Args) -> anyhow::Result<()> {
    anyhow::bail!("`denselet boards` is not written yet")
}
