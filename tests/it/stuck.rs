//! One member that never answers and one record that can never be worked off must not hold up the
//! others of a shared group.
//!
//! The stuck member reads again and again over one connection, as a broken worker in a loop does;
//! the others connect anew for every request.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::support::{Penstock, Setup, http, pause, wait_until};

const LIMIT: Duration = Duration::from_secs(60);
const GROUP: &str = "crew";
/// Members of a group, the stuck one included.
const MEMBERS: usize = 4;
/// How long the load of a run goes on: long enough for leases of 30 s to run out, and for a
/// record to be released five times.
const RUN: Duration = Duration::from_secs(60);
/// A piece of the load: 1,000 records a second.
const PIECE: usize = 10;
const PIECE_EVERY: Duration = Duration::from_millis(10);

#[track_caller]
fn post(address: &str, path: &str, body: &Value) -> Value {
    let answer = http(address, "POST", path, Some(&body.to_string())).unwrap();
    assert!((200..300).contains(&answer.status), "{path}: {answer:?}");
    answer.json()
}

fn produce(address: &str, values: impl Iterator<Item = Value>) {
    let records: Vec<Value> = values.map(|value| json!({"value": value})).collect();
    post(
        address,
        "/topics/jobs/records",
        &json!({"records": records}),
    );
}

fn start() -> Penstock {
    let penstock = Setup::new().start();
    post(
        penstock.address("http"),
        "/topics",
        &json!({"name": "jobs"}),
    );
    penstock
}

/// A member that keeps its connection and takes what it gets.
struct Stuck {
    connection: BufReader<TcpStream>,
}

impl Stuck {
    fn connect(address: &str) -> Stuck {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        Stuck {
            connection: BufReader::new(stream),
        }
    }

