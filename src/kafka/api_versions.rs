//! `ApiVersions` (18), versions 0 to 4: which APIs the broker speaks in which versions.
//!
//! Asked first on every connection. A version above 4 is answered with error 35 and the table in
//! the encoding of version 0 ([`encode_unsupported_version`]), and the connection goes on: clients
//! then ask again. The response header never has tagged fields. Features are not advertised.

use super::api::ApiKey;
use super::error::Error;
use super::error_code::ErrorCode;
use super::frame::{Frame, encode_response};
use super::table::{message, request};

request!(ApiVersionsRequest => ApiVersionsResponse, ApiVersions);

message! {
    /// Asks for the table.
    ApiVersionsRequest {
        /// Name of the client's library.
        client_software_name: String => 3..;
        /// Version of the client's library.
        client_software_version: String => 3..;
    }
}

message! {
    /// The table.
    ApiVersionsResponse {
        error_code: ErrorCode => ..;
        api_keys: Vec<ApiVersion> => ..;
        throttle_time_ms: i32 => 1..;
        supported_features: Vec<SupportedFeatureKey> => 3.., tag 0;
        finalized_features_epoch: i64 => 3.., tag 1, default -1;
        finalized_features: Vec<FinalizedFeatureKey> => 3.., tag 2;
        zk_migration_ready: bool => 3.., tag 3;
    }
}

message! {
    /// One API and its versions.
    ApiVersion {
        api_key: i16 => ..;
        min_version: i16 => ..;
        max_version: i16 => ..;
    }
}

message! {
    /// A feature that the broker could have.
    SupportedFeatureKey {
        name: String => 3..;
        min_version: i16 => 3..;
        max_version: i16 => 3..;
    }
}

message! {
    /// A feature that the cluster has agreed on.
    FinalizedFeatureKey {
        name: String => 3..;
        max_version_level: i16 => 3..;
        min_version_level: i16 => 3..;
    }
}

impl ApiVersionsResponse {
    /// The registration table as a response.
    #[must_use]
    pub fn of_all_apis() -> ApiVersionsResponse {
        let row = |key: &ApiKey| ApiVersion {
            api_key: key.number(),
            min_version: key.advertised_min(),
            max_version: key.version_max(),
        };
        ApiVersionsResponse {
            api_keys: ApiKey::ALL.iter().map(row).collect(),
            ..ApiVersionsResponse::default()
        }
    }
}

/// The answer to an `ApiVersions` request of a version that is not known: `response` (the table
/// that is advertised) with error 35, in the encoding of version 0.
pub fn encode_unsupported_version(
    correlation_id: i32,
    response: &ApiVersionsResponse,
) -> Result<Frame, Error> {
    let refusal = ApiVersionsResponse {
        error_code: ErrorCode::UNSUPPORTED_VERSION,
        ..response.clone()
    };
    encode_response::<ApiVersionsRequest>(0, correlation_id, &refusal)
}
