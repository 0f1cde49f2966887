//! The compiled converter: the document's frame around the compiled schema.

use super::node::Node;
use super::{JsonOptions, envelope, schema};
use crate::convert::Error;
use crate::event::{Envelope, Schema, Value};

/// A schema compiled for writing. Cheap to share, never changes.
#[derive(Debug, Clone)]
pub struct JsonPlan {
    /// `{"schema":..,"payload":` or nothing.
    head: Box<[u8]>,
    /// `}` or nothing.
    tail: &'static [u8],
    root: Node,
    /// Of the row schema, where the schema is an envelope.
    row: Option<Node>,
}

impl JsonPlan {
    /// Compiles `schema`.
    #[must_use]
    pub fn compile(schema: &Schema, options: &JsonOptions) -> JsonPlan {
        let (head, tail): (Vec<u8>, &'static [u8]) = if options.schemas_enable {
            let mut head = b"{\"schema\":".to_vec();
            schema::write(schema, None, options, &mut head);
            head.extend_from_slice(b",\"payload\":");
            (head, b"}")
        } else {
            (Vec::new(), b"")
        };
        let row = envelope::row_of(schema).map(|row| Node::compile(row, options));
        JsonPlan {
            head: head.into_boxed_slice(),
            tail,
            root: Node::compile(schema, options),
            row,
        }
    }

    /// Appends the document of `value` to `out`. After an error the bytes written so far are cut
    /// off again.
    pub fn write(&self, value: &Value<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        self.framed(out, |out| self.root.write(value, out))
    }

    /// Appends the document of a change event to `out`, as [`JsonPlan::write`] of its
    /// [`Envelope::to_value`] would, without making that value. The plan must be one of
    /// [`envelope_schema`](crate::event::envelope_schema).
    pub fn write_envelope(&self, event: &Envelope<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        let row = self.row.as_ref().ok_or(Error::NoEnvelope)?;
        self.framed(out, |out| envelope::write(row, event, out))
    }

    /// Appends the document of a struct whose field values are `fields`, as a key is.
    pub fn write_struct(&self, fields: &[Value<'_>], out: &mut Vec<u8>) -> Result<(), Error> {
        self.framed(out, |out| self.root.write_struct(fields, out))
    }

    fn framed(
        &self,
        out: &mut Vec<u8>,
        body: impl FnOnce(&mut Vec<u8>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let start = out.len();
        out.extend_from_slice(&self.head);
        match body(out) {
            Ok(()) => {
                out.extend_from_slice(self.tail);
                Ok(())
            }
            Err(error) => {
                out.truncate(start);
                Err(error)
            }
        }
    }
}
