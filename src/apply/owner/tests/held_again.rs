//! The same bytes while they lie held are a duplicate: in whatever batch, partition or process they
//! come, and whether or not anything is still wrong with them.

use std::sync::Arc;

use super::bench::{Bench, accepted, july, work};
use crate::apply::engine::Engine;
use crate::store::held;
use crate::store::outcomes::Tally;

crate::store::scratch::on_each_engine!(
    a_message_held_for_its_time_stays_held_when_it_comes_again_later,
    both_may_come_in_one_batch,
    the_second_may_lie_in_another_partition,
    what_was_taken_out_may_come_again,
    manifests_that_read_it_otherwise_still_find_it,
    a_held_conflict_stays_one_within_its_batch,
    a_held_conflict_stays_one_whatever_its_order_has_learnt_since,
    what_is_no_order_stays_held_too,
);

/// What an hour after its arrival is lawful: an acceptance ten minutes ahead of it.
fn ahead(id: &str) -> Vec<u8> {
    accepted(id, 7, july(2, 610)).bytes()
}

fn tally(received: i64, applied: i64, duplicate: i64, held: i64) -> Tally {
    Tally { received, applied, duplicate, held, ..Tally::default() }
}

async fn a_message_held_for_its_time_stays_held_when_it_comes_again_later() {
    let bench = Bench::new("meituan", 1).await;
    let mut owner = bench.owner(0).await;
    bench.append((0, "orders"), july(2, 600), &[ahead("1")]).await;
    work(&mut owner).await;
    assert_eq!(bench.held().await, [("time.future".to_owned(), 0)]);
    bench.append((0, "orders"), july(2, 660), &[ahead("1"), ahead("1")]).await;
    work(&mut owner).await;
    assert_eq!(bench.tally().await, tally(3, 0, 2, 1));

    // The sender's corrected record is a new message, and is applied.
    let mut corrected = accepted("1", 7, july(2, 610));
    corrected.at = july(2, 611);
    bench.append((0, "orders"), july(2, 661), &[corrected.bytes(), ahead("1")]).await;
    work(&mut owner).await;
    assert_eq!(bench.tally().await, tally(5, 1, 3, 1));
    assert_eq!(bench.counted().await, 1);

    // Another process learns it from the database.
    drop(owner);
    let mut owner = bench.owner(0).await;
    bench.append((0, "orders"), july(2, 662), &[ahead("1")]).await;
    work(&mut owner).await;
    assert_eq!(bench.tally().await, tally(6, 1, 4, 1));
}

async fn both_may_come_in_one_batch() {
    let bench = Bench::new("meituan", 1).await;
    bench.append((0, "orders"), july(2, 600), &[ahead("1"), ahead("2")]).await;
    bench.append((0, "orders"), july(2, 660), &[ahead("2"), ahead("3")]).await;
    work(&mut bench.owner(0).await).await;
    assert_eq!(bench.tally().await, tally(4, 1, 1, 2));
    assert_eq!(bench.held().await, [("time.future".to_owned(), 0), ("time.future".to_owned(), 1)]);
}

async fn the_second_may_lie_in_another_partition() {
    let bench = Bench::new("meituan", 2).await;
    let id = (0..9).map(|n| n.to_string()).find(|id| bench.home(id) == 1).unwrap();
    let (mut other, mut home) = (bench.owner(0).await, bench.owner(1).await);
    bench.append((0, "orders"), july(2, 600), &[ahead(&id)]).await;
    work(&mut home).await;
    work(&mut other).await;
    for partition in [1, 0] {
        bench.append((partition, "orders"), july(2, 660), &[ahead(&id)]).await;
        work(&mut other).await;
        work(&mut home).await;
    }
    assert_eq!(bench.tally().await, tally(3, 0, 2, 1));
    assert_eq!(bench.counted().await, 0);
}

