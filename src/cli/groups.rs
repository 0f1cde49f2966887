//! `penstock groups` and `penstock lag`.

use std::io::IsTerminal;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::arguments::{Groups, Lag};
use super::client::{Client, encode};
use super::failure::Failure;
use super::output::{self, Table};
use super::topics::{items, text};
use crate::error;

/// How often `penstock lag --watch` looks again.
const WATCH_INTERVAL: Duration = Duration::from_secs(2);

pub(super) async fn run(command: Groups) -> Result<(), Failure> {
    let client = Client::of_process()?;
    match command {
        Groups::List { json } => list(&client, json).await,
        Groups::Describe { group, json } => describe(&client, &group, json).await,
        Groups::Seek {
            group,
            to,
            topic,
            partition,
        } => {
            let path = format!("/groups/{}/seek", encode(&group));
            let mut body = json!({"to": to});
            if let (Some(topic), Some(object)) = (topic, body.as_object_mut()) {
                object.insert("topic".to_owned(), topic.into());
                object.extend(partition.map(|id| ("partition".to_owned(), id.into())));
            }
            let answer = client.send_json(Method::POST, &path, &body).await?;
            let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
            for offset in items(&answer, "offsets") {
                let (topic, partition) = (text(offset, "topic"), text(offset, "partition"));
                eprintln!(
                    "{group} goes on at {topic}-{partition}:{}",
                    text(offset, "offset")
                );
            }
            Ok(())
        }
        Groups::Delete { group } => {
            let path = format!("/groups/{}", encode(&group));
            client.send_bare(Method::DELETE, &path).await?;
            eprintln!("deleted group \"{group}\"");
            Ok(())
        }
    }
}

async fn list(client: &Client, json: bool) -> Result<(), Failure> {
    let answer: Value = client.get("/groups").await?;
    if json {
        return output::json(&answer);
    }
    let mut table = Table::new(&["GROUP", "STATE", "KIND", "MEMBERS"]);
    for group in items(&answer, "groups") {
        table.row([
            text(group, "group"),
            text(group, "state"),
            text(group, "kind"),
            text(group, "members"),
        ]);
    }
    table.print()
}

async fn describe(client: &Client, group: &str, json: bool) -> Result<(), Failure> {
    let answer: Value = client.get(&format!("/groups/{}", encode(group))).await?;
    if json {
        return output::json(&answer);
    }
    let mut table = Table::new(&["GROUP", "STATE", "KIND", "PROTOCOL", "GENERATION"]);
    table.row([
        text(&answer, "group"),
        text(&answer, "state"),
        text(&answer, "kind"),
        text(&answer, "protocol"),
        text(&answer, "generation"),
    ]);
    table.print()?;
    output::line(b"")?;
    let mut table = Table::new(&["MEMBER", "CLIENT", "HOST"]);
    for member in items(&answer, "members") {
        table.row([
            text(member, "member"),
            text(member, "client_id"),
            text(member, "client_host"),
        ]);
    }
    table.print()?;
    output::line(b"")?;
    let mut table = lag_table();
    lag_rows(&mut table, &answer);
    table.print()
}

/// `penstock lag`.
pub(super) async fn lag(lag: Lag) -> Result<(), Failure> {
    let client = Client::of_process()?;
    let mut is_again = false;
    loop {
        if lag.watch && !lag.json && std::io::stdout().is_terminal() {
            // Clears the screen, as `watch` does.
            output::line(b"\x1b[H\x1b[2J")?;
        }
        match show_lag(&client, &lag).await {
            // A server that restarts is watched on.
            Err(failure @ Failure::Told { code, .. })
                if lag.watch && is_again && code == error::CLI_UNREACHABLE =>
            {
                failure.report();
            }
            shown if !lag.watch => return shown,
            shown => shown?,
        }
        is_again = true;
        tokio::time::sleep(WATCH_INTERVAL).await;
    }
}

async fn show_lag(client: &Client, lag: &Lag) -> Result<(), Failure> {
    let groups = match lag.group.clone() {
        Some(group) => vec![group],
        None => {
            let answer: Value = client.get("/groups").await?;
            items(&answer, "groups")
                .map(|group| text(group, "group"))
                .collect()
        }
    };
    let mut answers = Vec::new();
    for group in groups {
        let path = format!("/groups/{}/lag", encode(&group));
        match client.get::<Value>(&path).await {
            Ok(answer) => answers.push(answer),
            // It was deleted since it was listed.
            Err(Failure::Told { code, .. })
                if code == error::GROUP_NOT_FOUND && lag.group.is_none() => {}
            Err(failure) => return Err(failure),
        }
    }
    if lag.json {
        return output::json(&json!({"groups": answers}));
    }
    let mut table = lag_table();
    for answer in &answers {
        lag_rows(&mut table, answer);
    }
    table.print()
}

fn lag_table() -> Table {
    Table::new(&[
        "GROUP",
        "TOPIC",
        "PARTITION",
        "COMMITTED",
        "END",
        "LAG",
        "SECONDS",
    ])
}

fn lag_rows(table: &mut Table, answer: &Value) {
    for position in items(answer, "positions") {
        table.row([
            text(answer, "group"),
            text(position, "topic"),
            text(position, "partition"),
            text(position, "committed"),
            text(position, "end"),
            text(position, "lag"),
            text(position, "lag_seconds"),
        ]);
    }
}
