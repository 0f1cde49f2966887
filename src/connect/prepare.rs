//! Everything between a connector's start and its first row: connect, look for what is missing,
//! publication, slot, stored position.
//!
//! What is found decides how the run begins:
//!
//! | stored position | slot    | snapshot.mode | begins with                                      |
//! |-----------------|---------|---------------|--------------------------------------------------|
//! | none            | none    | initial       | new slot, snapshot on its exported snapshot      |
//! | none            | none    | `no_data`     | new slot, stream from its consistent point       |
//! | none            | exists  | initial       | snapshot beside the slot, stream from the slot   |
//! | none            | exists  | `no_data`     | stream from the slot's confirmed position        |
//! | yes             | exists  | any           | stream from the stored position                  |
//! | yes             | none    | any           | FAILED, or all over where a re-snapshot is set   |
//!
//! An interrupted snapshot has stored no position, so it is the third row: the snapshot is taken
//! again and repeats rows. All changes since the slot was made follow it, also those that its rows
//! already show: a row of the first attempt that was deleted before the second is gone from the
//! topic only by that delete. So the topic, folded by key, ends as the table.
//!
//! Invariant: the publication is made before the slot, because a slot that is older than its
//! publication cannot be decoded.

use std::time::Duration;

use crate::config::{OnSlotLoss, SnapshotMode};
use crate::lsn::Lsn;
use crate::postgres::catalog::{self, Table as CatalogTable};
use crate::postgres::publication::{self, Wanted};
use crate::postgres::server::{self, Settings};
use crate::postgres::slot::{self, SlotState, WalStatus};
use crate::postgres::{self, ReplicationConnection, SnapshotReader, SqlClient, SystemIdentity};
use crate::postgres::{connect_sql, preflight};

use super::context::Context;
use super::error::Error;
use super::feedback;
use super::position::{self, Position};

/// Asks for the transaction id that the rows of a snapshot carry.
const NEXT_TRANSACTION: &str = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text";

/// A run that is ready to begin.
pub(super) struct Prepared {
    pub(super) sql: SqlClient,
    pub(super) replication: ReplicationConnection,
    /// Where the stream begins; not stored yet where a snapshot comes first.
    pub(super) position: Position,
    pub(super) snapshot: Option<SnapshotPlan>,
    pub(super) status_interval: Duration,
}

/// A snapshot to be taken before the stream.
pub(super) struct SnapshotPlan {
    pub(super) reader: SnapshotReader,
    /// The tables to read, by schema and name.
    pub(super) tables: Vec<CatalogTable>,
    /// The position of its rows.
    pub(super) lsn: Lsn,
    /// The transaction id that its rows carry: the next one when the snapshot was taken.
    pub(super) transaction: Option<i64>,
}

impl SnapshotPlan {
    async fn new(
        mut reader: SnapshotReader,
        tables: Vec<CatalogTable>,
        lsn: Lsn,
    ) -> Result<SnapshotPlan, Error> {
        let rows = reader.query(NEXT_TRANSACTION).await?;
        let next = rows.first().and_then(|row| row.first()).cloned().flatten();
        // Begin carries the lower half of the id, so this does too.
        let next = next.and_then(|text| text.parse::<i64>().ok());
        let transaction = next.map(|id| id & 0xFFFF_FFFF);
        Ok(SnapshotPlan {
            reader,
            tables,
            lsn,
            transaction,
        })
    }
}

/// Prepares a run. Nothing is changed at the server before everything that is missing is known.
pub(super) async fn prepare(context: &Context) -> Result<Prepared, Error> {
    let config = &context.config;
    let connection = context.connection();
    let stored = position::load(&context.log, &context.position_key()).await?;
    // A build that is broken on purpose: the crash tests must find it out.
    let stored = stored.filter(|_| !cfg!(feature = "control-forget-position"));
    let sql = connect_sql(&connection).await?;
    let settings = server::settings(&sql).await?;
    let captures = |table: &CatalogTable| config.tables.captures(&table.schema, &table.name);
    let tables: Vec<CatalogTable> = catalog::tables(&sql)
        .await?
        .into_iter()
        .filter(captures)
        .collect();
    let mode = config.publication_autocreate_mode;
    let initial = config.snapshot_mode == SnapshotMode::Initial;
    let needs = preflight::Needs {
        slot: &config.slot_name,
        publication: &config.publication_name,
        mode,
        tables: &tables,
        snapshot: initial && stored.is_none(),
    };
    preflight::check(&sql, &needs).await?;
    let wanted = Wanted {
        name: &config.publication_name,
        mode,
        tables: &tables,
        via_partition_root: false,
    };
    publication::ensure(&sql, &wanted).await?;
    let slot = slot::inspect(&sql, &config.slot_name).await?;
    if let Some(holder) = slot.as_ref().and_then(|slot| slot.holder.clone()) {
        return Err(postgres::Error::SlotInUse {
            slot: config.slot_name.clone(),
            holder: Some(Box::new(holder)),
            source: None,
        }
        .into());
    }
    let mut replication = ReplicationConnection::connect(&connection).await?;
    let identity = replication.identify_system().await?;
    let stored = resumable(context, stored, slot.as_ref(), &identity)?;
    let begin = match stored {
        Some(position) => Begin {
            position,
            reader: None,
        },
        None => fresh(context, &mut replication, &identity, slot.as_ref(), initial).await?,
    };
    let lsn = begin.position.end_lsn;
    let snapshot = match begin.reader {
        Some(reader) => Some(SnapshotPlan::new(reader, tables, lsn).await?),
        None => None,
    };
    Ok(Prepared {
        sql,
        replication,
        position: begin.position,
        snapshot,
        status_interval: status_interval(&settings),
    })
}

