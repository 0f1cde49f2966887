//! Claims about reading connector files.

use super::*;
use crate::config::connector::{
    AutocreateMode, DecimalFormat, Failures, JsonSettings, OnFailure, OnSlotLoss,
    SkippedOperations, SnapshotMode, SslMode,
};

const LEAST: &str =
    r#""database.hostname":"h","database.user":"u","database.dbname":"d","topic.prefix":"p""#;

fn read(text: &str) -> FileReport {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.json");
    std::fs::write(&path, text).unwrap();
    let environment: Environment = [("DB", "dbhost"), ("PW", "hunter2")].into_iter().collect();
    read_file(&path, &environment, &[])
}

fn with(more: &str) -> FileReport {
    read(&format!("{{{LEAST}{more}}}"))
}

fn run(report: FileReport) -> ConnectorConfig {
    match report.outcome {
        Outcome::Run(connector) => *connector,
        other => panic!("{other:?}"),
    }
}

fn failed(report: FileReport) -> String {
    match report.outcome {
        Outcome::Failed(problem) => problem.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_least_file_gets_the_defaults_of_debezium_and_connect() {
    let connector = run(with(""));
    assert_eq!(connector.name, "shop");
    assert_eq!(connector.slot_name, "debezium");
    assert_eq!(connector.publication_name, "dbz_publication");
    assert_eq!(
        connector.publication_autocreate_mode,
        AutocreateMode::AllTables
    );
    assert_eq!(connector.snapshot_mode, SnapshotMode::Initial);
    assert_eq!(connector.database.port, 5432);
    assert_eq!(connector.database.sslmode, SslMode::Prefer);
    assert_eq!(connector.key_converter, JsonSettings::default());
    assert!(connector.value_converter.schemas && connector.tombstones_on_delete);
    assert_eq!(connector.skipped_operations, SkippedOperations::default());
    assert!(connector.skipped_operations.truncate);
    assert_eq!(connector.on_slot_loss, OnSlotLoss::Stop);
    assert_eq!(connector.failures, Failures::default());
    assert_eq!(connector.failures.unconvertible, OnFailure::Stop);
    assert!(connector.tables.captures("any", "table"));
    assert!(connector.warnings.is_empty());
}

#[test]
fn a_file_asks_for_dead_letters_in_the_words_of_connect_or_debezium() {
    let connector = run(with(r#","errors.tolerance":"ALL""#));
    assert_eq!(connector.failures, Failures::DEAD_LETTERS);
    let connector = run(with(
        r#","event.processing.failure.handling.mode":"ignore""#,
    ));
    assert_eq!(connector.failures.unconvertible, OnFailure::QuietDeadLetter);
    let text = failed(with(r#","errors.tolerance":"some""#));
    assert!(text.contains("errors.tolerance"), "{text}");
}

#[test]
fn the_wrapper_names_the_connector_and_json_types_are_taken() {
    let connector = run(read(&format!(
        r#"{{"name":"inventory","config":{{{LEAST},"database.port":6000,"tombstones.on.delete":false,
        "tasks.max":"1","key.converter":"org.apache.kafka.connect.json.JsonConverter",
        "value.converter":"org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable":"false","value.converter.decimal.format":"NUMERIC",
        "key.converter.replace.null.with.default":false,"skipped.operations":"c, t",
        "database.sslmode":"verify-ca","database.tcpKeepAlive":null}}}}"#
    )));
    assert_eq!(connector.name, "inventory");
    assert_eq!(connector.database.port, 6000);
    assert!(!connector.tombstones_on_delete && !connector.value_converter.schemas);
    assert_eq!(
        connector.value_converter.decimal_format,
        DecimalFormat::Numeric
    );
    assert!(!connector.key_converter.replace_null_with_default);
    assert!(connector.skipped_operations.create && connector.skipped_operations.truncate);
    assert_eq!(connector.database.sslmode, SslMode::VerifyCa);
}

#[test]
fn placeholders_are_resolved_and_never_shown() {
    let connector = run(read(
        r#"{"database.hostname":"${env:DB}","database.user":"u","database.password":"${env:PW}",
        "database.dbname":"d","topic.prefix":"p","database.port":"${env:NO_PORT}"}"#,
    ));
    assert_eq!(connector.database.host, "dbhost");
    assert_eq!(connector.database.password.expose(), "hunter2");
    assert_eq!(connector.database.port, 5432);
    assert!(!format!("{connector:?}").contains("hunter2"));
    let text = failed(with(
        r#","database.sslpassword":"geheim","decimal.handling.mode":"${env:PW}""#,
    ));
    assert!(
        !text.contains("geheim") && !text.contains("hunter2"),
        "{text}"
    );
}

#[test]
fn names_and_values_of_1x_are_translated() {
    let report = read(
        r#"{"database.hostname":"h","database.user":"u","database.dbname":"d",
        "database.server.name":"old","table.whitelist":"public.a","snapshot.mode":"never"}"#,
    );
    let translated: Vec<&str> = report
        .keys
        .iter()
        .filter(|key| key.treatment == Treatment::Translated)
        .map(|key| key.note.as_str())
        .collect();
    assert_eq!(
        translated,
        [
            "read as topic.prefix",
            "read as snapshot.mode=no_data",
            "read as table.include.list"
        ]
    );
    let connector = run(report);
    assert_eq!(connector.topic_prefix, "old");
    assert_eq!(connector.snapshot_mode, SnapshotMode::NoData);
    assert!(!connector.tables.captures("public", "b"));
}