async fn what_was_taken_out_may_come_again() {
    let bench = Bench::new("meituan", 1).await;
    let mut owner = bench.owner(0).await;
    bench.append((0, "orders"), july(2, 600), &[ahead("1")]).await;
    work(&mut owner).await;
    let mut tx = bench.engine.db.begin().await.unwrap();
    for lying in held::list(&mut tx, None, 9).await.unwrap() {
        held::remove(&mut tx, &lying.connector, &lying.digest).await.unwrap();
    }
    tx.commit().await.unwrap();
    bench.append((0, "orders"), july(2, 660), &[ahead("1")]).await;
    work(&mut owner).await;
    assert_eq!(bench.counted().await, 1);
}

async fn manifests_that_read_it_otherwise_still_find_it() {
    let mut bench = Bench::new("meituan", 1).await;
    bench.append((0, "orders"), july(2, 600), &[ahead("1")]).await;
    work(&mut bench.owner(0).await).await;
    // As if the manifests before had found no order number in it.
    let mut tx = bench.engine.db.begin().await.unwrap();
    sqlx::query("update held set order_print = null").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    let engine: &mut Engine = Arc::get_mut(&mut bench.engine).unwrap();
    engine.manifest_version = 2;
    bench.append((0, "orders"), july(2, 660), &[ahead("1")]).await;
    work(&mut bench.owner(0).await).await;
    assert_eq!(bench.tally().await, tally(2, 0, 1, 1));
}

async fn a_held_conflict_stays_one_within_its_batch() {
    let bench = Bench::new("meituan", 1).await;
    let other = accepted("1", 7, july(2, 630)).bytes();
    let values = [accepted("1", 7, july(2, 600)).bytes(), other.clone(), other];
    bench.append((0, "orders"), july(2, 700), &values).await;
    work(&mut bench.owner(0).await).await;
    assert_eq!(bench.tally().await, tally(3, 1, 1, 1));
    assert_eq!(bench.held().await, [("order.same_id_other_content".to_owned(), 1)]);
}

/// Another rider 30 hours before the acceptance is none of this order's; after one 20 hours before
/// it, he would be. What lies held stays so, within a batch and over several.
async fn a_held_conflict_stays_one_whatever_its_order_has_learnt_since() {
    let values = [
        accepted("1", 7, july(3, 600)).bytes(),
        accepted("1", 8, july(2, 240)).bytes(),
        accepted("1", 9, july(2, 840)).bytes(),
        accepted("1", 8, july(2, 240)).bytes(),
    ];
    for in_one_batch in [true, false] {
        let bench = Bench::new("meituan", 1).await;
        let mut owner = bench.owner(0).await;
        for value in &values {
            bench.append((0, "orders"), july(3, 700), std::slice::from_ref(value)).await;
            if !in_one_batch {
                work(&mut owner).await;
            }
        }
        work(&mut owner).await;
        assert_eq!(bench.tally().await, tally(4, 2, 1, 1), "{in_one_batch}");
        let held = [("order.same_id_other_content".to_owned(), 1)];
        assert_eq!(bench.held().await, held, "{in_one_batch}");
    }
}

async fn what_is_no_order_stays_held_too() {
    let declared = |number: u32| {
        format!(
            "{{\"type\":\"declaration\",\"platform\":\"caocao-chuxing\",\
             \"line\":\"ride_hailing\",\"period\":\"2026-07\",\"orders\":861,\
             \"amount\":\"8.61\",\"declared_on\":\"2026-07-02\",\
             \"document_no\":\"{number}\",\"at\":\"2026-07-02T10:10:00+08:00\"}}"
        )
        .into_bytes()
    };
    let bench = Bench::new("tax", 1).await;
    let mut owner = bench.owner(0).await;
    bench.append((0, "levies"), july(2, 600), &[declared(1), declared(2)]).await;
    bench.append((0, "levies"), july(2, 660), &[declared(2), declared(3)]).await;
    work(&mut owner).await;
    assert_eq!(bench.tally().await, tally(4, 1, 1, 2));
    bench.append((0, "levies"), july(2, 661), &[declared(1), declared(3)]).await;
    work(&mut owner).await;
    assert_eq!(bench.tally().await, tally(6, 1, 3, 2));
}
