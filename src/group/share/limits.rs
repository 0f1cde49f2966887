//! The bounds of shared groups: what a member may ask for, and how much memory all of them take.

use std::time::Duration;

/// Records of one partition that a group may have open when new ones are given out: Kafka's
/// `group.share.partition.max.record.locks`. No member takes more than half of what is left, less
/// what it holds.
pub const IN_FLIGHT_RECORDS_MAX: usize = 2_000;
/// Records of one partition that may be open once redriven ones are added; more are refused until
/// some are done. Each costs up to 34 bytes of every state record of the partition.
pub const OPEN_RECORDS_MAX: usize = 10_000;
/// Shared groups there may be at once.
pub const GROUPS_MAX: usize = 10_000;
/// Partitions one group may read: those of one topic at most.
pub const GROUP_PARTITIONS_MAX: usize = 10_000;
/// Estimated bytes of the state of all shared groups. No records are given out above it.
pub const STATE_BYTES_MAX: usize = 64 << 20;
/// Estimated bytes of one open record: an entry and its place in the order of times.
pub const ENTRY_BYTES: usize = 160;
/// Estimated bytes of one partition of a group beside its open records.
pub const PARTITION_BYTES: usize = 512;
/// Bytes of the name that a member gives itself.
pub const MEMBER_BYTES_MAX: usize = 255;
/// Topics one read may name.
pub const READ_TOPICS_MAX: usize = 100;
/// Records of one answer.
pub const READ_RECORDS_MAX: usize = 2_000;
/// An answer is ended once it has this many bytes; a single record may be larger.
pub const READ_BYTES: usize = 4 << 20;
/// Answers in memory at once, each about [`READ_BYTES`]; more wait for their turn.
pub const READINGS_MAX: usize = 16;
/// A read waits no longer for records; below the idle timeouts of proxies.
pub const WAIT_MAX: Duration = Duration::from_secs(30);
/// The shortest lease; leases that ran out are looked for every [`TICK`].
pub const LEASE_MIN: Duration = Duration::from_secs(1);
/// The longest lease. Kafka's is a minute; here work such as an import may take longer, and a
/// member that died holds up its records, not those of others.
pub const LEASE_MAX: Duration = Duration::from_secs(3_600);
/// Acknowledgements in one call. Every one of them is about 50 bytes of a body of at most 1 MiB.
pub const ACKS_MAX: usize = 10_000;
/// How often leases that ran out are looked for.
pub const TICK: Duration = Duration::from_millis(100);
/// Dead letters put into one append.
pub const LETTERS_MAX: usize = 1_000;
/// Dead letters of one append are ended once they have this many bytes; a single one may be
/// larger.
pub const LETTER_BYTES: usize = 4 << 20;
/// A batch is decompressed up to this size; one that is larger cannot be delivered.
pub const DECOMPRESSED_BYTES_MAX: usize = 32 << 20;
/// Bytes read from the log at a time.
pub const FETCH_BYTES: usize = 1 << 20;
/// Changes that wait for their sync at once; more wait for their turn.
pub const WRITES_IN_FLIGHT_MAX: usize = 1_024;
/// Ranges of redriven letters kept for one partition of dead letters: 1 MiB of a state record.
pub const MARK_RANGES_MAX: usize = 65_536;
/// Letters redriven in one call.
pub const REDRIVE_MAX: usize = 10_000;
/// A partition that holds nothing readable at its next offset is looked at again after this time.
pub const STUCK_RETRY: Duration = Duration::from_secs(5);
