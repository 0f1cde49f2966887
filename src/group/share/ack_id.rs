//! The text by which a member acknowledges a delivery: base64url of
//!
//! ```text
//! 16 bytes topic id, 4 partition, 8 offset, 8 owner of the lease; big-endian
//! ```
//! It is no secret and no proof: whoever may acknowledge for a group may make one up, and hits a
//! lease only by its owner's random number.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::{Buf, BufMut};
use uuid::Uuid;

use super::cell::Place;
use crate::topic::PartitionId;

const BYTES: usize = 36;
/// Characters of [`BYTES`] in base64.
const CHARACTERS: usize = 48;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AckId {
    pub(super) place: Place,
    pub(super) offset: i64,
    pub(super) owner: u64,
}

impl AckId {
    pub(super) fn encode(&self) -> String {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.put_u128(self.place.topic.as_u128());
        bytes.put_i32(self.place.partition.0);
        bytes.put_i64(self.offset);
        bytes.put_u64(self.owner);
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// `None` for a text that was never given out.
    pub(super) fn decode(text: &str) -> Option<AckId> {
        if text.len() != CHARACTERS {
            return None;
        }
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let mut bytes = bytes.as_slice();
        if bytes.len() != BYTES {
            return None;
        }
        Some(AckId {
            place: Place {
                topic: Uuid::from_u128(bytes.get_u128()),
                partition: PartitionId(bytes.get_i32()),
            },
            offset: bytes.get_i64(),
            owner: bytes.get_u64(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back_and_other_texts_are_none() {
        let id = AckId {
            place: Place {
                topic: Uuid::from_u128(7),
                partition: PartitionId(2),
            },
            offset: 1 << 40,
            owner: u64::MAX,
        };
        let text = id.encode();
        assert_eq!(text.len(), CHARACTERS);
        assert_eq!(AckId::decode(&text), Some(id));
        for other in ["", "x", &text[1..], &format!("{text}A"), &"*".repeat(48)] {
            assert_eq!(AckId::decode(other), None, "{other}");
        }
    }
}
