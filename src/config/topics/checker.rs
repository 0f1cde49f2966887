//! Reads values out of the tree and collects everything that does not fit, so that one run tells
//! all of it. A value that does not fit reads as `None`, and reading goes on.

use std::path::{Path, PathBuf};

use super::tree::{Entry, Node, Spot, Value};
use crate::config::problem::{Place, Problem};
use crate::config::quantity::{self, DURATION_FORM, SIZE_FORM};

/// Problems of one file that are told; a file that is wrong throughout must not fill the log.
const PROBLEMS_MAX: usize = 100;

/// What was found wrong in a file so far.
#[derive(Debug)]
pub(super) struct Checker {
    pub(super) path: PathBuf,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
}

/// The keys of a map whose keys are known.
#[derive(Debug)]
pub(super) struct Fields<'n> {
    /// Whose they are, such as `topic "orders"`.
    owner: String,
    entries: Vec<&'n Entry>,
}

impl<'n> Fields<'n> {
    /// The value of `key`, where it is there.
    pub(super) fn get(&self, key: &str) -> Option<Field<'n>> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some(Field {
            name: format!("{key} of {}", self.owner),
            node: &entry.node,
        })
    }
}

/// A value with the name that messages give it.
#[derive(Debug)]
pub(super) struct Field<'n> {
    pub(super) name: String,
    pub(super) node: &'n Node,
}

impl Checker {
    pub(super) fn new(path: &Path) -> Checker {
        Checker {
            path: path.to_owned(),
            problems: Vec::new(),
            warnings: Vec::new(),
        }
    }

    pub(super) fn place(&self, spot: Spot) -> Place {
        spot.of(&self.path)
    }

