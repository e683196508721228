//! Growing a topic: one command gives a connector's topic a multiple of its partitions, with
//! everything that is in the order book, and without reading a message again.
//!
//! First the log gets its partitions, which is what may be refused. Then the topic is taken from
//! everybody, each partition is split between those that it becomes, and last all of it is in force
//! at once. A command that ends before is given again: it goes on. Messages that lie in the
//! old partitions, and those of producers that still know only these, find their owners as every
//! misplaced message does.

use std::sync::Arc;

use super::{Hub, HubError};
use crate::apply::engine::topic_of;
use crate::apply::owner::{Owner, Step};
use crate::domain::ids::ConnectorId;
use crate::store::growth::{self, Growth};
use crate::store::positions::PartitionKey;

/// What growing did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grown {
    /// How many partitions the topic had.
    pub from: u32,
    /// How many it has.
    pub to: u32,
}

impl Hub {
    /// Gives a connector's topic `to` partitions, a multiple of those that it has. Instances that
    /// run beside go on with other topics, and with this one afterwards.
    ///
    /// # Errors
    /// [`HubError::NoMultiple`] before anything is done; [`HubError::Growing`] where the topic is
    /// being grown to another number; [`HubError`] where database or log refuse: then nobody
    /// applies the topic's messages until the command is given again.
    pub async fn grow(&self, connector: &ConnectorId, to: u32) -> Result<Grown, HubError> {
        let topic = topic_of(connector);
        let mut tx = self.engine.db.begin().await?;
        let from = may_grow(growth::of_topic(&mut tx, &topic).await?, &topic, to)?;
        tx.commit().await?;
        if from == to {
            return Ok(Grown { from, to });
        }
        self.engine.log.grow_topic(&topic, to).await?;
        let from = self.take_from_everybody(&topic, to).await?;
        for partition in 0..from {
            self.split(PartitionKey { topic: topic.clone(), partition }, to).await?;
        }
        let mut tx = self.engine.db.begin().await?;
        // Another command may have been faster.
        let now = growth::take(&mut tx, &topic).await?;
        if now == Some(Growth { partitions: from, growing_to: Some(to) }) {
            growth::finish(&mut tx, &topic, from, to).await?;
        }
        tx.commit().await?;
        Ok(Grown { from, to })
    }

    async fn take_from_everybody(&self, topic: &str, to: u32) -> Result<u32, HubError> {
        let mut tx = self.engine.db.begin().await?;
        let from = may_grow(growth::take(&mut tx, topic).await?, topic, to)?;
        if from != to {
            growth::begin(&mut tx, topic, from, to).await?;
        }
        tx.commit().await?;
        Ok(from)
    }

    async fn split(&self, key: PartitionKey, to: u32) -> Result<(), HubError> {
        let leased = || HubError::Leased { topic: key.topic.clone(), partition: key.partition };
        let claimed = Owner::claim_to_split(Arc::clone(&self.engine), key.clone(), to);
        let mut owner = claimed.await?.ok_or_else(leased)?;
        if owner.split(to).await? == Step::Lost {
            return Err(leased());
        }
        Ok(owner.release().await?)
    }
}

/// How many partitions a topic has that is to have `to`.
fn may_grow(found: Option<Growth>, topic: &str, to: u32) -> Result<u32, HubError> {
    let Growth { partitions: from, growing_to } =
        found.unwrap_or(Growth { partitions: 0, growing_to: None });
    if let Some(other) = growing_to.filter(|other| *other != to) {
        return Err(HubError::Growing { topic: topic.to_owned(), to: other });
    }
    if from == 0 || !to.is_multiple_of(from) || to > PARTITIONS_MAX {
        return Err(HubError::NoMultiple { topic: topic.to_owned(), from, to });
    }
    Ok(from)
}

/// Most partitions of a topic: beyond, brokers and the owners' memory would waste more than they
/// gain.
const PARTITIONS_MAX: u32 = 1_024;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::hub::topics::Registered;
    use crate::normalize::Connectors;

    /// The manifest says 8; the topic has so many.
    fn found(partitions: u32, grows: Option<&str>) -> Result<u32, HubError> {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        let connectors = Connectors::load(&repository.join("connectors")).unwrap();
        let meituan = ConnectorId::new("meituan").unwrap();
        let growth = Growth { partitions, growing_to: None };
        let registered = Registered::of([(topic_of(&meituan), growth)]);
        let grows = grows.map(|name| ConnectorId::new(name).unwrap());
        let counts = registered.partitions_of(&connectors, grows.as_ref())?;
        assert!(
            counts.iter().any(|(name, growth)| name.as_str() == "tax" && growth.partitions == 1)
        );
        Ok(counts.iter().find(|(name, _)| **name == meituan).unwrap().1.partitions)
    }

    #[test]
    fn a_grown_topic_keeps_its_partitions_and_another_number_is_an_error() {
        assert_eq!(found(8, None).unwrap(), 8);
        assert_eq!(found(24, None).unwrap(), 24);
        for other in [4, 12] {
            let error = found(other, None).unwrap_err().to_string();
            for said in ["raw.meituan", "says 8", &format!("has {other}"), "zhibao topic grow"] {
                assert!(error.contains(said), "{said}: {error}");
            }
            // But for the command that is about to grow it.
            assert_eq!(found(other, Some("meituan")).unwrap(), other);
            assert!(found(other, Some("eleme")).is_err());
        }
    }
}
