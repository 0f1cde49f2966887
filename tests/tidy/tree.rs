//! The files of the project.

use std::path::{Path, PathBuf};

/// One text file.
#[derive(Debug)]
pub(crate) struct File {
    /// From the project's root, with slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Folders that are not the project's own text.
const SKIPPED: &[&str] = &[
    "target",
    "data",
    "fixtures",
    "node_modules",
    ".git",
    ".tools",
];

/// The project's root.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every text file below `folders`, or the file of that name; sorted.
pub(crate) fn files(folders: &[&str]) -> Vec<File> {
    let mut found = Vec::new();
    for folder in folders {
        collect(&root().join(folder), &mut found);
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Every Rust file.
pub(crate) fn rust() -> Vec<File> {
    let mut found = files(&["src", "tests", "benches", "sim", "build.rs"]);
    found.retain(|file| file.path.ends_with(".rs"));
    assert!(found.len() > 20, "the source was not found");
    found
}

/// Every text file of the project.
pub(crate) fn all() -> Vec<File> {
    files(&["."])
}

fn collect(path: &Path, found: &mut Vec<File>) {
    if path.is_dir() {
        let mut entries: Vec<PathBuf> = std::fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        entries.sort();
        for entry in entries {
            let name = entry.file_name().unwrap().to_string_lossy().into_owned();
            if !SKIPPED.contains(&name.as_str()) {
                collect(&entry, found);
            }
        }
        return;
    }
    // What is not UTF-8 is no text, and what is missing is not there to be read.
    if let Ok(text) = std::fs::read_to_string(path) {
        let relative = path.strip_prefix(root()).unwrap_or(path);
        let path = relative
            .to_string_lossy()
            .trim_start_matches("./")
            .to_owned();
        found.push(File { path, text });
    }
}

impl File {
    /// Lines with their numbers, from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .map(|(at, line)| (at + 1, line))
    }

    /// `path:line: what`.
    pub(crate) fn finding(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }
}
