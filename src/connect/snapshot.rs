//! The initial snapshot: every row of the captured tables as an event of kind `r`.
//!
//! The rows are read in one transaction whose view ends where the stream begins, so that snapshot
//! and stream together are the table. Nothing is stored of the progress: only the append with the
//! last rows carries the position, and a snapshot that was interrupted before is taken again.

use std::collections::VecDeque;

use crate::event::{Op, SnapshotMarker, Value};
use crate::log::{Origin, Ticket};
use crate::postgres::catalog::{self, Table as CatalogTable, TableShape};
use crate::postgres::types::{Modes, TypeRegistry};
use crate::postgres::{CopyTable, RowBatch, SqlClient};

use super::context::Context;
use super::emit::{Change, Emitter, Point};
use super::error::Error;
use super::outgoing::{CHUNK_BYTES, Outgoing};
use super::position::Position;
use super::prepare::SnapshotPlan;
use super::status::SnapshotProgress;
use super::table::{Compiler, Layout, Table};
use super::tables;

/// Appends on their way while the next rows are read.
const IN_FLIGHT_MAX: usize = 4;

/// Takes the snapshot and stores `position` with its last rows.
pub(super) async fn run(
    context: &Context,
    plan: &mut SnapshotPlan,
    sql: &SqlClient,
    position: &Position,
) -> Result<(), Error> {
    let mut snapshot = Snapshot::new(context, plan);
    let tables = std::mem::take(&mut plan.tables);
    let oids: Vec<u32> = tables.iter().map(|table| table.oid).collect();
    let shapes = catalog::columns(sql, &oids).await?;
    let mut registry = TypeRegistry::new();
    let columns = shapes.iter().flat_map(|shape| &shape.columns);
    tables::learn_types(&mut registry, sql, columns.map(|column| column.type_oid)).await?;
    let known: Vec<(&CatalogTable, &TableShape)> = tables
        .iter()
        .filter_map(|table| {
            shapes
                .iter()
                .find(|s| s.table_oid == table.oid)
                .map(|s| (table, s))
        })
        .collect();
    snapshot.progress.tables = known.len();
    for (table, shape) in known {
        snapshot.table(plan, &registry, table, shape).await?;
    }
    snapshot.finish(position).await
}

struct Snapshot<'c> {
    context: &'c Context,
    emitter: Emitter,
    out: Outgoing,
    in_flight: VecDeque<Ticket>,
    progress: SnapshotProgress,
    point: Point<'static>,
    held: Option<Held>,
}

/// The last row of a table: it is emitted when the next row of another table is known, or the end,
/// because the snapshot's last row is marked as such whatever empty tables follow.
struct Held {
    table: Table,
    row: Vec<Value<'static>>,
    /// It is also the first row of the snapshot.
    is_first: bool,
}

