//! "Did you mean": the known name that is closest to a misspelt one.

/// Names further apart than this are not suggested: at 0.8 one or two wrong letters in a name of
/// usual length still match, and unrelated names of one family do not.
const SIMILARITY_MIN: f64 = 0.8;

/// The name among `known` that is closest to `name`, where one is close enough.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_ascii_lowercase();
    let mut best: Option<(f64, &str)> = None;
    for candidate in known {
        let similarity =
            strsim::normalized_damerau_levenshtein(&lower, &candidate.to_ascii_lowercase());
        if similarity >= SIMILARITY_MIN && best.is_none_or(|(s, _)| similarity > s) {
            best = Some((similarity, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_name_and_a_stranger_does_not() {
        let known = ["tombstones.on.delete", "table.include.list"];
        assert_eq!(nearest("tombstone.on.delete", known), Some(known[0]));
        assert_eq!(nearest("Table.Inclde.list", known), Some(known[1]));
        assert_eq!(nearest("quota", known), None);
    }
}
