//! Shared groups over HTTP: what a member is promised, also across kills.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Penstock, Random, Record, Setup, http, pause, wait_until};

const LIMIT: Duration = Duration::from_secs(30);

/// A server whose groups `quick` and `crew` wait little between deliveries.
fn penstock() -> Penstock {
    let mut penstock = Setup::new().build();
    let declared = "groups:\n  quick:\n    backoff: { first: 20ms, max: 40ms }\n  crew:\n    backoff: { first: 20ms, max: 40ms }\n";
    std::fs::write(penstock.path("topics.yaml"), declared).unwrap();
    penstock.start();
    penstock
}

#[track_caller]
fn post(penstock: &Penstock, path: &str, body: &Value) -> (u16, Value) {
    let address = penstock.address("http");
    let answer = http(address, "POST", path, Some(&body.to_string())).unwrap();
    (answer.status, answer.json())
}

#[track_caller]
fn read(penstock: &Penstock, group: &str, asked: &Value) -> Vec<Value> {
    let (status, answer) = post(penstock, &format!("/groups/{group}/read"), asked);
    assert_eq!(status, 200, "{answer}");
    answer["records"].as_array().unwrap().clone()
}

/// The statuses of an acknowledgement.
#[track_caller]
fn ack(penstock: &Penstock, group: &str, what: &str, records: &[Value]) -> Vec<String> {
    let ids: Vec<&Value> = records.iter().map(|record| &record["ack_id"]).collect();
    let (status, answer) = post(
        penstock,
        &format!("/groups/{group}/ack"),
        &json!({what: ids}),
    );
    assert_eq!(status, 200, "{answer}");
    let results = answer["results"].as_array().unwrap().iter();
    results
        .map(|one| one["status"].as_str().unwrap().to_owned())
        .collect()
}

fn header(record: &Record, name: &str) -> Option<String> {
    let pairs = record.header_pairs();
    pairs
        .into_iter()
        .rev()
        .find(|(key, _)| key == name)
        .and_then(|(_, value)| value)
}

#[test]
fn a_record_released_five_times_is_a_dead_letter_of_its_group_only() {
    let penstock = penstock();
    penstock
        .kcat()
        .produce("t", &["-H", "h=v"], "k:{\"a\": 1}\n");
    for delivery in 1..=5 {
        let asked = json!({"topics": ["t"], "max_records": 10, "wait_ms": 5000});
        let got = read(&penstock, "quick", &asked);
        assert_eq!(got.len(), 1);
        assert_eq!(got[0]["delivery_count"], delivery);
        assert_eq!(got[0]["value"], json!({"a": 1}));
        assert_eq!(got[0]["headers"], json!([{"key": "h", "value": "v"}]));
        assert_eq!(ack(&penstock, "quick", "release", &got), ["ok"]);
        assert_eq!(ack(&penstock, "quick", "accept", &got).len(), 1);
    }
    let letters = penstock.kcat().records("dlq.quick");
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].value.as_deref(), Some("{\"a\": 1}"));
    for (name, value) in [
        ("h", "v"),
        ("__dlq.errors.topic", "t"),
        ("__dlq.errors.partition", "0"),
        ("__dlq.errors.offset", "0"),
        ("__dlq.errors.group", "quick"),
        ("__dlq.errors.delivery.count", "5"),
        ("__dlq.errors.reason", "exhausted"),
    ] {
        assert_eq!(header(&letters[0], name).as_deref(), Some(value), "{name}");
    }
    assert!(read(&penstock, "quick", &json!({"topics": ["t"]})).is_empty());
    let other = read(&penstock, "other", &json!({"topics": ["t"]}));
    assert_eq!((other.len(), &other[0]["delivery_count"]), (1, &json!(1)));
    let metrics = penstock.metrics();
    let released = "penstock_deliveries_total{group=\"quick\",outcome=\"released\"} 5";
    assert!(metrics.contains(released), "{metrics}");
    let none = "penstock_deliveries_total{group=\"other\",outcome=\"rejected\"} 0";
    assert!(metrics.contains(none), "{metrics}");
}

