//! Datums held against apache-avro, and cut or damaged ones.

use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use proptest::prelude::*;

use super::super::cell::{Cell, Plan, empty_slots};
use super::*;

const SCHEMA: &str = r#"{ "type": "record", "name": "R", "fields": [
    { "name": "flag", "type": "boolean" },
    { "name": "n", "type": "int" },
    { "name": "share", "type": "double" },
    { "name": "raw", "type": "bytes" },
    { "name": "kind", "type": { "type": "enum", "name": "K", "symbols": ["A", "B"] } },
    { "name": "tags", "type": { "type": "array", "items": "string" } },
    { "name": "prices", "type": { "type": "map", "values": "long" } },
    { "name": "mark", "type": { "type": "fixed", "name": "F", "size": 3 } },
    { "name": "inner", "type": ["null", { "type": "record", "name": "I", "fields": [
        { "name": "id", "type": "string" },
        { "name": "at", "type": ["null", { "type": "long", "logicalType": "timestamp-millis" }] }
    ] }] }
] }"#;

fn compile(paths: &[&str]) -> (Schema, Result<Shape, ShapeError>) {
    let schema = Schema::parse_str(SCHEMA).expect("a schema");
    let mut plan = Plan::default();
    for path in paths {
        plan.slot(path).expect("a path");
    }
    let shape = Shape::new(&schema, &plan.root);
    (schema, shape)
}

fn check(bytes: &[u8], shape: &Shape) -> String {
    let mut slots = empty_slots();
    match read(bytes, shape, &mut slots) {
        Ok(()) => format!("{:?}", slots.iter().take(5).collect::<Vec<&Cell<'_>>>()),
        Err(reason) => format!("{}: {reason}", reason.code()),
    }
}

const PATHS: [&str; 5] = ["n", "kind", "inner.id", "inner.at", "tags"];

fn datum(schema: &Schema, n: i32, id: Option<(&str, Option<i64>)>, tags: &[String]) -> Vec<u8> {
    let at = |at: Option<i64>| match at {
        Some(at) => Value::Union(1, Box::new(Value::TimestampMillis(at))),
        None => Value::Union(0, Box::new(Value::Null)),
    };
    let inner = match id {
        Some((id, moment)) => {
            let fields = vec![("id".into(), Value::String(id.into())), ("at".into(), at(moment))];
            Value::Union(1, Box::new(Value::Record(fields)))
        }
        None => Value::Union(0, Box::new(Value::Null)),
    };
    let prices = [("x".to_owned(), Value::Long(-5)), ("y".to_owned(), Value::Long(1 << 40))];
    let tags = tags.iter().map(|tag| Value::String(tag.clone())).collect();
    let record = Value::Record(vec![
        ("flag".into(), Value::Boolean(true)),
        ("n".into(), Value::Int(n)),
        ("share".into(), Value::Double(0.5)),
        ("raw".into(), Value::Bytes(vec![1, 2, 3])),
        ("kind".into(), Value::Enum(1, "B".into())),
        ("tags".into(), Value::Array(tags)),
        ("prices".into(), Value::Map(prices.into_iter().collect())),
        ("mark".into(), Value::Fixed(3, vec![7, 8, 9])),
        ("inner".into(), inner),
    ]);
    let writer = GenericDatumWriter::builder(schema).build().expect("a writer");
    writer.write_value_to_vec(record).expect("a datum")
}

#[test]
fn what_the_avro_crate_writes_is_read_by_path() {
    let (schema, shape) = compile(&PATHS);
    let shape = shape.expect("fits");
    let bytes = datum(&schema, -42, Some(("订单", Some(1_782_864_001_123))), &["t".into()]);
    assert_eq!(
        check(&bytes, &shape),
        r#"[Long(-42), Text("B"), Text("订单"), Long(1782864001123), Other("an array")]"#
    );
    let bytes = datum(&schema, 0, None, &[]);
    assert_eq!(check(&bytes, &shape), r#"[Long(0), Text("B"), Absent, Absent, Other("an array")]"#);
}

#[test]
fn a_path_that_the_schema_lacks_is_refused() {
    for (paths, field) in [(["m"], "m"), (["inner.no"], "no"), (["n.x"], "x")] {
        match compile(&paths).1 {
            Err(ShapeError::NoField(found)) => assert_eq!(found, field),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn every_cut_is_a_truncation_and_more_is_malformed() {
    let (schema, shape) = compile(&PATHS);
    let shape = shape.expect("fits");
    let mut bytes = datum(&schema, 7, Some(("id", None)), &["a".into(), "b".into()]);
    for length in 0..bytes.len() {
        let found = check(&bytes[..length], &shape);
        assert!(found.starts_with("message.truncated"), "{length}: {found}");
    }
    bytes.push(0);
    assert!(check(&bytes, &shape).starts_with("message.malformed"));
}

#[test]
fn a_number_of_more_than_64_bits_is_malformed() {
    let (_, shape) = compile(&["n"]);
    let mut bytes = vec![1];
    bytes.extend([0xff; 10]);
    assert!(check(&bytes, &shape.expect("fits")).starts_with("message.malformed"));
}

proptest! {
    #[test]
    fn numbers_and_texts_survive(
        n in any::<i32>(),
        id in ".{0,12}",
        at in any::<Option<i64>>(),
        tags in prop::collection::vec(".{0,3}", 0..4),
    ) {
        let (schema, shape) = compile(&PATHS);
        let bytes = datum(&schema, n, Some((&id, at)), &tags);
        let mut slots = empty_slots();
        prop_assert_eq!(read(&bytes, &shape.expect("fits"), &mut slots), Ok(()));
        prop_assert_eq!(&slots[0], &Cell::Long(n.into()));
        prop_assert_eq!(&slots[2], &Cell::Text(id.into()));
        prop_assert_eq!(&slots[3], &at.map_or(Cell::Absent, Cell::Long));
    }
}
