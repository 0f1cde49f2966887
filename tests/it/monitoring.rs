//! What Prometheus and Grafana see: the shipped files are accepted by the real programs, and a real
//! Prometheus finds what alerts and dashboard rely on.

use std::collections::BTreeSet;
use std::time::Duration;

use penstock::metrics::names::{ALL, Form, PROCESS, PUSH_SECONDS};
use serde_json::{Value, json};

use crate::support::{
    Penstock, Postgres, Prometheus, Setup, connector, folder, http, promtool, run, shipped,
    wait_until,
};

const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn the_shipped_rules_and_scrapes_are_accepted_and_every_alert_passes_its_tests() {
    promtool(&["check", "config", "prometheus.yml"]);
    promtool(&["check", "rules", "alerts.yaml"]);
    let told = promtool(&["test", "rules", "alerts.test.yaml"]);
    assert!(told.contains("SUCCESS"), "{told}");
    // Every alert fires in one case, and in another it does not although time is given for it.
    let read = |name: &str| -> Value {
        let text = std::fs::read_to_string(shipped().join(name)).unwrap();
        serde_saphyr::from_str(&text).unwrap()
    };
    let (rules, tests) = (read("alerts.yaml"), read("alerts.test.yaml"));
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let names: BTreeSet<String> = list(&rules["groups"])
        .iter()
        .flat_map(|group| list(&group["rules"]))
        .map(|rule| rule["alert"].as_str().unwrap().to_owned())
        .collect();
    let cases = list(&tests["tests"]);
    let cases = cases.iter().flat_map(|test| list(&test["alert_rule_test"]));
    let (fires, quiet): (Vec<Value>, Vec<Value>) =
        cases.partition(|case| !list(&case["exp_alerts"]).is_empty());
    for (what, cases) in [("fires", fires), ("stays quiet", quiet)] {
        let tested = cases
            .iter()
            .map(|case| case["alertname"].as_str().unwrap().to_owned());
        let tested: BTreeSet<String> = tested.collect();
        assert_eq!(names, tested, "{what}");
    }
}

/// The dashboard's expressions with a value in the place of each variable.
fn dashboard_expressions() -> Vec<(String, String)> {
    let path = shipped().join("grafana/dashboards/penstock.json");
    let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().clone();
    let of_panels = panels.iter().flat_map(|panel| {
        let title = panel["title"].as_str().unwrap().to_owned();
        let targets = panel["targets"].as_array().cloned().unwrap_or_default();
        targets
            .into_iter()
            .map(move |target| (title.clone(), target["expr"].clone()))
    });
    let notes = dashboard["annotations"]["list"].as_array().unwrap();
    let of_notes = notes
        .iter()
        .filter(|note| note["expr"].is_string())
        .map(|note| ("annotation".to_owned(), note["expr"].clone()));
    let filled = of_panels.chain(of_notes).map(|(title, expression)| {
        let mut text = expression
            .as_str()
            .unwrap()
            .replace("$__rate_interval", "1m");
        for variable in ["connector", "topic", "group", "integration"] {
            text = text.replace(&format!("${variable}"), ".*");
        }
        (title, text)
    });
    filled.collect()
}

#[test]
fn every_expression_of_the_dashboard_is_promql() {
    let folder = folder("dashboard");
    let rules: Vec<Value> = dashboard_expressions()
        .into_iter()
        .enumerate()
        .map(|(at, (_, expr))| json!({"record": format!("panel:{at}"), "expr": expr}))
        .collect();
    assert!(rules.len() > 30, "{}", rules.len());
    let file = json!({"groups": [{"name": "dashboard", "rules": rules}]});
    // JSON is YAML.
    let path = folder.path().join("rules.yaml");
    std::fs::write(&path, file.to_string()).unwrap();
    promtool(&["check", "rules", path.to_str().unwrap()]);
}

/// Metrics that exist only with an object of their own: a source, a group, dead letters, a push.
fn needs_an_object(name: &str) -> bool {
    let families = [
        "penstock_source_",
        "penstock_slot_",
        "penstock_snapshot_",
        "penstock_commit_to_log_",
        "penstock_consumer_",
        "penstock_deliveries_",
        "penstock_dlq_",
        "penstock_push_",
    ];
    name != PUSH_SECONDS && families.iter().any(|family| name.starts_with(family))
}

