//! The initial snapshot: every row of the captured tables as an event of kind `r`.
//!
//! The rows are read in one transaction whose view ends where the stream begins, so that snapshot
//! and stream together are the table. Nothing is stored of the progress: only the append with the
//! last rows carries the position, and a snapshot that was interrupted before is taken again.

use std::collections::VecDeque;

use crate::event::{Op, SnapshotMarker};
use crate::log::{Origin, Ticket};
use crate::postgres::catalog::{self, Table as CatalogTable, TableShape};
use crate::postgres::types::{Modes, TypeRegistry};
use crate::postgres::{CopyTable, RowBatch, SqlClient};

use super::context::Context;
use super::emit::{Emitter, Point};
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
    for (index, (table, shape)) in known.iter().enumerate() {
        let is_last = index + 1 == known.len();
        snapshot
            .table(plan, &registry, table, shape, is_last)
            .await?;
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
        }
    }

    /// Reads one table. Batches are read one ahead, since the last row is marked as such.
    async fn table(
        &mut self,
        plan: &mut SnapshotPlan,
        registry: &TypeRegistry,
        catalog: &CatalogTable,
        shape: &TableShape,
        is_last: bool,
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
        let mut is_first_row = true;
        let mut more = rows.next(&mut current).await?;
        while more {
            more = rows.next(&mut ahead).await?;
            let last = (!more).then_some(is_last);
            self.batch(&table, &current, &mut is_first_row, last)?;
            self.submit_if_full().await?;
            std::mem::swap(&mut current, &mut ahead);
        }
        self.progress.tables_done += 1;
        self.show();
        Ok(())
    }

    /// Emits the rows of a batch. `last` is `Some` for the last batch of a table, and true where
    /// the table is the last one.
    fn batch(
        &mut self,
        table: &Table,
        batch: &RowBatch,
        is_first_row: &mut bool,
        last: Option<bool>,
    ) -> Result<(), Error> {
        let count = batch.len();
        for (index, row) in batch.rows().enumerate() {
            let ends = last.filter(|_| index + 1 == count);
            self.point.marker = match (ends, *is_first_row) {
                (Some(true), _) => SnapshotMarker::Last,
                (_, true) if self.progress.rows == 0 => SnapshotMarker::First,
                (Some(false), _) => SnapshotMarker::LastInDataCollection,
                (None, true) => SnapshotMarker::FirstInDataCollection,
                (None, false) => SnapshotMarker::True,
            };
            *is_first_row = false;
            let values = table.row((row.len(), row.cells()), None, self.point.lsn)?;
            let now_ns = self.context.clock.now_ns();
            let out = &mut self.out;
            self.emitter
                .present(table, &self.point, Op::Read, &values, now_ns, out)?;
            self.progress.rows += 1;
        }
        let rows = u64::try_from(count).unwrap_or(u64::MAX);
        self.context.gauges.snapshot_rows.increment(rows);
        self.context.gauges.count(Op::Read, rows);
        self.show();
        Ok(())
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
