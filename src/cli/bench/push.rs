//! Pushes durably with tokens over many connections, alternating with a bare axum handler that
//! checks the same token and keeps nothing, and beside the time in which the disk syncs.
//!
//! What can be had is the lesser of the bare handler's rate and that of one sync after the other,
//! each of which makes one request of every connection durable.

mod bare;
mod disk;
mod load;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

pub(super) use self::bare::Bare;
use self::load::Done;
use super::super::failure::Failure;
use super::super::output;
use super::arguments::Push;
use super::numbers::{float, median, per_million, per_second, ratio, rounded};
use super::process;
use super::run::interruptible;
use super::running::{READY_FILE, Running, address, serve_command, this_program};
use super::scratch::Scratch;
use crate::app::Issuer;
use crate::error;

/// The audience of the tokens.
const RESOURCE: &str = "https://bench.invalid";
/// Whose pushes they are.
const INTEGRATION: &str = "bench";
/// Not counted, so that topics, tokens and connections are there.
const WARM_UP: Duration = Duration::from_millis(500);

/// Both servers in one pair.
#[derive(Debug, Clone, Copy)]
struct Pair {
    bare: f64,
    ours: f64,
    sync: Duration,
    cpu_seconds_per_million: f64,
}

impl Pair {
    /// Requests a second that can be had: the lesser of the peer's and the disk's.
    fn limit(&self, connections: u32) -> f64 {
        let disk = ratio(f64::from(connections), self.sync.as_secs_f64());
        self.bare.min(disk)
    }
}

/// Answers as the peer until it is killed.
pub(super) async fn run_bare(flags: &Bare) -> Result<(), Failure> {
    bare::run(flags).await
}

/// Measures, and removes what was made for it.
pub(super) async fn run(flags: &Push) -> Result<(), Failure> {
    let scratch = Scratch::create()?;
    let pairs = interruptible(Box::pin(measure(flags, &scratch))).await?;
    tell(flags, &pairs)
}

async fn measure(flags: &Push, scratch: &Scratch) -> Result<Vec<Pair>, Failure> {
    let (issuer, _) = Issuer::of_integration(INTEGRATION, RESOURCE)?;
    let scope = format!("push:{INTEGRATION}");
    let token = issuer.sign(&issuer.claims(INTEGRATION, RESOURCE, &scope));
    let issuer_name = format!("{}/oidc", issuer.endpoint());
    let peer_scratch = Scratch::create()?;
    let mut bare = Running::start(
        bare_command(&issuer_name, &peer_scratch)?,
        "the bare handler",
        &peer_scratch.path("log"),
    )?;
    let bare_address = address(&mut bare, &peer_scratch, "http").await?;
    let mut command = serve_command(scratch)?;
    command
        .args(["--connectors", "none/*.json"])
        .env("PENSTOCK_LOGTO_ISSUER", &issuer_name)
        .env("PENSTOCK_LOGTO_RESOURCE", RESOURCE);
    let mut serve = Running::start(command, "penstock serve", &scratch.path("serve.log"))?;
    let our_address = address(&mut serve, scratch, "http").await?;
    let body = format!(
        "{{\"payload\":\"{}\"}}",
        "x".repeat(body_filler(flags.size))
    );
    let requests = [&bare_address, &our_address]
        .map(|address| load::request(address, INTEGRATION, &token, &body));
    let time = Duration::from_secs(u64::from(flags.seconds));
    let [to_bare, to_ours] = &requests;
    load::run(&bare_address, to_bare, flags.connections, WARM_UP).await?;
    load::run(&our_address, to_ours, flags.connections, WARM_UP).await?;
    let mut pairs = Vec::new();
    for number in 1..=flags.pairs {
        let sync = sync_median(&scratch.path("sync"))?;
        let bare_first = number % 2 == 1;
        let mut peer = None;
        if bare_first {
            peer = Some(load::run(&bare_address, to_bare, flags.connections, time).await?);
        }
        let before = serve.usage()?.cpu;
        let ours = load::run(&our_address, to_ours, flags.connections, time).await?;
        let cpu = serve.usage()?.cpu.saturating_sub(before);
        let peer = match peer {
            Some(peer) => peer,
            None => load::run(&bare_address, to_bare, flags.connections, time).await?,
        };
        let pair = Pair {
            bare: rate(&peer),
            ours: rate(&ours),
            sync,
            cpu_seconds_per_million: per_million(cpu.as_secs_f64(), ours.requests),
        };
        eprintln!("{}", shown(number, flags.connections, &pair, &ours));
        pairs.push(pair);
    }
    let peak = process::peak_memory_mb(serve.pid());
    eprintln!("penstock: VmHWM {} MB", peak.unwrap_or_default());
    serve.stop().await;
    drop(bare);
    Ok(pairs)
}

