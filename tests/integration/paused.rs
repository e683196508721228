//! A paused connector as an operator meets it: every command that would take its absence for the
//! whole says so, and none does its work.

use crate::hub::{Folder, Hub, arrivals, text};

#[tokio::test]
async fn commands_say_that_a_connector_is_paused_and_no_month_is_frozen_meanwhile() {
    let folder = Folder::new("paused");
    let generated = folder.path("generated");
    let hub = Hub::new(folder.path("hub"));
    let size = ["--orders", "300", "--from", "2026-07-01", "--days", "1", "--seed", "5"];
    hub.done(&[&["generate", "--out", text(&generated)], &size[..]].concat());
    assert!(arrivals(&generated).iter().any(|file| file.connector == "meituan"));
    // Opening makes the schema.
    hub.done(&["status"]);
    let database = hub.database().await;
    let pause = "insert into pause values ('meituan', 'status.unknown', 2001, 2500, 0)";
    sqlx::query(pause).execute(&database).await.unwrap();
    hub.done(&["replay", text(&generated)]);

    let freeze = ["freeze", "--month", "2026-07", "--reason", "the test's month is over"];
    for command in [&["process"][..], &["seal", "--until", "2026-07-31"]] {
        let ended = hub.run(command);
        assert!(!ended.is_success && ended.out.contains("meituan: PAUSED"), "{}", ended.out);
    }
    let applied = "select count(*) from position where topic = 'raw.meituan' and next_offset > 0";
    let applied: i64 = sqlx::query_scalar(applied).fetch_one(&database).await.unwrap();
    assert_eq!(applied, 0, "the log keeps them");
    let ended = hub.run(&freeze);
    assert!(!ended.is_success && ended.err.contains("zhibao resume meituan"), "{}", ended.err);
    let frozen: i64 =
        sqlx::query_scalar("select count(*) from levy_line").fetch_one(&database).await.unwrap();
    assert_eq!(frozen, 0);
    let status = hub.run(&["status"]).out;
    assert!(status.contains("PAUSED") && status.contains("2001 of 2500"), "{status}");

    let ended = hub.run(&["resume", "nobody"]);
    assert!(!ended.is_success && ended.err.contains("expected a folder name"), "{}", ended.err);
    assert!(hub.done(&["resume", "meituan"]).contains("status.unknown is known now"));
    assert!(hub.done(&["resume", "meituan"]).contains("was not paused"));
    database.close().await;
    hub.done(&["process"]);
    hub.done(&["seal", "--until", "2026-07-31"]);
    hub.done(&freeze);
    hub.done(&["status"]);
}
