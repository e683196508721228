//! Laws that hold for any messages: made from a seed, compared with the oracle.

use std::collections::{BTreeMap, BTreeSet};

use super::book::Book;
use super::oracle::{Cell, Oracle};
use super::{Dice, HOUR_MS, Message, accepted, bare, county, day};
use crate::domain::event::{CountySource, OrderEvent, OrderKind, Origin};
use crate::domain::ids::WorkerToken;
use crate::domain::time::{Day, Moment};
use crate::orders::effects::Fate;
use crate::orders::order::{Order, Standing};

const SEEDS: u64 = 400;

/// What really happened to one order, so that all its events agree.
struct Story {
    id: String,
    takes: Vec<(u64, Moment, u32)>,
    cancelled_at: Option<Moment>,
    is_void: bool,
}

impl Story {
    fn new(dice: &mut Dice, number: u64) -> Self {
        let nights = ["2026-07-01", "2026-07-31", "2026-08-01", "2026-08-02"];
        let night = day(nights[dice.below(4) as usize]).start();
        let at = night.plus_ms((dice.below(4 * 3600) as i64 - 7200) * 1000 + 500);
        let counties = [150_102, 150_202, 152_501, 110_105];
        let mut takes = vec![(11 + dice.below(4), at, counties[dice.below(4) as usize])];
        if dice.one_in(3) {
            let later = at.plus_ms((dice.below(20 * 60) as i64 + 1) * 60_000);
            takes.push((21 + dice.below(4), later, counties[dice.below(3) as usize]));
        }
        let away = if dice.one_in(2) { -600_000 } else { 22 * HOUR_MS };
        let cancelled_at = dice.one_in(4).then(|| at.plus_ms(away));
        Self { id: format!("{number}"), takes, cancelled_at, is_void: dice.one_in(8) }
    }

    fn event(&self, dice: &mut Dice) -> OrderEvent {
        let (worker, at, code) = self.takes[dice.below(self.takes.len() as u64) as usize];
        let mut event = accepted(&self.id, worker, at, code);
        match dice.below(6) {
            0 | 1 => {}
            2 | 3 => {
                event.kind = OrderKind::Completed;
                event.occurred_at = at.plus_ms(3 * HOUR_MS);
                event.ended_at = Some(event.occurred_at);
            }
            4 => {
                let Some(cancelled_at) = self.cancelled_at else { return event };
                event.kind = OrderKind::Cancelled;
                event.occurred_at = cancelled_at;
            }
            _ => {
                if !self.is_void {
                    return event;
                }
                event.kind = OrderKind::Void;
                event.occurred_at = at.plus_ms(HOUR_MS);
            }
        }
        if event.kind != OrderKind::Accepted && !dice.one_in(4) {
            (event.accepted_at, event.county, event.county_source) = (None, None, None);
        }
        self.less(dice, event)
    }

    /// The same with fewer fields, or by a feed that knows seconds only.
    fn less(&self, dice: &mut Dice, mut event: OrderEvent) -> OrderEvent {
        if self.takes.len() == 1 && dice.one_in(4) {
            event.worker = None;
        }
        if event.accepted_at.is_none() && dice.one_in(4) {
            event.line = None;
        }
        if dice.one_in(4) {
            let whole = |at: Moment| Moment::from_ms(at.ms() / 1000 * 1000);
            event.accepted_at = event.accepted_at.map(whole);
            event.resolution_ms = 1000;
        }
        if dice.one_in(5) {
            event.service_county = Some(county(150_105));
            let channel = Some("amap".to_owned());
            event.origin = Origin { channel, ..Origin::default() }.boxed();
        }
        event
    }
}

/// An event that contradicts what the order says elsewhere. A further rider only where every event
/// names its rider: whose a bare event is, among several, hangs on the arrival.
fn spoiled(dice: &mut Dice, story: &Story, mut event: OrderEvent) -> OrderEvent {
    match dice.below(if story.takes.len() > 1 { 3 } else { 2 }) {
        0 => event.accepted_at = event.accepted_at.map(|at| at.plus_ms(40 * HOUR_MS)),
        1 => event.county = event.county.map(|_| county(150_203)),
        _ => {
            event.worker = Some(WorkerToken(99));
            event.accepted_at = event.accepted_at.map(|at| at.plus_ms(120_000));
            event.county_source = event.county.map(|_| CountySource::Pickup);
        }
    }
    event
}

fn messages(seed: u64, conflicts: bool) -> Vec<Message> {
    let mut dice = Dice::new(seed);
    let mut events = Vec::new();
    for number in 0..1 + dice.below(5) {
        let story = Story::new(&mut dice, number);
        for _ in 0..1 + dice.below(6) {
            let event = story.event(&mut dice);
            let spoil = conflicts && dice.one_in(4);
            events.push(if spoil { spoiled(&mut dice, &story, event) } else { event });
        }
    }
    dice.shuffle(&mut events);
    in_time(events)
}

/// All days are open still.
fn in_time(events: Vec<OrderEvent>) -> Vec<Message> {
    let from = day("2026-06-30").start();
    let with_place = events.into_iter().enumerate();
    with_place
        .map(|(seq, event)| Message { seq, event, received_at: from.plus_ms(seq as i64) })
        .collect()
}

