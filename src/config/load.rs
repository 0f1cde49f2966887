//! Layers the settings: flag over variable over file over default, and finds names that nothing
//! knows. The result is one [`Setting`] for every key of the table, still as text.

use std::fmt;
use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::file::{self, Raw};
use super::key::{Built, KEYS, Key, OTHER_VARIABLES, Shape};
use super::problem::{Place, Problem};
use super::suggest::nearest;

/// Where settings come from.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// Pairs of a key's name and its value, from flags of the command line.
    pub flags: &'a [(&'static str, String)],
    pub environment: &'a Environment,
    /// `--config`. Without it `PENSTOCK_CONFIG` counts, then `penstock.hcl` where it exists.
    pub file: Option<&'a Path>,
}

/// Which layer a setting came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Default,
    Set(Place),
}

/// One key with the value that counts. `Debug` shows it as [`Setting::shown`] does.
#[derive(Clone)]
pub struct Setting {
    pub key: &'static Key,
    /// As text; a list is joined by commas. Empty counts as unset.
    value: String,
    pub origin: Origin,
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={} ({})", self.key.name, self.shown(), self.place())
    }
}

impl Setting {
    /// The value for showing: `***` for a secret.
    #[must_use]
    pub fn shown(&self) -> &str {
        if self.key.shape == Shape::Secret && !self.value.is_empty() {
            "***"
        } else {
            &self.value
        }
    }

    /// Where the value stands.
    #[must_use]
    pub fn place(&self) -> Place {
        match &self.origin {
            Origin::Default => Place::Default,
            Origin::Set(place) => place.clone(),
        }
    }

    pub(super) fn value(&self) -> &str {
        &self.value
    }

    /// Whether somebody set it to something.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.origin != Origin::Default
    }
}

/// What layering found.
#[derive(Debug)]
pub(super) struct Layered {
    pub(super) file: Option<PathBuf>,
    /// In the order of [`KEYS`].
    pub(super) settings: Vec<Setting>,
    pub(super) errors: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
}

/// The file that is read where none is named.
const DEFAULT_FILE: &str = "penstock.hcl";

pub(super) fn layer(sources: &Sources<'_>) -> Layered {
    let file = sources
        .file
        .map(Path::to_owned)
        .or_else(|| {
            sources
                .environment
                .get("PENSTOCK_CONFIG")
                .map(PathBuf::from)
        })
        .or_else(|| Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.exists()));
    let (entries, mut errors) = match &file {
        Some(path) => file::read(path, sources.environment),
        None => (Vec::new(), Vec::new()),
    };
    let mut warnings = Vec::new();
    for entry in &entries {
        if Key::find(&entry.name).is_none() {
            errors.push(unknown_key(&entry.name, &entry.place));
        }
    }
    for (name, _) in sources.environment.iter() {
        warnings.extend(unknown_variable(name));
    }
    let mut settings = Vec::new();
    for key in KEYS {
        let from_file = entries.iter().find(|entry| entry.name == key.name);
        let setting = pick(key, sources, from_file, &mut errors);
        judge_built(&setting, &mut errors, &mut warnings);
        settings.push(setting);
    }
    Layered {
        file,
        settings,
        errors,
        warnings,
    }
}

