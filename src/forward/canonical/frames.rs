//! Rows of segments to framed records; pure.

use std::ops::Range;

use super::CanonicalError;
use crate::domain::ids::PlatformId;
use crate::domain::message::Source;
use crate::domain::order_view::OrderView;
use crate::domain::time::Moment;
use crate::log::{NewRecord, partition_of};
use crate::orders::columns::Columns;
use crate::orders::segment::{SegmentError, decode};
use crate::schema::encode::EncodeError;
use crate::schema::encode::order::{OrderFramer, OrderOrigin};
use crate::schema::topics::order_key;
use crate::store::StoreError;
use crate::store::positions::PartitionKey;
use crate::store::publish::Waiting;

/// What `feed` says in order events: an order is the merge of its platform's feeds.
const FEED: &str = "orders";

/// Whose rows these are, and where they go.
#[derive(Clone, Debug)]
pub(super) struct Route {
    key: PartitionKey,
    platform: PlatformId,
    partitions: u32,
    schema_id: u32,
}

impl Route {
    /// The route of a raw partition; a platform's raw topic is named by the platform.
    pub(super) fn new(
        key: &PartitionKey,
        partitions: u32,
        schema_id: u32,
    ) -> Result<Self, CanonicalError> {
        let name = key.topic.strip_prefix("raw.").unwrap_or(&key.topic);
        Ok(Self { key: key.clone(), platform: PlatformId::new(name)?, partitions, schema_id })
    }

    fn framer(&self, origin: Origin) -> Result<OrderFramer, EncodeError> {
        OrderFramer::new(&OrderOrigin {
            connector: self.platform.as_str(),
            feed: FEED,
            source: Source {
                topic: self.key.topic.as_str().into(),
                partition: origin.partition,
                offset: origin.first_offset,
            },
            received_at: origin.received_at,
            schema_id: self.schema_id,
        })
    }
}

/// Where and when the first batch of a segment was received: what its rows say of their source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    partition: u32,
    first_offset: u64,
    received_at: Moment,
}

impl From<&Waiting> for Origin {
    fn from(waiting: &Waiting) -> Self {
        let Waiting { partition, first_offset, received_at, .. } = waiting;
        Self { partition: *partition, first_offset: *first_offset, received_at: *received_at }
    }
}

/// The deltas of one day that are to be published.
#[derive(Default)]
pub(super) struct Deltas {
    segments: Vec<(Columns, Origin)>,
    /// (ordinal, segment, row), ascending.
    rows: Vec<(u32, u32, u32)>,
}

impl Deltas {
    /// Adds a delta segment; segments come in order of batches.
    pub(super) fn add(&mut self, bytes: &[u8], origin: Origin) -> Result<(), SegmentError> {
        let (_, columns) = decode(bytes)?;
        let number = u32::try_from(self.segments.len()).unwrap_or(u32::MAX);
        self.rows.extend(columns.delta_ordinals().zip(0u32..).map(|(at, row)| (at, number, row)));
        self.segments.push((columns, origin));
        Ok(())
    }

    /// Puts the rows in order, after all segments are in.
    pub(super) fn sort(&mut self) {
        self.rows.sort_unstable();
    }

    /// How many rows point into these ordinals.
    pub(super) fn pointing(&self, ordinals: Range<u32>) -> usize {
        self.within(ordinals).len()
    }

    /// Number of rows.
    pub(super) fn rows(&self) -> usize {
        self.rows.len()
    }

    fn within(&self, ordinals: Range<u32>) -> &[(u32, u32, u32)] {
        let from = self.rows.partition_point(|(at, ..)| *at < ordinals.start);
        let to = self.rows.partition_point(|(at, ..)| *at < ordinals.end);
        self.rows.get(from..to).unwrap_or_default()
    }
}

/// A decoded segment of whole events: base, or unpublished.
pub(super) struct Whole {
    columns: Columns,
    first_ordinal: u32,
    /// Of rows that are to be published; `None` where only deltas point into it.
    origin: Option<Origin>,
}

impl Whole {
    pub(super) fn decode(
        bytes: &[u8],
        first_ordinal: u32,
        origin: Option<Origin>,
    ) -> Result<Self, SegmentError> {
        let (_, columns) = decode(bytes)?;
        Ok(Self { columns, first_ordinal, origin })
    }

    pub(super) const fn rows(&self) -> usize {
        self.columns.rows()
    }

    fn ordinal(&self, row: usize) -> u32 {
        self.first_ordinal.saturating_add(u32::try_from(row).unwrap_or(u32::MAX))
    }

    /// Records of some of its rows, then of the deltas that point to them.
    pub(super) fn records(
        &self,
        rows: Range<usize>,
        deltas: &Deltas,
        route: &Route,
    ) -> Result<Vec<NewRecord>, CanonicalError> {
        let within = deltas.within(self.ordinal(rows.start)..self.ordinal(rows.end));
        let own = if self.origin.is_some() { rows.len() } else { 0 };
        let mut out = Out { records: Vec::with_capacity(own + within.len()), key: Vec::new() };
        if let Some(origin) = self.origin {
            let mut framer = route.framer(origin)?;
            for row in rows {
                out.push(&mut framer, self.columns.whole(row, &route.platform), route)?;
            }
        }
        let mut framers = Vec::with_capacity(deltas.segments.len());
        if !within.is_empty() {
            for (_, origin) in &deltas.segments {
                framers.push(route.framer(*origin)?);
            }
        }
        for (ordinal, segment, row) in within {
            let number = usize::try_from(*segment).unwrap_or(usize::MAX);
            let place = usize::try_from(ordinal - self.first_ordinal).unwrap_or(usize::MAX);
            let row = usize::try_from(*row).unwrap_or(usize::MAX);
            let (segment, framer) = (deltas.segments.get(number), framers.get_mut(number));
            let (Some((columns, _)), Some(framer)) = (segment, framer) else { continue };
            let first = (&self.columns, place);
            out.push(framer, columns.whole_delta(row, first, &route.platform), route)?;
        }
        Ok(out.records)
    }
}

struct Out {
    records: Vec<NewRecord>,
    key: Vec<u8>,
}

impl Out {
    fn push(
        &mut self,
        framer: &mut OrderFramer,
        event: Option<OrderView<'_>>,
        route: &Route,
    ) -> Result<(), CanonicalError> {
        let event = event.ok_or_else(|| StoreError::Damaged {
            what: "segment",
            detail: format!("{:?}: a row that is no order event", route.key),
        })?;
        order_key(&mut self.key, event.platform, event.order_id);
        let partition = partition_of(&self.key, route.partitions);
        let (key, value) = (self.key.clone(), framer.frame(&event).to_vec());
        self.records.push(NewRecord { partition, key, value });
        Ok(())
    }
}
