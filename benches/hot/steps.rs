//! The steps that every message of an order goes through, each alone, on made-up messages of
//! 美团: some thousand orders, each accepted and completed.

use std::collections::HashMap;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use zhibao::domain::event::OrderEvent;
use zhibao::domain::ids::{ConnectorId, FeedId};
use zhibao::domain::message::{Message, Source};
use zhibao::domain::time::Moment;
use zhibao::normalize::{Connectors, Normalized, TokenKeys};
use zhibao::orders::columns::{Columns, RawMessage};
use zhibao::orders::effects::{Effects, Incoming};
use zhibao::orders::identity::{FingerprintKey, Fingerprints};
use zhibao::orders::resolve::{Context, FirstEvents, resolve};
use zhibao::orders::segment::{SegmentHead, decode, encode};
use zhibao::orders::shard::{Shard, ShardSettings};
use zhibao::policy::Policy;

/// Orders of one run; each has two messages.
pub(crate) const ORDERS: u32 = 8_000;
const TOPIC: &str = "raw.meituan";
/// 2026-07-05 08:00 in Hohhot.
const FIRST_MS: i64 = 1_783_209_600_000;
const HOUR_MS: i64 = 3_600_000;
/// After the last of them has happened.
const RECEIVED_MS: i64 = FIRST_MS + 3 * HOUR_MS;

/// Does a step for all messages; gives something that hangs on what came out.
type Step = fn(&Prepared) -> usize;

/// The steps, by their names.
pub(crate) const STEPS: [(&str, Step); 6] = [
    ("route", Prepared::route),
    ("normalize", Prepared::normalize),
    ("identity", Prepared::identity),
    ("known set", Prepared::known_set),
    ("segment encode", Prepared::segment_encode),
    ("segment decode", Prepared::segment_decode),
];

/// What the steps begin with; each has what those before it would give.
pub(crate) struct Prepared {
    connectors: Connectors,
    policy: Policy,
    connector: ConnectorId,
    feed: FeedId,
    keys: TokenKeys,
    fingerprints: Fingerprints,
    values: Vec<Vec<u8>>,
    incoming: Vec<Incoming>,
    columns: Columns,
    encoded: Vec<u8>,
}

