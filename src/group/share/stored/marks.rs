//! Which dead letters of one partition were redriven: offsets, kept as ranges.

use std::collections::BTreeMap;

use bytes::BufMut;

use crate::group::share::limits::MARK_RANGES_MAX;
use crate::group::stored::reader::{Malformed, Reader};

const VERSION: i16 = 0;

/// A set of offsets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::group::share) struct Ranges {
    /// First to last offset; no two touch.
    ranges: BTreeMap<i64, i64>,
}

impl Ranges {
    pub(in crate::group::share) fn contains(&self, offset: i64) -> bool {
        let before = self.ranges.range(..=offset).next_back();
        before.is_some_and(|(_, last)| *last >= offset)
    }

    pub(in crate::group::share) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many ranges there are.
    pub(in crate::group::share) fn count(&self) -> usize {
        self.ranges.len()
    }

    pub(in crate::group::share) fn insert(&mut self, offset: i64) {
        if self.contains(offset) {
            return;
        }
        let (mut first, mut last) = (offset, offset);
        if let Some((before, end)) = self.ranges.range(..offset).next_back()
            && end.saturating_add(1) == offset
        {
            first = *before;
        }
        if let Some(end) = self.ranges.remove(&offset.saturating_add(1)) {
            last = end;
        }
        self.ranges.insert(first, last);
    }

    /// Forgets what lies below `start`.
    pub(in crate::group::share) fn keep_from(&mut self, start: i64) {
        while let Some((first, last)) = self.ranges.range(..start).next().map(|(f, l)| (*f, *l)) {
            self.ranges.remove(&first);
            if last >= start {
                self.ranges.insert(start, last);
                return;
            }
        }
    }
}

pub(in crate::group::share) fn encode_marks(marks: &Ranges) -> Vec<u8> {
    let mut out = Vec::with_capacity(6 + 16 * marks.count());
    out.put_i16(VERSION);
    out.put_i32(i32::try_from(marks.count()).expect("ranges are bounded by 65,536"));
    for (first, last) in &marks.ranges {
        out.put_i64(*first);
        out.put_i64(*last);
    }
    out
}

pub(in crate::group::share) fn decode_marks(bytes: &[u8]) -> Result<Ranges, Malformed> {
    let mut reader = Reader::new(bytes);
    if reader.i16()? != VERSION {
        return Err("the version of marks is not known");
    }
    let count = usize::try_from(reader.i32()?).map_err(|_| "a count is negative")?;
    if count > MARK_RANGES_MAX {
        return Err("there are more marks than there may be");
    }
    let mut marks = Ranges::default();
    let mut free_from = i64::MIN;
    for _ in 0..count {
        let (first, last) = (reader.i64()?, reader.i64()?);
        if first < free_from || last < first {
            return Err("marks are out of order");
        }
        marks.ranges.insert(first, last);
        free_from = last.saturating_add(2);
    }
    Ok(marks)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const BYTES: &[u8] = b"\x00\x00\x00\x00\x00\x02\
        \x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x03\
        \x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x07";

    #[test]
    fn marks_are_two_offsets_for_each_range() {
        let mut marks = Ranges::default();
        for offset in [3, 1, 7, 2] {
            marks.insert(offset);
        }
        assert_eq!(encode_marks(&marks), BYTES);
        assert_eq!(decode_marks(BYTES), Ok(marks));
        for end in 0..BYTES.len() {
            assert!(decode_marks(&BYTES[..end]).is_err(), "{end}");
        }
    }

    proptest! {
        #[test]
        fn ranges_are_a_set_of_offsets(
            offsets in prop::collection::vec(0_i64..60, 0..80),
            start in 0_i64..60,
        ) {
            let mut marks = Ranges::default();
            let mut set = BTreeSet::new();
            for offset in offsets {
                marks.insert(offset);
                set.insert(offset);
            }
            prop_assert_eq!(decode_marks(&encode_marks(&marks)), Ok(marks.clone()));
            marks.keep_from(start);
            set.retain(|offset| *offset >= start);
            for offset in 0..60 {
                prop_assert_eq!(marks.contains(offset), set.contains(&offset));
            }
            prop_assert_eq!(marks.is_empty(), set.is_empty());
        }
    }
}