#[test]
fn acks_that_are_late_foreign_or_made_up_change_nothing() {
    let penstock = penstock();
    penstock.kcat().produce("t", &[], "a:1\nb:2\n");
    let asked = json!({"topics": ["t"], "max_records": 1, "lease_ms": 1000});
    let late = read(&penstock, "quick", &asked);
    let asked = json!({"topics": ["t"], "max_records": 1, "wait_ms": 1});
    let held = read(&penstock, "quick", &asked);
    // The lease runs out, and the record comes to somebody else.
    let again = read(
        &penstock,
        "quick",
        &json!({"topics": ["t"], "wait_ms": 10_000}),
    );
    assert_eq!((again.len(), &again[0]["offset"]), (1, &late[0]["offset"]));
    assert_eq!(again[0]["delivery_count"], 2);
    assert_eq!(ack(&penstock, "quick", "accept", &late), ["expired"]);
    let made_up = [json!({"ack_id": "x"})];
    assert_eq!(ack(&penstock, "quick", "accept", &made_up), ["unknown"]);
    assert_eq!(ack(&penstock, "quick", "renew", &held), ["ok"]);
    assert_eq!(ack(&penstock, "quick", "accept", &held), ["ok"]);
    assert_eq!(ack(&penstock, "quick", "accept", &held), ["unknown"]);
    assert_eq!(ack(&penstock, "quick", "accept", &again), ["ok"]);
    let described = penstock.get("/groups/quick").unwrap().json();
    assert_eq!(described["kind"], "shared");
    assert_eq!(described["in_flight"], 0, "{described}");
    let lag = penstock.get("/groups/quick/lag").unwrap().json();
    assert_eq!(lag["lag"], 0, "{lag}");
}

#[test]
fn a_group_is_ordered_or_shared_and_a_restart_keeps_counts() {
    let mut penstock = penstock();
    penstock.kcat().produce("t", &[], "a:1\n");
    assert_eq!(read(&penstock, "quick", &json!({"topics": ["t"]})).len(), 1);
    let words = ["-G", "quick", "t", "-e"];
    let refused = penstock.kcat().attempt(&words, "");
    let told = format!("{refused:?}").to_lowercase();
    assert!(told.contains("inconsistent"), "{told}");
    let words = [
        "-G",
        "ordered",
        "t",
        "-e",
        "-X",
        "auto.offset.reset=earliest",
    ];
    penstock.kcat().run(&words, "");
    let asked = json!({"topics": ["t"]});
    let (status, problem) = post(&penstock, "/groups/ordered/read", &asked);
    assert_eq!((status, &problem["code"]), (409, &json!("PEN-GROUP-009")));
    penstock.kill();
    penstock.start();
    let got = read(&penstock, "quick", &asked);
    assert_eq!((got.len(), &got[0]["delivery_count"]), (1, &json!(2)));
}

#[test]
fn a_poll_wakes_when_a_record_comes() {
    let penstock = penstock();
    penstock.kcat().produce("t", &[], "a:1\n");
    let got = read(&penstock, "quick", &json!({"topics": ["t"]}));
    ack(&penstock, "quick", "accept", &got);
    let asked = json!({"topics": ["t"], "wait_ms": 9000});
    std::thread::scope(|scope| {
        let begin = Instant::now();
        let waiting = scope.spawn(|| read(&penstock, "quick", &asked));
        penstock.kcat().produce("t", &[], "b:2\n");
        let got = waiting.join().unwrap();
        assert_eq!((got.len(), &got[0]["value"]), (1, &json!(2)));
        assert!(
            begin.elapsed() < Duration::from_secs(8),
            "{:?}",
            begin.elapsed()
        );
    });
}