#[test]
fn a_file_of_today_may_not_say_never() {
    let text = failed(with(r#","snapshot.mode":"never""#));
    assert!(text.contains("write no_data"), "{text}");
}

#[test]
fn what_is_not_built_fails_the_connector_and_names_every_key_with_its_line() {
    let text = failed(read(&format!(
        "{{{LEAST},\n\"transforms\":\"unwrap\",\n\"transforms.unwrap.type\":\"x\",\n\
         \"heartbeat.interval.ms\":\"500\",\n\"snapshot.mode\":\"always\",\n\
         \"value.converter\":\"io.confluent.connect.avro.AvroConverter\"}}"
    )));
    for part in [
        "transforms (",
        "shop.json:2",
        "heartbeat.interval.ms",
        "shop.json:4",
        "snapshot.mode",
        "AvroConverter",
        "PEN-CONFIG-005",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("transforms.unwrap.type"), "{text}");
}

#[test]
fn illegal_values_fail_the_connector_with_all_reasons() {
    for (more, part) in [
        (
            r#","table.include.list":"a","table.exclude.list":"b""#,
            "both set",
        ),
        (r#","skipped.operations":"m""#, "no operation"),
        (r#","skipped.operations":"none,c""#, "beside"),
        (r#","plugin.name":"wal2json""#, "built in"),
        (
            r#","connector.class":"io.debezium.connector.mysql.MySqlConnector""#,
            "one source",
        ),
        (r#","slot.name":"Bad-Slot""#, "name of a slot"),
        (r#","database.port":"x""#, "no port"),
        (r#","snapshot.mode":"sometimes""#, "legal value"),
        (r#","publication.autocreate.mode":"some""#, "legal value"),
        (r#","tombstones.on.delete":"maybe""#, "neither"),
        (r#","table.include.list":"(""#, "regular expression"),
        (r#","table.include.list":["a"]"#, "one text with commas"),
        (
            r#","database.password":"${file:/etc/passwd:x}""#,
            "PENSTOCK_SECRETS_DIRS",
        ),
        (r#","database.sslcert":"/c""#, "sslkey is not"),
        (r#","database.server.name":"other""#, "set differently"),
    ] {
        let text = failed(with(more));
        assert!(text.contains(part), "{part} in {text}");
    }
    let text = failed(read(r#"{"database.hostname":"h","topic.prefix":"a b"}"#));
    for part in ["database.user", "database.dbname", "topic.prefix"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(failed(read("[]")).contains("not a JSON object"));
    assert!(failed(read("{\n\"a\":")).contains("shop.json:2"));
}

#[test]
fn an_unknown_key_is_a_warning_with_a_suggestion() {
    let connector = run(with(r#","tombstone.on.delete":"false""#));
    assert!(connector.tombstones_on_delete);
    assert!(connector.warnings[0].contains("did you mean \"tombstones.on.delete\"?"));
}

#[test]
fn an_empty_host_switches_the_file_off_whatever_else_it_says() {
    let report = read(r#"{"database.hostname":"${env:NONE}","transforms":"x"}"#);
    assert!(
        matches!(report.outcome, Outcome::Off(_)),
        "{:?}",
        report.outcome
    );
    let report = read(r#"{"database.user":"u"}"#);
    assert!(failed(report).contains("database.hostname"));
}
