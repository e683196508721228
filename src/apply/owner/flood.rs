//! A reason to hold that is new to a connector and meets many of its messages: a format that has
//! changed, most likely. Then nothing more of the connector is applied until an operator has
//! looked: the log keeps the rest, instead of thousands of held messages.
//!
//! Each partition counts for itself, from the first message that is held for the reason, over
//! `held_window` messages. A reason that stays below the share all that time is nothing new any
//! more; one that waits for another message never is. What was counted is lost with the owner.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::hold::HoldReason;
use crate::orders::effects::Fate;
use crate::store::Tx;
use crate::store::pauses::{self, Pause};

use super::Owner;
use crate::apply::engine::{ApplySettings, EngineError};

/// What is known of a connector's reasons to hold, and of those that are new.
#[derive(Clone, Default)]
pub(super) struct Flood {
    known: BTreeSet<String>,
    seen: BTreeMap<&'static str, Share>,
}

/// How many messages were held for a reason, of how many since the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Share {
    held: u64,
    messages: u64,
}

/// What a batch says of reasons that were new before it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Verdict {
    /// Below the share for the whole window.
    known: Vec<&'static str>,
    /// Above the share.
    floods: Vec<(&'static str, Share)>,
}

impl Flood {
    pub(super) fn new(known: Vec<String>) -> Self {
        Self { known: known.into_iter().collect(), seen: BTreeMap::new() }
    }

    /// Adds a batch of so many messages: those that are held, by their place in it.
    fn add<'a>(
        &mut self,
        messages: usize,
        held: impl Iterator<Item = (usize, &'a HoldReason)>,
        settings: &ApplySettings,
    ) -> Verdict {
        // Where each reason that was not seen before begins.
        let mut firsts: BTreeMap<&'static str, usize> = BTreeMap::new();
        for (place, reason) in held.filter(|(_, reason)| !reason.is_transient()) {
            let code = reason.code();
            if self.known.contains(code) {
                continue;
            }
            if !self.seen.contains_key(code) || firsts.contains_key(code) {
                let first = firsts.entry(code).or_insert(place);
                *first = place.min(*first);
            }
            self.seen.entry(code).or_default().held += 1;
        }
        let mut verdict = Verdict::default();
        for (code, share) in &mut self.seen {
            let first = firsts.get(code).copied().unwrap_or(0);
            let since = messages.saturating_sub(first);
            share.messages += u64::try_from(since).unwrap_or(u64::MAX);
            let of = share.messages.max(settings.held_window);
            if share.held.saturating_mul(100) > of.saturating_mul(settings.held_percent_max) {
                verdict.floods.push((code, *share));
            } else if share.messages >= settings.held_window {
                verdict.known.push(code);
            }
        }
        for code in &verdict.known {
            self.seen.remove(code);
            self.known.insert((*code).to_owned());
        }
        verdict
    }
}

impl Owner {
    /// Whether the connector is paused. Who finds it resumed knows its reasons anew.
    pub(super) async fn find_paused(&mut self, tx: &mut Tx) -> Result<bool, EngineError> {
        let is_paused = pauses::is_paused(tx, &self.connector).await?;
        if self.found_paused && !is_paused {
            self.flood = Flood::new(pauses::known(tx, &self.connector).await?);
        }
        if is_paused && !self.found_paused {
            let (topic, partition) = (&self.key.topic, self.key.partition);
            let connector = self.connector.as_str();
            tracing::warn!(topic, partition, "waits: paused; run zhibao resume {connector}");
        }
        self.found_paused = is_paused;
        Ok(is_paused)
    }

    /// Looks at the next message's age while nothing is applied: the log may drop it.
    pub(super) async fn watch_lag(&mut self) -> Result<(), EngineError> {
        if !self.lag.is_bounded() {
            return Ok(());
        }
        let from = self.claim.next_offset;
        let next = self.engine.log.read(&self.key.topic, self.key.partition, from, 1).await?;
        if let Some(first) = next.records.first() {
            self.lag.check(&self.key, first.received_at, (self.engine.clock)());
        }
        Ok(())
    }

