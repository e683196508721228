//! Publishing canonical events: committed segments and the publishing outbox to the topics of
//! `schema::topics`, at least once under deterministic ids.
//!
//! The source is what the database has committed, never an owner's memory. A partition's pass
//! reads one snapshot, appends, and only after the log confirmed the append moves its cursor (of
//! batch numbers) and deletes what it read, in one transaction. A crash in between publishes the
//! same events again, under the same ids; nothing else can happen twice, and nothing is lost. Each
//! open day is walked once a pass: a base segment is decoded at most once, for its own rows and
//! for the order numbers of the deltas that point into it.
//!
//! Within an order, its first event goes before its others. Not done here: deciding what is
//! published (the schema and the order book do), or trimming the topics (the log does).

mod frames;
mod orders;
mod others;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::ids::{FeedId, IdError, NO_FEED};
use crate::log::{Append, Log, LogError, NewRecord};
use crate::orders::segment::SegmentError;
use crate::schema::encode::EncodeError;
use crate::schema::topics::{ORDERS, OTHERS};
use crate::schema::{Record, SchemaIds};
use crate::store::positions::PartitionKey;
use crate::store::publish::{keep_schema, partitions as waiting_partitions};
use crate::store::{Database, StoreError};

/// Limits of publishing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Order events that one pass over a partition aims at; the segments that it needs are read
    /// whole.
    pub pass_events_max: u64,
    /// Records in one append.
    pub append_records_max: usize,
    /// Rows of the publishing outbox that are read at once.
    pub outbox_rows_max: u32,
    /// Partitions of `events.orders`, fixed when the topic is made.
    pub order_partitions: u32,
    /// Partitions of every other canonical topic, fixed when the topic is made.
    pub other_partitions: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pass_events_max: 262_144,
            append_records_max: 16_384,
            outbox_rows_max: 5_000,
            order_partitions: 4,
            other_partitions: 1,
        }
    }
}

/// Why events cannot be published now; the cursors stand where they were.
#[derive(Debug, thiserror::Error)]
pub enum CanonicalError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The canonical log failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A segment cannot be read.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// An event has no canonical form.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// A name of ours is none.
    #[error(transparent)]
    Id(#[from] IdError),
    /// A worker thread panicked.
    #[error("a worker thread failed: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

impl From<sqlx::Error> for CanonicalError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Events that were appended, by topic.
pub type Published = BTreeMap<&'static str, u64>;

/// Where events wait to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Order events of a raw partition.
    Orders(PartitionKey),
    /// The publishing outbox of a canonical topic.
    Others(&'static str),
}

impl Place {
    /// The canonical topic that they go to.
    #[must_use]
    pub const fn topic(&self) -> &'static str {
        match self {
            Self::Orders(_) => ORDERS,
            Self::Others(topic) => topic,
        }
    }
}

/// Publishes what one database has committed.
pub struct Publisher {
    db: Database,
    log: Arc<dyn Log>,
    limits: Limits,
    ids: SchemaIds,
}

impl Publisher {
    /// A publisher from a database to a log; its frames carry these numbers.
    #[must_use]
    pub fn new(db: Database, log: Arc<dyn Log>, limits: Limits, ids: SchemaIds) -> Self {
        Self { db, log, limits, ids }
    }

    /// Makes the topics where they are missing, and keeps every schema under its number.
    ///
    /// # Errors
    /// [`CanonicalError`] where log or database refuse.
    pub async fn prepare(&self) -> Result<(), CanonicalError> {
        self.log.ensure_topic(ORDERS, self.limits.order_partitions).await?;
        for topic in OTHERS {
            self.log.ensure_topic(topic, self.limits.other_partitions).await?;
        }
        let mut tx = self.db.begin().await?;
        for record in Record::ALL {
            let (id, name) = (self.ids.get(*record), record.name());
            keep_schema(&mut tx, id, name, record.schema_text()).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Publishes until nothing waits. Two publishers of one database disturb each other in
    /// nothing but that both may publish the same events.
    ///
    /// # Errors
    /// [`CanonicalError`]; what was appended and confirmed before stays published.
    pub async fn run_until_idle(&self) -> Result<Published, CanonicalError> {
        self.prepare().await?;
        let mut published = Published::new();
        for place in self.places().await? {
            while let Some(events) = self.pass(&place).await? {
                if events > 0 {
                    *published.entry(place.topic()).or_default() += events;
                }
            }
        }
        Ok(published)
    }

    /// Everywhere that something may wait, in the order in which it is published.
    ///
    /// # Errors
    /// [`CanonicalError`] where the database refuses.
    pub async fn places(&self) -> Result<Vec<Place>, CanonicalError> {
        let mut tx = self.db.snapshot().await?;
        let partitions = waiting_partitions(&mut tx).await?;
        tx.commit().await?;
        let orders = partitions.into_iter().map(Place::Orders);
        Ok(orders.chain(OTHERS.into_iter().map(Place::Others)).collect())
    }

    /// One pass: appends about as much of a place as [`Limits`] say, and confirms it; how many
    /// events that was (none where batches had nothing to publish), or `None` where nothing waited.
    ///
    /// # Errors
    /// [`CanonicalError`]; what was appended may be appended again, under the same ids.
    pub async fn pass(&self, place: &Place) -> Result<Option<u64>, CanonicalError> {
        match place {
            Place::Orders(key) => {
                let Some(pass) = self.append_orders(key).await? else { return Ok(None) };
                let events = pass.events;
                self.confirm_orders(pass).await?;
                Ok(Some(events))
            }
            Place::Others(topic) => {
                let Some(rows) = self.append_others(topic).await? else { return Ok(None) };
                self.confirm_others(topic, &rows).await?;
                Ok(Some(u64::try_from(rows.len()).unwrap_or(0)))
            }
        }
    }

    async fn append(
        &self,
        topic: &'static str,
        records: Vec<NewRecord>,
    ) -> Result<(), CanonicalError> {
        let append = Append {
            topic: topic.into(),
            feed: FeedId::new(NO_FEED)?,
            header_digest: None,
            records,
            received_at: None,
            mark: None,
        };
        self.log.append(append).await?;
        Ok(())
    }
}
