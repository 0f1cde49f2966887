//! `penstock connectors`.

use reqwest::Method;
use serde_json::Value;

use super::arguments::Connectors;
use super::client::{Client, encode};
use super::failure::Failure;
use super::output::{self, Table};
use super::topics::{items, text};

pub(super) async fn run(command: Connectors) -> Result<(), Failure> {
    let client = Client::of_process()?;
    match command {
        Connectors::List { json } => list(&client, json).await,
        Connectors::Status { connector, json } => status(&client, connector.as_deref(), json).await,
        Connectors::Restart { connector } => {
            let path = format!("/connectors/{}/restart", encode(&connector));
            client.send_bare(Method::POST, &path).await?;
            eprintln!("restarted connector \"{connector}\"");
            Ok(())
        }
    }
}

/// Our own status of every connector.
async fn all(client: &Client) -> Result<Vec<Value>, Failure> {
    let answer: Value = client.get("/connectors?expand=status").await?;
    let one = |shape: &Value| shape.pointer("/status/penstock").cloned();
    Ok(answer
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(_, shape)| one(shape))
        .collect())
}

async fn list(client: &Client, json: bool) -> Result<(), Failure> {
    let connectors = all(client).await?;
    if json {
        return output::json(&connectors);
    }
    let mut table = Table::new(&["CONNECTOR", "STATE", "REASON"]);
    for connector in &connectors {
        table.row([
            text(connector, "name"),
            text(connector, "state"),
            text(connector, "reason"),
        ]);
    }
    table.print()
}

async fn status(client: &Client, name: Option<&str>, json: bool) -> Result<(), Failure> {
    let connectors = match name {
        None => all(client).await?,
        Some(name) => {
            let path = format!("/connectors/{}/status", encode(name));
            let shape: Value = client.get(&path).await?;
            shape.get("penstock").cloned().into_iter().collect()
        }
    };
    if json {
        return output::json(&connectors);
    }
    let mut table = Table::new(&["CONNECTOR", "WHAT", "IS"]);
    for connector in &connectors {
        let name = text(connector, "name");
        for (what, is) in connector.as_object().into_iter().flatten() {
            match is {
                Value::Object(fields) => {
                    for field in fields.keys() {
                        table.row([name.clone(), format!("{what}.{field}"), text(is, field)]);
                    }
                }
                Value::Array(_) => {
                    for item in items(connector, what) {
                        table.row([name.clone(), what.clone(), item.to_string()]);
                    }
                }
                _ if what == "name" => {}
                _ => table.row([name.clone(), what.clone(), text(connector, what)]),
            }
        }
    }
    table.print()
}
