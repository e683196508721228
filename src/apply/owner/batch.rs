//! One batch of the log, or of handoff: normalize, resolve against memory, write everything in
//! one transaction, and only then remember it.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::domain::event::{Event, Fact};
use crate::domain::hold::HoldReason;
use crate::domain::ids::FeedId;
use crate::domain::time::Moment;
use crate::log::position::digest_of;
use crate::log::{Batch, BatchRecord};
use crate::orders::columns::RawMessage;
use crate::orders::effects::{Effects, Fate, Incoming};
use crate::orders::fates::encode_fates;
use crate::orders::late::events_of;
use crate::orders::resolve::{Context, FirstEvents, Unread, probably_needed, resolve};
use crate::orders::segment;
use crate::orders::shard::Shard;
use crate::store::held::{hold, which};
use crate::store::outcomes::Sums;
use crate::store::publish_outbox::Outgoing;
use crate::store::{Tx, publish_outbox, segments};

use super::decode::{Decoded, decode, raw_of};
use super::held::{Again, digests_of};
use super::tally::{by_position, gaps_in, tallies};
use super::write::{Encoded, Progress, encode_effects};
use super::{Cuts, Owner, Step};
use crate::apply::engine::{Engine, EngineError};
use crate::apply::enrolment::apply_enrolments;
use crate::apply::{Outcome, canonical, event, release, snapshot};

/// A batch of messages with what they mean: from the log or from handoff.
pub(super) struct Work {
    pub(super) raws: Arc<dyn Fn(usize) -> RawMessage + Send + Sync>,
    /// Feed and append time of each message, cheaper than the whole message.
    pub(super) origins: Vec<(FeedId, Moment)>,
    /// Positions without a record: how many, before which message.
    gaps: Vec<(usize, usize)>,
    pub(super) orders: Vec<Incoming>,
    pub(super) events: Vec<(usize, Box<Event>)>,
    ignored: Vec<usize>,
    pub(super) held: Vec<(usize, HoldReason)>,
    /// (from partition, batch) of the handoff that this is.
    pub(super) handoff: Option<(u32, u64)>,
    progress: Progress,
}

/// What became of a batch's messages, as far as it is known.
struct Became {
    /// Of each message.
    fates: Vec<Fate>,
    held: Vec<(usize, HoldReason)>,
    sums: Sums,
}

/// What a batch does to the order book, and the bytes that say so.
type Resolved = (Encoded, Effects);

impl Owner {
    /// Applies a batch of the log. Order events, roster lines, statements and acknowledgements
    /// share its transaction; any other event has a transaction of its own.
    pub(super) async fn apply_log(
        &mut self,
        batch: &Arc<Batch>,
        decoded: Decoded,
    ) -> Result<Step, EngineError> {
        let alone = decoded.events.iter().filter(|(_, event)| !is_shareable(&event.fact));
        let alone: Vec<usize> = alone.map(|(index, _)| *index).collect();
        let total = batch.records.len();
        let mut bounds = vec![0];
        for index in alone {
            bounds.extend([index, index + 1]);
        }
        bounds.push(total);
        bounds.dedup();
        let mut rest = decoded;
        for pair in bounds.windows(2) {
            let [start, end] = *pair else { continue };
            let work = self.work(batch, &mut rest, start, end);
            match self.commit(work).await? {
                Step::Worked(_) => {}
                // What came before it in the log is committed; the rest is read again.
                Step::Waits if start > 0 => {
                    return Ok(Step::Worked(u64::try_from(start).unwrap_or(u64::MAX)));
                }
                stopped @ (Step::Waits | Step::Idle | Step::Lost) => return Ok(stopped),
            }
        }
        Ok(Step::Worked(u64::try_from(total).unwrap_or(u64::MAX)))
    }

    pub(super) async fn decode(&self, batch: Arc<Batch>) -> Result<Decoded, EngineError> {
        let engine = Arc::clone(&self.engine);
        let (connector, partition) = (self.connector.clone(), self.key.partition);
        let topic: Arc<str> = self.key.topic.as_str().into();
        let decoding = move || {
            let manifest = engine.connectors.get(&connector)?;
            Some(decode(manifest, &connector, &topic, partition, &batch, &engine.tokens))
        };
        let decoded = tokio::task::spawn_blocking(decoding).await?;
        decoded.ok_or_else(|| EngineError::NoConnector { topic: self.key.topic.clone() })
    }

