//! The gate on the released schemas and on changes made for the test.

use std::path::{Path, PathBuf};

use crate::schema::Record;
use crate::schema::gate::{Report, SchemaError, check_compatibility};

/// A folder of its own for one test, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("zhibao-{}-{name}", std::process::id()));
        std::fs::create_dir_all(path.join("released")).expect("a folder for the test");
        Self(path)
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.0.join(file);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder for the test");
        std::fs::write(path, text).expect("a file for the test");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

const OLD: &str = r#"{"name": "a", "type": "long", "doc": "old"}"#;
const TIME: &str = r#"{"name": "t", "type": {"type": "long", "logicalType": "timestamp-millis"}}"#;

fn record(fields: &[&str]) -> String {
    format!(r#"{{"type": "record", "name": "X", "fields": [{}]}}"#, fields.join(", "))
}

fn compare(name: &str, released: &[&[&str]], today: &[&str]) -> Report {
    let folder = Folder::new(name);
    folder.write("X.avsc", &record(today));
    for (index, fields) in released.iter().enumerate() {
        folder.write(&format!("released/X/v{}.avsc", index + 1), &record(fields));
    }
    check_compatibility(&folder.0).expect("schemas that can be compared")
}

#[track_caller]
fn check_break(name: &str, released: &[&[&str]], today: &[&str], reason: &str) {
    let report = compare(name, released, today);
    let found = report.to_string();
    assert!(found.contains(reason), "expected {reason:?} in {found:?}");
    assert!(report.breaks[0].file.ends_with("X.avsc"));
    assert!(report.breaks[0].released.ends_with("released/X/v1.avsc"));
}

#[test]
fn the_released_schemas_are_still_served() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    let report = check_compatibility(&folder).expect("schemas that can be compared");
    assert_eq!(report.breaks, []);
    let mut names: Vec<&str> = Record::ALL.iter().map(|record| record.name()).collect();
    names.sort_unstable();
    let checked: Vec<&str> = report.checked.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(checked, names);
    assert!(report.checked.iter().all(|(_, versions)| *versions >= 1), "all are released");
}

#[test]
fn a_field_with_a_default_may_come_and_go() {
    let new = r#"{"name": "b", "type": ["null", "string"], "default": null}"#;
    assert_eq!(compare("added", &[&[OLD]], &[OLD, new]).breaks, []);
    assert_eq!(compare("removed", &[&[OLD, new]], &[OLD]).breaks, []);
    let report = compare("wider", &[&[OLD]], &[r#"{"name": "a", "type": ["long", "string"]}"#]);
    assert_eq!(report.breaks, [], "a union may grow");
}

#[test]
fn a_field_without_a_default_may_neither_come_nor_go() {
    let new = r#"{"name": "b", "type": "string"}"#;
    check_break("needs", &[&[OLD]], &[OLD, new], "Field 'b' in reader schema must have a default");
    check_break("lost", &[&[OLD, new]], &[OLD], "X.b: expected to stay");
}

#[test]
fn a_field_keeps_its_type_and_its_unit() {
    let other = r#"{"name": "a", "type": "string"}"#;
    check_break("type", &[&[OLD]], &[other], "X.a: expected to keep long, found string");
    // The library alone lets this pass: both are a long.
    let micros = r#"{"name": "t", "type": {"type": "long", "logicalType": "timestamp-micros"}}"#;
    check_break(
        "unit",
        &[&[TIME]],
        &[micros],
        "X.t: expected to keep long timestamp-millis, found long timestamp-micros",
    );
    let money = |scale: u32| {
        format!(
            r#"{{"name": "m", "type": {{"type": "bytes", "logicalType": "decimal",
                "precision": 18, "scale": {scale}}}}}"#
        )
    };
    check_break("scale", &[&[&money(2)]], &[&money(3)], "X.m: expected to keep bytes decimal");
}

#[test]
fn every_released_version_counts_not_only_the_last() {
    let new = r#"{"name": "b", "type": "string"}"#;
    check_break("transitive", &[&[OLD], &[OLD, new]], &[OLD, new], "v1.avsc");
}

#[test]
fn a_change_deep_inside_is_found() {
    let nested = |size: u32| {
        format!(
            r#"{{"name": "list", "type": {{"type": "array", "items": {{"type": "record",
                "name": "Y", "fields": [{{"name": "k", "type": ["null",
                {{"type": "fixed", "name": "T", "size": {size}}}], "default": null}}]}}}}}}"#
        )
    };
    check_break("deep", &[&[&nested(8)]], &[&nested(16)], "Y.k: expected to keep T fixed size 8");
}

#[test]
fn what_cannot_be_compared_is_an_error_that_names_the_file() {
    let folder = Folder::new("gone");
    folder.write("released/Y/v1.avsc", &record(&[OLD]));
    let gone = check_compatibility(&folder.0).expect_err("no schema of today");
    assert!(matches!(&gone, SchemaError::Gone { path } if path.ends_with("Y.avsc")));

    folder.write("Y.avsc", &record(&[OLD]));
    folder.write("released/Y/v3.avsc", &record(&[OLD]));
    let gap = check_compatibility(&folder.0).expect_err("no v2");
    assert!(matches!(&gap, SchemaError::Numbering { path } if path.ends_with("v3.avsc")));

    folder.write("A.avsc", "{");
    let broken = check_compatibility(&folder.0).expect_err("no schema");
    assert!(matches!(&broken, SchemaError::Invalid { path, .. } if path.ends_with("A.avsc")));
}
