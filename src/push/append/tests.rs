//! Pushes on a real log: what is stored, which repetitions are answered, what a failing disk leaves.

use std::sync::Arc;

use serde_json::json;

use crate::clock::{Clock, ManualClock};
use crate::config::topics::{BODY_BYTES, Declarations, Integration, Rules, Schema};
use crate::log::{Config, DiskFloors, Log, State};
use crate::push::admission::admit;
use crate::push::keys::KEYS_MAX;
use crate::push::service::{expire, resolve_doubts};
use crate::push::{Accepted, Error, Head, Name, Push, REMEMBERED_MS};
use crate::record::{Records, batches, dead_letter};
use crate::topic::{Offset, PartitionId};

mod disk;

use disk::Failing;

const NOW_MS: i64 = 1_800_000_000_000;

struct Door {
    disk: Failing,
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    rules: Rules,
    log: Log,
    push: Push,
}

fn integration(name: &str) -> Integration {
    Integration {
        name: name.to_owned(),
        client_ids: vec!["app".to_owned()],
        scope: None,
        organization_id: None,
        claims: serde_json::Map::new(),
        rate: None,
        body_bytes_max: BODY_BYTES,
        schema: None,
        idempotency_required: false,
        keep_refused: false,
        retired: false,
    }
}

fn open_log(folder: &std::path::Path, disk: &Failing, clock: &Arc<ManualClock>) -> Log {
    let config = Config {
        journal_file_bytes: 1 << 20,
        floors: DiskFloors {
            outside: Some(0),
            inside: 0,
        },
        ..Config::at(folder)
    };
    let clock: Arc<dyn Clock> = clock.clone();
    Log::open(config, Arc::new(disk.clone()), clock).unwrap()
}

impl Door {
    async fn open(integrations: Vec<Integration>, keys_max: usize) -> Door {
        let folder = tempfile::tempdir().unwrap();
        let disk = Failing::default();
        let clock = Arc::new(ManualClock::at_ms(NOW_MS));
        let rules = Rules::new(Declarations {
            integrations,
            ..Declarations::default()
        });
        let log = open_log(folder.path(), &disk, &clock);
        let opened = Push::open_with(log.clone(), clock.clone(), rules.clone(), keys_max).await;
        let (push, _) = opened.unwrap();
        Door {
            disk,
            folder,
            clock,
            rules,
            log,
            push,
        }
    }

    /// Closes the log and opens everything on the same folder.
    async fn reopen(self) -> Door {
        let Door {
            disk,
            folder,
            clock,
            rules,
            log,
            push,
        } = self;
        drop(push);
        log.close().await.unwrap();
        drop(log);
        let log = open_log(folder.path(), &disk, &clock);
        let opened = Push::open(log.clone(), clock.clone(), rules.clone()).await;
        let (push, _) = opened.unwrap();
        Door {
            disk,
            folder,
            clock,
            rules,
            log,
            push,
        }
    }

    async fn push(&self, name: &str, head: Head<'_>, body: &str) -> Result<Accepted, Error> {
        let who = crate::auth::Principal {
            subject: "app".to_owned(),
            client_id: Some("app".to_owned()),
            organization_id: None,
            scopes: [format!("push:{name}")].into(),
            expires_ms: i64::MAX,
            claims: serde_json::Map::new(),
        };
        let name = Name::parse(name).unwrap();
        let admitted = admit(self.rules.now(), &who, &name)?;
        let mut intake = self.push.begin(admitted, &head)?;
        intake.feed(body.as_bytes())?;
        intake.finish().await
    }

    async fn keyed(&self, key: &str, body: &str) -> Result<Accepted, Error> {
        let head = Head {
            idempotency_key: Some(key.as_bytes()),
            ..json_head()
        };
        self.push("acme", head, body).await
    }

    /// (key, value, headers) of all records of a topic.
    async fn records(&self, topic: &str) -> Vec<(Option<String>, String, Vec<(String, String)>)> {
        let Some(topic) = self.log.topic(topic) else {
            return Vec::new();
        };
        let partition = topic.partition(PartitionId(0)).unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let mut found = Vec::new();
        let mut next = partition.start();
        while next < partition.end() {
            let read = self.log.read(partition, next, 16 << 20).await.unwrap();
            for batch in read.chunks.iter().flat_map(|chunk| batches(chunk)) {
                let (batch_header, bytes) = batch.unwrap();
                for record in &Records::decode(bytes, 16 << 20).unwrap() {
                    let record = record.unwrap();
                    let headers = record.headers();
                    let headers = headers.map(|(key, value)| (text(key), text(value.unwrap())));
                    let value = text(record.value.unwrap());
                    found.push((record.key.map(text), value, headers.collect()));
                }
                next = Offset(batch_header.next_offset());
            }
        }
        found
    }
}

