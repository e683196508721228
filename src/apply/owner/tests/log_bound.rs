//! How far the log is needed no more.

use super::bench::{Bench, accepted, july, work};
use crate::domain::time::Day;
use crate::store::positions::done_with;

crate::store::scratch::on_each_engine!(
    messages_stay_until_they_are_applied_and_their_day_is_sealed,
);

async fn bound(bench: &Bench) -> u64 {
    let mut tx = bench.engine.db.snapshot().await.unwrap();
    let bounds = done_with(&mut tx).await.unwrap();
    assert_eq!(bounds.len(), 1);
    bounds[0].1
}

async fn messages_stay_until_they_are_applied_and_their_day_is_sealed() {
    let bench = Bench::new("meituan", 1).await;
    let mut owner = bench.owner(0).await;
    // 0 to 2 are of 2 July, 3 and 4 of 3 July, a batch each.
    let hours = [(2, 600), (2, 610), (2, 620), (3, 0), (3, 60)];
    for (number, (day, minute)) in (0..).zip(hours) {
        let order = accepted(["a", "b", "c", "d", "e"][number], 7, july(day, minute)).bytes();
        bench.append((0, "orders"), july(day, minute), &[order]).await;
        assert_eq!(bound(&bench).await, 0, "of an open day, or not applied");
        work(&mut owner).await;
    }
    owner.seal_until(Day::from_ymd(2026, 7, 2).unwrap()).await.unwrap();
    assert_eq!(bound(&bench).await, 3);
    owner.seal_until(Day::from_ymd(2026, 7, 3).unwrap()).await.unwrap();
    assert_eq!(bound(&bench).await, 5);
    let last = accepted("f", 7, july(9, 0)).bytes();
    bench.append((0, "orders"), july(9, 0), &[last]).await;
    assert_eq!(bound(&bench).await, 5, "not applied yet");
}
