//! The crash harness: a load, a group that reads and commits, an acknowledged producer, and faults
//! at random times; afterwards everything is compared with what was promised.
//!
//! The history is kept outside of what fails: by PostgreSQL's own decoding (`changes`) and in the
//! clients' files. The harness must find the faults of a broken build, so it returns what it
//! found instead of panicking.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::json;

use super::changes::{self, Entry};
use super::connector::connector;
use super::franz::{Following, Franz, Line, Word};
use super::load::{self, Load};
use super::{Kcat, Penstock, Postgres, Random, Record, Setup, pause, wait_until};

/// Rows of each table in the snapshot.
const SEED_ROWS: u32 = 200;
const SEEDED: i64 = SEED_ROWS as i64;
/// The topic that the producer writes, and the group that reads everything.
const PRODUCED: &str = "produced";
const GROUP: &str = "readers";
/// The database, the connector, its slot and its publication.
const NAME: &str = "crash";

/// For the rest to arrive when the faults are over.
const CATCH_UP: Duration = Duration::from_secs(120);

/// What happens between two rounds of load.
pub(crate) type Fault<'a> = &'a mut dyn FnMut(&mut Penstock, &mut Postgres);

/// What to do, and how often.
pub(crate) struct Plan<'a> {
    pub(crate) faults: u32,
    /// Load between two faults lasts between 50 ms and this.
    pub(crate) round_max: Duration,
    pub(crate) setup: Setup,
    pub(crate) fault: Fault<'a>,
}

/// What was done, for the line that a long check prints.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) faults: u32,
    pub(crate) transactions: u64,
    pub(crate) changes: usize,
    pub(crate) produced: usize,
    pub(crate) commits: usize,
    /// The longest time that a fault with its recovery took.
    pub(crate) recovery_max: Duration,
    /// What was lost, repeated or out of order; empty in a build that keeps its promises.
    pub(crate) violations: Vec<String>,
}

/// `kill -9` and a start on the same data.
pub(crate) fn kill_and_start(penstock: &mut Penstock, _: &mut Postgres) {
    penstock.kill();
    penstock.start();
}

/// Runs a plan and judges.
pub(crate) fn run(what: &str, plan: Plan<'_>) -> Report {
    let mut random = Random::seeded(what);
    let mut postgres = Postgres::lease();
    let sql = postgres.database(NAME);
    load::tables(&sql, SEED_ROWS);
    let tables = load::TABLES.map(|table| format!("public.{}", table.name));
    let more = json!({"table.include.list": tables.join(",")});
    let setup = plan
        .setup
        .connector(NAME, &connector(&postgres, NAME, NAME, &more));
    let mut penstock = setup.start();
    wait_for_snapshot(&penstock, &postgres);
    changes::begin(&sql);
    drop(sql);

    let clients = Clients::start(&penstock, &penstock.path(""));
    let load = Load::start(
        &postgres.url(NAME),
        2,
        Duration::from_millis(20),
        &mut random,
    );
    let mut violations = Vec::new();
    let mut recovery_max = Duration::ZERO;
    let round_ms = u64::try_from(plan.round_max.as_millis()).unwrap();
    for _ in 0..plan.faults {
        pause(Duration::from_millis(random.between(50, round_ms)));
        let promised = clients.as_ref().map(Clients::committed);
        let begin = Instant::now();
        (plan.fault)(&mut penstock, &mut postgres);
        recovery_max = recovery_max.max(begin.elapsed());
        if let (Some(clients), Some(promised)) = (&clients, promised) {
            violations.extend(clients.lost_commits(&promised));
        }
    }
    let transactions = load.finish();
    let mut report = Report {
        faults: plan.faults,
        transactions,
        changes: 0,
        produced: 0,
        commits: 0,
        recovery_max,
        violations,
    };
    judge(&penstock, &postgres, clients, &mut report);
    report
}

fn topic(table: &str) -> String {
    format!("app.public.{table}")
}