fn json_head() -> Head<'static> {
    Head {
        media_type: Some(b"application/json"),
        ..Head::default()
    }
}

fn header<'a>(headers: &'a [(String, String)], key: &str) -> Option<&'a str> {
    let found = headers.iter().find(|(name, _)| name == key);
    found.map(|(_, value)| value.as_str())
}

#[tokio::test]
async fn one_request_is_one_run_with_key_and_headers() {
    let door = Door::open(vec![], KEYS_MAX).await;
    let head = Head {
        key: Some("k"),
        headers: vec![("x-debezium-topic", b"t"), ("x-other", b"no")],
        ..json_head()
    };
    let accepted = door.push("acme", head, "[1.10, {\"a\": 2}]").await.unwrap();
    assert_eq!((accepted.accepted, accepted.offset), (2, Some(Offset(0))));
    assert_eq!(accepted.topic.as_str(), "integrations.acme.data");
    let records = door.records("integrations.acme.data").await;
    assert_eq!(records.len(), 2);
    let (key, value, headers) = &records[0];
    assert_eq!((key.as_deref(), value.as_str()), (Some("k"), "1.10"));
    assert_eq!(header(headers, "content-type"), Some("application/json"));
    assert_eq!(header(headers, "penstock.client_id"), Some("app"));
    assert_eq!(header(headers, "x-debezium-topic"), Some("t"));
    assert_eq!(header(headers, "x-other"), None);
}

#[tokio::test]
async fn a_repetition_gets_the_first_answer_and_another_body_is_refused() {
    let door = Door::open(vec![], KEYS_MAX).await;
    door.push("acme", json_head(), "0").await.unwrap();
    let first = door.keyed("\"a\"", "{\"n\":1}").await.unwrap();
    assert_eq!((first.offset, first.replayed), (Some(Offset(1)), false));
    let again = door.keyed("a", "{\"n\":1}").await.unwrap();
    assert_eq!(
        again,
        Accepted {
            replayed: true,
            ..first
        }
    );
    let other = door.keyed("a", "{\"n\":2}").await.unwrap_err();
    assert!(matches!(other, Error::KeyReused));
    assert_eq!(door.records("integrations.acme.data").await.len(), 2);
}

#[tokio::test]
async fn after_a_restart_the_offset_is_found_and_then_remembered() {
    let door = Door::open(vec![], KEYS_MAX).await;
    for number in 0..50 {
        door.push("acme", json_head(), &number.to_string())
            .await
            .unwrap();
        door.keyed(&format!("k{number}"), "[1,2]").await.unwrap();
    }
    let door = door.reopen().await;
    for number in [0, 17, 49] {
        for _ in 0..2 {
            let again = door.keyed(&format!("k{number}"), "[1,2]").await.unwrap();
            assert_eq!(again.offset, Some(Offset(number * 3 + 1)));
            assert_eq!((again.accepted, again.replayed), (2, true));
        }
    }
    assert_eq!(door.records("integrations.acme.data").await.len(), 150);
    // Its topic gone, the key is still known and its offset is not.
    let topic = Name::parse("acme").unwrap().topic().clone();
    let door = door.reopen().await;
    door.log.delete_topic(&topic).await.unwrap();
    let again = door.keyed("k3", "[1,2]").await.unwrap();
    assert_eq!((again.offset, again.replayed), (None, true));
}

#[tokio::test]
async fn keys_expire_after_a_day_also_across_a_restart() {
    let door = Door::open(vec![], KEYS_MAX).await;
    door.keyed("a", "1").await.unwrap();
    door.clock.advance_ms(REMEMBERED_MS);
    let door = door.reopen().await;
    for shard in 0..80 {
        expire(&door.push.0, shard).await;
    }
    assert_eq!(door.push.0.keys.count(), 0);
    let door = door.reopen().await;
    assert_eq!(door.push.0.keys.count(), 0, "the tombstone was read back");
    let fresh = door.keyed("a", "2").await.unwrap();
    assert!(!fresh.replayed);
    assert_eq!(door.records("integrations.acme.data").await.len(), 2);
}

#[tokio::test]
async fn a_full_memory_refuses_new_keys_only() {
    let door = Door::open(vec![], 2).await;
    door.keyed("a", "1").await.unwrap();
    door.keyed("b", "1").await.unwrap();
    let refused = door.keyed("c", "1").await.unwrap_err();
    assert!(matches!(refused, Error::KeysFull(2)), "{refused}");
    assert!(door.keyed("a", "1").await.unwrap().replayed);
    door.push("acme", json_head(), "1").await.unwrap();
}