/// What the members know of the records, by offset.
#[derive(Debug, Default)]
struct Seen {
    /// The last delivery's number.
    counts: BTreeMap<i64, u64>,
    /// Accepted for sure, and how often.
    accepted: BTreeMap<i64, u32>,
    /// An acceptance was sent that nobody answered.
    maybe_accepted: BTreeSet<i64>,
    violations: Vec<String>,
}

/// One member until the server is gone or `stop`.
fn member(address: &str, seen: &Mutex<Seen>, stop: &AtomicBool, mut random: Random) {
    while !stop.load(Ordering::Relaxed) {
        let asked = json!({"topics": ["jobs"], "max_records": 5, "wait_ms": 50});
        let answer = http(
            address,
            "POST",
            "/groups/crew/read",
            Some(&asked.to_string()),
        );
        let Ok(answer) = answer.map_err(drop).and_then(|a| whole(&a.body)) else {
            return;
        };
        let Some(records) = answer["records"].as_array() else {
            continue;
        };
        let mut lists: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
        for record in records {
            let (offset, count) = (record["offset"].as_i64(), record["delivery_count"].as_u64());
            let (offset, count) = (offset.unwrap(), count.unwrap());
            let mut seen = seen.lock().unwrap();
            if let Some(before) = seen.counts.insert(offset, count)
                && before >= count
            {
                let what = format!("delivery {count} of offset {offset} after {before}");
                seen.violations.push(what);
            }
            if seen.accepted.contains_key(&offset) {
                seen.violations.push(format!("offset {offset} came again"));
            }
            let what = match random.between(0, 100) {
                0 => "reject",
                1..10 => "release",
                _ => "accept",
            };
            if what == "accept" {
                seen.maybe_accepted.insert(offset);
            }
            lists.entry(what).or_default().push(&record["ack_id"]);
        }
        pause(Duration::from_millis(random.between(0, 4)));
        let offsets: BTreeMap<&str, i64> = records
            .iter()
            .map(|r| (r["ack_id"].as_str().unwrap(), r["offset"].as_i64().unwrap()))
            .collect();
        let accepted: BTreeSet<&str> = lists
            .get("accept")
            .into_iter()
            .flatten()
            .filter_map(|id| id.as_str())
            .collect();
        let body = json!(lists).to_string();
        let answer = http(address, "POST", "/groups/crew/ack", Some(&body));
        let Ok(answer) = answer.map_err(drop).and_then(|a| whole(&a.body)) else {
            return;
        };
        let mut seen = seen.lock().unwrap();
        for result in answer["results"].as_array().into_iter().flatten() {
            let id = result["ack_id"].as_str().unwrap();
            if accepted.contains(id) && result["status"] == "ok" {
                *seen.accepted.entry(offsets[id]).or_default() += 1;
            }
        }
    }
}

/// An answer that was not cut off by the kill.
fn whole(body: &str) -> Result<Value, ()> {
    serde_json::from_str(body).map_err(drop)
}

#[test]
fn across_kills_every_record_is_accepted_once_or_a_dead_letter_once() {
    kill_while_four_members_work(4);
}

