//! Slots, seen over SQL.

use crate::postgres::slot::{self, WalStatus};
use crate::postgres::testing::{Cluster, unique};
use crate::postgres::{Error, ReplicationConnection};

#[tokio::test]
async fn a_slot_is_described_and_judged() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let (config, client) = cluster.database().await;
    let name = unique("slot");
    assert_eq!(slot::inspect(&client, &name).await.unwrap(), None);
    let mut connection = ReplicationConnection::connect(&config).await.unwrap();
    let created = connection.create_slot(&name, false).await.unwrap();
    let state = slot::inspect(&client, &name).await.unwrap().unwrap();
    assert_eq!(state.plugin, "pgoutput");
    assert_eq!(state.database, config.dbname);
    assert_eq!(state.confirmed_flush, Some(created.consistent_point));
    assert_eq!(state.wal_status, WalStatus::Reserved);
    assert_eq!(state.holder, None);
    assert_eq!(state.safe_wal_bytes, None);
    assert!(!state.two_phase && !state.temporary);
    state.check_fit(&config.dbname).unwrap();
    let elsewhere = state.check_fit("other").unwrap_err();
    assert!(
        matches!(elsewhere, Error::SlotUnfit { .. }),
        "{elsewhere:?}"
    );
    assert!(slot::drop(&client, &name).await.unwrap());
    assert!(!slot::drop(&client, &name).await.unwrap());

    for (sql, text) in [
        (
            "pg_create_logical_replication_slot($1, 'test_decoding')",
            "test_decoding",
        ),
        (
            "pg_create_logical_replication_slot($1, 'pgoutput', false, true)",
            "two_phase",
        ),
        ("pg_create_physical_replication_slot($1)", "physical"),
    ] {
        let name = unique("slot");
        let made = client.execute(&format!("SELECT {sql}"), &[&name]).await;
        let Ok(_) = made else {
            assert_eq!(text, "test_decoding", "contrib may be missing: {made:?}");
            continue;
        };
        let state = slot::inspect(&client, &name).await.unwrap().unwrap();
        let unfit = state.check_fit(&config.dbname).unwrap_err();
        assert!(unfit.to_string().contains(text), "{unfit}");
        slot::drop(&client, &name).await.unwrap();
    }
}

#[test]
fn only_what_the_server_takes_is_a_legal_name() {
    assert!(slot::is_legal_name("penstock_app1"));
    for name in ["", "A", "a-b", "a b", "\u{e9}", &"a".repeat(64)] {
        assert!(!slot::is_legal_name(name), "{name}");
    }
}
