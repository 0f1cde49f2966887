//! Logging in: every `sslmode`, every kind of password, every refusal.

use std::time::Duration;

use crate::error::{Explain, Kind};
use crate::postgres::testing::Cluster;
use crate::postgres::{
    ConnectionConfig, Error, ReplicationConnection, Secret, SslMode, connect_sql,
};

/// Whether a connection of both kinds stands, and whether it has TLS.
async fn connected(config: &ConnectionConfig) -> Result<bool, Error> {
    let client = connect_sql(config).await?;
    let row = client
        .query_one(
            "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
            &[],
        )
        .await
        .unwrap();
    let tls: bool = row.get(0);
    client.close().await;
    Ok(tls)
}

fn with(mut config: ConnectionConfig, sslmode: SslMode) -> ConnectionConfig {
    config.sslmode = sslmode;
    config
}

#[tokio::test]
async fn each_sslmode_means_what_it_means_in_libpq() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let anyone = cluster.config("postgres", "postgres");
    assert!(
        !connected(&with(anyone.clone(), SslMode::Disable))
            .await
            .unwrap()
    );
    assert!(
        !connected(&with(anyone.clone(), SslMode::Allow))
            .await
            .unwrap()
    );
    assert!(
        connected(&with(anyone.clone(), SslMode::Prefer))
            .await
            .unwrap()
    );
    assert!(
        connected(&with(anyone.clone(), SslMode::Require))
            .await
            .unwrap()
    );

    let tls_only = cluster.config("tls_only", "postgres");
    assert!(
        connected(&with(tls_only.clone(), SslMode::Allow))
            .await
            .unwrap()
    );
    assert!(
        connected(&with(tls_only.clone(), SslMode::Prefer))
            .await
            .unwrap()
    );
    let refused = connected(&with(tls_only, SslMode::Disable))
        .await
        .unwrap_err();
    assert!(matches!(refused, Error::NoHbaEntry { .. }), "{refused:?}");
    let plain_only = cluster.config("plain_only", "postgres");
    assert!(
        !connected(&with(plain_only.clone(), SslMode::Allow))
            .await
            .unwrap()
    );
    assert!(
        !connected(&with(plain_only.clone(), SslMode::Prefer))
            .await
            .unwrap()
    );
    let refused = connected(&with(plain_only, SslMode::Require))
        .await
        .unwrap_err();
    assert!(matches!(refused, Error::NoHbaEntry { .. }), "{refused:?}");
}

#[tokio::test]
async fn certificates_are_verified_as_far_as_the_mode_insists() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let case = |mode: SslMode, host: &str, root: Option<&str>| {
        let mut config = with(cluster.config("postgres", "postgres"), mode);
        host.clone_into(&mut config.host);
        config.sslrootcert = root.map(|name| cluster.file(name));
        config
    };
    for (mode, host, root, good) in [
        (SslMode::VerifyFull, "localhost", Some("ca.crt"), true),
        (SslMode::VerifyFull, "localhost", Some("server.crt"), true),
        (SslMode::VerifyFull, "127.0.0.1", Some("ca.crt"), false),
        (
            SslMode::VerifyFull,
            "localhost",
            Some("other-ca.crt"),
            false,
        ),
        (SslMode::VerifyFull, "localhost", None, false),
        (SslMode::VerifyCa, "127.0.0.1", Some("ca.crt"), true),
        (SslMode::VerifyCa, "127.0.0.1", Some("server.crt"), true),
        (SslMode::VerifyCa, "127.0.0.1", Some("other-ca.crt"), false),
        (SslMode::VerifyCa, "127.0.0.1", Some("system"), false),
        (SslMode::Require, "127.0.0.1", Some("ca.crt"), true),
        (SslMode::Require, "127.0.0.1", Some("other-ca.crt"), false),
        (SslMode::Prefer, "127.0.0.1", Some("other-ca.crt"), true),
    ] {
        let mut config = case(mode, host, root);
        if root == Some("system") {
            config.sslrootcert = Some("system".into());
        }
        match connected(&config).await {
            Ok(tls) => assert!(good && tls, "{mode:?} {host} {root:?}"),
            Err(error) => {
                assert!(
                    !good,
                    "{mode:?} {host} {root:?}: {}",
                    crate::error::chain(&error)
                );
                assert!(matches!(error, Error::Tls { .. }), "{error:?}");
            }
        }
    }
    let missing = case(SslMode::VerifyFull, "localhost", Some("no-such-file"));
    let error = connected(&missing).await.unwrap_err();
    assert!(matches!(error, Error::TlsFile { .. }), "{error:?}");
}

