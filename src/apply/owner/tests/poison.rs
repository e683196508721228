//! Records that crash the applying side are found and held, and the others go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use super::bench::{Bench, Order, accepted, july, work};
use crate::apply::engine::Engine as Parts;
use crate::apply::owner::{Owner, Step};
use crate::store::crashes;
use crate::store::outcomes::Tally;
use crate::store::positions::PartitionKey;
use crate::store::{Engine, Tx};

crate::store::scratch::on_each_engine!(
    records_that_the_database_refuses_are_held_and_the_others_counted,
    records_that_are_refused_at_the_commit_are_held_too,
    a_handoff_that_crashes_is_taken_apart,
    a_panic_costs_the_memory_and_no_message,
);

/// A county whose counts the database refuses.
const POISONED: u32 = 150_121;

/// Lets the database refuse every further count of the county.
async fn poison(tx: &mut Tx) {
    for sql in [
        "insert into order_count values ('none', 'none', 150121, 0, 0, 'none', 0, 0, 0)",
        "create unique index poisoned on order_count (county) where county = 150121",
    ] {
        sqlx::query(sql).execute(&mut **tx).await.unwrap();
    }
}

/// As above, but the database says so only when the transaction commits, where it can.
async fn poison_commits(bench: &Bench) {
    let postgres = [
        "create function refuse() returns trigger language plpgsql as $$ begin \
         raise exception 'poisoned' using errcode = 'check_violation'; end $$",
        "create constraint trigger poisoned after insert or update on order_count \
         deferrable initially deferred for each row when (new.county = 150121) \
         execute function refuse()",
    ];
    let sqlite = [
        "create trigger poisoned_insert after insert on order_count when new.county = 150121 \
         begin select raise(abort, 'poisoned'); end",
        "create trigger poisoned_update after update on order_count when new.county = 150121 \
         begin select raise(abort, 'poisoned'); end",
    ];
    let mut tx = bench.engine.db.begin().await.unwrap();
    for sql in if bench.engine.db.engine() == Engine::Postgres { postgres } else { sqlite } {
        sqlx::query(sql).execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();
}

async fn append_orders(bench: &Bench, poisoned: &[usize]) {
    let orders: Vec<_> = (0..40)
        .map(|n: usize| {
            let id = (7_000 + n).to_string();
            let county = if poisoned.contains(&n) { POISONED } else { 150_102 };
            Order { county, ..accepted(&id, 7, july(2, 600)) }.bytes()
        })
        .collect();
    bench.append((0, "orders"), july(2, 610), &orders).await;
}

/// Claims again after every crash, as the process role does; gives how often that was.
async fn work_through(bench: &Bench, engine: &Arc<Parts>, partition: u32) -> u32 {
    let mut crashes = 0;
    'claimed: loop {
        let mut owner: Owner = bench.owner_in(engine, partition).await;
        loop {
            match owner.step().await.unwrap() {
                Step::Worked(_) => {}
                Step::Idle | Step::Waits => return crashes,
                Step::Lost => {
                    crashes += 1;
                    assert!(crashes < 40, "it goes round for ever");
                    continue 'claimed;
                }
            }
        }
    }
}

async fn records_that_the_database_refuses_are_held_and_the_others_counted() {
    let bench = Bench::new("meituan", 1).await;
    let mut tx = bench.engine.db.begin().await.unwrap();
    poison(&mut tx).await;
    tx.commit().await.unwrap();
    append_orders(&bench, &[5, 31]).await;
    let crashes = work_through(&bench, &bench.engine, 0).await;
    assert!((4..=20).contains(&crashes), "{crashes} crashes");
    let expected = Tally { received: 40, applied: 38, held: 2, ..Tally::default() };
    assert_eq!(bench.tally().await, expected);
    assert_eq!(bench.counted().await, 38);
    let held = |offset| ("hub.defect".to_owned(), offset);
    assert_eq!(bench.held().await, [held(5), held(31)]);
    // The same bytes again are duplicates of what is held.
    append_orders(&bench, &[5, 31]).await;
    assert_eq!(work_through(&bench, &bench.engine, 0).await, 0);
    let expected = Tally { received: 80, applied: 38, held: 2, duplicate: 40, ..Tally::default() };
    assert_eq!(bench.tally().await, expected);
}

async fn records_that_are_refused_at_the_commit_are_held_too() {
    let bench = Bench::new("meituan", 1).await;
    poison_commits(&bench).await;
    append_orders(&bench, &[0, 17]).await;
    let crashes = work_through(&bench, &bench.engine, 0).await;
    assert!((4..=20).contains(&crashes), "{crashes} crashes");
    let expected = Tally { received: 40, applied: 38, held: 2, ..Tally::default() };
    assert_eq!(bench.tally().await, expected);
    let held = |offset| ("hub.defect".to_owned(), offset);
    assert_eq!(bench.held().await, [held(0), held(17)]);
}

async fn a_handoff_that_crashes_is_taken_apart() {
    let bench = Bench::new("meituan", 2).await;
    poison_commits(&bench).await;
    let ids = (1_000..).map(|n: u32| n.to_string()).filter(|id| bench.home(id) == 1);
    let orders = ids.take(9).enumerate().map(|(n, id)| {
        let county = if n == 4 { POISONED } else { 150_102 };
        Order { county, ..accepted(&id, 7, july(2, 600)) }.bytes()
    });
    bench.append((0, "orders"), july(2, 610), &orders.collect::<Vec<_>>()).await;
    assert_eq!(work_through(&bench, &bench.engine, 0).await, 0, "it hands them on");
    // Whole, and the one alone.
    assert_eq!(work_through(&bench, &bench.engine, 1).await, 2);
    let expected = Tally { received: 9, applied: 8, held: 1, ..Tally::default() };
    assert_eq!(bench.tally().await, expected);
    assert_eq!(bench.held().await, [("hub.defect".to_owned(), 4)]);
    assert_eq!(bench.counted().await, 8);
}

async fn a_panic_costs_the_memory_and_no_message() {
    let bench = Bench::new("meituan", 1).await;
    append_orders(&bench, &[]).await;
    let calls_left = Arc::new(AtomicI32::new(0));
    let asked = Arc::clone(&calls_left);
    let mut engine = Arc::into_inner(bench.beside("bench")).unwrap();
    let clock = Arc::clone(&engine.clock);
    engine.clock = Arc::new(move || {
        assert_ne!(asked.fetch_sub(1, Ordering::Relaxed), 1, "the clock stands still");
        clock()
    });
    let engine = Arc::new(engine);
    let mut owner = bench.owner_in(&engine, 0).await;
    // Once for the lag, then under the batch's transaction.
    calls_left.store(2, Ordering::Relaxed);
    assert_eq!(owner.step().await.unwrap(), Step::Lost);
    let key = PartitionKey { topic: "raw.meituan".to_owned(), partition: 0 };
    let mut tx = bench.engine.db.snapshot().await.unwrap();
    let noted = crashes::last(&mut tx, &key).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    assert_eq!((noted.at, noted.until, noted.records, noted.crashes), (0, 40, 40, 1));
    assert!(noted.detail.contains("stands still"), "{}", noted.detail);
    work(&mut bench.owner_in(&engine, 0).await).await;
    let expected = Tally { received: 40, applied: 40, ..Tally::default() };
    assert_eq!(bench.tally().await, expected);
}
