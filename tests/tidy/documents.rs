//! Documents, alerts and samples name only what exists, and praise nothing.

use penstock::config::{KEYS, Key, OTHER_VARIABLES};
use penstock::metrics::names;

use crate::assert_none;
use crate::tree::{self, File};

/// Words that claim in place of telling. A number with its command may stand; these may not.
const CLAIMS: &[&str] = &[
    "fast",
    "faster",
    "fastest",
    "ultra",
    "blazing",
    "lightning",
    "zero-copy",
    "enterprise",
    "high-performance",
    "seamless",
    "seamlessly",
    "effortless",
    "effortlessly",
    "powerful",
    "cutting-edge",
    "world-class",
    "state-of-the-art",
    "next-generation",
    "revolutionary",
    "battle-tested",
    "production-ready",
    "robust",
];

/// Names beginning with `penstock_` that are no metrics: a slot and publication of an example.
const NO_METRICS: &[&str] = &["penstock_app", "penstock_shop"];

/// What people read and run beside the source.
fn documents() -> Vec<File> {
    tree::files(&[
        "README.md",
        "CHANGELOG.md",
        "Makefile",
        "Dockerfile",
        "compose.yaml",
        "docker-compose.yml",
        "docker-compose.override.yml",
        ".env.example",
        "cdc",
        "topics",
        "monitoring",
        "scripts",
        ".ci",
        "benches",
        "migrations",
    ])
}

/// Words of `text` made of the characters of names, from where `begin` stands.
fn words<'a>(text: &'a str, begin: &'a str) -> impl Iterator<Item = &'a str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(begin).filter_map(move |(at, _)| {
        let inside = text[..at].chars().next_back().is_some_and(is_part);
        let word = &text[at..];
        let end = word.find(|c| !is_part(c)).unwrap_or(word.len());
        (!inside).then(|| &word[..end])
    })
}

#[test]
fn every_variable_that_is_named_exists() {
    let mut known: Vec<String> = KEYS.iter().flat_map(Key::variables).collect();
    known.extend(OTHER_VARIABLES.iter().map(|(name, _)| (*name).to_owned()));
    let mut files = documents();
    // Variables that scripts set for themselves.
    let scripts = files.iter().filter(|file| file.path.ends_with(".sh"));
    let own: Vec<String> = scripts
        .flat_map(|file| words(&file.text, "PENSTOCK_").map(move |word| (file, word)))
        .filter(|(file, word)| file.text.contains(&format!("{word}=$")))
        .map(|(_, word)| word.to_owned())
        .collect();
    known.extend(own);
    // The configuration and the tests make up wrong names on purpose.
    files.extend(tree::files(&["src"]));
    files.retain(|file| !file.path.starts_with("src/config/"));
    let mut findings = Vec::new();
    for file in files {
        for (number, line) in file.lines() {
            for word in words(line, "PENSTOCK_") {
                let is_name = word.len() > "PENSTOCK_".len() && !word.ends_with('_');
                if is_name && !known.iter().any(|name| name == word) {
                    findings.push(file.finding(number, &format!("{word} does not exist")));
                }
            }
        }
    }
    assert_none(&findings);
}

#[test]
fn every_metric_that_is_named_exists() {
    let mut findings = Vec::new();
    for file in documents() {
        // SQL, connector files and scripts name slots, roles and functions.
        let names_others = [".sql", ".json", ".sh"];
        if names_others.iter().any(|end| file.path.ends_with(end)) {
            continue;
        }
        for (number, line) in file.lines() {
            for word in words(line, "penstock_") {
                let bare = ["_bucket", "_sum", "_count"]
                    .iter()
                    .find_map(|end| word.strip_suffix(end))
                    .unwrap_or(word);
                let known = names::ALL.iter().any(|metric| metric.name == bare)
                    || NO_METRICS.contains(&word)
                    || word.ends_with('_');
                findings.extend(
                    (!known).then(|| file.finding(number, &format!("{word} does not exist"))),
                );
            }
        }
    }
    assert_none(&findings);
}

#[test]
fn metrics_are_recorded_under_names_of_the_table_only() {
    let mut findings = Vec::new();
    for file in tree::rust() {
        if !file.path.starts_with("src/") || file.path.starts_with("src/metrics/") {
            continue;
        }
        for (number, line) in file.lines() {
            let literal = ["counter!(\"", "gauge!(\"", "histogram!(\""]
                .iter()
                .any(|call| line.contains(call));
            findings.extend(literal.then(|| file.finding(number, "use metrics::names")));
        }
    }
    assert_none(&findings);
}

#[test]
fn nothing_is_praised() {
    let mut findings = Vec::new();
    for file in tree::rust() {
        for (number, line) in file.lines() {
            if let Some((_, comment)) = line.split_once("//") {
                findings.extend(claims(comment).map(|word| file.finding(number, word)));
            }
        }
    }
    for file in documents() {
        if !file.path.ends_with(".md") {
            continue;
        }
        for (number, line) in file.lines() {
            findings.extend(claims(line).map(|word| file.finding(number, word)));
        }
    }
    assert_none(&findings);
}

/// Claims of a line outside of backquotes and quotes.
fn claims(line: &str) -> impl Iterator<Item = &'static str> {
    let prose: String = line
        .split(['`', '"'])
        .step_by(2)
        .collect::<Vec<_>>()
        .join(" ");
    let prose = prose.to_ascii_lowercase();
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let words: Vec<String> = prose.split(|c| !is_part(c)).map(str::to_owned).collect();
    CLAIMS
        .iter()
        .copied()
        .filter(move |claim| words.iter().any(|word| word == claim))
}

#[test]
fn no_path_of_one_machine_is_named() {
    let machine = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
    ];
    let mut findings = Vec::new();
    for file in tree::all() {
        for (number, line) in file.lines() {
            let named = machine.iter().find(|path| line.contains(*path));
            findings.extend(named.map(|path| file.finding(number, &format!("names {path}"))));
        }
    }
    assert_none(&findings);
}

#[test]
fn files_that_are_linked_exist() {
    let mut findings = Vec::new();
    for file in documents() {
        let folder = std::path::Path::new(&file.path).parent().unwrap();
        for (number, line) in file.lines().filter(|_| file.path.ends_with(".md")) {
            for link in line
                .split("](")
                .skip(1)
                .filter_map(|rest| rest.split(')').next())
            {
                let target = link.split('#').next().unwrap_or_default();
                let local = !target.is_empty() && !target.contains("://");
                if local && !tree::root().join(folder).join(target).exists() {
                    findings.push(file.finding(number, &format!("{target} does not exist")));
                }
            }
        }
    }
    assert_none(&findings);
}
