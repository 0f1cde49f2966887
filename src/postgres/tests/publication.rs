//! Publications, as the autocreate modes make and keep them.

use crate::error::Explain;
use crate::postgres::AutocreateMode;
use crate::postgres::catalog::{Table, tables};
use crate::postgres::publication::{self, Wanted};
use crate::postgres::testing::{Cluster, unique};
use crate::postgres::{ConnectionConfig, Error, SqlClient, connect_sql};

fn wanted(mode: AutocreateMode, tables: &[Table]) -> Wanted<'_> {
    Wanted {
        name: "dbz \"pub",
        mode,
        tables,
        via_partition_root: false,
    }
}

async fn published(client: &SqlClient) -> Vec<String> {
    publication::tables(client, "dbz \"pub")
        .await
        .unwrap()
        .into_iter()
        .map(|table| format!("{}.{}", table.schema, table.name))
        .collect()
}

/// A role that owns the tables of its database and is no superuser.
async fn owner(config: &ConnectionConfig, admin: &SqlClient) -> SqlClient {
    let role = unique("owner");
    admin
        .batch_execute(&format!(
            "CREATE ROLE {role} LOGIN PASSWORD 'p'; GRANT CREATE ON DATABASE {} TO {role};
             GRANT CREATE ON SCHEMA public TO {role}",
            config.dbname
        ))
        .await
        .unwrap();
    let mut config = config.clone();
    config.user = role;
    connect_sql(&config).await.unwrap()
}

#[tokio::test]
async fn a_filtered_publication_follows_the_captured_tables() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let (_, client) = cluster.database().await;
    client
        .batch_execute(
            "CREATE TABLE a (i int); CREATE TABLE \"b'\" (i int); CREATE TABLE c (i int);
             CREATE UNLOGGED TABLE d (i int)",
        )
        .await
        .unwrap();
    let all = tables(&client).await.unwrap();
    let made = publication::ensure(&client, &wanted(AutocreateMode::Filtered, &all[..2]))
        .await
        .unwrap();
    assert!(made.created && !made.all_tables && made.missing_tables.is_empty());
    assert_eq!(published(&client).await, ["public.a", "public.b'"]);
    let kept = publication::ensure(&client, &wanted(AutocreateMode::Filtered, &all[1..]))
        .await
        .unwrap();
    assert!(!kept.created && kept.missing_tables.is_empty(), "{kept:?}");
    assert_eq!(published(&client).await, ["public.b'", "public.c"]);
    let disabled = publication::ensure(&client, &wanted(AutocreateMode::Disabled, &all))
        .await
        .unwrap();
    assert_eq!(disabled.missing_tables, ["\"public\".\"a\""]);
    client
        .batch_execute("ALTER PUBLICATION \"dbz \"\"pub\" SET (publish = 'insert,delete')")
        .await
        .unwrap();
    let partly = publication::ensure(&client, &wanted(AutocreateMode::NoTables, &all))
        .await
        .unwrap();
    assert_eq!(partly.unpublished, ["update", "truncate"]);
    let none = publication::ensure(
        &client,
        &Wanted {
            name: "other",
            ..wanted(AutocreateMode::Filtered, &all[3..])
        },
    )
    .await
    .unwrap_err();
    assert!(none.to_string().contains("no table"), "{none}");
}

#[tokio::test]
async fn all_tables_is_made_where_the_role_may_and_kept_as_it_is() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let (_, client) = cluster.database().await;
    let made = publication::ensure(
        &client,
        &Wanted {
            via_partition_root: true,
            ..wanted(AutocreateMode::AllTables, &[])
        },
    )
    .await
    .unwrap();
    assert!(made.created && made.all_tables && made.via_partition_root);
    assert!(!made.fell_back_to_filtered && made.unpublished.is_empty());
    let filtered = publication::ensure(&client, &wanted(AutocreateMode::Filtered, &[]))
        .await
        .unwrap_err();
    assert!(
        filtered.mend().unwrap().contains("DROP PUBLICATION"),
        "{filtered}"
    );
}

#[tokio::test]
async fn all_tables_falls_back_to_the_captured_ones_and_keeps_them_up_to_date() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let (config, admin) = cluster.database().await;
    let client = owner(&config, &admin).await;
    client
        .batch_execute("CREATE TABLE a (i int); CREATE TABLE b (i int)")
        .await
        .unwrap();
    let all = tables(&client).await.unwrap();
    let made = publication::ensure(&client, &wanted(AutocreateMode::AllTables, &all[..1]))
        .await
        .unwrap();
    assert!(made.fell_back_to_filtered && made.created && !made.all_tables);
    let kept = publication::ensure(&client, &wanted(AutocreateMode::AllTables, &all))
        .await
        .unwrap();
    assert!(kept.fell_back_to_filtered && !kept.created);
    assert_eq!(published(&client).await, ["public.a", "public.b"]);
}

#[tokio::test]
async fn a_publication_that_cannot_be_made_comes_with_the_statement_for_it() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let (config, admin) = cluster.database().await;
    admin
        .batch_execute("CREATE TABLE foreign_one (i int)")
        .await
        .unwrap();
    let client = owner(&config, &admin).await;
    let all = tables(&client).await.unwrap();
    for (mode, statement) in [
        (
            AutocreateMode::Disabled,
            "FOR TABLE \"public\".\"foreign_one\";",
        ),
        (
            AutocreateMode::Filtered,
            "FOR TABLE \"public\".\"foreign_one\";",
        ),
        (AutocreateMode::AllTables, "FOR ALL TABLES;"),
    ] {
        let error = publication::ensure(&client, &wanted(mode, &all))
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Publication { .. }), "{error:?}");
        let mend = error.mend().unwrap();
        assert!(
            mend.contains("CREATE PUBLICATION \"dbz \"\"pub\" ") && mend.contains(statement),
            "{mend}"
        );
    }
}

#[tokio::test]
async fn partitions_count_as_published_with_their_table() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let (_, client) = cluster.database().await;
    client
        .batch_execute(
            "CREATE TABLE p (a int, b int) PARTITION BY LIST (a);
             CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
             CREATE TABLE q (a int, b int, c int);
             CREATE PUBLICATION \"dbz \"\"pub\" FOR TABLE p, q (a, b) WHERE (a > 1)",
        )
        .await
        .unwrap();
    let all = tables(&client).await.unwrap();
    let found = publication::ensure(&client, &wanted(AutocreateMode::Disabled, &all))
        .await
        .unwrap();
    assert!(found.missing_tables.is_empty(), "{found:?}");
    let tables = publication::tables(&client, "dbz \"pub").await.unwrap();
    let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
    assert_eq!(names, ["p1", "q"]);
    assert_eq!(tables[0].columns, None);
    assert_eq!(tables[0].row_filter, None);
    assert_eq!(
        tables[1].columns,
        Some(vec!["a".to_owned(), "b".to_owned()])
    );
    assert_eq!(tables[1].row_filter.as_deref(), Some("(a > 1)"));
}
