//! The records of one partition in a Produce request or Fetch response: whole batches, in pieces
//! that are never copied.

use bytes::{BufMut, Bytes, BytesMut};

/// Batches as they lie in a frame or in the log. Two sets are equal when their bytes are, however
/// they are cut into chunks.
#[derive(Debug, Clone, Default)]
pub struct RecordSet {
    chunks: Vec<Bytes>,
}

impl RecordSet {
    /// The chunks, in their order.
    #[must_use]
    pub fn chunks(&self) -> &[Bytes] {
        &self.chunks
    }

    /// Bytes of all chunks.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.chunks.iter().map(Bytes::len).sum()
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chunks.iter().all(Bytes::is_empty)
    }

    /// All bytes in one piece; copies only where there are several chunks, as there never are in
    /// what was decoded.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        if let [one] = self.chunks.as_slice() {
            return one.clone();
        }
        let mut all = BytesMut::with_capacity(self.len_bytes());
        for chunk in &self.chunks {
            all.put_slice(chunk);
        }
        all.freeze()
    }
}

impl From<Bytes> for RecordSet {
    fn from(bytes: Bytes) -> RecordSet {
        RecordSet {
            chunks: vec![bytes],
        }
    }
}

impl From<Vec<Bytes>> for RecordSet {
    fn from(chunks: Vec<Bytes>) -> RecordSet {
        RecordSet { chunks }
    }
}

impl PartialEq for RecordSet {
    fn eq(&self, other: &RecordSet) -> bool {
        self.len_bytes() == other.len_bytes()
            && self
                .chunks
                .iter()
                .flatten()
                .eq(other.chunks.iter().flatten())
    }
}

impl Eq for RecordSet {}
