//! Counts of days that are sealed already: what is owed of such a day is revised with them, under
//! the lock of the day.

use std::collections::BTreeSet;

use crate::domain::event::{Event, Fact};
use crate::domain::time::{Day, Moment};
use crate::orders::effects::Effects;
use crate::orders::shard::Phase;
use crate::store::locks::{Key, lock};
use crate::store::{Tx, order_days};

use super::Owner;
use crate::apply::engine::EngineError;
use crate::apply::snapshot;

impl Owner {
    /// Locks the days that a batch replaces or revises as a whole, all of them in their order:
    /// what is owed of a day then has what every partition changed of it.
    pub(super) async fn lock_days_of(
        &self,
        tx: &mut Tx,
        events: &[(usize, Box<Event>)],
        effects: &Effects,
        at: Moment,
    ) -> Result<(), EngineError> {
        let statements = events.iter().filter_map(|(_, event)| {
            let Fact::Statement(statement) = &event.fact else { return None };
            Some(Key::Day(statement.platform.clone(), statement.day))
        });
        let mut keys: Vec<Key> = statements.collect();
        keys.extend(self.keys_of(self.revised_days(effects, at)));
        Ok(lock(tx, keys).await?)
    }

    /// Locks days of the partition's platform.
    pub(super) async fn lock_days(
        &self,
        tx: &mut Tx,
        days: BTreeSet<Day>,
    ) -> Result<(), EngineError> {
        Ok(lock(tx, self.keys_of(days)).await?)
    }

    fn keys_of(&self, days: BTreeSet<Day>) -> Vec<Key> {
        let Some(platform) = &self.platform else { return Vec::new() };
        days.into_iter().map(|day| Key::Day(platform.clone(), day)).collect()
    }

    /// Owes what is told of a closed day whose counts the partition has changed. Where it has no
    /// order of the day and yet counts, because all of them lie on other days, it keeps the day as
    /// sealed: partitions that are behind then find that the day is to be told.
    pub(super) async fn tell_closed_day(
        &self,
        tx: &mut Tx,
        day: Day,
        at: Moment,
        is_command: bool,
    ) -> Result<(), EngineError> {
        let (Some(platform), Some(shard)) = (&self.platform, &self.shard) else { return Ok(()) };
        if !shard.days().any(|(known, _)| known == day) {
            order_days::keep(tx, &self.key, day, Phase::Sealed.code()).await?;
        }
        let (policy, of) = (&self.engine.policy, (platform, &self.key));
        snapshot::after_seal(tx, policy, of, day, at, is_command).await?;
        Ok(())
    }

    /// Days that are sealed already and whose counts the batch changes.
    pub(super) fn revised_days(&self, effects: &Effects, at: Moment) -> BTreeSet<Day> {
        let Some(shard) = &self.shard else { return BTreeSet::new() };
        let days = effects.counts.keys().map(|cell| cell.place.day);
        days.filter(|day| !shard.is_open(*day, at)).collect()
    }

    /// A count of a day that is sealed already may still move, when an open order turns out to
    /// have been accepted earlier: the day's snapshot is then revised.
    pub(super) async fn revise_sealed_days(
        &self,
        tx: &mut Tx,
        effects: &Effects,
        at: Moment,
    ) -> Result<(), EngineError> {
        for day in self.revised_days(effects, at) {
            self.tell_closed_day(tx, day, at, false).await?;
        }
        Ok(())
    }
}
