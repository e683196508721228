//! Growing a topic: who is kept away from when on, and where the new partitions begin.

use std::time::Duration;

use crate::domain::time::{Day, Moment};
use crate::store::growth::{Ancestor, Growth, ancestors, begin, finish, of_topic};
use crate::store::instances::holdings;
use crate::store::positions::{
    Claim, Lease, PartitionKey, advance, claim, done_with, register_topic, swap,
};
use crate::store::publish::{advance as advance_cursor, cursor};
use crate::store::scratch::{Scratch, on_each_engine};
use crate::store::segments::{self, SegmentKind, StoredSegment};
use crate::store::{Database, Engine, order_days};

on_each_engine!(
    nobody_claims_or_commits_while_a_topic_grows,
    new_partitions_go_on_where_their_parents_stand,
);

const NOW: Moment = Moment::from_ms(1_780_000_000_000);

fn lease(owner: &str) -> Lease<'_> {
    Lease { owner, lease_ms: 3_600_000, process_now: NOW }
}

fn key(partition: u32) -> PartitionKey {
    PartitionKey { topic: "raw.x".to_owned(), partition }
}

async fn with_topic(engine: Option<Engine>) -> Scratch {
    let scratch = match engine {
        Some(engine) => Scratch::on(engine).await,
        None => Scratch::open().await,
    };
    let mut tx = scratch.database.begin().await.unwrap();
    register_topic(&mut tx, "raw.x", "x", 2).await.unwrap();
    tx.commit().await.unwrap();
    scratch
}

async fn claimed(database: &Database, partition: u32, growing_to: u32) -> Option<Claim> {
    let mut tx = database.begin().await.unwrap();
    let claimed = claim(&mut tx, &key(partition), lease("a"), growing_to).await.unwrap();
    tx.commit().await.unwrap();
    claimed
}

/// Commits a batch that leaves the partition at this place.
async fn commit(database: &Database, partition: u32, before: &Claim, next_offset: u64) -> Claim {
    let mut tx = database.begin().await.unwrap();
    assert!(swap(&mut tx, &key(partition), before, lease("a")).await.unwrap());
    let after = Claim {
        batch: before.batch + 1,
        next_offset,
        received_at: NOW,
        chain_head: [7; 32],
        ..before.clone()
    };
    advance(&mut tx, &key(partition), &after).await.unwrap();
    tx.commit().await.unwrap();
    after
}

async fn grow(database: &Database, from: u32, to: u32) {
    let mut tx = database.begin().await.unwrap();
    begin(&mut tx, "raw.x", from, to).await.unwrap();
    tx.commit().await.unwrap();
}

async fn end(database: &Database, from: u32, to: u32) {
    let mut tx = database.begin().await.unwrap();
    finish(&mut tx, "raw.x", from, to).await.unwrap();
    tx.commit().await.unwrap();
}

async fn nobody_claims_or_commits_while_a_topic_grows() {
    let scratch = with_topic(None).await;
    let database = &scratch.database;
    let owner = claimed(database, 0, 0).await.unwrap();
    grow(database, 2, 6).await;
    let mut tx = database.begin().await.unwrap();
    assert!(!swap(&mut tx, &key(0), &owner, lease("a")).await.unwrap(), "a batch under way");
    assert_eq!(holdings(&mut tx, NOW).await.unwrap(), [], "nothing is to be shared");
    assert_eq!(done_with(&mut tx).await.unwrap(), [], "nothing is to be trimmed");
    let growing = Growth { partitions: 2, growing_to: Some(6) };
    assert_eq!(of_topic(&mut tx, "raw.x").await.unwrap(), Some(growing));
    assert_eq!(of_topic(&mut tx, "raw.nobody").await.unwrap(), None);
    tx.rollback().await.unwrap();
    for partition in [0, 5] {
        assert_eq!(claimed(database, partition, 0).await, None);
        assert_eq!(claimed(database, partition, 4).await, None, "for another number");
    }
    let splitting = claimed(database, 0, 6).await.unwrap();
    // The command is given again: the first one's next batch is lost.
    grow(database, 2, 6).await;
    let mut tx = database.begin().await.unwrap();
    assert!(!swap(&mut tx, &key(0), &splitting, lease("a")).await.unwrap());
    tx.rollback().await.unwrap();
    end(database, 2, 6).await;
    for partition in 0..6 {
        assert!(claimed(database, partition, 0).await.is_some(), "{partition}");
    }
}

