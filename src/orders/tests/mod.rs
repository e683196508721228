//! The order book against a naive oracle, through the bytes that it stores: batches, rebuilds,
//! sealing, late runs and joined segments.
#![expect(
    clippy::as_conversions,
    reason = "small test numbers; an index out of range is a failed test"
)]

mod book;
mod collisions;
mod format;
mod laws;
mod oracle;
mod sizes;
mod split;
mod stories;
mod taken_back;

use std::path::Path;
use std::sync::LazyLock;

use crate::domain::event::{CountySource, OrderEvent, OrderKind};
use crate::domain::ids::{CountyCode, LineCode, OrderId, PlatformId, WorkerToken};
use crate::domain::time::{Day, Moment};
use crate::policy::Policy;

static POLICY: LazyLock<Policy> =
    LazyLock::new(|| Policy::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("policy")).unwrap());

const HOUR_MS: i64 = 3_600_000;

/// A message of the log: its place, its event, its append time.
#[derive(Clone, Debug)]
struct Message {
    seq: usize,
    event: OrderEvent,
    received_at: Moment,
}

pub(super) fn platform() -> PlatformId {
    PlatformId::new("meituan").unwrap()
}

pub(super) fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

fn county(code: u32) -> CountyCode {
    CountyCode::new(code).unwrap()
}

/// An event of `id` that says nothing but its kind and when it happened.
pub(super) fn bare(id: &str, kind: OrderKind, occurred_at: Moment) -> OrderEvent {
    OrderEvent {
        kind,
        platform: platform(),
        order_id: OrderId::new(id).unwrap(),
        line: Some(LineCode::new("instant_delivery").unwrap()),
        worker: None,
        accepted_at: None,
        ended_at: None,
        occurred_at,
        county: None,
        county_source: None,
        service_county: None,
        origin: None,
        resolution_ms: 1,
    }
}

/// An acceptance by `worker`.
pub(super) fn accepted(id: &str, worker: u64, at: Moment, code: u32) -> OrderEvent {
    OrderEvent {
        worker: Some(WorkerToken(worker)),
        accepted_at: Some(at),
        county: Some(county(code)),
        county_source: Some(CountySource::Acceptance),
        ..bare(id, OrderKind::Accepted, at)
    }
}

/// Small numbers that follow from a seed.
struct Dice(u64);

impl Dice {
    const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x1234_5678_9ABC_DEF1)
    }

    const fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    const fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    const fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}
