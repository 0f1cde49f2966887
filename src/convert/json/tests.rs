//! The converter against serde_json's reading of what it writes.

use serde_json::json;

use super::*;
use crate::convert::Error;
use crate::event::{
    Envelope, Field, Op, Schema, SnapshotMarker, Source, TransactionBlock, Type, Value, names,
};
use crate::event::{envelope_schema, row_schema};
use crate::lsn::Lsn;

const PLAIN: JsonOptions = JsonOptions {
    schemas_enable: false,
    replace_null_with_default: true,
    decimal_format: DecimalFormat::Base64,
};

fn written(schema: &Schema, options: &JsonOptions, value: &Value<'_>) -> serde_json::Value {
    let mut out = Vec::new();
    let plan = JsonPlan::compile(schema, options);
    plan.write(value, &mut out).unwrap();
    serde_json::from_slice(&out).unwrap()
}

fn price() -> Schema {
    Schema::new(Type::Bytes)
        .named(names::DECIMAL, 1)
        .with_parameter("scale", "2")
}

#[test]
fn document_carries_schema_and_payload() {
    let schema = Schema::structure(vec![
        Field::new("a\"b", Schema::new(Type::Int8).with_default(Value::Int8(3))),
        Field::new("m", price().optional().with_doc("what it costs")),
    ]);
    let value = Value::Struct(vec![Value::Int8(-1), Value::Null]);
    let read = written(&schema, &JsonOptions::default(), &value);
    let wanted = json!({
        "schema": {"type": "struct", "optional": false, "fields": [
            {"type": "int8", "optional": false, "default": 3, "field": "a\"b"},
            {"type": "bytes", "optional": true, "name": names::DECIMAL, "version": 1,
             "doc": "what it costs", "parameters": {"scale": "2"}, "field": "m"},
        ]},
        "payload": {"a\"b": -1, "m": null},
    });
    assert_eq!(read, wanted);
}

#[test]
fn containers_are_written_as_connect_does() {
    let text = Schema::new(Type::String);
    let number = Schema::new(Type::Int32).optional();
    let object = Schema::new(Type::Map(text.into(), number.clone().into()));
    let entries = Value::Map(vec![
        (Value::str("a"), Value::Int32(1)),
        (Value::str("b"), Value::Null),
    ]);
    assert_eq!(
        written(&object, &PLAIN, &entries),
        json!({"a": 1, "b": null})
    );

    let short = Schema::new(Type::Int16);
    let pairs = Schema::new(Type::Map(short.into(), number.clone().into()));
    let entries = Value::Map(vec![(Value::Int16(7), Value::Int32(1))]);
    assert_eq!(written(&pairs, &PLAIN, &entries), json!([[7, 1]]));

    let list = Schema::array(number);
    let items = Value::Array(vec![Value::Int32(1), Value::Null]);
    assert_eq!(written(&list, &PLAIN, &items), json!([1, null]));
    assert_eq!(written(&list, &PLAIN, &Value::Array(Vec::new())), json!([]));
    let empty = Schema::structure(Vec::new());
    assert_eq!(
        written(&empty, &PLAIN, &Value::Struct(Vec::new())),
        json!({})
    );
}

#[test]
fn null_is_replaced_by_a_default_where_asked_for() {
    let schema = Schema::new(Type::String)
        .optional()
        .with_default(Value::str("d"));
    assert_eq!(written(&schema, &PLAIN, &Value::Null), json!("d"));
    let keep = JsonOptions {
        replace_null_with_default: false,
        ..PLAIN
    };
    assert_eq!(written(&schema, &keep, &Value::Null), json!(null));
    let keep = JsonOptions {
        schemas_enable: true,
        ..keep
    };
    let read = written(&schema, &keep, &Value::Null);
    assert_eq!(read["schema"]["default"], json!("d"));
}

#[test]
fn decimals_are_numbers_where_asked_for() {
    let numeric = JsonOptions {
        decimal_format: DecimalFormat::Numeric,
        ..PLAIN
    };
    let value = Value::bytes([0x04, 0xD2]);
    assert_eq!(written(&price(), &numeric, &value), json!(12.34));
    assert_eq!(written(&price(), &PLAIN, &value), json!("BNI="));
}

#[test]
fn what_does_not_fit_is_refused_and_leaves_nothing_behind() {
    let schema = Schema::structure(vec![Field::new(
        "row",
        Schema::structure(vec![Field::new("n", Schema::new(Type::Int32))]),
    )]);
    let plan = JsonPlan::compile(&schema, &JsonOptions::default());
    let mut out = b"before".to_vec();
    let row = |value| Value::Struct(vec![Value::Struct(vec![value])]);
    let field = || "row.n".to_owned();
    let null = plan.write(&row(Value::Null), &mut out);
    assert_eq!(null, Err(Error::Null { field: field() }));
    let other = plan.write(&row(Value::Int64(1)), &mut out);
    let wanted = Error::Mismatch {
        field: field(),
        wanted: "int32",
        found: "int64",
    };
    assert_eq!(other, Err(wanted));
    let count = plan.write_struct(&[], &mut out);
    assert!(matches!(
        count,
        Err(Error::FieldCount {
            wanted: 1,
            found: 0,
            ..
        })
    ));
    assert_eq!(out, b"before");
}

fn source() -> Source<'static> {
    Source {
        name: "a\"b",
        ts_us: 1_795_219_419_544_125,
        snapshot: SnapshotMarker::Incremental,
        db: "db",
        sequence: None,
        schema: "s\u{e9}",
        table: "t\\",
        tx_id: Some(5),
        lsn: Some(Lsn(7)),
        xmin: Some(3),
        origin: Some("o"),
        origin_lsn: Some(Lsn(u64::MAX)),
    }
}

#[test]
fn envelope_is_written_like_its_value() {
    let row = row_schema("t", vec![Field::new("id", Schema::new(Type::Int64))]);
    let schema = envelope_schema("t", &row.into());
    let plan = JsonPlan::compile(&schema, &JsonOptions::default());
    let source = source();
    let (before, after) = ([Value::Int64(1)], [Value::Int64(2)]);
    let mut event = Envelope {
        before: Some(&before),
        after: Some(&after),
        source: &source,
        transaction: Some(TransactionBlock {
            id: "5:7",
            total_order: 1,
            data_collection_order: 2,
        }),
        op: Op::Update,
        ts_ns: -1,
    };
    for _ in 0..2 {
        let (mut direct, mut through_value) = (Vec::new(), Vec::new());
        plan.write_envelope(&event, &mut direct).unwrap();
        plan.write(&event.to_value(), &mut through_value).unwrap();
        assert_eq!(
            String::from_utf8(direct).unwrap(),
            String::from_utf8(through_value).unwrap()
        );
        (event.before, event.transaction) = (None, None);
    }
}

#[test]
fn envelopes_need_an_envelope_schema() {
    let plan = JsonPlan::compile(&Schema::new(Type::String), &PLAIN);
    let source = source();
    let event = Envelope {
        before: None,
        after: None,
        source: &source,
        transaction: None,
        op: Op::Delete,
        ts_ns: 0,
    };
    let refused = plan.write_envelope(&event, &mut Vec::new());
    assert_eq!(refused, Err(Error::NoEnvelope));
}