fn counted(book: &Book) -> BTreeMap<Cell, i64> {
    let cells = book.store.counts.iter();
    cells
        .map(|(place, n)| ((place.line.as_str().to_owned(), place.day, place.county.get()), *n))
        .collect()
}

fn batches(dice: &mut Dice, messages: &[Message]) -> Vec<Vec<Message>> {
    let mut batches = vec![Vec::new()];
    for message in messages {
        if dice.one_in(3) {
            batches.push(Vec::new());
        }
        batches.last_mut().unwrap().push(message.clone());
    }
    batches.retain(|batch| !batch.is_empty());
    batches
}

fn same_book(book: &Book, oracle: &Oracle, seed: u64) {
    assert_eq!(counted(book), oracle.counts(), "seed {seed}");
    assert_eq!(book.tallies(), oracle.tallies(), "seed {seed}");
}

fn days(book: &Book) -> Vec<Day> {
    book.store.days.keys().copied().collect()
}

fn all_orders(book: &Book) -> BTreeMap<String, Order> {
    days(book).into_iter().flat_map(|day| book.orders(day)).collect()
}

fn same_orders(book: &Book, oracle: &Oracle, seed: u64) {
    for (id, order) in all_orders(book) {
        let cell = match order.standing() {
            Standing::Counted(place) if place.county.province() == 15 => {
                Some((place.line.as_str().to_owned(), place.day, place.county.get()))
            }
            Standing::Counted(_) | Standing::NotCounted(_) => None,
        };
        let cell = cell.filter(|(_, at, _)| *at >= day("2026-07-01"));
        assert_eq!(cell, oracle.cell(&id), "seed {seed} order {id} {order:?}");
        let acceptors: BTreeSet<u64> = order.acceptors().map(|worker| worker.0).collect();
        let found = (order.kinds(), acceptors);
        assert_eq!(found, oracle.kinds_and_acceptors(&id), "seed {seed} {id}");
    }
}

#[test]
fn any_split_into_batches_gives_what_the_oracle_gives() {
    for seed in 0..SEEDS {
        let messages = messages(seed, seed % 2 == 0);
        let (mut book, mut oracle) = (Book::new(), Oracle::default());
        messages.iter().for_each(|message| {
            oracle.feed(message);
        });
        for batch in batches(&mut Dice::new(seed + 1), &messages) {
            book.feed(&batch);
        }
        same_book(&book, &oracle, seed);
        same_orders(&book, &oracle, seed);
    }
}

#[test]
fn any_order_of_arrival_gives_the_same_counts_and_a_second_time_only_duplicates() {
    for seed in 0..SEEDS {
        let mut dice = Dice::new(seed);
        let first = messages(seed, false);
        let mut events: Vec<_> = first.iter().map(|message| message.event.clone()).collect();
        let (mut one, mut two) = (Book::new(), Book::new());
        batches(&mut dice, &first).iter().for_each(|batch| one.feed(batch));
        dice.shuffle(&mut events);
        let again = in_time(events);
        batches(&mut dice, &again).iter().for_each(|batch| two.feed(batch));
        assert_eq!(counted(&one), counted(&two), "seed {seed}");
        assert_eq!(one.tallies(), two.tallies(), "seed {seed}");
        let applied = two.tallies()[&b'A'];
        let resent: Vec<_> = again
            .iter()
            .map(|message| Message { seq: message.seq + again.len(), ..message.clone() })
            .collect();
        batches(&mut dice, &resent).iter().for_each(|batch| two.feed(batch));
        assert_eq!(counted(&one), counted(&two), "seed {seed}: fed twice");
        assert_eq!(two.tallies()[&b'A'], applied, "seed {seed}: fed twice");
        assert_eq!(two.tallies().get(&b'H'), None, "seed {seed}: fed twice");
    }
}

/// Memory in a form that two owners can be compared by: slots are named by their days.
fn memory(book: &Book, shard: &crate::orders::shard::Shard) -> BTreeMap<String, String> {
    let mut memory = BTreeMap::new();
    for message in 0..6 {
        let id = crate::domain::ids::OrderId::new(&message.to_string()).unwrap();
        let print = shard.print_of(&id);
        let Some(entry) = shard.known.get(print) else { continue };
        let early = shard.early.get(&print).map(|early| (&early.order, &early.batches));
        let amended = shard.amended.get(&print);
        let day = early.is_none().then(|| shard.day_of(entry.slot));
        let place = (day, entry.ordinal, entry.state, entry.material);
        memory.insert(message.to_string(), format!("{place:?} {early:?} {amended:?}"));
    }
    let live = shard.early_live.iter().filter(|(_, rows)| rows.live > 0);
    let live = live.map(|(batch, rows)| (batch, rows.live));
    memory.insert("early".to_owned(), format!("{:?}", live.collect::<Vec<_>>()));
    let days = shard.days().map(|(day, state)| (day, state.phase, state.next_ordinal));
    memory.insert("days".to_owned(), format!("{:?}", days.collect::<Vec<_>>()));
    assert_eq!(book.settings.partition, 0);
    memory
}

