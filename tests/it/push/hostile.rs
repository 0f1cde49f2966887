//! Bodies, names and headers that are meant to harm: refused, and nothing is stored, blocked or
//! eaten up.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::door::{Door, Got, curl};
use crate::support::is_proving;

/// What an attack may add to the server's memory.
const GROWTH_KIB: u64 = 40 * 1024;

#[test]
fn names_that_are_none_are_not_found_before_anything_else() {
    let door = Door::open("");
    let long = "x".repeat(64);
    for name in [
        "..",
        "../topics",
        "%2e%2e",
        "%2F",
        "a%2Fb",
        "%00",
        "a%00",
        "ACME",
        "Acme",
        "a_b",
        "_dlq",
        "-a",
        "a.b",
        "%61cme",
        "%D0%B0cme",
        "a/b",
        "",
        "/",
        "lifecycle/x",
        "%252e",
        "a%0d%0ab",
        &long,
    ] {
        let got = door.curl(&format!("/push/{name}"), &["-X", "POST", "-d", "1"]);
        assert_eq!(got.status, 404, "{name}: {got:?}");
    }
    let topics = door.curl("/topics", &["-u", "admin:secret"]);
    assert!(!topics.body.contains("integrations."), "{topics:?}");
}

/// Pushes bytes that are no text.
fn push_bytes(door: &Door, bytes: &[u8], more: &[&str]) -> Got {
    let path = door.penstock.path("body");
    std::fs::write(&path, bytes).unwrap();
    let at = format!("@{}", path.display());
    let bearer = format!("Authorization: Bearer {}", door.issuer.token("push:acme"));
    let mut words = vec![
        "-H",
        &bearer,
        "-H",
        "Content-Type: application/json",
        "--data-binary",
        &at,
    ];
    words.extend(more);
    curl(door.penstock.address("http"), "/push/acme", &words)
}

#[test]
fn bombs_are_refused_at_the_bound() {
    let door = Door::open("");
    let pack = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let gzip = ["-H", "Content-Encoding: gzip"];
    assert_eq!(push_bytes(&door, &pack(b"{\"n\":1}"), &gzip).status, 202);
    let before = door.penstock.memory_kib("VmHWM");
    // 1 MiB of members of 1 MiB each unpacks to about a gigabyte.
    let member = pack(&vec![b' '; 1 << 20]);
    let bomb = member.repeat((1 << 20) / member.len());
    for _ in 0..5 {
        let got = push_bytes(&door, &bomb, &gzip);
        assert_eq!(got.status, 413, "{got:?}");
    }
    let twice = push_bytes(
        &door,
        &pack(&pack(b"1")),
        &["-H", "Content-Encoding: gzip, gzip"],
    );
    assert_eq!(twice.status, 415);
    let got = push_bytes(&door, &[b'['; 1_000_000], &[]);
    assert_eq!(got.status, 400, "{got:?}");
    let got = push_bytes(&door, &vec![b' '; 5 << 20], &[]);
    assert_eq!(got.status, 413, "{got:?}");
    let chunked = push_bytes(
        &door,
        &vec![b' '; 3 << 20],
        &["-H", "Transfer-Encoding: chunked"],
    );
    assert_eq!(chunked.status, 413, "{chunked:?}");
    let grown = door.penstock.memory_kib("VmHWM") - before;
    assert!(grown < GROWTH_KIB, "memory grew by {grown} KiB");
    assert_eq!(door.penstock.kcat().end("integrations.acme.data", 0), 1);
}

#[test]
fn a_body_that_is_announced_too_large_is_refused_before_it_is_sent() {
    let door = Door::open("");
    let token = door.issuer.token("push:acme");
    let mut stream = TcpStream::connect(door.penstock.address("http")).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    write!(
        stream,
        "POST /push/acme HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nExpect: 100-continue\r\n\
         Content-Type: application/json\r\nContent-Length: 99999999\r\n\r\n"
    )
    .unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 413");
}

#[test]
fn headers_cannot_smuggle_lines_into_records() {
    let door = Door::open("");
    let event = [
        "-H",
        "ce-specversion: 1.0",
        "-H",
        "ce-id: 3",
        "-H",
        "ce-source: /crm",
        "-H",
        "ce-type: t",
        "-H",
        "ce-evil: a%0d%0ab",
    ];
    assert_eq!(door.push("acme", "1", &event).status, 400);
    let tab = ["-H", "X-DEBEZIUM-A: a\tb"];
    assert_eq!(door.push("acme", "1", &tab).status, 400);
    let many: Vec<String> = (0..20).map(|n| format!("X-DEBEZIUM-H{n}: v")).collect();
    let many: Vec<&str> = many.iter().flat_map(|one| ["-H", one.as_str()]).collect();
    assert_eq!(door.push("acme", "1", &many).status, 400);
    let twice = ["-H", "Idempotency-Key: a", "-H", "Idempotency-Key: b"];
    assert_eq!(door.push("acme", "1", &twice).status, 400);
    let types = [
        "-H",
        "Content-Type: application/json",
        "-H",
        "Content-Type: text/plain",
    ];
    assert_eq!(door.push("acme", "1", &types).status, 415);
    let query = format!("/push/acme?access_token={}", door.issuer.token("push:acme"));
    let got = door.curl(&query, &["-H", "Content-Type: application/json", "-d", "1"]);
    assert!([400, 401].contains(&got.status), "{got:?}");
    assert!(
        !door
            .penstock
            .kcat()
            .topics()
            .iter()
            .any(|(name, _)| name.starts_with("integrations."))
    );
}

#[test]
fn json_of_every_kind_of_wrong_is_refused() {
    let door = Door::open("");
    let wrong: [&[u8]; 9] = [
        b"\xef\xbb\xbf1",
        b"\xff\xfe1\x00",
        b"NaN",
        b"1 2",
        b"{\"a\":}",
        b"\"\xff\"",
        b"",
        b" \n",
        b"\0",
    ];
    for body in wrong {
        let got = push_bytes(&door, body, &[]);
        assert_eq!(got.status, 400, "{body:?}: {got:?}");
        assert_eq!(got.json()["code"], "PEN-PUSH-006", "{got:?}");
    }
    for body in [
        "1e999999",
        "-0",
        "\"\\ud800\"",
        "{\"a\":1,\"a\":2}",
        "12345678901234567890123",
    ] {
        let got = door.push("acme", body, &[]);
        assert_eq!(got.status, 202, "{body}: {got:?}");
    }
    let records = door.penstock.kcat().records("integrations.acme.data");
    let values: Vec<&str> = records
        .iter()
        .map(|r| r.value.as_deref().unwrap())
        .collect();
    assert_eq!(
        values,
        [
            "1e999999",
            "-0",
            "\"\\ud800\"",
            "{\"a\":1,\"a\":2}",
            "12345678901234567890123"
        ]
    );
}

#[test]
fn a_body_that_does_not_come_ends_after_half_a_minute() {
    if !is_proving() {
        eprintln!("skipped: a slow body takes 30 s (PENSTOCK_PROVE=1 runs it)");
        return;
    }
    let door = Door::open("");
    let token = door.issuer.token("push:acme");
    let mut stream = TcpStream::connect(door.penstock.address("http")).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(50)))
        .unwrap();
    write!(
        stream,
        "POST /push/acme HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: 100\r\n\r\n["
    )
    .unwrap();
    let begin = Instant::now();
    assert_eq!(
        door.push("acme", "1", &[]).status,
        202,
        "others are served meanwhile"
    );
    let mut head = [0; 12];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 408");
    assert!(begin.elapsed() > Duration::from_secs(25));
}
