//! Writes one message of a frame. Large record sets are not copied: they become parts of their
//! own between the pieces of what is written.

use bytes::{BufMut, Bytes, BytesMut};

use super::error::Error;
use super::wire::Plain;

/// A record set of at least this size goes out as a part of its own (one entry of a `writev`);
/// copying less costs no more than the entry does.
const PART_BYTES_MIN: usize = 4096;

/// Writes one message of a frame.
#[derive(Debug)]
pub struct Writer {
    bytes: BytesMut,
    /// Record sets that are not copied, each with the place in `bytes` before which it stands.
    parts: Vec<(usize, Bytes)>,
    version: i16,
    flexible: bool,
}

impl Writer {
    /// Writes a message of `version`.
    #[must_use]
    pub fn new(version: i16, flexible: bool) -> Writer {
        Writer {
            bytes: BytesMut::with_capacity(256),
            parts: Vec::new(),
            version,
            flexible,
        }
    }

    /// The version of the message.
    #[must_use]
    pub fn version(&self) -> i16 {
        self.version
    }

    /// Whether the version is a flexible one.
    #[must_use]
    pub fn is_flexible(&self) -> bool {
        self.flexible
    }

    /// Goes on in the encoding of a flexible version or not: headers differ from their bodies.
    pub fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    /// Appends bytes as they are.
    pub fn put(&mut self, bytes: &[u8]) {
        self.bytes.put_slice(bytes);
    }

    /// Appends an unsigned varint.
    pub fn put_varint(&mut self, value: u32) {
        let mut rest = value;
        loop {
            let [low, ..] = rest.to_le_bytes();
            rest >>= 7;
            if rest == 0 {
                self.bytes.put_u8(low & 0x7f);
                return;
            }
            self.bytes.put_u8(low | 0x80);
        }
    }

    /// Appends the bytes of a record set, without copying large ones.
    pub(super) fn put_part(&mut self, part: &Bytes) {
        if part.len() < PART_BYTES_MIN {
            self.bytes.put_slice(part);
        } else {
            self.parts.push((self.bytes.len(), part.clone()));
        }
    }

    /// Appends the length of a string, byte string or array; `None` is null.
    pub(super) fn put_length(&mut self, plain: Plain, length: Option<usize>) -> Result<(), Error> {
        let too_long = |length: usize| Error::TooLong { bytes: length };
        if self.flexible {
            let number = match length {
                None => 0,
                // Lengths stay within what the plain encoding could say as well.
                Some(length) => i32::try_from(length)
                    .ok()
                    .and_then(|number| number.unsigned_abs().checked_add(1))
                    .ok_or_else(|| too_long(length))?,
            };
            self.put_varint(number);
            return Ok(());
        }
        match (plain, length) {
            (Plain::Short, None) => self.bytes.put_i16(-1),
            (Plain::Long, None) => self.bytes.put_i32(-1),
            (Plain::Short, Some(length)) => {
                self.bytes
                    .put_i16(i16::try_from(length).map_err(|_| too_long(length))?);
            }
            (Plain::Long, Some(length)) => {
                self.bytes
                    .put_i32(i32::try_from(length).map_err(|_| too_long(length))?);
            }
        }
        Ok(())
    }

    /// Appends one tagged field, whose value `encode` writes.
    pub fn put_tagged_field(
        &mut self,
        tag: u32,
        encode: impl FnOnce(&mut Writer) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut inner = Writer::new(self.version, self.flexible);
        encode(&mut inner)?;
        let field = inner.concatenated();
        self.put_varint(tag);
        let length =
            u32::try_from(field.len()).map_err(|_| Error::TooLong { bytes: field.len() })?;
        self.put_varint(length);
        self.put(&field);
        Ok(())
    }

    /// What was written, in parts that follow each other.
    pub(super) fn into_parts(self) -> Vec<Bytes> {
        let mut rest = self.bytes.freeze();
        let mut all = Vec::with_capacity(self.parts.len().saturating_mul(2).saturating_add(1));
        let mut written = 0_usize;
        for (at, part) in self.parts {
            let before = rest.split_to(at.saturating_sub(written));
            written = at;
            if !before.is_empty() {
                all.push(before);
            }
            all.push(part);
        }
        if !rest.is_empty() {
            all.push(rest);
        }
        all
    }

    /// What was written, in one piece.
    pub(super) fn concatenated(self) -> Bytes {
        if self.parts.is_empty() {
            return self.bytes.freeze();
        }
        let parts = self.into_parts();
        let mut all = BytesMut::with_capacity(parts.iter().map(Bytes::len).sum());
        for part in &parts {
            all.put_slice(part);
        }
        all.freeze()
    }

    /// Bytes written so far.
    pub(super) fn len_bytes(&self) -> usize {
        let parts: usize = self.parts.iter().map(|(_, part)| part.len()).sum();
        self.bytes.len().saturating_add(parts)
    }

    /// Overwrites the first four bytes, the frame's length.
    pub(super) fn set_first(&mut self, number: i32) {
        if let Some(first) = self.bytes.first_chunk_mut::<4>() {
            *first = number.to_be_bytes();
        }
    }
}
