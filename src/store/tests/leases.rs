//! Leases by the database's clock, and what becomes of an instance that stops within a transaction.

use std::collections::BTreeSet;

use sqlx::Row;

use crate::domain::time::Moment;
use crate::store::instances::{beat, holdings, lead, leave, living};
use crate::store::positions::{
    Claim, Lease, PartitionKey, advance, claim, past, register_topic, release, renew, swap,
};
use crate::store::scratch::{Scratch, on_each_engine};
use crate::store::{Database, Engine};

on_each_engine!(
    a_lease_holds_until_it_is_over_or_given_back,
    an_instance_lives_until_it_leaves,
    one_instance_leads,
);

const NOW: Moment = Moment::from_ms(1_780_000_000_000);
const LONG_MS: i64 = 3_600_000;

fn lease(owner: &str, lease_ms: i64) -> Lease<'_> {
    Lease { owner, lease_ms, process_now: NOW }
}

fn key() -> PartitionKey {
    PartitionKey { topic: "raw.x".to_owned(), partition: 0 }
}

async fn with_topic() -> Scratch {
    let scratch = Scratch::open().await;
    let mut tx = scratch.database.begin().await.unwrap();
    register_topic(&mut tx, "raw.x", "x", 2).await.unwrap();
    tx.commit().await.unwrap();
    scratch
}

async fn claimed(database: &Database, lease: Lease<'_>) -> Option<Claim> {
    let mut tx = database.begin().await.unwrap();
    let claimed = claim(&mut tx, &key(), lease, 0).await.unwrap();
    tx.commit().await.unwrap();
    claimed
}

async fn a_lease_holds_until_it_is_over_or_given_back() {
    let scratch = with_topic().await;
    let database = &scratch.database;
    let first = claimed(database, lease("a", LONG_MS)).await.unwrap();
    assert_eq!(claimed(database, lease("b", LONG_MS)).await, None);
    let mut tx = database.begin().await.unwrap();
    assert!(swap(&mut tx, &key(), &first, lease("a", 0)).await.unwrap());
    tx.commit().await.unwrap();
    // A lease of nothing is over at once.
    let second = claimed(database, lease("b", LONG_MS)).await.unwrap();
    assert_eq!((second.epoch, second.batch), (first.epoch + 1, first.batch + 1));
    let mut tx = database.begin().await.unwrap();
    let behind = Claim { batch: second.batch, ..first.clone() };
    assert!(!swap(&mut tx, &key(), &behind, lease("a", LONG_MS)).await.unwrap(), "another epoch");
    assert!(!renew(&mut tx, &key(), &behind, lease("a", LONG_MS)).await.unwrap());
    assert!(renew(&mut tx, &key(), &second, lease("b", LONG_MS)).await.unwrap());
    // Who gives back what another has by now changes nothing.
    release(&mut tx, &key(), &first).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(claimed(database, lease("a", LONG_MS)).await, None);
    let mut tx = database.begin().await.unwrap();
    release(&mut tx, &key(), &second).await.unwrap();
    tx.commit().await.unwrap();
    assert!(claimed(database, lease("a", LONG_MS)).await.is_some());
}

async fn an_instance_lives_until_it_leaves() {
    let scratch = with_topic().await;
    let mut tx = scratch.database.begin().await.unwrap();
    for owner in ["a", "b"] {
        beat(&mut tx, lease(owner, LONG_MS)).await.unwrap();
    }
    beat(&mut tx, lease("gone", -1)).await.unwrap();
    let names =
        |names: &[&str]| -> BTreeSet<String> { names.iter().map(|n| (*n).into()).collect() };
    assert_eq!(living(&mut tx, NOW).await.unwrap(), names(&["a", "b"]));
    leave(&mut tx, lease("b", LONG_MS)).await.unwrap();
    assert_eq!(living(&mut tx, NOW).await.unwrap(), names(&["a"]));
    claim(&mut tx, &key(), lease("a", LONG_MS), 0).await.unwrap();
    let all = holdings(&mut tx, NOW).await.unwrap();
    let plain: Vec<_> = all.iter().map(|one| (one.owner.as_deref(), one.over_ms)).collect();
    assert_eq!((plain[0], plain[1].0, all[1].partitions), ((Some("a"), None), None, 2));
    assert!(plain[1].1.is_some(), "never leased");
}

