//! The flags of `penstock bench`.

use clap::{Args, Subcommand};

use super::push::Bare;
use crate::record::Codec;

/// Records of a measurement that do not say how many.
pub(super) const RECORDS_DEFAULT: u64 = 1_000_000;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Bench {
    /// Write records, every one acknowledged
    Produce(Produce),
    /// Read a topic from its start to its end
    Consume(Consume),
    /// Send single records at a steady rate and measure until they are read
    E2e(E2e),
    /// Read a backlog of changes, alternating with pg_recvlogical
    #[command(
        after_help = "Without --source-url a private PostgreSQL is started. Folders are made below \
TMPDIR, whose disk is the one that is measured. In a database that is named, a schema, a publication \
and slots are made and removed again."
    )]
    Cdc(Cdc),
    /// Push durably with tokens, alternating with a bare handler that checks the same token
    Push(Push),
    /// The peer that `push` starts
    #[command(hide = true)]
    Bare(Bare),
}

/// Which broker, and how results are shown.
#[derive(Debug, Args)]
pub(in crate::cli) struct Server {
    /// The broker [default: the address of PENSTOCK_KAFKA_LISTEN]
    #[arg(long, value_name = "HOST:PORT")]
    pub(super) kafka: Option<String>,
    /// Use this topic and keep it [default: a topic that is deleted afterwards]
    #[arg(long)]
    pub(super) topic: Option<String>,
    /// The broker's process on this machine: tells its CPU seconds and memory
    #[arg(long)]
    pub(super) pid: Option<u32>,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// What the records are like.
#[derive(Debug, Args)]
pub(in crate::cli) struct Shape {
    /// Bytes of a record's value: hexadecimal digits, which compress to about half
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) size: u32,
    /// Partitions of the topic, where it is made
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=1000))]
    pub(super) partitions: i32,
    /// none, gzip, snappy, lz4 or zstd
    #[arg(long, default_value = "none", value_parser = codec)]
    pub(super) compression: Codec,
    /// Bytes of a batch before compression; one batch a request
    #[arg(long, default_value_t = 262_144, value_parser = clap::value_parser!(u32).range(1..=8_388_608))]
    pub(super) batch_bytes: u32,
    /// Requests under way at once
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=32))]
    pub(super) in_flight: u32,
    /// Write as an idempotent producer
    #[arg(long)]
    pub(super) idempotent: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Produce {
    #[command(flatten)]
    pub(super) server: Server,
    /// How many
    #[arg(long, default_value_t = RECORDS_DEFAULT, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) records: u64,
    #[command(flatten)]
    pub(super) shape: Shape,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Consume {
    #[command(flatten)]
    pub(super) server: Server,
    /// How many to write before they are read [default: 1000000]; with --topic how many to read at
    /// most [default: all]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) records: Option<u64>,
    #[command(flatten)]
    pub(super) shape: Shape,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct E2e {
    #[command(flatten)]
    pub(super) server: Server,
    /// Records a second, each in a request of its own
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) rate: u32,
    /// For how long
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(super) seconds: u32,
    /// Bytes of a record's value
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(24..=1_000_000))]
    pub(super) size: u32,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Cdc {
    /// postgres://... of a database with wal_level=logical [default: a private PostgreSQL]
    #[arg(long, value_name = "URL")]
    pub(super) source_url: Option<String>,
    /// Rows of the backlog, in transactions of ten
    #[arg(long, default_value_t = RECORDS_DEFAULT, value_parser = clap::value_parser!(u64).range(10..=1_000_000_000))]
    pub(super) rows: u64,
    /// How often each of the two reads it
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(super) pairs: u32,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Push {
    /// Connections, each with one request under way
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(super) connections: u32,
    /// How long each of the two is pushed to in a pair
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub(super) seconds: u32,
    /// How often each of the two is measured
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(super) pairs: u32,
    /// Bytes of a body
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(14..=1_000_000))]
    pub(super) size: u32,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

fn codec(name: &str) -> Result<Codec, String> {
    Codec::from_name(name).ok_or_else(|| "write none, gzip, snappy, lz4 or zstd".to_owned())
}
