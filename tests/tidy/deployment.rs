//! What people copy and run: commands, ports and paths in documents, alerts, the image and the
//! compose files are real. Files that are not there yet are looked at as soon as they are.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use penstock::config::{KEYS, Shape};

use crate::assert_none;
use crate::tree::{self, File};

/// Ports of what runs beside Penstock: PostgreSQL, Prometheus, Grafana, Logto (its pages and its
/// console), and the listeners that are off by default: Kafka Connect's and the registry's.
const OTHER_PORTS: [&str; 7] = ["5432", "9090", "3000", "3001", "3002", "8083", "8081"];

/// Hosts whose ports are Penstock's or one of [`OTHER_PORTS`].
const HOSTS: [&str; 9] = [
    "penstock",
    "localhost",
    "127.0.0.1",
    "0.0.0.0",
    "postgres",
    "db",
    "prometheus",
    "grafana",
    "logto",
];

/// Words behind `penstock` that are no command: the line that `serve` prints.
const NO_COMMANDS: [&str; 1] = ["ready"];

/// What people read and run.
fn deployed() -> Vec<File> {
    tree::files(&[
        "README.md",
        "Dockerfile",
        "docker-compose.yml",
        "docker-compose.override.yml",
        "compose.yaml",
        ".env.example",
        "cdc",
        "topics",
        "monitoring",
        "migrations",
    ])
}

/// Pieces of a line in which a command may stand: all of it, but in prose only what is quoted as
/// code.
fn code(file: &File) -> Vec<(usize, &str)> {
    if !file.path.ends_with(".md") {
        return file.lines().collect();
    }
    let mut is_block = false;
    let mut pieces = Vec::new();
    for (number, line) in file.lines() {
        if line.trim_start().starts_with("```") {
            is_block = !is_block;
        } else if is_block {
            pieces.push((number, line));
        } else {
            let quoted = line.split('`').skip(1).step_by(2);
            pieces.extend(quoted.map(|piece| (number, piece)));
        }
    }
    pieces
}

/// The help of a command; `None` where there is no such command.
struct Helps(BTreeMap<String, Option<String>>);

impl Helps {
    fn of(&mut self, words: &[&str]) -> Option<&str> {
        let help = self.0.entry(words.join(" ")).or_insert_with(|| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_penstock"));
            let output = command.args(words).arg("--help").output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            output.status.success().then_some(text)
        });
        help.as_deref()
    }
}

/// What is wrong with the command line that follows the word `penstock`.
fn check_command(line: &str, helps: &mut Helps) -> Option<String> {
    let line = line.split(". ").next().unwrap_or_default();
    let end = line.find(['`', '|', ';', '#', '"', '&', '>', '\'', ')']);
    let mut words = line[..end.unwrap_or(line.len())]
        .split_whitespace()
        .peekable();
    let is_name = |word: &&str| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    let first = words.next_if(is_name)?;
    if NO_COMMANDS.contains(&first) {
        return None;
    }
    let Some(help) = helps.of(&[first]) else {
        return Some(format!("penstock {first} is no command"));
    };
    let mut help = help.to_owned();
    let mut path = vec![first];
    if help.contains("\nCommands:")
        && let Some(second) = words.next_if(|word| is_name(word) && !word.starts_with('-'))
    {
        path.push(second);
        match helps.of(&path) {
            Some(text) => help = text.to_owned(),
            None => return Some(format!("penstock {first} {second} is no command")),
        }
    }
    for flag in words.filter(|word| word.starts_with("--")) {
        let name = flag.split('=').next().unwrap().trim_end_matches(['.', ',']);
        if !help.contains(name) {
            return Some(format!("penstock {} has no {name}", path.join(" ")));
        }
    }
    None
}

#[test]
fn every_command_that_is_named_exists() {
    let mut helps = Helps(BTreeMap::new());
    let mut findings = Vec::new();
    for file in deployed() {
        for (number, piece) in code(&file) {
            for (at, _) in piece.match_indices("penstock ") {
                let before = piece[..at].chars().next_back();
                let is_word = before.is_some_and(|c| c.is_alphanumeric() || "-_.".contains(c));
                // In a comment or a list of words it is the name.
                let is_prose = piece.trim_start().starts_with("# ");
                let line = &piece[at + "penstock ".len()..];
                // The container that a command runs in is called the same.
                let is_container = line.starts_with("penstock ");
                if is_word || is_prose || is_container {
                    continue;
                }
                let wrong = check_command(line, &mut helps);
                findings.extend(wrong.map(|what| file.finding(number, &what)));
            }
        }
    }
    assert_none(&findings);
    assert!(helps.0.len() > 5, "no commands were found");
}

/// The ports that listeners have by default.
fn ports() -> Vec<&'static str> {
    let addresses = KEYS.iter().filter(|key| key.shape == Shape::Address);
    let own = addresses.filter_map(|key| Some(key.default.rsplit_once(':')?.1));
    own.chain(OTHER_PORTS).collect()
}

