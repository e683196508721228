//! Which log a hub has. The one place that knows: everything else asks the trait.
//!
//! The embedded log is trimmed here: what is applied and of no open day, and what was published,
//! where it is older or more than the limits permit. Kafka's is trimmed by its brokers.

use std::sync::Arc;

use super::{Hub, HubError, HubSettings};
use crate::log::embedded::{Clock, EmbeddedLog, Retention, TrimBound, Trimmed};
use crate::log::kafka::{KafkaLog, KafkaSettings};
use crate::log::simulated::SimulatedLog;
use crate::log::{Extent, Log, LogError};
use crate::schema::topics::{ORDERS, OTHERS};
use crate::store::Database;
use crate::store::growth::{self, Growth};
use crate::store::intake_marks::forget_given;
use crate::store::outcomes::forget_before;
use crate::store::positions::{PartitionKey, done_with};

/// Which log to use.
#[derive(Clone, Debug, Default)]
pub enum LogChoice {
    /// The one in the data folder.
    #[default]
    Embedded,
    /// Kafka.
    Kafka(KafkaSettings),
}

/// The log of a hub.
pub(super) enum HubLog {
    Embedded(EmbeddedLog),
    Kafka(KafkaLog),
    Simulated(Arc<SimulatedLog>),
}

impl HubLog {
    pub(super) async fn open(
        settings: &HubSettings,
        db: &Database,
        clock: Clock,
    ) -> Result<Self, HubError> {
        match &settings.log {
            LogChoice::Embedded => {
                Ok(Self::Embedded(EmbeddedLog::open(&settings.data, clock).await?))
            }
            LogChoice::Kafka(kafka) => Ok(Self::Kafka(KafkaLog::open(kafka.clone(), db.clone())?)),
        }
    }

    pub(super) fn shared(&self) -> Arc<dyn Log> {
        match self {
            Self::Embedded(log) => Arc::new(log.clone()),
            Self::Kafka(log) => Arc::new(log.clone()),
            Self::Simulated(log) => Arc::<SimulatedLog>::clone(log),
        }
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Embedded(log) => log.close().await,
            // Everything that was appended is confirmed; the clients end with their last user.
            Self::Kafka(_) | Self::Simulated(_) => {}
        }
    }
}

impl Hub {
    /// Trims the log within the hub's own limits.
    ///
    /// # Errors
    /// [`HubError`] where database or log refuse.
    pub async fn trim_log(&mut self) -> Result<Trimmed, HubError> {
        self.trim_log_to(self.retention).await
    }

    /// Trims the log to these limits, never what is not applied or of an open day. Of Kafka's only
    /// the positions are forgotten that its brokers have trimmed. What became of a message goes
    /// with it.
    ///
    /// # Errors
    /// As [`Hub::trim_log`].
    pub async fn trim_log_to(&mut self, retention: Retention) -> Result<Trimmed, HubError> {
        let trimmed = match &self.log {
            HubLog::Embedded(log) => log.retain(&self.trim_bounds().await?, retention).await?,
            HubLog::Kafka(_) => Trimmed::default(),
            // Nothing is kept that need not be, so that whoever needs it all the same is seen.
            HubLog::Simulated(log) => {
                let mut trimmed = Trimmed::default();
                for bound in self.trim_bounds().await? {
                    trimmed.records += log.trim_to(&bound.topic, bound.partition, bound.before)?;
                }
                trimmed
            }
        };
        if trimmed.records > 0 || matches!(self.log, HubLog::Kafka(_)) {
            self.forget_trimmed().await?;
        }
        Ok(trimmed)
    }

    /// Up to where nobody needs the log's records any more.
    async fn trim_bounds(&self) -> Result<Vec<TrimBound>, HubError> {
        let mut tx = self.engine.db.snapshot().await?;
        let done = done_with(&mut tx).await?;
        tx.commit().await?;
        let bounds = done.into_iter().map(|(key, before)| TrimBound {
            topic: key.topic,
            partition: key.partition,
            before,
        });
        let mut bounds: Vec<TrimBound> = bounds.collect();
        for topic in canonical_topics() {
            // Whoever reads them has the retention to do so, as with any log.
            let extents = self.engine.log.extents(topic).await;
            bounds.extend(unless_unknown(extents)?.into_iter().map(|extent| TrimBound {
                topic: topic.to_owned(),
                partition: extent.partition,
                before: extent.next,
            }));
        }
        Ok(bounds)
    }

    /// Forgets what became of messages that the log no longer has, and of which intake source
    /// they were; of partitions whose beginning has not moved since the last time nothing is asked
    /// again.
    async fn forget_trimmed(&mut self) -> Result<(), HubError> {
        let mut tx = self.engine.db.snapshot().await?;
        let topics = growth::of_all(&mut tx).await?;
        tx.commit().await?;
        for (topic, Growth { partitions, growing_to }) in topics {
            let extents = unless_unknown(self.engine.log.extents(&topic).await)?;
            let found = u32::try_from(extents.len()).unwrap_or(u32::MAX);
            if let Some(to) = growing_to {
                tracing::warn!(
                    "topic {topic}: is being grown to {to} partitions, and nothing of it is \
                     applied meanwhile; where no `zhibao topic grow` runs any more, run it again"
                );
            }
            let expected = growing_to.unwrap_or(partitions);
            if found > expected {
                tracing::error!(
                    "topic {topic}: expected {expected} partitions, found {found}: what comes by \
                     the new ones is not counted; run `zhibao topic grow` with this number"
                );
            }
            for extent in extents {
                let key = PartitionKey { topic: topic.clone(), partition: extent.partition };
                let before = self.forgotten_before.get(&key).copied().unwrap_or(0);
                if extent.first <= before {
                    continue;
                }
                let mut tx = self.engine.db.begin().await?;
                forget_before(&mut tx, &key, extent.first).await?;
                // Where the log keeps them itself, none are here.
                forget_given(&mut tx, &topic, extent.partition, extent.first).await?;
                tx.commit().await?;
                self.forgotten_before.insert(key, extent.first);
            }
        }
        Ok(())
    }
}

fn canonical_topics() -> impl Iterator<Item = &'static str> {
    std::iter::once(ORDERS).chain(OTHERS)
}

/// The extents of a topic; none where it is not there: nothing was ever published to it, or its
/// partitions rest until a person brings it back.
fn unless_unknown(extents: Result<Vec<Extent>, LogError>) -> Result<Vec<Extent>, LogError> {
    match extents {
        Err(LogError::TopicUnknown { .. }) => Ok(Vec::new()),
        other => other,
    }
}
