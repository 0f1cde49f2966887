//! A load on three tables: transactions of several rows, key updates, deletes, roll-backs, and
//! now and then a transaction far larger than what is appended at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::changes::Table;
use super::random::Random;
use super::sql::Sql;
use super::wait::pause;

/// The tables, with the columns of their keys.
pub(crate) const TABLES: [Table; 3] = [
    Table {
        name: "accounts",
        key: &["id"],
    },
    Table {
        name: "moves",
        key: &["a", "b"],
    },
    Table {
        name: "ledger",
        key: &["id"],
    },
];

/// Ids of writer n begin at n times this: writers never wait for each other's rows.
const IDS_PER_WRITER: u64 = 1_000_000_000;

/// Every so many transactions one is large.
const LARGE_EVERY: u64 = 100;

/// Makes the tables and `rows` rows in each for the snapshot.
pub(crate) fn tables(sql: &Sql, rows: u32) {
    sql.exec(&format!(
        "create table accounts (id bigint primary key, writer int not null, version bigint not null, note text);
         create table moves (a bigint, b int, version bigint not null, primary key (a, b));
         alter table moves replica identity full;
         create table ledger (id bigint primary key, amount int not null, note text not null);
         insert into accounts select g, -1, 0, 'seed ' || g from generate_series(1, {rows}) g;
         insert into moves select g, 0, 0 from generate_series(1, {rows}) g;
         insert into ledger select g, g, 'seed' from generate_series(1, {rows}) g;"
    ));
}

/// Writers that run beside the test.
#[derive(Debug)]
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    committed: Arc<AtomicU64>,
    writers: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts `writers` threads that rest for `rest` after every transaction.
    pub(crate) fn start(url: &str, writers: u64, rest: Duration, random: &mut Random) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let committed = Arc::new(AtomicU64::new(0));
        let writers = (1..=writers)
            .map(|number| {
                let mut writer = Writer {
                    url: url.to_owned(),
                    number,
                    next_id: number * IDS_PER_WRITER,
                    accounts: Vec::new(),
                    random: random.fork(),
                };
                let (stop, committed) = (Arc::clone(&stop), Arc::clone(&committed));
                std::thread::spawn(move || writer.run(rest, &stop, &committed))
            })
            .collect();
        Load {
            stop,
            committed,
            writers,
        }
    }

    /// Transactions committed so far.
    pub(crate) fn committed(&self) -> u64 {
        self.committed.load(Ordering::Relaxed)
    }

    /// Stops the writers; the number of transactions they committed.
    pub(crate) fn finish(mut self) -> u64 {
        self.end();
        self.committed()
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for writer in self.writers.drain(..) {
            let ended = writer.join();
            assert!(ended.is_ok() || std::thread::panicking(), "a writer failed");
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.end();
    }
}

struct Writer {
    url: String,
    number: u64,
    next_id: u64,
    /// Ids of this writer's rows of accounts.
    accounts: Vec<u64>,
    random: Random,
}

impl Writer {
    fn run(&mut self, rest: Duration, stop: &AtomicBool, committed: &AtomicU64) {
        let mut session: Option<Sql> = None;
        while !stop.load(Ordering::Relaxed) {
            let Some(sql) = &session else {
                // The server may be down: that is one of the faults.
                session = Sql::try_connect(&self.url).ok();
                if let Some(sql) = &session {
                    self.recall(sql);
                }
                pause(Duration::from_millis(20));
                continue;
            };
            let before = self.accounts.clone();
            let (statements, commits) = self.transaction();
            match sql.try_rows(&statements) {
                Ok(_) if commits => {
                    committed.fetch_add(1, Ordering::Relaxed);
                }
                Ok(_) => self.accounts = before,
                // Cut: whether it was committed is asked after the next connection.
                Err(_) => session = None,
            }
            pause(rest);
        }
    }

    /// Learns which rows there are after a cut.
    fn recall(&mut self, sql: &Sql) {
        let rows = sql.try_rows(&format!(
            "select id from accounts where writer = {}",
            self.number
        ));
        if let Ok(rows) = rows {
            let ids = rows.into_iter().flatten().flatten();
            self.accounts = ids.map(|id| id.parse().unwrap()).collect();
        }
    }

