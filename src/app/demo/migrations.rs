//! Applies the migrations, which are part of the binary, and lets Penstock's role log in.

use tokio_postgres::NoTls;

use super::super::error::Error;
use super::cluster::Cluster;
use crate::tasks;

/// The role that the migrations make for Penstock.
pub(super) const ROLE: &str = "penstock";

/// In order; each can be applied again without effect.
const MIGRATIONS: [(&str, &str); 3] = [
    (
        "0001_shop.sql",
        include_str!("../../../migrations/0001_shop.sql"),
    ),
    (
        "0002_role.sql",
        include_str!("../../../migrations/0002_role.sql"),
    ),
    (
        "0005_publication.sql",
        include_str!("../../../migrations/0005_publication.sql"),
    ),
];

/// Applies all, and gives the role's new password.
pub(super) async fn apply(cluster: &Cluster) -> Result<String, Error> {
    let failed = |name: &str, error: &tokio_postgres::Error| Error::Demo {
        what: format!("apply {name}: {}", crate::error::chain(error)),
        mend: "PostgreSQL 13 or later is needed".to_owned(),
    };
    let (client, connection) = cluster
        .admin()
        .connect(NoTls)
        .await
        .map_err(|error| failed("the migrations", &error))?;
    // Ends when the client is dropped, at the end of this function.
    let connection = tasks::spawn("demo migrations", connection);
    for (name, sql) in MIGRATIONS {
        client
            .batch_execute(sql)
            .await
            .map_err(|error| failed(name, &error))?;
    }
    // Letters and digits only, so it needs no quoting anywhere.
    let password = uuid::Uuid::new_v4().simple().to_string();
    let sql = format!("ALTER ROLE {ROLE} PASSWORD '{password}'");
    client
        .batch_execute(&sql)
        .await
        .map_err(|error| failed("the password", &error))?;
    drop(client);
    let _ = connection.await;
    Ok(password)
}
