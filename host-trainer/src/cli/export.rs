//! `denselet export`: folds, calibrates, quantises and packs a trained network into a blob.

/// Options of `denselet export`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_args: &Args) -> anyhow::Result<()> {
    anyhow::bail!("`denselet export` is not written yet")
}
