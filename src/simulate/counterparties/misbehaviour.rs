//! How a counterparty misbehaves: shares in percent, drawn from a seed.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Shares in percent. The default is a counterparty that behaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Misbehaviour {
    /// Of records: refused for good, with the code `content.refused`.
    pub refuse_percent: u32,
    /// Of records: not taken this time (`later`), though nothing is wrong.
    pub later_percent: u32,
    /// Of requests: 429 with `Retry-After`.
    pub too_many_percent: u32,
    /// What `Retry-After` says, in seconds.
    pub retry_after_s: u32,
    /// Of requests: 503.
    pub unavailable_percent: u32,
    /// Of requests: taken, then the connection is dropped in the middle of the answer.
    pub drop_after_accept_percent: u32,
    /// Of requests: the connection is dropped half-way, after some of the records were taken.
    pub drop_half_way_percent: u32,
    /// Of requests: taken, then answered with bytes that are no answer.
    pub garbage_percent: u32,
    /// Of requests: answered after `slow_ms`.
    pub slow_percent: u32,
    /// How slow.
    pub slow_ms: u64,
    /// Of acknowledgements: given out later than others.
    pub ack_late_percent: u32,
    /// Of acknowledgements: given out twice.
    pub ack_twice_percent: u32,
    /// Of acknowledgements: given out before the one before it.
    pub ack_out_of_order_percent: u32,
}

/// What happens to one request as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mishap {
    /// Nothing.
    None,
    /// 429.
    TooMany,
    /// 503.
    Unavailable,
    /// Taken, connection dropped.
    Drop,
    /// Half taken, connection dropped.
    DropHalfWay,
    /// Taken, garbage for an answer.
    Garbage,
    /// Taken, answered late.
    Slow,
}

/// Draws mishaps.
pub(super) struct Dice {
    random: ChaCha8Rng,
    seed: u64,
}

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self { random: ChaCha8Rng::seed_from_u64(seed), seed }
    }

    pub(super) fn hits(&mut self, percent: u32) -> bool {
        self.random.random_range(0..100) < percent
    }

    pub(super) fn request(&mut self, misbehaviour: &Misbehaviour) -> Mishap {
        let shares = [
            (misbehaviour.too_many_percent, Mishap::TooMany),
            (misbehaviour.unavailable_percent, Mishap::Unavailable),
            (misbehaviour.drop_after_accept_percent, Mishap::Drop),
            (misbehaviour.drop_half_way_percent, Mishap::DropHalfWay),
            (misbehaviour.garbage_percent, Mishap::Garbage),
            (misbehaviour.slow_percent, Mishap::Slow),
        ];
        let mut drawn = self.random.random_range(0..100);
        for (percent, mishap) in shares {
            if drawn < percent {
                return mishap;
            }
            drawn -= percent;
        }
        Mishap::None
    }

    /// Whether a record is refused: decided by its id, so that asking again changes nothing.
    pub(super) fn refuses(&self, id: &str, percent: u32) -> bool {
        let folded = id.bytes().fold(self.seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        (folded >> 32) % 100 < u64::from(percent)
    }
}
