//! The primitives of Kafka's wire format: numbers, strings, arrays, byte strings and record sets,
//! in the plain and in the flexible ("compact") encoding.

use bytes::Bytes;
use uuid::Uuid;

use super::error::Error;
use super::reader::Reader;
use super::record_set::RecordSet;
use super::writer::Writer;

/// How a length is written where the version is not flexible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plain {
    /// 16 bits: strings.
    Short,
    /// 32 bits: byte strings, record sets and arrays.
    Long,
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
        Ok(Some(RecordSet::from(reader.slice_of_frame(bytes))))
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
        let possible = reader.left_bytes().checked_div(T::BYTES_MIN).unwrap_or(0);
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
