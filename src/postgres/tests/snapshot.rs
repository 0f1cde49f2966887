//! Reading tables as they were.

use crate::postgres::pgoutput::Cell;
use crate::postgres::testing::{Cluster, unique};
use crate::postgres::{CopyTable, Error, ReplicationConnection, RowBatch, SnapshotReader};

fn text(cell: Cell<'_>) -> Option<String> {
    match cell {
        Cell::Null => None,
        Cell::Text(bytes) => Some(String::from_utf8(bytes.to_vec()).unwrap()),
        Cell::Unchanged | Cell::Binary(_) => unreachable!(),
    }
}

/// All rows of a table.
async fn read(reader: &mut SnapshotReader, table: &CopyTable<'_>) -> Vec<Vec<Option<String>>> {
    let mut rows = reader.copy(table).await.unwrap();
    let mut batch = RowBatch::default();
    let mut all = Vec::new();
    while rows.next(&mut batch).await.unwrap() {
        assert!(!batch.is_empty());
        all.extend(
            batch
                .rows()
                .map(|row| row.cells().map(text).collect::<Vec<_>>()),
        );
    }
    all
}

fn table<'a>(name: &'a str, columns: &'a [&'a str]) -> CopyTable<'a> {
    CopyTable {
        schema: "public",
        table: name,
        columns,
        only: false,
        condition: None,
    }
}

#[tokio::test]
async fn a_snapshot_shows_the_tables_as_of_the_slot() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let (config, client) = cluster.database().await;
    client
        .batch_execute(
            "CREATE TABLE t (id int PRIMARY KEY, v text);
             INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 50000) i",
        )
        .await
        .unwrap();
    let mut connection = ReplicationConnection::connect(&config).await.unwrap();
    let slot = unique("slot");
    let created = connection.create_slot(&slot, true).await.unwrap();
    client
        .batch_execute("INSERT INTO t VALUES (-1, 'late'); DELETE FROM t WHERE id = 1")
        .await
        .unwrap();
    let name = Some(created.snapshot_name.as_str());
    // Two readers on one snapshot see the same.
    let mut first = SnapshotReader::begin(&config, name).await.unwrap();
    let mut second = SnapshotReader::begin(&config, name).await.unwrap();
    let rows = read(&mut first, &table("t", &["id", "v"])).await;
    assert_eq!(rows.len(), 50_000);
    assert_eq!(rows[0], [Some("1".to_owned()), Some("v1".to_owned())]);
    assert_eq!(
        rows[49_999],
        [Some("50000".to_owned()), Some("v50000".to_owned())]
    );
    let part = CopyTable {
        condition: Some("ctid < '(1,0)'::tid"),
        only: true,
        ..table("t", &["ctid", "v"])
    };
    let rows = read(&mut second, &part).await;
    assert!(rows.len() > 10 && rows.len() < 1000, "{}", rows.len());
    assert_eq!(rows[0], [Some("(0,1)".to_owned()), Some("v1".to_owned())]);
    let answer = second
        .query("SELECT pg_current_snapshot(), NULL")
        .await
        .unwrap();
    assert!(answer[0][0].as_deref().unwrap().contains(':') && answer[0][1].is_none());
    first.finish().await;
    connection.close().await;
    let gone = SnapshotReader::begin(&config, name).await.unwrap_err();
    assert!(matches!(gone, Error::SnapshotGone { .. }), "{gone:?}");
}

#[tokio::test]
async fn values_come_as_the_stream_writes_them() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let (config, client) = cluster.database().await;
    client
        .batch_execute(
            "CREATE TABLE \"odd \"\"t\" (\"a'b\" text, at timestamptz, b bytea, f float8, i interval);
             INSERT INTO \"odd \"\"t\" VALUES
               (E'tab\\tnew\\nback\\\\slash\\\\N', '2020-01-01 00:00+09', '\\x00ff', 0.1, '1 day -2 hours'),
               ('\\N', NULL, '', 'NaN', NULL), (NULL, 'infinity', NULL, 1e300, '1 mon');
             CREATE TABLE empty_one (a int); CREATE TABLE nothing (); INSERT INTO nothing DEFAULT VALUES",
        )
        .await
        .unwrap();
    let mut reader = SnapshotReader::begin(&config, None).await.unwrap();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        read(
            &mut reader,
            &table("odd \"t", &["a'b", "at", "b", "f", "i"])
        )
        .await,
        [
            [
                some("tab\tnew\nback\\slash\\N"),
                some("2019-12-31 15:00:00+00"),
                some("\\x00ff"),
                some("0.1"),
                some("1 day -02:00:00")
            ],
            [some("\\N"), None, some("\\x"), some("NaN"), None],
            [None, some("infinity"), None, some("1e+300"), some("1 mon")],
        ]
    );
    assert!(
        read(&mut reader, &table("empty_one", &["a"]))
            .await
            .is_empty()
    );
    assert_eq!(read(&mut reader, &table("nothing", &[])).await, [vec![]]);
    reader.finish().await;
}

