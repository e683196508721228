//! Trimming the embedded log: what is applied and of no open day, and what was published, where it
//! is older or more than the limits permit; and with the messages what became of each of them.

use super::{Hub, HubError};
use crate::log::embedded::{Retention, TrimBound, Trimmed};
use crate::log::{Extent, LogError};
use crate::schema::topics::{ORDERS, OTHERS};
use crate::store::outcomes::forget_before;
use crate::store::positions::{PartitionKey, done_with, topics};

impl Hub {
    /// Trims the log within the hub's own limits.
    ///
    /// # Errors
    /// [`HubError`] where database or log refuse.
    pub async fn trim_log(&self) -> Result<Trimmed, HubError> {
        self.trim_log_to(self.retention).await
    }

    /// Trims the log to these limits, never what is not applied or of an open day.
    ///
    /// # Errors
    /// As [`Hub::trim_log`].
    pub async fn trim_log_to(&self, retention: Retention) -> Result<Trimmed, HubError> {
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
        let trimmed = self.log.retain(&bounds, retention).await?;
        if trimmed.records > 0 {
            self.forget_outcomes().await?;
        }
        Ok(trimmed)
    }

    /// Forgets what became of messages that the log no longer has.
    async fn forget_outcomes(&self) -> Result<(), HubError> {
        let mut tx = self.engine.db.snapshot().await?;
        let topics = topics(&mut tx).await?;
        tx.commit().await?;
        for (topic, _) in topics {
            for extent in self.engine.log.extents(&topic).await? {
                let key = PartitionKey { topic: topic.clone(), partition: extent.partition };
                let mut tx = self.engine.db.begin().await?;
                forget_before(&mut tx, &key, extent.first).await?;
                tx.commit().await?;
            }
        }
        Ok(())
    }
}

fn canonical_topics() -> impl Iterator<Item = &'static str> {
    std::iter::once(ORDERS).chain(OTHERS)
}

/// The extents of a topic; none where nothing was ever published to it.
fn unless_unknown(extents: Result<Vec<Extent>, LogError>) -> Result<Vec<Extent>, LogError> {
    match extents {
        Err(LogError::TopicUnknown { .. }) => Ok(Vec::new()),
        other => other,
    }
}
