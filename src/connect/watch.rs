//! Watches a connector's slot over SQL for as long as the connector is there: what it retains, and
//! how much it may still retain. Also while the connector retries or has failed, since that is when
//! the server's log piles up.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::config::ConnectorConfig;
use crate::postgres::{SqlClient, connect_sql, slot};
use crate::tasks;

use super::context::connection;
use super::figures::{Figures, Slot};

/// Time between two looks at the slot; well below the shortest alert.
const INTERVAL: Duration = Duration::from_secs(5);

/// Longest time between two attempts to connect, so that a server that refuses a password does not
/// log it every few seconds.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// A look that takes longer is given up, with its connection: the answer is unknown then.
const LOOK_MAX: Duration = Duration::from_secs(10);

/// Starts the watcher. Its owner is the connector, which cancels `stop` and joins it.
pub(super) fn spawn(
    config: Arc<ConnectorConfig>,
    figures: Arc<Figures>,
    stop: CancellationToken,
) -> JoinHandle<()> {
    tasks::spawn("slot-watch", async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = watch(&config, &figures) => {}
        }
    })
}

async fn watch(config: &ConnectorConfig, figures: &Figures) {
    let to = connection(config);
    let mut backoff = Backoff::new(INTERVAL, RETRY_MAX);
    let mut sql: Option<SqlClient> = None;
    loop {
        if sql.as_ref().is_none_or(|client| client.is_closed()) {
            sql = match timeout(LOOK_MAX, connect_sql(&to)).await {
                Ok(Ok(client)) => Some(client),
                _ => None,
            };
        }
        let looked = match &sql {
            Some(client) => timeout(LOOK_MAX, slot::inspect(client, &config.slot_name)).await,
            None => {
                figures.set_slot(Slot::Unknown);
                // Connectors that fail together need not come back together, but do no harm: they
                // are few.
                tokio::time::sleep(backoff.next(0.0)).await;
                continue;
            }
        };
        backoff.reset();
        match looked {
            Ok(Ok(Some(state))) => figures.set_slot(Slot::There(Box::new(state))),
            Ok(Ok(None)) => figures.set_slot(Slot::Absent),
            Ok(Err(error)) => {
                tracing::debug!(connector = %config.name, error = %error, "slot not inspected");
                figures.set_slot(Slot::Unknown);
                sql = None;
            }
            Err(_) => {
                figures.set_slot(Slot::Unknown);
                sql = None;
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}