fn all_topics() -> Vec<String> {
    let tables = load::TABLES.iter().map(|table| topic(table.name));
    tables.chain([PRODUCED.to_owned()]).collect()
}

fn wait_for_snapshot(penstock: &Penstock, postgres: &Postgres) {
    let kcat = penstock.kcat();
    for table in load::TABLES {
        let topic = topic(table.name);
        wait_until(&format!("the snapshot of {topic}"), CATCH_UP, || {
            let end = kcat.end_if_any(&topic);
            if end == SEEDED {
                return Ok(());
            }
            Err(format!(
                "{end} records; connector {:?}",
                penstock.connector(NAME)
            ))
        });
    }
    postgres.wait_streaming(NAME);
    // Exists before the group subscribes to it.
    kcat.run(&["-P", "-t", PRODUCED, "-X", "acks=all"], "first\n");
}

/// The group and the producer; absent where Go is not found.
struct Clients {
    franz: Franz,
    follower: Following,
    producer: Following,
}

impl Clients {
    fn start(penstock: &Penstock, folder: &std::path::Path) -> Option<Clients> {
        let franz = Franz::new(penstock.address("kafka"))?;
        let follower = franz.follow(GROUP, &all_topics().join(","), folder);
        let producer = franz.produce(PRODUCED, "p", &["--pace", "2ms"], folder);
        Some(Clients {
            franz,
            follower,
            producer,
        })
    }

    /// The highest offset of each topic whose commit the broker has acknowledged.
    fn committed(&self) -> BTreeMap<String, i64> {
        highest(&self.follower.history())
    }

    /// Commits that were acknowledged and are not there any more.
    fn lost_commits(&self, promised: &BTreeMap<String, i64>) -> Vec<String> {
        if promised.is_empty() {
            return Vec::new();
        }
        let now = highest(&self.franz.offsets(GROUP));
        promised
            .iter()
            .filter(|(topic, offset)| now.get(*topic).is_none_or(|now| now < offset))
            .map(|(topic, offset)| {
                format!(
                    "group {GROUP} had committed {offset} of {topic}, now {:?}",
                    now.get(topic)
                )
            })
            .collect()
    }
}

fn highest(lines: &[Line]) -> BTreeMap<String, i64> {
    let mut offsets = BTreeMap::new();
    for line in lines.iter().filter(|line| line.word == Word::Committed) {
        let offset = offsets.entry(line.topic.clone()).or_insert(line.offset);
        *offset = line.offset.max(*offset);
    }
    offsets
}

fn judge(penstock: &Penstock, postgres: &Postgres, clients: Option<Clients>, report: &mut Report) {
    let kcat = penstock.kcat();
    let sql = postgres.connect(NAME);
    sql.exec("insert into ledger values (-1, 0, 'the end')");
    if let Err(missing) = wait_for_last_change(&kcat, penstock) {
        report.violations.push(missing);
    }
    let expected = changes::expected(&sql, &load::TABLES);
    for table in load::TABLES {
        let topic = topic(table.name);
        let entries = changes::observed(&kcat.records_if_any(&topic));
        let (snapshot, stream) = entries.split_at(entries.len().min(SEED_ROWS as usize));
        report.changes += stream.len();
        report.violations.extend(judge_snapshot(&topic, snapshot));
        let want = &expected[table.name];
        report
            .violations
            .extend(changes::difference(&topic, want, stream));
        if changes::fold(&entries) != changes::select(&sql, &table) {
            report
                .violations
                .push(format!("{topic} folded is not the table"));
        }
    }
    if let Some(clients) = clients {
        judge_clients(&kcat, clients, report);
    }
}

