//! Everything keyed wrongly, and little room between the partitions.

use super::bench::{Bench, Order, accepted, july, work};
use crate::apply::engine::ApplySettings;
use crate::apply::owner::{Owner, Step};
use crate::store::outcomes::Tally;

crate::store::scratch::on_each_engine!(
    a_batch_waits_while_its_target_has_too_much_waiting_and_goes_on_when_it_is_drained,
    two_that_wait_for_one_another_both_come_to_their_end,
    an_order_from_a_partition_that_is_days_ahead_leaves_the_day_open,
    a_completion_waits_for_the_acceptance_of_a_partition_that_is_behind,
);

const ORDERS_EACH: u64 = 60;
const WAITING: &str = "select cast(count(*) as bigint) as n from handoff";

/// Two partitions, each with the orders of the other, a few at a time.
async fn crossed(handoff_bytes_max: u64) -> Bench {
    let settings =
        ApplySettings { batch_bytes_max: 1, handoff_bytes_max, ..ApplySettings::default() };
    let bench = Bench::with("meituan", 2, settings).await;
    for partition in [0, 1] {
        let numbers = (1000..).map(|n: u32| n.to_string());
        let wrong: Vec<_> = numbers.filter(|id| bench.home(id) != partition).take(60).collect();
        for ids in wrong.chunks(6) {
            let values: Vec<_> =
                ids.iter().map(|id| accepted(id, 7, july(2, 600)).bytes()).collect();
            bench.append((partition, "orders"), july(2, 610), &values).await;
        }
    }
    bench
}

const fn read(owner: &Owner) -> u64 {
    owner.progress().0
}

async fn a_batch_waits_while_its_target_has_too_much_waiting_and_goes_on_when_it_is_drained() {
    let bench = crossed(0).await;
    let (mut one, mut two) = (bench.owner(0).await, bench.owner(1).await);
    assert!(matches!(one.step().await.unwrap(), Step::Worked(_)));
    let first = read(&one);
    assert!(first > 0 && first < ORDERS_EACH);
    for _ in 0..3 {
        assert_eq!(one.step().await.unwrap(), Step::Waits);
    }
    assert_eq!((read(&one), bench.number(WAITING).await), (first, 1), "nothing was committed");
    // The other one waits in turn, but drains what waits for it.
    assert!(matches!(two.step().await.unwrap(), Step::Worked(_)), "drained");
    assert_eq!(bench.counted().await, i64::try_from(first).unwrap());
    assert!(matches!(one.step().await.unwrap(), Step::Worked(_)));
    assert!(read(&one) > first);
}

async fn two_that_wait_for_one_another_both_come_to_their_end() {
    for handoff_bytes_max in [0, 1_000, 64 << 20] {
        let bench = crossed(handoff_bytes_max).await;
        let mut owners = [bench.owner(0).await, bench.owner(1).await];
        let mut rounds = 0;
        while owners.iter().any(|owner| owner.progress().0 < ORDERS_EACH)
            || bench.number(WAITING).await > 0
        {
            for owner in &mut owners {
                work(owner).await;
            }
            rounds += 1;
            assert!(rounds < 2 * ORDERS_EACH, "a deadlock under {handoff_bytes_max}");
        }
        let all = i64::try_from(2 * ORDERS_EACH).unwrap();
        assert_eq!(bench.counted().await, all);
        let expected = Tally { received: all, applied: all, ..Tally::default() };
        assert_eq!(bench.tally().await, expected);
    }
}

