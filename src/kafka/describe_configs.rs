//! `DescribeConfigs` (32), versions 1 to 4: settings of topics and brokers.
//!
//! Resource types: 2 topic, 4 broker. Sources: 1 topic, 4 static broker config, 5 default.

use super::error_code::ErrorCode;
use super::table::{message, request};

request!(DescribeConfigsRequest => DescribeConfigsResponse, DescribeConfigs);

message! {
    /// Asks for settings.
    DescribeConfigsRequest {
        resources: Vec<DescribeConfigsResource> => ..;
        include_synonyms: bool => 1..;
        include_documentation: bool => 3..;
    }
}

message! {
    /// A topic or broker, and the settings asked for; null is all.
    DescribeConfigsResource {
        resource_type: i8 => ..;
        resource_name: String => ..;
        configuration_keys: Option<Vec<String>> => ..;
    }
}

message! {
    /// The settings.
    DescribeConfigsResponse {
        throttle_time_ms: i32 => ..;
        results: Vec<DescribeConfigsResult> => ..;
    }
}

message! {
    /// The settings of one topic or broker.
    DescribeConfigsResult {
        error_code: ErrorCode => ..;
        error_message: Option<String> => ..;
        resource_type: i8 => ..;
        resource_name: String => ..;
        configs: Vec<DescribeConfigsResourceResult> => ..;
    }
}

message! {
    /// One setting.
    DescribeConfigsResourceResult {
        name: String => ..;
        value: Option<String> => ..;
        read_only: bool => ..;
        config_source: i8 => 1.., default -1;
        is_sensitive: bool => ..;
        synonyms: Vec<DescribeConfigsSynonym> => 1..;
        config_type: i8 => 3..;
        documentation: Option<String> => 3..;
    }
}

message! {
    /// Where else a setting has a value.
    DescribeConfigsSynonym {
        name: String => 1..;
        value: Option<String> => 1..;
        source: i8 => 1..;
    }
}
