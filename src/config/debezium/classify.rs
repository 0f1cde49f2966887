//! Decides for each key of a connector file how it is treated.

use std::sync::LazyLock;

use super::{
    FIELD_NAME_ADJUSTMENT, FRAMEWORK, NOT_BUILT_BELOW, RENAMED, SAME_AS_DEFAULT,
    SANITIZE_FIELD_NAMES, SECRET_WORDS, SKIPPED_OPERATIONS, SNAPSHOT_MODE, SNAPSHOT_MODES_1X,
    TRUNCATE_HANDLING, USED, WITHOUT_MEANING,
};
use crate::config::suggest::nearest;

/// What becomes of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// Its value has an effect.
    Used,
    /// It is a name of Debezium 1.x; the note says what it is read as.
    Translated,
    /// It is at its default or has no meaning here.
    Ignored,
    /// It is known and asks for something that is not built.
    NotBuilt,
    /// Nothing has this name.
    Unknown,
}

/// One key of a file, for `check`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyReport {
    /// As it stands in the file.
    pub key: String,
    pub treatment: Treatment,
    /// Why, or what it is read as; empty for a used key.
    pub note: String,
}

/// A property of Debezium 3.6.3.
#[derive(Debug)]
struct Property {
    name: &'static str,
    /// Empty where there is none.
    default: &'static str,
    /// Legal values; empty where any is.
    allowed: Vec<&'static str>,
}

static PROPERTIES: LazyLock<Vec<Property>> = LazyLock::new(|| {
    include_str!("../debezium-properties.tsv")
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut columns = line.split('\t').skip(1);
            let name = columns.next()?;
            let default = columns.nth(1)?;
            let allowed = columns.nth(1)?;
            Some(Property {
                name,
                default: bare(default),
                allowed: bare(allowed)
                    .split(", ")
                    .filter(|value| !value.is_empty())
                    .collect(),
            })
        })
        .collect()
});

/// Takes away how Java prints lists and classes.
fn bare(text: &'static str) -> &'static str {
    let text = text.strip_prefix("class ").unwrap_or(text);
    text.strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text)
}

/// How a key with this value is treated, and why.
pub(super) fn classify(key: &str, value: &str) -> (Treatment, String) {
    if key.starts_with('_') {
        return (Treatment::Ignored, "a comment".to_owned());
    }
    if USED.contains(&key) {
        return (Treatment::Used, String::new());
    }
    if let Some((_, why)) = WITHOUT_MEANING.iter().find(|(name, _)| covers(name, key)) {
        return (Treatment::Ignored, (*why).to_owned());
    }
    if value.trim().is_empty() && is_known(key) {
        return (Treatment::Ignored, "empty".to_owned());
    }
    if let Some(default) = default_of(key) {
        return against_default(key, value, default);
    }
    if NOT_BUILT_BELOW.iter().any(|name| covers(name, key)) {
        return (Treatment::NotBuilt, "not built yet".to_owned());
    }
    let note = match nearest(key, known_names()) {
        Some(name) => format!("did you mean \"{name}\"?"),
        None => "not a key of the PostgreSQL connector".to_owned(),
    };
    (Treatment::Unknown, note)
}

fn against_default(key: &str, value: &str, default: &str) -> (Treatment, String) {
    let value = value.trim();
    let same = value.eq_ignore_ascii_case(default)
        || SAME_AS_DEFAULT
            .iter()
            .any(|(name, other)| *name == key && value.eq_ignore_ascii_case(other));
    if same {
        return (Treatment::Ignored, "at its default".to_owned());
    }
    let allowed = PROPERTIES
        .iter()
        .find(|property| property.name == key)
        .map(|property| property.allowed.as_slice())
        .unwrap_or_default();
    let legal = allowed.is_empty() || allowed.iter().any(|a| a.eq_ignore_ascii_case(value));
    let note = match (legal, default) {
        (false, _) => format!("not a legal value ({})", allowed.join(", ")),
        (true, "") => "not built yet".to_owned(),
        (true, default) => format!("not built yet; only the default, {default}, is"),
    };
    (Treatment::NotBuilt, note)
}

/// What a 1.x name and its value are called today, and how to say so.
pub(super) fn translate(key: &str, value: &str) -> Option<(&'static str, String)> {
    if let Some((_, new)) = RENAMED.iter().find(|(old, _)| *old == key) {
        return Some((new, value.to_owned()));
    }
    let on = value.trim().eq_ignore_ascii_case("true");
    match key {
        SANITIZE_FIELD_NAMES => {
            let mode = if on { "avro" } else { "none" };
            Some((FIELD_NAME_ADJUSTMENT, mode.to_owned()))
        }
        TRUNCATE_HANDLING => {
            let include = value.trim().eq_ignore_ascii_case("include");
            let skipped = if include { "none" } else { "t" };
            Some((SKIPPED_OPERATIONS, skipped.to_owned()))
        }
        _ => None,
    }
}

