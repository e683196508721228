//! The publishing role: committed events to the canonical topics. One instance publishes for all,
//! so that what is published keeps its order; it does so beside what it processes itself.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;

use super::service::leads;
use super::{Hub, HubError};
use crate::apply::engine::Engine;
use crate::domain::time::Moment;
use crate::forward::canonical::{Published, Publisher};
use crate::log::LogError;
use crate::schema::topics::{ORDERS, OTHERS};

/// Passes at the same time: while one waits for the log, another makes its records.
const PASSES_AT_ONCE: usize = 2;

/// The publishing role of an instance.
pub(super) struct Publishing {
    engine: Arc<Engine>,
    /// `None` where canonical topics are off.
    publisher: Option<Publisher>,
    /// Passes over different partitions at the same time.
    at_once: usize,
    /// Whether the topics were made, or found.
    is_prepared: bool,
    /// When this instance last asked whether it publishes for all, and heard that it does.
    led_at: Option<Moment>,
}

impl Publishing {
    /// Publishes once what waits anywhere, where this instance publishes for all; between two
    /// passes it ends when it is told to stop. Gives how many events that was.
    ///
    /// # Errors
    /// [`HubError`] where log or database fail; what was published before stays so.
    pub(super) async fn sweep(&mut self, told: &watch::Receiver<bool>) -> Result<u64, HubError> {
        let swept = self.sweep_once(told).await;
        if swept.is_err() {
            (self.is_prepared, self.led_at) = (false, None);
        }
        swept
    }

    async fn sweep_once(&mut self, told: &watch::Receiver<bool>) -> Result<u64, HubError> {
        let Some(publisher) = &self.publisher else { return Ok(0) };
        if !still_leads(&self.engine, &mut self.led_at).await? {
            return Ok(0);
        }
        if !self.is_prepared {
            publisher.prepare().await?;
            self.is_prepared = true;
        }
        let places = publisher.places().await?;
        let mut places = places.iter();
        let mut running = FuturesUnordered::new();
        let (mut published, mut failed) = (0, None);
        loop {
            // One partition's passes keep their order, since a sweep has one of each.
            while running.len() < self.at_once && failed.is_none() && !*told.borrow() {
                let Some(place) = places.next() else { break };
                match still_leads(&self.engine, &mut self.led_at).await {
                    Ok(true) => running.push(publisher.pass(place)),
                    Ok(false) => places = [].iter(),
                    Err(error) => failed = Some(error),
                }
            }
            match running.next().await {
                Some(Ok(events)) => published += events.unwrap_or(0),
                // What the others append is confirmed all the same.
                Some(Err(error)) => failed = Some(error.into()),
                None => return failed.map_or(Ok(published), Err),
            }
        }
    }
}

/// Whether this instance publishes for all, as of a third of a lease ago at most.
async fn still_leads(engine: &Engine, led_at: &mut Option<Moment>) -> Result<bool, HubError> {
    let now = (engine.clock)();
    if led_at.is_some_and(|at| engine.is_recent(at)) {
        return Ok(true);
    }
    *led_at = leads(engine, "publish").await?.then_some(now);
    Ok(led_at.is_some())
}

impl Hub {
    /// What publishes beside this hub's other roles.
    pub(super) fn publishing(&self) -> Publishing {
        let is_on = self.engine.settings.canonical_topics;
        Publishing {
            engine: Arc::clone(&self.engine),
            publisher: is_on.then(|| self.publisher()),
            at_once: self.owners.at_once.min(PASSES_AT_ONCE),
            is_prepared: false,
            led_at: None,
        }
    }

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
