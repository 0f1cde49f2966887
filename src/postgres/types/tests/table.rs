//! Types one by one: the value Debezium was seen to emit for a text, or, where Debezium loses
//! data, the value it should have emitted.

use serde_json::{Value as Json, json};

use crate::convert::json::{JsonOptions, JsonPlan};
use crate::event::{Value, names};
use crate::postgres::types::{
    ColumnCodec, ColumnSpec, Modes, Reason, TypeInfo, TypeKind, TypeRegistry, column_codec, oid,
};

const ENUM: u32 = 50_000;
const DOMAIN: u32 = 50_001;
const DOMAIN_ARRAY: u32 = 50_002;
const COMPOSITE: u32 = 50_003;
const LOOP: u32 = 50_004;

fn registry() -> TypeRegistry {
    let info = |oid, name: &str, kind| TypeInfo {
        oid,
        name: name.to_owned(),
        schema: "public".to_owned(),
        kind,
    };
    let domain = |base_oid| TypeKind::Domain {
        base_oid,
        base_typmod: -1,
    };
    let labels = vec!["sad".to_owned(), "ok".to_owned()];
    [
        info(ENUM, "mood", TypeKind::Enum { labels }),
        info(DOMAIN, "d_mood", domain(ENUM)),
        info(
            DOMAIN_ARRAY,
            "_d_mood",
            TypeKind::Array {
                element_oid: DOMAIN,
            },
        ),
        info(COMPOSITE, "comp", TypeKind::Composite),
        info(LOOP, "looping", domain(LOOP)),
    ]
    .into_iter()
    .collect()
}

fn codec(type_oid: u32, type_modifier: i32) -> Option<ColumnCodec> {
    let spec = ColumnSpec {
        name: "c",
        type_oid,
        type_modifier,
        not_null: false,
        default_expression: None,
        comment: None,
    };
    column_codec(&spec, &registry(), &Modes::default())
}

/// Each text gives its value as JSON.
fn check(type_oid: u32, type_modifier: i32, cases: &[(&str, Json)]) {
    let codec = codec(type_oid, type_modifier).unwrap();
    let options = JsonOptions {
        schemas_enable: false,
        ..JsonOptions::default()
    };
    let plan = JsonPlan::compile(&codec.schema, &options);
    for (text, wanted) in cases {
        let value = codec.decode(text.as_bytes()).unwrap();
        let mut out = Vec::new();
        plan.write(&value, &mut out).unwrap();
        let made: Json = serde_json::from_slice(&out).unwrap();
        assert_eq!(made, *wanted, "{text}");
    }
}

#[test]
fn texts_stay_as_they_are() {
    check(oid::BPCHAR, 14, &[("abc       ", json!("abc       "))]);
    check(oid::CHAR, -1, &[("c", json!("c"))]);
    check(oid::NAME, -1, &[("nm", json!("nm"))]);
    check(oid::VARCHAR, 24, &[("", json!(""))]);
    let range = "[\"2016-01-01 10:00:00\",\"2016-01-02 11:00:00\")";
    check(
        oid::TSRANGE,
        -1,
        &[(range, json!(range)), ("empty", json!("empty"))],
    );
    check(oid::INT8RANGE, -1, &[("(,)", json!("(,)"))]);
}

#[test]
fn money_is_a_decimal_of_two_digits() {
    let cases = [
        ("$1,234.56", json!("AeJA")),
        ("-$0.01", json!("/w==")),
        ("$92,233,720,368,547,758.07", json!("f/////////8=")),
        ("-$92,233,720,368,547,758.08", json!("gAAAAAAAAAA=")),
        ("$0.00", json!("AA==")),
    ];
    check(oid::MONEY, -1, &cases);
}

#[test]
fn intervals_are_average_microseconds() {
    let cases = [
        (
            "1 year 2 mons 3 days 04:05:06.789",
            json!(37_091_106_789_000_i64),
        ),
        (
            "-1 years -2 mons +3 days -04:05:06.000001",
            json!(-36_572_706_000_001_i64),
        ),
        ("178000000 years", json!(i64::MAX)),
        ("10000:00:00", json!(36_000_000_000_000_i64)),
        ("1 year 2 mons", json!(36_817_200_000_000_i64)),
        ("100 years", json!(3_155_760_000_000_000_i64)),
        ("3 days 04:05:06.5", json!(273_906_500_000_i64)),
        ("1000000 days", json!(86_400_000_000_000_000_i64)),
        ("00:00:01.235", json!(1_234_999)),
        ("-00:00:00.001", json!(-1_000)),
        ("24:00:00", json!(86_400_000_000_i64)),
    ];
    check(oid::INTERVAL, -1, &cases);
}

#[test]
fn points_carry_their_binary() {
    let wkb = "AQEAAACamZmZmZm5vwAAACBfoAJC";
    let wanted = json!({"x": -0.1, "y": 1e10, "wkb": wkb, "srid": null});
    check(oid::POINT, -1, &[("(-0.1,10000000000)", wanted)]);
}

