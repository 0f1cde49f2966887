//! The initial snapshot: every row of the captured tables as an event of kind `r`.
//!
//! The rows are read in one transaction whose view ends where the stream begins, so that snapshot
//! and stream together are the table. Nothing is stored of the progress: only the append with the
//! last rows carries the position, and a snapshot that was interrupted before is taken again.
//!
//! A row that cannot be written becomes a dead letter, and is again one in a snapshot that is taken
//! again.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::event::{Op, SnapshotMarker, Value};
use crate::log::{Origin, Ticket};
use crate::postgres::catalog::{self, Table as CatalogTable, TableShape};
use crate::postgres::pgoutput::Cell;
use crate::postgres::types::{Modes, TypeRegistry};
use crate::postgres::{CopyTable, OversizedRow, Row, RowBatch, SqlClient};

use super::context::Context;
use super::emit::{Change, Emitter, Point};
use super::error::Error;
use super::letter::{Letter, RawRow, Rows, Subject};
use super::letters::Letters;
use super::outgoing::{CHUNK_BYTES, Outgoing};
use super::position::Position;
use super::prepare::SnapshotPlan;
use super::status::SnapshotProgress;
use super::table::{Compiler, Layout, Table};
use super::tables;

/// Appends on their way while the next rows are read.
const IN_FLIGHT_MAX: usize = 4;

/// A row of more bytes has its event tried before the row before it is emitted; such rows are rare,
/// and each is a batch of its own.
const LARGE_ROW_BYTES: usize = 256 << 10;

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
    letters: Letters,
    in_flight: VecDeque<Ticket>,
    progress: SnapshotProgress,
    point: Point<'static>,
    held: Option<Held>,
    /// Rows that were emitted or are held, of all tables and of the table being read.
    good_rows: u64,
    good_table_rows: u64,
}

/// The last row that can be written: it is emitted when the next one is known, or the end, because
/// the last rows of a table and of the snapshot are marked as such, whatever comes behind them
/// (empty tables, rows that become dead letters). Held over a batch's end as its own values.
struct Held {
    table: Arc<Table>,
    row: Vec<Value<'static>>,
    /// Its marker unless it is a last one.
    marker: SnapshotMarker,
}

impl<'c> Snapshot<'c> {
    fn new(context: &'c Context, plan: &SnapshotPlan) -> Snapshot<'c> {
        Snapshot {
            context,
            emitter: Emitter::new(&context.config, &context.run_id),
            out: Outgoing::default(),
            letters: Letters::default(),
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
            good_rows: 0,
            good_table_rows: 0,
        }
    }

    /// Reads one table.
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
        let table = Arc::new(table);
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
        let mut batch = RowBatch::default();
        while rows.next(&mut batch).await? {
            self.batch(&table, &batch).await?;
            // Others want the processor too.
            tokio::task::yield_now().await;
        }
        self.progress.tables_done += 1;
        self.progress.table_rows = 0;
        self.good_table_rows = 0;
        self.show();
        Ok(())
    }

    /// Emits the row that is held and those of a batch but for the last, which is held.
    async fn batch(&mut self, table: &Arc<Table>, batch: &RowBatch) -> Result<(), Error> {
        // The row before, with its marker unless it is a last one.
        let mut before: Option<(Row<'_>, Vec<Value<'_>>, SnapshotMarker)> = None;
        for row in batch.rows() {
            self.progress.rows += 1;
            self.progress.table_rows += 1;
            let values = match self.values(table, row) {
                Ok(values) => values,
                Err(error) => {
                    self.refuse(table, row, error).await?;
                    self.submit_if_full().await?;
                    continue;
                }
            };
            match before.take() {
                None => self.release_before(table)?,
                Some((row, values, marker)) => {
                    if let Err(error) = self.emit(table, marker, &values) {
                        self.refuse(table, row, error).await?;
                    }
                }
            }
            before = Some((row, values, self.next_marker()));
            self.submit_if_full().await?;
        }
        if let Some((row, values, marker)) = before {
            match self.check(table, &values) {
                Ok(()) => {
                    let row = values.into_iter().map(Value::into_owned).collect();
                    let table = Arc::clone(table);
                    self.held = Some(Held { table, row, marker });
                }
                Err(error) => self.refuse(table, row, error).await?,
            }
        }
        let mut rows = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        if let Some(row) = batch.oversized() {
            rows += 1;
            self.refuse_oversized(table, row).await?;
        }
        self.context.gauges.snapshot_rows.increment(rows);
        self.context.gauges.count(Op::Read, rows);
        self.show();
        self.submit_if_full().await
    }

