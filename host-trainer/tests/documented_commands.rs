//! The command line accepts every `denselet` command that the documentation and `--help` show.
#![allow(clippy::unwrap_used, clippy::tests_outside_test_module, missing_docs)]

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use denselet_train::cli::Cli;

const DOCUMENTS: [(&str, &str); 8] = [
    ("README.md", include_str!("../../README.md")),
    ("core/MEASURED.md", include_str!("../../core/MEASURED.md")),
    ("MEASURED.md", include_str!("../MEASURED.md")),
    ("TRAINING.md", include_str!("../TRAINING.md")),
    ("FINETUNING.md", include_str!("../FINETUNING.md")),
    ("IMPORT.md", include_str!("../IMPORT.md")),
    ("models/README.md", include_str!("../models/README.md")),
    ("FORMAT.md", include_str!("../../core/src/format/FORMAT.md")),
];

/// Returns the words of a line that runs the program, without the parts for the shell.
fn words(line: &str) -> Option<Vec<&str>> {
    let line = line.trim().trim_start_matches("$ ");
    // A comment begins with `#` or, in help, with spaces and an opening parenthesis.
    let line = ["  #", " # ", "  (", " | ", " > ", " && "]
        .iter()
        .fold(line, |line, end| line.split(end).next().unwrap_or(line));
    let all: Vec<&str> = line.split_whitespace().collect();
    // Before the program: `cargo`, `mpirun` with its options, variables.
    let at = all
        .iter()
        .position(|word| word.rsplit('/').next() == Some("denselet"))?;
    let starts = all[..at].iter().all(|word| word.contains('='));
    // `cargo denselet ...` runs the program; `cargo build --bin denselet` does not.
    let is_run = at == 0 || starts || all[0] == "mpirun" || (all[0] == "cargo" && at == 1);
    is_run.then(|| all[at..].to_vec())
}

/// Returns the error of the command line for these words, if it refuses them. Placeholders are ignored.
fn refusal(words: &[&str], is_whole: bool) -> Option<String> {
    let is_whole = is_whole && !words.contains(&"...");
    let words = words.iter().filter(|word| **word != "...");
    let words = words.map(|word| word.trim_matches(['\'', '"']));
    let error = Cli::try_parse_from(words).err()?;
    let is_part = matches!(
        error.kind(),
        ErrorKind::MissingRequiredArgument | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    let is_shown = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    (!is_shown && (is_whole || !is_part)).then(|| error.to_string())
}

#[test]
fn documents_show_commands_that_exist() {
    let (mut seen, mut wrong) = (0, Vec::new());
    let mut check = |place: &str, line: &str, is_whole: bool| {
        if let Some(words) = words(line) {
            seen += 1;
            if let Some(error) = refusal(&words, is_whole) {
                wrong.push(format!("{place}: {line}\n{error}"));
            }
        }
    };
    for (name, text) in DOCUMENTS {
        for (number, part) in text.split("```").enumerate() {
            if number % 2 == 1 {
                part.lines().for_each(|line| check(name, line, true));
            } else {
                let spans = part.split('`').skip(1).step_by(2);
                spans
                    .map(|span| span.replace('\n', " "))
                    .for_each(|span| check(name, &span, false));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 40, "{seen} commands found");
}

#[test]
fn help_shows_commands_that_exist() {
    for command in Cli::command().get_subcommands() {
        let help = command
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        let lines: Vec<Vec<&str>> = help.lines().filter_map(words).collect();
        let own = lines.iter().filter(|line| line[1] == command.get_name());
        assert!(own.count() > 0, "{}: no example", command.get_name());
        for line in lines {
            assert_eq!(refusal(&line, true), None, "{line:?}");
        }
    }
}

#[test]
fn help_has_no_debug_text() {
    let mut cli = Cli::command();
    cli.build();
    for command in cli.get_subcommands_mut() {
        let help = command.render_long_help().to_string();
        for part in ["Some(", "None]", "{ ", "::"] {
            assert!(
                !help.contains(part),
                "{}: `{part}` in\n{help}",
                command.get_name()
            );
        }
    }
}
