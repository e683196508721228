//! Orders that stay in memory, as few bytes: those that a few bits of the known set do not
//! describe.
//!
//! An order as the merge works on it takes about a kilobyte; packed it takes about eighty bytes.
//! The platform is the partition's, and not stored.

use super::bits::{CodecError, Reader, put_int, put_varint};
use super::columns::{source_number, source_of};
use super::order::Order;
use crate::domain::event::{OrderEvent, OrderKind, Origin};
use crate::domain::ids::{ConnectorId, CountyCode, LineCode, OrderId, PlatformId, WorkerToken};
use crate::domain::time::Moment;

/// Which fields an event has, one bit each.
mod has {
    pub(super) const LINE: u64 = 1;
    pub(super) const WORKER: u64 = 1 << 1;
    pub(super) const ACCEPTED_AT: u64 = 1 << 2;
    pub(super) const ENDED_AT: u64 = 1 << 3;
    pub(super) const COUNTY: u64 = 1 << 4;
    pub(super) const COUNTY_SOURCE: u64 = 1 << 5;
    pub(super) const SERVICE_COUNTY: u64 = 1 << 6;
    pub(super) const AGENT: u64 = 1 << 7;
    pub(super) const CHANNEL: u64 = 1 << 8;
    pub(super) const UPSTREAM: u64 = 1 << 9;
}

/// An order in few bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PackedOrder(Box<[u8]>);

impl PackedOrder {
    /// Packs an order, which has at least one event.
    pub(super) fn of(order: &Order) -> Self {
        let mut out = Vec::with_capacity(96);
        out.push(order.plain_kinds());
        put_text(&mut out, order.id().map_or("", OrderId::as_str));
        put_varint(&mut out, u64::try_from(order.events().len()).unwrap_or(0));
        for event in order.events() {
            put_event(&mut out, event);
        }
        Self(out.into_boxed_slice())
    }

    /// The order.
    ///
    /// # Panics
    /// Where memory does not hold what was packed.
    pub(super) fn order(&self, platform: &PlatformId) -> Order {
        let order = take_order(&mut Reader::new(&self.0), platform);
        order.expect("a packed order reads back as it was packed")
    }

    /// Its number alone.
    pub(super) fn has_id(&self, id: &OrderId) -> bool {
        let mut reader = Reader::new(self.0.get(1..).unwrap_or_default());
        take_text(&mut reader).is_ok_and(|own| own == id.as_str())
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, u64::try_from(text.len()).unwrap_or(0));
    out.extend_from_slice(text.as_bytes());
}

fn put_event(out: &mut Vec<u8>, event: &OrderEvent) {
    let OrderEvent {
        kind,
        platform: _,
        order_id: _,
        line,
        worker,
        accepted_at,
        ended_at,
        occurred_at,
        county,
        county_source,
        service_county,
        origin: _,
        resolution_ms,
    } = event;
    let (agent, channel, upstream) = (event.agent(), event.channel(), event.upstream());
    let present = [
        (line.is_some(), has::LINE),
        (worker.is_some(), has::WORKER),
        (accepted_at.is_some(), has::ACCEPTED_AT),
        (ended_at.is_some(), has::ENDED_AT),
        (county.is_some(), has::COUNTY),
        (county_source.is_some(), has::COUNTY_SOURCE),
        (service_county.is_some(), has::SERVICE_COUNTY),
        (agent.is_some(), has::AGENT),
        (channel.is_some(), has::CHANNEL),
        (upstream.is_some(), has::UPSTREAM),
    ];
    out.push(kind.bit());
    put_varint(out, present.iter().filter(|(is, _)| *is).fold(0, |bits, (_, bit)| bits | bit));
    put_int(out, occurred_at.ms());
    put_varint(out, u64::from(*resolution_ms));
    let since = |at: &Moment| at.since_ms(*occurred_at);
    line.iter().for_each(|line| put_text(out, line.as_str()));
    worker.iter().for_each(|worker| out.extend_from_slice(&worker.0.to_le_bytes()));
    accepted_at.iter().for_each(|at| put_int(out, since(at)));
    ended_at.iter().for_each(|at| put_int(out, since(at)));
    county.iter().for_each(|county| put_varint(out, u64::from(county.get())));
    county_source.iter().for_each(|source| put_int(out, source_number(*source)));
    service_county.iter().for_each(|county| put_varint(out, u64::from(county.get())));
    agent.iter().for_each(|agent| put_text(out, agent.as_str()));
    channel.iter().for_each(|channel| put_text(out, channel));
    if let Some((platform, order)) = upstream {
        put_text(out, platform.as_str());
        put_text(out, order.as_str());
    }
}

const DAMAGED: CodecError = CodecError { what: "order", expected: "its own shape", found: 0 };

fn take_order(reader: &mut Reader<'_>, platform: &PlatformId) -> Result<Order, CodecError> {
    let plain = reader.byte()?;
    let id = OrderId::new(take_text(reader)?).or(Err(DAMAGED))?;
    let mut events = Vec::new();
    for _ in 0..reader.length()? {
        events.push(take_event(reader, platform, &id)?);
    }
    Ok(Order::from_parts(events, plain))
}

