//! The form of the code: module docs, ASCII, names, import groups, dependencies.

use crate::assert_none;
use crate::tree::{self, File};

/// Folders are nouns of the domain, never buckets.
const BUCKETS: &[&str] = &["utils", "util", "common", "helpers", "helper", "misc"];

/// A bucket at the top only: PostgreSQL's types are a noun of the domain.
const TOP_BUCKET: &str = "src/types";

/// Endings that say nothing about what a type is.
const SUFFIXES: &[&str] = &[
    "Manager",
    "Processor",
    "Helper",
    "Util",
    "Utils",
    "V2",
    "Impl",
];

/// Beginnings that praise.
const PREFIXES: &[&str] = &[
    "Ultra",
    "Optimized",
    "HighPerformance",
    "Fast",
    "Smart",
    "Enhanced",
];

#[test]
fn every_file_begins_with_its_doc() {
    let found = tree::rust().into_iter().filter(|file| {
        let first = file.text.lines().next().unwrap_or_default();
        !first.starts_with("//! ") || first.trim() == "//!"
    });
    let findings: Vec<String> = found.map(|file| file.finding(1, "no module doc")).collect();
    assert_none(&findings);
}

#[test]
fn rust_files_are_ascii() {
    let mut findings = Vec::new();
    for file in tree::rust() {
        for (number, line) in file.lines().filter(|(_, line)| !line.is_ascii()) {
            let character = line.chars().find(|c| !c.is_ascii()).unwrap();
            findings.push(file.finding(number, &format!("{character:?}: write an escape")));
        }
    }
    assert_none(&findings);
}

#[test]
fn no_folder_is_a_bucket() {
    let mut findings = Vec::new();
    for file in tree::rust() {
        let parts = file.path.trim_end_matches(".rs").split('/');
        let bucket = match file.path.strip_prefix(TOP_BUCKET) {
            Some(rest) if rest.starts_with(['/', '.']) => Some("types"),
            _ => parts.into_iter().find(|part| BUCKETS.contains(part)),
        };
        findings.extend(bucket.map(|name| format!("{}: \"{name}\" is a bucket", file.path)));
    }
    assert_none(&findings);
}

#[test]
fn types_are_named_by_what_they_are() {
    let mut findings = Vec::new();
    for file in tree::rust() {
        for (number, line) in file.lines() {
            let Some(name) = type_name(line) else {
                continue;
            };
            let bad = SUFFIXES.iter().any(|end| name.ends_with(end))
                || PREFIXES.iter().any(|begin| name.starts_with(begin));
            findings.extend(bad.then(|| file.finding(number, &format!("the name {name}"))));
        }
    }
    assert_none(&findings);
}

/// The name of the type that a line declares.
fn type_name(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = match line.strip_prefix("pub(") {
        Some(rest) => rest.split_once(") ")?.1,
        None => line.strip_prefix("pub ").unwrap_or(line),
    };
    let (keyword, rest) = line.split_once(' ')?;
    ["struct", "enum", "trait", "type"]
        .contains(&keyword)
        .then(|| {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
            &rest[..end.unwrap_or(rest.len())]
        })
}

#[test]
fn mod_files_hold_no_logic_and_no_globs() {
    let mut findings = Vec::new();
    for file in tree::rust() {
        if !file.path.starts_with("src/") || !file.path.ends_with("/mod.rs") {
            continue;
        }
        for (number, line) in file.lines() {
            let code = line.split("//").next().unwrap_or_default();
            if code.contains("fn ") {
                findings.push(file.finding(number, "a function in mod.rs"));
            }
            if code.trim_start().starts_with("pub") && code.contains("::*") {
                findings.push(file.finding(number, "a glob export"));
            }
        }
    }
    assert_none(&findings);
}

#[test]
fn imports_are_grouped_std_external_crate() {
    let mut findings = Vec::new();
    for file in tree::rust() {
        findings.extend(grouping(&file));
    }
    assert_none(&findings);
}

/// What the crate's own group is in [`group`].
const OWN: u8 = 2;

/// Walks runs of `use` lines at the left margin; within a run the groups go up, with one blank line
/// between them. The crate's own group may be parted, as in `crate::` and `super::`.
fn grouping(file: &File) -> Vec<String> {
    let modules: Vec<&str> = file.text.lines().filter_map(module_name).collect();
    let mut findings = Vec::new();
    let mut last: Option<u8> = None;
    let mut blank = false;
    let mut inside = false;
    for (number, line) in file.lines() {
        if inside {
            inside = !line.ends_with(';');
            continue;
        }
        if line.is_empty() {
            blank = true;
            continue;
        }
        if let Some(path) = line.strip_prefix("use ") {
            let group = group(path, &modules);
            let parted = group == OWN && last == Some(OWN);
            match last {
                Some(previous) if group < previous => {
                    findings.push(file.finding(number, "std, then external, then crate"));
                }
                Some(previous) if !parted && (group != previous) != blank => {
                    findings
                        .push(file.finding(number, "one blank line between groups, none inside"));
                }
                _ => {}
            }
            last = Some(group);
            inside = !line.ends_with(';');
        } else if !line.starts_with("#[") {
            last = None;
        }
        blank = false;
    }
    findings
}

fn module_name(line: &str) -> Option<&str> {
    let line = line.trim();
    let line = line.strip_prefix("pub ").unwrap_or(line);
    let line = line.strip_prefix("pub(crate) ").unwrap_or(line);
    line.strip_prefix("mod ")?.strip_suffix(';')
}

fn group(path: &str, modules: &[&str]) -> u8 {
    let first = path.split([':', ';', ' ']).next().unwrap_or_default();
    match first {
        "std" | "core" | "alloc" => 0,
        "crate" | "super" | "self" => OWN,
        own if modules.contains(&own) => OWN,
        _ => 1,
    }
}

#[test]
fn every_dependency_says_what_it_is_for() {
    let text = std::fs::read_to_string(tree::root().join("Cargo.toml")).unwrap();
    let mut inside = false;
    let mut findings = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if line.starts_with('[') {
            inside = line.contains("dependencies]");
            continue;
        }
        let is_entry = inside && line.contains('=') && !line.starts_with('#');
        let comment = line.rsplit_once(" # ").map(|(_, comment)| comment.trim());
        if is_entry && comment.is_none_or(str::is_empty) {
            findings.push(format!("Cargo.toml:{}: no comment", at + 1));
        }
    }
    assert_none(&findings);
}

#[test]
fn nothing_is_left_undone() {
    let mut findings = Vec::new();
    for file in tree::files(&["src"]) {
        for (number, line) in file.lines() {
            let undone = ["todo!(", "unimplemented!("]
                .iter()
                .any(|mark| line.contains(mark));
            findings.extend(undone.then(|| file.finding(number, "not done")));
        }
    }
    assert_none(&findings);
}