fn pick(
    key: &'static Key,
    sources: &Sources<'_>,
    from_file: Option<&file::Entry>,
    errors: &mut Vec<Problem>,
) -> Setting {
    let set = |value: String, place| Setting {
        key,
        value,
        origin: Origin::Set(place),
    };
    if let Some((name, value)) = sources.flags.iter().find(|(name, _)| *name == key.name) {
        let flag = format!("--{}", name.replace(['.', '_'], "-"));
        return set(value.clone(), Place::Flag(flag));
    }
    if let Some((variable, value)) = from_environment(key, sources.environment, errors) {
        return set(value, Place::Variable(variable));
    }
    if let Some(entry) = from_file {
        let value = match (&entry.raw, key.shape) {
            (Raw::Text(text), _) => text.clone(),
            (Raw::List(items), Shape::List) => items.join(","),
            (Raw::Block, _) => "{}".to_owned(),
            (Raw::List(_), _) => {
                errors.push(Problem::InvalidValue {
                    key: key.name.to_owned(),
                    place: entry.place.clone(),
                    what: "one value is wanted, not a list".to_owned(),
                    mend: None,
                });
                String::new()
            }
        };
        if !value.is_empty() {
            return set(value, entry.place.clone());
        }
    }
    Setting {
        key,
        value: key.default.to_owned(),
        origin: Origin::Default,
    }
}

fn from_environment(
    key: &Key,
    environment: &Environment,
    errors: &mut Vec<Problem>,
) -> Option<(String, String)> {
    if key.shape == Shape::Block {
        let below = format!("{}__", key.variable());
        return environment
            .iter()
            .find(|(name, _)| name.starts_with(&below) || *name == key.variable())
            .map(|(name, _)| (name.to_owned(), "{}".to_owned()));
    }
    let mut found: Vec<(String, String)> = key
        .variables()
        .into_iter()
        .filter_map(|name| {
            let value = environment.get(&name)?.to_owned();
            Some((name, value))
        })
        .collect();
    if let [(short, a), (long, b)] = found.as_slice()
        && a != b
    {
        errors.push(Problem::Contradiction {
            place: Place::Variable(short.clone()),
            what: format!("{short} and {long} are set differently"),
            mend: "unset one of them".to_owned(),
        });
    }
    if found.is_empty() {
        None
    } else {
        Some(found.swap_remove(0))
    }
}

fn judge_built(setting: &Setting, errors: &mut Vec<Problem>, warnings: &mut Vec<Problem>) {
    if !setting.is_set() {
        return;
    }
    let key = setting.key.name.to_owned();
    match setting.key.built {
        Built::Yes => {}
        Built::Off if setting.value == "off" => {}
        Built::Off => warnings.push(Problem::WithoutEffect {
            key,
            place: setting.place(),
            what: "this listener is not built yet and stays off".to_owned(),
        }),
        Built::Ignored(what) => warnings.push(Problem::WithoutEffect {
            key,
            place: setting.place(),
            what: what.to_owned(),
        }),
        Built::Refused(what) => errors.push(Problem::NotBuilt {
            key,
            place: setting.place(),
            what: what.to_owned(),
            mend: "take it out".to_owned(),
        }),
    }
}

fn unknown_key(name: &str, place: &Place) -> Problem {
    let below = format!("{name}.");
    if KEYS.iter().any(|key| key.name.starts_with(&below)) {
        return Problem::InvalidValue {
            key: name.to_owned(),
            place: place.clone(),
            what: "this is a block, not a value".to_owned(),
            mend: Some(format!("write {name} {{ ... }}")),
        };
    }
    Problem::UnknownKey {
        key: name.to_owned(),
        place: place.clone(),
        nearest: nearest(name, KEYS.iter().map(|key| key.name)).map(str::to_owned),
    }
}

fn unknown_variable(name: &str) -> Option<Problem> {
    if !name.starts_with("PENSTOCK_") {
        return None;
    }
    let mut known: Vec<String> = KEYS.iter().flat_map(Key::variables).collect();
    known.extend(OTHER_VARIABLES.iter().map(|(other, _)| (*other).to_owned()));
    let in_block = KEYS
        .iter()
        .any(|key| key.shape == Shape::Block && name.starts_with(&format!("{}__", key.variable())));
    if in_block || known.iter().any(|variable| variable == name) {
        return None;
    }
    Some(Problem::UnknownKey {
        key: name.to_owned(),
        place: Place::Variable(name.to_owned()),
        nearest: nearest(name, known.iter().map(String::as_str)).map(str::to_owned),
    })
}
