//! `denselet inspect`: sizes of a blob or a network, layer by layer.

/// Options of `denselet inspect`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_args: &Args) -> anyhow::Result<()> {
    anyhow::bail!("`denselet inspect` is not written yet")
}
