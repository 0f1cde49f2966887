//! Idempotency keys: what they are, which are remembered, how they are stored, and where the
//! records of an old one stand. The module doc of `push` says what holds.

mod find;
mod key;
mod replay;
mod stored;
mod table;

pub(super) use find::find;
pub(super) use key::{Fingerprint, HEADER, Key};
pub(super) use replay::replay;
pub(super) use stored::{NOTHING, StoredKey, tombstones};
pub(super) use table::{Claimed, Keys, Place, Settled, Stored};
pub use table::{KEYS_MAX, REMEMBERED_MS};
