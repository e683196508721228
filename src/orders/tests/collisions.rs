//! Order numbers that share a fingerprint: none is lost, none is taken for the other.

use super::book::Book;
use super::oracle::Oracle;
use super::{Dice, HOUR_MS, Message, accepted, bare, day};
use crate::domain::event::{OrderEvent, OrderKind};
use crate::domain::ids::WorkerToken;
use crate::orders::identity::{FingerprintKey, Fingerprints};

fn narrow() -> Book {
    Book::with(Fingerprints::new(FingerprintKey([7; 16]), 1000).narrow(1))
}

/// Eight orders, each with a rider of its own whom every event names.
fn events(dice: &mut Dice) -> Vec<OrderEvent> {
    let mut events = Vec::new();
    for number in 0..8 {
        let (id, worker) = (number.to_string(), 100 + number);
        let at = day("2026-07-31").end().plus_ms(dice.below(7200) as i64 * 1000 - 3_600_000);
        let later = at.plus_ms(HOUR_MS);
        let mut kinds = vec![OrderKind::Completed, OrderKind::Cancelled, OrderKind::Void];
        kinds.truncate(dice.below(4) as usize);
        events.push(accepted(&id, worker, at, 150_102));
        for kind in kinds {
            events.push(OrderEvent { worker: Some(WorkerToken(worker)), ..bare(&id, kind, later) });
        }
    }
    dice.shuffle(&mut events);
    events
}

#[test]
fn orders_with_one_fingerprint_are_counted_apart() {
    for seed in 0..200 {
        let mut dice = Dice::new(seed);
        let (mut book, mut oracle) = (narrow(), Oracle::default());
        let events = events(&mut dice);
        let from = day("2026-07-31").start();
        for (seq, event) in events.into_iter().enumerate() {
            let message = Message { seq, event, received_at: from.plus_ms(seq as i64) };
            oracle.feed(&message);
            book.feed(&[message]);
            if dice.one_in(4) {
                book.rebuild();
            }
        }
        let counts: i64 = book.store.counts.values().sum();
        assert_eq!(counts, oracle.counts().values().sum::<i64>(), "seed {seed}");
        assert_eq!(book.tallies(), oracle.tallies(), "seed {seed}");
        for date in ["2026-07-31", "2026-08-01"].map(day) {
            if book.store.days.contains_key(&date) {
                book.seal(date);
            }
        }
        assert_eq!(book.riders(), oracle.riders(), "seed {seed}");
        assert!(book.shard.collided.is_empty(), "seed {seed}: forgotten with their days");
    }
}

#[test]
fn orders_with_one_fingerprint_are_counted_apart_within_a_batch() {
    for seed in 0..200 {
        let (mut book, mut oracle) = (narrow(), Oracle::default());
        let from = day("2026-07-31").start();
        let with_place = events(&mut Dice::new(seed)).into_iter().enumerate();
        let messages: Vec<_> = with_place
            .map(|(seq, event)| Message { seq, event, received_at: from.plus_ms(seq as i64) })
            .collect();
        messages.iter().for_each(|message| {
            oracle.feed(message);
        });
        book.feed(&messages);
        assert_eq!(book.tallies(), oracle.tallies(), "seed {seed}");
        let counts: i64 = book.store.counts.values().sum();
        assert_eq!(counts, oracle.counts().values().sum::<i64>(), "seed {seed}");
    }
}
