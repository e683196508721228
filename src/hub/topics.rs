//! The raw topics: as the database registered them, and as the log has them.
//!
//! A topic that was registered and that the log has no longer, or has another one of under its
//! name, is lost: it is not made again, and a hub takes nothing in for it, since the positions that
//! are counted mean nothing there. Everything else goes on.

use std::collections::{BTreeMap, HashMap};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{HubError, versions};
use crate::apply::engine::topic_of;
use crate::domain::ids::ConnectorId;
use crate::log::position::{PositionLost, check_topic};
use crate::log::{Log, LogError};
use crate::normalize::{Connectors, Manifest};
use crate::policy::Policy;
use crate::store::growth::{self, Growth};
use crate::store::positions::{log_ids, note_log_id, register_topic};
use crate::store::{Database, StoreError, Tx};

/// Topics that brokers are asked for at the same time.
const TOPICS_AT_ONCE: usize = 4;

/// A connector and the partitions of its topic.
type Counts<'a> = Vec<(&'a ConnectorId, Growth)>;

/// What the database knows of topics.
#[derive(Default)]
pub(super) struct Registered {
    growths: HashMap<String, Growth>,
    /// What the log knew each by when it was registered.
    log_ids: HashMap<String, String>,
}

impl Registered {
    pub(super) async fn read(db: &Database) -> Result<Self, StoreError> {
        let mut tx = db.snapshot().await?;
        let growths = growth::of_all(&mut tx).await?.into_iter().collect();
        let log_ids = log_ids(&mut tx).await?.into_iter().collect();
        tx.commit().await?;
        Ok(Self { growths, log_ids })
    }

    #[cfg(test)]
    pub(super) fn of(growths: [(String, Growth); 1]) -> Self {
        Self { growths: growths.into(), ..Self::default() }
    }

    /// How many partitions each connector's topic has: as many as when it was made, or as it was
    /// grown to since.
    ///
    /// # Errors
    /// [`HubError::ManifestPartitions`] where the manifest's number is not one that it was grown
    /// from.
    pub(super) fn partitions_of<'a>(
        &self,
        connectors: &'a Connectors,
        grows: Option<&ConnectorId>,
    ) -> Result<Counts<'a>, HubError> {
        let count = |manifest: &'a Manifest| {
            let topic = topic_of(manifest.name());
            let expected = manifest.partitions();
            let new = Growth { partitions: expected, growing_to: None };
            let found = self.growths.get(&topic).copied().unwrap_or(new);
            let is_grown_from = found.partitions.is_multiple_of(expected.max(1));
            if !is_grown_from && grows != Some(manifest.name()) {
                let found = found.partitions;
                return Err(HubError::ManifestPartitions { topic, expected, found });
            }
            Ok((manifest.name(), found))
        };
        connectors.iter().map(count).collect()
    }
}

/// A topic in the log.
struct RawTopic {
    name: String,
    partitions: u32,
    log_id: String,
    lost: Option<PositionLost>,
}

/// The raw topics of all connectors, in their order.
pub(super) struct RawTopics(Vec<RawTopic>);

/// Topics that the log has lost, and how.
#[derive(Default)]
pub(super) struct LostTopics(BTreeMap<String, PositionLost>);

impl RawTopics {
    /// Makes the raw topic of every connector where it was never registered. Brokers take their
    /// time: they are asked before the one writing transaction begins.
    ///
    /// # Errors
    /// [`HubError`] where a manifest has another number of partitions, or the log refuses.
    pub(super) async fn make(
        log: &dyn Log,
        registered: &Registered,
        connectors: &Connectors,
        grows: Option<&ConnectorId>,
    ) -> Result<Self, HubError> {
        let counts = registered.partitions_of(connectors, grows)?;
        let make = async |(connector, growth): &(&ConnectorId, Growth)| {
            let name = topic_of(connector);
            let known = registered.log_ids.get(&name);
            let lost = match known {
                Some(log_id) => lost_of(check_topic(log, &name, log_id).await)?,
                None => None,
            };
            // While it grows, its log has the one number or the other.
            let is_settled = growth.growing_to.is_none() && grows != Some(*connector);
            if lost.is_none() && is_settled {
                log.ensure_topic(&name, growth.partitions).await?;
            }
            let log_id = match known {
                Some(log_id) => log_id.clone(),
                None => log.topic_id(&name).await?,
            };
            Ok::<_, LogError>(RawTopic { name, partitions: growth.partitions, log_id, lost })
        };
        Ok(Self(stream::iter(&counts).map(make).buffered(TOPICS_AT_ONCE).try_collect().await?))
    }

    /// Records manifests and policy as versions and registers their topics; gives the versions.
    /// What is registered is only read again: an instance with few rights can start then.
    ///
    /// # Errors
    /// [`StoreError`] where the database refuses.
    pub(super) async fn register(
        &self,
        tx: &mut Tx,
        connectors: &Connectors,
        policy: &Policy,
    ) -> Result<(u32, u32), StoreError> {
        let manifests = versions::record(tx, "manifests", &connectors.to_bytes()).await?;
        let rules = versions::record(tx, "policy", &policy.to_bytes()).await?;
        for (manifest, topic) in connectors.iter().zip(&self.0) {
            let connector = manifest.name().as_str();
            register_topic(tx, &topic.name, connector, topic.partitions).await?;
            note_log_id(tx, &topic.name, &topic.log_id).await?;
        }
        Ok((manifests, rules))
    }

    /// Those that are lost.
    pub(super) fn lost(self) -> LostTopics {
        let lost = self.0.into_iter().filter_map(|topic| Some((topic.name, topic.lost?)));
        LostTopics(lost.collect())
    }
}

/// How a topic was lost, where it was.
fn lost_of(checked: Result<(), LogError>) -> Result<Option<PositionLost>, LogError> {
    match checked {
        Ok(()) => Ok(None),
        Err(LogError::Position(lost)) => {
            tracing::error!("{lost}");
            Ok(Some(lost))
        }
        Err(error) => Err(error),
    }
}

impl LostTopics {
    /// How a connector's topic was lost.
    pub(super) fn of(&self, connector: &ConnectorId) -> Option<&PositionLost> {
        self.0.get(&topic_of(connector))
    }

    /// Refuses to take anything in for a topic that is lost.
    ///
    /// # Errors
    /// [`LogError::Position`], with what to do.
    pub(super) fn check(&self, connector: &ConnectorId) -> Result<(), LogError> {
        self.of(connector).map_or(Ok(()), |lost| Err(lost.clone().into()))
    }
}
