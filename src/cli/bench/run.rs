//! From the flags of `penstock bench` to a measurement and its report.

use std::future::Future;

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::super::client::reachable;
use super::super::failure::Failure;
use super::super::run::block_on;
use super::arguments::{Bench, Consume, E2e, Produce, Server, Shape};
use super::client::Connection;
use super::report::{Report, Watched};
use super::temporary::Topic;
use super::{cdc, consume, e2e, produce, push};
use crate::app;
use crate::config::{self, Environment};
use crate::error;

/// Measures what the flags say.
pub(in crate::cli) fn run(bench: Bench) -> Result<(), Failure> {
    match bench {
        Bench::Produce(flags) => block_on(run_produce(&flags)),
        Bench::Consume(flags) => block_on(run_consume(&flags)),
        Bench::E2e(flags) => block_on(run_e2e(&flags)),
        Bench::Cdc(flags) => block_on(cdc::run(&flags)),
        Bench::Push(flags) => block_on(push::run(&flags)),
        // On the threads of the server that it is compared with.
        Bench::Bare(flags) => app::runtime()?.block_on(push::run_bare(&flags)),
    }
}

async fn run_produce(flags: &Produce) -> Result<(), Failure> {
    let (server, shape) = (&flags.server, &flags.shape);
    let watched = Watched::begin(server.pid)?;
    let address = address(server)?;
    let mut broker = Connection::open(&address).await?;
    let topic = Topic::prepare(&mut broker, server.topic.as_deref(), shape.partitions).await?;
    let work = produce::produce(broker, &topic, flags.records, shape, "writing");
    let done = interruptible(work).await;
    let partitions = topic.partitions;
    let produced = finish(topic, &address, done, |done| {
        let mut report = Report::new("produce", done.records, done.bytes, done.time);
        report.usage(watched, done.records)?;
        Ok((report, done))
    });
    let (mut report, done) = produced.await?;
    report.words(&format!("acknowledged after {}", done.latencies.shown()));
    report.value("requests", json!(done.latencies.count()));
    report.value("acknowledged_ms", done.latencies.json());
    describe(&mut report, shape, partitions);
    report.tell(server.json)
}

async fn run_consume(flags: &Consume) -> Result<(), Failure> {
    let (server, shape) = (&flags.server, &flags.shape);
    Watched::begin(server.pid)?;
    let address = address(server)?;
    let mut broker = Connection::open(&address).await?;
    let topic = Topic::prepare(&mut broker, server.topic.as_deref(), shape.partitions).await?;
    let work = async {
        if server.topic.is_none() {
            let records = flags.records.unwrap_or(super::arguments::RECORDS_DEFAULT);
            let writer = Connection::open(&address).await?;
            produce::produce(writer, &topic, records, shape, "preparing").await?;
        }
        let watched = Watched::begin(server.pid)?;
        let read = consume::consume(broker, &topic, flags.records).await?;
        Ok((watched, read))
    };
    let done = interruptible(Box::pin(work)).await;
    let partitions = topic.partitions;
    let consumed = finish(topic, &address, done, |(watched, read)| {
        let mut report = Report::new("consume", read.records, read.bytes, read.time);
        report.usage(watched, read.records)?;
        Ok(report)
    });
    let mut report = consumed.await?;
    report.value("partitions", json!(partitions));
    if server.topic.is_none() {
        describe(&mut report, shape, partitions);
    }
    report.tell(server.json)
}

async fn run_e2e(flags: &E2e) -> Result<(), Failure> {
    let server = &flags.server;
    let watched = Watched::begin(server.pid)?;
    let address = address(server)?;
    let mut writer = Connection::open(&address).await?;
    let reader = Connection::open(&address).await?;
    let topic = Topic::prepare(&mut writer, server.topic.as_deref(), 1).await?;
    let work = e2e::measure(writer, reader, &topic, flags);
    let done = interruptible(Box::pin(work)).await;
    let measured = finish(topic, &address, done, |done| {
        let mut report = Report::new("e2e", done.records, done.bytes, done.time);
        report.usage(watched, done.records)?;
        Ok((report, done))
    });
    let (mut report, done) = measured.await?;
    report.words(&format!("sent to fetched {}", done.latencies.shown()));
    report.words(&format!("to acknowledged {}", done.acknowledged.shown()));
    report.value("rate", json!(flags.rate));
    report.value("latency_ms", done.latencies.json());
    report.value("acknowledged_ms", done.acknowledged.json());
    report.value("size", json!(flags.size));
    report.tell(server.json)
}

fn describe(report: &mut Report, shape: &Shape, partitions: i32) {
    report.value("size", json!(shape.size));
    report.value("partitions", json!(partitions));
    report.value("compression", json!(shape.compression.name()));
    report.value("in_flight", json!(shape.in_flight));
    report.value("batch_bytes", json!(shape.batch_bytes));
}

/// Makes the report while the topic is still there, removes the topic whatever happened.
async fn finish<T, R>(
    topic: Topic,
    address: &str,
    done: Result<T, Failure>,
    report: impl FnOnce(T) -> Result<R, Failure>,
) -> Result<R, Failure> {
    let reported = done.and_then(report);
    topic.remove(address).await;
    reported
}

/// `work`, or a failure as soon as somebody interrupts us: what follows it cleans up.
pub(super) async fn interruptible<T>(
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let asked_to_end = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = tokio::signal::ctrl_c() => {}
                }
            }
            Err(_) => drop(tokio::signal::ctrl_c().await),
        }
    };
    tokio::select! {
        done = work => done,
        () = asked_to_end => Err(Failure::new(
            error::CLI_BENCH,
            "failed to measure: interrupted",
            "let it run to its end; what it made is removed",
        )),
    }
}

/// The broker that was named, or the one that this configuration would start.
fn address(server: &Server) -> Result<String, Failure> {
    if let Some(address) = &server.kafka {
        return Ok(address.clone());
    }
    let environment = Environment::of_process();
    let sources = config::Sources {
        flags: &[],
        environment: &environment,
        file: None,
    };
    Ok(reachable(&config::load_settings(&sources)?.kafka_listen).to_string())
}
