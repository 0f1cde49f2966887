//! Streaming what was committed.

use std::time::Duration;

use crate::error::{Explain, Kind};
use crate::lsn::Lsn;
use crate::postgres::pgoutput::{Cell, Message, OldTuple, ReplicaIdentity, Tuple, decode};
use crate::postgres::testing::{Cluster, unique};
use crate::postgres::{
    ConnectionConfig, Error, Frame, ReplicationConnection, ReplicationReader, SqlClient,
    StatusWriter, StreamOptions,
};

/// A stream from a fresh temporary-free slot; the slot is dropped by the test's end or not at all.
pub(super) async fn stream(
    config: &ConnectionConfig,
    slot: &str,
    publication: &str,
) -> (ReplicationReader, StatusWriter) {
    let connection = ReplicationConnection::connect(config).await.unwrap();
    connection
        .start_replication(slot, Lsn::INVALID, &StreamOptions::new(publication))
        .await
        .unwrap()
}

/// The next frame with data, as text: one line a message.
pub(super) async fn next_line(reader: &mut ReplicationReader) -> String {
    loop {
        let frame = tokio::time::timeout(Duration::from_secs(10), reader.next())
            .await
            .expect("a frame within 10 s")
            .unwrap();
        if let Frame::XLogData { data, .. } = frame {
            return line(&decode(&data).unwrap());
        }
    }
}

/// Lines up to and with the next commit.
pub(super) async fn transaction(reader: &mut ReplicationReader) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        let line = next_line(reader).await;
        let last = line.starts_with("commit");
        lines.push(line);
        if last {
            return lines;
        }
    }
}

fn row(tuple: Tuple<'_>) -> String {
    let cells: Vec<String> = tuple
        .cells()
        .map(|cell| match cell {
            Cell::Null => "null".to_owned(),
            Cell::Unchanged => "unchanged".to_owned(),
            Cell::Text(text) => String::from_utf8_lossy(text).into_owned(),
            Cell::Binary(bytes) => format!("{bytes:02x?}"),
        })
        .collect();
    format!("({})", cells.join(","))
}

fn line(message: &Message<'_>) -> String {
    match message {
        Message::Begin(_) => "begin".to_owned(),
        Message::Commit(commit) => {
            assert!(commit.end_lsn > commit.commit_lsn);
            "commit".to_owned()
        }
        Message::Origin(origin) => format!("origin {}", origin.name),
        Message::Relation(relation) => {
            let columns: Vec<String> = relation
                .columns
                .iter()
                .map(|one| format!("{}{}", if one.is_key { "*" } else { "" }, one.name))
                .collect();
            let identity = match relation.replica_identity {
                ReplicaIdentity::Default => "default",
                ReplicaIdentity::Nothing => "nothing",
                ReplicaIdentity::Full => "full",
                ReplicaIdentity::Index => "index",
            };
            format!(
                "relation {} {identity} {}",
                relation.name,
                columns.join(",")
            )
        }
        Message::Type(name) => format!("type {}.{}", name.namespace, name.name),
        Message::Insert(insert) => format!("insert {}", row(insert.new)),
        Message::Update(update) => {
            let old = match update.old {
                None => "-".to_owned(),
                Some(OldTuple::Key(key)) => format!("key{}", row(key)),
                Some(OldTuple::Full(full)) => format!("full{}", row(full)),
            };
            format!("update {old} {}", row(update.new))
        }
        Message::Delete(delete) => match delete.old {
            OldTuple::Key(key) => format!("delete key{}", row(key)),
            OldTuple::Full(full) => format!("delete full{}", row(full)),
        },
        Message::Truncate(truncate) => format!(
            "truncate {} cascade={} restart={}",
            truncate.relation_ids.iter().count(),
            truncate.cascade,
            truncate.restart_identity
        ),
        Message::LogicalMessage(message) => format!(
            "message {} {} {}",
            message.transactional,
            message.prefix,
            String::from_utf8_lossy(message.content)
        ),
    }
}