#[tokio::test]
async fn a_refused_push_frees_its_key_and_is_kept_where_asked() {
    let mut acme = integration("acme");
    acme.schema = Some(Schema::compile(json!({"type": "integer"})).unwrap());
    acme.keep_refused = true;
    let door = Door::open(vec![acme], KEYS_MAX).await;
    let refused = door.keyed("a", "[1,\"x\"]").await.unwrap_err();
    let Error::Schema { flaws, kept: true } = refused else {
        panic!("{refused}");
    };
    assert_eq!((flaws.len(), flaws[0].index), (1, 1));
    assert!(door.records("integrations.acme.data").await.is_empty());
    let letters = door.records("dlq.push.acme").await;
    assert_eq!(letters.len(), 2);
    let (_, value, headers) = &letters[1];
    assert_eq!(value, "\"x\"");
    assert_eq!(header(headers, dead_letter::REASON), Some("schema"));
    assert_eq!(
        header(headers, dead_letter::TOPIC),
        Some("integrations.acme.data")
    );
    assert!(
        header(headers, dead_letter::MESSAGE)
            .unwrap()
            .contains("integer")
    );
    assert_eq!(header(headers, "penstock.client_id"), Some("app"));
    assert!(!door.keyed("a", "[1,2]").await.unwrap().replayed);
}

#[tokio::test]
async fn a_caller_that_goes_away_neither_blocks_its_key_nor_loses_its_push() {
    let door = Door::open(vec![], KEYS_MAX).await;
    {
        let keyed = door.keyed("a", "1");
        tokio::pin!(keyed);
        // Polled so often that the append is on its way, then dropped.
        for _ in 0..3 {
            let _ = futures_util::poll!(keyed.as_mut());
            tokio::task::yield_now().await;
        }
    }
    door.push.0.appends.close();
    door.push.0.appends.wait().await;
    let again = door.keyed("a", "1").await.unwrap();
    assert_eq!(again.offset, Some(Offset(0)));
    assert_eq!(door.records("integrations.acme.data").await.len(), 1);
}

#[tokio::test]
async fn requirements_of_an_integration_hold() {
    let mut acme = integration("acme");
    acme.idempotency_required = true;
    acme.body_bytes_max = 10;
    let door = Door::open(vec![acme], KEYS_MAX).await;
    let refused = door.push("acme", json_head(), "1").await.unwrap_err();
    assert!(matches!(refused, Error::Key(_)), "{refused}");
    let refused = door.keyed("a", "\"12345678901\"").await.unwrap_err();
    assert!(matches!(refused, Error::TooLarge { .. }), "{refused}");
    let announced = Head {
        length: Some(11),
        idempotency_key: Some(b"a"),
        ..json_head()
    };
    let refused = door.push("acme", announced, "1").await.unwrap_err();
    assert!(matches!(refused, Error::TooLarge { .. }), "{refused}");
    for empty in ["", " ", "[]", "[ ]"] {
        let refused = door.keyed("a", empty).await.unwrap_err();
        assert!(
            matches!(refused, Error::Malformed(_)),
            "{empty:?}: {refused}"
        );
    }
    door.keyed("a", "1").await.unwrap();
}

#[tokio::test]
async fn two_pushes_with_one_key_at_once_are_stored_once() {
    let door = Door::open(vec![], KEYS_MAX).await;
    let pushes = (0..20).map(|_| door.keyed("a", "1"));
    let outcomes = futures_util::future::join_all(pushes).await;
    let fresh = outcomes
        .iter()
        .filter(|o| matches!(o, Ok(a) if !a.replayed))
        .count();
    assert_eq!(fresh, 1, "{outcomes:?}");
    let others = |o: &&Result<Accepted, Error>| {
        matches!(o, Err(Error::KeyInFlight)) || matches!(o, Ok(a) if a.replayed)
    };
    assert_eq!(outcomes.iter().filter(others).count(), 19);
    resolve_doubts(&door.push.0).await;
    assert_eq!(door.records("integrations.acme.data").await.len(), 1);
}

