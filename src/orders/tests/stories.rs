//! Single stories that once went wrong, each worked out by hand.

use super::book::Book;
use super::{HOUR_MS, Message, accepted, bare, day};
use crate::domain::event::{OrderEvent, OrderKind};
use crate::domain::ids::WorkerToken;
use crate::domain::time::Moment;
use crate::orders::effects::Fate;
use crate::orders::order::{NotCounted, Standing};

fn tell(book: &mut Book, event: OrderEvent, received_at: Moment) -> Fate {
    let seq = book.fates.len();
    book.feed(&[Message { seq, event, received_at }]);
    book.fates[&seq]
}

fn total(book: &Book) -> i64 {
    book.store.counts.values().sum()
}

/// The first to accept arrives second: the order lies on 1 August and counts on 31 July, and so
/// do both riders. Previously the riders went to the day that it lies on.
#[test]
fn riders_stand_on_the_day_that_their_order_counts_on() {
    let mut book = Book::new();
    let midnight = day("2026-08-01").start();
    let second = accepted("7", 2, midnight.plus_ms(600_000), 150_102);
    let first = accepted("7", 1, midnight.plus_ms(-600_000), 150_102);
    assert_eq!(tell(&mut book, second, midnight.plus_ms(HOUR_MS)), Fate::Applied);
    assert_eq!(tell(&mut book, first, midnight.plus_ms(2 * HOUR_MS)), Fate::Applied);
    book.seal(day("2026-08-01"));
    let both = [(150_100, 1), (150_100, 2)].into_iter().collect();
    assert_eq!(book.riders().into_iter().collect::<Vec<_>>(), [(day("2026-07-31"), both)]);
}

fn standing(book: &Book, on: &str, id: &str) -> Standing {
    book.orders(day(on))[id].standing()
}

/// Cancelled at 9:00, accepted at 10:00, then completed, all after the day was sealed. Previously
/// the completion was folded into the tombstone, which then was no cancellation any more: the
/// order counted for whoever read the day again, and its void took a count back that was not there.
#[test]
fn a_tombstone_stays_a_cancellation_whatever_comes_after_it() {
    let mut book = Book::new();
    let nine = day("2026-07-20").start().plus_ms(9 * HOUR_MS);
    let late = day("2026-07-25").start();
    tell(&mut book, bare("7", OrderKind::Cancelled, nine), nine);
    book.leave_early(day("2026-07-22"));
    book.late_run(day("2026-07-22"));
    tell(&mut book, accepted("7", 1, nine.plus_ms(HOUR_MS), 150_102), late);
    book.late_run(day("2026-07-22"));
    let said_nothing_else = |kind| OrderEvent { line: None, ..bare("7", kind, late) };
    for kind in [OrderKind::Completed, OrderKind::Void] {
        tell(&mut book, said_nothing_else(kind), late);
        book.leave_early(day("2026-07-25"));
        book.late_run(day("2026-07-22"));
        if kind == OrderKind::Completed {
            let expected = Standing::NotCounted(NotCounted::CancelledBefore);
            assert_eq!(standing(&book, "2026-07-20", "7"), expected);
        }
    }
    assert_eq!(total(&book), 0);
    assert_eq!(book.tallies(), [(b'A', 4)].into());
}

/// The cancellation itself names the acceptance that it came before. Previously a completion that
/// said nothing else was folded into it when the day was sealed, and its rider was insured.
#[test]
fn a_cancellation_that_names_its_acceptance_stays_one_when_its_day_is_sealed() {
    let mut book = Book::new();
    let nine = day("2026-07-20").start().plus_ms(9 * HOUR_MS);
    let cancelled = OrderEvent {
        kind: OrderKind::Cancelled,
        occurred_at: nine,
        ..accepted("7", 1, nine.plus_ms(HOUR_MS), 150_102)
    };
    let completed = OrderEvent { line: None, ..bare("7", OrderKind::Completed, nine) };
    tell(&mut book, cancelled, nine);
    assert_eq!(tell(&mut book, completed, nine), Fate::Applied);
    book.seal(day("2026-07-20"));
    let expected = Standing::NotCounted(NotCounted::CancelledBefore);
    assert_eq!(standing(&book, "2026-07-20", "7"), expected);
    assert_eq!((total(&book), book.riders().len()), (0, 0));
}