async fn slot_with_publication(client: &SqlClient, config: &ConnectionConfig) -> String {
    let slot = unique("slot");
    client
        .batch_execute("CREATE PUBLICATION \"Pub \"\"1\" FOR ALL TABLES")
        .await
        .unwrap();
    let mut connection = ReplicationConnection::connect(config).await.unwrap();
    let created = connection.create_slot(&slot, false).await.unwrap();
    assert!(created.consistent_point > Lsn::INVALID);
    connection.close().await;
    slot
}

#[tokio::test]
async fn every_kind_of_change_comes_through_in_order() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let (config, client) = cluster.database().await;
    client
        .batch_execute(
            "CREATE TYPE mood AS ENUM ('ok');
             CREATE TABLE t (id int PRIMARY KEY, v text, m mood, at timestamptz, f float8);
             CREATE TABLE full_row (id int, v text);
             ALTER TABLE full_row REPLICA IDENTITY FULL;
             ALTER TABLE t ALTER v SET STORAGE EXTERNAL",
        )
        .await
        .unwrap();
    let slot = slot_with_publication(&client, &config).await;
    client
        .batch_execute(
            "BEGIN; INSERT INTO t VALUES (1, E'a\\tb', 'ok', '2020-01-02 03:04:05+09', 0.1);
             UPDATE t SET v = repeat('x', 4000); UPDATE t SET m = NULL; UPDATE t SET id = 2;
             SELECT pg_logical_emit_message(true, 'pre', 'content'); DELETE FROM t; COMMIT;
             BEGIN; INSERT INTO full_row VALUES (1, NULL); UPDATE full_row SET v = 'y';
             DELETE FROM full_row; TRUNCATE t, full_row RESTART IDENTITY CASCADE; COMMIT;
             SELECT pg_logical_emit_message(false, 'loose', '');",
        )
        .await
        .unwrap();
    let (mut reader, writer) = stream(&config, &slot, "Pub \"1").await;
    let big = "x".repeat(4000);
    assert_eq!(
        transaction(&mut reader).await,
        [
            "begin".to_owned(),
            "type public.mood".to_owned(),
            "relation t default *id,v,m,at,f".to_owned(),
            "insert (1,a\tb,ok,2020-01-01 18:04:05+00,0.1)".to_owned(),
            format!("update - (1,{big},ok,2020-01-01 18:04:05+00,0.1)"),
            "update - (1,unchanged,null,2020-01-01 18:04:05+00,0.1)".to_owned(),
            "update key(1,null,null,null,null) (2,unchanged,null,2020-01-01 18:04:05+00,0.1)"
                .to_owned(),
            "message true pre content".to_owned(),
            "delete key(2,null,null,null,null)".to_owned(),
            "commit".to_owned(),
        ]
    );
    assert_eq!(
        transaction(&mut reader).await,
        [
            "begin",
            "relation full_row full *id,*v",
            "insert (1,null)",
            "update full(1,null) (1,y)",
            "delete full(1,y)",
            "type public.mood",
            "relation t default *id,v,m,at,f",
            "relation full_row full *id,*v",
            "truncate 2 cascade=true restart=true",
            "commit",
        ]
    );
    assert_eq!(next_line(&mut reader).await, "message false loose ");
    writer.finish().await;
}

#[tokio::test]
async fn what_is_confirmed_moves_the_slot_and_is_not_sent_again() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let (config, client) = cluster.database().await;
    client
        .batch_execute("CREATE TABLE t (id int PRIMARY KEY)")
        .await
        .unwrap();
    let slot = slot_with_publication(&client, &config).await;
    for id in 0..2 {
        client
            .execute("INSERT INTO t VALUES ($1)", &[&id])
            .await
            .unwrap();
    }
    let (mut reader, mut writer) = stream(&config, &slot, "Pub \"1").await;
    let end = loop {
        if let Frame::XLogData {
            data,
            server_time_us,
            ..
        } = reader.next().await.unwrap()
        {
            assert!(server_time_us > 1_600_000_000_000_000, "{server_time_us}");
            if let Message::Commit(commit) = decode(&data).unwrap() {
                break commit.end_lsn;
            }
        }
    };
    assert_eq!(transaction(&mut reader).await.len(), 3);
    writer.status(end, end, end, true).await.unwrap();
    // The answer to a status that wants one comes at once.
    let answered = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            if let Frame::Keepalive { wal_end, .. } = reader.next().await.unwrap() {
                return wal_end;
            }
        }
    });
    assert!(answered.await.unwrap() >= end);
    writer.finish().await;
    let ended = loop {
        match reader.next().await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(ended.kind(), Kind::Transient, "{ended:?}");
    let state = crate::postgres::slot::inspect(&client, &slot)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(state.confirmed_flush, Some(end));
    let (mut reader, writer) = stream(&config, &slot, "Pub \"1").await;
    assert_eq!(
        transaction(&mut reader).await,
        ["begin", "relation t default *id", "insert (1)", "commit"]
    );
    writer.finish().await;
}

