//! The bounds of group coordination: what a member may ask for, and how much memory all groups
//! together may take. Whatever clients do, the state of groups stays below
//! [`STATE_BYTES_MAX`] plus [`GROUPS_MAX`] empty groups.

/// Shortest session timeout a member may ask for: Kafka's `group.min.session.timeout.ms`.
pub const SESSION_TIMEOUT_MS_MIN: i32 = 6_000;
/// Longest session timeout a member may ask for: Kafka's `group.max.session.timeout.ms`.
pub const SESSION_TIMEOUT_MS_MAX: i32 = 1_800_000;
/// A rebalance waits no longer than this for a member, whatever the member asked for; it is
/// Kafka Connect's and the Java consumer's `max.poll.interval.ms` several times over.
pub const REBALANCE_TIMEOUT_MS_MAX: i32 = 3_600_000;
/// A new member that waits for its first rebalance is given up after this time: Kafka's
/// `group.coordinator.new.member.join.timeout.ms`.
pub const NEW_MEMBER_JOIN_MS_MAX: i64 = 300_000;
/// The first rebalance of an empty group waits this long for more members. Kafka waits 3 s for
/// fleets that start over minutes; members of one compose file start together, and a lone reader
/// should not wait.
pub const INITIAL_REBALANCE_DELAY_MS: i64 = 100;
/// Members of one group; above any partition count a single machine serves.
pub const MEMBERS_MAX: usize = 1_000;
/// Protocols (assignors) that one member offers; clients offer one to three.
pub const PROTOCOLS_MAX: usize = 32;
/// Bytes of all protocols' metadata of one member. A subscription of 4,000 topics with names of
/// 249 bytes fits.
pub const PROTOCOL_BYTES_MAX: usize = 1 << 20;
/// Bytes of one member's assignment.
pub const ASSIGNMENT_BYTES_MAX: usize = 1 << 20;
/// Bytes of all members of one group: the group is stored as one record, which has to stay below
/// the 16 MiB of `max.message.bytes`.
pub const MEMBERS_BYTES_MAX: usize = 12 << 20;
/// Bytes of a member id or group instance id; longer than any client makes them.
pub const MEMBER_ID_BYTES_MAX: usize = 512;
/// Bytes of a group id. Kafka's limit is that of a string (32 KiB); ids are metric labels and
/// parts of topic names here, so a topic name's length holds.
pub const GROUP_ID_BYTES_MAX: usize = 249;
/// Groups there may be at once.
pub const GROUPS_MAX: usize = 10_000;
/// Bytes of the text a client may store with an offset: Kafka's `offset.metadata.max.bytes`.
pub const OFFSET_METADATA_BYTES_MAX: usize = 4_096;
/// Bytes of the offsets and members of all groups, estimated. New members, assignments and
/// offsets are refused above it.
pub const STATE_BYTES_MAX: usize = 64 << 20;
/// Estimated bytes of one committed offset beside its text.
pub const OFFSET_BYTES: usize = 128;
/// Estimated bytes of one member beside its metadata.
pub const MEMBER_BYTES: usize = 512;
/// Offsets are kept this long after their group became empty: Kafka's
/// `offsets.retention.minutes`, 7 days.
pub const OFFSETS_RETENTION_MS: i64 = 7 * 24 * 3_600_000;
/// How often expired offsets are looked for: Kafka's `offsets.retention.check.interval.ms`.
pub const EXPIRY_INTERVAL_MS: i64 = 600_000;
/// Commits, deletions and seeks that wait for their sync at once; more wait for their turn.
pub const WRITES_IN_FLIGHT_MAX: usize = 1_024;

/// What a deployment may set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// [`INITIAL_REBALANCE_DELAY_MS`] unless set.
    pub initial_rebalance_delay_ms: i64,
    /// [`OFFSETS_RETENTION_MS`] unless set.
    pub offsets_retention_ms: i64,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            initial_rebalance_delay_ms: INITIAL_REBALANCE_DELAY_MS,
            offsets_retention_ms: OFFSETS_RETENTION_MS,
        }
    }
}
