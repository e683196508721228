//! What goes wrong, and how often: drawn from the seed, so that some seeds are calm and some wild.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::log::simulated::Faults as LogFaults;

/// How often things go wrong, each in a thousand of its occasions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rates {
    /// Of the log's calls.
    pub(super) log: LogFaults,
    /// Transactions that do not begin.
    pub(super) begin_lost: u32,
    /// Commits that are rolled back.
    pub(super) commit_lost: u32,
    /// Commits that take effect and whose answer is lost.
    pub(super) commit_unanswered: u32,
    /// Requests or answers that do not arrive.
    pub(super) request_lost: u32,
    /// Steps after which something happens to the world.
    pub(super) chaos: u32,
    /// Messages that are sent again though they were confirmed.
    pub(super) sent_again: u32,
    /// Turns for each message.
    pub(super) turns: u32,
    /// Instances that run side by side.
    pub(super) instances: usize,
    /// Bytes of messages in one batch.
    pub(super) batch_bytes_max: usize,
    /// Bytes that may wait for another partition.
    pub(super) handoff_bytes_max: u64,
    /// Whether operators grow topics.
    pub(super) grows: bool,
    /// Answers of counterparties that are refusals, pauses or failures.
    pub(super) misbehaviour: u32,
}

/// Something that happens to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chaos {
    /// An instance is killed.
    Kill,
    /// An instance is told to stop, and gives everything back.
    Stop,
    /// An instance stands still for longer than its lease.
    Pause,
    /// An instance's clock jumps.
    Jump,
    /// The log's clock jumps.
    LogJump,
    /// The disk is full, or has room again.
    Disk,
    /// An operator freezes a month.
    Freeze,
    /// An operator recycles held messages.
    Recycle,
    /// An operator grows a topic, or goes on with it.
    Grow,
}

const CHAOS: [(Chaos, u32); 9] = [
    (Chaos::Kill, 24),
    (Chaos::Stop, 8),
    (Chaos::Pause, 16),
    (Chaos::Jump, 8),
    (Chaos::LogJump, 8),
    (Chaos::Disk, 6),
    (Chaos::Freeze, 16),
    (Chaos::Recycle, 6),
    (Chaos::Grow, 6),
];

impl Rates {
    /// Draws how bad it gets.
    pub(super) fn draw(random: &mut ChaCha8Rng) -> Self {
        // A third of the seeds is calm but for a few faults, a third is wild.
        let most = pick(random, &[2, 20, 120]).unwrap_or(2);
        let mut rate = || random.random_range(0..=most);
        let log = LogFaults {
            append_lost: rate(),
            append_unanswered: rate(),
            append_late: rate(),
            read_lost: rate() / 4,
            read_short: 2 * rate(),
            delay_ms_max: 0,
        };
        let (begin_lost, commit_lost) = (rate() / 4, rate() / 2);
        let (commit_unanswered, request_lost) = (rate() / 2, rate());
        let (chaos, sent_again) = (rate() / 4, rate());
        let misbehaviour = rate() * 3;
        Self {
            log,
            begin_lost,
            commit_lost,
            commit_unanswered,
            request_lost,
            chaos,
            sent_again,
            misbehaviour,
            grows: strikes(random, 500),
            turns: random.random_range(2..8),
            instances: random.random_range(1..=3),
            batch_bytes_max: pick(random, &[1, 400, 2_000, 1 << 20]).unwrap_or(1 << 20),
            handoff_bytes_max: pick(random, &[0, 1_000, 1 << 20]).unwrap_or(1 << 20),
        }
    }
}

impl Chaos {
    /// Draws what happens next.
    pub(super) fn draw(random: &mut ChaCha8Rng) -> Self {
        let all = CHAOS.iter().map(|(_, weight)| weight).sum();
        let mut place = random.random_range(0..all);
        for (chaos, weight) in CHAOS {
            if place < weight {
                return chaos;
            }
            place -= weight;
        }
        Self::Kill
    }
}

/// Whether something of so many in a thousand happens.
pub(super) fn strikes(random: &mut ChaCha8Rng, per_mille: u32) -> bool {
    random.random_range(0..1000) < per_mille
}

/// One of several.
pub(super) fn pick<T: Copy>(random: &mut ChaCha8Rng, from: &[T]) -> Option<T> {
    if from.is_empty() {
        return None;
    }
    from.get(random.random_range(0..from.len())).copied()
}
