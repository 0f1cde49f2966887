//! Agreement with the crate kafka-protocol, for every version of every message.
//! `PROPTEST_CASES` sets the number of cases per version; a failure prints its seed.

macro_rules! against_kafka_protocol {
    ($request:ident, $response:ident, $key:ident) => {
        #[cfg(test)]
        mod oracle {
            use super::{$request, $response};
            use $crate::kafka::oracle::agree;

            #[test]
            fn requests_agree_with_kafka_protocol_in_every_version() {
                agree::<$request, kafka_protocol::messages::$request>($crate::kafka::ApiKey::$key);
            }

            #[test]
            fn responses_agree_with_kafka_protocol_in_every_version() {
                agree::<$response, kafka_protocol::messages::$response>(
                    $crate::kafka::ApiKey::$key,
                );
            }
        }
    };
}
pub(super) use against_kafka_protocol;

use std::fmt::Debug;

use bytes::{Bytes, BytesMut};
use kafka_protocol::protocol::{Decodable, Encodable};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::api::ApiKey;
use super::reader::Reader;
use super::sample::{Sample, Source};
use super::wire::Wire;
use super::writer::Writer;

/// Encodes samples, has the oracle read and write them again, and wants the same bytes; then reads
/// those bytes and wants the same value. So both directions agree on both sides.
pub(super) fn agree<Ours, Theirs>(key: ApiKey)
where
    Ours: Wire + Sample + PartialEq + Debug,
    Theirs: Decodable + Encodable,
{
    let versions: Vec<i16> = key.versions().collect();
    for version in versions {
        let run = TestRunner::new(ProptestConfig::default()).run(&any::<u64>(), |seed| {
            let value = Ours::sample(&mut Source::new(seed, version));
            let flexible = key.is_flexible(version);
            let mut writer = Writer::new(version, flexible);
            value.encode(&mut writer).unwrap();
            let ours = writer.concatenated();

            let mut read = ours.clone();
            let theirs = Theirs::decode(&mut read, version)
                .map_err(|error| TestCaseError::fail(format!("{error}: {value:?}")))?;
            prop_assert!(read.is_empty(), "{} bytes left of {value:?}", read.len());
            let mut written = BytesMut::new();
            theirs.encode(&mut written, version).unwrap();
            prop_assert_eq!(&ours, &written.freeze(), "{:?}", value);

            let again = decode::<Ours>(&ours, version, flexible)?;
            prop_assert_eq!(&again, &value);
            Ok(())
        });
        if let Err(error) = run {
            panic!("{key} version {version}: {error}");
        }
    }
}

fn decode<T: Wire>(bytes: &Bytes, version: i16, flexible: bool) -> Result<T, TestCaseError> {
    let mut reader = Reader::new(bytes, version, flexible, 1 << 20);
    let value = T::decode(&mut reader)
        .map_err(|error| TestCaseError::fail(format!("our own bytes: {error}")))?;
    prop_assert!(reader.rest().is_empty());
    Ok(value)
}
