//! Checks the sources: imports follow the ranks of the modules, unsafe code and target code stay in their places, files stay
//! short.

use std::fs;
use std::path::{Path, PathBuf};

/// The rank of each module of `core`. A module may import from lower ranks and from its own folder.
const RANKS: [(&str, u32); 16] = [
    ("error", 0),
    ("limits", 0),
    ("shape", 0),
    ("tap", 0),
    ("arithmetic", 1),
    ("codec", 1),
    ("layout", 1),
    ("format", 2),
    ("kernel", 2),
    ("model", 3),
    ("plan", 4),
    ("arena", 5),
    ("logits", 5),
    ("stage", 6),
    ("network", 7),
    ("lib", 8),
];

/// Imports from a higher rank that are allowed: the text of an error contains the version and the alignment of the format.
const KNOWS: [(&str, &str); 1] = [("error", "format")];

/// Imports from a lower rank that are refused: the planner calculates with shapes alone, and a kernel works on slices.
const NEVER: [(&str, &str); 3] = [("plan", "kernel"), ("plan", "format"), ("kernel", "format")];

/// Highest number of lines before the test module of a file; files of tests have no limit.
const LONGEST: usize = 400;

/// Files that may depend on the instruction set: two of the runtime, the boards, one of the trainer.
const TARGET_CODE: [&str; 4] = [
    "core/src/kernel/arch/mod.rs",
    "core/src/kernel/arch/opaque.rs",
    "firmware/src/board/",
    "host-trainer/src/net/simd.rs",
];

/// One source file of the workspace.
struct Source {
    /// Path from the root of the workspace, with `/`.
    path: String,
    text: String,
}

/// Reads every text file of the workspace.
fn sources() -> Vec<Source> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .canonicalize()
        .expect("the workspace");
    let mut sources = Vec::new();
    let mut folders: Vec<PathBuf> = [
        "core",
        "host-trainer",
        "firmware",
        "tests",
        ".ci",
        ".github",
        ".cargo",
    ]
    .map(|folder| root.join(folder))
    .into();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                if path.file_name().is_none_or(|name| name != "target") {
                    folders.push(path);
                }
                continue;
            }
            // Files that are not text are skipped.
            let Ok(text) = fs::read_to_string(&path) else {
                continue;
            };
            let path = path
                .strip_prefix(&root)
                .expect("below the root")
                .to_string_lossy()
                .replace('\\', "/");
            sources.push(Source { path, text });
        }
    }
    let text = fs::read_to_string(root.join("README.md")).expect("the README");
    sources.push(Source {
        path: "README.md".to_owned(),
        text,
    });
    assert!(
        sources.len() > 20,
        "expected more than 20 source files, found {}",
        sources.len()
    );
    sources
}

fn rust() -> impl Iterator<Item = Source> {
    sources()
        .into_iter()
        .filter(|source| source.path.ends_with(".rs"))
}

/// Returns the lines of code: no comments, and nothing from the first test module on.
fn code(source: &Source) -> impl Iterator<Item = (usize, &str)> {
    let lines = source.text.lines().enumerate();
    lines
        .take_while(|(_, line)| line.trim() != "#[cfg(test)]")
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(number, line)| (number + 1, line))
}

