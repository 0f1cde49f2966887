//! The settings of topics as Kafka spells them.

use crate::log::{Cleanup, TopicConfig};

/// The types of settings in DescribeConfigs.
pub(super) const TYPE_BOOLEAN: i8 = 1;
pub(super) const TYPE_STRING: i8 = 2;
pub(super) const TYPE_INT: i8 = 3;
pub(super) const TYPE_LONG: i8 = 5;
pub(super) const TYPE_LIST: i8 = 7;

/// One setting with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) kind: i8,
}

/// Bounds of `segment.bytes`: below, a segment holds next to nothing; above, Kafka's index
/// positions overflow.
const SEGMENT_BYTES: (i64, i64) = (14, 1 << 30);
/// Bounds of `max.message.bytes`: a frame has to hold the batch.
const MESSAGE_BYTES: (i64, i64) = (61, 16 << 20);

/// All settings of a topic.
pub(super) fn settings(config: &TopicConfig) -> Vec<Setting> {
    let setting = |name, value: String, kind| Setting { name, value, kind };
    let cleanup = match config.cleanup {
        Cleanup::Delete => "delete",
        Cleanup::Compact => "compact",
        Cleanup::CompactDelete => "compact,delete",
    };
    let or_none = |value: Option<i64>| value.unwrap_or(-1).to_string();
    vec![
        setting("cleanup.policy", cleanup.to_owned(), TYPE_LIST),
        setting("compression.type", "producer".to_owned(), TYPE_STRING),
        setting(
            "max.message.bytes",
            config.max_message_bytes.to_string(),
            TYPE_INT,
        ),
        setting(
            "message.timestamp.type",
            "CreateTime".to_owned(),
            TYPE_STRING,
        ),
        setting("min.insync.replicas", "1".to_owned(), TYPE_INT),
        setting(
            "retention.bytes",
            or_none(config.retention_bytes),
            TYPE_LONG,
        ),
        setting("retention.ms", or_none(config.retention_ms), TYPE_LONG),
        setting("segment.bytes", config.segment_bytes.to_string(), TYPE_INT),
    ]
}

/// Sets one setting; the error says what is wrong with it. Settings that cannot be changed are
/// taken with the value they have.
pub(super) fn set(config: &mut TopicConfig, name: &str, value: &str) -> Result<(), String> {
    match name {
        "retention.ms" => config.retention_ms = limit(name, value)?,
        "retention.bytes" => config.retention_bytes = limit(name, value)?,
        "segment.bytes" => config.segment_bytes = bounded(name, value, SEGMENT_BYTES)?,
        "max.message.bytes" => config.max_message_bytes = bounded(name, value, MESSAGE_BYTES)?,
        "cleanup.policy" => {
            config.cleanup = match value {
                "delete" => Cleanup::Delete,
                "compact" => Cleanup::Compact,
                "compact,delete" | "delete,compact" => Cleanup::CompactDelete,
                _ => {
                    return Err(format!(
                        "{name} is \"delete\", \"compact\" or \"compact,delete\", not \"{value}\""
                    ));
                }
            };
        }
        _ => {
            let known = settings(config)
                .into_iter()
                .find(|setting| setting.name == name);
            match known {
                Some(setting) if setting.value == value => {}
                Some(setting) => {
                    return Err(format!("{name} is always \"{}\" here", setting.value));
                }
                None => return Err(format!("the setting \"{name}\" is not known")),
            }
        }
    }
    Ok(())
}

fn number(name: &str, value: &str) -> Result<i64, String> {
    let parsed = value.trim().parse();
    parsed.map_err(|_| format!("{name} is a number, not \"{value}\""))
}

/// -1 is no limit.
fn limit(name: &str, value: &str) -> Result<Option<i64>, String> {
    match number(name, value)? {
        -1 => Ok(None),
        given if given < -1 => Err(format!("{name} is -1 (no limit) or more, not {given}")),
        given => Ok(Some(given)),
    }
}

fn bounded(name: &str, value: &str, (min, max): (i64, i64)) -> Result<u32, String> {
    let given = number(name, value)?;
    if !(min..=max).contains(&given) {
        return Err(format!("{name} is {min} to {max}, not {given}"));
    }
    u32::try_from(given).map_err(|_| format!("{name} is out of range"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> TopicConfig {
        TopicConfig {
            retention_ms: Some(1),
            retention_bytes: None,
            segment_bytes: 1 << 30,
            cleanup: Cleanup::Delete,
            max_message_bytes: 1 << 20,
        }
    }

    #[test]
    fn every_setting_that_is_shown_can_be_given_back() {
        let mut config = config();
        for setting in settings(&config.clone()) {
            set(&mut config, setting.name, &setting.value).unwrap();
        }
        assert_eq!(config, self::config());
    }

    #[test]
    fn values_are_taken_over() {
        let mut config = config();
        set(&mut config, "retention.ms", "-1").unwrap();
        set(&mut config, "retention.bytes", "1000").unwrap();
        set(&mut config, "cleanup.policy", "compact").unwrap();
        set(&mut config, "segment.bytes", "1048576").unwrap();
        set(&mut config, "max.message.bytes", "1000").unwrap();
        assert_eq!(config.retention_ms, None);
        assert_eq!(config.retention_bytes, Some(1000));
        assert_eq!(config.cleanup, Cleanup::Compact);
        assert_eq!(
            (config.segment_bytes, config.max_message_bytes),
            (1 << 20, 1000)
        );
    }

    #[test]
    fn nonsense_is_refused_and_changes_nothing() {
        let mut config = config();
        for (name, value) in [
            ("retention.ms", "-2"),
            ("retention.ms", "soon"),
            ("retention.ms", "99999999999999999999"),
            ("segment.bytes", "0"),
            ("segment.bytes", "2147483647"),
            ("max.message.bytes", "-1"),
            ("cleanup.policy", "both"),
            ("compression.type", "zstd"),
            ("no.such.setting", "1"),
        ] {
            assert!(set(&mut config, name, value).is_err(), "{name}={value}");
        }
        assert_eq!(config, self::config());
    }
}
