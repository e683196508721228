//! A hub does not start on rules that are wrong, nor on a data folder that a newer program wrote;
//! it says which file, line and field.

use std::path::Path;

use crate::hub::{Folder, Hub};
use crate::new_platform::copy_rules;

/// Replaces the first `from` of a file, and returns the line that it stands in, from 1.
fn break_file(path: &Path, from: &str, to: &str) -> usize {
    let text = std::fs::read_to_string(path).unwrap();
    let (before, _) = text.split_once(from).unwrap();
    std::fs::write(path, text.replacen(from, to, 1)).unwrap();
    before.lines().count() + usize::from(before.ends_with('\n'))
}

/// Breaks one file and expects every command that opens the hub to end with words that name it.
#[track_caller]
fn check_refused(
    name: &str,
    file: &str,
    (from, to): (&str, &str),
    expected: impl Fn(usize) -> String,
) {
    let folder = Folder::new(name);
    let rules = folder.path("rules");
    copy_rules(&rules);
    let line = break_file(&rules.join(file), from, to);
    let hub = Hub::with_rules(folder.path("hub"), rules);
    for command in ["process", "status"] {
        let ended = hub.run(&[command]);
        assert!(!ended.is_success, "{command} ran on a broken {file}");
        let expected = expected(line);
        assert!(ended.err.contains(&expected), "expected {expected:?}, found {:?}", ended.err);
        assert_eq!(ended.out, "", "{command} did something");
    }
}

#[test]
fn a_broken_manifest_stops_the_start() {
    let file = "connectors/meituan/connector.toml";
    let edit = ("resolution_ms = 1", "resolution_ms = \"one\"");
    check_refused("manifest-value", file, edit, |line| {
        format!("{file}:{line}: resolution_ms: expected")
    });
    let edit = ("order_id = \"orderViewId\"\n", "");
    check_refused("manifest-field", file, edit, |_| "order_id".to_owned());
}

#[test]
fn a_sample_that_is_not_as_declared_fails_the_check_of_connectors() {
    let folder = Folder::new("connector-check");
    let rules = folder.path("rules");
    copy_rules(&rules);
    let hub = Hub::with_rules(folder.path("hub"), rules.clone());
    let out = hub.done(&["connector", "check"]);
    assert!(out.contains("meituan: 2 feeds, 0 findings"), "{out}");

    // The manifest still compiles; only its samples show that the status is read another way.
    let file = rules.join("connectors/meituan/connector.toml");
    break_file(&file, "\"40\" = \"completed\"", "\"40\" = \"cancelled\"");
    let ended = hub.run(&["connector", "check"]);
    assert!(!ended.is_success, "{}", ended.out);
    assert!(ended.out.contains("meituan/samples/accept/orders/"), "{}", ended.out);
    assert!(ended.out.contains("eleme: 3 feeds, 0 findings"), "{}", ended.out);
}

#[test]
fn a_broken_policy_stops_the_start() {
    // The step of a rate goes from −5 to +5.
    let edit = ("step = 0", "step = 6");
    check_refused("policy-value", "policy/rates.toml", edit, |line| {
        format!("policy rates.toml line {line}, step: expected -5 to 5")
    });
    let edit = ("base_li = 70", "base_li = 0.07");
    check_refused("policy-type", "policy/rates.toml", edit, |line| {
        format!("policy rates.toml line {line}: ")
    });
    let edit = ("150102,新城区", "150l02,新城区");
    check_refused("policy-region", "policy/regions.csv", edit, |line| {
        format!("policy regions.csv line {line}: ")
    });
}

#[tokio::test]
async fn a_data_folder_of_a_newer_program_is_refused() {
    let folder = Folder::new("newer");
    let hub = Hub::new(folder.path("hub"));
    hub.done(&["status"]);
    let database = hub.database().await;
    sqlx::query(
        "insert into _sqlx_migrations \
         (version, description, installed_on, success, checksum, execution_time) \
         select 9999, 'newer', installed_on, success, checksum, execution_time \
         from _sqlx_migrations where version = 1",
    )
    .execute(&database)
    .await
    .unwrap();
    database.close().await;
    for command in ["status", "process"] {
        let ended = hub.run(&[command]);
        assert!(!ended.is_success, "{command} ran on a newer schema");
        assert!(ended.err.contains("database schema"), "{}", ended.err);
        assert!(ended.err.contains("9999"), "{}", ended.err);
    }
}