#[tokio::test]
async fn a_client_certificate_is_presented() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let mut config = with(cluster.config("cert_user", "postgres"), SslMode::Require);
    let refused = connected(&config).await.unwrap_err();
    assert!(
        matches!(
            refused,
            Error::LoginRefused { .. } | Error::NoHbaEntry { .. }
        ),
        "{refused:?}"
    );
    config.sslcert = Some(cluster.file("client.crt"));
    config.sslkey = Some(cluster.file("client.key"));
    assert!(connected(&config).await.unwrap());
}

#[tokio::test]
async fn each_kind_of_password_is_spoken_on_both_kinds_of_connections() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    for mode in [SslMode::Disable, SslMode::Require] {
        for user in ["md5_user", "clear_user", "scram_user"] {
            let mut config = with(cluster.config(user, "postgres"), mode);
            if user == "scram_user" {
                config.password = Secret::new("p w");
                let mut replication = ReplicationConnection::connect(&config).await.unwrap();
                let identity = replication.identify_system().await.unwrap();
                assert_eq!(identity.dbname, "postgres");
                assert!(replication.server_version_num() >= 150_000);
                replication.close().await;
            }
            connected(&config).await.unwrap();
            config.password = Secret::new("wrong");
            let refused = connected(&config).await.unwrap_err();
            assert!(
                matches!(refused, Error::LoginRefused { .. }),
                "{user} {refused:?}"
            );
            let refused = ReplicationConnection::connect(&config).await.unwrap_err();
            assert!(
                matches!(refused, Error::LoginRefused { .. }),
                "{user} {mode:?} {refused:?}"
            );
            assert_eq!(refused.kind(), Kind::Definite);
        }
    }
}

#[tokio::test]
async fn each_refusal_is_told_apart() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let at = |user: &str, dbname: &str| cluster.config(user, dbname);
    let mut nothing_there = at("postgres", "postgres");
    nothing_there.port = 1;
    let mut no_such_host = at("postgres", "postgres");
    "no-such-host.invalid".clone_into(&mut no_such_host.host);
    let mut no_password = at("scram_user", "postgres");
    no_password.password = Secret::default();
    type Check = fn(&Error) -> bool;
    let cases: Vec<(ConnectionConfig, Check)> = vec![
        (nothing_there, |e| matches!(e, Error::Unreachable { .. })),
        (no_such_host, |e| {
            matches!(e, Error::Unreachable { .. } | Error::TimedOut { .. })
        }),
        (at("postgres", "nodb"), |e| {
            matches!(e, Error::DatabaseMissing { .. })
        }),
        (at("nobody_user", "postgres"), |e| {
            matches!(e, Error::NoHbaEntry { .. })
        }),
        (at("no_login", "postgres"), |e| {
            matches!(e, Error::LoginRefused { .. })
        }),
        (at("no_such_role", "postgres"), |e| {
            matches!(e, Error::LoginRefused { .. })
        }),
        (at("limited", "postgres"), |e| {
            matches!(e, Error::TooManyConnections { .. })
        }),
        (no_password, |e| matches!(e, Error::LoginUnsupported { .. })),
    ];
    for (config, as_expected) in cases {
        let sql = connect_sql(&config).await.unwrap_err();
        assert!(
            as_expected(&sql),
            "{} {}: {sql:?}",
            config.user,
            config.host
        );
        assert!(!crate::error::chain(&sql).contains("p w"));
        if config.user == "limited" {
            // A role's limit does not count walsenders.
            continue;
        }
        let replication = ReplicationConnection::connect(&config).await.unwrap_err();
        assert!(
            as_expected(&replication),
            "{}: {replication:?}",
            config.user
        );
    }
    // A role that may log in and not replicate.
    let error = ReplicationConnection::connect(&at("clear_user", "postgres"))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::LoginRefused { .. }), "{error:?}");
}

#[tokio::test]
async fn a_unix_socket_is_reached_by_its_folder() {
    let Some(cluster) = Cluster::shared() else {
        return;
    };
    let mut config = cluster.config("postgres", "postgres");
    config.host = cluster.file("").display().to_string();
    config.sslmode = SslMode::Require;
    let client = connect_sql(&config).await.unwrap();
    client.batch_execute("SELECT 1").await.unwrap();
    let mut replication = ReplicationConnection::connect(&config).await.unwrap();
    replication.identify_system().await.unwrap();
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_in_time() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = ConnectionConfig::new("127.0.0.1", "u", "d");
    config.port = listener.local_addr().unwrap().port();
    config.connect_timeout = Duration::from_millis(200);
    let error = ReplicationConnection::connect(&config).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::TimedOut {
                doing: "setting up TLS",
                ..
            }
        ),
        "{error:?}"
    );
    config.sslmode = SslMode::Disable;
    let error = connect_sql(&config).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::TimedOut {
                doing: "logging in",
                ..
            }
        ),
        "{error:?}"
    );
}
