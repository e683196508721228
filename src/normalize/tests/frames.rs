//! Values that name the schema that they are written with.

use std::collections::BTreeMap;

use super::*;
use crate::schema::framing::frame;

const MANIFEST: &str = r#"name = "x"
platform = "x"
legal_entity = "某公司"
lines = ["ride_hailing"]
valid_from = "2026-07-01"
partitions = 2
[[feed]]
name = "orders"
format = "avro"
schema = "order.avsc"
framing = "confluent or none"
bytes_max = 4000
time = "epoch_ms"
own = { path = "p", is = ["X"] }
[[feed.record]]
makes = "order"
status = { path = "s", kinds = { "1" = "accepted" } }
[feed.record.fields]
order_id = "id"
line = { const = "ride_hailing" }
worker = "w"
accepted_at = "t"
occurred_at = "t"
county = "c"
"#;

const SCHEMA: &str = r#"{"type":"record","name":"O","fields":[
    {"name":"p","type":"string"},{"name":"s","type":"string"},{"name":"id","type":"string"},
    {"name":"w","type":"string"},{"name":"t","type":"long"},{"name":"c","type":"string"}]}"#;

const NUMBER: u32 = 100_001;

/// As the platform wrote before it told the county.
fn earlier_schema() -> String {
    let county = r#",{"name":"c","type":"string"}"#;
    assert!(SCHEMA.contains(county));
    SCHEMA.replace(county, "")
}

const EARLIER: u32 = 100_000;

fn compile(manifest: &str, schema: &str) -> Result<Manifest, ManifestError> {
    let earlier = earlier_schema();
    let files = [("connector.toml", manifest), ("order.avsc", schema), ("order-1.avsc", &earlier)];
    let files = files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
    Manifest::from_files("x", "x/connector.toml", BTreeMap::from(files))
}

/// A manifest whose feed knows its number.
fn numbered(manifest: &str) -> Manifest {
    let mut manifest = compile(manifest, SCHEMA).unwrap();
    for feed in &mut manifest.feeds {
        let Format::Avro(avro) = &mut feed.format else { panic!("an avro feed") };
        avro.newest.number = Some(NUMBER);
        avro.earlier.iter_mut().for_each(|writer| writer.number = Some(EARLIER));
    }
    manifest
}

/// Order 77, accepted 2026-07-02T08:00:00+08:00 = 1 782 950 400 000 ms.
fn datum() -> Vec<u8> {
    let mut bytes = Vec::new();
    for text in ["X", "1", "77", "5"] {
        bytes.push(u8::try_from(2 * text.len()).unwrap());
        bytes.extend(text.bytes());
    }
    let mut rest = 1_782_950_400_000_u64 << 1;
    while rest >= 128 {
        bytes.push(u8::try_from(rest & 127).unwrap() | 128);
        rest >>= 7;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes.push(12);
    bytes.extend(b"150102");
    bytes
}

#[track_caller]
fn check(manifest: &Manifest, value: &[u8], expected: &str) {
    let found = check_bytes(manifest, "orders", None, value);
    assert!(found.starts_with(expected), "expected {expected}, found {found}");
}

#[test]
fn a_value_in_its_frame_is_read_and_routed_as_the_datum_that_it_holds() {
    let manifest = numbered(MANIFEST);
    let orders = FeedId::new("orders").unwrap();
    for value in [frame(NUMBER, &datum()), datum()] {
        check(&manifest, &value, "order accepted x/77 line=ride_hailing");
        assert_eq!(manifest.route(&orders, None, &value), b"77");
    }
}

#[test]
fn what_another_schema_wrote_is_held_and_never_guessed_at() {
    let manifest = numbered(MANIFEST);
    let unknown = "held schema.unknown: expected the feed's schema, found 7";
    check(&manifest, &frame(7, &datum()), unknown);
    // Nobody has said the number yet: a hub does when it opens.
    let unnumbered = compile(MANIFEST, SCHEMA).unwrap();
    check(&unnumbered, &frame(NUMBER, &datum()), "held schema.unknown");
    check(&unnumbered, &datum(), "order accepted");
}

#[test]
fn a_frame_that_is_cut_off_or_absent_is_held_for_what_it_is() {
    let whole = frame(NUMBER, &datum());
    let (maybe, always) =
        (numbered(MANIFEST), numbered(&MANIFEST.replace("confluent or none", "confluent")));
    for manifest in [&maybe, &always] {
        check(manifest, &whole, "order accepted");
        check(manifest, b"", "held message.empty");
        for length in 1..whole.len() {
            check(manifest, &whole[..length], "held message.truncated");
        }
        check(manifest, &[&whole[..], &[1]].concat(), "held message.malformed");
    }
    check(&always, &datum(), "held message.malformed: frame: expected a first byte of 0, found 2");
    check(&always, &[1, 2], "held message.malformed: frame: expected at least 5 bytes, found 2");
}

/// A cancellation needs no county, and the platform tells it since the newer schema.
#[test]
fn what_an_earlier_schema_of_the_feed_wrote_is_read_by_that_schema() {
    let lists = "schema = \"order.avsc\"\nearlier_schemas = [\"order-1.avsc\"]";
    let manifest = MANIFEST.replace("schema = \"order.avsc\"", lists);
    let manifest = numbered(
        &manifest.replace("\"1\" = \"accepted\"", "\"0\" = \"accepted\", \"1\" = \"cancelled\""),
    );
    let whole = datum();
    let earlier = &whole[..whole.len() - 7];
    check(&manifest, &frame(EARLIER, earlier), "order cancelled x/77");
    check(&manifest, &frame(NUMBER, &whole), "order cancelled x/77");
    check(&manifest, &frame(EARLIER, &whole), "held message.malformed");
    check(&manifest, &frame(NUMBER, earlier), "held message.truncated");
    check(&manifest, &frame(7, &whole), "held schema.unknown");
    let Format::Avro(avro) = &manifest.feeds[0].format else { panic!("an avro feed") };
    assert_eq!(avro.framed().count(), 2);
}

#[test]
fn a_manifest_says_which_values_have_a_frame() {
    let check = |from: &str, to: &str, expected: &str| {
        let error = compile(&MANIFEST.replacen(from, to, 1), SCHEMA).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(
        "\"confluent or none\"",
        "\"kafka\"",
        "x/connector.toml:11: framing: expected \"confluent\" or \"confluent or none\", found \
         \"kafka\"",
    );
    let lists = |files: &str| format!("bytes_max = 4000\nearlier_schemas = [{files}]");
    check("bytes_max = 4000", &lists("\"order-7.avsc\""), "expected a schema file in the");
    let bare = "framing = \"confluent or none\"\nbytes_max = 4000";
    check(bare, &lists("\"order-1.avsc\""), "expected framing beside it");
    check("is = [\"X\"]", "is = [\"X\", \"\"]", "framing: expected the platform's code");
    check("path = \"p\"", "path = \"s\"", "framing: expected the platform's code");
    // A datum that may begin with the branch of a union may begin with a zero byte.
    let union = SCHEMA.replacen("\"string\"", "[\"null\",\"string\"]", 1);
    let error = compile(MANIFEST, &union).unwrap_err().to_string();
    assert!(error.contains("no value without a frame begins with a zero byte"), "{error}");
    compile(&MANIFEST.replace("confluent or none", "confluent"), &union).unwrap();
}
