//! The SQL of `migrations/` on a real PostgreSQL: each file twice, and then a connector that has no
//! more rights than they give.

use std::time::Duration;

use crate::support::{Postgres, Setup, Sql, wait_until};

const LIMIT: Duration = Duration::from_secs(60);

fn file(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    std::fs::read_to_string(path.join(name)).unwrap()
}

#[test]
fn every_file_can_be_run_again_and_the_role_they_make_can_stream() {
    let postgres = Postgres::lease();
    let admin = postgres.database("app");
    admin.exec(
        "create role owner login; grant create on database app to owner;
         grant create on schema public to owner",
    );
    let owner = Sql::try_connect(&postgres.url_as("owner", "app")).unwrap();
    owner.exec("create table t (id bigint primary key); insert into t values (1)");
    for name in ["0001_shop.sql", "0003_outbox.sql", "0004_signal.sql"] {
        owner.exec(&file(name));
        owner.exec(&file(name));
    }
    for _ in 0..2 {
        admin.exec(&file("0002_role.sql"));
        owner.exec(&file("0003_outbox.sql"));
        owner.exec(&file("0004_signal.sql"));
        owner.exec(&file("0005_publication.sql"));
    }
    owner.exec("create table later (id bigint primary key)");
    owner.exec(&file("0005_publication.sql"));
    let rights = admin.one(
        "select rolsuper or rolcreatedb or rolcreaterole or not rolreplication from pg_roles where rolname = 'penstock'",
    );
    assert_eq!(rights, "f", "more, or less, than it needs");
    assert_eq!(
        admin.one("select count(*) from pg_publication_tables where pubname = 'penstock_app'"),
        "8"
    );

    let url = postgres.url_as("penstock", "app");
    let penstock = Setup::new().source(&url, "public.*", "app").start();
    postgres.wait_streaming("penstock_app");
    owner.exec(
        "insert into t values (2); insert into later values (3);
         insert into outbox (aggregatetype, aggregateid, type, payload) values ('order', '1', 'placed', '{}');
         insert into debezium_signal values ('1', 'log', '{}')",
    );
    let kcat = penstock.kcat();
    for (topic, records) in [
        ("app.public.t", 2),
        ("app.public.later", 1),
        ("app.public.outbox", 1),
        ("app.public.debezium_signal", 1),
        ("app.public.products", 5),
    ] {
        wait_until(
            &format!("{records} records in {topic}"),
            LIMIT,
            || match kcat.end_if_any(topic) {
                now if now == records => Ok(()),
                now => Err(format!("{now}; {}", penstock.status()["connectors"])),
            },
        );
    }
    let denied = Sql::try_connect(&url).unwrap();
    let denied = denied.try_rows("insert into t values (9)");
    assert!(denied.is_err(), "the role may write");
}