    pub(super) fn push(&mut self, problem: Problem) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        }
    }

    /// A value that does not fit.
    pub(super) fn refuse(&mut self, name: &str, spot: Spot, what: impl Into<String>, mend: &str) {
        let place = self.place(spot);
        self.push(Problem::InvalidValue {
            key: name.to_owned(),
            place,
            what: what.into(),
            mend: Some(mend.to_owned()).filter(|mend| !mend.is_empty()),
        });
    }

    /// Two things that exclude each other.
    pub(super) fn contradict(&mut self, spot: Spot, what: String, mend: &str) {
        let place = self.place(spot);
        self.push(Problem::Contradiction {
            place,
            what,
            mend: mend.to_owned(),
        });
    }

    /// Something that is known and not built.
    pub(super) fn not_built(&mut self, key: &str, spot: Spot, what: &str, mend: &str) {
        let place = self.place(spot);
        self.push(Problem::NotBuilt {
            key: key.to_owned(),
            place,
            what: what.to_owned(),
            mend: mend.to_owned(),
        });
    }

    /// Something that has no effect.
    pub(super) fn warn(&mut self, key: &str, spot: Spot, what: String) {
        let place = self.place(spot);
        let key = key.to_owned();
        if self.warnings.len() < PROBLEMS_MAX {
            self.warnings
                .push(Problem::WithoutEffect { key, place, what });
        }
    }

    /// The entries of a map, each key once: one that stands twice is refused with both places.
    pub(super) fn entries<'n>(&mut self, name: &str, node: &'n Node) -> Vec<&'n Entry> {
        let Value::Map(map) = &node.value else {
            let what = format!("a map is wanted, not {}", node.shown());
            self.refuse(name, node.spot, what, "write its keys on lines below it");
            return Vec::new();
        };
        let mut first = std::collections::HashMap::new();
        let mut kept = Vec::with_capacity(map.len());
        for entry in map {
            match first.get(&entry.key) {
                None => {
                    first.insert(&entry.key, entry.spot);
                    kept.push(entry);
                }
                Some(spot) => {
                    let what = format!(
                        "\"{}\" stands here and at {} in {name}",
                        entry.key,
                        self.place(*spot)
                    );
                    self.contradict(entry.spot, what, "keep one of them");
                }
            }
        }
        kept
    }

    /// The keys of a map that may have those of `known`.
    pub(super) fn fields<'n>(
        &mut self,
        owner: &str,
        node: &'n Node,
        inside: &'static str,
        known: &'static [&'static str],
    ) -> Fields<'n> {
        let entries = match node.value {
            Value::Null => Vec::new(),
            _ => self.entries(owner, node),
        };
        for entry in &entries {
            if !known.contains(&entry.key.as_str()) {
                let place = self.place(entry.spot);
                self.push(Problem::StrayKey {
                    key: entry.key.clone(),
                    place,
                    inside,
                    known,
                });
            }
        }
        Fields {
            owner: owner.to_owned(),
            entries,
        }
    }

    /// A text that is not empty.
    pub(super) fn text<'n>(&mut self, field: &Field<'n>) -> Option<&'n str> {
        self.text_of(&field.name, field.node)
    }

    fn text_of<'n>(&mut self, name: &str, node: &'n Node) -> Option<&'n str> {
        match &node.value {
            Value::Text(text) if !text.is_empty() => return Some(text),
            Value::Text(_) => {
                self.refuse(
                    name,
                    node.spot,
                    "it is empty",
                    "write it, or take the key out",
                );
            }
            Value::Number(_) | Value::Bool(_) => {
                let what = format!("a text is wanted, not {}", node.shown());
                self.refuse(name, node.spot, what, "put it in quotes");
            }
            Value::Null | Value::List(_) | Value::Map(_) => {
                let what = format!("a text is wanted, not {}", node.shown());
                self.refuse(name, node.spot, what, "write it, or take the key out");
            }
        }
        None
    }

    /// A list of texts, none of them empty or twice.
    pub(super) fn texts(&mut self, field: &Field<'_>) -> Vec<String> {
        let Value::List(items) = &field.node.value else {
            let what = format!("a list is wanted, not {}", field.node.shown());
            self.refuse(&field.name, field.node.spot, what, "write [one, two]");
            return Vec::new();
        };
        if items.is_empty() {
            let what = "an empty list would let nobody in";
            let mend = "name at least one, or take the key out";
            self.refuse(&field.name, field.node.spot, what, mend);
        }
        let mut texts: Vec<String> = Vec::with_capacity(items.len());
        for item in items {
            let Some(text) = self.text_of(&field.name, item) else {
                continue;
            };
            if texts.iter().any(|other| other == text) {
                let what = format!("\"{text}\" stands twice");
                self.refuse(&field.name, item.spot, what, "keep one of them");
            } else {
                texts.push(text.to_owned());
            }
        }
        texts
    }

    pub(super) fn boolean(&mut self, field: &Field<'_>) -> Option<bool> {
        if let Value::Bool(yes) = field.node.value {
            return Some(yes);
        }
        let what = format!("{} is neither true nor false", field.node.shown());
        self.refuse(&field.name, field.node.spot, what, "write true or false");
        None
    }

    /// One of some words.
    pub(super) fn word<T: Copy>(&mut self, field: &Field<'_>, words: &[(&str, T)]) -> Option<T> {
        if let Value::Text(text) = &field.node.value
            && let Some((_, meaning)) = words.iter().find(|(word, _)| word == text)
        {
            return Some(*meaning);
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let what = format!("{} is none of {}", field.node.shown(), known.join(", "));
        self.refuse(&field.name, field.node.spot, what, "write one of them");
        None
    }

    /// A whole number from `least` to `most`.
    pub(super) fn number<T: TryFrom<u64>>(
        &mut self,
        field: &Field<'_>,
        (least, most): (u64, u64),
    ) -> Option<T> {
        let number = match &field.node.value {
            Value::Number(number) => number.as_u64(),
            _ => None,
        };
        let fitting = number.filter(|number| (least..=most).contains(number));
        let found = fitting.and_then(|number| T::try_from(number).ok());
        if found.is_none() {
            let what = format!(
                "{} is no whole number from {least} to {most}",
                field.node.shown()
            );
            self.refuse(&field.name, field.node.spot, what, "");
        }
        found
    }

    /// Milliseconds from `least` to `most`.
    pub(super) fn duration_ms<T: TryFrom<u64>>(
        &mut self,
        field: &Field<'_>,
        (least, most): (&str, &str),
    ) -> Option<T> {
        let parsed = match &field.node.value {
            Value::Text(text) => quantity::duration_ms(text),
            Value::Number(number) => match number.as_u64() {
                Some(_) => Err(format!("{number} has no unit")),
                None => Err(format!("{number} is no time")),
            },
            _ => Err(format!("{} is no time", field.node.shown())),
        };
        let measure = Measure {
            of: quantity::duration_ms,
            form: DURATION_FORM,
            least,
            most,
        };
        self.measured(field, parsed, &measure)
    }

    /// Bytes from `least` to `most`. A bare number counts bytes.
    pub(super) fn size_bytes<T: TryFrom<u64>>(
        &mut self,
        field: &Field<'_>,
        (least, most): (&str, &str),
    ) -> Option<T> {
        let parsed = match &field.node.value {
            Value::Text(text) => quantity::size_bytes(text),
            Value::Number(number) => number
                .as_u64()
                .ok_or_else(|| format!("{number} is no number of bytes")),
            _ => Err(format!("{} is no size", field.node.shown())),
        };
        let measure = Measure {
            of: quantity::size_bytes,
            form: SIZE_FORM,
            least,
            most,
        };
        self.measured(field, parsed, &measure)
    }

    fn measured<T: TryFrom<u64>>(
        &mut self,
        field: &Field<'_>,
        parsed: Result<u64, String>,
        measure: &Measure,
    ) -> Option<T> {
        let refusal = match parsed {
            Err(what) => (what, measure.form),
            Ok(quantity) => {
                let bound = |text| (measure.of)(text).expect("bounds are written in their form");
                let within = (bound(measure.least)..=bound(measure.most)).contains(&quantity);
                match T::try_from(quantity).ok().filter(|_| within) {
                    Some(found) => return Some(found),
                    None => {
                        let (least, most) = (measure.least, measure.most);
                        let shown = field.node.shown();
                        (format!("{shown} is not between {least} and {most}"), "")
                    }
                }
            }
        };
        self.refuse(&field.name, field.node.spot, refusal.0, refusal.1);
        None
    }

    /// A value as JSON; keys that stand twice are refused.
    pub(super) fn json(&mut self, name: &str, node: &Node) -> serde_json::Value {
        match &node.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(yes) => serde_json::Value::Bool(*yes),
            Value::Number(number) => serde_json::Value::Number(number.clone()),
            Value::Text(text) => serde_json::Value::String(text.clone()),
            Value::List(items) => items.iter().map(|item| self.json(name, item)).collect(),
            Value::Map(_) => {
                let entries = self.entries(name, node);
                let pair = |entry: &&Entry| (entry.key.clone(), self.json(name, &entry.node));
                serde_json::Value::Object(entries.iter().map(pair).collect())
            }
        }
    }
}

/// How a quantity is written, and its bounds in that form.
struct Measure<'a> {
    of: fn(&str) -> Result<u64, String>,
    form: &'a str,
    least: &'a str,
    most: &'a str,
}
