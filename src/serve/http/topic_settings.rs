//! The settings of a topic under Kafka's names, as JSON carries them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::error::Problem;
use crate::log::{Cleanup, TopicConfig};

/// The settings there are.
const NAMES: [&str; 5] = [
    "cleanup.policy",
    "max.message.bytes",
    "retention.bytes",
    "retention.ms",
    "segment.bytes",
];

/// `-1` where nothing limits.
pub(super) fn to_json(config: &TopicConfig) -> BTreeMap<&'static str, Value> {
    let cleanup = match config.cleanup {
        Cleanup::Delete => "delete",
        Cleanup::Compact => "compact",
        Cleanup::CompactDelete => "compact,delete",
    };
    BTreeMap::from([
        ("cleanup.policy", cleanup.into()),
        ("max.message.bytes", config.max_message_bytes.into()),
        (
            "retention.bytes",
            config.retention_bytes.unwrap_or(-1).into(),
        ),
        ("retention.ms", config.retention_ms.unwrap_or(-1).into()),
        ("segment.bytes", config.segment_bytes.into()),
    ])
}

/// Lays `settings` over `config`; values are JSON numbers or texts.
pub(super) fn apply(
    config: &mut TopicConfig,
    settings: &BTreeMap<String, Value>,
) -> Result<(), Problem> {
    for (name, value) in settings {
        let invalid = |wanted: &str| {
            let given: String = value.to_string().chars().take(80).collect();
            Problem::invalid(
                format!("set {name} to {given}"),
                format!("{name} takes {wanted}"),
            )
        };
        match name.as_str() {
            "cleanup.policy" => {
                config.cleanup = match value.as_str() {
                    Some("delete") => Cleanup::Delete,
                    Some("compact") => Cleanup::Compact,
                    Some("compact,delete" | "delete,compact") => Cleanup::CompactDelete,
                    Some(_) | None => return Err(invalid("delete, compact, or compact,delete")),
                }
            }
            "retention.ms" => {
                let wanted = "milliseconds, or -1 to keep for ever";
                config.retention_ms = limit(value).ok_or_else(|| invalid(wanted))?;
            }
            "retention.bytes" => {
                let wanted = "bytes of a partition, or -1 for no limit";
                config.retention_bytes = limit(value).ok_or_else(|| invalid(wanted))?;
            }
            "segment.bytes" => {
                config.segment_bytes = bytes(value).ok_or_else(|| invalid("a number of bytes"))?;
            }
            "max.message.bytes" => {
                config.max_message_bytes =
                    bytes(value).ok_or_else(|| invalid("a number of bytes"))?;
            }
            unknown => return Err(unknown_setting(unknown)),
        }
    }
    Ok(())
}

fn unknown_setting(name: &str) -> Problem {
    let name: String = name.chars().take(80).collect();
    let near = NAMES
        .iter()
        .max_by(|a, b| strsim::jaro(a, &name).total_cmp(&strsim::jaro(b, &name)))
        .filter(|near| strsim::jaro(near, &name) > 0.8);
    let mend = match near {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("use one of {}", NAMES.join(", ")),
    };
    Problem::invalid(
        format!("set \"{name}\", which is no setting of a topic"),
        mend,
    )
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A limit; `Some(None)` is no limit.
fn limit(value: &Value) -> Option<Option<i64>> {
    match number(value)? {
        -1 => Some(None),
        set if set >= 0 => Some(Some(set)),
        _ => None,
    }
}

fn bytes(value: &Value) -> Option<u32> {
    number(value)?
        .try_into()
        .ok()
        .filter(|bytes: &u32| *bytes > 0 && i32::try_from(*bytes).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> TopicConfig {
        TopicConfig {
            retention_ms: Some(1),
            retention_bytes: None,
            segment_bytes: 1024,
            cleanup: Cleanup::Delete,
            max_message_bytes: 512,
        }
    }

    fn applied(json: &str) -> Result<TopicConfig, Problem> {
        let mut config = config();
        apply(&mut config, &serde_json::from_str(json).unwrap())?;
        Ok(config)
    }

    #[test]
    fn settings_are_numbers_or_texts() {
        let json = r#"{"retention.ms":"-1","retention.bytes":1000,"cleanup.policy":"compact"}"#;
        let found = applied(json).unwrap();
        assert_eq!(found.retention_ms, None);
        assert_eq!(found.retention_bytes, Some(1000));
        assert_eq!(found.cleanup, Cleanup::Compact);
        let shown = serde_json::to_value(to_json(&found)).unwrap();
        assert_eq!(shown["retention.ms"], -1);
        assert_eq!(shown["cleanup.policy"], "compact");
    }

    #[test]
    fn other_settings_and_values_are_refused() {
        for json in [
            r#"{"retention.ms":-2}"#,
            r#"{"retention.ms":"soon"}"#,
            r#"{"retention.ms":1e30}"#,
            r#"{"segment.bytes":0}"#,
            r#"{"segment.bytes":4294967296}"#,
            r#"{"cleanup.policy":"both"}"#,
            r#"{"cleanup.policy":null}"#,
            r#"{"retention":1}"#,
        ] {
            assert!(applied(json).is_err(), "{json}");
        }
    }
}
