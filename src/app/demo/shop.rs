//! What happens in the shop: customers come, order, pay, change their minds. Transactions of one
//! and of many rows, inserts, updates and deletes.

use std::time::Duration;

use tokio_postgres::{Client, Config, Error, NoTls};
use tokio_util::sync::CancellationToken;

use crate::tasks;

/// Between two transactions; slow enough to read along.
const PAUSE: Duration = Duration::from_millis(200);
/// Given names of customers to come.
const NAMES: [&str; 8] = [
    "Mina", "Tomas", "Ines", "Yusuf", "Oda", "Piotr", "Lea", "Kofi",
];
/// Countries of customers to come.
const COUNTRIES: [&str; 5] = ["DE", "FR", "PL", "GH", "JP"];

/// Lets the shop live until `stop`, or until the database is gone.
pub(super) async fn run(database: Config, stop: CancellationToken) -> Result<(), Error> {
    let (mut client, connection) = database.connect(NoTls).await?;
    // Ends when the client is dropped, at the end of this function.
    let connection = tasks::spawn("demo shop connection", connection);
    let mut chance = Chance::new();
    let mut ended = Ok(());
    while !stop.is_cancelled() && ended.is_ok() {
        ended = step(&mut client, &mut chance).await;
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = stop.cancelled() => {}
        }
    }
    drop(client);
    let _ = connection.await;
    ended
}

/// One transaction.
async fn step(client: &mut Client, chance: &mut Chance) -> Result<(), Error> {
    match chance.below(10) {
        0 | 1 => customer_comes(client, chance).await,
        2..=5 => customer_orders(client, chance).await,
        6 | 7 => order_moves_on(client).await,
        8 => order_is_cancelled(client).await,
        _ => prices_change(client, chance).await,
    }
}

async fn customer_comes(client: &Client, chance: &mut Chance) -> Result<(), Error> {
    let name = chance.pick(&NAMES);
    let email = format!(
        "{}.{}@example.com",
        name.to_lowercase(),
        uuid::Uuid::new_v4().simple()
    );
    let country = chance.pick(&COUNTRIES);
    let sql = "INSERT INTO customers (email, name, country, profile) \
               VALUES ($1, $2, $3::text, jsonb_build_object('newsletter', $4::bool))";
    let newsletter = chance.below(2) == 0;
    client
        .execute(sql, &[&email, &name, &country, &newsletter])
        .await?;
    Ok(())
}

/// An order with one to four lines, the stock, and the total: one transaction.
async fn customer_orders(client: &mut Client, chance: &mut Chance) -> Result<(), Error> {
    let transaction = client.transaction().await?;
    let order = transaction
        .query_one(
            "INSERT INTO orders (customer_id) \
             SELECT id FROM customers ORDER BY random() LIMIT 1 RETURNING id",
            &[],
        )
        .await?;
    let order: i64 = order.get(0);
    for line in 1..=chance.below(4) + 1 {
        let quantity = chance.below(3) + 1;
        transaction
            .execute(
                "INSERT INTO order_items (order_id, line, product_id, quantity, price) \
                 SELECT $1, $2, id, $3, price FROM products ORDER BY random() LIMIT 1",
                &[&order, &line, &quantity],
            )
            .await?;
    }
    transaction
        .execute(
            "UPDATE products SET stock = stock - items.quantity \
             FROM (SELECT product_id, sum(quantity)::int AS quantity FROM order_items \
                   WHERE order_id = $1 GROUP BY product_id) AS items \
             WHERE products.id = items.product_id",
            &[&order],
        )
        .await?;
    transaction
        .execute(
            "UPDATE orders SET total = \
             (SELECT sum(quantity * price) FROM order_items WHERE order_id = $1) WHERE id = $1",
            &[&order],
        )
        .await?;
    transaction.commit().await
}

async fn order_moves_on(client: &Client) -> Result<(), Error> {
    let sql = "UPDATE orders SET status = CASE status WHEN 'placed' THEN 'paid' ELSE 'shipped' END \
               WHERE id = (SELECT id FROM orders WHERE status IN ('placed', 'paid') ORDER BY id LIMIT 1)";
    client.execute(sql, &[]).await?;
    Ok(())
}

/// The lines go with the order.
async fn order_is_cancelled(client: &Client) -> Result<(), Error> {
    let sql = "DELETE FROM orders \
               WHERE id = (SELECT id FROM orders WHERE status = 'placed' ORDER BY id DESC LIMIT 1)";
    client.execute(sql, &[]).await?;
    Ok(())
}

async fn prices_change(client: &Client, chance: &mut Chance) -> Result<(), Error> {
    let percent = chance.below(11) - 5;
    let sql = "UPDATE products SET price = round(price * (100 + $1) / 100, 2), stock = stock + 10 \
               WHERE stock < 1000";
    let percent = i64::from(percent);
    client
        .execute(&sql.replace("$1", "$1::bigint"), &[&percent])
        .await?;
    Ok(())
}

/// Numbers that look random, from one seed.
#[derive(Debug)]
struct Chance(u64);

impl Chance {
    fn new() -> Chance {
        let (seed, _) = uuid::Uuid::new_v4().as_u64_pair();
        Chance(seed | 1)
    }

    /// A number from 0 up to `end`, without it. (Xorshift by Marsaglia.)
    fn below(&mut self, end: u32) -> i32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let number = (self.0 >> 32) % u64::from(end.max(1));
        i32::try_from(number).unwrap_or(0)
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        let count = u32::try_from(from.len()).unwrap_or(u32::MAX);
        let index = usize::try_from(self.below(count)).unwrap_or(0);
        from.get(index).copied().unwrap_or_default()
    }
}
