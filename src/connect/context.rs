//! What every part of one connector's run needs.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::{ConnectorConfig, DecimalFormat, JsonSettings};
use crate::convert::json::{self, JsonOptions};
use crate::log::{Chain, Log, Partition, PartitionBatch, Topic};
use crate::postgres::ConnectionConfig;
use crate::record::BatchBuilder;
use crate::topic::TopicName;

use super::error::Error;
use super::gauges::Gauges;
use super::position::{self, Position};
use super::status::StatusCell;

/// One connector's run, from a connection to its end.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) config: Arc<ConnectorConfig>,
    pub(super) log: Log,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) status: StatusCell,
    pub(super) gauges: Gauges,
    /// A UUIDv7 made at the start, in every event's headers.
    pub(super) run_id: String,
    pub(super) shutdown: CancellationToken,
    /// Partitions of topics that are made on first use.
    pub(super) partitions: u32,
    /// Partition 0 of `__connect_offsets`.
    pub(super) positions: Arc<Partition>,
    /// Ties the appends of a run together: once one has failed, none behind it is taken, so that
    /// no position gets into the log without the records before it.
    pub(super) chain: Chain,
}

impl Context {
    /// Where the database is.
    pub(super) fn connection(&self) -> ConnectionConfig {
        connection(&self.config)
    }

    /// How keys are written.
    pub(super) fn key_options(&self) -> JsonOptions {
        json_options(self.config.key_converter)
    }

    /// How values are written.
    pub(super) fn value_options(&self) -> JsonOptions {
        json_options(self.config.value_converter)
    }

    /// A topic of this connector, made on first use.
    pub(super) async fn topic(&self, name: &TopicName) -> Result<Arc<Topic>, Error> {
        if let Some(topic) = self.log.topic(name.as_str()) {
            return Ok(topic);
        }
        let config = self.log.default_topic_config(name);
        let partitions = self.log.default_partitions(name, self.partitions);
        Ok(self.log.create_topic(name, partitions, config).await?)
    }

    /// The key of this connector's position.
    pub(super) fn position_key(&self) -> Vec<u8> {
        position::key(&self.config.name, &self.config.topic_prefix)
    }

    /// A batch that stores `position`.
    pub(super) fn position_batch(&self, position: &Position) -> Result<PartitionBatch, Error> {
        let value =
            serde_json::to_vec(position).map_err(|cause| Error::StoredPosition { cause })?;
        let mut batch = BatchBuilder::new();
        batch.append(
            self.clock.now_ms(),
            Some(&self.position_key()),
            Some(&value),
            &[],
        )?;
        Ok(PartitionBatch {
            partition: Arc::clone(&self.positions),
            bytes: batch.finish()?,
        })
    }
}

/// Where a connector's database is.
pub(super) fn connection(config: &ConnectorConfig) -> ConnectionConfig {
    let database = &config.database;
    ConnectionConfig {
        port: database.port,
        password: database.password.clone(),
        sslmode: database.sslmode,
        sslrootcert: database.sslrootcert.clone(),
        sslcert: database.sslcert.clone(),
        sslkey: database.sslkey.clone(),
        tcp_keepalive: database.tcp_keepalive,
        ..ConnectionConfig::new(&database.host, &database.user, &database.dbname)
    }
}

fn json_options(settings: JsonSettings) -> JsonOptions {
    JsonOptions {
        schemas_enable: settings.schemas,
        replace_null_with_default: settings.replace_null_with_default,
        decimal_format: match settings.decimal_format {
            DecimalFormat::Base64 => json::DecimalFormat::Base64,
            DecimalFormat::Numeric => json::DecimalFormat::Numeric,
        },
    }
}
