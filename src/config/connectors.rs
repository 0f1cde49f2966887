//! All connectors of a configuration: those of the files and that of `PENSTOCK_SOURCE_URL`,
//! checked against each other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::connector::{ConnectorConfig, ConnectorProblem, OffConnector};
use super::debezium::{KeyReport, Outcome, read_file};
use super::environment::Environment;
use super::glob;
use super::problem::{Place, Problem};
use super::serve::Config;

/// What there is to run, and what there is not.
#[derive(Debug, Default)]
pub struct Connectors {
    pub run: Vec<ConnectorConfig>,
    /// Files that are switched off.
    pub off: Vec<OffConnector>,
    /// To be listed as FAILED.
    pub problems: Vec<ConnectorProblem>,
    /// For each file the treatment of its keys.
    pub reports: Vec<(PathBuf, Vec<KeyReport>)>,
}

/// Reads all connector files of `config`. Nothing here stops the start.
#[must_use]
pub fn load_connectors(config: &Config, environment: &Environment) -> Connectors {
    let mut connectors = Connectors::default();
    let mut found = Vec::new();
    if let Some(source) = &config.source {
        found.push((None, source.clone()));
    }
    for path in paths(&config.connectors) {
        let report = read_file(&path, environment, &config.secrets_dirs);
        connectors.reports.push((path.clone(), report.keys));
        match report.outcome {
            Outcome::Run(connector) => found.push((Some(path), *connector)),
            Outcome::Off(off) => connectors.off.push(off),
            Outcome::Failed(problem) => connectors.problems.push(problem),
        }
    }
    refuse_clashes(found, &mut connectors);
    warn_of_shared_prefixes(&mut connectors.run);
    connectors
}

/// The files of all patterns, each once. A path without a star is taken even if nothing is there,
/// so that a mistyped one is told.
fn paths(patterns: &[String]) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = Vec::new();
    for pattern in patterns {
        let found = if glob::is_pattern(pattern) {
            glob::files(pattern)
        } else {
            vec![PathBuf::from(pattern)]
        };
        for path in found {
            if !all.contains(&path) {
                all.push(path);
            }
        }
    }
    all
}

/// Connectors that would take each other's name or slot all go FAILED: which of them was meant
/// cannot be known.
fn refuse_clashes(found: Vec<(Option<PathBuf>, ConnectorConfig)>, connectors: &mut Connectors) {
    let mut owners: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, (_, connector)) in found.iter().enumerate() {
        for claim in claims(connector) {
            owners.entry(claim).or_default().push(at);
        }
    }
    let mut clashes: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for (claim, owners) in owners.iter().filter(|(_, owners)| owners.len() > 1) {
        for at in owners {
            let names: Vec<&str> = owners
                .iter()
                .filter(|other| *other != at)
                .filter_map(|other| found.get(*other))
                .map(|(_, connector)| connector.name.as_str())
                .collect();
            let what = format!("{claim} also belongs to \"{}\"", names.join("\", \""));
            clashes.entry(*at).or_default().push(what);
        }
    }
    for (at, (file, connector)) in found.into_iter().enumerate() {
        let Some(whats) = clashes.remove(&at) else {
            connectors.run.push(connector);
            continue;
        };
        let reasons = whats.into_iter().map(|what| Problem::Contradiction {
            place: place(file.as_deref()),
            what,
            mend: "give each connector its own".to_owned(),
        });
        connectors.problems.push(ConnectorProblem {
            name: connector.name,
            reasons: reasons.collect(),
            file,
        });
    }
}

/// What only one connector may have.
fn claims(connector: &ConnectorConfig) -> [String; 2] {
    let database = &connector.database;
    let host = database.host.to_ascii_lowercase();
    [
        format!("the name \"{}\"", connector.name),
        format!(
            "the slot \"{}\" on {host}:{}",
            connector.slot_name, database.port
        ),
    ]
}

/// Two connectors may write the same topics, but hardly ever should.
fn warn_of_shared_prefixes(connectors: &mut [ConnectorConfig]) {
    let prefixes: Vec<String> = connectors.iter().map(|c| c.topic_prefix.clone()).collect();
    for (at, connector) in connectors.iter_mut().enumerate() {
        let mut others = prefixes
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != at);
        if others.any(|(_, prefix)| *prefix == connector.topic_prefix) {
            connector.warnings.push(format!(
                "another connector has the topic prefix \"{}\" too; changes of tables of the same \
                 name share a topic",
                connector.topic_prefix
            ));
        }
    }
}

fn place(file: Option<&Path>) -> Place {
    match file {
        Some(path) => Place::File {
            path: path.to_owned(),
            line: None,
        },
        None => Place::Variable("PENSTOCK_SOURCE_URL".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, load};

    fn connectors(files: &[(&str, &str)], variables: &[(&str, &str)]) -> Connectors {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let pattern = folder.path().join("*.json").display().to_string();
        let environment: Environment = variables
            .iter()
            .copied()
            .chain([("PENSTOCK_CONNECTORS", pattern.as_str())])
            .collect();
        let sources = Sources {
            flags: &[],
            environment: &environment,
            file: None,
        };
        load_connectors(&load(&sources).unwrap(), &environment)
    }

    fn file(prefix: &str, slot: &str, host: &str) -> String {
        format!(
            "{{\"database.hostname\":\"{host}\",\"database.user\":\"u\",\"database.dbname\":\"d\",\
             \"topic.prefix\":\"{prefix}\",\"slot.name\":\"{slot}\"}}"
        )
    }

    #[test]
    fn files_and_the_url_run_together() {
        let found = connectors(
            &[
                ("a.json", &file("a", "a", "h")),
                ("b.json", &file("b", "b", "h")),
            ],
            &[("PENSTOCK_SOURCE_URL", "postgres://u@h/d")],
        );
        let names: Vec<&str> = found.run.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["app", "a", "b"]);
        assert!(found.problems.is_empty());
    }

    #[test]
    fn equal_slots_on_one_server_fail_both_and_nothing_else() {
        let found = connectors(
            &[
                ("a.json", &file("a", "s", "h")),
                ("b.json", &file("b", "s", "H")),
                ("c.json", &file("c", "s", "other")),
            ],
            &[],
        );
        assert_eq!(found.run.len(), 1);
        let texts: Vec<String> = found.problems.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), 2);
        assert!(
            texts[0].contains("the slot \"s\" on h:5432 also belongs to \"b\""),
            "{texts:?}"
        );
    }

    #[test]
    fn equal_prefixes_and_other_slots_run_with_a_warning() {
        let found = connectors(
            &[
                ("a.json", &file("p", "a", "h")),
                ("b.json", &file("p", "b", "h")),
            ],
            &[],
        );
        assert_eq!(found.run.len(), 2);
        assert!(
            found
                .run
                .iter()
                .all(|connector| connector.warnings.len() == 1)
        );
    }

    #[test]
    fn a_file_with_an_empty_host_is_off_and_a_bad_one_fails_alone() {
        let found = connectors(
            &[
                ("a.json", &file("a", "a", "${env:NONE}")),
                ("b.json", "{"),
                ("c.json", &file("c", "c", "h")),
            ],
            &[],
        );
        assert_eq!(found.off[0].name, "a");
        assert_eq!(found.problems[0].name, "b");
        assert_eq!(found.run[0].name, "c");
    }

    #[test]
    fn a_named_file_that_is_missing_is_told() {
        let found = paths(&["nowhere/x.json".to_owned(), "nowhere/*.json".to_owned()]);
        assert_eq!(found, [PathBuf::from("nowhere/x.json")]);
    }
}
