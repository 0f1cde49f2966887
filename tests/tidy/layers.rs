//! Imports point down the layers, and faces do not know each other.

use crate::assert_none;
use crate::tree::{self, File};

/// The layers from the lowest; those of one line may not import each other. This is the list of
/// the architecture chapter in `src/lib.rs`.
const LAYERS: &[&[&str]] = &[
    &["lsn", "topic", "clock", "backoff", "tasks", "error"],
    &["event", "record", "kafka"],
    &["config", "metrics"],
    &["log", "convert", "transform"],
    &["postgres", "group", "registry", "auth"],
    &["connect", "push", "deliver", "forward"],
    &[
        "serve/kafka",
        "serve/http",
        "serve/grpc",
        "serve/capnp",
        "serve/sql",
    ],
    &["console"],
    &["app"],
    &["cli"],
];

/// What a file belongs to, and its layer. `None` for `lib.rs`, `main.rs` and `serve/mod.rs`.
fn place(file: &File) -> Option<(String, usize)> {
    let inside = file.path.strip_prefix("src/")?;
    let folder = unit(&inside.trim_end_matches(".rs").replace('/', "::"));
    let layer = layer(&folder)?;
    Some((folder, layer))
}

/// The unit of a module path: its first part, or its first two below `serve`.
fn unit(path: &str) -> String {
    let mut parts = path.split("::");
    match (parts.next().unwrap_or_default(), parts.next()) {
        ("serve", Some(face)) => format!("serve/{face}"),
        (first, _) => first.to_owned(),
    }
}

fn layer(folder: &str) -> Option<usize> {
    LAYERS.iter().position(|line| line.contains(&folder))
}

/// Module paths behind every `crate::` of a line, with groups in braces opened.
fn imports(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let before = text[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &text[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => all.extend(names(group)),
            None => all.push(path_at(rest)),
        }
    }
    all
}

/// The first parts of the names in a group up to its closing brace.
fn names(group: &str) -> Vec<String> {
    let mut depth = 0;
    let mut name = String::new();
    let mut all = Vec::new();
    for character in group.chars() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => all.push(std::mem::take(&mut name)),
            c if depth == 0 => name.push(c),
            _ => {}
        }
    }
    all.push(name);
    all.iter()
        .map(|name| path_at(name.trim()))
        .filter(|name| !name.is_empty())
        .collect()
}

fn path_at(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_' || *c == ':')
        .collect()
}

/// Comments may name anything.
fn without_comments(text: &str) -> String {
    let code = |line: &str| line.split("//").next().unwrap_or_default().to_owned();
    text.lines().map(code).collect::<Vec<_>>().join("\n")
}

#[test]
fn imports_point_down_the_layers() {
    let mut findings = Vec::new();
    for file in tree::rust() {
        let Some((folder, own)) = place(&file) else {
            continue;
        };
        for path in imports(&without_comments(&file.text)) {
            let other = unit(&path);
            let Some(layer) = layer(&other) else {
                continue;
            };
            if other != folder && layer >= own {
                findings.push(format!("{}: imports crate::{path}", file.path));
            }
        }
    }
    assert_none(&findings);
}

#[test]
fn every_module_has_a_layer() {
    let mut findings = Vec::new();
    for file in tree::rust() {
        let outside = ["src/lib.rs", "src/main.rs", "src/serve/mod.rs"];
        if file.path.starts_with("src/") && !outside.contains(&file.path.as_str()) {
            let known = place(&file).is_some();
            findings.extend((!known).then(|| format!("{}: has no layer", file.path)));
        }
    }
    assert_none(&findings);
}

#[test]
fn the_architecture_chapter_names_every_layer_that_is_there() {
    let chapter = std::fs::read_to_string(tree::root().join("src/lib.rs")).unwrap();
    let mut findings = Vec::new();
    for folder in LAYERS.iter().flat_map(|line| line.iter()) {
        let there = ["", ".rs"]
            .iter()
            .any(|end| tree::root().join(format!("src/{folder}{end}")).exists());
        if there && !chapter.contains(&format!("`{folder}`")) {
            findings.push(format!("src/lib.rs: does not describe `{folder}`"));
        }
    }
    assert_none(&findings);
}

#[test]
fn groups_and_paths_are_found() {
    let found =
        imports("use crate::{log::{Log, Error}, topic::Offset};\nlet x = crate::record::V;");
    assert_eq!(found, ["log::", "topic::Offset", "record::V"]);
    assert_eq!(unit("serve::http::x"), "serve/http");
}
