//! Days that only some of a topic's partitions have orders of.

use sqlx::Row;

use super::bench::{Bench, Order, accepted, july, work};
use crate::domain::time::Day;

crate::store::scratch::on_each_engine!(
    what_is_owed_of_a_day_waits_for_a_partition_without_orders_of_it,
    a_day_is_told_whose_only_order_was_first_taken_for_another_days,
    a_day_is_told_again_that_loses_an_order_of_another_day,
    a_command_seals_a_day_that_a_partition_without_messages_has_no_order_of,
);

/// Of two partitions one seals a day while the other, which has no order of it, is still behind:
/// it could get one. Previously nobody told the day's counts any more once it had caught up.
async fn what_is_owed_of_a_day_waits_for_a_partition_without_orders_of_it() {
    let bench = Bench::new("meituan", 2).await;
    let numbers = (1000..).map(|n: u32| n.to_string());
    let ids: Vec<String> = numbers.filter(|id| bench.home(id) == 0).take(2).collect();
    let [first, second] = &ids[..] else { panic!("two orders") };
    let bytes = |id: &str, at| accepted(id, 7, at).bytes();
    let ignored = |id: &str, at| Order { status: 10, ..accepted(id, 7, at) }.bytes();
    let mut behind = bench.owner(1).await;
    bench.append((1, "orders"), july(2, 620), &[ignored(first, july(2, 620))]).await;
    work(&mut behind).await;
    let mut home = bench.owner(0).await;
    bench.append((0, "orders"), july(2, 610), &[bytes(first, july(2, 600))]).await;
    bench.append((0, "orders"), july(6, 0), &[bytes(second, july(6, 0))]).await;
    work(&mut home).await;
    let owed = "select cast(count(*) as bigint) as n from outbox where kind = 'order_counts'";
    assert_eq!(bench.number(owed).await, 0, "the other partition may still bring orders");
    bench.append((1, "orders"), july(6, 10), &[ignored(second, july(6, 10))]).await;
    work(&mut behind).await;
    assert_eq!(bench.number(owed).await, 1);
    // Another owner finds nothing left to tell.
    let mut again = bench.owner(1).await;
    let batches = "select cast(sum(batch) as bigint) as n from position";
    let before = bench.number(batches).await;
    work(&mut again).await;
    assert_eq!((bench.number(owed).await, bench.number(batches).await), (1, before));
}

/// The second rider's acceptance, behind midnight, comes first; the first rider's moves the order
/// to the day before, of which there is no other. Previously no partition ever sealed that day, and
/// where another one was behind, nobody told its counts.
async fn a_day_is_told_whose_only_order_was_first_taken_for_another_days() {
    for is_late in [false, true] {
        let bench = Bench::new("meituan", 2).await;
        let mut numbers = (1000..).map(|n: u32| n.to_string());
        let id = numbers.find(|id| bench.home(id) == 0).unwrap();
        let ignored = |at| Order { status: 10, ..accepted(&id, 7, at) }.bytes();
        let mut behind = bench.owner(1).await;
        bench.append((1, "orders"), july(3, 620), &[ignored(july(3, 620))]).await;
        work(&mut behind).await;
        let mut home = bench.owner(0).await;
        let (first, second) = (july(2, 1430), july(3, 10));
        bench.append((0, "orders"), july(3, 20), &[accepted(&id, 8, second).bytes()]).await;
        // In time, or when both days are sealed.
        let came = if is_late { july(6, 60) } else { july(3, 30) };
        if is_late {
            bench.append((0, "orders"), july(6, 0), &[ignored(july(6, 0))]).await;
            work(&mut home).await;
        }
        bench.append((0, "orders"), came, &[accepted(&id, 7, first).bytes()]).await;
        bench.append((0, "orders"), july(6, 300), &[ignored(july(6, 300))]).await;
        work(&mut home).await;
        bench.append((1, "orders"), july(6, 310), &[ignored(july(6, 310))]).await;
        work(&mut behind).await;
        let told = "select cast(count(*) as bigint) as n from outbox where kind = 'order_counts' \
                    and key like '%2026-07-02' and body like '%\"orders\":1%'";
        assert_eq!(bench.number(told).await, 1, "late: {is_late}");
    }
}

/// X of 2 July is given again on 7 July, and then moves to 6 July, which is sealed, since another
/// rider had it first. When 7 July is sealed, it is found to be the X of 2 July and taken back.
/// Previously nobody was told that 6 July had lost it (seed 5004094).
async fn a_day_is_told_again_that_loses_an_order_of_another_day() {
    let bench = Bench::new("meituan", 1).await;
    let mut owner = bench.owner(0).await;
    let last = "select body from outbox where kind = 'order_counts' and key like '%2026-07-06' \
                order by revision desc limit 1";
    let told = async || {
        let mut tx = bench.engine.db.snapshot().await.unwrap();
        let body: String = sqlx::query(last).fetch_one(&mut *tx).await.unwrap().get("body");
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        body["counties"][0]["orders"].as_i64().unwrap()
    };
    let before = [
        (july(2, 610), accepted("X", 7, july(2, 600))),
        (july(6, 1), accepted("A", 1, july(6, 0))),
        (july(7, 20), accepted("X", 8, july(7, 10))),
        (july(9, 10), accepted("B", 1, july(9, 10))),
    ];
    for (at, order) in before {
        bench.append((0, "orders"), at, &[order.bytes()]).await;
        work(&mut owner).await;
    }
    assert_eq!(told().await, 1);
    let earlier = accepted("X", 9, july(6, 1430));
    bench.append((0, "orders"), july(9, 30), &[earlier.bytes()]).await;
    work(&mut owner).await;
    assert_eq!(told().await, 2);
    let after = accepted("C", 1, july(10, 10));
    bench.append((0, "orders"), july(10, 10), &[after.bytes()]).await;
    work(&mut owner).await;
    assert_eq!(told().await, 1);
    assert_eq!(bench.counted().await, 4, "X on 2 July, A, B, C");
}

/// A partition that gets no messages never comes to the end of a day by its own clock; an operator
/// seals it. Previously the command found nothing to do where the others had sealed the day.
async fn a_command_seals_a_day_that_a_partition_without_messages_has_no_order_of() {
    let bench = Bench::new("meituan", 2).await;
    let mut numbers = (1000..).map(|n: u32| n.to_string());
    let id = numbers.find(|id| bench.home(id) == 0).unwrap();
    let ignored = |at| Order { status: 10, ..accepted(&id, 7, at) }.bytes();
    let mut home = bench.owner(0).await;
    bench.append((0, "orders"), july(2, 610), &[accepted(&id, 7, july(2, 600)).bytes()]).await;
    bench.append((0, "orders"), july(6, 0), &[ignored(july(6, 0))]).await;
    work(&mut home).await;
    let mut silent = bench.owner(1).await;
    work(&mut silent).await;
    let owed = "select cast(count(*) as bigint) as n from outbox where kind = 'order_counts'";
    assert_eq!(bench.number(owed).await, 0, "the silent partition may still bring orders");
    for owner in [&mut home, &mut silent] {
        owner.seal_until(Day::from_ymd(2026, 7, 2).unwrap()).await.unwrap();
        work(owner).await;
    }
    assert_eq!(bench.number(owed).await, 1);
}
