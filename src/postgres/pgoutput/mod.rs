//! Decodes the messages of PostgreSQL's output plugin `pgoutput`, protocol version 1 with logical
//! messages: bytes of one `XLogData` in, one borrowed [`Message`] out.
//!
//! Pure: no sockets, no clocks, no state. Nothing here panics or allocates beyond the size of the
//! frame, whatever the bytes are; a message that is not understood whole is an error, never a
//! guess. What needs memory of earlier messages (relations, the open transaction) is the caller's.
//!
//! Not here: protocol versions 2 to 4 (streaming of open transactions, two-phase commit), whose
//! messages are refused as unknown; the meaning of values (`postgres::types`).

mod begin;
mod commit;
mod cursor;
mod delete;
mod error;
mod head;
mod insert;
mod logical_message;
mod message;
mod origin;
mod relation;
mod truncate;
mod tuple;
mod type_name;
mod update;

pub use begin::Begin;
pub use commit::Commit;
pub use delete::Delete;
pub use error::DecodeError;
pub use head::{Head, HeadChange};
pub use insert::Insert;
pub use logical_message::LogicalMessage;
pub use message::{Message, decode};
pub use origin::Origin;
pub use relation::{Relation, RelationColumn, ReplicaIdentity};
pub use truncate::{RelationIds, Truncate};
pub use tuple::{Cell, Cells, OldTuple, Tuple};
pub use type_name::TypeName;
pub use update::Update;