impl<'c> Snapshot<'c> {
    fn new(context: &'c Context, plan: &SnapshotPlan) -> Snapshot<'c> {
        Snapshot {
            context,
            emitter: Emitter::new(&context.config, &context.run_id),
            out: Outgoing::default(),
            in_flight: VecDeque::new(),
            progress: SnapshotProgress::default(),
            point: Point {
                lsn: plan.lsn,
                ts_us: context.clock.now_ns().div_euclid(1_000),
                tx_id: plan.transaction,
                last_commit: None,
                marker: SnapshotMarker::True,
                origin: None,
            },
            held: None,
        }
    }

    /// Reads one table. Batches are read one ahead, since the last row is held back.
    async fn table(
        &mut self,
        plan: &mut SnapshotPlan,
        registry: &TypeRegistry,
        catalog: &CatalogTable,
        shape: &TableShape,
    ) -> Result<(), Error> {
        self.progress.table = Some(format!("{}.{}", catalog.schema, catalog.name));
        self.show();
        let compiler = Compiler {
            context: self.context,
            registry,
            modes: &Modes::default(),
            topic: tables::topic(self.context, &catalog.schema, &catalog.name).await?,
            out: &mut self.out,
        };
        let table = compiler.compile(&Layout::of_catalog(catalog, shape), Some(shape))?;
        let names: Vec<&str> = shape
            .columns
            .iter()
            .map(|column| column.name.as_str())
            .collect();
        let copy = CopyTable {
            schema: &catalog.schema,
            table: &catalog.name,
            columns: &names,
            only: true,
            condition: None,
        };
        let mut rows = plan.reader.copy(&copy).await?;
        let (mut current, mut ahead) = (RowBatch::default(), RowBatch::default());
        let mut held = None;
        let mut more = rows.next(&mut current).await?;
        if more {
            self.release(SnapshotMarker::LastInDataCollection)?;
        }
        while more {
            more = rows.next(&mut ahead).await?;
            held = self.batch(&table, &current, !more)?;
            self.submit_if_full().await?;
            std::mem::swap(&mut current, &mut ahead);
        }
        if let Some((row, is_first)) = held {
            self.held = Some(Held {
                table,
                row,
                is_first,
            });
        }
        self.progress.tables_done += 1;
        self.progress.table_rows = 0;
        self.show();
        Ok(())
    }

    /// Emits the rows of a batch, but for the last row of the table's last batch, which is given
    /// back with whether it is the first of the snapshot.
    fn batch(
        &mut self,
        table: &Table,
        batch: &RowBatch,
        is_last_batch: bool,
    ) -> Result<Option<(Vec<Value<'static>>, bool)>, Error> {
        let count = batch.len();
        let mut held = None;
        for (index, row) in batch.rows().enumerate() {
            let values = table.row((row.len(), row.cells()), None, self.point.lsn)?;
            let is_first = self.progress.rows == 0;
            let is_first_of_table = self.progress.table_rows == 0;
            self.progress.rows += 1;
            self.progress.table_rows += 1;
            if is_last_batch && index + 1 == count {
                let row = values.into_iter().map(Value::into_owned).collect();
                held = Some((row, is_first));
                continue;
            }
            let marker = match (is_first, is_first_of_table) {
                (true, _) => SnapshotMarker::First,
                (false, true) => SnapshotMarker::FirstInDataCollection,
                (false, false) => SnapshotMarker::True,
            };
            self.emit(table, marker, &values)?;
        }
        if let Some(row) = batch.oversized() {
            return Err(Error::RowTooLarge {
                table: table.title(),
                bytes: row.bytes,
            });
        }
        let rows = u64::try_from(count).unwrap_or(u64::MAX);
        self.context.gauges.snapshot_rows.increment(rows);
        self.context.gauges.count(Op::Read, rows);
        self.show();
        Ok(held)
    }

    /// Emits the row that was held back, as the last of its table or of the snapshot.
    fn release(&mut self, marker: SnapshotMarker) -> Result<(), Error> {
        let Some(held) = self.held.take() else {
            return Ok(());
        };
        let marker = match marker {
            SnapshotMarker::LastInDataCollection if held.is_first => SnapshotMarker::First,
            marker => marker,
        };
        self.emit(&held.table, marker, &held.row)
    }

    fn emit(
        &mut self,
        table: &Table,
        marker: SnapshotMarker,
        row: &[Value<'_>],
    ) -> Result<(), Error> {
        self.point.marker = marker;
        let mut change = Change {
            table,
            point: &self.point,
            out: &mut self.out,
            now_ns: self.context.clock.now_ns(),
        };
        self.emitter.present(&mut change, Op::Read, row)
    }

    fn show(&self) {
        let progress = self.progress.clone();
        self.context
            .status
            .update(|status| status.snapshot = Some(progress));
    }

    async fn submit_if_full(&mut self) -> Result<(), Error> {
        if self.out.bytes() < CHUNK_BYTES {
            return Ok(());
        }
        let append = self.out.take(Origin::Outside)?;
        self.in_flight
            .push_back(self.context.log.submit_in(&self.context.chain, append));
        while self.in_flight.len() >= IN_FLIGHT_MAX {
            self.wait_for_oldest().await?;
        }
        Ok(())
    }

    async fn wait_for_oldest(&mut self) -> Result<(), Error> {
        if let Some(ticket) = self.in_flight.pop_front() {
            ticket.await?;
        }
        Ok(())
    }

    /// Appends what is left together with the position.
    async fn finish(mut self, position: &Position) -> Result<(), Error> {
        self.release(SnapshotMarker::Last)?;
        let mut append = self.out.take(Origin::Outside)?;
        append.batches.push(self.context.position_batch(position)?);
        self.in_flight
            .push_back(self.context.log.submit_in(&self.context.chain, append));
        while !self.in_flight.is_empty() {
            self.wait_for_oldest().await?;
        }
        self.progress.table = None;
        self.show();
        Ok(())
    }
}
