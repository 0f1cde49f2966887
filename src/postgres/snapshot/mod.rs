//! Snapshots: a read-only transaction at one position of the log, tables read by `COPY`, rows in
//! batches.

mod batch;
mod copy_text;
mod query;
mod reader;
mod rows;

pub use batch::{OversizedRow, Row, RowBatch};
pub use query::CopyTable;
pub use reader::SnapshotReader;
pub use rows::CopyRows;