#[tokio::test]
async fn an_error_in_a_copy_is_told_and_a_table_cut_short_is_never_complete() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let (config, client) = cluster.database().await;
    let mut reader = SnapshotReader::begin(&config, None).await.unwrap();
    let missing = reader.copy(&table("no_such", &["a"])).await.unwrap_err();
    assert!(matches!(missing, Error::Sql { .. }), "{missing:?}");
    reader.finish().await;

    let mut reader = SnapshotReader::begin(&config, None).await.unwrap();
    let mut rows = reader
        .copy_select("SELECT 1 / (5000 - i) FROM generate_series(1, 6000) i -- done")
        .await
        .unwrap();
    let mut batch = RowBatch::default();
    let mut seen = 0;
    let error = loop {
        match rows.next(&mut batch).await {
            Ok(true) => seen += batch.len(),
            Ok(false) => panic!("a broken copy counts as complete"),
            Err(error) => break error,
        }
    };
    assert_eq!(seen, 4_999);
    assert!(matches!(error, Error::Sql { .. }), "{error:?}");
    reader.finish().await;

    let mut reader = SnapshotReader::begin(&config, None).await.unwrap();
    let pid = reader.query("SELECT pg_backend_pid()").await.unwrap();
    let pid: i32 = pid[0][0].as_deref().unwrap().parse().unwrap();
    let mut rows = reader
        .copy_select("SELECT i, repeat('x', 1000) FROM generate_series(1, 1000000) i")
        .await
        .unwrap();
    assert!(rows.next(&mut batch).await.unwrap());
    client
        .query("SELECT pg_terminate_backend($1)", &[&pid])
        .await
        .unwrap();
    let error = loop {
        match rows.next(&mut batch).await {
            Ok(true) => {}
            Ok(false) => panic!("a copy cut short counts as complete"),
            Err(error) => break error,
        }
    };
    assert!(
        matches!(
            error,
            Error::ShuttingDown { .. } | Error::Closed | Error::Lost { .. }
        ),
        "{error:?}"
    );
    let unread = reader.query("SELECT 1").await.unwrap_err();
    assert!(matches!(unread, Error::Protocol { .. }), "{unread:?}");
}

#[tokio::test]
async fn a_row_beyond_the_limit_is_told_and_passed_over() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let (config, _client) = cluster.database().await;
    let mut reader = SnapshotReader::begin(&config, None).await.unwrap();
    reader.set_row_bytes_max(1 << 20);
    let mut rows = reader
        .copy_select(
            "SELECT i, repeat('x', CASE i WHEN 3 THEN 2000000 WHEN 4 THEN 1000000 ELSE 1 END)
               FROM generate_series(1, 5) i",
        )
        .await
        .unwrap();
    let mut batch = RowBatch::default();
    let mut seen = Vec::new();
    while rows.next(&mut batch).await.unwrap() {
        for row in batch.rows() {
            seen.push(row.cells().next().and_then(text).unwrap());
        }
        if let Some(large) = batch.oversized() {
            assert_eq!(large.bytes, 2_000_003);
            assert!(large.head.starts_with(b"3\txxx"));
            seen.push("large".to_owned());
        }
    }
    assert_eq!(seen, ["1", "2", "large", "4", "5"]);
}

#[tokio::test]
async fn row_security_fails_the_snapshot_instead_of_hiding_rows() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let (config, admin) = cluster.database().await;
    admin
        .batch_execute(
            "CREATE TABLE t (i int); ALTER TABLE t ENABLE ROW LEVEL SECURITY;
             GRANT SELECT ON t TO clear_user",
        )
        .await
        .unwrap();
    let mut limited = config.clone();
    "clear_user".clone_into(&mut limited.user);
    let mut reader = SnapshotReader::begin(&limited, None).await.unwrap();
    let error = reader.copy(&table("t", &["i"])).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
}
