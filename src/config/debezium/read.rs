//! One connector file: JSON, `{"name", "config"}` or the flat map, to properties and from there to
//! a connector.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::classify::{KeyReport, Treatment, classify, is_secret, translate, value_of_1x};
use super::placeholder::Resolver;
use super::{HOSTNAME, build};
use crate::config::Environment;
use crate::config::connector::{ConnectorConfig, ConnectorProblem, OffConnector};
use crate::config::file::read_limited;
use crate::config::problem::{Place, Problem};

/// Larger files are refused: a configuration has some hundred keys.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What a file asks for.
#[derive(Debug)]
pub enum Outcome {
    Run(Box<ConnectorConfig>),
    Off(OffConnector),
    Failed(ConnectorProblem),
}

/// A file with what became of its keys.
#[derive(Debug)]
pub struct FileReport {
    pub name: String,
    pub file: PathBuf,
    /// In the order of their names.
    pub keys: Vec<KeyReport>,
    pub outcome: Outcome,
}

/// A property with where it stands; its name is today's.
#[derive(Debug)]
pub(super) struct Property {
    pub(super) value: String,
    pub(super) place: Place,
    /// A placeholder gave the value, so it may be a secret.
    pub(super) replaced: bool,
}

/// Properties by name.
pub(super) type Properties = BTreeMap<String, Property>;

/// Reads the connector file at `path`.
#[must_use]
pub fn read_file(path: &Path, environment: &Environment, secrets_dirs: &[PathBuf]) -> FileReport {
    let resolver = Resolver {
        environment,
        secrets_dirs,
    };
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let mut reading = Reading {
        path,
        text: String::new(),
        name: stem.into_owned(),
        keys: Vec::new(),
        errors: Vec::new(),
        warnings: Vec::new(),
    };
    let outcome = reading.outcome(&resolver);
    reading.keys.sort_by(|a, b| a.key.cmp(&b.key));
    FileReport {
        name: reading.name,
        file: path.to_owned(),
        keys: reading.keys,
        outcome,
    }
}

struct Reading<'a> {
    path: &'a Path,
    text: String,
    name: String,
    keys: Vec<KeyReport>,
    errors: Vec<Problem>,
    warnings: Vec<String>,
}