/// A third of `wal_sender_timeout`, at most Debezium's interval.
fn status_interval(settings: &Settings) -> Duration {
    match settings.wal_sender_timeout_ms {
        0 => feedback::INTERVAL_MAX,
        ms => Duration::from_millis(ms / 3).min(feedback::INTERVAL_MAX),
    }
}

/// The stored position, if the stream can go on there. Where it cannot, that is an error, unless a
/// new snapshot is asked for in this case.
fn resumable(
    context: &Context,
    stored: Option<Position>,
    slot: Option<&SlotState>,
    identity: &SystemIdentity,
) -> Result<Option<Position>, Error> {
    let Some(position) = stored else {
        return Ok(None);
    };
    match check_stored(&position, slot, identity, context) {
        Ok(()) => Ok(Some(position)),
        Err(error) if context.config.on_slot_loss == OnSlotLoss::Resnapshot => {
            tracing::error!(connector = %context.config.name, reason = error.reason(),
                "taking a new snapshot; rows deleted in the gap stay in the topics");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Whether the stream can go on at the stored position without losing a change.
fn check_stored(
    stored: &Position,
    slot: Option<&SlotState>,
    identity: &SystemIdentity,
    context: &Context,
) -> Result<(), Error> {
    let gap = |what: String| {
        Err(Error::Gap {
            stored: stored.end_lsn,
            what,
        })
    };
    if stored.system_id != identity.system_id {
        return gap(format!(
            "the server is another one (system identifier {}, the log holds changes of {})",
            identity.system_id, stored.system_id
        ));
    }
    if stored.timeline != identity.timeline {
        return gap(format!(
            "the server is on timeline {}, the log holds changes of timeline {}: it was promoted \
             or restored",
            identity.timeline, stored.timeline
        ));
    }
    let name = &context.config.slot_name;
    if stored.slot != *name {
        return gap(format!(
            "the position belongs to slot \"{}\", not \"{name}\"",
            stored.slot
        ));
    }
    let Some(slot) = slot else {
        return Err(Error::SlotGone {
            stored: stored.end_lsn,
            what: format!("the replication slot \"{name}\" does not exist any more"),
        });
    };
    if slot.wal_status == WalStatus::Lost {
        return Err(Error::SlotGone {
            stored: stored.end_lsn,
            what: format!(
                "the replication slot \"{name}\" is lost: the server removed write-ahead log it \
                 needed (max_slot_wal_keep_size)"
            ),
        });
    }
    match slot.confirmed_flush {
        Some(confirmed) if confirmed > stored.end_lsn => gap(format!(
            "the replication slot \"{name}\" is confirmed up to {confirmed}: it was advanced or \
             made again, or the data directory is older than the slot"
        )),
        _ => Ok(()),
    }
}

/// What a run without stored position begins with.
struct Begin {
    position: Position,
    reader: Option<SnapshotReader>,
}

async fn fresh(
    context: &Context,
    replication: &mut ReplicationConnection,
    identity: &SystemIdentity,
    slot: Option<&SlotState>,
    initial: bool,
) -> Result<Begin, Error> {
    let position = |end_lsn: Lsn| Position {
        system_id: identity.system_id.clone(),
        timeline: identity.timeline,
        slot: context.config.slot_name.clone(),
        end_lsn,
        open: None,
        message_lsn: Lsn::INVALID,
        last_commit: None,
    };
    let connection = context.connection();
    let Some(slot) = usable(context, replication, slot).await? else {
        let made = replication
            .create_slot(&context.config.slot_name, false)
            .await?;
        let reader = match initial {
            true => Some(SnapshotReader::begin(&connection, Some(&made.snapshot_name)).await?),
            false => None,
        };
        return Ok(Begin {
            position: position(made.consistent_point),
            reader,
        });
    };
    let confirmed = slot.confirmed_flush.unwrap_or_default();
    if !initial {
        return Ok(Begin {
            position: position(confirmed),
            reader: None,
        });
    }
    let reader = SnapshotReader::begin(&connection, None).await?;
    Ok(Begin {
        position: position(confirmed),
        reader: Some(reader),
    })
}

/// The existing slot, if a stream can begin from it; a lost one is dropped where a new snapshot is
/// to be taken anyway.
async fn usable<'s>(
    context: &Context,
    replication: &mut ReplicationConnection,
    slot: Option<&'s SlotState>,
) -> Result<Option<&'s SlotState>, Error> {
    let Some(slot) = slot else { return Ok(None) };
    if slot.wal_status != WalStatus::Lost {
        slot.check_fit(&context.config.database.dbname)?;
        return Ok(Some(slot));
    }
    if context.config.on_slot_loss != OnSlotLoss::Resnapshot {
        return Err(Error::SlotGone {
            stored: Lsn::INVALID,
            what: format!("the replication slot \"{}\" is lost", slot.name),
        });
    }
    replication.drop_slot(&slot.name).await?;
    Ok(None)
}
