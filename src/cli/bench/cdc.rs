//! Reads one backlog of changes again and again: with `pg_recvlogical -f /dev/null`, which throws
//! them away, and with a `penstock serve`, which makes them durable events. Each reads a copy of
//! the same slot, counted from the start of its process; who is first changes with every pair.

mod child;
mod peer;
mod serve;
mod source;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use self::child::Ran;
use self::source::Source;
use super::super::failure::Failure;
use super::super::output;
use super::arguments::Cdc;
use super::numbers::{float, median, per_million, per_second, ratio, rounded};
use super::run::interruptible;
use super::scratch::Scratch;
use crate::app::PrivatePostgres;

/// Both readers of one pair.
#[derive(Debug, Clone, Copy)]
struct Pair {
    peer: Ran,
    ours: Ran,
}

impl Pair {
    /// Our rate as a part of the peer's.
    fn ratio(&self) -> f64 {
        ratio(self.peer.time.as_secs_f64(), self.ours.time.as_secs_f64())
    }
}

/// Measures, and removes what was made for it.
pub(super) async fn run(flags: &Cdc) -> Result<(), Failure> {
    let peer = peer::find()?;
    let private = match &flags.source_url {
        Some(_) => None,
        None => {
            eprintln!("starting a private PostgreSQL ...");
            Some(interruptible(async { Ok(PrivatePostgres::start().await?) }).await?)
        }
    };
    let url = match (&flags.source_url, &private) {
        (Some(url), _) => url.clone(),
        (None, Some(private)) => private.url(),
        (None, None) => String::new(),
    };
    let measured = measure(flags, &url, &peer).await;
    if let Some(private) = private {
        private.stop().await;
    }
    let pairs = measured?;
    tell(flags, &pairs)
}

async fn measure(flags: &Cdc, url: &str, peer: &std::path::Path) -> Result<Vec<Pair>, Failure> {
    let source = Source::connect(url).await?;
    let work = async {
        let begin = Instant::now();
        let end = source.fill(flags.rows).await?;
        let rows = flags.rows;
        let took = begin.elapsed().as_secs_f64();
        eprintln!("a backlog of {rows} rows up to {end}, written in {took:.1} s");
        let mut pairs = Vec::new();
        for number in 1..=flags.pairs {
            let pair = one(&source, number, rows, &end, peer).await?;
            eprintln!("{}", shown(number, rows, &pair));
            pairs.push(pair);
        }
        Ok(pairs)
    };
    let pairs = interruptible(Box::pin(work)).await;
    source.remove().await;
    pairs
}

/// Runs both readers, the first of which is the peer in every other pair.
async fn one(
    source: &Source,
    number: u32,
    rows: u64,
    end: &str,
    peer: &std::path::Path,
) -> Result<Pair, Failure> {
    let scratch = Scratch::create()?;
    let (peer_slot, our_slot) = (
        source.copy_slot("peer").await?,
        source.copy_slot("ours").await?,
    );
    let pair = if number % 2 == 1 {
        let peer = peer::run(peer, source, &peer_slot, end, &scratch).await?;
        let ours = serve::run(source, &our_slot, rows, &scratch).await?;
        Pair { peer, ours }
    } else {
        let ours = serve::run(source, &our_slot, rows, &scratch).await?;
        let peer = peer::run(peer, source, &peer_slot, end, &scratch).await?;
        Pair { peer, ours }
    };
    source.drop_slot(&peer_slot).await?;
    source.drop_slot(&our_slot).await?;
    Ok(pair)
}

fn shown(number: u32, rows: u64, pair: &Pair) -> String {
    let one = |ran: &Ran| {
        let rate = per_second(rows, ran.time) / 1e3;
        let seconds = |time: Duration| format!("{:.2} s", time.as_secs_f64());
        let walsender = ran
            .walsender_cpu
            .map_or_else(|| "unknown".to_owned(), seconds);
        format!(
            "{:.3} s ({rate:.0} k rows/s, CPU {}, walsender {walsender})",
            ran.time.as_secs_f64(),
            seconds(ran.cpu),
        )
    };
    let memory = pair.ours.peak_memory_mb;
    let memory = memory.map_or_else(|| "unknown".to_owned(), |mb| format!("{mb} MB"));
    format!(
        "pair {number}: pg_recvlogical {}, penstock {}, VmHWM {memory}, ratio {:.3}",
        one(&pair.peer),
        one(&pair.ours),
        pair.ratio()
    )
}

fn tell(flags: &Cdc, pairs: &[Pair]) -> Result<(), Failure> {
    let rows = flags.rows;
    let middle = |of: &dyn Fn(&Pair) -> Option<f64>| median(pairs.iter().filter_map(of).collect());
    let each = |time: Duration| per_million(time.as_secs_f64(), rows);
    let ratio = middle(&|pair| Some(pair.ratio())).unwrap_or(0.0);
    let peer_cpu = middle(&|pair| Some(each(pair.peer.cpu)));
    let our_cpu = middle(&|pair| Some(each(pair.ours.cpu)));
    let peer_walsender = middle(&|pair| pair.peer.walsender_cpu.map(each));
    let our_walsender = middle(&|pair| pair.ours.walsender_cpu.map(each));
    let peak = pairs
        .iter()
        .filter_map(|pair| pair.ours.peak_memory_mb)
        .max();
    let number = |value: Option<f64>| {
        value.map_or_else(|| "unknown".to_owned(), |value| format!("{value:.2}"))
    };
    eprintln!(
        "cdc: median ratio of {} pairs {ratio:.3}; CPU s per million rows: pg_recvlogical {} (walsender {}), penstock {} (walsender {})",
        pairs.len(),
        number(peer_cpu),
        number(peer_walsender),
        number(our_cpu),
        number(our_walsender),
    );
    if !flags.json {
        return Ok(());
    }
    let short = |value: Option<f64>| value.map(|value| rounded(value, 3));
    output::json(&json!({
        "bench": "cdc",
        "rows": rows,
        "ratio_median": rounded(ratio, 4),
        "cpu_seconds_per_million": {
            "pg_recvlogical": short(peer_cpu),
            "pg_recvlogical_walsender": short(peer_walsender),
            "penstock": short(our_cpu),
            "penstock_walsender": short(our_walsender),
        },
        "vm_hwm_megabytes": peak.map(float),
        "pairs": pairs.iter().map(|pair| json!({
            "ratio": rounded(pair.ratio(), 4),
            "pg_recvlogical": ran_json(&pair.peer),
            "penstock": ran_json(&pair.ours),
        })).collect::<Vec<Value>>(),
    }))
}

fn ran_json(ran: &Ran) -> Value {
    json!({
        "seconds": rounded(ran.time.as_secs_f64(), 4),
        "cpu_seconds": ran.cpu.as_secs_f64(),
        "walsender_cpu_seconds": ran.walsender_cpu.map(|time| time.as_secs_f64()),
    })
}