/// Of two partitions one is read to its end first, days ahead of the other one's clock, and has an
/// order of the other's open day. Previously the day was taken for sealed then: its orders were
/// never folded, told or published, and counted again when they came again.
async fn an_order_from_a_partition_that_is_days_ahead_leaves_the_day_open() {
    let settings = ApplySettings { late_run_every_ms: 0, ..ApplySettings::default() };
    let bench = Bench::with("meituan", 2, settings).await;
    let numbers = (1000..).map(|n: u32| n.to_string());
    let ids: Vec<String> = numbers.filter(|id| bench.home(id) == 0).take(4).collect();
    let [first, second, astray, last] = &ids[..] else { panic!("four orders") };
    let order = |id: &str| accepted(id, 7, july(2, 600)).bytes();
    bench.append((0, "orders"), july(2, 610), &[order(first), order(second)]).await;
    bench.append((1, "orders"), july(6, 0), &[order(astray)]).await;
    let (mut home, mut ahead) = (bench.owner(0).await, bench.owner(1).await);
    work(&mut home).await;
    work(&mut ahead).await;
    work(&mut home).await;
    // The one that is ahead will get no order of the day any more, and says so.
    let sealed = "select cast(coalesce(sum(partition), -1) as bigint) as n from order_day \
                  where state = 'sealed'";
    assert_eq!(bench.number(sealed).await, 1, "of it alone");
    // All of them again, and a new one.
    let again: Vec<_> = ids.iter().map(|id| order(id)).collect();
    bench.append((0, "orders"), july(2, 620), &again).await;
    work(&mut bench.owner(0).await).await;
    assert_eq!(bench.counted().await, 4, "{last} is new");
    let expected = Tally { received: 7, applied: 4, duplicate: 3, ..Tally::default() };
    assert_eq!(bench.tally().await, expected);
}

/// A partition that was read to its end has the completion of an order from one that is not, whose
/// acceptance is behind it there. Previously the completion was held, since no acceptance had come
/// until its day was over here: what became of it hung on which of the two was faster.
async fn a_completion_waits_for_the_acceptance_of_a_partition_that_is_behind() {
    let settings = ApplySettings {
        batch_bytes_max: 1,
        late_run_every_ms: 0,
        handoff_bytes_max: 0,
        ..ApplySettings::default()
    };
    let bench = Bench::with("meituan", 2, settings).await;
    let numbers = (1000..).map(|n: u32| n.to_string());
    let ids: Vec<String> = numbers.filter(|id| bench.home(id) == 0).take(3).collect();
    let [astray, alone, last] = &ids[..] else { panic!("three orders") };
    let completed = |id, minute| {
        Order { id, status: 40, rider: 7, accepted_at: None, at: july(2, minute), county: 0 }
            .bytes()
    };
    for value in
        [completed(astray, 640), completed(alone, 641), accepted(astray, 7, july(2, 600)).bytes()]
    {
        bench.append((1, "orders"), july(2, 650), &[value]).await;
    }
    let (mut ahead, mut behind) = (bench.owner(0).await, bench.owner(1).await);
    for _ in 0..2 {
        assert!(matches!(behind.step().await.unwrap(), Step::Worked(_)));
        work(&mut ahead).await;
    }
    bench.append((0, "orders"), july(7, 0), &[accepted(last, 7, july(6, 600)).bytes()]).await;
    work(&mut ahead).await;
    assert_eq!(bench.held().await, [], "the acceptance may still come");
    work(&mut behind).await;
    work(&mut ahead).await;
    assert_eq!(bench.held().await, [], "the other partition has come to July 2 only");
    assert_eq!(bench.counted().await, 2);

    // Once both are past the day's end, nobody may have an acceptance of it.
    bench.append((1, "orders"), july(7, 0), &[accepted(last, 7, july(6, 600)).bytes()]).await;
    bench.append((0, "orders"), july(7, 1), &[accepted(last, 7, july(6, 600)).bytes()]).await;
    work(&mut behind).await;
    work(&mut ahead).await;
    let held: Vec<_> = bench.held().await.into_iter().map(|(reason, _)| reason).collect();
    assert_eq!(held, ["order.no_acceptance"], "of {alone}");
    let expected = Tally { received: 6, applied: 3, duplicate: 2, held: 1, ..Tally::default() };
    assert_eq!(bench.tally().await, expected);
}