    /// How many records it got.
    fn read(&mut self, asked: &Value) -> usize {
        let body = asked.to_string();
        let request = format!(
            "POST /groups/{GROUP}/read HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.connection
            .get_mut()
            .write_all(request.as_bytes())
            .unwrap();
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.connection.read_line(&mut line).unwrap();
            let line = line.trim_end().to_lowercase();
            if let Some(told) = line.strip_prefix("content-length: ") {
                length = told.parse().unwrap();
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.connection.read_exact(&mut body).unwrap();
        let answer: Value = serde_json::from_slice(&body).unwrap();
        answer["records"].as_array().unwrap().len()
    }
}

#[test]
fn a_member_that_never_acknowledges_cannot_hold_everything() {
    let penstock = start();
    let address = penstock.address("http");
    for first in [0, 1500] {
        produce(address, (first..first + 1500).map(Value::from));
    }
    let asked = json!({"topics": ["jobs"], "max_records": 500});
    let mut stuck = Stuck::connect(address);
    let mut held = 0;
    loop {
        let got = stuck.read(&asked);
        held += got;
        if got == 0 {
            break;
        }
    }
    assert_eq!(held, 1000);
    let mut accepted = 0;
    wait_until("all the others", LIMIT, || {
        accepted += accept(address, &mut Vec::new());
        if accepted == 2000 {
            Ok(())
        } else {
            Err(format!("{accepted} accepted"))
        }
    });
    // By its name a member is the same over every connection.
    let named = json!({"topics": ["jobs"], "member": ""});
    let refused = http(
        address,
        "POST",
        "/groups/crew/read",
        Some(&named.to_string()),
    )
    .unwrap();
    assert_eq!(refused.status, 400, "{refused:?}");
    produce(address, (0..1500).map(Value::from));
    let named = json!({"topics": ["jobs"], "max_records": 1000, "member": "a"});
    let got: Vec<usize> = (0..3)
        .map(|_| {
            post(address, "/groups/crew/read", &named)["records"]
                .as_array()
                .unwrap()
                .len()
        })
        .collect();
    assert_eq!(got, [500, 0, 0]);
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// Reads once and accepts what it got, but releases what is poisoned; how many were accepted.
/// Adds the times from append to acceptance of those that came for the first time.
fn accept(address: &str, times_ms: &mut Vec<i64>) -> usize {
    let asked = json!({"topics": ["jobs"], "max_records": 100, "wait_ms": 500});
    let answer = post(address, "/groups/crew/read", &asked);
    let records = answer["records"].as_array().unwrap();
    if records.is_empty() {
        return 0;
    }
    let is_poisoned = |record: &&Value| record["value"] == "poisoned";
    let (bad, good): (Vec<&Value>, Vec<&Value>) = records.iter().partition(is_poisoned);
    let ids = |records: &[&Value]| -> Vec<Value> {
        let ids = records.iter().map(|record| record["ack_id"].clone());
        ids.collect()
    };
    let body = json!({"accept": ids(&good), "release": ids(&bad)});
    let answer = post(address, "/groups/crew/ack", &body);
    let now = now_ms();
    let first = good.iter().filter(|record| record["delivery_count"] == 1);
    times_ms.extend(first.map(|record| now - record["timestamp"].as_i64().unwrap()));
    let results = answer["results"]
        .as_array()
        .unwrap()
        .iter()
        .take(good.len());
    results.filter(|result| result["status"] == "ok").count()
}

/// What the members that behave did in a run.
#[derive(Debug)]
struct Outcome {
    produced: usize,
    accepted: usize,
    /// From append to acceptance of records that were delivered once.
    p99_ms: i64,
    taken_by_stuck: usize,
}

impl Outcome {
    #[expect(clippy::cast_precision_loss, reason = "counts of a minute")]
    fn rate(&self) -> f64 {
        self.accepted as f64 / RUN.as_secs_f64()
    }
}

/// One run of the load; with trouble the first member is stuck and one record is poisoned.
fn load(penstock: &Penstock, is_troubled: bool) -> Outcome {
    let address = penstock.address("http");
    let (stop, accepted) = (AtomicBool::new(false), Mutex::new((0, Vec::new())));
    let (mut produced, mut taken_by_stuck) = (0, 0);
    std::thread::scope(|scope| {
        let stuck = is_troubled.then(|| {
            scope.spawn(|| {
                let asked = json!({"topics": ["jobs"], "max_records": 100, "wait_ms": 100});
                let (mut stuck, mut taken) = (Stuck::connect(address), 0);
                while !stop.load(Ordering::Relaxed) {
                    taken += stuck.read(&asked);
                }
                taken
            })
        });
        for _ in usize::from(is_troubled)..MEMBERS {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let mut times_ms = Vec::new();
                    let count = accept(address, &mut times_ms);
                    // What is accepted after the end does not count.
                    if !stop.load(Ordering::Relaxed) {
                        let mut all = accepted.lock().unwrap();
                        all.0 += count;
                        all.1.append(&mut times_ms);
                    }
                }
            });
        }
        let begin = Instant::now();
        while begin.elapsed() < RUN {
            let poisoned = is_troubled && produced == 0;
            let value = |n| {
                if poisoned && n == 0 {
                    json!("poisoned")
                } else {
                    json!({"n": n})
                }
            };
            produce(address, (0..PIECE).map(value));
            produced += PIECE;
            let due = PIECE_EVERY * u32::try_from(produced / PIECE).unwrap();
            pause(due.saturating_sub(begin.elapsed()));
        }
        stop.store(true, Ordering::Relaxed);
        taken_by_stuck = stuck.map_or(0, |stuck| stuck.join().unwrap());
    });
    let (accepted, mut times_ms) = accepted.into_inner().unwrap();
    times_ms.sort_unstable();
    Outcome {
        produced,
        accepted,
        p99_ms: times_ms[times_ms.len() * 99 / 100],
        taken_by_stuck,
    }
}

/// The long check: what the well-behaved members do beside a stuck one and a poisoned record, as a
/// part of what they do without. Prints a line.
#[track_caller]
pub(crate) fn compare_with_a_stuck_member_and_a_poisoned_record() {
    let alone = load(&start(), false);
    let penstock = start();
    let troubled = load(&penstock, true);
    let ratio = troubled.rate() / alone.rate();
    println!(
        "a stuck member and a poisoned record among 1,000 records/s: the others accepted {:.0} records/s \
         (p99 {} ms from append for what the stuck one had not taken), without trouble {:.0} records/s (p99 {} ms), ratio {ratio:.3}; \
         the stuck one took {}",
        troubled.rate(),
        troubled.p99_ms,
        alone.rate(),
        alone.p99_ms,
        troubled.taken_by_stuck,
    );
    let letters = penstock.kcat().records("dlq.crew");
    let is_poisoned = |value: Option<&str>| value == Some("poisoned");
    assert!(
        letters
            .iter()
            .any(|letter| is_poisoned(letter.value.as_deref())),
        "{letters:?}"
    );
    assert!(troubled.taken_by_stuck >= 1000, "{troubled:?}");
    assert!(alone.accepted * 10 >= alone.produced * 9, "{alone:?}");
    assert!(ratio >= 0.9, "{alone:?} {troubled:?}");
}
