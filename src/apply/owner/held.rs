//! Messages that come again while they lie held: a duplicate, whatever became of the reason.
//!
//! The owner keeps the fingerprints of the orders that held messages of its connector are of. Only
//! an event of such an order has its bytes hashed and looked up, before the batch is resolved and
//! again in the batch's own transaction. A fingerprint too many costs a look and decides nothing,
//! so none is forgotten before the next claim.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use sha2::{Digest, Sha256};

use crate::domain::hold::HoldReason;
use crate::domain::ids::FeedId;
use crate::orders::columns::RawMessage;
use crate::orders::effects::{Effects, Fate, Incoming};
use crate::orders::identity::Fingerprints;
use crate::orders::shard::ByFingerprint;
use crate::store::Tx;
use crate::store::held::{self, ToHold};

use super::Owner;
use super::batch::Work;
use crate::apply::engine::EngineError;

/// Orders that held messages are of.
#[derive(Default)]
pub(super) struct HeldOrders {
    /// Held messages up to this number are in.
    since: i64,
    prints: ByFingerprint<()>,
}

impl HeldOrders {
    /// Remembers what is about to be held, so that the next batch need not find it new.
    pub(super) fn remember(&mut self, messages: &[ToHold]) {
        let prints = messages.iter().filter_map(|held| held.order_print);
        self.prints.extend(prints.map(|print| (print, ())));
    }
}

/// What a batch finds to lie held already.
#[derive(Default)]
pub(super) struct Again {
    /// Events whose order has a held message, by number in the batch, with their digests.
    suspects: Vec<(usize, [u8; 32])>,
    /// Those of the digests that lie held.
    stored: BTreeSet<[u8; 32]>,
    /// Order events of the batch that are duplicates of held messages.
    pub(super) duplicates: BTreeSet<usize>,
}

impl Owner {
    /// Learns which orders held messages are of, for a new owner. What was held under other
    /// manifests is read under those in force, which may find another order in it, or one at all.
    pub(super) async fn load_held(&mut self, tx: &mut Tx) -> Result<(), EngineError> {
        let Some(prints) = self.fingerprints() else { return Ok(()) };
        self.held = HeldOrders::default();
        self.learn_held(tx).await?;
        let version = self.engine.manifest_version;
        for held in held::of_other_manifests(tx, &self.connector, version).await? {
            let header = held.header_digest.as_ref();
            let print = self.routed_print(prints, &held.feed, header, &held.value);
            self.held.prints.extend(print.map(|print| (print, ())));
        }
        Ok(())
    }

    /// Learns what was held since the last look, and gives the orders that are new.
    async fn learn_held(&mut self, tx: &mut Tx) -> Result<ByFingerprint<()>, EngineError> {
        let (version, since) = (self.engine.manifest_version, self.held.since);
        let (last, prints) = held::order_prints_since(tx, &self.connector, version, since).await?;
        self.held.since = last;
        let is_new = |print: &u64| self.held.prints.insert(*print, ()).is_none();
        Ok(prints.into_iter().filter(is_new).map(|print| (print, ())).collect())
    }

    /// Order events of the batch that lie held, or that stand in the batch behind the same bytes
    /// that are held.
    pub(super) async fn held_again(&mut self, work: &Work) -> Result<Again, EngineError> {
        let mut again = Again::default();
        let Some(prints) = self.fingerprints() else { return Ok(again) };
        if work.orders.is_empty() {
            return Ok(again);
        }
        let own = self.prints_of_held(work, prints);
        self.held.prints.extend(own.iter().map(|(print, _)| (*print, ())));
        again.suspects = suspects(work, prints, &self.held.prints);
        if again.suspects.is_empty() {
            return Ok(again);
        }
        let mut tx = self.engine.db.snapshot().await?;
        again.stored = held::which(&mut tx, &self.connector, &again.digests()).await?;
        tx.commit().await?;
        again.find_duplicates(work, &own);
        Ok(again)
    }

    /// Messages that the batch holds as they are read, with the order that each is of.
    fn prints_of_held(&self, work: &Work, prints: Fingerprints) -> Vec<(u64, usize)> {
        let mut own = Vec::new();
        for (index, _) in &work.held {
            let raw = (work.raws)(*index);
            let header = raw.header_digest.as_ref();
            let print = self.routed_print(prints, &raw.feed, header, &raw.bytes);
            own.extend(print.map(|print| (print, *index)));
        }
        own
    }

    /// Whether what was found to lie held is still so under the batch's transaction.
    pub(super) async fn lies_held_as(
        &mut self,
        tx: &mut Tx,
        work: &Work,
        again: &Again,
    ) -> Result<bool, EngineError> {
        let Some(prints) = self.fingerprints() else { return Ok(true) };
        let new = self.learn_held(tx).await?;
        if !new.is_empty() && !suspects(work, prints, &new).is_empty() {
            return Ok(false);
        }
        if again.suspects.is_empty() {
            return Ok(true);
        }
        Ok(held::which(tx, &self.connector, &again.digests()).await? == again.stored)
    }

