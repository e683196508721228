//! Bytes an order, on orders like real ones: 19-digit numbers without order (the worst case), 4,000
//! riders, one hour of acceptances, about a hundred counties.

use std::collections::BTreeSet;

use super::{Dice, POLICY, accepted, bare, day, platform};
use crate::domain::event::{OrderEvent, OrderKind};
use crate::orders::columns::Columns;
use crate::orders::identity::{FingerprintKey, Fingerprints};
use crate::orders::seal::OpenDay;
use crate::orders::segment::{SegmentHead, encode, encode_joined};

const ORDERS: u32 = 50_000;
const HEAD: SegmentHead = SegmentHead { manifest_version: 1, batch: 1 };

/// Bytes of 100 orders: base, joined base, deltas, sealed day with index and riders.
fn bytes_of_100(step_ms: i64) -> [usize; 4] {
    let mut dice = Dice::new(5);
    let noon = day("2026-07-20").start().plus_ms(43_200_000);
    let tokens: Vec<u64> = (0..4000).map(|_| dice.next() << 24 ^ dice.next()).collect();
    let counties: Vec<u32> = POLICY.counties().iter().map(|row| row.code.get()).collect();
    let (mut base, mut delta) = (Columns::default(), Columns::default());
    for ordinal in 0..ORDERS {
        let id = format!("{}", 1_000_000_000_000_000_000 + (dice.next() << 20) % (1 << 62));
        let away = dice.below(3_600_000 / step_ms as u64) as i64 * step_ms;
        let rider = dice.below(4000) as usize;
        let (at, code) = (noon.plus_ms(away), counties[rider % 100]);
        base.push(None, &accepted(&id, tokens[rider], at, code));
        let ended = at.plus_ms((600_000 + dice.below(2_400_000) as i64) / step_ms * step_ms);
        let event = bare(&id, OrderKind::Completed, ended);
        delta.push_kind(ordinal, &OrderEvent { ended_at: Some(ended), ..event });
    }
    let mut open = OpenDay::default();
    open.add_base(&base);
    open.add_delta(&delta);
    let prints = Fingerprints::new(FingerprintKey([7; 16]), 1000);
    let sealed = open.seal(HEAD, &prints, &platform(), &POLICY, &BTreeSet::new()).unwrap();
    assert_eq!(sealed.amending, None, "completions fold");
    let chunks: usize = sealed.chunks.iter().map(|(.., bytes)| bytes.len()).sum();
    let riders: usize = sealed.riders.iter().map(|(.., bytes)| bytes.len()).sum();
    let sizes = [
        encode(HEAD, &base).unwrap().len(),
        encode_joined(HEAD, &base).unwrap().len(),
        encode(HEAD, &delta).unwrap().len(),
        chunks + sealed.index.len() + riders,
    ];
    sizes.map(|bytes| bytes / (ORDERS as usize / 100))
}

#[test]
fn orders_take_few_bytes() {
    for (step_ms, feed) in [(1000, "seconds"), (1, "milliseconds")] {
        let sizes = bytes_of_100(step_ms);
        let [base, joined, delta, sealed] = sizes;
        let found = format!("{feed}: bytes of 100 orders: base, joined, delta, sealed: {sizes:?}");
        assert!(base <= 2600 && joined <= base && delta <= 500 && sealed <= 2000, "{found}");
    }
}
