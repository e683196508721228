//! Locks are taken in one order, so that transactions beside one another wait, and never for each
//! other.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use sqlx::Row;

use crate::domain::ids::{CaseId, ConnectorId, DestinationId, EventId, FeedId};
use crate::domain::time::{Day, Moment};
use crate::store::locks::{Key, lock};
use crate::store::outbox::{Owed, owe_all};
use crate::store::outcomes::{Sums, Tallies, Tally, by_feed};
use crate::store::scratch::{Scratch, on_each_engine};
use crate::store::{Database, Engine, Tx};

on_each_engine!(places_within_a_key_have_no_gaps_and_ids_come_once);

const TASKS: u64 = 4;
const ROUNDS: u64 = 12;
const KEYS: u32 = 12;

/// The same keys in another order each time.
fn shuffled(seed: u64) -> Vec<u32> {
    let mut numbers: Vec<u32> = (0..KEYS).collect();
    numbers.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    numbers
}

fn owed(key: u32, cause: u64) -> Owed {
    Owed {
        id: EventId::new(&format!("tax:levy_assessed:{key}:{cause}")).unwrap(),
        destination: DestinationId::new("tax").unwrap(),
        key: key.to_string(),
        kind: "levy_assessed",
        revision: 1,
        body: "{}".to_owned(),
        caused_at: Moment::from_ms(1),
    }
}

/// Runs one thing in transactions beside one another, each with its seed.
async fn beside_one_another<F>(database: &Database, write: impl Fn(Tx, u64) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut tasks = tokio::task::JoinSet::new();
    for round in 0..ROUNDS {
        for task in 0..TASKS {
            let tx = database.begin();
            let tx = tx.await.unwrap();
            tasks.spawn(write(tx, round * TASKS + task));
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
    }
}

#[tokio::test]
async fn keys_are_locked_in_one_order() {
    let scratch = Scratch::on(Engine::Postgres).await;
    beside_one_another(&scratch.database, |mut tx, seed| async move {
        let case = |number| Key::Case(CaseId::new(&format!("C{number}")).unwrap());
        lock(&mut tx, shuffled(seed).into_iter().map(case)).await.unwrap();
        tx.commit().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_is_owed_at_once_has_its_place_each() {
    let scratch = Scratch::on(Engine::Postgres).await;
    beside_one_another(&scratch.database, |mut tx, seed| async move {
        let records: Vec<Owed> = shuffled(seed).into_iter().map(|key| owed(key, seed)).collect();
        assert!(owe_all(&mut tx, &records).await.unwrap().iter().all(|new| *new));
        // The same cause again, whichever transaction is first.
        let again: Vec<Owed> = shuffled(seed + 1).into_iter().map(|key| owed(key, 999)).collect();
        owe_all(&mut tx, &again).await.unwrap();
        tx.commit().await.unwrap();
    })
    .await;
    let all = i64::try_from(TASKS * ROUNDS).unwrap() + 1;
    check_places(&scratch, all).await;
}

async fn check_places(scratch: &Scratch, each: i64) {
    let mut tx = scratch.database.snapshot().await.unwrap();
    let sql = "select o.key, count(*) as records, max(o.seq) as last, k.seq as next \
               from outbox o join outbox_key k on k.destination = o.destination and k.key = o.key \
               group by o.key, k.seq";
    let rows = sqlx::query(sql).fetch_all(&mut *tx).await.unwrap();
    assert_eq!(rows.len(), usize::try_from(KEYS).unwrap());
    for row in rows {
        let found: [i64; 3] = [row.get("records"), row.get("last"), row.get("next")];
        assert_eq!(found, [each; 3], "key {}", row.get::<String, _>("key"));
    }
}

async fn places_within_a_key_have_no_gaps_and_ids_come_once() {
    let scratch = Scratch::open().await;
    let mut tx = scratch.database.begin().await.unwrap();
    for cause in [1, 1, 2] {
        let records: Vec<Owed> =
            (0..KEYS).flat_map(|key| [owed(key, 7), owed(key, cause)]).collect();
        owe_all(&mut tx, &records).await.unwrap();
    }
    tx.commit().await.unwrap();
    check_places(&scratch, 3).await;
}

#[tokio::test]
async fn sums_of_several_connectors_are_written_in_one_order() {
    let scratch = Scratch::on(Engine::Postgres).await;
    beside_one_another(&scratch.database, |mut tx, seed| async move {
        let mut sums = Sums::default();
        for number in shuffled(seed) {
            let connector = ConnectorId::new(&format!("c{number}")).unwrap();
            let key = (FeedId::new("feed").unwrap(), Day::from_epoch_days(20_000));
            let tally = Tally { received: 1, applied: 1, ..Tally::default() };
            sums.add(&connector, &Tallies::from([(key, tally)]));
        }
        sums.write(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
    })
    .await;
    let mut tx = scratch.database.snapshot().await.unwrap();
    let sums: BTreeMap<String, i64> = by_feed(&mut tx)
        .await
        .unwrap()
        .into_iter()
        .map(|(connector, _, tally)| (connector, tally.received))
        .collect();
    assert_eq!(sums.len(), usize::try_from(KEYS).unwrap());
    assert!(sums.values().all(|sum| *sum == i64::try_from(TASKS * ROUNDS).unwrap()), "{sums:?}");
}
