//! From the file to the declarations: all of it, or all that is wrong with it.

use std::io::ErrorKind;
use std::path::Path;

use super::checker::Checker;
use super::tree::{self, Entry, FILE_BYTES_MAX, Spot, Value};
use super::{Declarations, NamePattern, group, integration, names, topic};
use crate::config::file::read_limited;
use crate::config::problem::{Problem, Problems};

/// Sections of the file.
const SECTIONS: &[&str] = &["topics", "groups", "integrations"];

/// Entries of a section. The first rule that fits a name is looked for one by one, on the way of
/// every push.
const ENTRIES_MAX: usize = 2_000;

/// Partitions that the named topics of a file may ask for together: each is a folder with files.
const PARTITIONS_TOTAL_MAX: u64 = 10_000;

/// What a file says.
#[derive(Debug, Default)]
pub struct Loaded {
    /// What it declares.
    pub declarations: Declarations,
    /// What has no effect.
    pub warnings: Vec<Problem>,
    /// There is no such file; it counts as empty.
    pub missing: bool,
}

/// Reads the file at `path`. An error tells everything that is wrong with it.
pub fn load(path: &Path) -> Result<Loaded, Problems> {
    match read_limited(path, FILE_BYTES_MAX) {
        Ok(text) => read(path, &text),
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(Loaded {
            missing: true,
            ..Loaded::default()
        }),
        Err(cause) => Err(Problems(vec![Problem::Unreadable {
            path: path.to_owned(),
            cause,
        }])),
    }
}

/// Reads `text`, which stands in `path`.
pub(super) fn read(path: &Path, text: &str) -> Result<Loaded, Problems> {
    let root = tree::parse(path, text)?;
    let mut checker = Checker::new(path);
    let top = checker.fields("the file", &root, "this file", SECTIONS);
    let section = |checker: &mut Checker, name: &str| match top.get(name) {
        Some(field) if !matches!(field.node.value, Value::Null) => {
            let entries = checker.entries(name, field.node);
            bounded(checker, name, field.node.spot, entries)
        }
        _ => Vec::new(),
    };
    let (topics, groups, integrations) = (
        section(&mut checker, "topics"),
        section(&mut checker, "groups"),
        section(&mut checker, "integrations"),
    );
    let mut declarations = Declarations::default();
    let mut spots = Vec::new();
    for entry in topics {
        if let Some(name) = names::topic(&mut checker, entry) {
            spots.push((name.clone(), entry.spot));
            let rule = topic::read(&mut checker, name, entry);
            declarations.topics.push(rule);
        }
    }
    names::refuse_hidden(&mut checker, "topic", &spots);
    names::refuse_alike(&mut checker, &spots);
    refuse_too_many_partitions(&mut checker, &declarations, &spots);
    let mut spots = Vec::new();
    for entry in groups {
        if let Some(id) = names::group(&mut checker, entry) {
            spots.push((id.clone(), entry.spot));
            let rule = group::read(&mut checker, id, entry);
            declarations.groups.push(rule);
        }
    }
    names::refuse_hidden(&mut checker, "group", &spots);
    for entry in integrations {
        if let Some(name) = names::integration(&mut checker, entry) {
            let one = integration::read(&mut checker, name, entry);
            declarations.integrations.push(one);
        }
    }
    if !checker.problems.is_empty() {
        return Err(Problems(checker.problems));
    }
    Ok(Loaded {
        declarations,
        warnings: checker.warnings,
        missing: false,
    })
}

fn bounded<'n>(
    checker: &mut Checker,
    name: &str,
    spot: Spot,
    entries: Vec<&'n Entry>,
) -> Vec<&'n Entry> {
    if entries.len() <= ENTRIES_MAX {
        return entries;
    }
    let what = format!("{} entries are more than {ENTRIES_MAX}", entries.len());
    checker.refuse(
        name,
        spot,
        what,
        "use patterns such as integrations.{name}.data",
    );
    Vec::new()
}

fn refuse_too_many_partitions(
    checker: &mut Checker,
    declarations: &Declarations,
    spots: &[(NamePattern, Spot)],
) {
    let mut total = 0;
    for (rule, (name, spot)) in declarations.topics.iter().zip(spots) {
        if !name.is_name() {
            continue;
        }
        total += u64::from(rule.partitions.unwrap_or(1));
        if total > PARTITIONS_TOTAL_MAX {
            let what = format!("the named topics have more than {PARTITIONS_TOTAL_MAX} partitions");
            checker.refuse(
                "topics",
                *spot,
                what,
                "lower the counts, or declare fewer topics",
            );
            return;
        }
    }
}

#[cfg(test)]
mod tests;
