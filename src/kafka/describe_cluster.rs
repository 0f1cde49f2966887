//! `DescribeCluster` (60), versions 0 to 2: brokers and the controller.
//!
//! Endpoint types: 1 brokers, 2 controllers. Authorized operations are not computed.

use super::error_code::ErrorCode;
use super::metadata::AUTHORIZED_OPERATIONS_OMITTED;
use super::table::{message, request};

request!(DescribeClusterRequest => DescribeClusterResponse, DescribeCluster);

message! {
    /// Asks for the cluster.
    DescribeClusterRequest {
        include_cluster_authorized_operations: bool => ..;
        endpoint_type: i8 => 1.., default 1;
        include_fenced_brokers: bool => 2..;
    }
}

message! {
    /// The cluster.
    DescribeClusterResponse {
        throttle_time_ms: i32 => ..;
        error_code: ErrorCode => ..;
        error_message: Option<String> => ..;
        endpoint_type: i8 => 1.., default 1;
        cluster_id: String => ..;
        controller_id: i32 => .., default -1;
        brokers: Vec<DescribeClusterBroker> => ..;
        cluster_authorized_operations: i32 => .., default AUTHORIZED_OPERATIONS_OMITTED;
    }
}

message! {
    /// A broker and where it listens.
    DescribeClusterBroker {
        broker_id: i32 => ..;
        host: String => ..;
        port: i32 => ..;
        rack: Option<String> => ..;
        is_fenced: bool => 2..;
    }
}
