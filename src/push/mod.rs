//! The push door: third parties hand JSON in over a protocol, and it is durable in a topic when
//! they are told so.
//!
//! A push is one request. It passes, in this order: [`Name::parse`], [`Push::admit`] (may this
//! token push under this name), [`Push::take_turn`] (the integration's rate), [`Push::begin`]
//! (media type, encoding, announced length, headers), [`Intake::feed`] for each piece of the body,
//! and [`Intake::finish`], which appends. Nothing is written before `finish`.
//!
//! ```text
//!  pieces -> [gunzip] -> decoder -> batch (one copy of each value) --+
//!                 bounded          validated, schema                 +--> one append
//!  Idempotency-Key or CloudEvents id --> record of __push_keys ------+
//! ```
//!
//! # What is stored
//!
//! One request is one contiguous run of records in one partition of `integrations.<name>.data`
//! (`integrations.lifecycle` for the reserved name `lifecycle`), appended as one. A value is the
//! JSON as it was sent, without the white space around it: no number is read and written again.
//! A JSON array is a batch, its elements are the values. A CloudEvent is stored as its Kafka
//! binding says: in binary mode the data with `ce_*` headers, else the whole event. JSON Schemas
//! are asked about values as they are stored. Headers: `content-type`, `penstock.client_id`,
//! `penstock.idempotency_key` where there is one, `ce_*`, and the sender's `x-debezium-*`.
//!
//! # Idempotency keys
//!
//! A key (`Idempotency-Key`, or source and id of a CloudEvent, or of all events of a batch
//! together) belongs to its integration, is remembered for 24 hours, and is stored by the same
//! append as its records, in the compacted topic `__push_keys` (`keys::stored` draws the bytes).
//! So after any crash either both are there or neither is. A key is claimed when the body is
//! complete and its fingerprint known:
//!
//! ```text
//!            claim                 append durable
//!   free  --------->  in flight  ------------------>  stored  --24 h-->  free (tombstone)
//!    ^                 |      |
//!    |  nothing stored |      | outcome unknown
//!    +-----------------+      v
//!    +---------------------  in doubt  --a repetition claims it--> in flight
//!      another append succeeded
//! ```
//!
//! A failed write or sync has an unknown outcome: the entry is in a journal file of which nobody
//! knows what the disk holds. The log never writes to that file again, and the next append that
//! succeeds stands in a file whose header makes all that the old one holds beyond its last sync
//! void. From that follows what is sound here. While the process lives, no append has succeeded
//! since, and none is told to anybody, the key is in doubt: the answer was "may be stored". Once
//! any later append has succeeded, the records are surely absent and the key is free. A repetition
//! that comes before that claims the key and appends both again: if its append succeeds, that very
//! success voids the first one; if it is refused, the doubt stays. And if the process ends in
//! between, the replay of the journal decides, and the replay of `__push_keys` knows, since key and
//! records are one entry. In none of these cases are the records there twice.
//!
//! The append runs in a task of its own, so a caller that goes away neither leaves a key in flight
//! for ever nor takes its records back. The stored answer is 16 bytes of place in memory; after a
//! restart the place is a partition and a lower bound, and the offset is looked for when somebody
//! asks (`keys::find`).
//!
//! # Invariants
//!
//! - Whatever is refused has changed nothing, but for the dead letter that `keep_refused` asks for.
//! - Memory: bodies take a budget as their bytes arrive ([`BODIES_BYTES_MAX`]), keys are counted
//!   ([`KEYS_MAX`]), records of a request too ([`RECORDS_MAX`]).
//! - No byte below 0x20 and no 0x7f from outside gets into a record's header.
//!
//! Not here: HTTP, tokens, and what readers do with the records.

mod admission;
mod append;
mod body;
mod budget;
mod error;
mod handle;
mod intake;
mod keys;
mod lifecycle;
mod name;
mod rate;
mod seen;
mod service;

pub use admission::Admitted;
pub use append::Accepted;
pub use body::{ACCEPT_POST, RECORDS_MAX};
pub use budget::BODIES_BYTES_MAX;
pub use error::{Error, Flaw, Quota};
pub use handle::Push;
pub use intake::{Head, Intake};
pub use keys::{KEYS_MAX, REMEMBERED_MS};
pub use lifecycle::LIFECYCLE_SCHEMA;
pub use name::Name;
pub use service::Service;
