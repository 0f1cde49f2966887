//! A connector's life: run, and when the run ends by an error, retry with back-off or fail.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::error::{Explain, Kind};
use crate::log;
use crate::postgres;

use super::context::Context;
use super::error::Error;
use super::prepare::{self, Prepared};
use super::snapshot;
use super::status::State;
use super::stream;
use super::tables::Tables;

/// The first wait after a broken connection: a server that restarts is back within seconds.
const RETRY_FIRST: Duration = Duration::from_millis(200);

/// The longest wait, Debezium's `errors.retry.delay.max.ms`.
const RETRY_MAX: Duration = Duration::from_secs(10);

/// How a connector's life ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Shutdown, or a restart was asked for.
    Stopped,
    /// Something that does not pass by itself.
    Failed,
}

/// Runs the connector until shutdown or a definite error; `make_context` makes a context for
/// every try, since a failed append ends its chain.
pub(super) async fn run(make_context: impl Fn() -> Context) -> End {
    let mut backoff = Backoff::new(RETRY_FIRST, RETRY_MAX);
    loop {
        let context = make_context();
        let ended = once(&context, &mut backoff).await;
        context.gauges.connected.set(0.0);
        context.gauges.snapshot_running.set(0.0);
        let figures = &context.gauges.figures;
        figures.snapshot_ended(context.clock.now_ms(), false);
        let error = match ended {
            Ok(()) => return End::Stopped,
            Err(_) if context.shutdown.is_cancelled() => return End::Stopped,
            Err(error) => error,
        };
        let reason = error.reason();
        if error.kind() != Kind::Transient {
            tracing::error!(connector = %context.config.name, reason, "connector failed");
            context.status.enter(State::Failed, Some(reason));
            return End::Failed;
        }
        tracing::warn!(connector = %context.config.name, reason, "connector retries");
        context.status.enter(State::Retrying, Some(reason));
        context.gauges.reconnected(error.label());
        let wait = backoff.next(jitter());
        tokio::select! {
            () = context.shutdown.cancelled() => return End::Stopped,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// A number in 0..1 that differs between connectors and tries.
fn jitter() -> f64 {
    let (high, _) = uuid::Uuid::new_v4().as_u64_pair();
    f64::from(u32::try_from(high >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

/// One run from connecting to the end.
async fn once(context: &Context, backoff: &mut Backoff) -> Result<(), Error> {
    if let log::State::Refusing { reason, .. } = context.log.state() {
        return Err(log::Error::Refusing(reason).into());
    }
    let prepared = tokio::select! {
        () = context.shutdown.cancelled() => return Ok(()),
        prepared = prepare::prepare(context) => prepared?,
    };
    context.gauges.connected.set(1.0);
    let Prepared {
        sql,
        replication,
        position,
        snapshot,
        status_interval,
    } = prepared;
    if let Some(mut plan) = snapshot {
        context.status.enter(State::Snapshot, None);
        context.gauges.snapshot_running.set(1.0);
        let figures = &context.gauges.figures;
        figures.snapshot_began(context.clock.now_ms());
        let done = tokio::select! {
            () = context.shutdown.cancelled() => return Ok(()),
            done = snapshot::run(context, &mut plan, &sql, &position) => done,
        };
        context.gauges.snapshot_running.set(0.0);
        figures.snapshot_ended(context.clock.now_ms(), done.is_ok());
        done?;
        plan.reader.finish().await;
    }
    let options = postgres::StreamOptions::new(&context.config.publication_name);
    let (reader, writer) = replication
        .start_replication(&context.config.slot_name, position.end_lsn, &options)
        .await?;
    context.status.enter(State::Running, None);
    tracing::info!(connector = %context.config.name, slot = %context.config.slot_name,
        lsn = %position.end_lsn, "streaming");
    backoff.reset();
    let start = stream::Start {
        reader,
        writer,
        tables: Tables::new(sql),
        position,
        status_interval,
    };
    Box::pin(stream::run(context, start)).await
}
