//! The repository's files as text, and a broken rule as a value.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::source::Source;

/// Folders that hold nothing of ours, or nothing that is text.
const SKIPPED: [&str; 7] =
    [".git", "target", "node_modules", "vendor", "__pycache__", "data", "demo-data"];

/// Files by path relative to the root, with `/`, in order.
pub(crate) struct Tree {
    files: Vec<(String, String)>,
}

/// A broken rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Path relative to the root.
    pub(crate) path: String,
    /// From 1.
    pub(crate) line: usize,
    /// What is wrong, and what to do.
    pub(crate) text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.text)
    }
}

impl Finding {
    pub(crate) fn new(path: &str, line: usize, text: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, text: text.into() }
    }
}

impl Tree {
    /// All text files of this repository.
    pub(crate) fn of_repository() -> Self {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let mut files = Vec::new();
        read_folder(&root, &root, &mut files);
        files.sort();
        Self { files }
    }

    /// A tree for a test of a rule.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
        Self { files: files.iter().map(owned).collect() }
    }

    /// Path and text of every file.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The text of one file.
    pub(crate) fn get(&self, path: &str) -> Option<&str> {
        self.files().find(|(found, _)| *found == path).map(|(_, text)| text)
    }

    /// Names of the folders directly below a folder (`connectors/`).
    pub(crate) fn folders(&self, below: &str) -> Vec<String> {
        let first = |path: &str| {
            path.strip_prefix(below)?.split_once('/').map(|(folder, _)| folder.to_owned())
        };
        let mut names: Vec<String> = self.files().filter_map(|(path, _)| first(path)).collect();
        names.dedup();
        names
    }

    /// All Rust sources.
    pub(crate) fn sources(&self) -> Vec<Source> {
        let rust = self.files().filter(|(path, _)| path.ends_with(".rs"));
        rust.map(|(path, text)| Source::new(path, text)).collect()
    }
}

fn read_folder(root: &Path, folder: &Path, into: &mut Vec<(String, String)>) {
    let entries = std::fs::read_dir(folder).expect("a readable folder of the repository");
    for entry in entries {
        let path = entry.expect("a readable folder of the repository").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !SKIPPED.contains(&name.as_str()) {
                read_folder(root, &path, into);
            }
            continue;
        }
        // Samples in other encodings and binary files are no text of ours.
        if let Ok(text) = std::fs::read_to_string(&path) {
            let relative = path.strip_prefix(root).expect("below the root").to_string_lossy();
            into.push((relative.replace('\\', "/"), text));
        }
    }
}
