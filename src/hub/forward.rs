//! The forward role: deliver what is owed, and bring acknowledgements back as messages.

#[cfg(test)]
mod tests;

use crate::apply::engine::{Engine, topic_of};
use crate::apply::evidence::attach_evidence;
use crate::domain::ids::{ConnectorId, FeedId};
use crate::domain::time::Moment;
use crate::forward::acks::AckPoller;
use crate::forward::contract::Contract;
use crate::forward::relay::{Relay, RelayReport};
use crate::forward::settings::Settings;
use crate::forward::{golden_insurance, national, tax};
use crate::log::{Append, IntakeMark, LogError, NewRecord, partition_of};

use super::{Hub, HubError};

const ACK_LINES_MAX: u32 = 2_000;
const ACK_FEED: &str = "acks";

/// Addresses of the counterparties that records are forwarded to; what is owed to one without an
/// address waits in the outbox.
#[derive(Clone, Debug, Default)]
pub struct Destinations {
    /// The national platform.
    pub national: Option<String>,
    /// The tax system.
    pub tax: Option<String>,
    /// Golden Insurance.
    pub golden_insurance: Option<String>,
}

impl Destinations {
    /// The counterparties that have an address.
    pub(super) fn settings(&self) -> Vec<(&'static Contract, Settings)> {
        let known = [
            (&national::CONTRACT, &self.national),
            (&tax::CONTRACT, &self.tax),
            (&golden_insurance::CONTRACT, &self.golden_insurance),
        ];
        let named = known.into_iter().filter_map(|(contract, url)| {
            let url = url.clone()?;
            Some((contract, Settings::new(url)))
        });
        named.collect()
    }

    pub(super) fn relay(&self) -> Result<Relay, HubError> {
        Ok(Relay::new(self.settings())?)
    }
}

impl Hub {
    /// Delivers everything that can be delivered now.
    ///
    /// # Errors
    /// [`HubError`] where the database fails or an address is none.
    pub async fn forward_until_idle(
        &self,
        destinations: &Destinations,
    ) -> Result<RelayReport, HubError> {
        let relay = destinations.relay()?;
        Ok(relay.run_until_idle(&self.engine.db, || (self.engine.clock)()).await?)
    }

    /// Fetches what counterparties acknowledged since the last time and appends it to the log,
    /// with the cursor behind it; `received_at` is the append time under a replay clock. Returns
    /// how many lines that was.
    ///
    /// # Errors
    /// [`HubError`] where a counterparty cannot be reached, the log fails, or has lost the topic.
    pub async fn fetch_acks(
        &self,
        destinations: &Destinations,
        received_at: Option<Moment>,
    ) -> Result<u64, HubError> {
        let mut total = 0;
        for (contract, settings) in destinations.settings() {
            let from = (contract.destination, &settings);
            self.lost.check(&connector_of(contract.destination)?)?;
            total += fetch_acks(&self.engine, from, received_at).await?;
        }
        Ok(total)
    }

    /// Looks for the orders that bear witness to each case that wants them.
    ///
    /// # Errors
    /// [`HubError`] where the order book cannot be read.
    pub async fn attach_evidence(&self, as_of: Moment) -> Result<u64, HubError> {
        Ok(attach_evidence(&self.engine, as_of).await?)
    }
}

/// Fetches all acknowledgements that one counterparty has for us; gives how many lines that was.
pub(super) async fn fetch_acks(
    engine: &Engine,
    (destination, settings): (&'static str, &Settings),
    received_at: Option<Moment>,
) -> Result<u64, HubError> {
    fetch_acks_from(engine, (destination, &AckPoller::new(settings)?), received_at).await
}

/// As [`fetch_acks`], by a poller that is there.
pub(super) async fn fetch_acks_from(
    engine: &Engine,
    (destination, poller): (&'static str, &AckPoller),
    received_at: Option<Moment>,
) -> Result<u64, HubError> {
    let mut total = 0;
    loop {
        let lines = fetch_page(engine, destination, poller, received_at).await?;
        total += lines;
        if lines == 0 {
            return Ok(total);
        }
    }
}

/// The connector that a counterparty's acknowledgements are messages of.
pub(super) fn connector_of(destination: &str) -> Result<ConnectorId, HubError> {
    ConnectorId::new(destination).map_err(|error| HubError::NoFeed { found: error.found })
}

async fn fetch_page(
    engine: &Engine,
    destination: &'static str,
    poller: &AckPoller,
    received_at: Option<Moment>,
) -> Result<u64, HubError> {
    let no_feed = || HubError::NoFeed { found: format!("{destination}/{ACK_FEED}") };
    let connector = connector_of(destination)?;
    let feed = FeedId::new(ACK_FEED).map_err(|error| HubError::NoFeed { found: error.found })?;
    let manifest = engine.connectors.get(&connector).ok_or_else(no_feed)?;
    let source = format!("http:{destination}:{ACK_FEED}");
    let before = engine.log.mark(&source).await?;
    let after = before.as_ref().map_or(0, |mark| mark.records);
    let page = poller.fetch(after, ACK_LINES_MAX).await?;
    let lines = page.next - after;
    if lines == 0 {
        return Ok(0);
    }
    let bytes = page.lines.iter().map(|line| u64::try_from(line.len()).unwrap_or(0)).sum::<u64>();
    let records = page.lines.into_iter().map(|value| {
        let key = manifest.route(&feed, None, &value);
        NewRecord { partition: partition_of(&key, manifest.partitions()), key, value }
    });
    let append = Append {
        topic: topic_of(&connector).into(),
        feed: feed.clone(),
        header_digest: None,
        records: records.collect(),
        received_at,
        mark: Some(IntakeMark {
            source,
            offset: before.as_ref().map_or(0, |mark| mark.offset) + bytes,
            records: page.next,
            complete: false,
            digest: [0; 32],
        }),
    };
    match engine.log.append(append).await {
        Ok(_) => Ok(lines),
        // Another instance, which takes this one for gone, has fetched them meanwhile.
        Err(LogError::MarkMoved { .. }) => Ok(0),
        Err(error) => Err(error.into()),
    }
}
