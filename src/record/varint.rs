//! Zigzag varints of records: at most 5 bytes for 32 bits, 10 for 64.

use super::error::Error;

const MALFORMED: Error = Error::Malformed("a varint is longer than its type");

/// Bytes that `value` takes as a zigzag varint.
pub(super) fn varint_bytes(value: i64) -> usize {
    let bits = 64 - (zigzag(value) | 1).leading_zeros();
    // At most 10, so the conversion cannot fail.
    usize::try_from(bits.div_ceil(7)).unwrap_or(10)
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// Appends `value` as a zigzag varint.
pub(super) fn put_varint(out: &mut Vec<u8>, value: i64) {
    let mut rest = zigzag(value);
    loop {
        let [low, ..] = rest.to_le_bytes();
        rest >>= 7;
        if rest == 0 {
            out.push(low & 0x7f);
            return;
        }
        out.push(low | 0x80);
    }
}

fn take_unsigned(bytes: &mut &[u8], bytes_max: u32) -> Result<u64, Error> {
    let mut value = 0_u64;
    for index in 0..bytes_max {
        let Some((&byte, rest)) = bytes.split_first() else {
            return Err(Error::Truncated {
                what: "a varint",
                needed: 1,
                available: 0,
            });
        };
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        let shift = index * 7;
        // The last byte of the longest form has room for fewer than 7 bits.
        if (bits << shift) >> shift != bits {
            return Err(MALFORMED);
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(MALFORMED)
}

/// Takes a zigzag varint of 64 bits.
pub(super) fn take_varlong(bytes: &mut &[u8]) -> Result<i64, Error> {
    take_unsigned(bytes, 10).map(unzigzag)
}

/// Takes a zigzag varint of 32 bits.
pub(super) fn take_varint(bytes: &mut &[u8]) -> Result<i32, Error> {
    if let Some((&byte, rest)) = bytes.split_first()
        && byte & 0x80 == 0
    {
        *bytes = rest;
        let value = i32::from(byte);
        return Ok((value >> 1) ^ -(value & 1));
    }
    let value = take_unsigned(bytes, 5)?;
    i32::try_from(unzigzag(value)).map_err(|_| MALFORMED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_values_have_kafkas_bytes() {
        for (value, bytes) in [
            (0_i64, &[0_u8][..]),
            (-1, &[1]),
            (1, &[2]),
            (63, &[0x7e]),
            (-64, &[0x7f]),
            (64, &[0x80, 1]),
            (i64::from(i32::MAX), &[0xfe, 0xff, 0xff, 0xff, 0x0f]),
            (i64::from(i32::MIN), &[0xff, 0xff, 0xff, 0xff, 0x0f]),
        ] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(out, bytes, "{value}");
            assert_eq!(varint_bytes(value), bytes.len());
            assert_eq!(i64::from(take_varint(&mut &*out).unwrap()), value);
        }
    }

    #[test]
    fn overlong_and_cut_varints_are_refused() {
        assert!(take_varint(&mut &[0x80_u8, 0x80, 0x80, 0x80, 0x80, 1][..]).is_err());
        assert!(take_varint(&mut &[0xff_u8, 0xff, 0xff, 0xff, 0x1f][..]).is_err());
        assert!(take_varlong(&mut &[0xff_u8; 11][..]).is_err());
        assert!(
            take_varlong(&mut &[0xff_u8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2][..])
                .is_err()
        );
        assert!(take_varint(&mut &[0x80_u8][..]).is_err());
        assert!(take_varint(&mut &[][..]).is_err());
    }

    proptest! {
        #[test]
        fn varints_round_trip(value: i64, small: i32) {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            prop_assert_eq!(out.len(), varint_bytes(value));
            let mut rest = &*out;
            prop_assert_eq!(take_varlong(&mut rest).unwrap(), value);
            prop_assert!(rest.is_empty());
            out.clear();
            put_varint(&mut out, i64::from(small));
            prop_assert_eq!(take_varint(&mut &*out).unwrap(), small);
        }
    }
}
