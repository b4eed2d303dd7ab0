//! `denselet completions`: prints a script that completes commands and options in a shell.

use super::output::say;
use clap_complete::Shell;

/// Options of `denselet completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  denselet completions bash > ~/.local/share/bash-completion/completions/denselet
  denselet completions zsh > ~/.zfunc/_denselet        (~/.zfunc in fpath, before compinit)
  denselet completions fish > ~/.config/fish/completions/denselet.fish")]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Runs the command.
///
/// # Errors
/// Returns an error if the generated script is not text.
pub fn run(args: &Args, mut program: clap::Command) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program, "denselet", &mut script);
    say(String::from_utf8(script)?.trim_end());
    Ok(())
}
