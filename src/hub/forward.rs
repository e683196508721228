//! The forward role: deliver what is owed, and bring acknowledgements back as messages.

use crate::apply::engine::topic_of;
use crate::apply::evidence::attach_evidence;
use crate::domain::ids::{ConnectorId, FeedId};
use crate::domain::time::Moment;
use crate::forward::acks::AckPoller;
use crate::forward::relay::{Relay, RelayReport};
use crate::forward::settings::Settings;
use crate::forward::{golden_insurance, national, tax};
use crate::log::{Append, IntakeMark, Log, NewRecord, partition_of};

use super::{Hub, HubError};

const ACK_LINES_MAX: u32 = 2_000;
const ACK_FEED: &str = "acks";

/// Addresses of the counterparties that records are forwarded to.
#[derive(Clone, Debug)]
pub struct Destinations {
    /// The national platform.
    pub national: String,
    /// The tax system.
    pub tax: String,
    /// Golden Insurance.
    pub golden_insurance: String,
}

impl Destinations {
    fn settings(&self) -> [(&'static str, Settings); 3] {
        [
            (national::CONTRACT.destination, Settings::new(self.national.clone())),
            (tax::CONTRACT.destination, Settings::new(self.tax.clone())),
            (golden_insurance::CONTRACT.destination, Settings::new(self.golden_insurance.clone())),
        ]
    }

    fn relay(&self) -> Result<Relay, HubError> {
        let [(_, first), (_, second), (_, third)] = self.settings();
        Ok(Relay::new(vec![
            (&national::CONTRACT, first),
            (&tax::CONTRACT, second),
            (&golden_insurance::CONTRACT, third),
        ])?)
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
    /// together with the cursor. Returns how many lines that was.
    ///
    /// # Errors
    /// [`HubError`] where a counterparty cannot be reached or the log fails.
    pub async fn fetch_acks(
        &self,
        destinations: &Destinations,
        received_at: Moment,
    ) -> Result<u64, HubError> {
        let mut total = 0;
        for (destination, settings) in destinations.settings() {
            let poller = AckPoller::new(&settings)?;
            loop {
                let lines = self.fetch_page(destination, &poller, received_at).await?;
                total += lines;
                if lines == 0 {
                    break;
                }
            }
        }
        Ok(total)
    }

    async fn fetch_page(
        &self,
        destination: &'static str,
        poller: &AckPoller,
        received_at: Moment,
    ) -> Result<u64, HubError> {
        let no_feed = || HubError::NoFeed { found: format!("{destination}/{ACK_FEED}") };
        let connector = ConnectorId::new(destination).or_else(|_| Err(no_feed()))?;
        let feed = FeedId::new(ACK_FEED).or_else(|_| Err(no_feed()))?;
        let manifest = self.engine.connectors.get(&connector).ok_or_else(no_feed)?;
        let source = format!("http:{destination}:{ACK_FEED}");
        let before = self.log.mark(&source).await?;
        let after = before.as_ref().map_or(0, |mark| mark.records);
        let page = poller.fetch(after, ACK_LINES_MAX).await?;
        let lines = page.next - after;
        if lines == 0 {
            return Ok(0);
        }
        let bytes = page.lines.iter().map(|line| u64::try_from(line.len()).unwrap_or(0)).sum::<u64>();
        let records = page.lines.into_iter().map(|value| {
            let key = manifest.route(&feed, None, &value);
            NewRecord { partition: partition_of(&key, manifest.partitions()), value }
        });
        let append = Append {
            topic: topic_of(&connector).into(),
            feed: feed.clone(),
            header_digest: None,
            records: records.collect(),
            received_at: Some(received_at),
            mark: Some(IntakeMark {
                source,
                offset: before.as_ref().map_or(0, |mark| mark.offset) + bytes,
                records: page.next,
                complete: false,
                digest: [0; 32],
            }),
        };
        self.log.append(append).await?;
        Ok(lines)
    }

    /// Looks for the orders that bear witness to each case that wants them.
    ///
    /// # Errors
    /// [`HubError`] where the order book cannot be read.
    pub async fn attach_evidence(&self, as_of: Moment) -> Result<u64, HubError> {
        Ok(attach_evidence(&self.engine, as_of).await?)
    }
}
