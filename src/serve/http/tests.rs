//! The face on a real socket with a real log.

mod dlq;
mod produce;
mod stream;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Admission, Handles, Listener, Listeners, Service};
use crate::clock::{Clock, ManualClock};
use crate::config::Secret;
use crate::config::topics::Rules;
use crate::connect::{Connectors, Declared};
use crate::deliver::{self, Letters};
use crate::group::share::Shares;
use crate::group::{self, Groups};
use crate::log::{self, Append, Log, Origin, PartitionBatch, RealDisk};
use crate::push::Push;
use crate::record::BatchBuilder;
use crate::tasks;
use crate::topic::PartitionId;

/// A running face.
struct Face {
    address: SocketAddr,
    log: Log,
    client: reqwest::Client,
    draining: CancellationToken,
    closing: CancellationToken,
    http: JoinHandle<()>,
    groups: JoinHandle<()>,
    shares: JoinHandle<()>,
    letters: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

/// A record to append: timestamp, key, value.
type Given<'a> = (i64, Option<&'a [u8]>, Option<&'a [u8]>);

const NOW_MS: i64 = 1_700_000_000_000;

impl Face {
    async fn start(admission: Admission) -> Face {
        // Another test may have been first.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at_ms(NOW_MS));
        let mut config = log::Config::at(folder.path());
        config.journal_files = 2;
        config.floors.outside = Some(0);
        let log = Log::open(config, Arc::new(RealDisk), clock.clone()).unwrap();
        let (groups, service) = Groups::open(log.clone(), clock.clone(), group::Config::default())
            .await
            .unwrap();
        let rules = Rules::default();
        let opened = Shares::open(log.clone(), clock.clone(), rules.clone(), groups.clone()).await;
        let (shares, shares_service) = opened.unwrap();
        let declared = vec![
            Declared::Off {
                name: "off".to_owned(),
                reason: "switched off".to_owned(),
            },
            Declared::Invalid {
                name: "broken".to_owned(),
                reason: "no database.hostname".to_owned(),
            },
        ];
        let connectors = Connectors::start(declared, log.clone(), clock.clone(), 1)
            .await
            .unwrap();
        let (letters, letters_service) = letters(&log, &shares, &groups, &clock);
        let listener = Listener::bind("http", "127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.address();
        let opened = Push::open(log.clone(), clock.clone(), rules.clone()).await;
        let (push, _) = opened.unwrap();
        let (draining, closing) = (CancellationToken::new(), CancellationToken::new());
        let handles = Handles {
            log: log.clone(),
            rules,
            declaring: None,
            groups,
            shares,
            connectors,
            letters,
            clock,
            listeners: Listeners {
                http: Some(address),
                ..Listeners::default()
            },
            admission,
            tokens: None,
            push,
            public_url: None,
            console: super::Assets::default(),
            recorder: None,
            draining: draining.clone(),
        };
        let http = Service::new(listener, handles).run(draining.clone());
        Face {
            address,
            log,
            client: reqwest::Client::new(),
            http: tasks::spawn("http", http),
            groups: tasks::spawn("groups", service.run(closing.clone())),
            shares: tasks::spawn("shares", shares_service.run(closing.clone())),
            letters: tasks::spawn("letters", letters_service.run(closing.clone())),
            draining,
            closing,
            _folder: folder,
        }
    }

    async fn stop(self) {
        self.draining.cancel();
        self.http.await.unwrap();
        self.closing.cancel();
        self.groups.await.unwrap();
        self.shares.await.unwrap();
        self.letters.await.unwrap();
        self.log.close().await.unwrap();
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.client.get(self.url(path))).await
    }

    async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        answer(self.client.post(self.url(path)).json(body)).await
    }

