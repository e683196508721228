//! What a manifest may get wrong, and where the error says it is.

use std::collections::BTreeMap;

use super::*;

const GOOD: &str = r#"name = "x"
platform = "x"
legal_entity = "某公司"
lines = ["ride_hailing"]
valid_from = "2026-07-01"
partitions = 2
[[feed]]
name = "orders"
format = "json"
bytes_max = 1000
depth_max = 4
time = "rfc3339"
own = { path = "p", is = ["X"] }
[[feed.record]]
makes = "order"
status = { path = "s", kinds = { "1" = "accepted", "2" = "completed" }, ignored = ["0"] }
[feed.record.fields]
order_id = "o.id"
line = { const = "ride_hailing" }
worker = "w"
accepted_at = "t"
occurred_at = "t"
county = [{ path = "c" }, { path = "d", source = "pickup", absent = ["0"] }]
[[feed]]
name = "levies"
format = "json"
bytes_max = 1000
depth_max = 4
time = "rfc3339"
type = { path = "type", ignored = ["noise"] }
key = ["case"]
[[feed.record]]
type = "b"
makes = "benefit"
[feed.record.fields]
case = "case"
body = "body"
document_no = "no"
decided_on = "on"
version = "v"
instruction = "i"
items = { path = "items", rows = ["item", "amount"], codes = ["medical", "nursing"] }
occurred_at = "at"
[[feed.record]]
type = "a"
makes = "bank_result"
[feed.record.fields]
case = "case"
instruction = "i"
account = "acc"
amount = "amount"
outcome = { path = "out", codes = { ok = "paid", back = "returned" } }
booked_on = "on"
voucher_no = "no"
occurred_at = "at"
"#;

fn compile(text: &str) -> Result<Manifest, ManifestError> {
    let files = BTreeMap::from([("connector.toml".to_owned(), text.as_bytes().to_vec())]);
    Manifest::from_files("x", "x/connector.toml", files)
}

