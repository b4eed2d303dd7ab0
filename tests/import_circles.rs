//! No file imports a file that imports it, directly or through other files. Each file counts, also a `mod.rs`. A `mod.rs` that
//! only declares and re-exports its children imports nothing. An import of a re-exported name is an import of the file that
//! defines it.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The path of a module from the root of its crate; that of the root is empty.
type Module = Vec<String>;

/// The modules of a crate, and the names that each re-exports with their paths.
struct Crate {
    texts: BTreeMap<Module, String>,
    exported: BTreeMap<Module, BTreeMap<String, Module>>,
}

/// Returns a text without comments, up to its first test module.
fn code(text: &str) -> String {
    let lines = text.lines().take_while(|line| line.trim() != "#[cfg(test)]");
    let code = lines.map(|line| line.split("//").next().unwrap_or_default());
    code.collect::<Vec<_>>().join("\n")
}

fn words(path: &str) -> Module {
    path.split("::").map(|word| word.trim().to_owned()).collect()
}

/// Expands the braces of a `use` into its paths.
fn paths(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((before, inner)) = tree.split_once('{') else {
        return vec![tree.to_owned()];
    };
    let inner = inner.rsplit_once('}').map_or(inner, |(inner, _)| inner);
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for letter in inner.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if letter == ',' && depth == 0 {
            parts.push(String::new());
        } else {
            parts.last_mut().unwrap().push(letter);
        }
    }
    let whole = parts.iter().filter(|part| !part.trim().is_empty());
    whole
        .flat_map(|part| paths(&format!("{before}{}", part.trim())))
        .collect()
}

/// Returns every `use`: whether it re-exports, and its paths.
fn uses(code: &str) -> Vec<(bool, Vec<String>)> {
    let mut found = Vec::new();
    for statement in code.split(';') {
        let line = statement.rsplit_once('\n').map_or(statement, |(_, last)| last);
        let start = statement
            .rfind("\nuse ")
            .or_else(|| statement.rfind(" use "))
            .map(|at| at + 1);
        let start = start.or_else(|| statement.starts_with("use ").then_some(0));
        let Some(at) = start else { continue };
        let before = statement[..at].rsplit('\n').next().unwrap_or(line);
        found.push((before.contains("pub"), paths(&statement[at + 4..])));
    }
    found
}

