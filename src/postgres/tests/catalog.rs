//! Tables, columns, keys, types.

use crate::postgres::catalog::{Generated, Identity, TableKind, TypeKind, columns, tables, types};
use crate::postgres::pgoutput::ReplicaIdentity;
use crate::postgres::server;
use crate::postgres::testing::Cluster;

#[tokio::test]
async fn tables_come_in_the_order_of_their_full_names() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let (_, client) = cluster.database().await;
    client
        .batch_execute(
            "CREATE SCHEMA \"S_%\"; CREATE TABLE \"S_%\".\"T \"\"1\" (a int);
             CREATE TABLE b (a int); CREATE UNLOGGED TABLE u (a int); CREATE TEMP TABLE tmp (a int);
             CREATE TABLE p (a int) PARTITION BY LIST (a);
             CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
             ALTER TABLE b REPLICA IDENTITY FULL; CREATE VIEW v AS SELECT 1;
             INSERT INTO b SELECT generate_series(1, 500); ANALYZE b",
        )
        .await
        .unwrap();
    let found = tables(&client).await.unwrap();
    let names: Vec<String> = found
        .iter()
        .map(|table| format!("{}.{}", table.schema, table.name))
        .collect();
    assert_eq!(
        names,
        ["S_%.T \"1", "public.b", "public.p", "public.p1", "public.u"]
    );
    assert_eq!(found[1].replica_identity, ReplicaIdentity::Full);
    assert_eq!(found[1].estimated_rows, Some(500));
    assert_eq!(found[0].estimated_rows, None);
    assert_eq!(found[2].kind, TableKind::Partitioned);
    assert_eq!(found[3].parent_oid, Some(found[2].oid));
    assert!(found[4].unlogged && found[1].relfilenode > 0);
}

#[tokio::test]
async fn columns_and_keys_are_those_that_debezium_would_see() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let (_, client) = cluster.database().await;
    client
        .batch_execute(
            "CREATE TABLE t (gone int, a int GENERATED ALWAYS AS IDENTITY, b numeric(10,2) DEFAULT 1.5,
                 c varchar(20) NOT NULL DEFAULT 'it''s', d int GENERATED ALWAYS AS (a + 1) STORED,
                 e text[], PRIMARY KEY (c, a));
             ALTER TABLE t DROP gone; COMMENT ON COLUMN t.b IS 'money'; COMMENT ON TABLE t IS 'the table';
             CREATE TABLE u (a int NOT NULL UNIQUE, b text NOT NULL, c int);
             CREATE UNIQUE INDEX a_expression ON u (lower(b)); CREATE UNIQUE INDEX b_two ON u (b, c);
             CREATE TABLE w (z int UNIQUE, y int); CREATE UNIQUE INDEX zz ON w (y) INCLUDE (z);
             ALTER TABLE w CLUSTER ON zz; CREATE TABLE nothing ()",
        )
        .await
        .unwrap();
    let found = tables(&client).await.unwrap();
    let oids: Vec<u32> = found
        .iter()
        .map(|table| table.oid)
        .chain([4_000_000])
        .collect();
    let shapes = columns(&client, &oids).await.unwrap();
    assert_eq!(shapes.len(), 4);
    let [nothing, t, u, w] = &shapes[..] else {
        unreachable!()
    };
    assert!(nothing.columns.is_empty() && nothing.unique_key.is_empty());
    assert_eq!(t.primary_key, ["c", "a"]);
    assert_eq!(t.comment.as_deref(), Some("the table"));
    let [a, b, c, d, e] = &t.columns[..] else {
        unreachable!()
    };
    assert_eq!(
        (a.name.as_str(), a.attnum, a.identity),
        ("a", 2, Identity::Always)
    );
    assert!(a.not_null && a.default.is_none());
    assert_eq!((b.type_oid, b.type_modifier), (1700, (10 << 16) + 2 + 4));
    assert_eq!(b.default.as_deref(), Some("1.5"));
    assert_eq!(b.comment.as_deref(), Some("money"));
    assert_eq!(c.default.as_deref(), Some("'it''s'::character varying"));
    assert_eq!(
        (d.generated, d.default.as_deref()),
        (Generated::Stored, None)
    );
    assert_eq!(e.type_oid, 1009);
    assert_eq!(u.unique_key, ["b", "c"]);
    assert!(u.primary_key.is_empty());
    assert_eq!(w.unique_key, ["y"]);
}

#[tokio::test]
async fn types_come_with_all_they_are_made_of() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let (_, client) = cluster.database().await;
    client
        .batch_execute(
            "CREATE TYPE mood AS ENUM ('sad', 'ok'); ALTER TYPE mood ADD VALUE 'meh' BEFORE 'ok';
             CREATE DOMAIN d_inner AS numeric(8,3); CREATE DOMAIN d AS d_inner;
             CREATE TYPE r AS RANGE (subtype = int8); CREATE TYPE comp AS (a int);
             CREATE TABLE t (m mood[], d d, r r, c comp, n name)",
        )
        .await
        .unwrap();
    let oid = tables(&client).await.unwrap()[0].oid;
    let shape = &columns(&client, &[oid]).await.unwrap()[0];
    let used: Vec<u32> = shape.columns.iter().map(|column| column.type_oid).collect();
    let found = types(&client, &used).await.unwrap();
    let named = |name: &str| found.iter().find(|one| one.name == name).unwrap();
    let mood = named("mood");
    assert_eq!(
        (mood.kind, mood.schema.as_str()),
        (TypeKind::Enum, "public")
    );
    assert_eq!(mood.labels, ["sad", "meh", "ok"]);
    assert_eq!(
        (named("_mood").element_oid, named("_mood").category),
        (Some(mood.oid), 'A')
    );
    assert_eq!(named("d").base_oid, Some(named("d_inner").oid));
    assert_eq!(named("d_inner").base_oid, Some(1700));
    assert_eq!(named("d_inner").base_modifier, (8 << 16) + 3 + 4);
    assert_eq!(
        (named("r").kind, named("r").subtype_oid),
        (TypeKind::Range, Some(20))
    );
    assert_eq!(named("comp").kind, TypeKind::Composite);
    assert_eq!(named("numeric").kind, TypeKind::Base);
    assert!(found.iter().any(|one| one.oid == 20));
}

#[tokio::test]
async fn settings_are_read_and_the_log_moves() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let (_, client) = cluster.database().await;
    let settings = server::settings(&client).await.unwrap();
    assert!((150_000..200_000).contains(&settings.version_num));
    assert_eq!(settings.wal_level, "logical");
    assert_eq!(settings.wal_sender_timeout_ms, 60_000);
    assert_eq!(settings.max_slot_wal_keep_bytes, None);
    assert_eq!(
        (settings.max_wal_senders, settings.max_replication_slots),
        (20, 20)
    );
    assert_eq!(settings.encoding, "UTF8");
    assert!(!settings.in_recovery);
    let before = server::current_lsn(&client).await.unwrap();
    client
        .batch_execute("CREATE TABLE t (a int)")
        .await
        .unwrap();
    assert!(server::current_lsn(&client).await.unwrap() > before);
}
