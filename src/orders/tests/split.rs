//! A day split between the partitions of a grown topic has the same orders as before, each where
//! its number belongs.

use std::collections::{BTreeMap, BTreeSet};

use super::{Dice, accepted, bare, day, platform};
use crate::domain::event::{OrderEvent, OrderKind};
use crate::log::partition_of;
use crate::orders::columns::{Columns, RawMessage};
use crate::orders::identity::{FingerprintKey, Fingerprints};
use crate::orders::order::Order;
use crate::orders::seal::OpenDay;
use crate::orders::segment::SegmentError;
use crate::orders::split::{DaySplit, Descent, Part, split_rows};

const BEFORE: u32 = 3;
const OWN: u32 = 2;

/// Segments of a day of partition 2 of 3: first events in several segments, and further ones.
struct Segments {
    bases: Vec<(u32, Columns)>,
    deltas: Vec<Columns>,
}

fn segments(seed: u64) -> Segments {
    let mut dice = Dice::new(seed);
    let noon = day("2026-07-20").start().plus_ms(43_200_000);
    let numbers = (1_000_000..).map(|number: u32| number.to_string());
    let own = numbers.filter(|id| partition_of(id.as_bytes(), BEFORE) == OWN);
    let ids: Vec<String> = own.take(40 + dice.below(60) as usize).collect();
    let (mut bases, mut deltas) = (Vec::new(), Vec::new());
    let mut first = 0;
    while (first as usize) < ids.len() {
        let rows = 1 + dice.below(20) as usize;
        let until = ids.len().min(first as usize + rows);
        let mut base = Columns::default();
        for id in &ids[first as usize..until] {
            let at = noon.plus_ms(dice.below(3_600_000) as i64);
            base.push(None, &accepted(id, dice.below(9), at, 150_102));
        }
        bases.push((first, base));
        first = until as u32;
    }
    for _ in 0..3 {
        let mut delta = Columns::default();
        for (ordinal, id) in (0..).zip(&ids) {
            let ended = noon.plus_ms(3_700_000 + dice.below(1_000) as i64);
            match dice.below(4) {
                0 => delta.push(Some(ordinal), &accepted(id, 10 + dice.below(9), ended, 150_103)),
                1 => delta.push_kind(ordinal, &bare(id, OrderKind::Cancelled, noon)),
                2 => {
                    let event = bare(id, OrderKind::Completed, ended);
                    delta.push_kind(ordinal, &OrderEvent { ended_at: Some(ended), ..event });
                }
                _ => {}
            }
        }
        deltas.push(delta);
    }
    Segments { bases, deltas }
}

fn prints() -> Fingerprints {
    Fingerprints::new(FingerprintKey([7; 16]), 1)
}

fn whole(bases: &[(u32, Columns)], deltas: &[Columns]) -> OpenDay {
    let mut open = OpenDay::default();
    bases.iter().for_each(|(_, base)| open.add_base(base));
    deltas.iter().for_each(|delta| open.add_delta(delta));
    open
}

/// Every order of a day by its number.
fn orders(open: &OpenDay) -> BTreeMap<String, Order> {
    let wanted: BTreeSet<u64> = open.fingerprints(&prints()).into_iter().collect();
    let found = open.find(&prints(), &wanted, &platform()).into_iter();
    found.map(|(_, order)| (order.id().unwrap().as_str().to_owned(), order)).collect()
}

fn take(parts: &[Part], partition: u32) -> impl Iterator<Item = &Part> {
    parts.iter().filter(move |part| part.partition == partition)
}

#[test]
fn an_open_day_split_segment_by_segment_has_the_same_orders() {
    for seed in 0..50 {
        for after in [6, 12] {
            let Segments { bases, deltas } = segments(seed);
            let descent = Descent::new(OWN, BEFORE, after);
            let mut split = DaySplit::new(descent);
            let mut base_parts = Vec::new();
            for (first, base) in &bases {
                base_parts.extend(split.base(*first, base));
            }
            let delta_parts: Vec<Part> =
                deltas.iter().flat_map(|delta| split.delta(delta).unwrap()).collect();
            let mut found = BTreeMap::new();
            for partition in descent.partitions() {
                let mut next = 0;
                let mut own_bases = Vec::new();
                for part in take(&base_parts, partition) {
                    assert_eq!(part.first_ordinal, next, "ordinals without gaps");
                    next += u32::try_from(part.rows.rows()).unwrap();
                    own_bases.push((part.first_ordinal, part.rows.clone()));
                }
                assert_eq!(split.orders()[&partition], next);
                let own_deltas: Vec<_> =
                    take(&delta_parts, partition).map(|part| part.rows.clone()).collect();
                let own = orders(&whole(&own_bases, &own_deltas));
                let is_home = |id: &String| partition_of(id.as_bytes(), after) == partition;
                assert!(own.keys().all(is_home), "{partition} of {after}: {:?}", own.keys());
                found.extend(own);
            }
            assert_eq!(found, orders(&whole(&bases, &deltas)), "seed {seed}, {after}");
        }
    }
}

#[test]
fn a_day_that_was_read_whole_is_split_into_the_same_orders() {
    for seed in 0..50 {
        let Segments { bases, deltas } = segments(seed);
        let before = whole(&bases, &deltas);
        let mut found = BTreeMap::new();
        for (partition, own) in before.split(Descent::new(OWN, BEFORE, 12)) {
            let own = orders(&own);
            assert!(own.keys().all(|id| partition_of(id.as_bytes(), 12) == partition));
            found.extend(own);
        }
        assert_eq!(found, orders(&before), "seed {seed}");
    }
}

#[test]
fn what_waits_goes_with_its_messages_and_a_second_split_moves_nothing() {
    let at = day("2026-07-20").start();
    let mut rows = Columns::default();
    for number in 0..40u64 {
        let event = bare(&(1_000_000 + number).to_string(), OrderKind::Completed, at);
        if partition_of(event.order_id.as_str().as_bytes(), BEFORE) == OWN {
            let raw = RawMessage { offset: number, ..RawMessage::nothing() };
            rows.push_raw(&event, raw);
        }
    }
    let parts = split_rows(Descent::new(OWN, BEFORE, 6), &rows);
    assert_eq!(parts.iter().map(|part| part.partition).collect::<Vec<_>>(), [2, 5]);
    assert_eq!(parts.iter().map(|part| part.rows.rows()).sum::<usize>(), rows.rows());
    for part in parts {
        for row in 0..part.rows.rows() {
            let id = part.rows.ids.get(row).unwrap();
            let raw = &part.rows.raws[&u32::try_from(row).unwrap()];
            assert_eq!((1_000_000 + raw.offset).to_string(), id, "each with its own message");
        }
        let again = split_rows(Descent::new(part.partition, BEFORE, 6), &part.rows);
        assert!(part.partition != OWN || again == [part], "a second split moves nothing");
    }
}

#[test]
fn a_further_event_of_no_order_is_damage() {
    let mut rows = Columns::default();
    rows.push_kind(3, &bare("1", OrderKind::Completed, day("2026-07-20").start()));
    let split = DaySplit::new(Descent::new(OWN, BEFORE, 6));
    assert!(matches!(split.delta(&rows), Err(SegmentError::Damaged(_))));
}