#[test]
fn infinite_times_have_one_value_each() {
    let max = [
        ("infinity", json!(i32::MAX)),
        ("-infinity", json!(i32::MIN)),
    ];
    check(oid::DATE, -1, &max);
    let micros = [
        ("infinity", json!(9_223_372_036_825_200_000_i64)),
        ("-infinity", json!(-9_223_372_036_832_400_000_i64)),
    ];
    check(oid::TIMESTAMP, -1, &micros);
    let millis = [
        ("infinity", json!(9_223_372_036_825_200_i64)),
        ("-infinity", json!(-9_223_372_036_832_400_i64)),
    ];
    check(oid::TIMESTAMP, 3, &millis);
    check(oid::TIMESTAMPTZ, -1, &[("-infinity", json!("-infinity"))]);
}

#[test]
fn dates_before_our_era_are_proleptic_gregorian() {
    let days = [
        ("0044-03-15 BC", json!(-735_160)),
        ("4713-11-24 BC", json!(-2_440_222)),
        ("5874897-12-31", json!(2_145_042_905)),
    ];
    check(oid::DATE, -1, &days);
    let far = ("294276-12-31 23:59:59.999999", json!(i64::MAX));
    let stamps = [
        ("20000-01-01 00:00:00", json!(568_971_820_800_000_000_i64)),
        far,
    ];
    check(oid::TIMESTAMP, -1, &stamps);
    let zoned = [
        (
            "4713-11-24 00:00:00+00 BC",
            json!("-4712-11-24T00:00:00.000000Z"),
        ),
        (
            "294276-12-31 23:59:59.999999+00",
            json!("+294276-12-31T23:59:59.999999Z"),
        ),
    ];
    check(oid::TIMESTAMPTZ, -1, &zoned);
}

#[test]
fn offsets_with_seconds_are_moved_to_utc() {
    let zoned = [
        ("12:00:00+05:45:30", json!("06:14:30Z")),
        ("24:00:00+00", json!("24:00:00Z")),
    ];
    check(oid::TIMETZ, -1, &zoned);
}

#[test]
fn numeric_of_negative_scale_keeps_it() {
    let modifier = (3 << 16 | (-2_i32 & 0x7FF)) + 4;
    let schema = codec(oid::NUMERIC, modifier).unwrap().schema;
    assert_eq!(schema.parameter("scale"), Some("-2"));
    check(
        oid::NUMERIC,
        modifier,
        &[("12300", json!("ew==")), ("0", json!("AA=="))],
    );
    let infinite = [("Infinity", json!(null)), ("NaN", json!(null))];
    check(oid::NUMERIC, -1, &infinite);
}

#[test]
fn elements_of_arrays_keep_their_types() {
    check(
        oid::TIME_ARRAY,
        -1,
        &[("{13:51:30.123456}", json!([49_890_123_456_i64]))],
    );
    check(oid::MONEY_ARRAY, -1, &[("{$1.00}", json!(["ZA=="]))]);
    check(oid::BIT_ARRAY, 3, &[("{101}", json!(["BQ=="]))]);
    check(
        oid::INTERVAL_ARRAY,
        -1,
        &[("{\"1 day\"}", json!([86_400_000_000_i64]))],
    );
    check(oid::INT2VECTOR, -1, &[("1 2", json!([1, 2]))]);
    check(DOMAIN_ARRAY, -1, &[("{sad,ok}", json!(["sad", "ok"]))]);
}

#[test]
fn a_domain_over_an_enum_is_the_enum() {
    let codec = codec(DOMAIN, -1).unwrap();
    assert_eq!(codec.schema.name.as_deref(), Some(names::ENUM));
    assert_eq!(codec.schema.parameter("allowed"), Some("sad,ok"));
    check(DOMAIN, -1, &[("ok", json!("ok"))]);
}

#[test]
fn types_debezium_leaves_out_have_no_codec() {
    // pg_lsn, tsquery, xid, box, int4multirange; a row type, a loop, and one nobody knows.
    for type_oid in [3220, 3615, 28, 603, 4451, COMPOSITE, LOOP, 99_999] {
        assert!(codec(type_oid, -1).is_none(), "{type_oid}");
    }
}

#[test]
fn an_error_tells_column_and_type_but_not_the_value() {
    let codec = codec(oid::INT4, -1).unwrap();
    let error = codec.decode(b"secret").unwrap_err();
    assert_eq!(error.reason, Reason::Malformed);
    let text = crate::error::chain(&error);
    assert!(text.contains("\"c\"") && text.contains("int4"), "{text}");
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn columns_that_allow_no_null_have_a_zero() {
    let zero = |type_oid, default_expression| {
        let spec = ColumnSpec {
            name: "c",
            type_oid,
            type_modifier: -1,
            not_null: true,
            default_expression,
            comment: None,
        };
        let codec = column_codec(&spec, &registry(), &Modes::default()).unwrap();
        codec.zero()
    };
    assert_eq!(zero(oid::INT4, None), Value::Int32(0));
    assert_eq!(zero(oid::INT4, Some("7")), Value::Int32(7));
    assert_eq!(zero(oid::TEXT, None), Value::str(""));
    assert_eq!(zero(oid::BOOL, None), Value::Boolean(false));
    assert_eq!(
        zero(oid::TIMESTAMPTZ, None),
        Value::str("1970-01-01T00:00:00Z")
    );
    let now = zero(oid::TIMESTAMPTZ, Some("now()"));
    assert_eq!(now, Value::str("1970-01-01T00:00:00.000000Z"));
    assert_eq!(zero(oid::DATE, Some("CURRENT_DATE")), Value::Int32(0));
    assert_eq!(codec(oid::INT4, -1).unwrap().zero(), Value::Null);
}