#[test]
fn every_port_is_one_that_something_listens_on_by_default() {
    let known = ports();
    assert!(known.contains(&"9464"), "{known:?}");
    let mut findings = Vec::new();
    for file in deployed() {
        // What follows the colon of an image is its version.
        for (number, line) in file.lines().filter(|(_, line)| !line.contains("image:")) {
            let digits = |text: &str| {
                let end = text.find(|c: char| !c.is_ascii_digit());
                text[..end.unwrap_or(text.len())].to_owned()
            };
            let mut found: Vec<String> = Vec::new();
            for host in HOSTS {
                let address = format!("{host}:");
                let places = line.match_indices(&address);
                found.extend(places.map(|(at, _)| digits(&line[at + address.len()..])));
            }
            if let Some(exposed) = line.trim().strip_prefix("EXPOSE ") {
                found.extend(exposed.split_whitespace().map(digits));
            }
            for port in found.iter().filter(|port| port.len() >= 2) {
                if !known.contains(&port.as_str()) {
                    findings.push(file.finding(number, &format!("nothing listens on {port}")));
                }
            }
        }
    }
    assert_none(&findings);
}

#[test]
fn every_path_that_is_mounted_copied_or_loaded_exists() {
    let mut findings = Vec::new();
    for file in deployed() {
        let is_compose = file.path.contains("compose");
        for (number, line) in file.lines() {
            let line = line.trim();
            let mut paths: Vec<&str> = Vec::new();
            let item = line.trim_start_matches("- ").trim_matches(['"', '\'']);
            if is_compose && item.starts_with("./") {
                paths.extend(item.split(':').next());
            }
            let is_image = file.path == "Dockerfile";
            if let Some(copied) = line.strip_prefix("COPY ").filter(|_| is_image) {
                let words: Vec<&str> = copied.split_whitespace().collect();
                let is_local = !words.iter().any(|word| word.starts_with("--from"));
                let sources = words.iter().filter(|word| !word.starts_with("--"));
                let sources: Vec<&str> = sources.copied().collect();
                if is_local && let Some((_, sources)) = sources.split_last() {
                    paths.extend(sources);
                }
            }
            for path in paths {
                let path = path.trim_end_matches('/');
                if !path.contains('*') && !tree::root().join(path).exists() {
                    findings.push(file.finding(number, &format!("{path} does not exist")));
                }
            }
        }
    }
    assert_none(&findings);
}

/// One file's text.
fn text(path: &str) -> String {
    std::fs::read_to_string(tree::root().join(path)).unwrap()
}

/// What stands in `text` between two marks.
fn between<'t>(text: &'t str, from: &str, to: &str) -> &'t str {
    let (_, rest) = text.split_once(from).unwrap();
    rest.split_once(to).unwrap().0
}

/// The names of the variables that a text reads as `${NAME...}`.
fn variables(text: &str) -> BTreeSet<&str> {
    let pieces = text.split("${").skip(1);
    pieces
        .map(|piece| {
            let end = piece.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
            &piece[..end.unwrap_or(piece.len())]
        })
        .collect()
}

#[test]
fn the_readme_lists_the_variables_that_coolify_shows() {
    let compose = text("docker-compose.yml");
    let asked = variables(between(&compose, "\n  penstock:\n", "\n  postgres:\n"));
    assert!(asked.len() > 5, "{asked:?}");
    let readme = text("README.md");
    let chapter = between(&readme, "\n## In a container, and on Coolify\n", "\n## ");
    let rows = chapter.lines().filter_map(|line| line.strip_prefix("| `"));
    let listed: BTreeSet<&str> = rows.filter_map(|row| row.split('`').next()).collect();
    assert_eq!(listed, asked);
}

/// Coolify publishes ports and names containers itself, takes what follows `:?` for a value, and
/// knows a variable only where the whole value is one.
#[test]
fn the_compose_file_is_one_that_coolify_reads_as_meant() {
    let mut findings = Vec::new();
    for file in tree::files(&["docker-compose.yml"]) {
        for (number, line) in file.lines().filter(|(_, line)| !line.starts_with('#')) {
            for trap in [" ports:", "container_name:", ":?", "env_file:"] {
                if line.contains(trap) {
                    findings.push(file.finding(number, &format!("{trap} does not suit Coolify")));
                }
            }
            let assigned = line.trim().strip_prefix("- ").and_then(|item| {
                let (name, value) = item.split_once('=')?;
                let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
                name.chars().all(is_name).then_some(value)
            });
            let value = assigned.map(|value| value.split(" #").next().unwrap_or_default());
            if value
                .is_some_and(|it| it.contains("${") && !(it.starts_with("${") && it.ends_with('}')))
            {
                findings.push(file.finding(number, "a variable is hidden within a value"));
            }
        }
    }
    assert_none(&findings);
}
