//! Connector files as a user of Debezium writes them.

use serde_json::{Value, json};

use super::Postgres;

/// A connector of database `database`: name, slot and publication are `name`, topics begin with
/// `app`, values have no schemas. `more` adds or replaces keys; null removes one.
pub(crate) fn connector(postgres: &Postgres, database: &str, name: &str, more: &Value) -> Value {
    let mut config = json!({
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "database.hostname": "127.0.0.1",
        "database.port": postgres.port().to_string(),
        "database.user": "postgres",
        "database.password": "postgres",
        "database.dbname": database,
        "topic.prefix": "app",
        "plugin.name": "pgoutput",
        "slot.name": name,
        "publication.name": name,
        "publication.autocreate.mode": "filtered",
        "key.converter": "org.apache.kafka.connect.json.JsonConverter",
        "key.converter.schemas.enable": "false",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "false",
    });
    let map = config.as_object_mut().unwrap();
    for (key, value) in more.as_object().into_iter().flatten() {
        if value.is_null() {
            map.remove(key);
        } else {
            map.insert(key.clone(), value.clone());
        }
    }
    json!({"name": name, "config": config})
}
