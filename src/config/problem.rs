//! What is wrong with a setting: what, where, and how to mend it. The same type serves errors and
//! warnings; where it is listed decides which it is.

use std::fmt;
use std::path::PathBuf;

use super::suggest::nearest;
use crate::error::{
    CONFIG_CONTRADICTION, CONFIG_INVALID_VALUE, CONFIG_NOT_BUILT, CONFIG_PLACEHOLDER,
    CONFIG_UNKNOWN_KEY, CONFIG_UNREADABLE, Code, Explain, Kind,
};

/// Where a setting stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A flag of the command line, such as `--http-listen`.
    Flag(String),
    /// An environment variable.
    Variable(String),
    /// A file, with the line (from 1) where it is known.
    File { path: PathBuf, line: Option<usize> },
    /// A value in a file, with line and column from 1.
    Spot {
        path: PathBuf,
        line: u64,
        column: u64,
    },
    /// Nowhere: the value is the default.
    Default,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Flag(name) => write!(f, "flag {name}"),
            Place::Variable(name) => f.write_str(name),
            Place::File { path, line: None } => write!(f, "{}", path.display()),
            Place::File {
                path,
                line: Some(line),
            } => write!(f, "{}:{line}", path.display()),
            Place::Spot { path, line, column } => {
                write!(f, "{}:{line}:{column}", path.display())
            }
            Place::Default => f.write_str("default"),
        }
    }
}

/// One thing that is wrong. `Display` says what and where, [`Explain::mend`] what to do.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// Nothing has this name.
    #[error("use \"{key}\" ({place}), which is not known")]
    UnknownKey {
        key: String,
        place: Place,
        /// The known name that is closest, where one is close enough.
        nearest: Option<String>,
    },
    /// Nothing of this map has this name.
    #[error("use \"{key}\" ({place}), which {inside} does not have")]
    StrayKey {
        key: String,
        place: Place,
        /// What was being described, such as "a topic".
        inside: &'static str,
        known: &'static [&'static str],
    },
    /// The value does not fit the key.
    #[error("read {key} ({place}): {what}")]
    InvalidValue {
        key: String,
        place: Place,
        what: String,
        mend: Option<String>,
    },
    /// Two settings exclude each other.
    #[error("combine settings ({place}): {what}")]
    Contradiction {
        place: Place,
        what: String,
        mend: String,
    },
    /// The file cannot be read.
    #[error("read the file \"{}\"", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        cause: std::io::Error,
    },
    /// The file is not in its format.
    #[error("parse {place}: {what}")]
    Unparsable { place: Place, what: String },
    /// The setting is known, but what it asks for is not built.
    #[error("use {key} ({place}): {what}")]
    NotBuilt {
        key: String,
        place: Place,
        what: String,
        mend: String,
    },
    /// A reference to a variable or secret file leads nowhere.
    #[error("resolve {placeholder} in {key} ({place}): {what}")]
    Placeholder {
        key: String,
        place: Place,
        placeholder: String,
        what: String,
        mend: String,
    },
    /// An address is accepted, but what goes there can be read and changed on the way.
    #[error("protect {key} ({place}): {what}")]
    Unencrypted {
        key: String,
        place: Place,
        what: String,
    },
    /// Something is accepted but has no effect, or another one than it may seem.
    #[error("give {key} ({place}) an effect: {what}")]
    WithoutEffect {
        key: String,
        place: Place,
        what: String,
    },
}

impl Explain for Problem {
    fn code(&self) -> Code {
        match self {
            Problem::UnknownKey { .. } | Problem::StrayKey { .. } => CONFIG_UNKNOWN_KEY,
            Problem::InvalidValue { .. } | Problem::Unencrypted { .. } => CONFIG_INVALID_VALUE,
            Problem::Contradiction { .. } => CONFIG_CONTRADICTION,
            Problem::Unreadable { .. } | Problem::Unparsable { .. } => CONFIG_UNREADABLE,
            Problem::NotBuilt { .. } | Problem::WithoutEffect { .. } => CONFIG_NOT_BUILT,
            Problem::Placeholder { .. } => CONFIG_PLACEHOLDER,
        }
    }

    fn kind(&self) -> Kind {
        Kind::Definite
    }

    fn mend(&self) -> Option<String> {
        match self {
            Problem::UnknownKey { nearest, .. } => Some(match nearest {
                Some(name) => format!("did you mean \"{name}\"?"),
                None => "take it out; `penstock check` lists the known ones".to_owned(),
            }),
            Problem::StrayKey { key, known, .. } => {
                Some(match nearest(key, known.iter().copied()) {
                    Some(name) => format!("did you mean \"{name}\"?"),
                    None => format!("take it out; there are {}", known.join(", ")),
                })
            }
            Problem::InvalidValue { mend, .. } => mend.clone(),
            Problem::Contradiction { mend, .. }
            | Problem::NotBuilt { mend, .. }
            | Problem::Placeholder { mend, .. } => Some(mend.clone()),
            Problem::Unencrypted { .. } => {
                Some("use https:// unless both run on one machine or private network".to_owned())
            }
            Problem::Unreadable { .. } => Some("check that it exists and is readable".to_owned()),
            Problem::Unparsable { .. } | Problem::WithoutEffect { .. } => None,
        }
    }
}

impl Problem {
    /// One line for people: code, what, why, and how to mend it.
    #[must_use]
    pub fn line(&self) -> String {
        let text = format!("{}: failed to {}", self.code(), crate::error::chain(self));
        match self.mend() {
            Some(mend) => format!("{text}; {mend}"),
            None => text,
        }
    }
}

/// Everything that is wrong, at once.
#[derive(Debug, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("use the configuration")?;
        for problem in &self.0 {
            write!(f, "\n  {}", problem.line())?;
        }
        Ok(())
    }
}

impl Explain for Problems {
    fn code(&self) -> Code {
        self.0.first().map_or(CONFIG_INVALID_VALUE, Explain::code)
    }

    fn kind(&self) -> Kind {
        Kind::Definite
    }
}