/// What a value means in a file of Debezium 1.x.
pub(super) fn value_of_1x(key: &str, value: &str) -> Option<&'static str> {
    if key != SNAPSHOT_MODE {
        return None;
    }
    SNAPSHOT_MODES_1X
        .iter()
        .find(|(old, _)| value.trim().eq_ignore_ascii_case(old))
        .map(|(_, new)| *new)
}

/// Whether the value of `key` must never be shown.
pub(super) fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| key.contains(word))
}

/// An exact name, or a beginning that ends in a dot.
fn covers(name: &str, key: &str) -> bool {
    name == key || (name.ends_with('.') && key.starts_with(name))
}

fn default_of(key: &str) -> Option<&'static str> {
    let framework = FRAMEWORK.iter().find(|(name, _)| *name == key);
    framework.map(|(_, default)| *default).or_else(|| {
        PROPERTIES
            .iter()
            .find(|property| property.name == key)
            .map(|property| property.default)
    })
}

fn is_known(key: &str) -> bool {
    default_of(key).is_some() || NOT_BUILT_BELOW.iter().any(|name| covers(name, key))
}

fn known_names() -> impl Iterator<Item = &'static str> {
    let others = WITHOUT_MEANING.iter().map(|(name, _)| *name);
    let old = RENAMED.iter().map(|(name, _)| *name);
    PROPERTIES
        .iter()
        .map(|property| property.name)
        .chain(USED.iter().copied())
        .chain(FRAMEWORK.iter().map(|(name, _)| *name))
        .chain(others.filter(|name| !name.ends_with('.')))
        .chain(old)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn treatment(key: &str, value: &str) -> Treatment {
        classify(key, value).0
    }

    #[test]
    fn the_list_of_properties_is_read_whole() {
        assert_eq!(PROPERTIES.len(), 185);
        assert_eq!(default_of("skipped.operations"), Some("t"));
        assert_eq!(default_of("decimal.handling.mode"), Some("precise"));
    }

    #[test]
    fn each_kind_of_key_gets_its_treatment() {
        use Treatment::{Ignored, NotBuilt, Unknown, Used};
        for (key, value, want) in [
            ("database.hostname", "h", Used),
            ("value.converter.schemas.enable", "false", Used),
            ("tasks.max", "4", Ignored),
            ("offset.storage.file.filename", "/x", Ignored),
            ("decimal.handling.mode", "precise", Ignored),
            ("decimal.handling.mode", "Precise", Ignored),
            ("decimal.handling.mode", "double", NotBuilt),
            ("decimal.handling.mode", "", Ignored),
            ("heartbeat.interval.ms", "0", Ignored),
            ("heartbeat.interval.ms", "1000", NotBuilt),
            ("signal.data.collection", "public.signals", NotBuilt),
            ("signal.enabled.channels", "source", Ignored),
            ("transforms", "unwrap", NotBuilt),
            ("transforms.unwrap.type", "x", Ignored),
            (
                "column.mask.hash.SHA-256.with.salt.abc",
                "public.t.c",
                NotBuilt,
            ),
            ("column.truncate.to.3.chars", "public.t.c", NotBuilt),
            ("errors.tolerance", "all", Used),
            ("event.processing.failure.handling.mode", "skip", Used),
            ("event.converting.failure.handling.mode", "fail", Used),
            ("errors.log.enable", "true", Ignored),
            ("topic.creation.default.replication.factor", "3", Ignored),
            ("topic.creation.default.partitions", "6", NotBuilt),
            (
                "topic.naming.strategy",
                "io.debezium.schema.SchemaTopicNamingStrategy",
                Ignored,
            ),
            ("_comment", "x", Ignored),
            ("tombstone.on.delete", "true", Unknown),
        ] {
            assert_eq!(treatment(key, value), want, "{key}={value}");
        }
    }

    #[test]
    fn an_unknown_key_is_suggested_and_an_illegal_value_told() {
        let (_, note) = classify("tombstone.on.delete", "x");
        assert_eq!(note, "did you mean \"tombstones.on.delete\"?");
        let (_, note) = classify("decimal.handling.mode", "dubble");
        assert!(note.starts_with("not a legal value"), "{note}");
    }

    #[test]
    fn names_of_1x_are_translated() {
        let translated = |key, value| translate(key, value).unwrap();
        assert_eq!(
            translated("database.server.name", "a"),
            ("topic.prefix", "a".to_owned())
        );
        assert_eq!(
            translated("truncate.handling.mode", "include"),
            ("skipped.operations", "none".to_owned())
        );
        assert!(translate("topic.prefix", "a").is_none());
        assert_eq!(value_of_1x("snapshot.mode", "NEVER"), Some("no_data"));
    }

    #[test]
    fn every_new_name_is_known() {
        for (old, new) in RENAMED {
            assert_ne!(treatment(new, "x"), Treatment::Unknown, "{old}");
        }
    }
}