#[test]
fn prometheus_scrapes_all_pages_and_finds_every_metric_of_an_idle_server() {
    let mut penstock = Setup::new().start();
    let prometheus = Prometheus::start(penstock.address("metrics"));
    for job in ["penstock", "penstock-kafka", "penstock-debezium"] {
        prometheus.wait_for(&format!("up{{job=\"{job}\"}}"), LIMIT, |up| up == 1.0);
    }
    for metric in ALL.iter().chain(PROCESS) {
        if needs_an_object(metric.name) {
            continue;
        }
        let end = if metric.form == Form::Histogram {
            "_count"
        } else {
            ""
        };
        let count = format!("count({}{end}{{job=\"penstock\"}})", metric.name);
        prometheus.wait_for(&count, LIMIT, |count| count >= 1.0);
    }
    assert!(prometheus.firing("Down").unwrap().is_empty());
    let started = prometheus
        .query("process_start_time_seconds{job=\"penstock\"}")
        .unwrap();
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs_f64();
    assert!((now - started[0].1).abs() < 120.0, "{started:?} at {now}");
    penstock.kill();
    prometheus.wait_for("up{job=\"penstock\"}", LIMIT, |up| up == 0.0);
}

/// One page of the metrics listener.
fn page(penstock: &Penstock, path: &str) -> String {
    let answer = http(penstock.address("metrics"), "GET", path, None).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(
        answer.head.contains("text/plain; version=0.0.4"),
        "{answer:?}"
    );
    answer.body
}

/// Waits until a page has all of these lines.
fn wait_for_lines(penstock: &Penstock, path: &str, lines: &[&str]) {
    wait_until(&format!("{lines:?} on {path}"), LIMIT, || {
        let page = page(penstock, path);
        let missing = lines.iter().find(|line| !page.lines().any(|l| l == **line));
        match missing {
            None => Ok(()),
            Some(line) => Err(format!("{line} is missing in {page}")),
        }
    });
}