#[tokio::test]
async fn events_are_stored_as_kafkas_binding_says_and_once() {
    let door = Door::open(vec![], KEYS_MAX).await;
    let attributes: [(&str, &[u8]); 5] = [
        ("ce-specversion", b"1.0"),
        ("ce-id", b"7"),
        ("ce-source", b"/crm"),
        ("ce-type", b"made"),
        ("ce-partitionkey", b"k"),
    ];
    let head = || Head {
        headers: attributes.to_vec(),
        ..json_head()
    };
    let first = door.push("acme", head(), "[1,2]").await.unwrap();
    assert_eq!(first.accepted, 1, "the data of an event is one value");
    assert!(door.push("acme", head(), "[1,2]").await.unwrap().replayed);
    let event = r#"{"specversion":"1.0","id":"8","source":"/crm","type":"made","data":1}"#;
    let head = || Head {
        media_type: Some(b"application/cloudevents+json"),
        ..Head::default()
    };
    door.push("acme", head(), event).await.unwrap();
    let door = door.reopen().await;
    let again = door.push("acme", head(), event).await.unwrap();
    assert_eq!((again.offset, again.replayed), (Some(Offset(1)), true));
    let records = door.records("integrations.acme.data").await;
    assert_eq!(records.len(), 2);
    let (key, value, headers) = &records[0];
    assert_eq!((key.as_deref(), value.as_str()), (Some("k"), "[1,2]"));
    assert_eq!(header(headers, "ce_id"), Some("7"));
    let (_, value, headers) = &records[1];
    assert_eq!(value, event);
    assert_eq!(
        header(headers, "content-type"),
        Some("application/cloudevents+json")
    );
}

#[tokio::test]
async fn lifecycle_takes_lifecycle_events_only() {
    let door = Door::open(vec![], KEYS_MAX).await;
    let refused = door
        .push("lifecycle", json_head(), "{\"type\":\"x\"}")
        .await;
    assert!(matches!(
        refused.unwrap_err(),
        Error::Schema { kept: false, .. }
    ));
    let event = r#"{"type":"integration.installed","id":"1","integration":"acme","time":"2026-01-02T03:04:05Z"}"#;
    let accepted = door.push("lifecycle", json_head(), event).await.unwrap();
    assert_eq!(accepted.topic.as_str(), "integrations.lifecycle");
    let records = door.records("integrations.lifecycle").await;
    assert_eq!(header(&records[0].2, "penstock.client_id"), Some("app"));
}

/// Waits until the log takes appends again, which it tries by itself.
async fn writable(log: &Log) {
    let wait = async {
        let mut looks = tokio::time::interval(std::time::Duration::from_millis(5));
        while log.state() != State::Writable {
            looks.tick().await;
        }
    };
    let limit = std::time::Duration::from_secs(20);
    let waited = tokio::time::timeout(limit, wait).await;
    waited.unwrap_or_else(|_| panic!("the log is {:?}", log.state()));
}

#[tokio::test]
async fn a_push_whose_sync_failed_is_stored_once_by_its_repetition() {
    let door = Door::open(vec![], KEYS_MAX).await;
    door.push("acme", json_head(), "0").await.unwrap();
    door.disk.fail(true);
    let unknown = door.keyed("a", "1").await.unwrap_err();
    assert!(matches!(unknown, Error::Unknown(_)), "{unknown}");
    // The log refuses for sure, but the push before may be stored.
    let repeated = door.keyed("a", "1").await.unwrap_err();
    assert!(matches!(repeated, Error::Unknown(_)), "{repeated}");
    let other = door.keyed("a", "2").await.unwrap_err();
    assert!(matches!(other, Error::KeyInFlight), "{other}");
    let fresh = door.keyed("b", "1").await.unwrap_err();
    assert!(matches!(fresh, Error::Log(_)), "surely not stored: {fresh}");
    assert_eq!(door.push.0.keys.count(), 1);
    door.disk.fail(false);
    writable(&door.log).await;
    let stored = door.keyed("a", "1").await.unwrap();
    assert_eq!((stored.offset, stored.replayed), (Some(Offset(1)), false));
    let door = door.reopen().await;
    let again = door.keyed("a", "1").await.unwrap();
    assert_eq!((again.offset, again.replayed), (Some(Offset(1)), true));
    assert_eq!(door.records("integrations.acme.data").await.len(), 2);
}

#[tokio::test]
async fn a_key_in_doubt_is_free_once_another_append_succeeded() {
    let door = Door::open(vec![], KEYS_MAX).await;
    door.push("acme", json_head(), "0").await.unwrap();
    door.disk.fail(true);
    door.keyed("a", "1").await.unwrap_err();
    resolve_doubts(&door.push.0).await;
    assert_eq!(
        door.push.0.keys.count(),
        1,
        "nothing says yet that it is not stored"
    );
    door.disk.fail(false);
    writable(&door.log).await;
    resolve_doubts(&door.push.0).await;
    assert_eq!(door.push.0.keys.count(), 0);
    let other = door.keyed("a", "2").await.unwrap();
    assert!(!other.replayed);
    let door = door.reopen().await;
    let records = door.records("integrations.acme.data").await;
    let values: Vec<&str> = records.iter().map(|(_, value, _)| value.as_str()).collect();
    assert_eq!(values, ["0", "2"]);
    assert!(door.keyed("a", "2").await.unwrap().replayed);
}
