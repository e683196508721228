//! Order events: one writer for an event on its own and for millions out of columns.

use super::{EncodeError, write_worker};
use crate::domain::ids::CountyCode;
use crate::domain::message::Source;
use crate::domain::order_view::{OrderEventIds, OrderView};
use crate::domain::time::Moment;
use crate::schema::framing::head;
use crate::schema::wire::Datum;

/// What the order events of one batch share.
#[derive(Clone, Debug)]
pub struct OrderOrigin<'a> {
    /// The counterparty's folder.
    pub connector: &'a str,
    /// The stream; an order is the merge of its platform's feeds, so this is one word for all.
    pub feed: &'a str,
    /// The first position of the batch.
    pub source: Source,
    /// Append time of the batch.
    pub received_at: Moment,
    /// The number of the schema in each frame.
    pub schema_id: u32,
}

/// Writes framed order events of one batch, one after another into the same bytes.
pub struct OrderFramer {
    ids: OrderEventIds,
    datum: Datum,
    /// Connector, feed and source, encoded once.
    origin: Datum,
    received_at: Moment,
    head: [u8; 5],
}

impl OrderFramer {
    /// A framer for the events of one batch.
    ///
    /// # Errors
    /// [`EncodeError::CountTooLarge`] where the position does not fit.
    pub fn new(origin: &OrderOrigin<'_>) -> Result<Self, EncodeError> {
        let mut encoded = Datum::default();
        encoded.string(origin.connector);
        encoded.string(origin.feed);
        write_source(&mut encoded, &origin.source)?;
        let (ids, datum) = (OrderEventIds::default(), Datum::default());
        let (received_at, head) = (origin.received_at, head(origin.schema_id));
        Ok(Self { ids, datum, origin: encoded, received_at, head })
    }

    /// The event in its frame, until the next one is written.
    pub fn frame(&mut self, event: &OrderView<'_>) -> &[u8] {
        self.datum.begin(&self.head);
        self.datum.string(self.ids.of(event));
        self.datum.append(&self.origin);
        self.datum.long(event.occurred_at.ms());
        self.datum.long(self.received_at.ms());
        write_order(&mut self.datum, event);
        self.datum.as_bytes()
    }
}

pub(super) fn write_source(datum: &mut Datum, source: &Source) -> Result<(), EncodeError> {
    let Source { topic, partition, offset } = source;
    datum.string(topic);
    datum.long(i64::from(*partition));
    datum.count("source.offset", *offset)
}

/// Everything after the envelope.
pub(super) fn write_order(datum: &mut Datum, event: &OrderView<'_>) {
    let OrderView {
        kind: _,
        is_withdrawn: _,
        platform,
        agent,
        order_id,
        line,
        worker,
        accepted_at,
        ended_at,
        occurred_at: _,
        county,
        county_source,
        service_county,
        channel,
        upstream,
        resolution_ms,
    } = *event;
    datum.string(event.code());
    datum.string(platform.as_str());
    datum.optional(agent, |datum, agent| datum.string(agent.as_str()));
    datum.string(order_id);
    datum.optional(line, |datum, line| datum.string(line.as_str()));
    datum.optional(worker, write_worker);
    datum.optional(accepted_at, |datum, at| datum.long(at.ms()));
    datum.optional(ended_at, |datum, at| datum.long(at.ms()));
    datum.optional(county, write_county);
    datum.optional(county_source, |datum, source| datum.string(source.code()));
    datum.optional(service_county, write_county);
    datum.optional(channel, Datum::string);
    datum.optional(upstream, |datum, (platform, order_id)| {
        datum.string(platform.as_str());
        datum.string(order_id.as_str());
    });
    datum.long(i64::from(resolution_ms));
}

pub(super) fn write_county(datum: &mut Datum, county: CountyCode) {
    datum.digits(county.get());
}
