//! `penstock topics`.

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::arguments::Topics;
use super::client::{Client, encode};
use super::failure::Failure;
use super::output::{self, Table};

pub(super) async fn run(command: Topics) -> Result<(), Failure> {
    let client = Client::of_process()?;
    match command {
        Topics::Plan { json } => declarations(&client, true, json).await,
        Topics::Apply { json } => declarations(&client, false, json).await,
        Topics::List { json } => list(&client, json).await,
        Topics::Describe { topic, json } => describe(&client, &topic, json).await,
        Topics::Create {
            topic,
            partitions,
            settings,
        } => {
            let config = object(settings);
            let body = json!({"name": topic, "partitions": partitions, "config": config});
            client.send_json(Method::POST, "/topics", &body).await?;
            eprintln!("created topic \"{topic}\"");
            Ok(())
        }
        Topics::Alter { topic, settings } => {
            let body = json!({"config": object(settings)});
            let path = format!("/topics/{}", encode(&topic));
            client.send_json(Method::PATCH, &path, &body).await?;
            eprintln!("changed topic \"{topic}\"");
            Ok(())
        }
        Topics::Delete { topic } => {
            let path = format!("/topics/{}", encode(&topic));
            client.send_bare(Method::DELETE, &path).await?;
            eprintln!("deleted topic \"{topic}\"");
            Ok(())
        }
    }
}

fn object(settings: Vec<(String, String)>) -> Value {
    let settings = settings
        .into_iter()
        .map(|(name, value)| (name, Value::String(value)));
    Value::Object(settings.collect::<Map<_, _>>())
}

/// What the file changes, a line each; fails where a change could not be made.
async fn declarations(client: &Client, dry_run: bool, json: bool) -> Result<(), Failure> {
    let body = json!({ "dry_run": dry_run });
    let path = "/declarations/apply";
    let answer = client.send_json(Method::POST, path, &body).await?;
    let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
    let mut failed = 0;
    let mut table = Table::new(&["ACTION", "WHAT", "HOW"]);
    for step in items(&answer, "steps") {
        table.row([
            text(step, "action"),
            text(step, "subject"),
            text(step, "detail"),
        ]);
        if let Some(error) = step.get("error").and_then(Value::as_str) {
            failed += 1;
            eprintln!("error: {}: {error}", text(step, "subject"));
        }
    }
    if json {
        output::json(&answer)?;
    } else if items(&answer, "steps").next().is_none() {
        eprintln!("nothing to change");
    } else {
        table.print()?;
    }
    match failed {
        0 => Ok(()),
        _ => Err(Failure::shown()),
    }
}

async fn list(client: &Client, json: bool) -> Result<(), Failure> {
    let answer: Value = client.get("/topics").await?;
    if json {
        return output::json(&answer);
    }
    let mut table = Table::new(&["TOPIC", "PARTITIONS", "RECORDS", "BYTES", "CONNECTOR"]);
    for topic in items(&answer, "topics") {
        table.row([
            text(topic, "name"),
            text(topic, "partitions"),
            text(topic, "records"),
            text(topic, "bytes"),
            text(topic, "connector"),
        ]);
    }
    table.print()
}

async fn describe(client: &Client, topic: &str, json: bool) -> Result<(), Failure> {
    let answer: Value = client.get(&format!("/topics/{}", encode(topic))).await?;
    if json {
        return output::json(&answer);
    }
    let mut table = Table::new(&["SETTING", "VALUE"]);
    for name in ["name", "id", "bytes", "connector"] {
        table.row([name.to_owned(), text(&answer, name)]);
    }
    for (name, value) in answer
        .get("config")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        table.row([name.clone(), plain(value)]);
    }
    table.print()?;
    output::line(b"")?;
    let mut table = Table::new(&["PARTITION", "START", "END"]);
    for partition in items(&answer, "partition_offsets") {
        table.row([
            text(partition, "partition"),
            text(partition, "start"),
            text(partition, "end"),
        ]);
    }
    table.print()
}

/// The list called `name`.
pub(super) fn items<'a>(answer: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    answer
        .get(name)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// The field called `name` as a cell.
pub(super) fn text(object: &Value, name: &str) -> String {
    object.get(name).map(plain).unwrap_or_default()
}

/// A value as a cell: texts without quotes, `null` as nothing.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