async fn one_instance_leads() {
    let scratch = with_topic().await;
    let mut tx = scratch.database.begin().await.unwrap();
    assert!(lead(&mut tx, "publish", lease("a", LONG_MS)).await.unwrap());
    assert!(!lead(&mut tx, "publish", lease("b", LONG_MS)).await.unwrap());
    assert!(lead(&mut tx, "other", lease("b", LONG_MS)).await.unwrap());
    assert!(lead(&mut tx, "publish", lease("a", 0)).await.unwrap());
    assert!(lead(&mut tx, "publish", lease("b", LONG_MS)).await.unwrap());
    leave(&mut tx, lease("b", LONG_MS)).await.unwrap();
    assert!(lead(&mut tx, "publish", lease("a", LONG_MS)).await.unwrap());
}

#[tokio::test]
async fn the_clock_of_a_process_counts_for_nothing_beside_the_servers() {
    let scratch = Scratch::on(Engine::Postgres).await;
    let mut tx = scratch.database.begin().await.unwrap();
    register_topic(&mut tx, "raw.x", "x", 1).await.unwrap();
    tx.commit().await.unwrap();
    assert!(claimed(&scratch.database, lease("a", LONG_MS)).await.is_some());
    let years_ahead = Moment::from_ms(i64::MAX / 2);
    let other = Lease { owner: "b", lease_ms: LONG_MS, process_now: years_ahead };
    assert_eq!(claimed(&scratch.database, other).await, None);
}

/// The server ends the transaction of a session that does nothing in it; until then the row of the
/// partition is locked.
#[tokio::test]
async fn a_transaction_that_stands_still_is_ended_and_the_partition_goes_to_another() {
    let scratch = Scratch::on(Engine::Postgres).await;
    let database = &scratch.database;
    let mut tx = database.begin().await.unwrap();
    register_topic(&mut tx, "raw.x", "x", 1).await.unwrap();
    tx.commit().await.unwrap();
    let first = claimed(database, lease("a", 0)).await.unwrap();
    let mut stopped = database.begin().await.unwrap();
    assert!(swap(&mut stopped, &key(), &first, lease("a", LONG_MS)).await.unwrap());
    let after = Claim { batch: first.batch + 1, next_offset: 77, ..first.clone() };
    advance(&mut stopped, &key(), &after).await.unwrap();
    // It waits for the lock, which comes free when the session of the first is ended.
    let second = claimed(database, lease("b", LONG_MS)).await.unwrap();
    assert_eq!((second.epoch, second.batch, second.next_offset), (first.epoch + 1, 0, 0));
    stopped.commit().await.unwrap_err();
    let mut tx = database.begin().await.unwrap();
    assert!(!swap(&mut tx, &key(), &first, lease("a", LONG_MS)).await.unwrap());
    assert!(swap(&mut tx, &key(), &second, lease("b", LONG_MS)).await.unwrap());
    tx.commit().await.unwrap();
}

/// Freezing waits for the batch that has the row, and sees what it committed.
#[tokio::test]
async fn a_freeze_waits_for_the_batches_that_are_under_way() {
    let scratch = Scratch::on(Engine::Postgres).await;
    let database = scratch.database.clone();
    let mut tx = database.begin().await.unwrap();
    register_topic(&mut tx, "raw.x", "x", 2).await.unwrap();
    tx.commit().await.unwrap();
    let first = claimed(&database, lease("a", LONG_MS)).await.unwrap();
    let mut batch = database.begin().await.unwrap();
    assert!(swap(&mut batch, &key(), &first, lease("a", LONG_MS)).await.unwrap());
    let cut_at = NOW;
    let freezing = tokio::spawn({
        let database = database.clone();
        async move {
            let mut tx = database.begin().await.unwrap();
            past(&mut tx, cut_at).await.unwrap()
        }
    });
    scratch.waiters(1).await;
    let after = Claim { batch: first.batch + 1, received_at: NOW.plus_ms(1), ..first };
    advance(&mut batch, &key(), &after).await.unwrap();
    batch.commit().await.unwrap();
    assert_eq!(freezing.await.unwrap(), Some(key()), "what the batch has applied is seen");
}

#[tokio::test]
async fn a_lost_session_is_a_passing_error_and_a_wrong_statement_is_none() {
    let scratch = Scratch::on(Engine::Postgres).await;
    let mut tx = scratch.database.begin().await.unwrap();
    let sql = "select cast(pg_backend_pid() as bigint) as pid";
    let pid: i64 = sqlx::query(sql).fetch_one(&mut *tx).await.unwrap().get("pid");
    let mut other = scratch.database.begin().await.unwrap();
    let end = "select cast(pg_terminate_backend(cast($1 as integer)) as text) as done";
    sqlx::query(end).bind(pid).execute(&mut *other).await.unwrap();
    let error = beat(&mut tx, lease("a", 1)).await.unwrap_err();
    assert!(error.is_passing(), "{error}");
    let wrong = sqlx::query("select nothing").execute(&mut *other).await.unwrap_err();
    assert!(!crate::store::StoreError::from(wrong).is_passing());
}
