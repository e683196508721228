//! Fingerprints of order numbers and of material fields.
//!
//! The 64-bit fingerprint is keyed, so that nobody who chooses order numbers can choose collisions;
//! of its bits a sealed day keeps the highest, as many as its size calls for. Hashes of material
//! fields have 16 bits, 0 meaning absent: a difference proves another content, and is verified
//! against the segment before anything is held. A match of every field that a follow-up carries is
//! taken for a repetition without reading the segment.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use crate::domain::event::OrderEvent;
use crate::domain::ids::{CountyCode, LineCode, WorkerToken};
use crate::domain::time::Moment;

/// The key of fingerprints: fixed when a topic is registered, never changed within the horizon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FingerprintKey(pub [u8; 16]);

/// Makes fingerprints for one topic.
#[derive(Clone, Copy, Debug)]
pub struct Fingerprints {
    hasher: SipHasher13,
    time_resolution_ms: i64,
    /// Bits that a test leaves of a fingerprint, so that different order numbers share one.
    #[cfg(test)]
    mask: u64,
}

/// The four material hashes of one event or order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Material {
    pub(super) line: u16,
    pub(super) worker: u16,
    pub(super) time: u16,
    pub(super) county: u16,
}

impl Fingerprints {
    /// For a topic whose coarsest feed resolves times to `time_resolution_ms`.
    #[must_use]
    pub fn new(key: FingerprintKey, time_resolution_ms: u32) -> Self {
        let time_resolution_ms = i64::from(time_resolution_ms.max(1));
        Self {
            hasher: SipHasher13::new_with_key(&key.0),
            time_resolution_ms,
            #[cfg(test)]
            mask: u64::MAX,
        }
    }

    /// Fingerprints of so few bits that they collide.
    #[cfg(test)]
    pub(super) const fn narrow(mut self, bits: u32) -> Self {
        self.mask = (1 << bits) - 1;
        self
    }

    /// The coarsest resolution of the topic's feeds.
    #[must_use]
    pub(super) const fn time_resolution_ms(&self) -> i64 {
        self.time_resolution_ms
    }

    /// The fingerprint of an order number.
    #[must_use]
    pub fn of(&self, order_id: &str) -> u64 {
        let fingerprint = self.hasher.hash(order_id.as_bytes());
        #[cfg(test)]
        let fingerprint = fingerprint & self.mask;
        fingerprint
    }

    /// A further fingerprint of an order number whose own one another number has.
    pub(super) fn further(&self, order_id: &str, attempt: u64) -> u64 {
        let mut hasher = self.hasher;
        hasher.write_u64(attempt);
        hasher.write(order_id.as_bytes());
        hasher.finish()
    }

    /// The hashes of what an event carries.
    #[must_use]
    pub fn material(&self, event: &OrderEvent) -> Material {
        Material {
            line: self.line(event.line.as_ref()),
            worker: self.worker(event.worker),
            time: self.time(event.accepted_at),
            county: self.county(event.county),
        }
    }

    fn line(&self, line: Option<&LineCode>) -> u16 {
        line.map_or(0, |line| present(self.hasher.hash(line.as_str().as_bytes())))
    }

    fn worker(&self, worker: Option<WorkerToken>) -> u16 {
        // A token is a keyed hash already.
        worker.map_or(0, |token| present(token.0))
    }

    fn time(&self, accepted_at: Option<Moment>) -> u16 {
        accepted_at.map_or(0, |at| self.number(1, at.ms().div_euclid(self.time_resolution_ms)))
    }

    fn county(&self, county: Option<CountyCode>) -> u16 {
        county.map_or(0, |code| self.number(2, i64::from(code.get())))
    }

    fn number(&self, kind: u8, value: i64) -> u16 {
        let mut hasher = self.hasher;
        hasher.write_u8(kind);
        hasher.write_i64(value);
        present(hasher.finish())
    }
}

fn present(hash: u64) -> u16 {
    let folded = hash ^ (hash >> 32);
    let low = u16::try_from((folded ^ (folded >> 16)) & 0xffff).unwrap_or(0);
    low.max(1)
}

impl Material {
    /// Whether every field that both have is the same.
    #[must_use]
    pub const fn agrees(self, other: Self) -> bool {
        agree(self.line, other.line)
            && agree(self.worker, other.worker)
            && agree(self.time, other.time)
            && agree(self.county, other.county)
    }

    /// Whether `event` carries a field that this one lacks.
    #[must_use]
    pub const fn is_filled_by(self, event: Self) -> bool {
        (self.line == 0 && event.line != 0)
            || (self.worker == 0 && event.worker != 0)
            || (self.time == 0 && event.time != 0)
            || (self.county == 0 && event.county != 0)
    }
}

const fn agree(one: u16, other: u16) -> bool {
    one == 0 || other == 0 || one == other
}