fn take_event(
    reader: &mut Reader<'_>,
    platform: &PlatformId,
    order_id: &OrderId,
) -> Result<OrderEvent, CodecError> {
    let bit = reader.byte()?;
    let kind = OrderKind::ALL.into_iter().find(|kind| kind.bit() == bit).ok_or(DAMAGED)?;
    let fields = reader.varint()?;
    let has = |bit: u64| fields & bit != 0;
    let occurred_at = Moment::from_ms(reader.int()?);
    let resolution_ms = u32::try_from(reader.varint()?).or(Err(DAMAGED))?;
    let line = has(has::LINE).then(|| LineCode::new(take_text(reader)?).or(Err(DAMAGED)));
    let line = line.transpose()?;
    let worker = has(has::WORKER).then(|| take_worker(reader)).transpose()?;
    let mut moment =
        |bit: u64| has(bit).then(|| Ok(occurred_at.plus_ms(reader.int()?))).transpose();
    let (accepted_at, ended_at) = (moment(has::ACCEPTED_AT)?, moment(has::ENDED_AT)?);
    let county = has(has::COUNTY).then(|| take_county(reader)).transpose()?;
    let source = has(has::COUNTY_SOURCE).then(|| source_of(reader.int()?).ok_or(DAMAGED));
    let county_source = source.transpose()?;
    let service_county = has(has::SERVICE_COUNTY).then(|| take_county(reader)).transpose()?;
    let agent = has(has::AGENT).then(|| ConnectorId::new(take_text(reader)?).or(Err(DAMAGED)));
    let agent = agent.transpose()?;
    let channel = has(has::CHANNEL).then(|| take_text(reader).map(str::to_owned)).transpose()?;
    let upstream = has(has::UPSTREAM).then(|| take_upstream(reader)).transpose()?;
    Ok(OrderEvent {
        kind,
        platform: platform.clone(),
        order_id: order_id.clone(),
        line,
        worker,
        accepted_at,
        ended_at,
        occurred_at,
        county,
        county_source,
        service_county,
        origin: Origin { agent, channel, upstream }.boxed(),
        resolution_ms,
    })
}

fn take_text<'a>(reader: &mut Reader<'a>) -> Result<&'a str, CodecError> {
    let length = reader.length()?;
    std::str::from_utf8(reader.take(length)?).or(Err(DAMAGED))
}

fn take_worker(reader: &mut Reader<'_>) -> Result<WorkerToken, CodecError> {
    let bytes = reader.take(8)?;
    Ok(WorkerToken(u64::from_le_bytes(bytes.try_into().or(Err(DAMAGED))?)))
}

fn take_county(reader: &mut Reader<'_>) -> Result<CountyCode, CodecError> {
    let code = u32::try_from(reader.varint()?).or(Err(DAMAGED))?;
    CountyCode::new(code).ok_or(DAMAGED)
}

fn take_upstream(reader: &mut Reader<'_>) -> Result<(PlatformId, OrderId), CodecError> {
    let platform = PlatformId::new(take_text(reader)?).or(Err(DAMAGED))?;
    Ok((platform, OrderId::new(take_text(reader)?).or(Err(DAMAGED))?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::orders::tests::{accepted, bare, day, platform};

    #[test]
    fn every_field_comes_back() {
        let at = day("2026-07-20").start().plus_ms(36_000_123);
        let full = OrderEvent {
            origin: Some(Box::new(Origin {
                agent: Some(ConnectorId::new("agent-a").unwrap()),
                channel: Some("高德".to_owned()),
                upstream: Some((
                    PlatformId::new("didi-chuxing").unwrap(),
                    OrderId::new("u1").unwrap(),
                )),
            })),
            ended_at: Some(at.plus_ms(-1)),
            service_county: CountyCode::new(150_105),
            ..accepted("4000408310259462536", u64::MAX, at, 110_105)
        };
        for first in [full.clone(), bare("4000408310259462536", OrderKind::Void, at)] {
            let mut order = Order::new(first);
            order.add(OrderEvent { worker: Some(WorkerToken(7)), ..full.clone() });
            order.add(bare("4000408310259462536", OrderKind::Completed, at.plus_ms(9)));
            let packed = PackedOrder::of(&order);
            assert_eq!(packed.order(&platform()), order);
            assert!(packed.has_id(&full.order_id));
            assert!(!packed.has_id(&OrderId::new("400040831025946253").unwrap()));
        }
    }

    #[test]
    fn a_reassigned_order_takes_about_a_hundred_bytes() {
        let at = day("2026-07-20").start().plus_ms(36_000_123);
        let mut order = Order::new(accepted("4000408310259462536", 1, at, 150_102));
        order.add(accepted("4000408310259462536", 2, at.plus_ms(60_000), 150_102));
        let bytes = PackedOrder::of(&order).0.len();
        assert!(bytes <= 120, "{bytes} bytes");
    }
}
