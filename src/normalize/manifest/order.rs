//! How a feed's order messages are read: the status table, and the fields of each kind.

use super::document::Node;
use super::kinds::{Kind, Rule};
use super::source::{Read, Source, Surroundings};
use super::{ManifestError, kinds};
use crate::domain::event::OrderKind;

/// The mapping of order messages.
#[derive(Clone, Debug)]
pub(in crate::normalize) struct OrderPlan {
    /// Where the native status stands.
    pub(in crate::normalize) status: Read,
    /// What each native status means; `None` is ignored.
    pub(in crate::normalize) meanings: Vec<(String, Option<OrderKind>)>,
    /// Fields by kind, in the order of [`OrderKind::ALL`]; `None` where no status leads to it.
    fields: [Option<OrderFields>; 4],
}

/// Where the fields of one kind of order message stand.
#[derive(Clone, Debug)]
pub(in crate::normalize) struct OrderFields {
    pub(in crate::normalize) order_id: Source,
    pub(in crate::normalize) line: Source,
    pub(in crate::normalize) occurred_at: Source,
    pub(in crate::normalize) worker: Option<Source>,
    pub(in crate::normalize) accepted_at: Option<Source>,
    pub(in crate::normalize) ended_at: Option<Source>,
    pub(in crate::normalize) county: Option<Source>,
    pub(in crate::normalize) service_county: Option<Source>,
    pub(in crate::normalize) channel: Option<Source>,
    pub(in crate::normalize) upstream: Option<(Source, Source)>,
}

impl OrderPlan {
    /// Compiles a record that makes orders.
    pub(super) fn compile(
        record: Node<'_>,
        around: &mut Surroundings<'_>,
    ) -> Result<Self, ManifestError> {
        let status = record.need("status")?;
        status.only(&["path", "kinds", "ignored"])?;
        let read = Read::compile(status.need("path")?, kinds::Shape::Text, around)?;
        let meanings = meanings(status)?;
        let on = record.get("on");
        if let Some(on) = on {
            on.only(&OrderKind::ALL.map(OrderKind::code))?;
        }
        let mut fields = [None, None, None, None];
        for (kind, place) in OrderKind::ALL.into_iter().zip(&mut fields) {
            let own = on.and_then(|on| on.get(kind.code()));
            let reached = meanings.iter().any(|(_, to)| *to == Some(kind));
            if reached {
                *place = Some(OrderFields::compile(record.need("fields")?, own, kind, around)?);
            } else if let Some(own) = own {
                return Err(own.error("expected a status that leads here, found none"));
            } else if kind == OrderKind::Accepted {
                return Err(status.error("expected a status that means accepted: a hole"));
            }
        }
        Ok(Self { status: read, meanings, fields })
    }

    /// The fields of a kind.
    pub(in crate::normalize) fn fields(&self, kind: OrderKind) -> Option<&OrderFields> {
        let [accepted, completed, cancelled, void] = &self.fields;
        match kind {
            OrderKind::Accepted => accepted.as_ref(),
            OrderKind::Completed => completed.as_ref(),
            OrderKind::Cancelled => cancelled.as_ref(),
            OrderKind::Void => void.as_ref(),
        }
    }

    /// Where the order number stands, the same for every kind.
    pub(in crate::normalize) fn order_id(&self) -> Option<&Source> {
        self.fields.iter().flatten().map(|fields| &fields.order_id).next()
    }

    /// Where the line stands, for each kind.
    pub(super) fn lines(&self) -> impl Iterator<Item = &Source> {
        self.fields.iter().flatten().map(|fields| &fields.line)
    }
}

fn meanings(status: Node<'_>) -> Result<Vec<(String, Option<OrderKind>)>, ManifestError> {
    let mut meanings = Vec::new();
    for entry in status.need("kinds")?.entries() {
        let word = entry.text()?;
        let kind = OrderKind::ALL.into_iter().find(|kind| kind.code() == word);
        let Some(kind) = kind else {
            let words = OrderKind::ALL.map(OrderKind::code).join(", ");
            return Err(entry.error(format!("expected {words}, found {word:?}")));
        };
        meanings.push((entry.key().to_owned(), Some(kind)));
    }
    for ignored in status.list_of("ignored")? {
        let native = ignored.text()?;
        if meanings.iter().any(|(known, _)| known == native) {
            let detail = format!("status {native:?}: expected one meaning, found a second");
            return Err(ignored.error(detail));
        }
        meanings.push((native.to_owned(), None));
    }
    Ok(meanings)
}

impl OrderFields {
    fn compile(
        common: Node<'_>,
        own: Option<Node<'_>>,
        kind: OrderKind,
        around: &mut Surroundings<'_>,
    ) -> Result<Self, ManifestError> {
        let rules = Kind::Order.rules();
        let names: Vec<&str> = rules.iter().map(|rule| rule.name).collect();
        common.only(&names)?;
        if let Some(own) = own {
            own.only(&names)?;
            if let Some(id) = own.get("order_id") {
                return Err(id.error("expected one place for all kinds: it is the partition key"));
            }
        }
        let mut find = |name: &str| -> Result<Option<Source>, ManifestError> {
            let rule = rules.iter().find(|rule| rule.name == name);
            let node = own.and_then(|own| own.get(name)).or_else(|| common.get(name));
            match (rule, node) {
                (Some(Rule { shape, .. }), Some(node)) => {
                    Source::compile(node, *shape, around).map(Some)
                }
                (Some(_) | None, _) => Ok(None),
            }
        };
        let at = own.unwrap_or(common);
        let unmapped = |name: &str| {
            at.error(format!("required field {name} of {}: expected a source", kind.code()))
        };
        let fields = Self {
            order_id: find("order_id")?.ok_or_else(|| unmapped("order_id"))?,
            line: find("line")?.ok_or_else(|| unmapped("line"))?,
            occurred_at: find("occurred_at")?.ok_or_else(|| unmapped("occurred_at"))?,
            worker: find("worker")?,
            accepted_at: find("accepted_at")?,
            ended_at: find("ended_at")?,
            county: find("county")?,
            service_county: find("service_county")?,
            channel: find("channel")?,
            upstream: match (find("upstream_platform")?, find("upstream_order")?) {
                (Some(platform), Some(order)) => Some((platform, order)),
                (None, None) => None,
                (Some(_), None) => return Err(unmapped("upstream_order")),
                (None, Some(_)) => return Err(unmapped("upstream_platform")),
            },
        };
        let is_acceptance = kind == OrderKind::Accepted;
        for (name, source) in [("worker", &fields.worker), ("accepted_at", &fields.accepted_at)] {
            if is_acceptance && source.is_none() {
                return Err(unmapped(name));
            }
        }
        if fields.accepted_at.is_some() && fields.county.is_none() {
            return Err(unmapped("county"));
        }
        Ok(fields)
    }
}
