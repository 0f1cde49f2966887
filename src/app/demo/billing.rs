//! A consumer of the demo that fails: it books payments as a member of a shared group, and releases
//! those it cannot book until the group's limit makes them dead letters.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::acme;

/// The group's id.
pub(super) const GROUP: &str = "billing";
/// How long a read waits for records.
const WAIT_MS: u64 = 2_000;
/// Longer than a read waits.
const TIMEOUT: Duration = Duration::from_secs(15);
/// After an answer that was none.
const PAUSE: Duration = Duration::from_secs(1);

/// What a read gives.
#[derive(Deserialize)]
struct Read {
    records: Vec<Payment>,
}

#[derive(Deserialize)]
struct Payment {
    ack_id: String,
    value: Value,
}

/// Books payments until `stop`. `password` is the administrator's.
pub(super) async fn run(
    base_url: String,
    password: String,
    stop: CancellationToken,
) -> Result<(), reqwest::Error> {
    let http = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .no_proxy()
        .build()?;
    let send = |path: String, body: Value| {
        let request = http.post(format!("{base_url}{path}"));
        request
            .basic_auth("admin", Some(&password))
            .json(&body)
            .send()
    };
    let topic = format!("integrations.{}.data", acme::NAME);
    while !stop.is_cancelled() {
        let asked = json!({"topics": [topic], "max_records": 50, "wait_ms": WAIT_MS});
        let answer = tokio::select! {
            answer = send(format!("/groups/{GROUP}/read"), asked) => answer?,
            () = stop.cancelled() => return Ok(()),
        };
        if !answer.status().is_success() {
            // The topic is not there before the first push.
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => continue,
                () = stop.cancelled() => return Ok(()),
            }
        }
        let read: Read = answer.json().await?;
        let (booked, failed): (Vec<Payment>, Vec<Payment>) = read
            .records
            .into_iter()
            .partition(|payment| payment.value.get("amount").is_some_and(Value::is_number));
        if booked.is_empty() && failed.is_empty() {
            continue;
        }
        let ids = |all: Vec<Payment>| all.into_iter().map(|one| one.ack_id).collect::<Vec<_>>();
        let ack = json!({"accept": ids(booked), "release": ids(failed)});
        send(format!("/groups/{GROUP}/ack"), ack)
            .await?
            .error_for_status()?;
    }
    Ok(())
}
