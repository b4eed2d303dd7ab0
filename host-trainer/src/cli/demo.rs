//! `denselet demo`: the whole path on the digits data set.

/// Options of `denselet demo`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_args: &Args) -> anyhow::Result<()> {
    anyhow::bail!("`denselet demo` is not written yet")
}
