//! Watches the slot over SQL while a connector streams: what it retains, how much it may still
//! retain, and how far the log is behind.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::config::ConnectorConfig;
use crate::postgres::{ConnectionConfig, SqlClient, connect_sql, slot};
use crate::tasks;

use super::context::Context;
use super::gauges::Gauges;

/// Time between two looks at the slot; well below the shortest alert.
const INTERVAL: Duration = Duration::from_secs(5);

/// Starts the watcher. Its owner is `run::once`, which aborts it when the stream ends; an error
/// only means that the next look is from a new connection.
pub(super) fn spawn(context: &Context) -> JoinHandle<()> {
    let config = Arc::clone(&context.config);
    let connection = context.connection();
    tasks::spawn("slot-watch", watch(config, connection))
}

async fn watch(config: Arc<ConnectorConfig>, connection: ConnectionConfig) {
    let gauges = Gauges::handles(&config.name);
    let mut sql: Option<SqlClient> = None;
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        if sql.as_ref().is_none_or(|client| client.is_closed()) {
            sql = connect_sql(&connection).await.ok();
        }
        let Some(client) = &sql else { continue };
        match slot::inspect(client, &config.slot_name).await {
            Ok(Some(state)) => gauges.slot(&state),
            Ok(None) => gauges.slot_gone(),
            Err(error) => {
                tracing::debug!(connector = %config.name, error = %error, "slot not inspected");
                sql = None;
            }
        }
    }
}