    /// Counts what a batch holds, and pauses the connector where that is too much. Gives what is
    /// to be known once the batch is committed.
    pub(super) async fn watch_held(
        &self,
        tx: &mut Tx,
        fates: &[Fate],
        held: &[(usize, HoldReason)],
    ) -> Result<Option<Flood>, EngineError> {
        if held.is_empty() && self.flood.seen.is_empty() {
            return Ok(None);
        }
        let mut flood = self.flood.clone();
        // The same bytes as a held message are a duplicate, whatever their reason.
        let is_held = |index: usize| fates.get(index) == Some(&Fate::Held);
        let new = held.iter().filter(|(index, _)| is_held(*index));
        let new = new.map(|(index, reason)| (*index, reason));
        let verdict = flood.add(fates.len(), new, &self.engine.settings);
        for code in verdict.known {
            pauses::know(tx, &self.connector, code).await?;
        }
        for (reason, share) in verdict.floods {
            let pause = Pause {
                connector: self.connector.as_str().to_owned(),
                reason: reason.to_owned(),
                held: share.held,
                messages: share.messages,
                since: self.claim.received_at,
            };
            if pauses::pause(tx, &pause).await? {
                let Share { held, messages } = share;
                let connector = self.connector.as_str();
                tracing::error!(
                    connector,
                    reason,
                    held,
                    messages,
                    "paused: too many messages are held for a reason that is new; look at them \
                     with zhibao held list, mend the manifest, restart what applies, then run \
                     zhibao resume {connector}"
                );
            }
        }
        Ok(Some(flood))
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;
    use crate::domain::ids::CaseId;

    const SETTINGS: &str = "a window of 100, 20 percent";

    fn settings() -> ApplySettings {
        ApplySettings { held_window: 100, held_percent_max: 20, ..ApplySettings::default() }
    }

    /// Batches as (messages, held for being empty), one after another; gives the last verdict.
    fn check(flood: &mut Flood, batches: &[(usize, usize)]) -> Verdict {
        let mut verdict = Verdict::default();
        for (messages, held) in batches {
            verdict = flood.add(*messages, empty(0..*held), &settings());
        }
        verdict
    }

    /// Held messages at these places of a batch.
    fn empty(places: Range<usize>) -> impl Iterator<Item = (usize, &'static HoldReason)> {
        places.map(|place| (place, &HoldReason::Empty))
    }

    #[test]
    fn the_share_is_of_a_whole_window_and_must_be_exceeded() {
        let code = HoldReason::Empty.code();
        let mut flood = Flood::default();
        assert_eq!(check(&mut flood, &[(20, 20)]), Verdict::default(), "{SETTINGS}");
        let found = check(&mut flood, &[(1, 1)]);
        assert_eq!(found.floods, [(code, Share { held: 21, messages: 21 })]);
        // One batch that is larger than a window is measured by itself.
        let found = check(&mut Flood::default(), &[(1_000, 200)]);
        assert_eq!((found.known, found.floods), (vec![code], vec![]));
        assert_eq!(check(&mut Flood::default(), &[(1_000, 201)]).floods.len(), 1);
    }

    #[test]
    fn a_reason_that_stays_below_is_nothing_new_afterwards() {
        let mut flood = Flood::default();
        assert_eq!(check(&mut flood, &[(50, 10)]), Verdict::default());
        let found = check(&mut flood, &[(50, 10)]);
        assert_eq!(found.known, [HoldReason::Empty.code()]);
        assert_eq!(check(&mut flood, &[(100, 100)]), Verdict::default(), "known");
    }

    #[test]
    fn what_waits_for_another_message_is_no_flood() {
        let waits = HoldReason::CaseUnknown { case: CaseId::new("A").unwrap() };
        let mut flood = Flood::default();
        let found = flood.add(100, (0..100).map(|place| (place, &waits)), &settings());
        assert_eq!(found, Verdict::default());
    }

    /// Previously the whole batch counted in which a reason begins, so that one that began at the
    /// end of a large batch was taken for known at once, and never was a flood.
    #[test]
    fn messages_before_the_first_that_is_held_do_not_count() {
        let code = HoldReason::Empty.code();
        let mut flood = Flood::default();
        assert_eq!(flood.add(1_000, empty(985..1_000), &settings()), Verdict::default());
        let found = flood.add(1_000, empty(0..200), &settings());
        assert_eq!(found.floods, [(code, Share { held: 215, messages: 1_015 })]);
        // The places need not come in order.
        let places = [999, 980, 990].into_iter().map(|place| (place, &HoldReason::Empty));
        let mut flood = Flood::default();
        flood.add(1_000, places, &settings());
        assert_eq!(flood.seen.get(code), Some(&Share { held: 3, messages: 20 }));
    }
}
