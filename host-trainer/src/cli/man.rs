//! `denselet man`: writes the manual, a page for the program and one for each command.

use super::output::say;
use crate::whole_file;
use anyhow::Context;
use clap_mangen::Man;
use std::path::PathBuf;

/// Options of `denselet man`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  denselet man | man -l -                                (all pages, one after the other)
  denselet man --out ~/.local/share/man/man1             (then: man denselet-train)")]
pub struct Args {
    /// Write a file for each page into this folder instead of all pages to standard output
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// Returns an error if a file cannot be written.
pub fn run(args: &Args, program: clap::Command) -> anyhow::Result<()> {
    let pages = pages(program)?;
    let Some(folder) = &args.out else {
        for (_, text) in &pages {
            say(text.trim_end());
        }
        return Ok(());
    };
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    for (name, text) in &pages {
        let path = folder.join(name);
        whole_file::write(&path, text.as_bytes()).with_context(|| path.display().to_string())?;
    }
    say(format_args!("{} pages in {}", pages.len(), folder.display()));
    Ok(())
}

/// Returns the file name and the text of every page, the program's first.
pub(super) fn pages(mut program: clap::Command) -> anyhow::Result<Vec<(String, String)>> {
    program.build();
    let commands = program
        .get_subcommands()
        .filter(|command| command.get_name() != "help")
        .cloned();
    let all = [program.clone()].into_iter().chain(commands);
    let render = |command: clap::Command| {
        let page = Man::new(command);
        let mut text = Vec::new();
        page.render(&mut text)?;
        Ok((page.get_filename(), String::from_utf8(text)?))
    };
    all.map(render).collect()
}