async fn new_partitions_go_on_where_their_parents_stand() {
    let scratch = with_topic(None).await;
    let database = &scratch.database;
    let first = claimed(database, 1, 0).await.unwrap();
    let before = commit(database, 1, &first, 40).await;
    let mut tx = database.begin().await.unwrap();
    advance_cursor(&mut tx, &key(1), before.batch).await.unwrap();
    tx.commit().await.unwrap();
    grow(database, 2, 4).await;
    let splitting = claimed(database, 1, 4).await.unwrap();
    let split = commit(database, 1, &splitting, 40).await;
    // What is published of the parent after its split says nothing of the part that has left it;
    // nor does it where nothing was published before, and the command is given again.
    let mut tx = database.begin().await.unwrap();
    for partition in [0, 1] {
        advance_cursor(&mut tx, &key(partition), split.batch).await.unwrap();
    }
    tx.commit().await.unwrap();
    grow(database, 2, 4).await;
    end(database, 2, 4).await;
    let mut tx = database.begin().await.unwrap();
    assert_eq!(cursor(&mut tx, &key(3)).await.unwrap(), before.batch);
    assert_eq!(cursor(&mut tx, &key(2)).await.unwrap(), 0);
    tx.commit().await.unwrap();
    let child = claimed(database, 3, 0).await.unwrap();
    assert_eq!((child.batch, child.received_at), (split.batch, NOW));
    assert_eq!((child.next_offset, child.chain_head), (0, [7; 32]));
    let later = commit(database, 3, &child, 5).await;
    // An open day of the child has a segment of its parent's batch: of both logs nothing goes that
    // may have a message of the day.
    let mut tx = database.begin().await.unwrap();
    order_days::put(&mut tx, &key(3), Day::from_epoch_days(20_600), "open", 1).await.unwrap();
    let segment = StoredSegment {
        day: Day::from_epoch_days(20_600),
        kind: SegmentKind::Base,
        first_ordinal: 0,
        next_ordinal: 1,
        batch: before.batch,
        batch_last: before.batch,
        rows: 1,
        bytes: vec![1],
    };
    segments::put(&mut tx, &key(3), &segment).await.unwrap();
    let bounds = done_with(&mut tx).await.unwrap();
    let bounds: Vec<_> = bounds.into_iter().map(|(key, before)| (key.partition, before)).collect();
    assert_eq!(bounds, [(0, 0), (1, 0), (2, 0), (3, 0)]);
    segments::delete(&mut tx, &key(3), &segment).await.unwrap();
    assert_eq!(done_with(&mut tx).await.unwrap()[1], (key(1), 40));
    assert_eq!(done_with(&mut tx).await.unwrap()[3], (key(3), 5));
    tx.rollback().await.unwrap();

    grow(database, 4, 8).await;
    end(database, 4, 8).await;
    let mut tx = database.begin().await.unwrap();
    let of_parent = Ancestor { partition: 1, batch_until: split.batch, next_offset: 40 };
    let of_child = Ancestor { partition: 3, batch_until: later.batch, next_offset: 5 };
    let of = |partition, batch| (key(partition), batch);
    for ((key, batch), expected) in [
        (of(3, 1), vec![of_parent]),
        (of(3, split.batch + 1), vec![]),
        (of(7, 1), vec![of_parent, of_child]),
        (of(7, later.batch), vec![of_child]),
        (of(1, 1), vec![]),
    ] {
        assert_eq!(ancestors(&mut tx, &key, batch).await.unwrap(), expected, "{key:?} {batch}");
    }
}

/// A claim that waits for the row while the topic is taken from everybody finds it taken.
#[tokio::test]
async fn a_claim_that_waited_for_the_row_finds_the_topic_growing() {
    let scratch = with_topic(Some(Engine::Postgres)).await;
    let database = scratch.database.clone();
    let mut growing = database.begin().await.unwrap();
    begin(&mut growing, "raw.x", 2, 4).await.unwrap();
    let other = database.clone();
    let waiting = tokio::spawn(async move { claimed(&other, 0, 0).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!waiting.is_finished(), "it waits for the row");
    growing.commit().await.unwrap();
    assert_eq!(waiting.await.unwrap(), None);
}
