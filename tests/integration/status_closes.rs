//! `zhibao status` fails where a sum does not close; each sum is broken by hand once.

use sqlx::SqlitePool;

use crate::hub::{Folder, Hub, text};

async fn change(database: &SqlitePool, sql: &'static str) {
    let done = sqlx::query(sql).execute(database).await.unwrap();
    assert!(done.rows_affected() > 0, "{sql}: nothing to change");
}

/// Changes the books behind the hub's back, expects the status to fail, and undoes the change.
async fn check_fails(hub: &Hub, sql: &'static str, undo: &'static str, expected: &str) {
    let database = hub.database().await;
    change(&database, sql).await;
    let ended = hub.run(&["status"]);
    assert!(!ended.is_success, "status closes after: {sql}\n{}", ended.out);
    assert!(ended.out.contains(expected), "expected {expected:?}, found:\n{}", ended.out);
    change(&database, undo).await;
    database.close().await;
    hub.done(&["status"]);
}

#[tokio::test]
async fn the_status_fails_where_a_sum_does_not_close() {
    let folder = Folder::new("status");
    let generated = folder.path("generated");
    let hub = Hub::new(folder.path("hub"));
    let size = ["--orders", "2000", "--from", "2026-07-01", "--days", "1", "--seed", "3"];
    hub.done(&[&["generate", "--out", text(&generated)], &size[..]].concat());
    hub.done(&["replay", text(&generated)]);
    hub.done(&["process"]);
    hub.done(&["status"]);

    check_fails(
        &hub,
        "update outcome_sum set applied = applied - 1 where connector = 'meituan'",
        "update outcome_sum set applied = applied + 1 where connector = 'meituan'",
        "DOES NOT CLOSE",
    )
    .await;
    check_fails(
        &hub,
        "update outcome_sum set applied = applied - 1, held = held + 1 where connector = 'meituan'",
        "update outcome_sum set applied = applied + 1, held = held - 1 where connector = 'meituan'",
        "held",
    )
    .await;
    // The database itself refuses to change what is posted, as long as its guard stands.
    let database = hub.database().await;
    sqlx::query("drop trigger posting_stays").execute(&database).await.unwrap();
    database.close().await;
    check_fails(
        &hub,
        "update posting set amount_fen = amount_fen + 1 \
         where line_no = 1 and entry_id = (select min(entry_id) from posting)",
        "update posting set amount_fen = amount_fen - 1 \
         where line_no = 1 and entry_id = (select min(entry_id) from posting)",
        "DOES NOT BALANCE",
    )
    .await;
}