#[test]
fn the_kafka_page_tells_what_kafka_exporter_would() {
    let penstock = Setup::new().start();
    let kcat = penstock.kcat();
    kcat.run(&["-P", "-t", "orders"], "a\nb\nc\n");
    // A name that would end its label, were it not escaped.
    let group = r#"g"} 1 \"#;
    let read = [
        "-G",
        group,
        "-X",
        "auto.offset.reset=earliest",
        "-c",
        "2",
        "orders",
    ];
    kcat.run(&read, "");
    wait_for_lines(
        &penstock,
        "/metrics/kafka",
        &[
            "kafka_brokers 1",
            &format!(
                "kafka_broker_info{{id=\"1\",address=\"{}\"}} 1",
                penstock.address("kafka")
            ),
            "kafka_topic_partitions{topic=\"orders\"} 1",
            "kafka_topic_partition_current_offset{topic=\"orders\",partition=\"0\"} 3",
            "kafka_topic_partition_oldest_offset{topic=\"orders\",partition=\"0\"} 0",
            "kafka_topic_partition_leader{topic=\"orders\",partition=\"0\"} 1",
            "kafka_topic_partition_replicas{topic=\"orders\",partition=\"0\"} 1",
            "kafka_topic_partition_in_sync_replica{topic=\"orders\",partition=\"0\"} 1",
            "kafka_topic_partition_under_replicated_partition{topic=\"orders\",partition=\"0\"} 0",
            r#"kafka_consumergroup_current_offset{consumergroup="g\"} 1 \\",topic="orders",partition="0"} 2"#,
            r#"kafka_consumergroup_lag{consumergroup="g\"} 1 \\",topic="orders",partition="0"} 1"#,
            r#"kafka_consumergroup_lag_sum{consumergroup="g\"} 1 \\",topic="orders"} 1"#,
            r#"kafka_consumergroup_members{consumergroup="g\"} 1 \\"} 0"#,
        ],
    );
    let kafka = page(&penstock, "/metrics/kafka");
    assert!(!kafka.contains("__consumer_offsets"), "{kafka}");
    let own =
        [r#"penstock_consumer_lag_records{group="g\"} 1 \\",topic="orders",partition="0"} 1"#];
    wait_for_lines(&penstock, "/metrics", &own);
}

#[test]
fn series_of_a_deleted_topic_are_gone() {
    let penstock = Setup::new().start();
    penstock.kcat().run(&["-P", "-t", "short"], "a\n");
    let has = |wanted: bool| {
        wait_until("the series of the topic", LIMIT, || {
            let page = penstock.metrics();
            if page.contains("penstock_log_bytes{topic=\"short\"}") == wanted {
                Ok(())
            } else {
                Err(page)
            }
        });
    };
    has(true);
    let path = "/topics/short";
    let answer = http(penstock.address("http"), "DELETE", path, None).unwrap();
    assert!(answer.status < 300, "{answer:?}");
    has(false);
}

#[test]
fn the_debezium_page_tells_of_stream_and_snapshot() {
    let postgres = Postgres::lease();
    let sql = postgres.database("app");
    sql.exec("create table t (id int primary key, v int); insert into t values (1, 1), (2, 2)");
    let penstock = Setup::new()
        .source(&postgres.url("app"), "public.*", "app")
        .start();
    penstock.wait_for_state("app", "RUNNING");
    let never = "debezium_metrics_MilliSecondsBehindSource{context=\"streaming\",name=\"app\",plugin=\"postgres\"} -1";
    wait_for_lines(&penstock, "/metrics/debezium", &[never]);
    sql.exec("insert into t values (3, 3); update t set v = 9; delete from t where id = 1");
    let series = |context: &str, attribute: &str, value: &str| {
        format!(
            "debezium_metrics_{attribute}{{context=\"{context}\",name=\"app\",plugin=\"postgres\"}} {value}"
        )
    };
    let wanted = [
        series("streaming", "Connected", "1"),
        series("streaming", "TotalNumberOfEventsSeen", "5"),
        series("streaming", "TotalNumberOfCreateEventsSeen", "1"),
        series("streaming", "TotalNumberOfUpdateEventsSeen", "3"),
        series("streaming", "TotalNumberOfDeleteEventsSeen", "1"),
        series("snapshot", "SnapshotRunning", "0"),
        series("snapshot", "SnapshotCompleted", "1"),
        series("snapshot", "SnapshotAborted", "0"),
        series("snapshot", "TotalTableCount", "1"),
        series("snapshot", "RemainingTableCount", "0"),
        series("snapshot", "TotalNumberOfEventsSeen", "2"),
    ];
    let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    wait_for_lines(&penstock, "/metrics/debezium", &wanted);
    wait_until("a time since the last change", LIMIT, || {
        let page = page(&penstock, "/metrics/debezium");
        let known = ["MilliSecondsBehindSource", "MilliSecondsSinceLastEvent"];
        let is_told = |attribute: &&str| {
            let begin = series("streaming", attribute, "");
            let line = page.lines().find_map(|line| line.strip_prefix(&begin));
            line.is_some_and(|value| value.parse::<f64>().is_ok_and(|value| value >= 0.0))
        };
        if known.iter().all(is_told) {
            Ok(())
        } else {
            Err(page)
        }
    });
}

#[test]
fn a_slot_is_watched_while_its_connector_has_failed_and_safe_bytes_are_told_only_where_limited() {
    let postgres = Postgres::lease();
    let sql = postgres.database("app");
    sql.exec("create table t (id int primary key)");
    let mut penstock = Setup::new()
        .connector("seen", &connector(&postgres, "app", "seen", &json!({})))
        .start();
    penstock.wait_for_state("seen", "RUNNING");
    wait_for_lines(
        &penstock,
        "/metrics",
        &[
            "penstock_slot_active{connector=\"seen\"} 1",
            "penstock_slot_wal_status{connector=\"seen\",status=\"reserved\"} 1",
            "penstock_slot_wal_status{connector=\"seen\",status=\"lost\"} 0",
        ],
    );
    let limit = sql.one("show max_slot_wal_keep_size");
    let told = penstock.metrics().contains("penstock_slot_safe_wal_bytes{");
    assert_eq!(told, limit != "-1", "max_slot_wal_keep_size is {limit}");
    // On a slot that was made again the connector cannot go on, and nobody reads it.
    penstock.terminate();
    sql.exec("select pg_drop_replication_slot('seen')");
    sql.exec("insert into t values (1)");
    sql.exec("select pg_create_logical_replication_slot('seen', 'pgoutput')");
    penstock.start();
    penstock.wait_for_state("seen", "FAILED");
    let unread = "penstock_slot_active{connector=\"seen\"} 0";
    wait_for_lines(&penstock, "/metrics", &[unread]);
}

/// Delivers the one open record of a shared group, until there is one; its id and delivery count.
fn read_one(penstock: &Penstock, group: &str, topic: &str) -> (String, i64) {
    let ask = json!({"topics": [topic], "max_records": 1, "wait_ms": 1000}).to_string();
    let path = format!("/groups/{group}/read");
    wait_until("a delivery", LIMIT, || {
        let answer = http(penstock.address("http"), "POST", &path, Some(&ask))?;
        let records = answer.json()["records"].as_array().cloned();
        match records.unwrap_or_default().first() {
            Some(record) => Ok((
                record["ack_id"].as_str().unwrap().to_owned(),
                record["delivery_count"].as_i64().unwrap(),
            )),
            None => Err(format!("{answer:?}")),
        }
    })
}

/// Tells what became of a delivery.
fn acknowledge(penstock: &Penstock, group: &str, outcome: &str, id: &str) {
    let body = json!({outcome: [id]}).to_string();
    let path = format!("/groups/{group}/ack");
    let answer = http(penstock.address("http"), "POST", &path, Some(&body)).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["results"][0]["status"], "ok", "{answer:?}");
}

