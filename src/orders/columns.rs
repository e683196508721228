//! Order events side by side, column by column: the form in which segments are written, read,
//! joined, folded and sorted. One row is one event of one order.

use std::collections::BTreeMap;

use super::ints::ABSENT;
use crate::domain::event::{CountySource, OrderEvent, OrderKind, Origin};
use crate::domain::ids::{CountyCode, FeedId, LineCode, NO_FEED, OrderId, PlatformId, WorkerToken};
use crate::domain::time::Moment;

/// The message that an event was made from, kept only while the event may still have to be held
/// with its bytes (early, late, handed off).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawMessage {
    /// Its feed.
    pub feed: FeedId,
    /// For CSV, the digest of the header line.
    pub header_digest: Option<[u8; 32]>,
    /// Partition that it was read from.
    pub partition: u32,
    /// Position that it was read from.
    pub offset: u64,
    /// Append time.
    pub received_at: Moment,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl RawMessage {
    /// Stands in for a message that the log no longer has.
    #[must_use]
    pub fn nothing() -> Self {
        Self {
            feed: Self::no_feed(),
            header_digest: None,
            partition: 0,
            offset: 0,
            received_at: Moment::from_ms(0),
            bytes: Vec::new(),
        }
    }

    /// The name that stands in for a feed that is not known any more.
    #[must_use]
    pub fn no_feed() -> FeedId {
        // The constant fits the shape, so the fallback can never be reached.
        FeedId::new(NO_FEED).unwrap_or_else(|_| unreachable!("a constant of lawful shape"))
    }
}

/// Order numbers as one stretch of text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Texts {
    pub(super) bytes: Vec<u8>,
    pub(super) ends: Vec<u32>,
}

/// Events in columns. Absent integers are [`ABSENT`]; an empty `ids` or `ordinals` means that the
/// rows have none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    pub(super) rows: usize,
    pub(super) ordinals: Vec<i64>,
    pub(super) ids: Texts,
    pub(super) kinds: Vec<i64>,
    pub(super) workers: Vec<i64>,
    pub(super) line_names: Vec<LineCode>,
    pub(super) lines: Vec<i64>,
    pub(super) accepted: Vec<i64>,
    pub(super) ended: Vec<i64>,
    pub(super) occurred: Vec<i64>,
    pub(super) counties: Vec<i64>,
    pub(super) county_sources: Vec<i64>,
    pub(super) service_counties: Vec<i64>,
    pub(super) resolutions: Vec<i64>,
    pub(super) origins: BTreeMap<u32, Origin>,
    pub(super) raws: BTreeMap<u32, RawMessage>,
}

impl Texts {
    pub(super) fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.ends.push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn get(&self, row: usize) -> Option<&str> {
        let start = match row.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        let end = *self.ends.get(row)?;
        let range = usize::try_from(start).ok()?..usize::try_from(end).ok()?;
        std::str::from_utf8(self.bytes.get(range)?).ok()
    }
}

impl Columns {
    /// Number of rows.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// Adds one event. Rows with an ordinal are deltas and leave the id out; rows without one
    /// are numbered by their place.
    pub fn push(&mut self, ordinal: Option<u32>, event: &OrderEvent) {
        match ordinal {
            Some(ordinal) => self.ordinals.push(i64::from(ordinal)),
            None => self.ids.push(event.order_id.as_str()),
        }
        self.push_fields(event, true);
    }

    fn push_fields(&mut self, event: &OrderEvent, with_material: bool) {
        let row = u32::try_from(self.rows).unwrap_or(u32::MAX);
        self.rows += 1;
        let county = |code: Option<CountyCode>| code.map_or(ABSENT, |code| i64::from(code.get()));
        if with_material {
            self.workers.push(event.worker.map_or(ABSENT, |worker| worker.0.cast_signed()));
            let line = event.line.as_ref().map_or(ABSENT, |line| self.line_number(line));
            self.lines.push(line);
            self.accepted.push(event.accepted_at.map_or(ABSENT, Moment::ms));
            self.counties.push(county(event.county));
            self.county_sources.push(event.county_source.map_or(ABSENT, source_number));
        } else {
            self.workers.push(ABSENT);
            self.lines.push(ABSENT);
            self.accepted.push(ABSENT);
            self.counties.push(ABSENT);
            self.county_sources.push(ABSENT);
        }
        self.kinds.push(i64::from(event.kind.bit()));
        self.ended.push(event.ended_at.map_or(ABSENT, Moment::ms));
        self.occurred.push(event.occurred_at.ms());
        self.service_counties.push(county(event.service_county));
        self.resolutions.push(i64::from(event.resolution_ms));
        if let Some(origin) = &event.origin {
            self.origins.insert(row, (**origin).clone());
        }
    }

    /// Adds the kind and the times of a further event that says nothing else of its order.
    pub(super) fn push_kind(&mut self, ordinal: u32, event: &OrderEvent) {
        self.ordinals.push(i64::from(ordinal));
        self.push_fields(event, false);
    }

    /// Adds one event with the message that it came from.
    pub fn push_raw(&mut self, event: &OrderEvent, raw: RawMessage) {
        let row = u32::try_from(self.rows).unwrap_or(u32::MAX);
        self.push(None, event);
        self.raws.insert(row, raw);
    }