#[test]
fn a_rebuild_after_any_batch_changes_nothing_and_joined_segments_neither() {
    for seed in 0..SEEDS {
        let messages = messages(seed, true);
        let mut dice = Dice::new(seed + 7);
        let (mut kept, mut rebuilt) = (Book::new(), Book::new());
        for batch in batches(&mut dice, &messages) {
            kept.feed(&batch);
            rebuilt.feed(&batch);
            if dice.one_in(2) {
                rebuilt.join();
            }
            let own = memory(&kept, &kept.shard);
            for other in [memory(&kept, &kept.rebuilt()), memory(&rebuilt, &rebuilt.rebuilt())] {
                for (what, own) in &own {
                    assert_eq!(Some(own), other.get(what), "seed {seed}: {what}");
                }
            }
            rebuilt.rebuild();
        }
        assert_eq!(kept.fates, rebuilt.fates, "seed {seed}");
        assert_eq!(counted(&kept), counted(&rebuilt), "seed {seed}");
        assert_eq!(all_orders(&kept), all_orders(&rebuilt), "seed {seed}");
    }
}

#[test]
fn a_sealed_day_reads_back_as_the_same_orders_and_riders() {
    for seed in 0..SEEDS {
        let messages = messages(seed, true);
        let (mut book, mut oracle) = (Book::new(), Oracle::default());
        messages.iter().for_each(|message| {
            oracle.feed(message);
        });
        batches(&mut Dice::new(seed), &messages).iter().for_each(|batch| book.feed(batch));
        let before = all_orders(&book);
        days(&book).into_iter().for_each(|day| book.seal(day));
        let after = all_orders(&book);
        assert!(before.keys().eq(after.keys()), "seed {seed}");
        same_orders(&book, &oracle, seed);
        assert_eq!(book.riders(), oracle.riders(), "seed {seed}");
        for id in after.keys() {
            let print = book.settings.fingerprints.of(id);
            assert!(!book.hits(&[print]).is_empty(), "seed {seed}: the index finds {id}");
        }
        book.rebuild();
        let waiting = book.shard.early_orders();
        assert!(waiting + after.len() >= before.len());
        same_book(&book, &oracle, seed);
    }
}

/// Messages that arrive over ten days, many of them long after their day is sealed; days are
/// sealed as the clock passes, with late runs between, and at the end everything is late.
#[test]
fn late_messages_end_as_if_all_had_been_seen_at_once() {
    for seed in 0..SEEDS {
        let mut dice = Dice::new(seed);
        let mut messages = messages(seed, false);
        let mut at = day("2026-06-30").start();
        for message in &mut messages {
            at = at.plus_ms((dice.below(20) as i64) * HOUR_MS);
            message.received_at = at;
        }
        let (mut book, mut oracle) = (Book::new(), Oracle::default());
        messages.iter().for_each(|message| {
            oracle.feed(message);
        });
        for batch in batches(&mut dice, &messages) {
            book.feed(&batch);
            upkeep(&mut book, &mut dice);
        }
        book.clock = day("2026-08-20").start();
        upkeep(&mut book, &mut dice);
        book.late_run(day("2026-08-17"));
        oracle.end_waiting();
        assert_eq!(counted(&book), oracle.counts(), "seed {seed}");
        // An acceptance more than 48 hours after its completion finds that one held.
        let held = |message: &&Message| book.fates[&message.seq] == Fate::Held;
        let mut held = messages.iter().filter(held).map(|message| message.event.order_id.as_str());
        if held.all(|id| oracle.kinds_and_acceptors(id).0 & OrderKind::Accepted.bit() == 0) {
            assert_eq!(book.tallies(), oracle.tallies(), "seed {seed}");
        }
        assert_eq!(book.riders(), oracle.riders(), "seed {seed}");
    }
}

fn upkeep(book: &mut Book, dice: &mut Dice) {
    let clock = book.clock;
    let is_due = |day: &Day| clock >= day.end().plus_ms(48 * HOUR_MS);
    let open = book.shard.days().filter(|(_, state)| state.phase.code() == "open");
    let due: Vec<_> = open.map(|(day, _)| day).filter(is_due).collect();
    due.into_iter().for_each(|day| book.seal(day));
    if dice.one_in(2) {
        book.rebuild();
    }
    let closed_until = clock.plus_ms(-48 * HOUR_MS).day().plus(-1);
    book.leave_early(closed_until);
    if dice.one_in(2) {
        book.late_run(closed_until);
    }
}

#[test]
fn a_void_and_a_bare_completion_need_no_more_than_their_kind() {
    let night = day("2026-07-31").start();
    let mut oracle = Oracle::default();
    let mut book = Book::new();
    let events =
        vec![accepted("0", 1, night, 150_102), bare("0", OrderKind::Void, night.plus_ms(1))];
    for message in in_time(events) {
        oracle.feed(&message);
        book.feed(&[message]);
    }
    assert!(book.store.counts.is_empty());
    same_book(&book, &oracle, 0);
}
