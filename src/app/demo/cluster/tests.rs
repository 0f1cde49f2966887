//! The cluster with the shop in it, without Penstock.

use tokio_postgres::NoTls;
use tokio_util::sync::CancellationToken;

use super::super::folder::Folder;
use super::super::{migrations, shop};
use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shop_opens_lives_and_leaves_nothing_behind() {
    let folder = Folder::create(false).unwrap();
    let path = folder.path().to_owned();
    let cluster = Cluster::start(path.clone()).await.unwrap();
    migrations::apply(&cluster).await.unwrap();
    let password = migrations::apply(&cluster).await.unwrap();

    // Penstock's role may log in and read, and the publication is there once.
    let url = cluster.url(migrations::ROLE, &password);
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    let connection = crate::tasks::spawn("test", connection);
    let row = client
        .query_one("SELECT count(*) FROM products", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, i64>(0), 5);
    let row = client
        .query_one("SELECT count(*) FROM pg_publication_tables", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, i64>(0), 4);

    let stop = CancellationToken::new();
    let shop = crate::tasks::spawn("test", shop::run(cluster.admin(), stop.clone()));
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let sql = "SELECT count(*) FROM orders JOIN order_items ON order_id = id";
        let row = client.query_one(sql, &[]).await.unwrap();
        if row.get::<_, i64>(0) > 0 {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "nobody ordered; shop: {:?}",
            shop.is_finished()
        );
        tokio::time::sleep(POLL).await;
    }
    stop.cancel();
    shop.await.unwrap().unwrap();
    drop(client);
    connection.await.unwrap().unwrap();

    cluster.stop().await;
    assert!(cluster.ended().is_some_and(|status| status.success()));
    drop(cluster);
    folder.remove();
    assert!(!path.exists());
}

#[tokio::test]
async fn a_database_that_ends_by_itself_is_noticed_with_its_log() {
    let folder = Folder::create(false).unwrap();
    let cluster = Cluster::start(folder.path().to_owned()).await.unwrap();
    cluster.signal(Signal::QUIT);
    let error = cluster.failed().await.to_string();

    assert!(error.contains("PostgreSQL has ended"), "{error}");
    assert!(error.contains("immediate shutdown request"), "{error}");
}
