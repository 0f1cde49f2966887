//! Records of the log's own topics: one key and value per batch, uncompressed.

use bytes::{Buf, BufMut};

use super::batch;

fn put_varint(out: &mut Vec<u8>, value: i64) {
    let mut zigzag = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while zigzag >= 0x80 {
        out.put_u8(u8::try_from(zigzag & 0x7f).unwrap_or(0) | 0x80);
        zigzag >>= 7;
    }
    out.put_u8(u8::try_from(zigzag).unwrap_or(0));
}

fn get_varint(buf: &mut &[u8]) -> Option<i64> {
    let mut zigzag: u64 = 0;
    for shift in (0..64).step_by(7) {
        let byte = buf.try_get_u8().ok()?;
        zigzag |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((zigzag >> 1).cast_signed() ^ -((zigzag & 1).cast_signed()));
        }
    }
    None
}

fn put_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => put_varint(out, -1),
        Some(bytes) => {
            put_varint(out, i64::try_from(bytes.len()).unwrap_or(i64::MAX));
            out.put_slice(bytes);
        }
    }
}

fn get_bytes(buf: &mut &[u8]) -> Option<Option<Vec<u8>>> {
    let Ok(len) = usize::try_from(get_varint(buf)?) else {
        return Some(None);
    };
    let (bytes, rest) = buf.split_at_checked(len)?;
    *buf = rest;
    Some(Some(bytes.to_vec()))
}

/// A batch of one record.
pub(super) fn batch(key: &[u8], value: Option<&[u8]>, timestamp_ms: i64) -> Vec<u8> {
    let mut record = vec![0]; // attributes
    put_varint(&mut record, 0); // timestamp delta
    put_varint(&mut record, 0); // offset delta
    put_bytes(&mut record, Some(key));
    put_bytes(&mut record, value);
    put_varint(&mut record, 0); // headers
    let mut body = Vec::new();
    put_varint(&mut body, i64::try_from(record.len()).unwrap_or(i64::MAX));
    body.append(&mut record);
    batch::single(&body, timestamp_ms)
}

/// Keys and values of all records of uncompressed batches.
pub(super) fn all(
    batches: &[u8],
) -> impl Iterator<Item = Result<(Vec<u8>, Option<Vec<u8>>), String>> {
    batch::whole(batches).flat_map(|(header, batch)| {
        let mut buf = batch.get(batch::HEADER_BYTES..).unwrap_or_default();
        let mut failed = false;
        std::iter::from_fn(move || {
            if buf.is_empty() || failed {
                return None;
            }
            let record = record(&mut buf);
            failed = record.is_none();
            Some(record.ok_or_else(|| {
                format!("the batch at offset {} holds no records", header.base_offset)
            }))
        })
    })
}

fn record(buf: &mut &[u8]) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let len = usize::try_from(get_varint(buf)?).ok()?;
    let (mut record, rest) = buf.split_at_checked(len)?;
    *buf = rest;
    record.try_get_u8().ok()?;
    get_varint(&mut record)?;
    get_varint(&mut record)?;
    let key = get_bytes(&mut record)?.unwrap_or_default();
    Some((key, get_bytes(&mut record)?))
}