/// Whether the record written last arrives. A build that lost something may never get there.
fn wait_for_last_change(kcat: &Kcat, penstock: &Penstock) -> Result<(), String> {
    let begin = Instant::now();
    let ledger = topic("ledger");
    while begin.elapsed() < CATCH_UP {
        let last = kcat.attempt(&["-C", "-t", &ledger, "-o", "-1", "-e", "-J"], "");
        if last.stdout.contains("the end") {
            return Ok(());
        }
        pause(Duration::from_millis(100));
    }
    Err(format!(
        "{ledger}: the last change did not arrive in {CATCH_UP:?}; connector {:?}",
        penstock.connector(NAME)
    ))
}

fn judge_snapshot(topic: &str, entries: &[Entry]) -> Option<String> {
    let keys: BTreeSet<_> = entries.iter().map(|entry| &entry.key).collect();
    let whole = entries.iter().all(|entry| entry.op == 'r') && keys.len() == entries.len();
    (!whole).then(|| format!("{topic} does not begin with the snapshot's {SEED_ROWS} rows"))
}

fn judge_clients(kcat: &Kcat, mut clients: Clients, report: &mut Report) {
    report.violations.extend(clients.producer.finish().err());
    let records = kcat.records_if_any(PRODUCED);
    let sent = clients.producer.history();
    report.produced = sent
        .iter()
        .filter(|line| line.word == Word::Acknowledged)
        .count();
    report.violations.extend(judge_produced(&records, &sent));

    let ends: BTreeMap<String, i64> = all_topics()
        .into_iter()
        .map(|topic| {
            let end = kcat.end_if_any(&topic);
            (topic, end)
        })
        .collect();
    let begin = Instant::now();
    while clients.committed() != ends && begin.elapsed() < CATCH_UP {
        pause(Duration::from_millis(100));
    }
    let committed = clients.committed();
    if committed != ends {
        report
            .violations
            .push(format!("the group committed {committed:?} of {ends:?}"));
    }
    report.violations.extend(clients.lost_commits(&ends));
    report.violations.extend(clients.follower.finish().err());
    let read = clients.follower.history();
    report.commits = read
        .iter()
        .filter(|line| line.word == Word::Committed)
        .count();
    report.violations.extend(judge_read(&read, &ends));
}

/// Every acknowledged record at its offset, nothing twice, in the order it was sent.
pub(crate) fn judge_produced(records: &[Record], history: &[Line]) -> Vec<String> {
    let mut violations = Vec::new();
    let by_offset: BTreeMap<i64, &str> = records
        .iter()
        .map(|record| (record.offset, record.value.as_deref().unwrap_or("")))
        .collect();
    for line in history
        .iter()
        .filter(|line| line.word == Word::Acknowledged)
    {
        let found = by_offset.get(&line.offset);
        if found != Some(&line.value.as_str()) {
            let (value, offset) = (&line.value, line.offset);
            violations.push(format!(
                "{value:?} was acknowledged at {offset}, where there is {found:?}"
            ));
        }
    }
    let mut last = -1;
    for (offset, value) in by_offset {
        let Some(number) = value
            .rsplit_once('-')
            .and_then(|(_, n)| n.parse::<i64>().ok())
        else {
            continue;
        };
        if number <= last {
            violations.push(format!("record {number} at {offset} follows record {last}"));
        }
        last = number;
    }
    violations.truncate(20);
    violations
}

/// A group may read again what it had not committed, but it never skips.
fn judge_read(history: &[Line], ends: &BTreeMap<String, i64>) -> Vec<String> {
    let mut next: BTreeMap<&str, i64> = BTreeMap::new();
    let mut violations = Vec::new();
    for line in history.iter().filter(|line| line.word == Word::Read) {
        let next = next.entry(&line.topic).or_insert(0);
        if line.offset > *next {
            violations.push(format!(
                "the group read {} of {} where {next} was due",
                line.offset, line.topic
            ));
        }
        *next = (*next).max(line.offset + 1);
    }
    for (topic, end) in ends {
        let read = next.get(topic.as_str()).copied().unwrap_or(0);
        if read != *end {
            violations.push(format!("the group read {read} of {end} records of {topic}"));
        }
    }
    violations.truncate(20);
    violations
}
