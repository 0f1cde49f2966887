//! kcat (librdkafka) as the judge; these tests say so and pass where it is not installed.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use super::support::Node;

/// Seconds after which kcat is ended.
const SECONDS_MAX: &str = "60";

/// Runs kcat; what it printed, or `None` where there is none.
async fn kcat(node: &Node, arguments: &[&str], input: &str) -> Option<String> {
    let broker = node.address.to_string();
    let own: Vec<String> = arguments
        .iter()
        .map(|&argument| argument.to_owned())
        .collect();
    let input = input.to_owned();
    let run = move || run(&broker, &own, &input);
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let Some(output) = output else {
        eprintln!("skipped: kcat is not installed");
        return None;
    };
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kcat {arguments:?}: {stderr}");
    Some(String::from_utf8(output.stdout).unwrap())
}

fn run(broker: &str, arguments: &[String], input: &str) -> Option<Output> {
    Command::new("kcat").arg("-V").output().ok()?;
    let mut command = Command::new("timeout");
    command
        .args([SECONDS_MAX, "kcat", "-b", broker])
        .args(arguments);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    Some(child.wait_with_output().unwrap())
}

#[tokio::test]
async fn kcat_produces_and_consumes_with_every_codec() {
    let node = Node::start().await;
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let produce = [
            "-P",
            "-t",
            codec,
            "-K:",
            "-z",
            codec,
            "-X",
            "enable.idempotence=true",
        ];
        if kcat(&node, &produce, "k1:one\nk2:two\n").await.is_none() {
            return;
        }
        let consume = ["-C", "-t", codec, "-e", "-q", "-f", "%o %k=%s\n"];
        let read = kcat(&node, &consume, "").await.unwrap();
        assert_eq!(read, "0 k1=one\n1 k2=two\n", "{codec}");
    }
    node.stop().await;
}

#[tokio::test]
async fn a_kcat_group_goes_on_where_it_stopped() {
    let node = Node::start().await;
    let produce = ["-P", "-t", "t"];
    if kcat(&node, &produce, "one\ntwo\n").await.is_none() {
        return;
    }
    let consume = [
        "-G",
        "g",
        "-X",
        "auto.offset.reset=earliest",
        "-e",
        "-q",
        "-f",
        "%o=%s\n",
        "t",
    ];
    assert_eq!(kcat(&node, &consume, "").await.unwrap(), "0=one\n1=two\n");
    let node = node.restart().await;
    kcat(&node, &produce, "three\n").await;
    assert_eq!(kcat(&node, &consume, "").await.unwrap(), "2=three\n");
    node.stop().await;
}

#[tokio::test]
async fn kcat_lists_and_queries() {
    let node = Node::start().await;
    if kcat(&node, &["-P", "-t", "t"], "one\ntwo\n")
        .await
        .is_none()
    {
        return;
    }
    let listed = kcat(&node, &["-L"], "").await.unwrap();
    assert!(listed.contains("topic \"t\" with 1 partitions"), "{listed}");
    let end = kcat(&node, &["-Q", "-t", "t:0:-1"], "").await.unwrap();
    assert_eq!(end.trim(), "t [0] offset 2");
    node.stop().await;
}
