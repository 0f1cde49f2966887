//! Clients that repeat their pushes until they are answered, while the server is killed again and
//! again: every key's record is there once, at the offset that was answered.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use super::door::Door;
use crate::support::{Random, pause};

const CLIENTS: u64 = 8;
/// A client waits so long for an answer of a server that may be dead.
const ANSWER: Duration = Duration::from_secs(10);

/// What was done and found.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) kills: u32,
    pub(crate) keys: usize,
    /// Answers 200: the repetition found its push.
    pub(crate) replayed: u64,
    /// What was lost, repeated or elsewhere.
    pub(crate) violations: Vec<String>,
}

/// A push that was answered: key, value, offset.
type Done = (String, String, i64);

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    replayed: AtomicU64,
}

/// Kills the server `kills` times under clients with keys.
pub(crate) fn kills(what: &str, kills: u32) -> Outcome {
    let mut random = Random::seeded(what);
    let mut door = Door::open("");
    let shared = Arc::new(Shared::default());
    let token = door.issuer.token("push:*");
    let address = door.penstock.address("http").to_owned();
    let clients: Vec<JoinHandle<Vec<Done>>> = (0..CLIENTS)
        .map(|client| {
            let (address, token) = (address.clone(), token.clone());
            let (shared, random) = (Arc::clone(&shared), random.fork());
            std::thread::spawn(move || client_run(client, &address, &token, random, &shared))
        })
        .collect();
    for _ in 0..kills {
        pause(Duration::from_millis(random.between(20, 400)));
        door.penstock.kill();
        door.penstock.start();
    }
    pause(Duration::from_millis(100));
    shared.is_over.store(true, Ordering::SeqCst);
    let done: Vec<Done> = clients
        .into_iter()
        .flat_map(|client| client.join().unwrap())
        .collect();
    Outcome {
        kills,
        keys: done.len(),
        replayed: shared.replayed.load(Ordering::SeqCst),
        violations: judge(&door, &done),
    }
}

/// Pushes one after the other, each until it is answered.
fn client_run(
    client: u64,
    address: &str,
    token: &str,
    mut random: Random,
    shared: &Shared,
) -> Vec<Done> {
    let mut done = Vec::new();
    let mut number = 0;
    while !shared.is_over.load(Ordering::SeqCst) {
        number += 1;
        let key = format!("client-{client}-{number}");
        let value = format!("{{\"client\":{client},\"number\":{number}}}");
        loop {
            // Some callers go away without having seen the answer.
            let stays = random.between(0, 10) > 0;
            let answer = post(address, token, &key, &value, stays);
            if let Ok((status @ (200 | 202), body)) = &answer {
                if *status == 200 {
                    shared.replayed.fetch_add(1, Ordering::SeqCst);
                }
                let offset = body["offset"].as_i64().unwrap_or(-1);
                done.push((key, value, offset));
                break;
            }
            if let Ok((status, body)) = &answer {
                assert!([409, 503].contains(status), "{status} {body}");
            }
            pause(Duration::from_millis(5));
        }
    }
    done
}

fn post(
    address: &str,
    token: &str,
    key: &str,
    value: &str,
    stays: bool,
) -> Result<(u16, Value), String> {
    let mut stream = TcpStream::connect(address).map_err(|e| e.to_string())?;
    stream.set_read_timeout(Some(ANSWER)).unwrap();
    let length = value.len();
    let request = format!(
        "POST /push/acme HTTP/1.0\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Idempotency-Key: {key}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{value}"
    );
    stream
        .write_all(request.as_bytes())
        .map_err(|e| e.to_string())?;
    if !stays {
        return Err("went away".to_owned());
    }
    let mut text = String::new();
    stream
        .read_to_string(&mut text)
        .map_err(|e| e.to_string())?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or("no answer")?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let body = serde_json::from_str(body).unwrap_or(Value::Null);
    Ok((status.ok_or("no status")?, body))
}

fn judge(door: &Door, done: &[Done]) -> Vec<String> {
    let records = door.penstock.kcat().records("integrations.acme.data");
    let mut offsets: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for record in &records {
        let value = record.value.as_deref().unwrap_or("");
        offsets.entry(value).or_default().push(record.offset);
    }
    let mut violations = Vec::new();
    for (key, value, offset) in done {
        let found = offsets.remove(value.as_str());
        if found != Some(vec![*offset]) {
            violations.push(format!(
                "{key} was answered at {offset}, and is at {found:?}"
            ));
        }
    }
    for (value, found) in offsets {
        violations.push(format!("nobody was answered for {value} at {found:?}"));
    }
    violations.truncate(20);
    violations
}

#[test]
fn keys_under_kills_are_stored_once() {
    let outcome = kills("pushes under kills", 6);
    assert!(outcome.violations.is_empty(), "{outcome:#?}");
    assert!(outcome.keys > 50, "{outcome:#?}");
}
