//! Random values for the codec's tests.

use bytes::Bytes;
use uuid::Uuid;

use super::error_code::ErrorCode;
use super::record_set::RecordSet;

/// A source of random numbers (xorshift) that remembers for which version it samples.
#[derive(Debug)]
pub(super) struct Source {
    state: u64,
    pub(super) version: i16,
}

impl Source {
    pub(super) fn new(seed: u64, version: i16) -> Source {
        Source {
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            version,
        }
    }

    pub(super) fn number(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.number() % limit
    }

    fn length(&mut self) -> usize {
        // Mostly short, now and then long enough for two bytes of a varint.
        let limit = if self.below(16) == 0 { 300 } else { 4 };
        usize::try_from(self.below(limit)).unwrap()
    }
}

pub(super) trait Sample {
    fn sample(source: &mut Source) -> Self;
}

macro_rules! sample_numbers {
    ($($type:ty)*) => {$(
        impl Sample for $type {
            fn sample(source: &mut Source) -> Self {
                let bytes = source.number().to_be_bytes();
                match source.below(4) {
                    0 => -1,
                    1 => <$type>::MAX,
                    _ => <$type>::from_be_bytes(*bytes.first_chunk().unwrap()),
                }
            }
        }
    )*};
}
sample_numbers!(i8 i16 i32 i64);

impl Sample for bool {
    fn sample(source: &mut Source) -> Self {
        source.below(2) == 0
    }
}

impl Sample for ErrorCode {
    fn sample(source: &mut Source) -> Self {
        ErrorCode(i16::sample(source))
    }
}

impl Sample for Uuid {
    fn sample(source: &mut Source) -> Self {
        Uuid::from_u64_pair(source.number(), source.number())
    }
}

impl Sample for String {
    fn sample(source: &mut Source) -> Self {
        let alphabet = ['a', 'Z', '.', '0', '\u{e9}', '\u{1f600}'];
        let length = source.length();
        (0..length)
            .map(|_| alphabet[usize::try_from(source.below(6)).unwrap()])
            .collect()
    }
}

impl Sample for Bytes {
    fn sample(source: &mut Source) -> Self {
        let length = source.length();
        (0..length)
            .map(|_| source.number().to_le_bytes()[0])
            .collect()
    }
}

impl Sample for RecordSet {
    fn sample(source: &mut Source) -> Self {
        let mut chunks = vec![Bytes::sample(source)];
        if source.below(4) == 0 {
            // Large enough to go out as a part of its own.
            chunks.push(Bytes::from(vec![7; 5000]));
            chunks.push(Bytes::sample(source));
        }
        RecordSet::from(chunks)
    }
}

impl<T: Sample> Sample for Vec<T> {
    fn sample(source: &mut Source) -> Self {
        (0..source.below(4)).map(|_| T::sample(source)).collect()
    }
}

impl<T: Sample> Sample for Option<T> {
    fn sample(source: &mut Source) -> Self {
        (source.below(4) != 0).then(|| T::sample(source))
    }
}