/// An acceptance without its rider, and the same with him: a duplicate that tells who it was,
/// while the day is open, after it was sealed, and before and after a restart.
#[test]
fn a_duplicate_tells_who_the_rider_was() {
    for is_sealed in [false, true] {
        let mut book = Book::new();
        let noon = day("2026-07-20").start().plus_ms(12 * HOUR_MS);
        let nobody = OrderEvent { worker: None, ..accepted("7", 1, noon, 150_102) };
        tell(&mut book, nobody, noon);
        if is_sealed {
            book.seal(day("2026-07-20"));
            assert_eq!(book.riders().len(), 0, "nobody is known yet");
        }
        let later = if is_sealed { noon.plus_ms(100 * HOUR_MS) } else { noon };
        tell(&mut book, accepted("7", 1, noon, 150_102), later);
        if is_sealed {
            book.late_run(day("2026-07-20"));
        } else {
            book.rebuild();
            let again = tell(&mut book, accepted("7", 1, noon, 150_102), later);
            assert_eq!(again, Fate::Duplicate);
            // Somebody else, a day and more later, is no reassignment of an order with a rider.
            let other = accepted("7", 2, noon.plus_ms(30 * HOUR_MS), 150_102);
            assert_eq!(tell(&mut book, other, later), Fate::Held);
            book.seal(day("2026-07-20"));
        }
        assert_eq!((total(&book), book.fates[&1]), (1, Fate::Duplicate));
        let insured = [(150_100, 1)].into_iter().collect();
        assert_eq!(book.riders(), [(day("2026-07-20"), insured)].into());
    }
}

/// A completion without its rider, and the same with him, neither with the acceptance: then there
/// is a rider, and another one an hour later is a reassignment instead of a disagreement.
#[test]
fn a_duplicate_without_acceptance_tells_who_the_rider_was_too() {
    let mut book = Book::new();
    let noon = day("2026-07-20").start().plus_ms(12 * HOUR_MS);
    let nobody = OrderEvent { worker: None, ..accepted("7", 1, noon, 150_102) };
    let completed = bare("7", OrderKind::Completed, noon.plus_ms(2 * HOUR_MS));
    let by_rider = OrderEvent { worker: Some(WorkerToken(1)), ..completed.clone() };
    tell(&mut book, nobody, noon);
    assert_eq!(tell(&mut book, completed, noon), Fate::Applied);
    assert_eq!(tell(&mut book, by_rider, noon), Fate::Duplicate);
    book.rebuild();
    let other = accepted("7", 2, noon.plus_ms(HOUR_MS), 150_102);
    assert_eq!(tell(&mut book, other, noon), Fate::Applied);
    assert_eq!(total(&book), 1);
}

/// A void without acceptance two days after a completion without acceptance. Previously the late
/// run wrote the tombstone to the day of the void and so closed a day that was open.
#[test]
fn a_tombstone_never_closes_an_open_day() {
    let mut book = Book::new();
    let noon = day("2026-07-20").start().plus_ms(12 * HOUR_MS);
    let open = noon.plus_ms(48 * HOUR_MS);
    tell(&mut book, bare("7", OrderKind::Completed, noon), noon);
    tell(&mut book, bare("7", OrderKind::Void, open), open);
    tell(&mut book, accepted("8", 1, open, 150_102), open);
    book.leave_early(day("2026-07-20"));
    book.late_run(day("2026-07-20"));
    assert_eq!(tell(&mut book, accepted("9", 1, open, 150_102), open), Fate::Applied);
    assert_eq!(total(&book), 2);
    assert_eq!(book.tallies(), [(b'A', 3), (b'H', 1)].into());
}

