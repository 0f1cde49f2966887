//! Reads one message of a frame.
//!
//! Invariant: a [`Reader`] never reads past the frame, never panics, and never makes the decoded
//! value larger than the budget it was given: every string and every array is charged before it
//! is allocated. A number on the wire allocates nothing by itself.

use bytes::Bytes;

use super::error::Error;
use super::wire::Plain;

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

    /// Bytes that have not been read.
    pub(super) fn left_bytes(&self) -> usize {
        self.rest.len()
    }

    /// `taken`, a part of the frame, without copying it.
    pub(super) fn slice_of_frame(&self, taken: &'a [u8]) -> Bytes {
        self.frame.slice_ref(taken)
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
    pub(super) fn take_length(&mut self, plain: Plain) -> Result<Option<usize>, Error> {
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

    /// Takes `bytes` from the budget before they are allocated.
    pub(super) fn charge(&mut self, bytes: usize) -> Result<(), Error> {
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
