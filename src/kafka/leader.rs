//! Who leads a partition, and where: tagged parts that Produce and Fetch responses share.

use super::table::message;

message! {
    /// The leader of a partition.
    LeaderIdAndEpoch {
        leader_id: i32 => .., default -1;
        leader_epoch: i32 => .., default -1;
    }
}

message! {
    /// Where a broker listens.
    NodeEndpoint {
        node_id: i32 => ..;
        host: String => ..;
        port: i32 => ..;
        rack: Option<String> => ..;
    }
}