    /// Takes the messages `start..end` out of a decoded batch; numbers stay places in the batch.
    fn work(&self, batch: &Arc<Batch>, rest: &mut Decoded, start: usize, end: usize) -> Work {
        let partition = self.key.partition;
        let own = Arc::clone(batch);
        let raws = move |index: usize| {
            raw_of(&own, partition, index + start).unwrap_or_else(RawMessage::nothing)
        };
        let records = batch.records.get(start..end).unwrap_or_default();
        let origins = records.iter().map(|record| origin_of(batch, record)).collect();
        let last = records.last();
        let progress = last.map_or(self.still("messages"), |record| Progress {
            kind: "messages",
            next_offset: record.offset + 1,
            received_at: record.received_at,
            last_digest: Some(digest_of(batch, record)),
        });
        Work {
            raws: Arc::new(raws),
            origins,
            gaps: gaps_in(records, self.claim.next_offset),
            orders: take(&mut rest.orders, end, |item| item.index, |item| item.index -= start),
            events: take(&mut rest.events, end, |item| item.0, |item| item.0 -= start),
            ignored: take(&mut rest.ignored, end, |item| *item, |item| *item -= start),
            held: take(&mut rest.held, end, |item| item.0, |item| item.0 -= start),
            handoff: None,
            progress,
        }
    }

    /// Applies events that another partition left for this one, or holds the only one of them.
    pub(super) async fn apply_handoff(
        &mut self,
        (from, batch): (u32, u64),
        bytes: &[u8],
        defect: Option<HoldReason>,
    ) -> Result<Step, EngineError> {
        let Some(platform) = self.platform.clone() else { return Ok(Step::Idle) };
        let (_, rows) = segment::decode(bytes)?;
        let events = events_of(&rows, &platform);
        let mut orders = Vec::with_capacity(events.len());
        let mut messages = Vec::with_capacity(events.len());
        for (index, late) in events.into_iter().enumerate() {
            orders.push(Incoming { index, event: late.event, received_at: late.raw.received_at });
            messages.push(late.raw);
        }
        let origins = messages.iter().map(|raw| (raw.feed.clone(), raw.received_at)).collect();
        let raws =
            move |index: usize| messages.get(index).cloned().unwrap_or_else(RawMessage::nothing);
        let held: Vec<_> = defect.into_iter().map(|reason| (0, reason)).collect();
        orders.retain(|_| held.is_empty());
        let work = Work {
            raws: Arc::new(raws),
            origins,
            gaps: Vec::new(),
            orders,
            events: Vec::new(),
            ignored: Vec::new(),
            held,
            handoff: Some((from, batch)),
            progress: self.still("handoff"),
        };
        self.commit(work).await
    }

    async fn commit(&mut self, work: Work) -> Result<Step, EngineError> {
        let mut firsts = FirstEvents::new();
        if let Some(shard) = &self.shard {
            let needed = probably_needed(shard, &work.orders);
            self.first_events(&needed, &mut firsts).await?;
        }
        let work = Arc::new(work);
        loop {
            let cuts = self.cuts.clone();
            let mut again = self.held_again(&work).await?;
            let mut resolved = self.resolve(&work, &again, &mut firsts).await?;
            while again.add_behind(&work, &resolved.1) {
                resolved = self.resolve(&work, &again, &mut firsts).await?;
            }
            let Some(mut tx) = self.begin().await? else { return Ok(Step::Lost) };
            // What was looked at before must still be so under the batch's own transaction.
            if cuts == self.cuts && self.lies_held_as(&mut tx, &work, &again).await? {
                return self.write_and_commit(tx, &work, resolved, &again).await;
            }
            tx.rollback().await?;
        }
    }

    async fn resolve(
        &self,
        work: &Arc<Work>,
        again: &Again,
        firsts: &mut FirstEvents,
    ) -> Result<Resolved, EngineError> {
        let Some(shard) = &self.shard else { return Ok(Resolved::default()) };
        let (head, today) = (self.head(), self.claim.received_at.day());
        let others = again.without(&work.orders).map(Arc::new);
        loop {
            let (shard, work) = (Arc::clone(shard), Arc::clone(work));
            let others = others.clone();
            let (engine, cuts) = (Arc::clone(&self.engine), self.cuts.clone());
            let known = std::mem::take(firsts);
            let resolving = move || {
                let orders = others.as_deref().unwrap_or(&work.orders);
                let resolved = resolve_batch((&shard, &engine, &cuts), &work, orders, known);
                let (outcome, known) = resolved;
                let encode = |effects| {
                    encode_effects(head, today, &effects).map(|encoded| (encoded, effects))
                };
                (outcome.map(encode), known)
            };
            let (outcome, known) = tokio::task::spawn_blocking(resolving).await?;
            *firsts = known;
            match outcome {
                Ok(resolved) => return Ok(resolved?),
                Err(Unread(wanted)) => self.first_events(&wanted, firsts).await?,
            }
        }
    }