    /// Statements of the next transaction, and whether they commit.
    fn transaction(&mut self) -> (String, bool) {
        let mut statements = "begin;".to_owned();
        if self.random.between(0, LARGE_EVERY) == 0 {
            let first = self.ids(2000);
            statements += &format!(
                "insert into ledger select g, 1, 'large' from generate_series({first}, {first} + 1999) g;\
                 update accounts set version = version + 1 where writer = {};",
                self.number
            );
        }
        for _ in 0..self.random.between(1, 12) {
            statements += &self.statement();
        }
        let commits = self.random.between(0, 15) != 0;
        statements += if commits { "commit;" } else { "rollback;" };
        (statements, commits)
    }

    /// Takes `count` ids that were never used.
    fn ids(&mut self, count: u64) -> u64 {
        self.next_id += count;
        self.next_id - count
    }

    fn statement(&mut self) -> String {
        let writer = self.number;
        let choice = self.random.between(0, 10);
        if self.accounts.len() < 5 || choice < 2 {
            let id = self.ids(1);
            self.accounts.push(id);
            return format!("insert into accounts values ({id}, {writer}, 0, 'it''s new');");
        }
        let at = self.random.index(self.accounts.len());
        let id = self.accounts[at];
        match choice {
            2 | 3 => {
                format!("update accounts set version = version + 1, note = null where id = {id};")
            }
            4 => {
                let new = self.ids(1);
                self.accounts[at] = new;
                format!("update accounts set id = {new}, version = version + 1 where id = {id};")
            }
            5 => {
                self.accounts.swap_remove(at);
                format!("delete from accounts where id = {id};")
            }
            6 => {
                let first = self.ids(4);
                format!(
                    "insert into moves select g, 0, 0 from generate_series({first}, {first} + 3) g;"
                )
            }
            // The key moves on, for rows of this writer only.
            7 => format!(
                "update moves set b = b + 1, version = version + 1 where a in \
                 (select a from moves where a between {low} and {high} order by version, a limit 3);",
                low = writer * IDS_PER_WRITER,
                high = (writer + 1) * IDS_PER_WRITER - 1,
            ),
            8 => format!(
                "delete from moves where a = (select max(a) from moves where a between {low} and {high});",
                low = writer * IDS_PER_WRITER,
                high = (writer + 1) * IDS_PER_WRITER - 1,
            ),
            _ => {
                let id = self.ids(1);
                format!("insert into ledger values ({id}, {choice}, 'entry of writer {writer}');")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Postgres, Random, Stop, changes, wait_until};
    use super::*;

    /// The judge of all crash tests, judged: what it expects of a load with cuts and a restart
    /// leads from the table before to the table after.
    #[test]
    fn what_the_judge_expects_folds_to_the_tables() {
        let mut random = Random::seeded("the judge");
        let mut postgres = Postgres::lease();
        let sql = postgres.database("judged");
        tables(&sql, 0);
        changes::begin(&sql);
        drop(sql);
        let rest = Duration::from_millis(1);
        let load = Load::start(&postgres.url("judged"), 2, rest, &mut random);
        for (number, how) in [Stop::Fast, Stop::Immediate].into_iter().enumerate() {
            let enough = 150 * (number as u64 + 1);
            wait_until("some transactions", Duration::from_secs(60), || {
                let now = load.committed();
                if now > enough {
                    Ok(())
                } else {
                    Err(now.to_string())
                }
            });
            postgres.restart(how);
        }
        assert!(load.finish() > 300);
        let sql = postgres.connect("judged");
        let expected = changes::expected(&sql, &TABLES);
        for table in TABLES {
            let entries = &expected[table.name];
            assert!(
                entries.len() > 100,
                "{} changes of {}",
                entries.len(),
                table.name
            );
            assert!(
                changes::fold(entries) == changes::select(&sql, &table),
                "{}",
                table.name
            );
        }
        let ops: std::collections::BTreeSet<char> =
            expected.values().flatten().map(|entry| entry.op).collect();
        assert_eq!(ops.into_iter().collect::<String>(), "-cdu");
    }
}