    /// Adds row `row` of `other`, giving it another ordinal where it has one.
    pub(super) fn push_row(&mut self, other: &Self, row: usize, ordinal: Option<i64>) {
        let at = |column: &[i64]| column.get(row).copied().unwrap_or(ABSENT);
        if let Some(id) = other.ids.get(row) {
            self.ids.push(id);
        }
        if let Some(own) = other.ordinals.get(row) {
            self.ordinals.push(ordinal.unwrap_or(*own));
        }
        let line = usize::try_from(at(&other.lines)).ok().and_then(|no| other.line_names.get(no));
        let line = line.map_or(ABSENT, |name| self.line_number(name));
        self.lines.push(line);
        self.kinds.push(at(&other.kinds));
        self.workers.push(at(&other.workers));
        self.accepted.push(at(&other.accepted));
        self.ended.push(at(&other.ended));
        self.occurred.push(at(&other.occurred));
        self.counties.push(at(&other.counties));
        self.county_sources.push(at(&other.county_sources));
        self.service_counties.push(at(&other.service_counties));
        self.resolutions.push(at(&other.resolutions));
        let (from, to) = (u32::try_from(row), u32::try_from(self.rows));
        if let (Ok(from), Ok(to)) = (from, to) {
            if let Some(origin) = other.origins.get(&from) {
                self.origins.insert(to, origin.clone());
            }
            if let Some(raw) = other.raws.get(&from) {
                self.raws.insert(to, raw.clone());
            }
        }
        self.rows += 1;
    }

    /// The event of one row of first events.
    #[must_use]
    pub fn first_event(&self, row: usize, platform: &PlatformId) -> Option<OrderEvent> {
        self.event(row, platform, None)
    }

    /// Kinds, as bits, and riders of the rows that have this order number.
    #[must_use]
    pub fn kinds_of(&self, id: &OrderId) -> Vec<(u8, Option<WorkerToken>)> {
        let rows = (0..self.rows).filter(|row| self.ids.get(*row) == Some(id.as_str()));
        let worker = |row: usize| self.workers.get(row).filter(|worker| **worker != ABSENT);
        let known = |row| {
            let worker = worker(row).map(|worker| WorkerToken(worker.cast_unsigned()));
            (self.kind_bits(row), worker)
        };
        rows.map(known).collect()
    }

    /// The same rows, ascending by ordinal; rows of one ordinal keep their order.
    #[must_use]
    pub fn sorted_by_ordinal(&self) -> Self {
        let mut rows: Vec<usize> = (0..self.rows).collect();
        rows.sort_by_key(|row| self.ordinals.get(*row).copied().unwrap_or(ABSENT));
        let mut sorted = Self::default();
        rows.into_iter().for_each(|row| sorted.push_row(self, row, None));
        sorted
    }

    /// Adds all rows of `other`, in order.
    pub fn append(&mut self, other: &Self) {
        (0..other.rows).for_each(|row| self.push_row(other, row, None));
    }

    /// The event of one row. A delta's id is not stored: the caller gives it.
    pub(super) fn event(
        &self,
        row: usize,
        platform: &PlatformId,
        delta_of: Option<&OrderId>,
    ) -> Option<OrderEvent> {
        let at = |column: &[i64]| column.get(row).copied().filter(|value| *value != ABSENT);
        let moment = |column: &[i64]| at(column).map(Moment::from_ms);
        let county = |column: &[i64]| at(column).and_then(county_of);
        let order_id = match delta_of {
            Some(id) => id.clone(),
            None => OrderId::new(self.ids.get(row)?).ok()?,
        };
        let origin = u32::try_from(row).ok().and_then(|row| self.origins.get(&row));
        Some(OrderEvent {
            kind: first_kind(at(&self.kinds)?)?,
            platform: platform.clone(),
            order_id,
            line: at(&self.lines)
                .and_then(|number| self.line_names.get(usize::try_from(number).ok()?).cloned()),
            worker: at(&self.workers).map(|token| WorkerToken(token.cast_unsigned())),
            accepted_at: moment(&self.accepted),
            ended_at: moment(&self.ended),
            occurred_at: moment(&self.occurred)?,
            county: county(&self.counties),
            county_source: at(&self.county_sources).and_then(source_of),
            service_county: county(&self.service_counties),
            origin: origin.cloned().map(Box::new),
            resolution_ms: u32::try_from(at(&self.resolutions)?).ok()?,
        })
    }

    /// Bits of the kinds that this row says (one for an event, several for a folded order).
    pub(super) fn kind_bits(&self, row: usize) -> u8 {
        self.kinds.get(row).and_then(|bits| u8::try_from(*bits & 0xff).ok()).unwrap_or(0)
    }

    pub(super) fn line_number(&mut self, line: &LineCode) -> i64 {
        let known = self.line_names.iter().position(|name| name == line);
        let place = known.unwrap_or_else(|| {
            self.line_names.push(line.clone());
            self.line_names.len() - 1
        });
        i64::try_from(place).unwrap_or(ABSENT)
    }
}

pub(super) fn first_kind(bits: i64) -> Option<OrderKind> {
    OrderKind::ALL.into_iter().find(|kind| bits & i64::from(kind.bit()) != 0)
}

pub(super) fn county_of(code: i64) -> Option<CountyCode> {
    CountyCode::new(u32::try_from(code).ok()?)
}

pub(super) const fn source_number(source: CountySource) -> i64 {
    match source {
        CountySource::Acceptance => 0,
        CountySource::Pickup => 1,
        CountySource::Registration => 2,
    }
}

pub(super) const fn source_of(number: i64) -> Option<CountySource> {
    match number {
        0 => Some(CountySource::Acceptance),
        1 => Some(CountySource::Pickup),
        2 => Some(CountySource::Registration),
        _ => None,
    }
}
