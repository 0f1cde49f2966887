//! From the bytes of a body to records: what it says it is, how it is packed, and what values
//! are in it. Pure: bytes in, records out.

mod cloud_event;
mod decoder;
mod gzip;
mod json;
mod lines;
mod media_type;
mod run;

pub(super) use cloud_event::Attributes;
pub(super) use decoder::Decoder;
pub(super) use gzip::Unpack;
pub use media_type::ACCEPT_POST;
pub(super) use media_type::MediaType;
pub use run::RECORDS_MAX;
pub(super) use run::{OwnedHeader, Run};