/// A cancellation alone, of a day that nobody has an order of yet: its tombstone goes to a day
/// that is over, and the day itself still takes orders. Without the cap the day would be closed,
/// and its order would be late.
#[test]
fn a_tombstone_alone_leaves_its_day_open() {
    let mut book = Book::new();
    let noon = day("2026-07-22").start().plus_ms(12 * HOUR_MS);
    tell(&mut book, bare("7", OrderKind::Cancelled, noon), noon);
    book.leave_early(day("2026-07-22"));
    book.late_run(day("2026-07-20"));
    assert_eq!(book.orders(day("2026-07-20")).len(), 1);
    tell(&mut book, accepted("9", 1, noon, 150_102), noon);
    assert_eq!((total(&book), book.store.late.len()), (1, 0));
}

/// A completion came before its acceptance, both were counted, the day was sealed, the process
/// restarted. Previously the completion then waited again and ended as a duplicate.
#[test]
fn an_early_event_that_was_matched_does_not_wait_again_after_a_restart() {
    let mut book = Book::new();
    let noon = day("2026-07-20").start().plus_ms(12 * HOUR_MS);
    let completed = OrderEvent {
        worker: Some(WorkerToken(1)),
        ..bare("7", OrderKind::Completed, noon.plus_ms(HOUR_MS))
    };
    tell(&mut book, completed, noon.plus_ms(HOUR_MS));
    tell(&mut book, accepted("7", 1, noon, 150_102), noon.plus_ms(2 * HOUR_MS));
    book.seal(day("2026-07-20"));
    book.rebuild();
    assert_eq!(book.shard.early_orders(), 0);
    book.leave_early(day("2026-07-22"));
    book.late_run(day("2026-07-22"));
    assert_eq!(book.tallies(), [(b'A', 2)].into());
}

/// Two times in one second agree on a topic that has a feed of seconds, on every path. Previously
/// they agreed in the known set and disagreed once the order was void.
#[test]
fn times_agree_by_the_coarsest_feed_on_every_path() {
    let mut book = Book::new();
    let noon = day("2026-07-20").start().plus_ms(12 * HOUR_MS);
    let again = accepted("7", 1, noon.plus_ms(900), 150_102);
    tell(&mut book, accepted("7", 1, noon.plus_ms(100), 150_102), noon);
    assert_eq!(tell(&mut book, again.clone(), noon), Fate::Duplicate, "by the known set");
    let second = accepted("7", 2, noon.plus_ms(HOUR_MS), 150_102);
    assert_eq!(tell(&mut book, second, noon), Fate::Applied, "a reassignment");
    assert_eq!(tell(&mut book, again, noon), Fate::Duplicate, "by the order itself");
}

/// A rider's completion came without, then with the acceptance, which is the earliest of all.
/// Previously the second was a duplicate that taught nothing, unless it came first.
#[test]
fn a_rider_without_acceptance_is_given_one() {
    let mut book = Book::new();
    let noon = day("2026-08-01").start();
    let bare = OrderEvent {
        worker: Some(WorkerToken(2)),
        ..bare("7", OrderKind::Completed, noon.plus_ms(HOUR_MS))
    };
    let full = OrderEvent {
        accepted_at: Some(noon.plus_ms(-60_000)),
        county: Some(super::county(150_202)),
        ..bare.clone()
    };
    tell(&mut book, accepted("7", 1, noon, 150_102), noon);
    assert_eq!(tell(&mut book, bare, noon), Fate::Applied);
    assert_eq!(tell(&mut book, full, noon), Fate::Duplicate);
    let place = book.store.counts.keys().next().unwrap();
    assert_eq!((place.day, place.county.get()), (day("2026-07-31"), 150_202));
    assert_eq!(total(&book), 1);
}
