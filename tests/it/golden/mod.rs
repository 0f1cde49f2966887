//! Events equal Debezium's: recordings of the real connector are run against Penstock and
//! compared through a stock client.
//!
//! A recording is a folder of `tests/fixtures/golden`; its README tells the files. What names
//! time or position of a run is masked on both sides, the rest (field order, types, nulls,
//! schemas, headers, partitions) has to be equal.

mod compare;
mod json;
mod mask;
mod run;
mod scenario;

use scenario::Scenario;

/// Runs a recording and compares.
#[track_caller]
fn equals_the_recording(name: &str) {
    let scenario = Scenario::load(name);
    if scenario.is_left_out() {
        return;
    }
    let problems = run::judge(&scenario);
    assert!(problems.is_empty(), "{name}: {}", problems.join("\n     "));
}

macro_rules! recordings {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                equals_the_recording(stringify!($name));
            }
        )*

        const ALL: &[&str] = &[$(stringify!($name)),*];
    };
}

recordings! {
    bigtx_order
    composite_key
    crud
    merge_upsert
    names
    no_tombstones
    nopk_unique
    resume
    ri_default
    ri_full
    ri_nothing
    snapshot_initial
    snapshot_no_data
    table_include
    truncate_default
    types_bits
    types_bytea
    types_date
    types_float
    types_int
    types_numeric
    types_numeric_nan
    types_textlike
}

/// The comparison itself: a recording equals itself, and a planted difference is found.
#[test]
fn the_comparison_finds_a_planted_difference() {
    for name in ALL {
        let scenario = Scenario::load(name);
        let known = scenario.known();
        let want = scenario.recorded();
        assert!(!want.is_empty(), "{name} holds records");
        let same = compare::differences(&want, &want, &known, compare::Extent::All);
        assert!(same.is_empty(), "{name}: {same:?}");
        let mut planted = want.clone();
        for records in planted.values_mut() {
            records[0].value = json::Node::Object(vec![("planted".to_owned(), json::Node::Int(1))]);
        }
        let found = compare::differences(&want, &planted, &known, compare::Extent::All);
        assert!(!found.is_empty(), "{name}: the planted value was not found");
        let mut shorter = want.clone();
        for records in shorter.values_mut() {
            records.pop();
        }
        let found = compare::differences(&want, &shorter, &known, compare::Extent::All);
        assert!(!found.is_empty(), "{name}: the lost record was not found");
    }
}