#[tokio::test]
async fn only_what_was_received_is_given_without_waiting() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let (config, client) = cluster.database().await;
    client
        .batch_execute("CREATE TABLE t (id int PRIMARY KEY)")
        .await
        .unwrap();
    let slot = slot_with_publication(&client, &config).await;
    let (mut reader, writer) = stream(&config, &slot, "Pub \"1").await;
    while let Some(frame) = reader.try_next().unwrap() {
        assert!(matches!(frame, Frame::Keepalive { .. }), "{frame:?}");
    }
    client
        .batch_execute("INSERT INTO t SELECT generate_series(1, 1000)")
        .await
        .unwrap();
    let mut lines = 0;
    while next_line(&mut reader).await != "commit" {
        lines += 1;
        while let Some(frame) = reader.try_next().unwrap() {
            lines += usize::from(matches!(frame, Frame::XLogData { .. }));
        }
        if lines >= 1003 {
            break;
        }
    }
    assert!(lines >= 1002, "{lines}");
    writer.finish().await;
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_told_and_passed_over() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let (config, client) = cluster.database().await;
    client
        .batch_execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
        .await
        .unwrap();
    let slot = slot_with_publication(&client, &config).await;
    client
        .batch_execute("INSERT INTO t VALUES (7, repeat('x', 3000000)), (8, 'small')")
        .await
        .unwrap();
    let connection = ReplicationConnection::connect(&config).await.unwrap();
    let mut options = StreamOptions::new("Pub \"1");
    options.frame_bytes_max = 1 << 20;
    let (mut reader, writer) = connection
        .start_replication(&slot, Lsn::INVALID, &options)
        .await
        .unwrap();
    assert_eq!(next_line(&mut reader).await, "begin");
    assert_eq!(next_line(&mut reader).await, "relation t default *id,v");
    let frame = reader.next().await.unwrap();
    let Frame::Oversized {
        bytes,
        head,
        wal_start,
        ..
    } = frame
    else {
        panic!("{frame:?}");
    };
    assert!(bytes > 3_000_000 && bytes < 3_000_100, "{bytes}");
    assert!(wal_start > Lsn::INVALID);
    assert_eq!(head.first(), Some(&b'I'));
    assert!(head.len() < 70_000);
    assert_eq!(next_line(&mut reader).await, "insert (8,small)");
    assert_eq!(next_line(&mut reader).await, "commit");
    writer.finish().await;
}