    async fn write_and_commit(
        &mut self,
        mut tx: Tx,
        work: &Work,
        (encoded, mut effects): Resolved,
        again: &Again,
    ) -> Result<Step, EngineError> {
        if self.is_handoff_full(&mut tx, &effects).await? {
            tx.rollback().await?;
            return Ok(Step::Waits);
        }
        self.lock_days_of(&mut tx, &work.events, &effects, work.progress.received_at).await?;
        let mut became = Became {
            fates: vec![Fate::Held; work.origins.len()],
            held: work.held.clone(),
            sums: Sums::default(),
        };
        became.held.append(&mut effects.held);
        let orders = effects.fates.iter().copied();
        let ignored = work.ignored.iter().map(|index| (*index, Fate::Ignored));
        let again = again.duplicates.iter().map(|index| (*index, Fate::Duplicate));
        for (index, fate) in orders.chain(ignored).chain(again) {
            set(&mut became.fates, index, fate);
        }
        let outgoing = self.apply_events(&mut tx, work, &mut became).await?;
        publish_outbox::put(&mut tx, &outgoing).await?;
        let Became { mut fates, held, mut sums } = became;
        let reasons = held.clone();
        self.hold(&mut tx, work, held, &mut fates).await?;
        let flood = self.watch_held(&mut tx, &fates, &reasons).await?;
        if let Some((from, batch)) = work.handoff {
            segments::delete_handoff(&mut tx, &self.key, from, batch).await?;
        }
        let mut hasher = Sha256::new();
        self.write_effects(&mut tx, &effects, encoded, &mut hasher).await?;
        self.revise_sealed_days(&mut tx, &effects, work.progress.received_at).await?;
        let tallies = tallies(work, &fates);
        let outcomes = encode_fates(&by_position(fates, &work.gaps))?;
        let finished = self.progress_row(&mut tx, &work.progress, outcomes, hasher).await?;
        sums.add(&self.connector, &tallies);
        sums.write(&mut tx).await?;
        if !self.is_committed(tx).await? {
            return Ok(Step::Lost);
        }
        self.late_waiting |= effects.late.rows() > 0;
        if let Some(flood) = flood {
            self.flood = flood;
        }
        let batch = finished.batch;
        self.claim = finished;
        if self.shard.is_some() {
            let Some(shard) = self.memory() else { return Ok(Step::Lost) };
            shard.accept(effects, batch);
        }
        Ok(Step::Worked(u64::try_from(work.origins.len()).unwrap_or(u64::MAX)))
    }

    /// Applies what is no order event, but for what lies held already; neighbouring roster lines
    /// together.
    async fn apply_events(
        &self,
        tx: &mut Tx,
        work: &Work,
        became: &mut Became,
    ) -> Result<Vec<Outgoing>, EngineError> {
        let mut outgoing = Vec::new();
        if work.events.is_empty() {
            return Ok(outgoing);
        }
        let digests = digests_of(work);
        let of_events: Vec<_> =
            work.events.iter().filter_map(|(index, _)| digests.get(index)).copied().collect();
        let mut lying = which(tx, &self.connector, &of_events).await?;
        let (mut before, mut roster) = (0, Vec::new());
        for (index, event) in &work.events {
            // What the batch itself held before this event lies held too.
            while let Some((earlier, _)) = work.held.get(before).filter(|(held, _)| held < index) {
                lying.extend(digests.get(earlier));
                before += 1;
            }
            let own = digests.get(index).copied().unwrap_or_default();
            if lying.contains(&own) {
                set(&mut became.fates, *index, Fate::Duplicate);
                continue;
            }
            if let Fact::Enrolment(_) = &event.fact {
                roster.push((*index, &**event));
                continue;
            }
            outgoing.extend(self.enrol(tx, std::mem::take(&mut roster), became).await?);
            let outcome = event::apply_event(tx, self.engine.scope(), event).await?;
            if let Outcome::Applied { .. } = outcome {
                snapshot::after_event(tx, self.engine.scope(), event).await?;
                // An event with a transaction of its own goes before those that it releases; those
                // that share one are written together.
                if is_shareable(&event.fact) {
                    outgoing.extend(canonical::outgoing(&self.engine, event));
                } else {
                    canonical::publish(tx, &self.engine, event).await?;
                }
            }
            if self.settle(tx, outcome, became, *index).await? == Fate::Held {
                lying.insert(own);
            }
        }
        outgoing.extend(self.enrol(tx, roster, became).await?);
        Ok(outgoing)
    }