#[test]
fn a_record_released_five_times_raises_dlq_not_empty_until_it_was_redriven_and_accepted() {
    let setup = Setup::new().build();
    // The waits between deliveries are not what is tested here.
    let declared =
        "groups:\n  go-api:\n    delivery_limit: 5\n    backoff: { first: 100ms, max: 100ms }\n";
    std::fs::write(setup.path("topics.yaml"), declared).unwrap();
    let mut penstock = setup;
    penstock.start();
    let prometheus = Prometheus::start(penstock.address("metrics"));
    penstock.kcat().run(&["-P", "-t", "orders"], "poison\n");
    for count in 1..=5 {
        let (id, delivered) = read_one(&penstock, "go-api", "orders");
        assert_eq!(delivered, count);
        acknowledge(&penstock, "go-api", "release", &id);
    }
    let depth = "sum(penstock_dlq_depth_records{topic=\"dlq.go-api\",group=\"go-api\",reason=\"exhausted\"})";
    prometheus.wait_for(depth, LIMIT, |depth| depth == 1.0);
    let fired = wait_until("DlqNotEmpty to fire", LIMIT, || {
        let firing = prometheus.firing("DlqNotEmpty")?;
        firing
            .first()
            .cloned()
            .ok_or_else(|| format!("{:?}", prometheus.api("alerts")))
    });
    assert_eq!(fired["labels"]["topic"], "dlq.go-api", "{fired}");
    let told = fired["annotations"]["description"].as_str().unwrap();
    // The command of the alert, as it stands there.
    let (_, command) = told.split_once("run: penstock ").unwrap();
    let words: Vec<&str> = command.split(' ').collect();
    run(&mut penstock.command(&words), LIMIT).ok(command);
    let (id, delivered) = read_one(&penstock, "go-api", "orders");
    assert_eq!(delivered, 1, "a redriven record begins anew");
    acknowledge(&penstock, "go-api", "accept", &id);
    wait_until("DlqNotEmpty to end", LIMIT, || {
        let firing = prometheus.firing("DlqNotEmpty")?;
        if firing.is_empty() {
            Ok(())
        } else {
            Err(format!("{firing:?}"))
        }
    });
    let count = |outcome: &str| {
        format!("penstock_deliveries_total{{group=\"go-api\",outcome=\"{outcome}\"}}")
    };
    prometheus.wait_for(&count("released"), LIMIT, |count| count == 5.0);
    prometheus.wait_for(&count("accepted"), LIMIT, |count| count == 1.0);
}