impl Crate {
    fn read(src: &Path) -> Self {
        let mut texts = BTreeMap::new();
        let mut folders = vec![src.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|end| end == "rs") {
                    let inside = path.strip_prefix(src).unwrap().with_extension("");
                    let mut module: Module = inside
                        .iter()
                        .map(|part| part.to_str().unwrap().to_owned())
                        .collect();
                    match module.last().map(String::as_str) {
                        Some("mod" | "lib") => drop(module.pop()),
                        Some("main") => continue,
                        _ => {}
                    }
                    texts.insert(module, code(&fs::read_to_string(path).unwrap()));
                }
            }
        }
        let mut own = Self {
            texts,
            exported: BTreeMap::new(),
        };
        for (module, text) in &own.texts {
            let mut exported = BTreeMap::new();
            for path in uses(text)
                .into_iter()
                .filter(|(is_public, _)| *is_public)
                .flat_map(|(_, paths)| paths)
            {
                let (path, name) = path
                    .split_once(" as ")
                    .unwrap_or((&path, path.rsplit("::").next().unwrap_or(&path)));
                if let Some(target) = own.absolute(module, &words(path)) {
                    exported.insert(name.trim().to_owned(), target);
                }
            }
            own.exported.insert(module.clone(), exported);
        }
        own
    }

    /// Resolves a path in `module` to a path from the root of the crate; `None` if it leads into another crate.
    fn absolute(&self, module: &Module, path: &[String]) -> Option<Module> {
        let (mut base, mut rest) = (module.clone(), path);
        match rest.first()?.as_str() {
            "crate" => (base, rest) = (Module::new(), &rest[1..]),
            "self" => rest = &rest[1..],
            "super" => {
                while rest.first().is_some_and(|word| word == "super") {
                    base.pop();
                    rest = &rest[1..];
                }
            }
            first => {
                let child = [&base[..], &[first.to_owned()]].concat();
                self.texts.get(&child)?;
            }
        }
        base.extend_from_slice(rest);
        Some(base)
    }

    /// Returns the file that defines the item of an absolute path.
    fn definer(&self, from: &Module, path: &Module) -> Option<Module> {
        let len = (0..=path.len())
            .rev()
            .find(|&len| self.texts.contains_key(&path[..len]))?;
        let file = path[..len].to_vec();
        let exported = path.get(len).and_then(|name| self.exported.get(&file)?.get(name));
        match exported.filter(|_| file != *from) {
            Some(target) => {
                let rest = &path[len + 1..];
                self.definer(from, &[target, rest].concat())
            }
            None => (file != *from).then_some(file),
        }
    }

    /// Returns the files that a file imports.
    fn imports(&self, module: &Module) -> BTreeSet<Module> {
        let text = &self.texts[module];
        let mut found = BTreeSet::new();
        for (is_public, paths) in uses(text) {
            for path in paths {
                let path = path.split(" as ").next().unwrap_or_default();
                let Some(target) = self.absolute(module, &words(path)) else {
                    continue;
                };
                // A parent that re-exports a child does not import it.
                if !(is_public && target.starts_with(module)) {
                    found.extend(self.definer(module, &target));
                }
            }
        }
        // Paths in expressions and types.
        let statements = text.split(';').filter(|statement| !statement.contains("use "));
        for statement in statements {
            let is_part = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == ':';
            for path in statement
                .split(|letter| !is_part(letter))
                .filter(|path| path.contains("::"))
            {
                if let Some(target) = self.absolute(module, &words(path)) {
                    found.extend(self.definer(module, &target));
                }
            }
        }
        found
    }

    /// Returns a line for every file that is in a circle.
    fn circles(&self) -> Vec<String> {
        let imports: BTreeMap<_, _> = self
            .texts
            .keys()
            .map(|module| (module, self.imports(module)))
            .collect();
        let reached = |start: &Module| {
            let (mut seen, mut left) = (BTreeSet::new(), vec![start.clone()]);
            while let Some(module) = left.pop() {
                for next in &imports[&module] {
                    if seen.insert(next.clone()) {
                        left.push(next.clone());
                    }
                }
            }
            seen
        };
        let all: BTreeMap<_, _> = self
            .texts
            .keys()
            .map(|module| (module, reached(module)))
            .collect();
        let in_circle = all.iter().filter(|(module, reached)| reached.contains(**module));
        let lines = in_circle.map(|(module, _)| {
            let back = imports[*module].iter().filter(|next| all[next].contains(*module));
            let names: Vec<_> = back.map(|next| next.join("::")).collect();
            format!(
                "`{}` imports {} and is imported by it",
                module.join("::"),
                names.join(", ")
            )
        });
        lines.collect()
    }
}

#[test]
fn no_file_imports_what_imports_it() {
    for source in ["core/src", "host-trainer/src", "firmware/src"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(source);
        let circles = Crate::read(&path).circles();
        assert!(circles.is_empty(), "{source}:\n{}", circles.join("\n"));
    }
}

#[test]
fn a_circle_is_found_through_a_re_export() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("lib.rs", "mod a;\nmod b;\npub use b::{B, C as D};\n");
    write("a.rs", "use crate::{D};\npub struct A(D);\n");
    write("b.rs", "pub struct B;\npub struct C;\n");
    assert!(Crate::read(folder.path()).circles().is_empty());
    write("b.rs", "pub struct B;\npub struct C(Option<Box<super::a::A>>);\n");
    assert_eq!(Crate::read(folder.path()).circles().len(), 2);
}
