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

    fn add<'a>(
        &mut self,
        messages: u64,
        held: impl Iterator<Item = &'a HoldReason>,
        settings: &ApplySettings,
    ) -> Verdict {
        for reason in held.filter(|reason| !reason.is_transient()) {
            if !self.known.contains(reason.code()) {
                self.seen.entry(reason.code()).or_default().held += 1;
            }
        }
        let mut verdict = Verdict::default();
        for (code, share) in &mut self.seen {
            share.messages += messages;
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
        let messages = u64::try_from(fates.len()).unwrap_or(u64::MAX);
        // The same bytes as a held message are a duplicate, whatever their reason.
        let is_held = |index: usize| fates.get(index) == Some(&Fate::Held);
        let reasons = held.iter().filter(|(index, _)| is_held(*index)).map(|(_, reason)| reason);
        let verdict = flood.add(messages, reasons, &self.engine.settings);
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
    use super::*;
    use crate::domain::ids::CaseId;

    const SETTINGS: &str = "a window of 100, 20 percent";

    fn settings() -> ApplySettings {
        ApplySettings { held_window: 100, held_percent_max: 20, ..ApplySettings::default() }
    }

    /// Batches as (messages, held for being empty), one after another; gives the last verdict.
    fn check(flood: &mut Flood, batches: &[(u64, usize)]) -> Verdict {
        let mut verdict = Verdict::default();
        for (messages, held) in batches {
            let reasons = vec![HoldReason::Empty; *held];
            verdict = flood.add(*messages, reasons.iter(), &settings());
        }
        verdict
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
        let found = flood.add(100, std::iter::repeat_n(&waits, 100), &settings());
        assert_eq!(found, Verdict::default());
    }
}
