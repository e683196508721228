//! Records held against serde_json, and cut, nested or doubled ones.

use proptest::prelude::*;
use serde_json::Value;

use super::super::cell::{Cell, Plan, empty_slots};
use super::*;

/// Reads `text` for the paths, and prints what stands there.
fn check(text: &str, paths: &[&str]) -> String {
    let mut plan = Plan::default();
    for path in paths {
        plan.slot(path).expect("a path");
    }
    let mut slots = empty_slots();
    match read(text, &plan, 4, &mut slots) {
        Ok(()) => format!("{:?}", slots.iter().take(paths.len()).collect::<Vec<_>>()),
        Err(reason) => format!("{}: {reason}", reason.code()),
    }
}

#[test]
fn values_are_taken_by_path_as_they_were_written() {
    let text =
        r#" {"a":{"b":"x\u00e9\ud83d\ude00\n"},"n":9223372036854775808.50,"z":null,"a2":[1]} "#;
    assert_eq!(
        check(text, &["a.b", "n", "z", "q"]),
        r#"[Text("xé😀\n"), Number("9223372036854775808.50"), Absent, Absent]"#
    );
    assert_eq!(check(r#"{"a":{}}"#, &["a"]), r#"[Other("an object")]"#);
    assert_eq!(check(r#"{"a":7}"#, &["a.b", "a.c"]), r#"[Other("a number"), Other("a number")]"#);
    assert_eq!(
        check(r#"{"a":null,"b":true}"#, &["a.b", "b"]),
        r#"[Absent, Other("true or false")]"#
    );
}

#[test]
fn rows_are_taken_by_two_members() {
    let check = |text: &str| {
        let mut plan = Plan::default();
        plan.rows("t", ["k", "v"]).expect("a path");
        let mut slots = empty_slots();
        read(text, &plan, 4, &mut slots).map(|()| format!("{:?}", slots[0]))
    };
    assert_eq!(
        check(r#"{"t":[{"k":"a","v":1,"x":[]},{"v":2}]}"#),
        Ok(r#"Rows([[Text("a"), Number("1")], [Absent, Number("2")]])"#.to_owned())
    );
    assert_eq!(check(r#"{"t":[]}"#), Ok("Rows([])".to_owned()));
    assert_eq!(check(r#"{"t":[1]}"#), Ok(r#"Other("an array")"#.to_owned()));
    assert_eq!(check(r#"{"t":{}}"#), Ok(r#"Other("an object")"#.to_owned()));
}

#[test]
fn every_fault_has_its_reason() {
    for (text, expected) in [
        ("", "message.truncated: expected a whole record, found its end at byte 0"),
        (r#"{"a":tru"#, "message.truncated: expected a whole record, found its end at byte 8"),
        (r#"{"a":-"#, "message.truncated: expected a whole record, found its end at byte 6"),
        (r#"{"a":"\ud83d"#, "message.truncated: expected a whole record, found its end at byte 12"),
        (r#"{"a":1,"a":2}"#, r#"message.duplicate_key: expected each key once, found "a" twice"#),
        (
            r#"{"q":{"b":1,"\u0062":2}}"#,
            r#"message.duplicate_key: expected each key once, found "b" twice"#,
        ),
        (r#"{"a":1,"a":2"#, "message.truncated: expected a whole record, found its end at byte 12"),
        (r#"{"a":1,"a":2]"#, r#"message.duplicate_key: expected each key once, found "a" twice"#),
        (
            r#"{"q":[[[["]"]]]]}"#,
            "message.too_deep: expected at most 4 levels of nesting, found more",
        ),
        (
            r#"{"a":1,"a":2,"q":[[[[1]]]]}"#,
            "message.too_deep: expected at most 4 levels of nesting, found more",
        ),
        (r#"{"q":[[[["]""#, "message.truncated: expected a whole record, found its end at byte 12"),
        (
            r#"{"a":01}"#,
            "message.malformed: expected a comma or the end of the object or array, found '1' at byte 6",
        ),
        (r#"{"a":1.}"#, "message.malformed: expected a digit, found '}' at byte 7"),
        (
            r#"{"a":1}{"#,
            "message.malformed: expected nothing after the object, found '{' at byte 7",
        ),
        (r#"["a"]"#, "message.malformed: expected an object, found '[' at byte 0"),
        (
            r#"{"a":"\ud83dx"}"#,
            "message.malformed: expected a whole surrogate pair, found 'x' at byte 12",
        ),
        (r#"{"a":"\x"}"#, "message.malformed: expected an escape, found 'x' at byte 7"),
        (
            "{\"a\":\"\t\"}",
            "message.malformed: expected an escaped control character, found '\\t' at byte 6",
        ),
        (r"{'a':1}", "message.malformed: expected a key, found '\\'' at byte 1"),
        (r#"{"a":1,}"#, "message.malformed: expected a key, found '}' at byte 7"),
    ] {
        assert_eq!(check(text, &["a"]), expected, "{text}");
    }
}

#[test]
fn more_keys_than_are_remembered_cheaply_are_still_told_apart() {
    let keys = |last: &str| {
        let keys: Vec<String> = (0..40).map(|key| format!("\"k{key}\":0")).collect();
        format!("{{{},\"{last}\":1}}", keys.join(","))
    };
    assert_eq!(check(&keys("k40"), &["k40"]), r#"[Number("1")]"#);
    for twice in ["k0", "k15", "k16", "k39"] {
        assert!(check(&keys(twice), &["k40"]).starts_with("message.duplicate_key"), "{twice}");
    }
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c\u{e9}\"]{0,2}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Whether this reader takes the text; a key named twice is the one thing that `serde_json` lets
/// pass.
fn accepts(text: &str) -> bool {
    let outcome = read(text, &Plan::default(), 64, &mut empty_slots());
    matches!(outcome, Ok(()) | Err(HoldReason::DuplicateKey { .. }))
}

proptest! {
    #[test]
    fn what_serde_json_writes_is_read_as_it_reads_it(value in json()) {
        let text = serde_json::json!({ "a": value, "b": { "c": value } }).to_string();
        let parsed: Value = serde_json::from_str(&text).expect("its own text");
        let mut plan = Plan::default();
        plan.slot("a").expect("a path");
        plan.slot("b.c").expect("a path");
        let mut slots = empty_slots();
        prop_assert_eq!(read(&text, &plan, 64, &mut slots), Ok(()));
        for (slot, theirs) in slots.iter().zip([&parsed["a"], &parsed["b"]["c"]]) {
            match (slot, theirs) {
                (Cell::Text(ours), Value::String(theirs)) => prop_assert_eq!(ours, theirs),
                (Cell::Number(ours), theirs) => prop_assert_eq!(*ours, theirs.to_string()),
                (Cell::Absent, theirs) => prop_assert_eq!(theirs, &Value::Null),
                (Cell::Other("an object"), theirs) => prop_assert!(theirs.is_object()),
                (Cell::Other("an array"), theirs) => prop_assert!(theirs.is_array()),
                (Cell::Other(_), theirs) => prop_assert!(theirs.is_boolean()),
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }

    #[test]
    fn a_mutated_text_is_taken_by_both_or_by_neither(
        value in json(),
        at in any::<prop::sample::Index>(),
        byte in prop::sample::select(b"{}[]\",:\\0129.eE+-tfnu \x00x".to_vec()),
        cut in any::<bool>(),
    ) {
        let mut bytes = serde_json::json!({ "a": value, "b": [1.5, "x"] }).to_string().into_bytes();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        let Ok(text) = String::from_utf8(bytes) else { return Ok(()) };
        // What is no object, and a number too large for a float, only this reader refuses or takes.
        let theirs = serde_json::from_str::<Value>(&text);
        let too_large = theirs.as_ref().is_err_and(|error| error.to_string().contains("range"));
        prop_assume!(!too_large);
        prop_assert_eq!(accepts(&text), theirs.is_ok_and(|value| value.is_object()), "{}", text);
    }
}