    /// Applies roster lines together; of two with the same bytes that are held, `hold` keeps one.
    async fn enrol(
        &self,
        tx: &mut Tx,
        roster: Vec<(usize, &Event)>,
        became: &mut Became,
    ) -> Result<Vec<Outgoing>, EngineError> {
        let lines = roster.iter().filter_map(|(_, event)| {
            let Fact::Enrolment(line) = &event.fact else { return None };
            Some((&event.envelope, line))
        });
        let lines: Vec<_> = lines.collect();
        let outcomes = apply_enrolments(tx, self.engine.scope(), &lines).await?;
        let mut outgoing = Vec::new();
        for ((index, event), outcome) in roster.into_iter().zip(outcomes) {
            if let Outcome::Applied { .. } = outcome {
                outgoing.extend(canonical::outgoing(&self.engine, event));
            }
            self.settle(tx, outcome, became, index).await?;
        }
        Ok(outgoing)
    }

    /// Follows up what became of an event other than an order.
    async fn settle(
        &self,
        tx: &mut Tx,
        outcome: Outcome,
        became: &mut Became,
        index: usize,
    ) -> Result<Fate, EngineError> {
        let fate = match outcome {
            Outcome::Applied { releases } => {
                release::release(tx, &self.engine, releases, &mut became.sums).await?;
                Fate::Applied
            }
            Outcome::Duplicate => Fate::Duplicate,
            Outcome::Held(reason) => {
                became.held.push((index, reason));
                Fate::Held
            }
        };
        set(&mut became.fates, index, fate);
        Ok(fate)
    }

    /// Writes held messages; those that are held already are duplicates.
    async fn hold(
        &mut self,
        tx: &mut Tx,
        work: &Work,
        held: Vec<(usize, HoldReason)>,
        fates: &mut [Fate],
    ) -> Result<(), EngineError> {
        let mut messages = Vec::with_capacity(held.len());
        let mut indices = Vec::with_capacity(held.len());
        for (index, reason) in held {
            messages.push(self.to_hold((work.raws)(index), reason));
            indices.push(index);
        }
        self.held.remember(&messages);
        for (index, is_new) in indices.iter().zip(hold(tx, &self.connector, &messages).await?) {
            set(fates, *index, if is_new { Fate::Held } else { Fate::Duplicate });
        }
        Ok(())
    }
}

fn resolve_batch(
    (shard, engine, cuts): (&Shard, &Engine, &Cuts),
    work: &Work,
    orders: &[Incoming],
    firsts: FirstEvents,
) -> (Result<Effects, Unread>, FirstEvents) {
    let raw_of = |index: usize| (work.raws)(index);
    let context = Context {
        policy: &engine.policy,
        cuts,
        raw_of: &raw_of,
        is_handoff: work.handoff.is_some(),
        clock: work.progress.received_at,
    };
    (resolve(shard, &context, &firsts, orders), firsts)
}

/// Takes the leading items below `end` and renumbers them.
fn take<T>(
    items: &mut Vec<T>,
    end: usize,
    index: impl Fn(&T) -> usize,
    renumber: impl Fn(&mut T),
) -> Vec<T> {
    let count = items.partition_point(|item| index(item) < end);
    let tail = items.split_off(count);
    let mut taken = std::mem::replace(items, tail);
    taken.iter_mut().for_each(renumber);
    taken
}

fn set(fates: &mut [Fate], index: usize, fate: Fate) {
    if let Some(place) = fates.get_mut(index) {
        *place = fate;
    }
}

/// Whether an event may share a transaction with its neighbours. Roster lines, statements and
/// acknowledgements touch only rows of their own; every other event stands alone.
const fn is_shareable(fact: &Fact) -> bool {
    match fact {
        Fact::Statement(_) | Fact::Enrolment(_) | Fact::Ack(_) => true,
        Fact::Registration(_)
        | Fact::Case(_)
        | Fact::Declaration(_)
        | Fact::Payment(_)
        | Fact::Refund(_)
        | Fact::Receipt(_)
        | Fact::Transfer(_)
        | Fact::Interest(_)
        | Fact::BankResult(_) => false,
    }
}

fn origin_of(batch: &Batch, record: &BatchRecord) -> (FeedId, Moment) {
    let header = usize::try_from(record.header).ok().and_then(|n| batch.headers.get(n));
    let feed = header.map_or_else(RawMessage::no_feed, |header| header.feed.clone());
    (feed, record.received_at)
}
