//! What comes in on the Kafka port cannot crash it, block it, or make it use memory that was not
//! budgeted: after every hostile connection the same process serves others.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::{Penstock, Random, Setup, wait_until};

/// For an answer, or for the server to close.
const LIMIT: Duration = Duration::from_secs(20);

/// What a server that served hostile connections may have used more at its peak: two frames of
/// 32 MiB and the noise of a debug build.
const GROWTH_KIB: u64 = 100 * 1024;

fn connect(penstock: &Penstock) -> TcpStream {
    let stream = TcpStream::connect(penstock.address("kafka")).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.set_write_timeout(Some(LIMIT)).unwrap();
    stream
}

/// Sends bytes, says that no more come, and reads until the server closes.
fn throw(penstock: &Penstock, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(penstock);
    // The server may close before it has read all.
    drop(stream.write_all(bytes));
    drop(stream.shutdown(std::net::Shutdown::Write));
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        let timed_out = error.kind() == std::io::ErrorKind::WouldBlock;
        assert!(
            !timed_out,
            "the server neither answered nor closed in {LIMIT:?}"
        );
    }
    answer
}

/// A request frame: header version 1 and a body.
fn frame(api: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut request = Vec::new();
    request.extend(api.to_be_bytes());
    request.extend(version.to_be_bytes());
    request.extend(7_i32.to_be_bytes());
    request.extend(string("hostile"));
    request.extend(body);
    let mut framed = i32::try_from(request.len()).unwrap().to_be_bytes().to_vec();
    framed.extend(request);
    framed
}

