//! Orders that are taken back from a day, since their number stands on another.

use std::collections::{BTreeMap, HashMap};

use super::{HOUR_MS, POLICY, accepted, bare, day, platform};
use crate::domain::event::{OrderEvent, OrderKind};
use crate::domain::hold::HoldReason;
use crate::domain::ids::FeedId;
use crate::domain::time::Moment;
use crate::orders::columns::RawMessage;
use crate::orders::effects::Fate;
use crate::orders::identity::{FingerprintKey, Fingerprints};
use crate::orders::late::{LateContext, LateEffects, LateEvent, Located, resolve};
use crate::orders::order::Order;

fn at(of: &str, hour: i64) -> Moment {
    day(of).start().plus_ms(hour * HOUR_MS)
}

fn late(event: OrderEvent) -> LateEvent {
    let raw = RawMessage {
        feed: FeedId::new("orders").unwrap(),
        header_digest: None,
        partition: 0,
        offset: 1,
        received_at: at("2026-07-06", 10),
        bytes: Vec::new(),
    };
    LateEvent { event, raw }
}

fn run(events: Vec<LateEvent>, order: Order) -> LateEffects {
    let context = LateContext {
        policy: &POLICY,
        cuts: &HashMap::new(),
        fingerprints: &Fingerprints::new(FingerprintKey([3; 16]), 1),
        next_ordinals: &BTreeMap::new(),
        reassign_window_ms: 24 * HOUR_MS,
        closed_until: day("2026-07-06"),
        all_until: None,
    };
    let located = Located { day: day("2026-07-03"), ordinal: 0, order };
    resolve(events, vec![located], &context)
}

/// A rider took an order over behind midnight. Its acceptance comes again when the first day is
/// sealed, is taken for an order of the second day, and is taken back: that withdraws every event
/// of the number with the second day in its id. Previously the second rider's own events, which
/// stand, were withdrawn with it for good.
#[test]
fn what_stands_is_published_again_behind_a_withdrawal_of_the_same_day() {
    let (first, second) = (at("2026-07-03", 23), at("2026-07-04", 1));
    let taken_over = accepted("1", 2, second, 150_102);
    let mut order = Order::new(accepted("1", 1, first, 150_102));
    order.add(taken_over.clone());
    order.add(OrderEvent { kind: OrderKind::Completed, ..taken_over.clone() });
    let effects = run(vec![late(taken_over)], order.clone());
    let fates: Vec<_> = effects.reclassified.iter().map(|(fate, ..)| *fate).collect();
    assert_eq!(fates, [Fate::Duplicate]);
    let (whole, platform) = (&effects.whole[&day("2026-07-03")], platform());
    let events = (0..whole.rows()).map(|row| whole.whole(row, &platform).unwrap());
    let kinds: Vec<_> = events.map(|event| (event.kind, event.accepted_at)).collect();
    assert_eq!(kinds, [(OrderKind::Accepted, Some(second)), (OrderKind::Completed, Some(second))]);
    // The first rider's acceptance has another day in its id, and nothing withdrew it.
    let again = late(accepted("1", 1, first, 150_102));
    assert!(run(vec![again], order).whole.is_empty());
}

/// Of an order whose messages cannot be found again, its events go to the late run. Previously
/// those of which only the kind was kept were left out: a void order counted again.
#[test]
fn events_of_which_only_the_kind_is_known_are_said_too() {
    let accepted_at = at("2026-07-04", 1);
    let mut order = Order::new(accepted("1", 1, accepted_at, 150_102));
    for (kind, hours) in [(OrderKind::Cancelled, 2), (OrderKind::Void, 3)] {
        order.add(bare("1", kind, accepted_at.plus_ms(hours * HOUR_MS)));
    }
    assert_eq!(order.events().len(), 1, "the others are kinds only");
    let mut again: Option<Order> = None;
    for event in order.events_of_all_kinds() {
        match &mut again {
            None => again = Some(Order::new(event)),
            Some(order) => order.add(event),
        }
    }
    let again = again.unwrap();
    assert_eq!((again.kinds(), again.standing()), (order.kinds(), order.standing()));
}

/// Previously what came by a slower partition while the day was open was held for another reason
/// where the day was sealed by then.
#[test]
fn what_came_while_its_day_was_open_is_held_as_it_would_have_been_then() {
    let order = Order::new(accepted("1", 1, at("2026-07-03", 23), 150_102));
    for (received_at, expected) in [
        (at("2026-07-05", 23), HoldReason::SameIdOtherContent { field: "accepted_at" }),
        (at("2026-07-06", 0), HoldReason::SameIdOtherDay),
    ] {
        let mut moved = late(accepted("1", 1, at("2026-07-04", 1), 150_102));
        moved.raw.received_at = received_at;
        let effects = run(vec![moved], order.clone());
        let reasons = effects.reclassified.into_iter().filter_map(|(.., reason)| reason);
        assert_eq!(reasons.collect::<Vec<_>>(), [expected], "received {received_at}");
    }
}
