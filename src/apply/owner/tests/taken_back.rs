//! A number of another day's order is given again: the second order is taken back when its day is
//! sealed, and each of its messages, and no other, is looked at by the late run.

use std::collections::BTreeSet;

use super::bench::{Bench, Order, accepted, july, work};
use crate::apply::day::read_day;
use crate::domain::event::OrderKind;
use crate::domain::time::{Day, Moment};
use crate::store::outcomes::Tally;
use crate::store::positions::PartitionKey;

crate::store::scratch::on_each_engine!(
    a_message_that_was_held_is_not_taken_for_the_orders_first,
    what_waited_for_the_second_order_is_looked_at_again_too,
    a_message_that_made_the_order_that_stands_is_not_taken_for_the_second_orders,
    a_further_kind_that_came_before_the_acceptance_goes_back_with_it,
);

/// X is an order of 2 July, which is sealed; `second` comes for X on 6 July, one batch a message,
/// behind another order of that day; then 6 July is sealed and the late run has its turn.
async fn told(second: &[Order<'_>]) -> Bench {
    let bench = Bench::new("meituan", 1).await;
    let mut owner = bench.owner(0).await;
    let first = accepted("X", 7, july(2, 600));
    let before = [(july(2, 610), first), (july(6, 1), accepted("A", 1, july(6, 0)))];
    let after = [accepted("B", 1, july(9, 10)), accepted("C", 1, july(9, 100))];
    let told = second.iter().map(|order| (order.at, *order));
    let after = after.into_iter().map(|order| (order.at, order));
    for (at, order) in before.into_iter().chain(told).chain(after) {
        bench.append((0, "orders"), at, &[order.bytes()]).await;
        work(&mut owner).await;
    }
    owner.seal_until(Day::from_ymd(2026, 7, 6).unwrap()).await.unwrap();
    work(&mut owner).await;
    let days = "select cast(count(*) as bigint) as n from order_day where state = 'sealed'";
    assert_eq!(bench.number(days).await, 2);
    let late = "select cast(count(*) as bigint) as n from segment where kind in ('late', 'early')";
    assert_eq!(bench.number(late).await, 0);
    bench
}

/// The kinds that are known of X on 2 July.
async fn kinds(bench: &Bench) -> u8 {
    let mut tx = bench.engine.db.snapshot().await.unwrap();
    let key = PartitionKey { topic: "raw.meituan".to_owned(), partition: 0 };
    let day = read_day(&mut tx, &key, Day::from_ymd(2026, 7, 2).unwrap()).await.unwrap().day;
    let platform = bench.engine.connectors.iter().find(|m| m.name().as_str() == "meituan");
    let platform = platform.unwrap().platform().unwrap().clone();
    let rider = bench.engine.tokens.worker(&platform, "7");
    let orders = day.orders_of(&BTreeSet::from([rider]), &platform);
    assert_eq!(orders.len(), 1);
    orders[0].kinds()
}

async fn a_message_that_was_held_is_not_taken_for_the_orders_first() {
    let at = july(6, 600);
    let wrong_county = Order { county: 150_999, ..accepted("X", 7, at) };
    let right = Order { at: july(6, 601), ..accepted("X", 7, at) };
    let completed = Order { status: 40, accepted_at: None, at: july(6, 640), ..right };
    // A duplicate at its time, which stays one.
    let again = Order { at: july(6, 602), ..right };
    let bench = told(&[wrong_county, right, again, completed]).await;
    let held = bench.held().await;
    let expected = [("county.unknown", 2), ("order.same_id_other_day", 3)];
    assert_eq!(held, expected.map(|(reason, offset)| (reason.to_owned(), offset)));
    // X, A, B, C and the completion, which says nothing of a day.
    let expected = Tally { received: 8, applied: 5, duplicate: 1, held: 2, ..Tally::default() };
    assert_eq!(bench.tally().await, expected);
    assert_eq!(bench.counted().await, 4);
}

async fn what_waited_for_the_second_order_is_looked_at_again_too() {
    let completed =
        Order { status: 40, accepted_at: None, at: july(6, 640), ..accepted("X", 7, july(6, 600)) };
    let second = Order { at: july(6, 650), ..accepted("X", 7, july(6, 600)) };
    let bench = told(&[completed, second]).await;
    assert_eq!(bench.held().await, [("order.same_id_other_day".to_owned(), 3)]);
    assert_eq!(bench.tally().await, Tally { received: 6, applied: 5, held: 1, ..Tally::default() });
    assert_eq!(kinds(&bench).await, OrderKind::Accepted.bit() | OrderKind::Completed.bit());
}

/// A rider took X over behind midnight, and what that rider did comes again, word for word, when
/// the first day is sealed. Previously the first of the two messages was found in the log and taken
/// for a duplicate beside the second.
async fn a_message_that_made_the_order_that_stands_is_not_taken_for_the_second_orders() {
    taken_over(&[]).await;
}

/// As before, and the second rider's acceptance comes again behind the completion: of two kinds
/// that say the same but for that, nothing stored says which came first. Previously the acceptance
/// was taken for the first, and the completion stayed applied.
async fn a_further_kind_that_came_before_the_acceptance_goes_back_with_it() {
    let second = accepted("X", 8, july(3, 10));
    taken_over(&[(july(5, 30), second)]).await;
}

/// A rider takes X over behind midnight; when the first day is sealed, that rider's completion
/// comes again, and what is given here.
async fn taken_over(further: &[(Moment, Order<'_>)]) {
    let bench = Bench::new("meituan", 1).await;
    let mut owner = bench.owner(0).await;
    let (first, second) = (accepted("X", 7, july(2, 1430)), accepted("X", 8, july(3, 10)));
    let completed = Order { status: 40, at: july(3, 60), ..second };
    let other = |id, at| (at, accepted(id, 1, at));
    let before = [
        (july(2, 1431), first),
        (july(3, 11), second),
        other("A", july(3, 20)),
        (july(3, 61), completed),
        other("B", july(5, 10)),
        (july(5, 20), completed),
    ];
    let after = [other("C", july(6, 10)), other("D", july(6, 200))];
    for (at, order) in before.iter().chain(further).chain(&after).copied() {
        bench.append((0, "orders"), at, &[order.bytes()]).await;
        work(&mut owner).await;
    }
    let late = "select cast(count(*) as bigint) as n from segment where kind = 'late'";
    assert_eq!(bench.number(late).await, 0, "the late run has had its turn");
    let again = 1 + i64::try_from(further.len()).unwrap();
    let expected = Tally { received: 7 + again, applied: 7, duplicate: again, ..Tally::default() };
    assert_eq!(bench.tally().await, expected);
    assert_eq!(bench.counted().await, 5);
}
