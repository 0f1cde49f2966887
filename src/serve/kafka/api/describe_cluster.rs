//! DescribeCluster, versions 0-2: the one broker, which is the controller as well.
//!
//! Only the endpoint type 1 (brokers) is served: there is no controller to talk to.
//! Ignored: authorized operations, which are not computed.

use super::super::broker::NODE_ID;
use super::super::dispatch::Context;
use crate::kafka::{
    DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse, ErrorCode,
};

const BROKERS: i8 = 1;

pub(in crate::serve::kafka) fn handle_describe_cluster(
    context: Context<'_>,
    request: &DescribeClusterRequest,
) -> DescribeClusterResponse {
    if request.endpoint_type != BROKERS {
        return DescribeClusterResponse {
            error_code: ErrorCode::MISMATCHED_ENDPOINT_TYPE,
            error_message: Some("this is a broker".to_owned()),
            endpoint_type: BROKERS,
            ..DescribeClusterResponse::default()
        };
    }
    let (host, port) = context.broker.endpoint(&context.caller);
    DescribeClusterResponse {
        endpoint_type: BROKERS,
        cluster_id: context.broker.log.cluster_id().to_owned(),
        controller_id: NODE_ID,
        brokers: vec![DescribeClusterBroker {
            broker_id: NODE_ID,
            host,
            port,
            rack: None,
            is_fenced: false,
        }],
        ..DescribeClusterResponse::default()
    }
}
