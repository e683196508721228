//! The publishing role: committed events to the canonical topics.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Hub, HubError};
use crate::forward::canonical::{Published, Publisher};
use crate::log::LogError;
use crate::schema::topics::{ORDERS, OTHERS};

impl Hub {
    /// Publishes everything that is committed and not published yet; nothing where canonical
    /// topics are off.
    ///
    /// # Errors
    /// [`HubError`] where log or database fail; what was published before stays so.
    pub async fn publish_until_idle(&self) -> Result<Published, HubError> {
        if !self.engine.settings.canonical_topics {
            return Ok(Published::new());
        }
        Ok(self.publisher().run_until_idle().await?)
    }

    fn publisher(&self) -> Publisher {
        let (db, log) = (self.engine.db.clone(), Arc::clone(&self.engine.log));
        Publisher::new(db, log, self.canonical, self.schema_ids.clone())
    }

    /// How many records each canonical topic has taken in, repeats included; topics that are not
    /// made yet have none.
    ///
    /// # Errors
    /// [`HubError`] where the log fails.
    pub async fn published(&self) -> Result<BTreeMap<&'static str, u64>, HubError> {
        let mut topics = BTreeMap::new();
        for topic in [ORDERS].into_iter().chain(OTHERS) {
            let records = match self.engine.log.extents(topic).await {
                Ok(extents) => extents.iter().map(|extent| extent.next).sum(),
                Err(LogError::TopicUnknown { .. }) => 0,
                Err(error) => return Err(error.into()),
            };
            topics.insert(topic, records);
        }
        Ok(topics)
    }
}
