//! Penstock: PostgreSQL changes in durable topics that any Kafka client can read, in one process.
//!
//! # Bird's eye
//!
//! ```text
//!  PostgreSQL --pgoutput--> connect --append--> log <--read-- serve/kafka <-- Kafka clients
//!  (walsender)   decode, convert, batch          |                |
//!  third parties --token--> push ----append----->|             group (offsets, deliveries)
//!     (auth)       parse, check, keys            |                |
//!                                     journal + segments          |
//!                                                |<---append------+
//!                                                +<--read-- serve/http <-- curl, commands, console
//!                                                |
//!                                                +<--read, redrive-- deliver (dead letters)
//! ```
//!
//! Everything durable is a record in a topic: changes and pushes, and also the positions of
//! connectors, the offsets and deliveries of groups, and idempotency keys, which live in internal
//! compacted topics. Every write is one atomic append through one journal, so a piece of a
//! PostgreSQL transaction and the position behind it are durable together or not at all, and so are
//! a push and its key, or an acknowledgement and the dead letter it causes. From that follows
//! exactly once, whatever is killed when.
//!
//! A change takes this way: a frame of the replication connection is decoded (`postgres`), becomes
//! a value with a schema (`event`), is written as JSON (`convert`) into record batches (`record`),
//! and goes to the `log` in an append that also holds the new position (`connect`). The log writes
//! the journal, syncs it once for everybody who waits, and only then lets readers see it. When the
//! append is durable the position is confirmed to PostgreSQL, never before.
//!
//! A push takes this way: its token becomes a principal (`auth`), the principal is let in for one
//! integration, the body is checked as it arrives and goes into one batch (`push`); the append holds
//! the batch and the key under which it is remembered. A member of a shared group gets records that
//! were durably counted as delivered before they were sent (`group::share`); what it gives up on
//! becomes a dead letter in the append that ends the delivery, and is looked at, counted and given
//! back by `deliver`.
//!
//! # Code map, by layers
//!
//! Imports point down only; two folders of one layer do not know each other. `tests/tidy.rs` holds
//! the code to it.
//!
//! | layer | folders | what they are |
//! |---|---|---|
//! | 9 | `main.rs`, `cli` | flags, commands, demo, output for people and as JSON |
//! | 8 | `app` | builds everything from the configuration, starts it, and ends it in order; the only place that knows all folders |
//! | 7 | `console` | the web console's files, embedded |
//! | 6 | `serve/kafka`, `serve/http` | the faces: each translates a protocol to calls on `log` and `group` |
//! | 5 | `connect`, `push`, `deliver` | a connector's run: source, conversion, append; its state as people see it; what third parties push, with idempotency keys; dead letters: depth, redrive, purge |
//! | 4 | `postgres`, `group`, `auth` | the replication connection, pgoutput, snapshots, the catalogue; consumer groups as a pure state machine with a shell that stores offsets; tokens verified with the issuer's keys |
//! | 3 | `log`, `convert` | journal, segments, recovery, retention; Kafka Connect's JSON |
//! | 2 | `config`, `metrics` | settings and connector files, checked; names of metrics and their page |
//! | 1 | `event`, `record`, `kafka` | Kafka Connect's data model and Debezium's envelope; RecordBatch v2; Kafka's wire format, one file for each API |
//! | 0 | `lsn`, `topic`, `clock`, `backoff`, `tasks`, `error` | small nouns that all others use |
//!
//! `record`, `event`, `kafka`, `convert`, the pgoutput decoder and the state of `group` are pure:
//! bytes or values in, bytes or values out; no sockets, files or clocks.
//!
//! # Invariants
//!
//! - A reader never sees a record that is not durable, and a record that was acknowledged was
//!   synced before. No setting changes this.
//! - A file whose sync failed is never synced or written again.
//! - `received >= appended >= durable >= confirmed` holds for every connector. Only the end of a
//!   position that is stored is confirmed to PostgreSQL.
//! - Row positions are never compared to find duplicates; the stored position counts the messages
//!   of the open transaction.
//! - Every queue, frame, connection count and retry has a named limit; what is read from outside
//!   is checked before memory is taken for it.
//! - Every task is started by [`tasks::spawn`], and somebody joins or aborts it.
//! - Every refusal has a code of [`error`], and says what, where and how to mend it.
//! - `serve/*` holds no durable state, and never writes a segment.
//! - A delivery is counted durably before its records are sent; a record ends accepted or as a dead
//!   letter, once.
//! - A token is never logged; its algorithm and key come from the issuer, never from the token.
//! - The source database is never changed but for the slot and the publication, and no lock is
//!   taken that blocks writers.
//! - Time, disk and randomness come in by argument where a test must control them.
//!
//! # What is not here
//!
//! - Replication between nodes, and partitions over machines: one node by design.
//! - A metadata store beside the log: topics, offsets and positions are records.
//! - A queue or task hop for each event between the database and the log.
//! - A sync timer: an append is synced as soon as the one before it is.
//! - An unsafe block: the compiler forbids it.
//! - The folders `forward`, `registry`, `transform` and the faces for gRPC, Cap'n Proto and SQL:
//!   they are planned, and settings that need them are refused or named as off.

pub mod app;
pub mod auth;
pub mod backoff;
pub mod cli;
pub mod clock;
pub mod config;
pub mod connect;
pub mod console;
pub mod convert;
pub mod deliver;
pub mod error;
pub mod event;
pub mod group;
pub mod kafka;
pub mod log;
pub mod lsn;
pub mod metrics;
pub mod postgres;
pub mod push;
pub mod record;
pub mod serve;
pub mod tasks;
pub mod topic;
