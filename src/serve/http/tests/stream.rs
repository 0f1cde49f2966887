//! The live tail of a topic on a real socket.

use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};

use super::{Face, NOW_MS, answer};
use crate::serve::http::Admission;

/// An open stream, read block by block.
struct Events {
    response: reqwest::Response,
    text: String,
}

/// One block of a stream.
#[derive(Debug, Default)]
struct Block {
    id: String,
    event: String,
    data: Value,
}

impl Events {
    async fn open(face: &Face, query: &str, last_event_id: Option<&str>) -> Events {
        let mut request = face
            .client
            .get(face.url(&format!("/topics/t/records{query}")));
        request = request.header("accept", "text/event-stream");
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        for (name, value) in [
            ("content-type", "text/event-stream"),
            ("cache-control", "no-cache, no-transform"),
            ("x-accel-buffering", "no"),
        ] {
            assert_eq!(response.headers()[name], value);
        }
        let mut events = Events {
            response,
            text: String::new(),
        };
        let head = events.next().await.expect("the block with the place");
        assert!(!head.id.is_empty() && head.data.is_null(), "{head:?}");
        events
    }

    /// The next block; `None` at the end.
    async fn next(&mut self) -> Option<Block> {
        let limit = Duration::from_secs(20);
        while !self.text.contains("\n\n") {
            let piece = tokio::time::timeout(limit, self.response.chunk()).await;
            let piece = piece.expect("a block in time").unwrap()?;
            self.text += std::str::from_utf8(&piece).unwrap();
        }
        let (block, rest) = self.text.split_once("\n\n").unwrap();
        let mut read = Block::default();
        for line in block.lines() {
            match line.split_once(": ") {
                Some(("id", id)) => read.id = id.to_owned(),
                Some(("event", event)) => read.event = event.to_owned(),
                Some(("data", data)) => read.data = serde_json::from_str(data).unwrap(),
                _ => {}
            }
        }
        self.text = rest.to_owned();
        Some(read)
    }

    /// Values and ids of the next `count` records.
    async fn take(&mut self, count: usize) -> Vec<(String, Value)> {
        let mut taken = Vec::new();
        while taken.len() < count {
            let block = self.next().await.expect("more records");
            assert_eq!(block.event, "", "{block:?}");
            taken.push((block.id, block.data["value"].clone()));
        }
        taken
    }
}

