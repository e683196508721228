//! Single stories that once went wrong, each worked out by hand.

use super::book::Book;
use super::{HOUR_MS, Message, accepted, bare, day};
use crate::domain::event::{OrderEvent, OrderKind};
use crate::domain::ids::WorkerToken;
use crate::domain::time::Moment;
use crate::orders::effects::Fate;

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

/// Cancelled at 9:00, completed, accepted at 10:00, all after the day was sealed. Previously the
/// completion was folded into the tombstone, which then was no cancellation any more.
#[test]
fn a_tombstone_stays_a_cancellation_whatever_comes_after_it() {
    let mut book = Book::new();
    let nine = day("2026-07-20").start().plus_ms(9 * HOUR_MS);
    let late = day("2026-07-25").start();
    tell(&mut book, bare("7", OrderKind::Cancelled, nine), nine);
    book.leave_early(day("2026-07-22"));
    book.late_run(day("2026-07-22"));
    let completed = OrderEvent {
        accepted_at: Some(nine.plus_ms(HOUR_MS)),
        county: Some(super::county(150_102)),
        ..bare("7", OrderKind::Completed, nine.plus_ms(2 * HOUR_MS))
    };
    tell(&mut book, completed, late);
    book.late_run(day("2026-07-22"));
    tell(&mut book, accepted("7", 1, nine.plus_ms(HOUR_MS), 150_102), late);
    book.late_run(day("2026-07-22"));
    assert_eq!(total(&book), 0);
    assert_eq!(book.tallies(), [(b'A', 3)].into());
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