/// Kills the process so often while four members accept, release and reject, and judges what
/// became of each record. Prints a line; the long checks do it a hundred times.
#[track_caller]
pub(crate) fn kill_while_four_members_work(kills: usize) {
    const PER_ROUND: usize = 200;
    let mut random = Random::seeded("share");
    let mut penstock = penstock();
    let seen = Mutex::new(Seen::default());
    let mut produced = 0;
    for _ in 0..kills {
        let lines: String = (produced..produced + PER_ROUND)
            .map(|n| format!("{n}:{n}\n"))
            .collect();
        penstock.kcat().produce("jobs", &[], &lines);
        produced += PER_ROUND;
        let stop = AtomicBool::new(false);
        let address = penstock.address("http").to_owned();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let random = random.fork();
                scope.spawn(|| member(&address, &seen, &stop, random));
            }
            pause(Duration::from_millis(random.between(30, 300)));
            penstock.kill();
            stop.store(true, Ordering::Relaxed);
        });
        penstock.start();
    }
    // What is left is accepted; whatever died on the way is a dead letter by then.
    wait_until("nothing is open", LIMIT * 3, || {
        let asked = json!({"topics": ["jobs"], "max_records": 500, "wait_ms": 200});
        let got = read(&penstock, "crew", &asked);
        let statuses = ack(&penstock, "crew", "accept", &got);
        let mut seen = seen.lock().unwrap();
        for (record, status) in got.iter().zip(statuses) {
            if status == "ok" {
                *seen
                    .accepted
                    .entry(record["offset"].as_i64().unwrap())
                    .or_default() += 1;
            }
        }
        let lag = penstock.get("/groups/crew/lag").unwrap().json();
        if lag["lag"] == 0 {
            Ok(())
        } else {
            Err(lag.to_string())
        }
    });
    let letters = penstock.kcat().records_if_any("dlq.crew");
    print!("{kills} kills of shared consumption: ");
    judge(&seen.into_inner().unwrap(), &letters, produced);
}

#[track_caller]
fn judge(seen: &Seen, letters: &[Record], produced: usize) {
    assert!(seen.violations.is_empty(), "{:#?}", seen.violations);
    let mut dead = BTreeSet::new();
    for letter in letters {
        let offset: i64 = header(letter, "__dlq.errors.offset")
            .unwrap()
            .parse()
            .unwrap();
        assert!(
            dead.insert(offset),
            "offset {offset} is a dead letter twice"
        );
    }
    for offset in 0..i64::try_from(produced).unwrap() {
        let accepted = seen.accepted.get(&offset).copied().unwrap_or(0);
        let is_dead = dead.contains(&offset);
        assert!(
            accepted <= 1,
            "offset {offset} was accepted {accepted} times"
        );
        assert!(
            accepted == 0 || !is_dead,
            "offset {offset} was accepted and is a dead letter"
        );
        let is_known = accepted == 1 || is_dead || seen.maybe_accepted.contains(&offset);
        assert!(is_known, "offset {offset} is lost");
    }
    println!(
        "{produced} records, {} accepted, {} dead letters, 0 violations",
        seen.accepted.len(),
        dead.len()
    );
}

/// Sends `request` and closes the half that sends; what came until the server closed, too.
#[track_caller]
fn leave_after(penstock: &Penstock, request: &str) -> String {
    let mut stream = TcpStream::connect(penstock.address("http")).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_reader_that_has_left_is_handed_nothing() {
    let penstock = penstock();
    penstock.kcat().produce("t", &[], "a:1\n");
    let first = read(&penstock, "quick", &json!({"topics": ["t"]}));
    assert_eq!(ack(&penstock, "quick", "accept", &first), ["ok"]);
    // Longer than this test waits for the server to close.
    let body = json!({"topics": ["t"], "wait_ms": 60_000, "lease_ms": 60_000}).to_string();
    let length = body.len();
    let polled = format!(
        "POST /groups/quick/read HTTP/1.1\r\nHost: localhost\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    assert_eq!(leave_after(&penstock, &polled), "");
    let streamed = "GET /topics/t/records HTTP/1.1\r\nHost: localhost\r\n\
                    Accept: text/event-stream\r\n\r\n";
    let streamed = leave_after(&penstock, streamed);
    assert!(streamed.starts_with("HTTP/1.1 200 "), "{streamed}");
    penstock.kcat().produce("t", &[], "b:2\n");
    let second = read(
        &penstock,
        "quick",
        &json!({"topics": ["t"], "wait_ms": 5000}),
    );
    assert_eq!(second.len(), 1);
    assert_eq!(second[0]["delivery_count"], 1);
}
