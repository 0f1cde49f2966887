//! The primitives of Kafka's wire format: numbers, strings, arrays and tagged fields, in the
//! plain and in the flexible ("compact") encoding.
//!
//! Invariant: a [`Reader`] never reads past the frame, never panics, and never makes the decoded
//! value larger than the budget it was given: every string and every array is charged before it
//! is allocated. A number on the wire allocates nothing by itself.

use bytes::{BufMut, Bytes, BytesMut};
use uuid::Uuid;

use super::error::Error;
use super::record_set::RecordSet;

/// A record set of at least this size goes out as a part of its own (one entry of a `writev`);
/// copying less costs no more than the entry does.
const PART_BYTES_MIN: usize = 4096;

/// Reads one message of a frame.
#[derive(Debug)]
pub struct Reader<'a> {
    frame: &'a Bytes,
    rest: &'a [u8],
    version: i16,
    flexible: bool,
    /// Bytes that decoded values may still take on the heap.
    budget_bytes: usize,
}

impl<'a> Reader<'a> {
    /// Reads `frame` as a message of `version`. The value read may take `budget_bytes` of heap.
    #[must_use]
    pub fn new(frame: &'a Bytes, version: i16, flexible: bool, budget_bytes: usize) -> Reader<'a> {
        Reader {
            frame,
            rest: frame,
            version,
            flexible,
            budget_bytes,
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

    /// What has not been read.
    #[must_use]
    pub fn rest(&self) -> Bytes {
        self.frame.slice_ref(self.rest)
    }

    /// Takes `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let Some((taken, rest)) = self.rest.split_at_checked(count) else {
            return Err(Error::Truncated {
                needed: count,
                available: self.rest.len(),
            });
        };
        self.rest = rest;
        Ok(taken)
    }

    /// Takes a fixed number of bytes.
    pub fn take_array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let Some((taken, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(Error::Truncated {
                needed: N,
                available: self.rest.len(),
            });
        };
        self.rest = rest;
        Ok(*taken)
    }

    /// Takes an unsigned varint of 32 bits: at most 5 bytes.
    pub fn take_varint(&mut self) -> Result<u32, Error> {
        let mut value = 0_u64;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.take_array::<1>()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| Error::Varint);
            }
        }
        Err(Error::Varint)
    }

    /// Takes the length of a string, byte string or array; `None` is null.
    fn take_length(&mut self, plain: Plain) -> Result<Option<usize>, Error> {
        let length = if self.flexible {
            match self.take_varint()?.checked_sub(1) {
                None => return Ok(None),
                Some(length) => i64::from(length),
            }
        } else {
            match plain {
                Plain::Short => i64::from(i16::from_be_bytes(self.take_array()?)),
                Plain::Long => i64::from(i32::from_be_bytes(self.take_array()?)),
            }
        };
        if length == -1 {
            return Ok(None);
        }
        usize::try_from(length)
            .map(Some)
            .map_err(|_| Error::NegativeLength(length))
    }

    fn charge(&mut self, bytes: usize) -> Result<(), Error> {
        let Some(left) = self.budget_bytes.checked_sub(bytes) else {
            return Err(Error::OverBudget {
                needed: bytes,
                available: self.budget_bytes,
            });
        };
        self.budget_bytes = left;
        Ok(())
    }

    /// Reads the tagged fields that end a flexible structure. `known` reads the fields it knows
    /// and answers whether it did; the others are skipped.
    pub fn tagged_fields(
        &mut self,
        mut known: impl FnMut(u32, &mut Reader<'a>) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let count = self.take_varint()?;
        for _ in 0..count {
            let tag = self.take_varint()?;
            let length = self.take_varint()?;
            let length = usize::try_from(length).map_err(|_| Error::Varint)?;
            let field = self.take(length)?;
            let mut inner = Reader {
                rest: field,
                ..*self
            };
            let is_known = known(tag, &mut inner)?;
            self.budget_bytes = inner.budget_bytes;
            if is_known && !inner.rest.is_empty() {
                return Err(Error::TaggedField(tag));
            }
        }
        Ok(())
    }
}

