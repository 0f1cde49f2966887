//! Lifecycle events: an integration was installed, uninstalled or updated. Their JSON Schema is
//! part of the binary and published.

use serde_json::Value;

use crate::config::topics::Schema;

/// The schema as it is published.
pub const LIFECYCLE_SCHEMA: &str = include_str!("../../topics/lifecycle.schema.json");

/// The schema, compiled.
pub(super) fn schema() -> Schema {
    let source: Value =
        serde_json::from_str(LIFECYCLE_SCHEMA).expect("the embedded schema is JSON");
    Schema::compile(source).expect("the embedded schema is a schema")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_examples_of_the_schema_fit_it() {
        let schema = schema();
        let examples = schema.source()["examples"].as_array().unwrap().clone();
        assert!(examples.len() >= 3);
        for example in examples {
            assert_eq!(schema.misfits(&example), [], "{example}");
        }
    }

    #[test]
    fn events_that_lack_something_do_not_fit() {
        let schema = schema();
        let whole = json!({
            "type": "integration.installed", "id": "1", "integration": "acme",
            "time": "2026-01-02T03:04:05Z",
        });
        assert_eq!(schema.misfits(&whole), []);
        for name in ["type", "id", "integration", "time"] {
            let mut event = whole.clone();
            event.as_object_mut().unwrap().remove(name);
            assert!(!schema.misfits(&event).is_empty(), "{name}");
        }
        for (name, value) in [
            ("type", json!("integration.broken")),
            ("integration", json!("ACME")),
            ("integration", json!("lifecycle")),
            ("time", json!("yesterday")),
            ("id", json!("")),
            ("data", json!([])),
            ("specversion", json!("1.0")),
        ] {
            let mut event = whole.clone();
            event[name] = value;
            assert!(!schema.misfits(&event).is_empty(), "{name}");
        }
    }
}
