//! Reads the primitive types of stored records; never past the end, never more than is there.

use bytes::{Buf, Bytes};
use uuid::Uuid;

/// What is wrong with a stored record.
pub(in crate::group) type Malformed = &'static str;

/// A record's bytes from the place reached.
pub(in crate::group) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(in crate::group) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    pub(in crate::group) fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or("it is cut")?;
        self.rest = rest;
        Ok(taken)
    }

    pub(in crate::group) fn i16(&mut self) -> Result<i16, Malformed> {
        Ok(self.take(2)?.get_i16())
    }

    pub(in crate::group) fn i32(&mut self) -> Result<i32, Malformed> {
        Ok(self.take(4)?.get_i32())
    }

    pub(in crate::group) fn i64(&mut self) -> Result<i64, Malformed> {
        Ok(self.take(8)?.get_i64())
    }

    pub(in crate::group) fn uuid(&mut self) -> Result<Uuid, Malformed> {
        Ok(Uuid::from_u128(self.take(16)?.get_u128()))
    }

    /// An unsigned varint of at most 5 bytes.
    pub(in crate::group) fn uvarint(&mut self) -> Result<u32, Malformed> {
        let mut value = 0_u64;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.take(1)?.get_u8();
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| "a varint is too large");
            }
        }
        Err("a varint is too long")
    }

    pub(in crate::group) fn string(&mut self) -> Result<String, Malformed> {
        self.nullable_string()?.ok_or("a string is null")
    }

    pub(in crate::group) fn nullable_string(&mut self) -> Result<Option<String>, Malformed> {
        let length = self.i16()?;
        if length == -1 {
            return Ok(None);
        }
        let length = usize::try_from(length).map_err(|_| "a length is negative")?;
        text(self.take(length)?).map(Some)
    }

    pub(in crate::group) fn compact_string(&mut self) -> Result<String, Malformed> {
        let length = self.uvarint()?.checked_sub(1).ok_or("a string is null")?;
        let length = usize::try_from(length).map_err(|_| "a length is too large")?;
        text(self.take(length)?)
    }

    /// A copy, so that the batch it was read from can go.
    pub(in crate::group) fn bytes(&mut self) -> Result<Bytes, Malformed> {
        let length = usize::try_from(self.i32()?).map_err(|_| "a length is negative")?;
        Ok(Bytes::copy_from_slice(self.take(length)?))
    }
}

fn text(bytes: &[u8]) -> Result<String, Malformed> {
    let text = std::str::from_utf8(bytes).map_err(|_| "a string is not UTF-8")?;
    Ok(text.to_owned())
}