/// Number `n` of a row that looks random and never repeats.
fn scattered(n: u64) -> u64 {
    n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

/// An acceptance, or the completion of the same order.
fn value(order: u32, is_completed: bool) -> Vec<u8> {
    let scattered = scattered(u64::from(order));
    let number = 3_000_000_000_000_000_000 + scattered % 1_000_000_000_000_000_000;
    let rider = 10_000_000 + scattered % 900;
    let county = if order.is_multiple_of(4) { 150_202 } else { 150_102 };
    let at = FIRST_MS + i64::from(order) * 450;
    let text = if is_completed {
        format!(
            "{{\"bizCode\":\"MEITUAN\",\"orderViewId\":\"{number}\",\"status\":40,\
             \"riderId\":{rider},\"opTime\":{}}}",
            at + 1_800_000
        )
    } else {
        format!(
            "{{\"bizCode\":\"MEITUAN\",\"orderViewId\":\"{number}\",\"status\":20,\
             \"riderId\":{rider},\"acceptTime\":{at},\"opTime\":{at},\"adcode\":{county}}}"
        )
    };
    text.into_bytes()
}

impl Prepared {
    /// Loads the repository's manifests and policy, and makes the messages.
    pub(crate) fn new() -> Self {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        let accepted = (0..ORDERS).map(|order| value(order, false));
        let completed = (0..ORDERS).map(|order| value(order, true));
        let mut prepared = Self {
            connectors: Connectors::load(&repository.join("connectors")).expect("manifests"),
            policy: Policy::load(&repository.join("policy")).expect("a policy"),
            connector: ConnectorId::new("meituan").expect("a name"),
            feed: FeedId::new("orders").expect("a name"),
            keys: TokenKeys::new(b"a key of the benchmark"),
            fingerprints: Fingerprints::new(FingerprintKey([3; 16]), 1),
            values: accepted.chain(completed).collect(),
            incoming: Vec::new(),
            columns: Columns::default(),
            encoded: Vec::new(),
        };
        let events = prepared.values.iter().map(|value| prepared.event(value));
        let incoming = events.enumerate().map(|(index, event)| Incoming {
            index,
            event,
            received_at: Moment::from_ms(RECEIVED_MS),
        });
        prepared.incoming = incoming.collect();
        let effects = prepared.resolved(&mut prepared.shard());
        let (_, columns) = effects.base.into_values().next().expect("a day");
        prepared.encoded = prepared.encode(&columns);
        prepared.columns = columns;
        prepared
    }

    fn message<'a>(&'a self, value: &'a [u8]) -> Message<'a> {
        Message {
            connector: &self.connector,
            feed: &self.feed,
            header_digest: None,
            source: Source { topic: TOPIC.into(), partition: 0, offset: 0 },
            received_at: Moment::from_ms(RECEIVED_MS),
            value,
        }
    }

    fn event(&self, value: &[u8]) -> OrderEvent {
        let manifest = self.connectors.get(&self.connector).expect("a manifest");
        let normalized = manifest.normalize(&self.message(value), &self.keys);
        let Normalized::Order(event) = normalized else {
            panic!("expected an order, found {normalized:?}");
        };
        event
    }

    fn shard(&self) -> Shard {
        let manifest = self.connectors.get(&self.connector).expect("a manifest");
        let settings = ShardSettings {
            topic: Arc::from(TOPIC),
            partition: 0,
            partitions: 1,
            platform: manifest.platform().expect("a platform").clone(),
            fingerprints: self.fingerprints,
            seal_after_ms: 48 * HOUR_MS,
            reassign_window_ms: 24 * HOUR_MS,
        };
        Shard::new(settings, Vec::new())
    }

    fn resolved(&self, shard: &mut Shard) -> Effects {
        let context = Context {
            policy: &self.policy,
            cuts: &HashMap::new(),
            raw_of: &|_| RawMessage::nothing(),
            is_handoff: false,
            clock: Moment::from_ms(RECEIVED_MS),
        };
        let (first, then) = self.incoming.split_at(self.incoming.len() / 2);
        let none = FirstEvents::new();
        let effects = resolve(shard, &context, &none, first).expect("new orders");
        let base = effects.base.clone();
        shard.accept(effects, 1);
        let mut effects = resolve(shard, &context, &none, then).expect("known orders");
        effects.base = base;
        effects
    }

    fn encode(&self, columns: &Columns) -> Vec<u8> {
        encode(SegmentHead { manifest_version: 1, batch: 1 }, columns).expect("a segment")
    }

    /// The partition key out of the bytes, as intake and the owner do.
    fn route(&self) -> usize {
        let manifest = self.connectors.get(&self.connector).expect("a manifest");
        let route = |value: &Vec<u8>| manifest.route(&self.feed, None, black_box(value)).len();
        self.values.iter().map(route).sum()
    }

    /// Bytes to an event: decoding and mapping.
    fn normalize(&self) -> usize {
        let events = self.values.iter().map(|value| self.event(black_box(value)));
        events.filter(|event| event.accepted_at.is_some()).count()
    }

    /// Order numbers to fingerprints.
    fn identity(&self) -> usize {
        let prints = self.incoming.iter();
        let prints =
            prints.map(|item| self.fingerprints.of(black_box(item.event.order_id.as_str())));
        usize::try_from(prints.fold(0, u64::wrapping_add) & 0xff).unwrap_or(0)
    }

    /// A batch of new orders, then one of known ones.
    fn known_set(&self) -> usize {
        let mut shard = self.shard();
        self.resolved(&mut shard).fates.len()
    }

    /// The rows of new orders to a segment.
    fn segment_encode(&self) -> usize {
        self.encode(black_box(&self.columns)).len()
    }

    /// And back.
    fn segment_decode(&self) -> usize {
        decode(black_box(&self.encoded)).expect("a segment").1.rows()
    }
}
