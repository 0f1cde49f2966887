//! Everything that is missing, named at once.

use crate::error::{self, Explain};
use crate::postgres::AutocreateMode;
use crate::postgres::catalog::tables;
use crate::postgres::preflight::{self, Needs};
use crate::postgres::testing::{Cluster, unique};
use crate::postgres::{Error, connect_sql};

#[tokio::test]
async fn every_missing_privilege_is_named_at_once_and_the_sql_mends_them() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let (config, admin) = cluster.database().await;
    let role = unique("Poor Role");
    admin
        .batch_execute(&format!(
            "CREATE SCHEMA s; CREATE TABLE s.a (i int); CREATE TABLE public.b (i int);
             ALTER TABLE public.b ENABLE ROW LEVEL SECURITY;
             CREATE ROLE \"{role}\" LOGIN PASSWORD 'p'"
        ))
        .await
        .unwrap();
    let mut poor = config.clone();
    poor.user.clone_from(&role);
    let client = connect_sql(&poor).await.unwrap();
    let tables = tables(&client).await.unwrap();
    let needs = Needs {
        slot: "free_slot",
        publication: "p",
        mode: AutocreateMode::Filtered,
        tables: &tables,
        snapshot: true,
    };
    let error = preflight::check(&client, &needs).await.unwrap_err();
    assert_eq!(error.code(), error::SOURCE_PRIVILEGES);
    let Error::Missing { missing } = &error else {
        panic!("{error:?}");
    };
    let what: Vec<&str> = missing.iter().map(|one| one.what.as_str()).collect();
    let wanted = [
        format!("role \"{role}\" may not replicate"),
        format!("role \"{role}\" may not read \"public\".\"b\""),
        format!("role \"{role}\" may not use schema \"s\""),
        format!("role \"{role}\" may not read \"s\".\"a\""),
        format!("row security hides rows of captured tables from role \"{role}\""),
        format!(
            "role \"{role}\" may not create a publication in database \"{}\"",
            config.dbname
        ),
        format!("role \"{role}\" may not publish public.b, s.a, which it does not own"),
    ];
    assert_eq!(what, wanted);
    // The SQL does what it says, pasted as it is.
    admin.batch_execute(&error.mend().unwrap()).await.unwrap();
    preflight::check(&client, &needs).await.unwrap();
}

#[tokio::test]
async fn a_superuser_lacks_nothing_but_what_the_settings_ask_for() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let (_, client) = cluster.database().await;
    client
        .batch_execute("CREATE TABLE a (i int)")
        .await
        .unwrap();
    let tables = tables(&client).await.unwrap();
    let mut needs = Needs {
        slot: "free_slot",
        publication: "p",
        mode: AutocreateMode::AllTables,
        tables: &tables,
        snapshot: true,
    };
    preflight::check(&client, &needs).await.unwrap();
    needs.mode = AutocreateMode::Disabled;
    needs.slot = "Illegal";
    let error = preflight::check(&client, &needs).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("\"Illegal\" is not legal"), "{text}");
    assert!(text.contains("publication \"p\" does not exist"), "{text}");
}
