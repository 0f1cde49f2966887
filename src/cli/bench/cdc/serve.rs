//! `penstock serve` of this very binary, with one connector and a data directory of its own.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::super::failure::Failure;
use super::super::client::Connection;
use super::super::process;
use super::super::running::{Running, address, serve_command};
use super::super::scratch::Scratch;
use super::super::temporary::{AT_END, offsets};
use super::child::{Ran, Walsender};
use super::source::{Source, TABLE};
use crate::cli::progress::Progress;
use crate::error;

/// No further event for so long, and something is wrong.
const STALL_MAX: Duration = Duration::from_secs(60);
/// How often the end of the topic is asked for.
const ASK_AGAIN: Duration = Duration::from_millis(5);
/// First part of the topic's name.
const PREFIX: &str = "bench";
/// Holds the password in the child's environment; the file only names it.
const PASSWORD_VARIABLE: &str = "BENCH_DATABASE_PASSWORD";

/// Reads `slot` until all `rows` are in the topic, durable and visible to a Kafka client.
pub(super) async fn run(
    source: &Source,
    slot: &str,
    rows: u64,
    scratch: &Scratch,
) -> Result<Ran, Failure> {
    let command = command(source, slot, scratch)?;
    let mut running = Running::start(command, "penstock serve", &scratch.path("serve.log"))?;
    let mut walsender = Walsender::of(source, slot);
    let address = address(&mut running, scratch, "kafka").await?;
    let mut broker = Connection::open(&address).await?;
    let topic = format!("{PREFIX}.{}.{TABLE}", source.name());
    let progress = Progress::new("penstock", rows);
    let (mut seen, mut seen_at) = (0, Instant::now());
    loop {
        // The topic is not there before its first event.
        let ends = offsets(&mut broker, &topic, 1, AT_END).await;
        let end = ends.ok().and_then(|ends| ends.first().copied());
        let end = end.and_then(|end| u64::try_from(end).ok()).unwrap_or(0);
        if end >= rows {
            break;
        }
        if end > seen {
            (seen, seen_at) = (end, Instant::now());
            progress.at(seen);
        }
        running.check()?;
        if seen_at.elapsed() > STALL_MAX {
            return Err(running.failed(&format!("{seen} of {rows} events came")));
        }
        walsender.look().await?;
        tokio::time::sleep(ASK_AGAIN).await;
    }
    let time = running.begin.elapsed();
    let ran = Ran {
        time,
        cpu: running.usage()?.cpu,
        walsender_cpu: walsender.cpu(),
        peak_memory_mb: process::peak_memory_mb(running.pid()),
    };
    running.stop().await;
    Ok(ran)
}

fn command(source: &Source, slot: &str, scratch: &Scratch) -> Result<Command, Failure> {
    let failed = |cause: std::io::Error| {
        let what = format!("failed to prepare `penstock serve`: {cause}");
        let mend = "check that TMPDIR names a folder with free space that you may write to";
        Failure::new(error::CLI_BENCH, what, mend)
    };
    let connector = scratch.path("bench.json");
    std::fs::write(&connector, connector_file(source, slot).to_string()).map_err(failed)?;
    let mut command = serve_command(scratch)?;
    command
        .env(PASSWORD_VARIABLE, source.connection().password.expose())
        .arg("--connectors")
        .arg(&connector);
    Ok(command)
}

/// The connector as a user of Debezium would write it: JSON without schemas, no snapshot.
fn connector_file(source: &Source, slot: &str) -> Value {
    let connection = source.connection();
    let json_converter = "org.apache.kafka.connect.json.JsonConverter";
    let mut config = json!({
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "plugin.name": "pgoutput",
        "database.hostname": connection.host,
        "database.port": connection.port.to_string(),
        "database.user": connection.user,
        "database.password": format!("${{env:{PASSWORD_VARIABLE}}}"),
        "database.dbname": connection.dbname,
        "database.sslmode": connection.sslmode.as_str(),
        "topic.prefix": PREFIX,
        "slot.name": slot,
        "publication.name": source.name(),
        "publication.autocreate.mode": "disabled",
        "snapshot.mode": "no_data",
        "key.converter": json_converter,
        "key.converter.schemas.enable": "false",
        "value.converter": json_converter,
        "value.converter.schemas.enable": "false",
    });
    let files = [
        ("database.sslrootcert", &connection.sslrootcert),
        ("database.sslcert", &connection.sslcert),
        ("database.sslkey", &connection.sslkey),
    ];
    for (key, file) in files {
        if let (Some(file), Some(map)) = (file, config.as_object_mut()) {
            map.insert(key.to_owned(), file.display().to_string().into());
        }
    }
    json!({"name": "bench", "config": config})
}