    /// A held message as a row, with the order that it is of.
    pub(super) fn to_hold(&self, raw: RawMessage, reason: HoldReason) -> ToHold {
        let header = raw.header_digest.as_ref();
        let print = self.fingerprints();
        let print = print.and_then(|p| self.routed_print(p, &raw.feed, header, &raw.bytes));
        ToHold {
            digest: digest(&raw),
            reason,
            feed: raw.feed,
            header_digest: raw.header_digest,
            topic: self.key.topic.clone(),
            partition: raw.partition,
            offset: raw.offset,
            received_at: raw.received_at,
            manifests: self.engine.manifest_version,
            order_print: print,
            value: raw.bytes,
        }
    }

    fn fingerprints(&self) -> Option<Fingerprints> {
        self.shard.as_ref().map(|shard| shard.settings().fingerprints)
    }

    /// Fingerprint of the order that the manifest routes a message by.
    fn routed_print(
        &self,
        prints: Fingerprints,
        feed: &FeedId,
        header_digest: Option<&[u8; 32]>,
        value: &[u8],
    ) -> Option<u64> {
        let manifest = self.engine.connectors.get(&self.connector)?;
        if !manifest.feed(feed)?.makes_orders() {
            return None;
        }
        let key = manifest.route(feed, header_digest, value);
        Some(prints.of(std::str::from_utf8(&key).ok()?))
    }
}

impl Again {
    fn digests(&self) -> Vec<[u8; 32]> {
        self.suspects.iter().map(|(_, digest)| *digest).collect()
    }

    /// Takes those suspects for duplicates that lie held, or that this batch holds before.
    fn find_duplicates(&mut self, work: &Work, own: &[(u64, usize)]) {
        let digest_at = |index: usize| digest(&(work.raws)(index));
        let before: Vec<_> = own.iter().map(|(_, index)| (*index, digest_at(*index))).collect();
        for (index, digest) in &self.suspects {
            let in_batch = before.iter().any(|(at, held)| at < index && held == digest);
            if in_batch || self.stored.contains(digest) {
                self.duplicates.insert(*index);
            }
        }
    }

    /// The events to resolve: all but the duplicates. `None` where there are none.
    pub(super) fn without(&self, orders: &[Incoming]) -> Option<Vec<Incoming>> {
        if self.duplicates.is_empty() {
            return None;
        }
        let others = orders.iter().filter(|item| !self.duplicates.contains(&item.index));
        Some(others.cloned().collect())
    }

    /// Adds the events that would be applied behind the same bytes that this batch holds. Gives
    /// whether there are any: then the batch has to be resolved again without them.
    pub(super) fn add_behind(&mut self, work: &Work, effects: &Effects) -> bool {
        if effects.held.is_empty() {
            return false;
        }
        let held: BTreeSet<usize> = effects.held.iter().map(|(index, _)| *index).collect();
        let is_held = |item: &&Incoming| held.contains(&item.index);
        let held: Vec<&Incoming> = work.orders.iter().filter(is_held).collect();
        let ids: HashSet<&str> = held.iter().map(|item| item.event.order_id.as_str()).collect();
        let of_held = |item: &&Incoming| ids.contains(item.event.order_id.as_str());
        let behind: Vec<&Incoming> = work.orders.iter().filter(of_held).collect();
        if behind.len() == held.len() {
            return false;
        }
        let applied = effects.fates.iter().filter(|(_, fate)| *fate != Fate::Held);
        let applied: BTreeSet<usize> = applied.map(|(index, _)| *index).collect();
        let before = self.duplicates.len();
        for item in behind.into_iter().filter(|item| applied.contains(&item.index)) {
            let own = digest(&(work.raws)(item.index));
            let is_twin = |twin: &Incoming| {
                twin.index < item.index
                    && twin.event.order_id == item.event.order_id
                    && digest(&(work.raws)(twin.index)) == own
            };
            if held.iter().any(|twin| is_twin(twin)) {
                self.duplicates.insert(item.index);
            }
        }
        self.duplicates.len() > before
    }
}

/// Digests of the messages of a batch that are no order events, or held as they were read.
pub(super) fn digests_of(work: &Work) -> BTreeMap<usize, [u8; 32]> {
    let indices = work.events.iter().map(|(index, _)| index);
    let indices = indices.chain(work.held.iter().map(|(index, _)| index));
    indices.map(|index| (*index, digest(&(work.raws)(*index)))).collect()
}

/// Digest of a message's bytes.
fn digest(raw: &RawMessage) -> [u8; 32] {
    Sha256::digest(&raw.bytes).into()
}

fn suspects(work: &Work, prints: Fingerprints, held: &ByFingerprint<()>) -> Vec<(usize, [u8; 32])> {
    if held.is_empty() {
        return Vec::new();
    }
    let of_held = work
        .orders
        .iter()
        .filter(|item| held.contains_key(&prints.of(item.event.order_id.as_str())));
    of_held.map(|item| (item.index, digest(&(work.raws)(item.index)))).collect()
}