    /// The values of a row; one so large that its event may be too large is tried, so that the row
    /// before it is not taken for one that another follows.
    fn values<'r>(&mut self, table: &Arc<Table>, row: Row<'r>) -> Result<Vec<Value<'r>>, Error> {
        let values = table.row((row.len(), row.cells()), None, self.point.lsn)?;
        if row.bytes() > LARGE_ROW_BYTES {
            self.check(table, &values)?;
        }
        Ok(values)
    }

    /// The marker of the next row that can be written, unless it is a last one.
    fn next_marker(&mut self) -> SnapshotMarker {
        let marker = match (self.good_rows, self.good_table_rows) {
            (0, _) => SnapshotMarker::First,
            (_, 0) => SnapshotMarker::FirstInDataCollection,
            _ => SnapshotMarker::True,
        };
        self.good_rows += 1;
        self.good_table_rows += 1;
        marker
    }

    /// Emits the row that was held, since a row of `table` follows.
    fn release_before(&mut self, table: &Arc<Table>) -> Result<(), Error> {
        let Some(held) = self.held.take() else {
            return Ok(());
        };
        let is_last = !Arc::ptr_eq(&held.table, table);
        let marker = match held.marker {
            SnapshotMarker::First => SnapshotMarker::First,
            _ if is_last => SnapshotMarker::LastInDataCollection,
            marker => marker,
        };
        self.emit(&held.table, marker, &held.row)
    }

    /// Makes the dead letter of a row, or gives the error back.
    async fn refuse(&mut self, table: &Table, row: Row<'_>, error: Error) -> Result<(), Error> {
        self.emitter.shrink();
        let letter = Letter {
            key: table.key_of(row.cells()),
            rows: Some(Rows {
                before: None,
                after: Some(RawRow::new(row.cells())),
            }),
            ..self.letter(table)
        };
        self.letters
            .write(self.context, &mut self.out, &letter, error)
            .await
    }

    async fn refuse_oversized(&mut self, table: &Table, row: &OversizedRow) -> Result<(), Error> {
        self.progress.rows += 1;
        self.progress.table_rows += 1;
        let leading = row.leading();
        let cells = leading.iter().map(|value| match value {
            Some(text) => Cell::Text(text),
            None => Cell::Null,
        });
        let letter = Letter {
            key: table.key_of(cells),
            ..self.letter(table)
        };
        let error = Error::RowTooLarge {
            table: table.title(),
            bytes: row.bytes,
        };
        self.letters
            .write(self.context, &mut self.out, &letter, error)
            .await
    }

    /// A letter about a row of `table`, without key and rows.
    fn letter<'t>(&self, table: &'t Table) -> Letter<'t> {
        Letter {
            topic: &table.topic,
            subject: Subject::row_of(table),
            op: Op::Read,
            lsn: self.point.lsn,
            tx_id: self.point.tx_id,
            ts_ms: self.point.ts_us.div_euclid(1_000),
            key: None,
            rows: None,
        }
    }

    /// Whether the event of a row can be written, whatever its marker.
    fn check(&mut self, table: &Table, row: &[Value<'_>]) -> Result<(), Error> {
        // The longest of them.
        self.point.marker = SnapshotMarker::FirstInDataCollection;
        let change = Change {
            table,
            point: &self.point,
            out: &mut self.out,
            now_ns: self.context.clock.now_ns(),
        };
        self.emitter.check(&change, Op::Read, row)
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
        if let Some(held) = self.held.take() {
            self.emit(&held.table, SnapshotMarker::Last, &held.row)?;
        }
        self.letters.tell_rest(self.context, true);
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
