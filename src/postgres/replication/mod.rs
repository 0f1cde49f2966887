//! The replication connection: identify the server, make and drop slots, stream.

mod connection;
mod frame;
mod options;
mod reader;
mod status;

pub use connection::{CreatedSlot, ReplicationConnection, SystemIdentity};
pub use frame::Frame;
pub use options::StreamOptions;
pub use reader::ReplicationReader;
pub use status::StatusWriter;