fn string(text: &str) -> Vec<u8> {
    let mut bytes = i16::try_from(text.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}

/// A Produce (version 7) of `records` to partition 0 of `topic`.
fn produce(topic: &str, records: &[u8]) -> Vec<u8> {
    let mut body = (-1_i16).to_be_bytes().to_vec(); // no transactional id
    body.extend((-1_i16).to_be_bytes()); // acks
    body.extend(5000_i32.to_be_bytes());
    body.extend(1_i32.to_be_bytes());
    body.extend(string(topic));
    body.extend(1_i32.to_be_bytes());
    body.extend(0_i32.to_be_bytes());
    body.extend(i32::try_from(records.len()).unwrap().to_be_bytes());
    body.extend(records);
    frame(0, 7, &body)
}

/// The error code of a Produce answer for one partition.
fn produce_error(answer: &[u8], topic: &str) -> i16 {
    // length, correlation id, topic count, topic name, partition count, partition
    let at = 4 + 4 + 4 + 2 + topic.len() + 4 + 4;
    let code = answer.get(at..at + 2);
    let code = code.unwrap_or_else(|| panic!("no Produce answer but {answer:?}"));
    i16::from_be_bytes(code.try_into().unwrap())
}

/// A record batch (version 2) of one record with value `x`, and a CRC that fits.
fn batch() -> Vec<u8> {
    let record = [0x0e, 0, 0, 0, 1, 2, b'x', 0];
    let mut body = Vec::new();
    body.extend(0_i16.to_be_bytes()); // attributes
    body.extend(0_i32.to_be_bytes()); // last offset delta
    body.extend(1_700_000_000_000_i64.to_be_bytes());
    body.extend(1_700_000_000_000_i64.to_be_bytes());
    body.extend((-1_i64).to_be_bytes()); // producer
    body.extend((-1_i16).to_be_bytes());
    body.extend((-1_i32).to_be_bytes());
    body.extend(1_i32.to_be_bytes()); // records
    body.extend(record);
    let mut batch = 0_i64.to_be_bytes().to_vec();
    batch.extend(i32::try_from(body.len() + 9).unwrap().to_be_bytes());
    batch.extend(0_i32.to_be_bytes()); // leader epoch
    batch.push(2);
    batch.extend(crc32c::crc32c(&body).to_be_bytes());
    batch.extend(body);
    batch
}

/// `batch` with the bytes at `at` replaced and the CRC made to fit again.
fn damaged(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut damaged = batch();
    damaged[at..at + bytes.len()].copy_from_slice(bytes);
    let crc = crc32c::crc32c(&damaged[21..]);
    damaged[17..21].copy_from_slice(&crc.to_be_bytes());
    damaged
}

/// Runs hostile connections against one server and checks that it serves on.
#[track_caller]
fn survives(attack: impl FnOnce(&Penstock)) {
    let mut penstock = Setup::new().start();
    let kcat = penstock.kcat();
    kcat.produce("before", &[], "k:v");
    let (pid, memory) = (penstock.pid(), penstock.memory_kib("VmHWM"));
    attack(&penstock);
    assert!(penstock.is_running(), "the server ended");
    assert_eq!(penstock.pid(), pid);
    kcat.produce("after", &[], "k:v");
    assert_eq!(kcat.records("after").len(), 1);
    assert_eq!(kcat.records("before").len(), 1);
    let grown = penstock.memory_kib("VmHWM") - memory;
    assert!(grown < GROWTH_KIB, "memory grew by {grown} KiB");
    let log = penstock.stderr();
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn frames_of_every_wrong_length_are_closed_without_harm() {
    survives(|penstock| {
        let length = |n: i32| n.to_be_bytes().to_vec();
        let mut torn = frame(18, 0, &[]);
        torn.pop();
        let frames = [
            vec![],
            vec![0],
            length(0),
            length(-1),
            length(i32::MIN),
            length(1),
            length(100 << 20),
            [length(i32::MAX), vec![0; 1000]].concat(),
            [length(8), vec![0; 8]].concat(),
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
            torn,
        ];
        for bytes in frames {
            throw(penstock, &bytes);
        }
    });
}

#[test]
fn an_announced_frame_is_not_allocated_before_it_comes() {
    survives(|penstock| {
        let open: Vec<TcpStream> = (0..100)
            .map(|_| {
                let mut stream = connect(penstock);
                stream.write_all(&(31_i32 << 20).to_be_bytes()).unwrap();
                stream.write_all(&[0; 100]).unwrap();
                stream
            })
            .collect();
        penstock.kcat().produce("meanwhile", &[], "k:v");
        drop(open);
    });
}

#[test]
fn random_bytes_do_no_harm_to_any_api() {
    survives(|penstock| {
        let mut random = Random::seeded("random requests");
        for round in 0..600 {
            let api = if round % 10 == 0 {
                random.between(0, 2000)
            } else {
                random.between(0, 70)
            };
            let version = random.between(0, 14);
            let length = random.between(0, 80);
            let body: Vec<u8> = (0..length)
                .map(|_| match random.between(0, 4) {
                    0 => 0xff,
                    1 => 0,
                    _ => u8::try_from(random.between(0, 256)).unwrap(),
                })
                .collect();
            let api = i16::try_from(api).unwrap();
            throw(
                penstock,
                &frame(api, i16::try_from(version).unwrap(), &body),
            );
        }
    });
}

#[test]
fn counts_that_lie_are_refused_before_they_are_allocated() {
    survives(|penstock| {
        // The first field of these bodies is an array's count, or follows a few fixed bytes.
        for count in [i32::MAX, i32::MIN, -2, 1 << 28] {
            let count = count.to_be_bytes();
            throw(penstock, &frame(3, 1, &count)); // Metadata
            throw(penstock, &frame(2, 1, &[&[0xff; 4], &count[..]].concat())); // ListOffsets
            let mut produce = vec![0xff, 0xff, 0xff, 0xff, 0, 0, 0x10, 0];
            produce.extend(count);
            throw(penstock, &frame(0, 7, &produce));
            let fetch = [&[0xff; 4], &[0; 12][..], &count].concat();
            throw(penstock, &frame(1, 4, &fetch));
        }
        // A compact array of 2^32 - 1, a varint without end.
        throw(penstock, &frame(3, 9, &[0, 0xff, 0xff, 0xff, 0xff, 0x0f]));
        throw(penstock, &frame(3, 9, &[&[0; 1][..], &[0xff; 40]].concat()));
    });
}

#[test]
fn an_unknown_version_of_api_versions_is_answered_as_kafka_does() {
    survives(|penstock| {
        for version in [5, 99, i16::MAX, -1] {
            let mut stream = connect(penstock);
            stream.write_all(&frame(18, version, &[])).unwrap();
            let mut head = [0; 10];
            stream.read_exact(&mut head).unwrap();
            assert_eq!(head[4..8], 7_i32.to_be_bytes(), "the correlation id");
            assert_eq!(head[8..10], 35_i16.to_be_bytes(), "UNSUPPORTED_VERSION");
            let length = i32::from_be_bytes(head[..4].try_into().unwrap());
            let mut rest = vec![0; usize::try_from(length).unwrap() - 6];
            stream.read_exact(&mut rest).unwrap();
            // The connection stays open: clients ask again with a version from the answer.
            stream.write_all(&frame(18, 0, &[])).unwrap();
            stream.read_exact(&mut head).unwrap();
            assert_eq!(head[8..10], [0, 0]);
        }
    });
}

#[test]
fn batches_that_lie_are_refused_and_nothing_is_stored() {
    let penstock = Setup::new().start();
    let kcat = penstock.kcat();
    kcat.produce("batches", &[], "k:v");
    let code = |records: &[u8]| {
        let answer = throw(&penstock, &produce("batches", records));
        produce_error(&answer, "batches")
    };
    assert_eq!(code(&batch()), 0, "the undamaged batch is taken");
    let mut wrong_crc = batch();
    *wrong_crc.last_mut().unwrap() ^= 1;
    assert_eq!(code(&wrong_crc), 2, "CORRUPT_MESSAGE");
    let lies = [
        ("half a batch", batch()[..40].to_vec()),
        ("no batch", vec![0; 61]),
        ("two records announced", damaged(57, &2_i32.to_be_bytes())),
        (
            "as many records as fit an int",
            damaged(57, &i32::MAX.to_be_bytes()),
        ),
        ("a negative count", damaged(57, &(-1_i32).to_be_bytes())),
        (
            "a last offset delta of 5",
            damaged(23, &5_i32.to_be_bytes()),
        ),
        ("a control batch", damaged(21, &0x20_i16.to_be_bytes())),
        ("an unknown codec", damaged(21, &7_i16.to_be_bytes())),
        (
            "a length below the header",
            damaged(8, &20_i32.to_be_bytes()),
        ),
        (
            "a length beyond the frame",
            damaged(8, &i32::MAX.to_be_bytes()),
        ),
        ("another format", damaged(16, &[1])),
    ];
    for (what, records) in lies {
        let code = code(&records);
        assert_ne!(code, 0, "{what} was taken");
    }
    assert_eq!(kcat.records("batches").len(), 2);
}

#[test]
fn names_with_path_characters_make_no_topic() {
    let penstock = Setup::new().start();
    let long = "x".repeat(250);
    let names = [
        "",
        ".",
        "..",
        "../../etc",
        "a/b",
        "a\\b",
        "a\0b",
        "a\nb",
        "a b",
        &long,
    ];
    for name in names {
        let answer = throw(&penstock, &produce(name, &batch()));
        let code = produce_error(&answer, name);
        assert!([3, 17].contains(&code), "{name:?} was answered with {code}");
    }
    let topics = penstock.kcat().topics();
    assert!(
        topics.iter().all(|(name, _)| name.starts_with("__")),
        "{topics:?}"
    );
    let folder = penstock.data().join("topics");
    let outside = penstock.data().parent().unwrap().join("etc");
    assert!(folder.exists() && !outside.exists());
}

#[test]
fn the_topics_of_connectors_and_of_penstock_itself_are_not_written_by_clients() {
    use crate::support::Postgres;
    let postgres = Postgres::lease();
    postgres
        .database("app")
        .exec("create table t (id int primary key); insert into t values (1)");
    let url = postgres.url("app");
    let penstock = Setup::new().source(&url, "public.*", "app").start();
    penstock.wait_for_state("app", "RUNNING");
    let topics = ["app.public.t", "__consumer_offsets", "__connect_offsets"];
    for topic in topics {
        let answer = throw(&penstock, &produce(topic, &batch()));
        let code = produce_error(&answer, topic);
        assert_eq!(code, 29, "TOPIC_AUTHORIZATION_FAILED for {topic}");
    }
    assert_eq!(penstock.kcat().end("app.public.t", 0), 1);
}

#[test]
fn clients_that_do_not_read_do_not_hold_up_others() {
    survives(|penstock| {
        let kcat = penstock.kcat();
        let lines = vec!["k:".to_owned() + &"v".repeat(1000); 5000];
        kcat.produce("large", &[], &lines.join("\n"));
        let mut stalled: Vec<TcpStream> = (0..20).map(|_| connect(penstock)).collect();
        // Many requests for the whole topic, whose answers nobody takes.
        let mut fetch = (-1_i32).to_be_bytes().to_vec();
        for number in [100, 1, 50 << 20] {
            fetch.extend(i32::to_be_bytes(number));
        }
        fetch.push(0);
        fetch.extend(1_i32.to_be_bytes());
        fetch.extend(string("large"));
        fetch.extend(1_i32.to_be_bytes());
        fetch.extend(0_i32.to_be_bytes());
        fetch.extend(0_i64.to_be_bytes());
        fetch.extend((50_i32 << 20).to_be_bytes());
        let requests = frame(1, 4, &fetch).repeat(50);
        for stream in &mut stalled {
            drop(stream.write_all(&requests));
        }
        assert_eq!(kcat.records("large").len(), 5000);
        drop(stalled);
    });
}

#[test]
fn idle_connections_do_not_keep_others_out() {
    survives(|penstock| {
        let idle: Vec<TcpStream> = (0..500).map(|_| connect(penstock)).collect();
        wait_until("another client to be served", LIMIT, || {
            let finished = penstock.kcat().attempt(&["-L"], "");
            if finished.code == Some(0) {
                Ok(())
            } else {
                Err(finished.stderr)
            }
        });
        drop(idle);
    });
}