/// How a length is written where the version is not flexible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plain {
    /// 16 bits: strings.
    Short,
    /// 32 bits: byte strings, record sets and arrays.
    Long,
}

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
    fn put_part(&mut self, part: &Bytes) {
        if part.len() < PART_BYTES_MIN {
            self.bytes.put_slice(part);
        } else {
            self.parts.push((self.bytes.len(), part.clone()));
        }
    }

    fn put_length(&mut self, plain: Plain, length: Option<usize>) -> Result<(), Error> {
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

/// A value with a form on the wire; the reader's or writer's version says which.
pub trait Wire: Sized {
    /// The fewest bytes it takes, in any version.
    const BYTES_MIN: usize = 1;
    /// Reads a value.
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Error>;
    /// Writes the value.
    fn encode(&self, writer: &mut Writer) -> Result<(), Error>;
}

/// A value whose form has a length, and so a null.
pub trait Nullable: Sized + Default {
    /// Reads a value or null.
    fn decode_nullable(reader: &mut Reader<'_>) -> Result<Option<Self>, Error>;
    /// Writes the value or null.
    fn encode_nullable(value: Option<&Self>, writer: &mut Writer) -> Result<(), Error>;
}

macro_rules! numbers {
    ($($type:ty)*) => {$(
        impl Wire for $type {
            const BYTES_MIN: usize = size_of::<$type>();
            fn decode(reader: &mut Reader<'_>) -> Result<Self, Error> {
                Ok(<$type>::from_be_bytes(reader.take_array()?))
            }
            fn encode(&self, writer: &mut Writer) -> Result<(), Error> {
                writer.put(&self.to_be_bytes());
                Ok(())
            }
        }
    )*};
}
numbers!(i8 i16 i32 i64);

impl Wire for bool {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let [byte] = reader.take_array()?;
        Ok(byte != 0)
    }

    fn encode(&self, writer: &mut Writer) -> Result<(), Error> {
        writer.put(&[u8::from(*self)]);
        Ok(())
    }
}

impl Wire for Uuid {
    const BYTES_MIN: usize = 16;

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(Uuid::from_bytes(reader.take_array()?))
    }

    fn encode(&self, writer: &mut Writer) -> Result<(), Error> {
        writer.put(self.as_bytes());
        Ok(())
    }
}

impl Nullable for String {
    fn decode_nullable(reader: &mut Reader<'_>) -> Result<Option<Self>, Error> {
        let Some(length) = reader.take_length(Plain::Short)? else {
            return Ok(None);
        };
        let bytes = reader.take(length)?;
        let text = std::str::from_utf8(bytes).map_err(|_| Error::NotUtf8)?;
        reader.charge(text.len())?;
        Ok(Some(text.to_owned()))
    }

    fn encode_nullable(value: Option<&Self>, writer: &mut Writer) -> Result<(), Error> {
        writer.put_length(Plain::Short, value.map(String::len))?;
        if let Some(text) = value {
            writer.put(text.as_bytes());
        }
        Ok(())
    }
}

/// Byte strings are copied out of the frame: group members' metadata is kept for long, and must
/// not keep a frame alive with it.
impl Nullable for Bytes {
    fn decode_nullable(reader: &mut Reader<'_>) -> Result<Option<Self>, Error> {
        let Some(length) = reader.take_length(Plain::Long)? else {
            return Ok(None);
        };
        let bytes = reader.take(length)?;
        reader.charge(bytes.len())?;
        Ok(Some(Bytes::copy_from_slice(bytes)))
    }

    fn encode_nullable(value: Option<&Self>, writer: &mut Writer) -> Result<(), Error> {
        writer.put_length(Plain::Long, value.map(Bytes::len))?;
        if let Some(bytes) = value {
            writer.put(bytes);
        }
        Ok(())
    }
}

/// Record sets are slices of the frame.
impl Nullable for RecordSet {
    fn decode_nullable(reader: &mut Reader<'_>) -> Result<Option<Self>, Error> {
        let Some(length) = reader.take_length(Plain::Long)? else {
            return Ok(None);
        };
        let bytes = reader.take(length)?;
        reader.charge(size_of::<Bytes>())?;
        Ok(Some(RecordSet::from(reader.frame.slice_ref(bytes))))
    }

    fn encode_nullable(value: Option<&Self>, writer: &mut Writer) -> Result<(), Error> {
        writer.put_length(Plain::Long, value.map(RecordSet::len_bytes))?;
        for chunk in value.map_or(&[][..], RecordSet::chunks) {
            writer.put_part(chunk);
        }
        Ok(())
    }
}

impl<T: Wire> Nullable for Vec<T> {
    fn decode_nullable(reader: &mut Reader<'_>) -> Result<Option<Self>, Error> {
        let Some(count) = reader.take_length(Plain::Long)? else {
            return Ok(None);
        };
        let possible = reader.rest.len().checked_div(T::BYTES_MIN).unwrap_or(0);
        if count > possible {
            return Err(Error::ArrayTooLong { count, possible });
        }
        reader.charge(count.saturating_mul(size_of::<T>()))?;
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(T::decode(reader)?);
        }
        Ok(Some(items))
    }

    fn encode_nullable(value: Option<&Self>, writer: &mut Writer) -> Result<(), Error> {
        writer.put_length(Plain::Long, value.map(Vec::len))?;
        for item in value.map_or(&[][..], Vec::as_slice) {
            item.encode(writer)?;
        }
        Ok(())
    }
}

impl<T: Nullable> Wire for T {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Error> {
        T::decode_nullable(reader)?.ok_or(Error::Null)
    }

    fn encode(&self, writer: &mut Writer) -> Result<(), Error> {
        T::encode_nullable(Some(self), writer)
    }
}

impl<T: Nullable> Wire for Option<T> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Error> {
        T::decode_nullable(reader)
    }

    fn encode(&self, writer: &mut Writer) -> Result<(), Error> {
        T::encode_nullable(self.as_ref(), writer)
    }
}