impl Reading<'_> {
    fn outcome(&mut self, resolver: &Resolver<'_>) -> Outcome {
        let properties = self.properties(resolver);
        if properties
            .get(HOSTNAME)
            .is_some_and(|p| p.value.trim().is_empty())
        {
            return Outcome::Off(OffConnector {
                name: self.name.clone(),
                file: self.path.to_owned(),
                reason: format!("{HOSTNAME} is empty"),
            });
        }
        let built = if self.errors.is_empty() || !properties.is_empty() {
            build::connector(&self.name, self.path, &properties, &mut self.errors)
        } else {
            None
        };
        match built {
            Some(mut connector) if self.errors.is_empty() => {
                connector.warnings.append(&mut self.warnings);
                Outcome::Run(Box::new(connector))
            }
            _ => Outcome::Failed(ConnectorProblem {
                name: self.name.clone(),
                file: Some(self.path.to_owned()),
                reasons: std::mem::take(&mut self.errors),
            }),
        }
    }

    /// The properties with today's names, placeholders replaced and every key reported.
    fn properties(&mut self, resolver: &Resolver<'_>) -> Properties {
        let texts = self.texts();
        let is_1x = texts
            .iter()
            .any(|(key, value)| translate(key, value).is_some());
        let mut properties = Properties::new();
        for (key, text) in texts {
            let place = self.place(&key);
            let resolved = match resolver.resolve(&text) {
                Ok(resolved) => resolved,
                Err(unresolved) => {
                    self.errors.push(Problem::Placeholder {
                        key,
                        place,
                        placeholder: unresolved.placeholder,
                        what: unresolved.what,
                        mend: unresolved.mend,
                    });
                    continue;
                }
            };
            if let Some(placeholder) = &resolved.without_provider {
                self.warnings.push(format!(
                    "{key} ({place}): {placeholder} is no placeholder; ${{env:...}} would be"
                ));
            }
            let property = Property {
                value: resolved.text,
                place,
                replaced: resolved.replaced,
            };
            self.take(&key, property, is_1x, &mut properties);
        }
        properties
    }

    /// Reports one key and keeps its property where it is used.
    fn take(&mut self, key: &str, mut property: Property, is_1x: bool, into: &mut Properties) {
        let mut name = key.to_owned();
        let mut translated = None;
        if let Some((new, value)) = translate(key, &property.value) {
            translated = Some(format!("read as {new}"));
            name = new.to_owned();
            property.value = value;
        }
        if is_1x && let Some(value) = value_of_1x(&name, &property.value) {
            translated = Some(format!("read as {name}={value}"));
            property.value = value.to_owned();
        }
        let (treatment, note) = classify(&name, &property.value);
        match treatment {
            Treatment::NotBuilt => self.errors.push(not_built(key, &name, &property, &note)),
            Treatment::Unknown => self.warnings.push(format!(
                "{key} ({}) is not known and ignored: {note}",
                property.place
            )),
            Treatment::Used | Treatment::Translated | Treatment::Ignored => {}
        }
        let report = match (&translated, treatment) {
            (Some(how), Treatment::Used | Treatment::Ignored) => {
                (Treatment::Translated, how.clone())
            }
            _ => (treatment, note),
        };
        self.keys.push(KeyReport {
            key: key.to_owned(),
            treatment: report.0,
            note: report.1,
        });
        if treatment != Treatment::Used {
            return;
        }
        if let Some(other) = into.get(&name)
            && other.value != property.value
        {
            self.errors.push(Problem::Contradiction {
                place: property.place,
                what: format!("{key} and another name of {name} are set differently"),
                mend: format!("keep {name}"),
            });
            return;
        }
        into.insert(name, property);
    }

    /// Keys and values as texts; takes the name from the wrapper.
    fn texts(&mut self) -> Vec<(String, String)> {
        let text = match read_limited(self.path, FILE_BYTES_MAX) {
            Ok(text) => text,
            Err(cause) => {
                let path = self.path.to_owned();
                self.errors.push(Problem::Unreadable { path, cause });
                return Vec::new();
            }
        };
        let parsed = serde_json::from_str(&text);
        self.text = text;
        let map = match parsed {
            Ok(Value::Object(map)) => map,
            Ok(_) => return self.unparsable(None, "it is not a JSON object".to_owned()),
            Err(error) => return self.unparsable(Some(error.line()), error.to_string()),
        };
        let map = match (map.get("config"), map.get("name")) {
            (Some(Value::Object(inner)), name) => {
                if let Some(Value::String(name)) = name {
                    self.name.clone_from(name);
                }
                inner.clone()
            }
            (Some(_), _) => return self.unparsable(None, "\"config\" is not an object".to_owned()),
            (None, name) => {
                if let Some(Value::String(name)) = name
                    && *name != self.name
                {
                    self.warnings.push(format!(
                        "the connector is called \"{}\" after its file, not \"{name}\"; \
                         {{\"name\", \"config\"}} would name it",
                        self.name
                    ));
                }
                map
            }
        };
        let mut texts = Vec::new();
        for (key, value) in map {
            match value {
                Value::Null => {}
                Value::String(text) => texts.push((key, text)),
                Value::Bool(boolean) => texts.push((key, boolean.to_string())),
                Value::Number(number) => texts.push((key, number.to_string())),
                Value::Array(_) | Value::Object(_) => self.errors.push(Problem::InvalidValue {
                    place: self.place(&key),
                    key,
                    what: "a text, number or boolean is wanted".to_owned(),
                    mend: Some("write lists as one text with commas".to_owned()),
                }),
            }
        }
        texts
    }

    fn unparsable(&mut self, line: Option<usize>, what: String) -> Vec<(String, String)> {
        let path = self.path.to_owned();
        self.errors.push(Problem::Unparsable {
            place: Place::File { path, line },
            what,
        });
        Vec::new()
    }

    /// The line of the first place that spells the key as JSON does.
    fn place(&self, key: &str) -> Place {
        let quoted = Value::from(key).to_string();
        let line = self.text.find(&quoted).map(|at| {
            let before = self.text.as_bytes().get(..at).unwrap_or_default();
            1 + memchr::memchr_iter(b'\n', before).count()
        });
        Place::File {
            path: self.path.to_owned(),
            line,
        }
    }
}

fn not_built(key: &str, name: &str, property: &Property, note: &str) -> Problem {
    let shown = if property.replaced || is_secret(name) {
        String::new()
    } else {
        format!("\"{}\" is ", property.value)
    };
    Problem::NotBuilt {
        key: key.to_owned(),
        place: property.place.clone(),
        what: format!("{shown}{note}"),
        mend: "take it out, or keep this connector on Debezium for now".to_owned(),
    }
}

#[cfg(test)]
mod tests;
