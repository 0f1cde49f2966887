//! Change events written field by field, without a value of the whole event.
//!
//! The envelope's own part is the same for every table, so its keys stand here as text; the rows
//! are written by the table's plan. A test holds this file to what [`Envelope::to_value`] gives.

use super::node::Node;
use super::text;
use crate::convert::Error;
use crate::event::{
    CONNECTOR, Envelope, Schema, Source, TransactionBlock, VERSION, source_schema,
    transaction_block_schema,
};

/// The row schema of an envelope schema; none where `schema` is not an envelope as
/// [`envelope_schema`](crate::event::envelope_schema) builds it.
pub(super) fn row_of(schema: &Schema) -> Option<&Schema> {
    let fields = schema.fields();
    let [before, after, source, transaction, ..] = fields else {
        return None;
    };
    let names = [
        "before",
        "after",
        "source",
        "transaction",
        "op",
        "ts_ms",
        "ts_us",
        "ts_ns",
    ];
    let is_envelope = fields.iter().map(|field| &*field.name).eq(names)
        && before.schema == after.schema
        && source.schema == source_schema()
        && transaction.schema == transaction_block_schema();
    is_envelope.then_some(&*before.schema)
}

pub(super) fn write(row: &Node, event: &Envelope<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
    out.extend_from_slice(b"{\"before\":");
    write_row(row, "before", event.before, out)?;
    out.extend_from_slice(b",\"after\":");
    write_row(row, "after", event.after, out)?;
    out.extend_from_slice(b",\"source\":");
    write_source(event.source, out);
    out.extend_from_slice(b",\"transaction\":");
    match &event.transaction {
        None => out.extend_from_slice(b"null"),
        Some(block) => write_transaction(block, out),
    }
    out.extend_from_slice(b",\"op\":");
    text::string(event.op.as_str(), out);
    member(",\"ts_ms\":", event.ts_ms(), out);
    member(",\"ts_us\":", event.ts_us(), out);
    member(",\"ts_ns\":", event.ts_ns, out);
    out.push(b'}');
    Ok(())
}

fn write_row(
    row: &Node,
    name: &str,
    values: Option<&[crate::event::Value<'_>]>,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let Some(values) = values else {
        out.extend_from_slice(b"null");
        return Ok(());
    };
    row.write_struct(values, out)
        .map_err(|error| error.within(name))
}

fn write_source(source: &Source<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"version\":\"");
    out.extend_from_slice(VERSION.as_bytes());
    out.extend_from_slice(b"\",\"connector\":\"");
    out.extend_from_slice(CONNECTOR.as_bytes());
    out.extend_from_slice(b"\",\"name\":");
    text::string(source.name, out);
    member(",\"ts_ms\":", source.ts_ms(), out);
    out.extend_from_slice(b",\"snapshot\":\"");
    out.extend_from_slice(source.snapshot.as_str().as_bytes());
    out.extend_from_slice(b"\",\"db\":");
    text::string(source.db, out);
    out.extend_from_slice(b",\"sequence\":");
    match source.sequence {
        None => out.extend_from_slice(b"null"),
        Some(sequence) => {
            out.push(b'"');
            sequence.write(b"\\\"", out);
            out.push(b'"');
        }
    }
    member(",\"ts_us\":", source.ts_us, out);
    member(",\"ts_ns\":", source.ts_ns(), out);
    out.extend_from_slice(b",\"schema\":");
    text::string(source.schema, out);
    out.extend_from_slice(b",\"table\":");
    text::string(source.table, out);
    optional(",\"txId\":", source.tx_id, out);
    let signed = |lsn: crate::lsn::Lsn| lsn.0.cast_signed();
    optional(",\"lsn\":", source.lsn.map(signed), out);
    optional(",\"xmin\":", source.xmin, out);
    out.extend_from_slice(b",\"origin\":");
    match source.origin {
        None => out.extend_from_slice(b"null"),
        Some(origin) => text::string(origin, out),
    }
    optional(",\"origin_lsn\":", source.origin_lsn.map(signed), out);
    out.push(b'}');
}

fn write_transaction(block: &TransactionBlock<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"id\":");
    text::string(block.id, out);
    member(",\"total_order\":", block.total_order, out);
    member(
        ",\"data_collection_order\":",
        block.data_collection_order,
        out,
    );
    out.push(b'}');
}

fn member(lead: &str, value: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(lead.as_bytes());
    text::integer(value, out);
}

fn optional(lead: &str, value: Option<i64>, out: &mut Vec<u8>) {
    out.extend_from_slice(lead.as_bytes());
    match value {
        None => out.extend_from_slice(b"null"),
        Some(value) => text::integer(value, out),
    }
}