/// Letters that fill a body of `size` bytes.
fn body_filler(size: u32) -> usize {
    const BRACES: usize = "{\"payload\":\"\"}".len();
    usize::try_from(size)
        .unwrap_or(BRACES)
        .saturating_sub(BRACES)
}

fn sync_median(path: &Path) -> Result<Duration, Failure> {
    disk::fdatasync_median(path).map_err(|cause| {
        let what = format!("failed to measure the disk: {cause}");
        Failure::new(
            error::CLI_BENCH,
            what,
            "check that TMPDIR names a folder with free space",
        )
    })
}

fn bare_command(issuer: &str, scratch: &Scratch) -> Result<Command, Failure> {
    let mut command = this_program()?;
    command
        .args(["bench", "bare", "--issuer", issuer, "--resource", RESOURCE])
        .arg("--ready-file")
        .arg(scratch.path(READY_FILE));
    Ok(command)
}

fn rate(done: &Done) -> f64 {
    per_second(done.requests, done.time)
}

fn shown(number: u32, connections: u32, pair: &Pair, ours: &Done) -> String {
    let limit = pair.limit(connections);
    format!(
        "{number}: bare {:.0}/s, disk {:.0}/s (fdatasync {:.3} ms); penstock {:.0}/s, {}, CPU {:.1} s per million; {:.3} of the limit",
        pair.bare,
        ratio(f64::from(connections), pair.sync.as_secs_f64()),
        pair.sync.as_secs_f64() * 1e3,
        pair.ours,
        ours.latencies.shown(),
        pair.cpu_seconds_per_million,
        ratio(pair.ours, limit),
    )
}

fn tell(flags: &Push, pairs: &[Pair]) -> Result<(), Failure> {
    let limit = |pair: &Pair| pair.limit(flags.connections);
    let ratios = pairs.iter().map(|pair| ratio(pair.ours, limit(pair)));
    let middle = median(ratios.collect()).unwrap_or(0.0);
    eprintln!(
        "push: median {middle:.3} of the lesser of the bare handler and {} / fdatasync, {} pairs",
        flags.connections,
        pairs.len()
    );
    if !flags.json {
        return Ok(());
    }
    output::json(&json!({
        "bench": "push",
        "connections": flags.connections,
        "size": flags.size,
        "ratio_median": rounded(middle, 4),
        "pairs": pairs.iter().map(|pair| json!({
            "bare_requests_per_second": rounded(pair.bare, 1),
            "penstock_requests_per_second": rounded(pair.ours, 1),
            "fdatasync_ms": rounded(pair.sync.as_secs_f64() * 1e3, 4),
            "cpu_seconds_per_million": rounded(pair.cpu_seconds_per_million, 2),
            "ratio": rounded(ratio(pair.ours, limit(pair)), 4),
        })).collect::<Vec<Value>>(),
        "limit_requests_per_second": pairs.iter().map(limit).map(|it| rounded(it, 1)).collect::<Vec<f64>>(),
        "measured_seconds": float(u64::from(flags.seconds)),
    }))
}