fn complain(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn core_imports_from_lower_ranks_only() {
    let rank = |module: &str| {
        RANKS
            .iter()
            .find(|(name, _)| *name == module)
            .map(|(_, rank)| *rank)
    };
    let mut complaints = Vec::new();
    for source in rust() {
        let Some(path) = source.path.strip_prefix("core/src/") else {
            continue;
        };
        let module = path.split(['/', '.']).next().unwrap_or_default();
        let Some(own) = rank(module) else {
            complaints.push(format!(
                "core/src/{path}: expected a rank for `{module}`, found none: add it to tests/tidy.rs"
            ));
            continue;
        };
        for (number, line) in code(&source) {
            for import in line.split("crate::").skip(1) {
                let name = import
                    .split(|end: char| !end.is_alphanumeric() && end != '_')
                    .next()
                    .unwrap_or_default();
                let is_allowed = name == module || KNOWS.contains(&(module, name));
                let is_higher = rank(name).is_some_and(|other| other >= own);
                if is_higher && !is_allowed || NEVER.contains(&(module, name)) {
                    complaints.push(format!(
                        "core/src/{path}:{number}: `{module}` may not import `{name}`"
                    ));
                }
            }
        }
    }
    complain(&complaints);
}

#[test]
fn unsafe_code_has_its_places() {
    // `tile.rs` declares the obligations that `arch` must meet, and calls nothing.
    let places = [
        "core/src/kernel/arch/",
        "core/src/kernel/tile.rs",
        "firmware/src/board/",
    ];
    let allowed = |path: &str| places.iter().any(|place| path.starts_with(place));
    let mut complaints = Vec::new();
    for source in rust().filter(|source| !allowed(&source.path)) {
        for (number, line) in code(&source) {
            let is_code = [
                "unsafe {",
                "unsafe fn",
                "unsafe impl",
                "unsafe extern",
                "#[unsafe(",
                "asm!(",
            ]
            .iter()
            .any(|word| line.contains(word) && !line.contains(&format!("\"{word}")));
            if is_code {
                complaints.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    complain(&complaints);
}

#[test]
fn target_code_has_its_places() {
    let allowed = |path: &str| TARGET_CODE.iter().any(|place| path.starts_with(place));
    let word = ["target_", "arch"].concat();
    let mut complaints = Vec::new();
    for source in rust().filter(|source| !allowed(&source.path)) {
        for (number, line) in code(&source) {
            if line.contains("cfg") && line.contains(&word) {
                complaints.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    complain(&complaints);
}

#[test]
fn files_are_short_and_begin_with_a_description() {
    let mut complaints = Vec::new();
    for source in rust() {
        let lines = source
            .text
            .lines()
            .take_while(|line| line.trim() != "#[cfg(test)]")
            .count();
        let is_test = source.path.contains("tests/") || source.text.contains("\n#![cfg(test)]\n");
        if lines > LONGEST && !is_test {
            complaints.push(format!(
                "{}: expected at most {LONGEST} lines, found {lines}",
                source.path
            ));
        }
        let starts = source.text.starts_with("//!") || source.text.starts_with("#![doc");
        if !starts {
            complaints.push(format!(
                "{}: expected a description in the first line (`//!`), found none",
                source.path
            ));
        }
    }
    complain(&complaints);
}

#[test]
fn a_note_of_open_work_has_a_text() {
    let word = ["TO", "DO"].concat();
    let mut complaints = Vec::new();
    for source in sources() {
        for (number, line) in source.text.lines().enumerate() {
            let Some((_, rest)) = line.split_once(&word) else {
                continue;
            };
            if rest.trim_matches([':', ' ', '*', '/']).len() < 10 {
                complaints.push(format!("{}:{}: {}", source.path, number + 1, line.trim()));
            }
        }
    }
    complain(&complaints);
}

#[test]
fn language_is_plain() {
    // Code is not a person, and a path needs no description of its place.
    let words = [
        ["no", "body"],
        ["some", "body"],
        ["takes ", "after"],
        ["; belongs", " to"],
    ]
    .map(|halves| halves.concat());
    let mut complaints = Vec::new();
    for source in sources() {
        for (number, line) in source.text.lines().enumerate() {
            let line = line.to_lowercase();
            if let Some(word) = words.iter().find(|word| line.contains(word.as_str())) {
                complaints.push(format!("{}:{}: `{word}`: write plainly", source.path, number + 1));
            }
        }
    }
    complain(&complaints);
}

#[test]
fn no_path_is_absolute() {
    let machines =
        [["/ho", "me/"], ["/ro", "ot/"], ["/wo", "rk/"], ["/Us", "ers/"]].map(|halves| halves.concat());
    let mut complaints = Vec::new();
    for source in sources() {
        for (number, line) in source.text.lines().enumerate() {
            if machines.iter().any(|path| line.contains(path.as_str())) {
                complaints.push(format!("{}:{}: {}", source.path, number + 1, line.trim()));
            }
        }
    }
    complain(&complaints);
}

#[test]
fn every_test_file_is_run() {
    let manifest =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).expect("a manifest");
    let complaints: Vec<String> = rust()
        .filter_map(|source| source.path.strip_prefix("tests/").map(str::to_owned))
        .filter(|path| !path.contains('/') && !manifest.contains(&format!("path = \"{path}\"")))
        .map(|path| format!("tests/{path} is not in tests/Cargo.toml"))
        .collect();
    complain(&complaints);
}
