//! A connector of which too much is held for a new reason waits for an operator.

use super::bench::{Bench, Order, accepted, july, work};
use crate::apply::engine::ApplySettings;
use crate::domain::ids::ConnectorId;
use crate::store::outcomes::Tally;
use crate::store::pauses;

crate::store::scratch::on_each_engine!(
    a_flood_of_a_new_reason_pauses_every_partition_until_an_operator_resumes,
    a_reason_that_is_known_pauses_nothing,
);

const WINDOW: u64 = 50;

async fn bench() -> Bench {
    let settings = ApplySettings {
        batch_bytes_max: 1_000,
        held_window: WINDOW,
        held_percent_max: 20,
        ..ApplySettings::default()
    };
    Bench::with("meituan", 2, settings).await
}

/// Orders of a partition, every so-manieth of which has a status that no manifest lists.
async fn append(bench: &Bench, partition: u32, first: u64, broken_every: usize) {
    let ids = (first..).map(|n| n.to_string()).filter(|id| bench.home(id) == partition);
    let orders = ids.take(100).enumerate().map(|(n, id)| {
        let status = if n % broken_every == 0 { 77 } else { 20 };
        Order { status, ..accepted(&id, 7, july(2, 600)) }.bytes()
    });
    bench.append((partition, "orders"), july(2, 610), &orders.collect::<Vec<_>>()).await;
}

fn meituan() -> ConnectorId {
    ConnectorId::new("meituan").unwrap()
}

async fn pauses(bench: &Bench) -> Vec<pauses::Pause> {
    let mut tx = bench.engine.db.snapshot().await.unwrap();
    pauses::all(&mut tx).await.unwrap()
}

async fn a_flood_of_a_new_reason_pauses_every_partition_until_an_operator_resumes() {
    let bench = bench().await;
    append(&bench, 0, 1_000, 2).await;
    append(&bench, 1, 1_000, 200).await;
    let (mut broken, mut whole) = (bench.owner(0).await, bench.owner(1).await);
    work(&mut broken).await;
    let read = broken.progress().0;
    assert!((20..60).contains(&read), "the log keeps the rest: {read}");
    let [pause] = &pauses(&bench).await[..] else { panic!("one pause") };
    assert_eq!((pause.reason.as_str(), pause.messages), ("status.unknown", read));
    assert!(pause.held * 100 > WINDOW * 20, "{pause:?}");
    work(&mut whole).await;
    assert_eq!(whole.progress().0, 0, "another partition of the connector waits too");
    // Another owner as well.
    drop(broken);
    let mut broken = bench.owner(0).await;
    work(&mut broken).await;
    assert_eq!(broken.progress().0, read);

    let mut tx = bench.engine.db.begin().await.unwrap();
    assert_eq!(pauses::resume(&mut tx, &meituan()).await.unwrap().as_ref(), Some(pause));
    assert_eq!(pauses::resume(&mut tx, &meituan()).await.unwrap(), None);
    tx.commit().await.unwrap();
    work(&mut broken).await;
    work(&mut whole).await;
    let expected = Tally { received: 200, applied: 149, held: 51, ..Tally::default() };
    assert_eq!(bench.tally().await, expected);
    assert_eq!(pauses(&bench).await, []);
}

async fn a_reason_that_is_known_pauses_nothing() {
    let bench = bench().await;
    // One in ten for a whole window, then half of them.
    append(&bench, 0, 1_000, 10).await;
    let mut owner = bench.owner(0).await;
    work(&mut owner).await;
    let mut tx = bench.engine.db.snapshot().await.unwrap();
    assert_eq!(pauses::known(&mut tx, &meituan()).await.unwrap(), ["status.unknown"]);
    tx.commit().await.unwrap();
    append(&bench, 0, 9_000, 2).await;
    work(&mut bench.owner(0).await).await;
    let expected = Tally { received: 200, applied: 140, held: 60, ..Tally::default() };
    assert_eq!(bench.tally().await, expected);
    assert_eq!(pauses(&bench).await, []);
}
