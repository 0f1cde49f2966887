//! Writes the primitive types of stored records.

use bytes::BufMut;

/// A string with an `i16` length. Every text that comes here is bounded far below 32 KiB; a longer
/// one is cut at a character, rather than written with a length that is not its own.
pub(in crate::group) fn put_string(out: &mut Vec<u8>, text: &str) {
    let mut cut = text.len().min(usize::from(i16::MAX.unsigned_abs()));
    while !text.is_char_boundary(cut) {
        cut -= 1;
    }
    let bytes = text.as_bytes().get(..cut).unwrap_or_default();
    out.put_i16(i16::try_from(bytes.len()).unwrap_or(i16::MAX));
    out.put_slice(bytes);
}

/// A string that may be null.
pub(in crate::group) fn put_nullable_string(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => put_string(out, text),
        None => out.put_i16(-1),
    }
}

/// Bytes with an `i32` length; they are bounded by `limits::MEMBERS_BYTES_MAX`.
pub(in crate::group) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = i32::try_from(bytes.len()).expect("member bytes are bounded by 12 MiB");
    out.put_i32(length);
    out.put_slice(bytes);
}

/// A string with an unsigned varint of its length + 1.
pub(in crate::group) fn put_compact_string(out: &mut Vec<u8>, text: &str) {
    let mut length = text.len() + 1;
    while length >= 0x80 {
        out.put_u8(u8::try_from(length & 0x7f).unwrap_or_default() | 0x80);
        length >>= 7;
    }
    out.put_u8(u8::try_from(length).unwrap_or_default());
    out.put_slice(text.as_bytes());
}
