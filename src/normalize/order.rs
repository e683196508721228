//! Order messages: the hot path.

use compact_str::CompactString;

use super::Normalized;
use super::fields::{Fields, cut};
use super::manifest::order::{OrderFields, OrderPlan};
use super::manifest::source::Source;
use super::token::TokenKeys;
use crate::domain::event::{CountySource, OrderEvent, OrderKind, Origin};
use crate::domain::hold::HoldReason;
use crate::domain::ids::{CountyCode, LineCode, OrderId, PlatformId};

/// What every order message of a feed shares.
#[derive(Clone, Copy)]
pub(super) struct Scope<'m> {
    pub(super) platform: &'m PlatformId,
    pub(super) resolution_ms: u32,
    pub(super) keys: &'m TokenKeys,
}

/// What an order message says.
pub(super) fn read(plan: &OrderPlan, scope: Scope<'_>, mut fields: Fields<'_, '_>) -> Normalized {
    let Some(status) = fields.code(&plan.status) else {
        return without_meaning(plan, fields);
    };
    let meaning = plan.meanings.iter().find(|(native, _)| *native == *status);
    match meaning.map(|(_, kind)| kind) {
        Some(Some(kind)) => match plan.fields(*kind) {
            Some(sources) => event(*kind, sources, scope, fields),
            None => without_meaning(plan, fields),
        },
        Some(None) => match fields.fault() {
            None => Normalized::Ignored { status: CompactString::from(status) },
            Some(reason) => Normalized::Held(Box::new(reason)),
        },
        None => {
            fields.hold(HoldReason::StatusUnknown { status: cut(&status) });
            without_meaning(plan, fields)
        }
    }
}

/// Holds a message whose status says nothing, for the first of its faults.
fn without_meaning(plan: &OrderPlan, mut fields: Fields<'_, '_>) -> Normalized {
    if let Some(source) = plan.order_id() {
        fields.own_order_id(source);
    }
    held(fields)
}

fn held(fields: Fields<'_, '_>) -> Normalized {
    let defect = || HoldReason::Defect { detail: "a field without value or reason".to_owned() };
    Normalized::Held(Box::new(fields.fault().unwrap_or_else(defect)))
}

fn event(
    kind: OrderKind,
    sources: &OrderFields,
    scope: Scope<'_>,
    mut fields: Fields<'_, '_>,
) -> Normalized {
    let Scope { platform, resolution_ms, keys } = scope;
    let order_id = fields.own_order_id(&sources.order_id);
    let line = fields.id(&sources.line, LineCode::new);
    fields.need(&sources.line, line.as_ref());
    let occurred_at = fields.moment(&sources.occurred_at);
    fields.need(&sources.occurred_at, occurred_at);
    let worker = sources.worker.as_ref().and_then(|source| {
        let rider = fields.text(source);
        let rider = if kind == OrderKind::Accepted { fields.need(source, rider) } else { rider };
        rider.map(|rider| keys.worker(platform, &rider))
    });
    let accepted_at = sources.accepted_at.as_ref().and_then(|source| {
        let moment = fields.moment(source);
        if kind == OrderKind::Accepted { fields.need(source, moment) } else { moment }
    });
    let (county, county_source) = match (accepted_at, &sources.county) {
        (Some(_), Some(source)) => acceptance_county(source, &mut fields),
        (Some(_) | None, _) => (None, None),
    };
    let ended_at = match (kind, &sources.ended_at) {
        (OrderKind::Completed | OrderKind::Cancelled, Some(source)) => fields.moment(source),
        (OrderKind::Accepted | OrderKind::Void, _) | (_, None) => None,
    };
    let service_county = sources.service_county.as_ref().and_then(|source| fields.county(source));
    let channel = sources.channel.as_ref().and_then(|source| fields.text(source));
    let channel = channel.map(|channel| channel.into_owned());
    let upstream = sources.upstream.as_ref().and_then(|(platform, order)| {
        let platform = fields.id(platform, PlatformId::new);
        platform.zip(fields.id(order, OrderId::new))
    });
    if fields.is_whole()
        && let (Some(order_id), Some(line), Some(occurred_at)) = (order_id, line, occurred_at)
    {
        return Normalized::Order(OrderEvent {
            kind,
            platform: platform.clone(),
            order_id,
            line: Some(line),
            worker,
            accepted_at,
            ended_at,
            occurred_at,
            county,
            county_source,
            service_county,
            origin: Origin { agent: None, channel, upstream }.boxed(),
            resolution_ms,
        });
    }
    held(fields)
}

/// The county of acceptance, which everything that is an acceptance must have.
fn acceptance_county(
    source: &Source,
    fields: &mut Fields<'_, '_>,
) -> (Option<CountyCode>, Option<CountySource>) {
    let county = fields.county(source);
    fields.need(source, county);
    (county, county.and_then(|_| fields.place(source)).map(|read| read.county))
}
