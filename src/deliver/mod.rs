//! Dead letters as people handle them: how many there are, why, how old; and redrive and purge.
//!
//! # Shape
//!
//! ```text
//!  topics dlq.* --read--> Service --reason of each offset--> Index <--depth, open letters-- Letters
//!                                                                                            |
//!  group::Shares / Log <--- one append: the record again, and the mark "redriven" -----------+
//! ```
//!
//! - [`Place`] says what a topic of dead letters belongs to: a group, an integration, a connector.
//! - [`Letter`] is a dead letter's headers, read.
//! - `Index` keeps one byte for each offset of these topics: why it is open, or that it is
//!   settled. It is rebuilt from the topics at start, in the background.
//! - [`Service`] reads the topics into the index.
//! - [`Letters`] is the handle: depth, redrive, purge.
//!
//! Invariants:
//! - depth = dead letters neither redriven, purged nor expired; exact, or said not to be;
//! - a redrive and its mark are one append, so a letter is redriven once, whoever asks when;
//! - a redrive never writes to the record's own topic, unless a copy is asked for by name.
//!
//! Not here: making dead letters, which groups, pushes and connectors do in the append that gives
//! the record up; showing them, which is `serve::http`.

mod error;
mod index;
mod letter;
mod letters;
mod place;
mod plan;
mod read;
mod redrive;
mod scan;
mod service;
#[cfg(test)]
mod tests;

pub use error::{Error, Obstacle};
pub use index::{LETTERS_MAX, TopicDepth};
pub use letter::{Letter, RecordPlace};
pub use letters::{Letters, OwnerOf, Parts};
pub use place::{Place, RETRY_PREFIX};
pub use redrive::{REFUSED_MAX, Redriven, Refused, Selection};
pub use scan::{EachLetter, Places};
pub use service::Service;