async fn refused(face: &Face, query: &str, id: &str) -> (u16, Value) {
    let request = face
        .client
        .get(face.url(&format!("/topics/t/records{query}")));
    let request = request.header("accept", "text/event-stream");
    answer(request.header("last-event-id", id)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_sends_what_is_there_and_then_what_comes() {
    let face = Face::start(Admission::Local).await;
    face.post("/topics", &json!({"name": "t"})).await;
    let values: [&[u8]; 2] = [b"{\"a\":\n1}", b"text"];
    face.append("t", 0, &[(NOW_MS, Some(b"k"), Some(values[0]))])
        .await;
    let mut events = Events::open(&face, "", None).await;
    assert_eq!(events.take(1).await, [("0:0".to_owned(), json!({"a": 1}))]);
    let mut tail = Events::open(&face, "?from=end", None).await;
    face.append("t", 0, &[(NOW_MS, None, Some(values[1]))])
        .await;
    for stream in [&mut events, &mut tail] {
        assert_eq!(stream.take(1).await, [("0:1".to_owned(), json!("text"))]);
    }
    let mut limited = Events::open(&face, "?limit=1", None).await;
    limited.take(1).await;
    assert!(limited.next().await.is_none(), "it ends at its limit");
    let mut keyed = Events::open(&face, "?key=k", None).await;
    face.append("t", 0, &[(NOW_MS, Some(b"k"), Some(b"3"))])
        .await;
    let found = keyed.take(2).await;
    assert_eq!(found[1], ("0:2".to_owned(), json!(3)));
    face.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_goes_on_behind_its_last_event_in_every_partition() {
    let face = Face::start(Admission::Local).await;
    face.post("/topics", &json!({"name": "t", "partitions": 3}))
        .await;
    let text = |partition: i32, n: usize| format!("\"{partition}/{n}\"");
    for partition in 0..3 {
        for n in 0..4 {
            let value = text(partition, n);
            face.append("t", partition, &[(NOW_MS, None, Some(value.as_bytes()))])
                .await;
        }
    }
    let mut all = Vec::new();
    let mut last: Option<String> = None;
    // Cut after every single event, the stream loses and repeats nothing.
    for _ in 0..12 {
        let mut events = Events::open(&face, "?from=start", last.as_deref()).await;
        let (id, value) = events.take(1).await.swap_remove(0);
        assert!(
            id.starts_with(&format!("{}:", &value.as_str().unwrap()[..1])),
            "{id} {value}"
        );
        all.push(value.as_str().unwrap().to_owned());
        last = Some(id);
    }
    let mut expected: Vec<String> = (0..3)
        .flat_map(|partition| (0..4).map(move |n| format!("{partition}/{n}")))
        .collect();
    all.sort();
    expected.sort();
    assert_eq!(all, expected);
    // One partition alone, from where the id says and not from where the address says.
    let mut one = Events::open(&face, "?partition=1&from=start", Some("1:2")).await;
    assert_eq!(one.take(1).await, [("1:3".to_owned(), json!("1/3"))]);
    face.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_that_are_none_of_the_stream_are_refused() {
    let face = Face::start(Admission::Local).await;
    face.post("/topics", &json!({"name": "t", "partitions": 2}))
        .await;
    face.append("t", 0, &[(NOW_MS, None, Some(b"1"))]).await;
    for (query, id, expected) in [
        ("", "-1", 400),
        ("", "0", 400),
        ("", "0:18446744073709551616", 400),
        ("", "0:9223372036854775807", 400),
        ("", "'; DROP TABLE t", 400),
        ("", "start", 400),
        ("", "0:0,0:0", 400),
        ("?partition=1", "0:0", 400),
        ("", "7:0", 404),
        ("", "0:5", 416),
        ("", "0:-9", 416),
    ] {
        let (status, problem) = refused(&face, query, id).await;
        assert_eq!(status, expected, "{query} {id}: {problem}");
        assert!(
            problem["code"].is_string() && problem["mend"].is_string(),
            "{problem}"
        );
    }
    let (status, _) = refused(&face, "", &"0:0,".repeat(20_000)).await;
    assert!((400..500).contains(&status), "{status}");
    // What browsers send who have seen no event yet.
    let mut events = Events::open(&face, "", Some("")).await;
    assert_eq!(events.take(1).await[0].1, json!(1));
    face.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_say_that_the_server_stops_and_end() {
    let face = Face::start(Admission::Local).await;
    face.post("/topics", &json!({"name": "t"})).await;
    let mut events = Events::open(&face, "?from=end", None).await;
    face.draining.cancel();
    let last = events.next().await.expect("a last word");
    assert_eq!(
        (last.event.as_str(), &last.data["code"]),
        ("end", &json!("PEN-HTTP-004"))
    );
    assert!(events.next().await.is_none());
    face.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_stops_reading_holds_nobody_up() {
    let face = Face::start(Admission::Local).await;
    face.post("/topics", &json!({"name": "t"})).await;
    let large = vec![b'x'; 300_000];
    for _ in 0..20 {
        face.append("t", 0, &[(NOW_MS, None, Some(&large))]).await;
    }
    let mut slow = Vec::new();
    // More than there are places for large answers.
    for _ in 0..super::super::answer::ANSWERS_MAX - 1 {
        slow.push(Events::open(&face, "", None).await);
    }
    let mut quick = Events::open(&face, "", None).await;
    assert_eq!(quick.take(20).await.len(), 20);
    // Those who were slow find everything when they read on.
    for mut events in slow {
        assert_eq!(events.take(20).await.len(), 20);
    }
    face.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_beyond_their_number_are_told_to_wait() {
    let face = Face::start(Admission::Local).await;
    face.post("/topics", &json!({"name": "t"})).await;
    let mut open = Vec::new();
    for _ in 0..super::super::stream::STREAMS_MAX {
        open.push(Events::open(&face, "?from=end", None).await);
    }
    let request = face.client.get(face.url("/topics/t/records?from=end"));
    let request = request.header("accept", "text/event-stream");
    let response = request.try_clone().unwrap().send().await.unwrap();
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(face.get("/topics/t/records").await.0, 200, "polls go on");
    open.pop();
    // Its place is free once the server has seen the end of the connection.
    let freed = async {
        loop {
            let response = request.try_clone().unwrap().send().await.unwrap();
            if response.status() == 200 {
                return response;
            }
            face.append("t", 0, &[(NOW_MS, None, Some(b"x"))]).await;
            tokio::task::yield_now().await;
        }
    };
    let freed = tokio::time::timeout(Duration::from_secs(20), freed).await;
    drop(freed.expect("a place").bytes_stream().next().await);
    drop(open);
    face.stop().await;
}