/// The error of the good manifest with one text replaced.
fn wrong(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    match compile(&GOOD.replacen(from, to, 1)) {
        Ok(_) => "no error".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// What is replaced in the good manifest, by what, and how the error begins.
const WRONG: &[(&str, &str, &str)] = &[
    ("name = \"x\"", "name = \"y\"", "x/connector.toml:1: name: expected the folder's name \"x\""),
    ("platform = \"x\"", "platform x", "x/connector.toml:2: expected TOML: "),
    (
        "name = \"orders\"",
        "name = \"unknown\"",
        "x/connector.toml:7: feed: expected a name other than that of records without a feed, found \"unknown\"",
    ),
    (
        "partitions = 2",
        "partitions = 0",
        "x/connector.toml:6: partitions: expected 1 or more partitions, found 0",
    ),
    ("depth_max = 4", "depth = 4", "x/connector.toml:11: depth: expected one of name, format, "),
    (
        "\"rfc3339\"",
        "\"iso\"",
        "x/connector.toml:12: time: expected epoch_ms, epoch_s, rfc3339 or a pattern of YYYY MM DD hh mm ss, found \"iso\"",
    ),
    (
        "own = { path = \"p\", is = [\"X\"] }",
        "",
        "x/connector.toml:7: feed: expected platform in the manifest and own in the feed",
    ),
    (
        "\"2\" = \"completed\"",
        "\"2\" = \"done\"",
        "x/connector.toml:16: 2: expected accepted, completed, cancelled, void, found \"done\"",
    ),
    (
        "ignored = [\"0\"]",
        "ignored = [\"2\"]",
        "x/connector.toml:16: ignored: status \"2\": expected one meaning, found a second",
    ),
    (
        "\"1\" = \"accepted\"",
        "\"1\" = \"void\"",
        "x/connector.toml:16: status: expected a status that means accepted: a hole",
    ),
    (
        "order_id = \"o.id\"",
        "order_id = \"o..id\"",
        "x/connector.toml:18: order_id: expected a path without empty steps, found \"o..id\"",
    ),
    (
        "worker = \"w\"",
        "worker = \"o\"",
        "x/connector.toml:20: worker: path \"o\": expected one use, found a value and an object",
    ),
    (
        "worker = \"w\"",
        "rider = \"w\"",
        "x/connector.toml:20: rider: expected one of order_id, line, ",
    ),
    (
        "worker = \"w\"\n",
        "",
        "x/connector.toml:17: fields: required field worker of accepted: expected a source",
    ),
    (
        "occurred_at = \"t\"\n",
        "",
        "x/connector.toml:17: fields: required field occurred_at of accepted: expected a source",
    ),
    (
        "const = \"ride_hailing\"",
        "const = \"rail\"",
        "x/connector.toml:7: feed: expected a line of the platform, found \"rail\"",
    ),
    (
        "source = \"pickup\"",
        "source = \"drop\"",
        "x/connector.toml:23: source: expected acceptance, pickup or registration, found \"drop\"",
    ),
    ("key = [\"case\"]\n", "", "x/connector.toml:24: feed: expected key = [paths], found none"),
    (
        "type = \"b\"\n",
        "",
        "x/connector.toml:32: record: expected type both here and in the feed, or in neither",
    ),
    (
        "makes = \"benefit\"",
        "makes = \"gift\"",
        "x/connector.toml:34: makes: expected order, statement, ",
    ),
    (
        "instruction = \"i\"\n",
        "",
        "x/connector.toml:35: fields: required field instruction: expected a source",
    ),
    (
        ", rows = [\"item\", \"amount\"]",
        "",
        "x/connector.toml:42: items: expected either rows or pairs for this field",
    ),
    (
        "ok = \"paid\", ",
        "",
        "x/connector.toml:52: outcome: expected codes for \"paid\", found none: a hole",
    ),
    (
        "ok = \"paid\"",
        "ok = \"gone\"",
        "x/connector.toml:52: outcome: expected paid, returned, found \"gone\"",
    ),
];

#[test]
fn errors_name_file_line_and_field() {
    for (from, to, expected) in WRONG {
        let found = wrong(from, to);
        assert!(found.starts_with(expected), "{to}\nexpected {expected}\nfound    {found}");
    }
}

#[test]
fn csv_columns_and_avro_fields_are_checked_against_header_and_schema() {
    let csv = GOOD.replacen(
        "format = \"json\"\nbytes_max = 1000\ndepth_max = 4",
        "format = \"csv\"\nencoding = \"utf-8\"\nheader_lines = [\"p,s,o.id,w,t,c\"]\nbytes_max = 1000",
        1,
    );
    let error = compile(&csv).expect_err("no column d").to_string();
    assert!(
        error.contains(":11: header_lines: expected the mapped column \"d\", found none"),
        "{error}"
    );
    assert!(compile(&csv.replacen("w,t,c", "w,t,c,d", 1)).is_ok());
    let avro = GOOD.replacen(
        "format = \"json\"\nbytes_max = 1000\ndepth_max = 4",
        "format = \"avro\"\nschema = \"x.avsc\"\nbytes_max = 1000",
        1,
    );
    let error = compile(&avro).expect_err("no schema").to_string();
    assert!(error.contains(":10: schema: expected a schema file"), "{error}");
}

/// A record of the second feed of the good manifest.
fn levy(record: &str) -> String {
    check_bytes(&compile(GOOD).expect("good"), "levies", None, record.as_bytes())
}

fn bank(amount: &str) -> String {
    levy(&format!(
        r#"{{"type":"a","case":"C1","i":"PI1","acc":"expenditure","amount":{amount},"out":"ok","on":"2026-08-01","no":"V1","at":"2026-08-01T10:00:00+08:00"}}"#
    ))
}

#[test]
fn amounts_are_read_exactly_or_held() {
    let good = bank("\"12.30\"");
    assert!(good.starts_with("x:bank_result:V1 occurred=2026-08-01T10:00:00.000+08:00"), "{good}");
    assert!(good.contains("Fen(1230)"), "{good}");
    assert!(bank("\"-0.00\"").contains("Fen(0)"));
    for (amount, code) in [
        ("\"-1\"", "amount.negative"),
        ("\"-1.234\"", "amount.negative"),
        ("\"1.234\"", "amount.too_many_digits"),
        ("\"1234567890123456\"", "amount.too_many_digits"),
        ("\"1e3\"", "field.invalid"),
        ("\"一元\"", "field.invalid"),
        ("12.30", "field.invalid"),
        ("\"\"", "field.missing"),
    ] {
        let found = bank(amount);
        assert!(found.starts_with(&format!("held {code}")), "{amount}: {found}");
    }
}

#[test]
fn codes_and_types_without_a_meaning_are_held() {
    let one = bank("\"1\"");
    assert!(!one.starts_with("held"), "{one}");
    let record = |out: &str, kind: &str| {
        levy(&format!(
            r#"{{"type":"{kind}","case":"C1","i":"PI1","acc":"expenditure","amount":"1","out":"{out}","on":"2026-08-01","no":"V1","at":"2026-08-01T10:00:00+08:00"}}"#
        ))
    };
    assert!(
        record("lost", "a").starts_with("held code.unknown: out: expected a code of the table")
    );
    assert!(record("ok", "q").starts_with("held status.unknown"));
    assert_eq!(record("ok", "noise"), "ignored noise");
}

#[test]
fn benefits_have_each_item_once_and_a_decision_may_lack_its_number() {
    let benefit = |items: &str, no: &str| {
        levy(&format!(
            r#"{{"type":"b","case":"C1","body":"ssa-150102","no":{no},"on":"2026-08-01","v":2,"i":"PI1","items":{items},"at":"2026-08-01T10:00:00+08:00"}}"#
        ))
    };
    let good = benefit(
        r#"[{"item":"medical","amount":"10.00"},{"item":"nursing","amount":"0.05"}]"#,
        "\"\"",
    );
    assert!(good.starts_with("x:benefit:C1:2 "), "{good}");
    assert!(good.contains(r#"items: [("medical", Fen(1000)), ("nursing", Fen(5))]"#), "{good}");
    assert!(good.contains("document_no: None"), "{good}");
    for (items, code) in [
        (r#"[{"item":"medical","amount":"1"},{"item":"medical","amount":"2"}]"#, "field.invalid"),
        (r#"[{"item":"gift","amount":"1"}]"#, "code.unknown"),
        (r#"[{"item":"medical","amount":"-1"}]"#, "amount.negative"),
        (r#"[{"item":"medical","amount":1}]"#, "field.invalid"),
        (r#"[{"amount":"1"}]"#, "field.invalid"),
        (r#"{"item":"medical"}"#, "field.invalid"),
        ("null", "field.missing"),
    ] {
        let found = benefit(items, "null");
        assert!(found.starts_with(&format!("held {code}")), "{items}: {found}");
    }
}