#[tokio::test]
async fn each_refusal_to_stream_is_told_apart() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let (config, client) = cluster.database().await;
    client
        .batch_execute("CREATE TABLE t (id int PRIMARY KEY)")
        .await
        .unwrap();
    let start = async |slot: &str, publication: &str| {
        let connection = ReplicationConnection::connect(&config).await.unwrap();
        connection
            .start_replication(slot, Lsn::INVALID, &StreamOptions::new(publication))
            .await
    };
    let missing = start("no_such_slot", "p").await.unwrap_err();
    assert!(matches!(missing, Error::SlotMissing { .. }), "{missing:?}");

    let slot = slot_with_publication(&client, &config).await;
    let mut connection = ReplicationConnection::connect(&config).await.unwrap();
    let again = connection.create_slot(&slot, false).await.unwrap_err();
    assert!(matches!(again, Error::SlotExists { .. }), "{again:?}");
    // The connection is in step after an error.
    connection.identify_system().await.unwrap();
    let missing = connection.drop_slot("no_such_slot").await.unwrap_err();
    assert!(matches!(missing, Error::SlotMissing { .. }), "{missing:?}");

    let (_reader, writer) = start(&slot, "Pub \"1").await.unwrap();
    let in_use = start(&slot, "Pub \"1").await.unwrap_err();
    assert!(matches!(in_use, Error::SlotInUse { .. }), "{in_use:?}");
    assert_eq!(in_use.kind(), Kind::Transient);
    let told = crate::postgres::slot::in_use(&client, &slot).await.unwrap();
    assert!(
        told.to_string()
            .contains("\"penstock\" of role \"postgres\" at 127.0.0.1 since "),
        "{told}"
    );
    assert!(told.mend().unwrap().contains("pg_terminate_backend("));
    writer.finish().await;

    // A publication that does not exist shows only when the first change is decoded.
    let other = unique("slot");
    connection.create_slot(&other, false).await.unwrap();
    client
        .batch_execute("INSERT INTO t VALUES (1)")
        .await
        .unwrap();
    let (mut reader, _writer) = start(&other, "nowhere").await.unwrap();
    let error = loop {
        match reader.next().await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    let Error::Publication { publication, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(publication, "nowhere");
}

#[tokio::test]
async fn an_illegal_slot_name_cannot_break_out_of_its_quotes() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let (config, _client) = cluster.database().await;
    let mut connection = ReplicationConnection::connect(&config).await.unwrap();
    for name in [
        "a\" TEMPORARY PHYSICAL --",
        "Upper",
        "",
        "a'b",
        "x\0y; DROP",
    ] {
        let error = connection.create_slot(name, true).await.unwrap_err();
        assert!(!matches!(error, Error::Closed), "{name}: {error:?}");
    }
    connection.identify_system().await.unwrap();
}

#[tokio::test]
async fn a_reader_that_is_held_back_keeps_its_connection_by_telling_its_position() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let (config, client) = cluster.database().await;
    let role = unique("patient");
    client
        .batch_execute(&format!(
            "CREATE TABLE t (id int, v text);
             CREATE ROLE {role} LOGIN SUPERUSER PASSWORD 'p'; ALTER ROLE {role} SET wal_sender_timeout = '1s'"
        ))
        .await
        .unwrap();
    let slot = slot_with_publication(&client, &config).await;
    client
        .batch_execute("INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, 20000) i")
        .await
        .unwrap();
    let mut patient = config.clone();
    patient.user = role;
    let (mut reader, mut writer) = stream(&patient, &slot, "Pub \"1").await;
    assert_eq!(next_line(&mut reader).await, "begin");
    // Nothing is read for three times the timeout; the server is told each fifth of it.
    let mut beat = tokio::time::interval(Duration::from_millis(200));
    for _ in 0..15 {
        beat.tick().await;
        let nothing = Lsn::INVALID;
        writer
            .status(nothing, nothing, nothing, false)
            .await
            .unwrap();
    }
    let mut rows = 0;
    loop {
        match &next_line(&mut reader).await[..] {
            "commit" => break,
            line => rows += usize::from(line.starts_with("insert")),
        }
        if rows % 500 == 0 {
            writer
                .status(Lsn::INVALID, Lsn::INVALID, Lsn::INVALID, false)
                .await
                .unwrap();
        }
    }
    assert_eq!(rows, 20_000);
    writer.finish().await;
}

#[tokio::test]
async fn names_of_any_script_come_through() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let (config, client) = cluster.database().await;
    let name = "\u{e9}\u{6f22}\u{1f600} %_'\\";
    let quoted = crate::postgres::quote_identifier(name);
    client
        .batch_execute(&format!(
            "CREATE TABLE {quoted} ({quoted} text PRIMARY KEY)"
        ))
        .await
        .unwrap();
    let slot = slot_with_publication(&client, &config).await;
    client
        .execute(&format!("INSERT INTO {quoted} VALUES ($1)"), &[&name])
        .await
        .unwrap();
    let (mut reader, writer) = stream(&config, &slot, "Pub \"1").await;
    let lines = transaction(&mut reader).await;
    assert_eq!(lines[1], format!("relation {name} default *{name}"));
    assert_eq!(lines[2], format!("insert ({name})"));
    writer.finish().await;
}
