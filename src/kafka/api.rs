//! The APIs Penstock speaks: the registration table from which `ApiVersions` and README's matrix
//! are made. An API is advertised when all of it works, never before.

use std::fmt;
use std::ops::RangeInclusive;

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    name: &'static str,
    versions: RangeInclusive<i16>,
    advertised_min: i16,
    flexible_from: i16,
}

macro_rules! apis {
    ($($name:ident = $key:literal, $versions:expr, advertised $advertised:literal,
        flexible $flexible:literal;)*) => {
        /// An API by its key.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ApiKey {
            $(#[doc = concat!("Kafka's ", stringify!($name), ", key ", $key, ".")] $name,)*
        }

        impl ApiKey {
            /// All APIs, by key.
            pub const ALL: &[ApiKey] = &[$(ApiKey::$name),*];

            /// Its number on the wire.
            #[must_use]
            pub fn number(self) -> i16 {
                match self {
                    $(ApiKey::$name => $key,)*
                }
            }

            /// The API with this number.
            #[must_use]
            pub fn from_number(number: i16) -> Option<ApiKey> {
                match number {
                    $($key => Some(ApiKey::$name),)*
                    _ => None,
                }
            }

            fn row(self) -> Row {
                match self {
                    $(ApiKey::$name => Row {
                        name: stringify!($name),
                        versions: $versions,
                        advertised_min: $advertised,
                        flexible_from: $flexible,
                    },)*
                }
            }
        }
    };
}

// Produce is advertised from 0: librdkafka before 2.1 falls back to message format 0 otherwise
// (KAFKA-18659); versions 0 to 2 are refused all the same, as by Kafka 4.
apis! {
    Produce = 0, 3..=11, advertised 0, flexible 9;
    Fetch = 1, 4..=17, advertised 4, flexible 12;
    ListOffsets = 2, 1..=9, advertised 1, flexible 6;
    Metadata = 3, 0..=12, advertised 0, flexible 9;
    OffsetCommit = 8, 2..=9, advertised 2, flexible 8;
    OffsetFetch = 9, 1..=9, advertised 1, flexible 6;
    FindCoordinator = 10, 0..=6, advertised 0, flexible 3;
    JoinGroup = 11, 0..=9, advertised 0, flexible 6;
    Heartbeat = 12, 0..=4, advertised 0, flexible 4;
    LeaveGroup = 13, 0..=5, advertised 0, flexible 4;
    SyncGroup = 14, 0..=5, advertised 0, flexible 4;
    DescribeGroups = 15, 0..=6, advertised 0, flexible 5;
    ListGroups = 16, 0..=5, advertised 0, flexible 3;
    ApiVersions = 18, 0..=4, advertised 0, flexible 3;
    CreateTopics = 19, 2..=7, advertised 2, flexible 5;
    DeleteTopics = 20, 1..=6, advertised 1, flexible 4;
    InitProducerId = 22, 0..=5, advertised 0, flexible 2;
    DescribeConfigs = 32, 1..=4, advertised 1, flexible 4;
    DeleteGroups = 42, 0..=2, advertised 0, flexible 2;
    DescribeCluster = 60, 0..=2, advertised 0, flexible 0;
}

impl ApiKey {
    /// Kafka's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The versions that are understood.
    #[must_use]
    pub fn versions(self) -> RangeInclusive<i16> {
        self.row().versions
    }

    /// The lowest version that `ApiVersions` answers with; below `versions` only for Produce.
    #[must_use]
    pub fn advertised_min(self) -> i16 {
        self.row().advertised_min
    }

    /// The highest version.
    #[must_use]
    pub fn version_max(self) -> i16 {
        *self.row().versions.end()
    }

    /// Whether `version` is understood.
    #[must_use]
    pub fn supports(self, version: i16) -> bool {
        self.row().versions.contains(&version)
    }

    /// Whether bodies of `version` are in the flexible encoding.
    #[must_use]
    pub fn is_flexible(self, version: i16) -> bool {
        version >= self.row().flexible_from
    }

    /// Whether response headers of `version` have tagged fields. Those of `ApiVersions` never
    /// have: its client does not know yet which versions the broker speaks.
    #[must_use]
    pub fn has_flexible_response_header(self, version: i16) -> bool {
        self.is_flexible(version) && self != ApiKey::ApiVersions
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_order_and_windows_agree_with_kafka() {
        let numbers: Vec<i16> = ApiKey::ALL.iter().map(|key| key.number()).collect();
        assert!(numbers.is_sorted());
        for key in ApiKey::ALL.iter().copied() {
            assert_eq!(ApiKey::from_number(key.number()), Some(key));
            assert!(key.advertised_min() <= *key.versions().start());
            let theirs = kafka_protocol::messages::ApiKey::try_from(key.number()).unwrap();
            assert_eq!(format!("{theirs:?}"), key.name());
            assert!(theirs.valid_versions().max >= key.version_max(), "{key}");
            for version in key.versions() {
                let flexible = theirs.request_header_version(version) == 2;
                assert_eq!(flexible, key.is_flexible(version), "{key} {version}");
                let header = theirs.response_header_version(version) == 1;
                assert_eq!(
                    header,
                    key.has_flexible_response_header(version),
                    "{key} {version}"
                );
            }
        }
        assert_eq!(ApiKey::from_number(7), None);
    }
}