    async fn append(&self, topic: &str, partition: i32, records: &[Given<'_>]) {
        append(&self.log, topic, partition, records).await;
    }
}

/// The dead letters of a face, over what it serves.
fn letters(
    log: &Log,
    shares: &Shares,
    groups: &Groups,
    clock: &Arc<dyn Clock>,
) -> (Letters, deliver::Service) {
    Letters::new(deliver::Parts {
        log: log.clone(),
        shares: shares.clone(),
        groups: groups.clone(),
        rules: Default::default(),
        clock: Arc::clone(clock),
        owner_of: Arc::new(|_| None),
        partitions: 1,
    })
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let bytes = response.bytes().await.unwrap();
    (
        status,
        serde_json::from_slice(&bytes).unwrap_or(Value::Null),
    )
}

async fn append(log: &Log, topic: &str, partition: i32, records: &[Given<'_>]) {
    let topic = log.topic(topic).unwrap();
    let mut batch = BatchBuilder::new();
    for (timestamp_ms, key, value) in records {
        batch.append(*timestamp_ms, *key, *value, &[]).unwrap();
    }
    let partition = topic.partition(PartitionId(partition)).unwrap().clone();
    let append = Append {
        origin: Origin::Outside,
        batches: vec![PartitionBatch {
            partition,
            bytes: batch.finish().unwrap(),
        }],
    };
    log.append(append).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_are_created_described_changed_and_deleted() {
    let face = Face::start(Admission::Local).await;
    let config = json!({"retention.ms": "3600000", "cleanup.policy": "compact"});
    let new = json!({"name": "t", "partitions": 2, "config": config});
    let (status, made) = face.post("/topics", &new).await;
    assert_eq!(status, 201, "{made}");
    assert_eq!(made["config"]["retention.ms"], 3_600_000);
    assert_eq!(
        made["partition_offsets"][1],
        json!({"partition": 1, "start": 0, "end": 0})
    );

    let (status, again) = face.post("/topics", &new).await;
    assert_eq!((status, &again["code"]), (409, &json!("PEN-LOG-008")));
    let (_, list) = face.get("/topics").await;
    let names: Vec<&Value> = list["topics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|topic| &topic["name"])
        .collect();
    assert!(names.contains(&&json!("t")), "{names:?}");

    let change = json!({"config": {"retention.ms": -1}});
    let (status, changed) = answer(face.client.patch(face.url("/topics/t")).json(&change)).await;
    assert_eq!(status, 200, "{changed}");
    assert_eq!(changed["config"]["retention.ms"], -1);
    assert_eq!(changed["config"]["cleanup.policy"], "compact");

    let (status, _) = answer(face.client.delete(face.url("/topics/t"))).await;
    assert_eq!(status, 204);
    let (status, gone) = face.get("/topics/t").await;
    assert_eq!((status, &gone["code"]), (404, &json!("PEN-HTTP-002")));
    face.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_topics_change_nothing() {
    let face = Face::start(Admission::Local).await;
    let count = face.log.topics().len();
    let refused = [
        (json!({"name": "a/b"}), 400),
        (json!({"name": "../x"}), 400),
        (json!({"name": "t", "partitions": 0}), 400),
        (json!({"name": "t", "partitions": 4_000_000_000_u32}), 400),
        (json!({"name": "t", "config": {"retention.msec": 1}}), 400),
        (
            json!({"name": "t", "config": {"cleanup.policy": "shred"}}),
            400,
        ),
        (json!({"name": "t", "replicas": 3}), 400),
        (json!({"name": "__consumer_offsets"}), 403),
        (json!([]), 400),
    ];
    for (body, expected) in refused {
        let (status, problem) = face.post("/topics", &body).await;
        assert_eq!(status, expected, "{body}: {problem}");
        assert!(
            problem["code"]
                .as_str()
                .is_some_and(|code| code.starts_with("PEN-")),
            "{problem}"
        );
        assert!(
            problem["mend"].is_string() && problem["detail"].is_string(),
            "{problem}"
        );
    }
    let (status, _) = answer(face.client.delete(face.url("/topics/__consumer_offsets"))).await;
    assert_eq!(status, 403);
    assert_eq!(face.log.topics().len(), count);
    face.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_read_page_by_page_from_every_place() {
    let face = Face::start(Admission::Local).await;
    face.post("/topics", &json!({"name": "t"})).await;
    let key = Some(b"\"k\"".as_slice());
    let values: Vec<String> = (0..5).map(|i| format!("{{\"n\":{i}}}")).collect();
    for (i, value) in (0_i64..).zip(&values) {
        face.append(
            "t",
            0,
            &[(NOW_MS - 5_000 + i * 1_000, key, Some(value.as_bytes()))],
        )
        .await;
    }
    let ns = |answer: &Value| -> Vec<i64> {
        let records = answer["records"].as_array().unwrap().iter();
        records
            .map(|record| record["value"]["n"].as_i64().unwrap())
            .collect()
    };
    for (query, expected) in [
        ("", vec![0, 1, 2, 3, 4]),
        ("?from=start&limit=2", vec![0, 1]),
        ("?from=3", vec![3, 4]),
        ("?from=-2", vec![3, 4]),
        ("?from=end", vec![]),
        ("?from=-3s", vec![2, 3, 4]),
        ("?from=0:4&partition=0", vec![4]),
        ("?from=2023-11-14T22:13:19Z", vec![4]),
        ("?from=2033-11-14T22:13:19Z", vec![]),
        ("?key=%22k%22", vec![0, 1, 2, 3, 4]),
        ("?key=other", vec![]),
    ] {
        let (status, found) = face.get(&format!("/topics/t/records{query}")).await;
        assert_eq!(status, 200, "{query}: {found}");
        assert_eq!(ns(&found), expected, "{query}");
    }
    let (_, first) = face.get("/topics/t/records?limit=3").await;
    assert_eq!(first["next"], "0:3");
    assert_eq!(
        first["partitions"],
        json!([{"partition": 0, "start": 0, "end": 5}])
    );
    let record = json!({"topic": "t", "partition": 0, "offset": 0, "timestamp": NOW_MS - 5_000,
                        "key": "k", "value": {"n": 0}, "headers": []});
    assert_eq!(first["records"][0], record);
    let (_, rest) = face.get("/topics/t/records?limit=3&from=0:3").await;
    assert_eq!((ns(&rest), &rest["next"]), (vec![3, 4], &json!("0:5")));
    face.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn places_that_are_not_there_are_refused() {
    let face = Face::start(Admission::Local).await;
    face.post("/topics", &json!({"name": "t", "partitions": 2}))
        .await;
    for (path, expected) in [
        ("/topics/other/records", 404),
        ("/topics/t/records?partition=2", 404),
        ("/topics/t/records?partition=-1", 404),
        ("/topics/t/records?from=7", 400),
        ("/topics/t/records?from=7&partition=0", 416),
        ("/topics/t/records?from=-1&partition=1&limit=x", 400),
        ("/topics/t/records?from=yesterday", 400),
        ("/topics/t/records?form=start", 400),
        ("/topics/t/ws", 501),
        ("/dlq/orders", 404),
        ("/subjects", 501),
        ("/nowhere", 404),
        ("/topics/..%2Fsecret", 404),
    ] {
        let (status, problem) = face.get(path).await;
        assert_eq!(status, expected, "{path}: {problem}");
        assert!(problem["code"].is_string(), "{path}: {problem}");
    }
    let (status, _) = face.post("/push/crm", &json!({})).await;
    assert_eq!(status, 503);
    let (status, _) = face.post("/push/CRM", &json!({})).await;
    assert_eq!(status, 404);
    face.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_poll_answers_when_a_record_comes_and_ends_when_the_server_stops() {
    let face = Face::start(Admission::Local).await;
    face.post("/topics", &json!({"name": "t"})).await;
    let log = face.log.clone();
    let poll = face.get("/topics/t/records?from=end&wait_ms=30000");
    let write = async {
        // The poll is under way once it has asked; a record before that would be missed by
        // `end`, so write until one is seen.
        loop {
            append(&log, "t", 0, &[(NOW_MS, None, Some(b"x"))]).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let began = Instant::now();
    let (status, found) = tokio::select! {
        found = poll => found,
        () = write => unreachable!("it writes for ever"),
    };
    assert_eq!(status, 200);
    assert_eq!(found["records"][0]["value"], "x");
    assert!(began.elapsed() < Duration::from_secs(10));

    let url = face.url("/topics/t/records?from=end&wait_ms=30000");
    let poll = tasks::spawn("poll", answer(face.client.get(url)));
    let began = Instant::now();
    face.stop().await;
    let ended = poll.await;
    assert!(began.elapsed() < Duration::from_secs(10));
    // Either it was told that nothing came, or its connection was not accepted any more.
    if let Ok((status, found)) = ended {
        assert_eq!((status, &found["records"]), (200, &json!([])));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_password_only_health_and_counts_are_open() {
    let face = Face::start(Admission::Password(Secret::new("secret"))).await;
    for (path, expected) in [
        ("/healthz", 200),
        ("/readyz", 200),
        ("/status", 200),
        ("/topics", 401),
        ("/topics/t/records", 401),
        ("/groups", 401),
        ("/connectors", 401),
        ("/dlq", 401),
        ("/nowhere", 401),
    ] {
        let (status, _) = face.get(path).await;
        assert_eq!(status, expected, "{path}");
    }
    let (_, counts) = face.get("/status").await;
    assert_eq!(counts["connectors"], json!({"FAILED": 1, "STOPPED": 1}));
    assert!(
        counts.get("version").is_none() && counts.get("listeners").is_none(),
        "{counts}"
    );

    let logged_in = |path: &str| {
        face.client
            .get(face.url(path))
            .basic_auth("admin", Some("secret"))
    };
    let (status, all) = answer(logged_in("/status")).await;
    assert_eq!(status, 200);
    assert_eq!(all["listeners"]["http"], face.address.to_string());
    assert_eq!(all["connectors"][0]["name"], "off");
    assert_eq!(all["connectors"][1]["state"], "FAILED");
    let wrong = face
        .client
        .get(face.url("/status"))
        .basic_auth("admin", Some("wrong"));
    assert_eq!(answer(wrong).await.0, 401);
    face.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_password_rebound_names_and_foreign_pages_see_counts_at_most() {
    let face = Face::start(Admission::Local).await;
    for (name, value) in [
        ("host", "evil.example"),
        ("x-forwarded-for", "127.0.0.1"),
        ("forwarded", "for=127.0.0.1"),
        ("origin", "https://evil.example"),
    ] {
        let foreign = |path: &str| face.client.get(face.url(path)).header(name, value);
        assert_eq!(answer(foreign("/topics")).await.0, 403, "{name}");
        let (status, counts) = answer(foreign("/status")).await;
        assert_eq!(status, 200);
        assert!(counts.get("listeners").is_none(), "{name}: {counts}");
    }
    let form = face
        .client
        .post(face.url("/topics"))
        .header("content-type", "text/plain");
    assert_eq!(answer(form.body("{\"name\":\"t\"}")).await.0, 415);
    face.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connectors_have_the_shapes_of_kafka_connect() {
    let face = Face::start(Admission::Local).await;
    assert_eq!(
        face.get("/connectors").await,
        (200, json!(["off", "broken"]))
    );
    let (status, shape) = face.get("/connectors/broken/status").await;
    assert_eq!(status, 200);
    assert_eq!(shape["connector"]["state"], "FAILED");
    assert_eq!(shape["tasks"][0]["state"], "FAILED");
    assert!(
        shape["tasks"][0]["trace"]
            .as_str()
            .unwrap()
            .contains("database.hostname")
    );
    assert_eq!(shape["type"], "source");
    let (_, all) = face.get("/connectors?expand=status").await;
    assert_eq!(all["off"]["status"]["connector"]["state"], "STOPPED");
    assert_eq!(face.get("/connectors/none/status").await.0, 404);
    let restart = face.client.post(face.url("/connectors/none/restart"));
    assert_eq!(answer(restart).await.0, 404);
    let restart = face
        .client
        .post(face.url("/connectors/broken/restart?includeTasks=true"));
    assert_eq!(answer(restart).await.0, 409);
    face.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_are_sought_listed_and_deleted() {
    let face = Face::start(Admission::Local).await;
    face.post("/topics", &json!({"name": "t", "partitions": 2}))
        .await;
    face.append(
        "t",
        0,
        &[
            (NOW_MS - 9_000, None, Some(b"a")),
            (NOW_MS, None, Some(b"b")),
        ],
    )
    .await;
    let (status, sought) = face
        .post("/groups/g/seek", &json!({"topic": "t", "to": "start"}))
        .await;
    assert_eq!(status, 200, "{sought}");
    let (_, lag) = face.get("/groups/g/lag").await;
    assert_eq!(lag["lag"], 2);
    let first = json!({"topic": "t", "partition": 0, "committed": 0, "end": 2, "lag": 2,
                       "lag_seconds": 9});
    assert_eq!(lag["positions"][0], first);
    let (_, sought) = face.post("/groups/g/seek", &json!({"to": "end"})).await;
    assert_eq!(
        sought["offsets"][0],
        json!({"topic": "t", "partition": 0, "offset": 2})
    );
    let (_, group) = face.get("/groups/g").await;
    assert_eq!(
        (&group["state"], &group["positions"][0]["lag"]),
        (&json!("Empty"), &json!(0))
    );
    let (_, list) = face.get("/groups").await;
    assert_eq!(list["groups"][0]["group"], "g");
    assert_eq!(
        answer(face.client.delete(face.url("/groups/g"))).await.0,
        204
    );
    assert_eq!(
        answer(face.client.delete(face.url("/groups/g"))).await.0,
        404
    );
    assert_eq!(face.get("/groups/g/lag").await.0, 404);
    face.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_requests_are_answered_or_cut_and_hurt_nobody() {
    let face = Face::start(Admission::Local).await;
    let large = "x".repeat(200_000);
    let many: String = (0..500).map(|i| format!("h{i}: x\r\n")).collect();
    for request in [
        "\u{0}\u{1}\u{2}\r\n\r\n".to_owned(),
        "GET / HTTP/9.9\r\n\r\n".to_owned(),
        format!("GET /{large} HTTP/1.1\r\nhost: localhost\r\n\r\n"),
        format!("GET /topics HTTP/1.1\r\nhost: localhost\r\nx: {large}\r\n\r\n"),
        format!("GET /topics HTTP/1.1\r\nhost: localhost\r\n{many}\r\n"),
        "POST /topics HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n{}".to_owned(),
        "POST /topics HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99999999999\r\n\r\n{".to_owned(),
        "GET /topics HTTP/1.1\r\n\r\n".to_owned(),
    ] {
        let mut stream = TcpStream::connect(face.address).await.unwrap();
        // The server may close before it has read all.
        let _ = stream.write_all(request.as_bytes()).await;
        let _ = stream.shutdown().await;
        let mut answered = Vec::new();
        let read = stream.read_to_end(&mut answered);
        let ended = tokio::time::timeout(Duration::from_secs(25), read).await;
        assert!(ended.is_ok(), "not ended: {}", &request[..request.len().min(60)]);
        let text = String::from_utf8_lossy(&answered);
        let refused = text.is_empty() || text.starts_with("HTTP/1.1 4");
        assert!(refused, "{} -> {text}", &request[..request.len().min(60)]);
    }
    let deep = "[".repeat(500_000);
    let body = face
        .client
        .post(face.url("/topics"))
        .header("content-type", "application/json");
    assert_eq!(answer(body.body(deep)).await.0, 400);
    let long = vec![b' '; 2 << 20];
    let body = face
        .client
        .post(face.url("/topics"))
        .header("content-type", "application/json");
    assert_eq!(answer(body.body(long)).await.0, 413);
    assert_eq!(face.get("/healthz").await.0, 200);
    face.stop().await;
}
