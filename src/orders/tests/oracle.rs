//! The naive oracle: every order is the list of its messages, and everything is counted again
//! from nothing. It shares no code with the book: the rules are written out a second time.

use std::collections::{BTreeMap, BTreeSet};

use super::{Message, POLICY};
use crate::domain::event::{OrderEvent, OrderKind};
use crate::domain::time::{Day, Moment};

/// What became of a message, by the rules alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Became {
    Applied,
    Duplicate,
    Held,
}

#[derive(Clone, Default)]
pub(super) struct Oracle {
    orders: BTreeMap<String, Vec<(OrderEvent, Became, usize)>>,
}

/// Line, day and county.
pub(super) type Cell = (String, Day, u32);

impl Oracle {
    pub(super) fn feed(&mut self, message: &Message) -> Became {
        let id = message.event.order_id.as_str().to_owned();
        let list = self.orders.entry(id).or_default();
        let became = judge(list, &message.event);
        list.push((message.event.clone(), became, message.seq));
        became
    }

    /// What has waited for an acceptance that never came is held, but for tombstones.
    pub(super) fn end_waiting(&mut self) {
        for list in self.orders.values_mut() {
            if facts(list).any(|event| event.accepted_at.is_some()) {
                continue;
            }
            for (event, became, _) in list.iter_mut() {
                let is_tombstone = matches!(event.kind, OrderKind::Cancelled | OrderKind::Void);
                if *became == Became::Applied && !is_tombstone {
                    *became = Became::Held;
                }
            }
        }
    }

    pub(super) fn tallies(&self) -> BTreeMap<u8, usize> {
        let mut tallies = BTreeMap::new();
        for (_, became, _) in self.orders.values().flatten() {
            let letter = match became {
                Became::Applied => b'A',
                Became::Duplicate => b'D',
                Became::Held => b'H',
            };
            *tallies.entry(letter).or_insert(0) += 1;
        }
        tallies
    }

    /// Where and when an order counts.
    pub(super) fn cell(&self, id: &str) -> Option<Cell> {
        let list = self.orders.get(id)?;
        let earliest = facts(list)
            .filter(|event| event.accepted_at.is_some())
            .min_by_key(|event| (event.accepted_at, event.worker))?;
        let at = earliest.accepted_at.unwrap();
        let is_void = facts(list).any(|event| event.kind == OrderKind::Void);
        let is_cancelled_before =
            facts(list).any(|event| event.kind == OrderKind::Cancelled && event.occurred_at < at);
        let code = earliest.county?.get();
        let start = Day::parse("2026-07-01").unwrap();
        if is_void || is_cancelled_before || code / 10_000 != 15 || at.day() < start {
            return None;
        }
        let line = facts(list).find_map(|event| event.line.as_ref())?;
        Some((line.as_str().to_owned(), at.day(), code))
    }

    pub(super) fn counts(&self) -> BTreeMap<Cell, i64> {
        let mut counts = BTreeMap::new();
        for cell in self.orders.keys().filter_map(|id| self.cell(id)) {
            *counts.entry(cell).or_insert(0) += 1;
        }
        counts
    }

    /// Unit and rider of each acceptance of a counted order, by the day that it counts on.
    pub(super) fn riders(&self) -> BTreeMap<Day, BTreeSet<(u32, u64)>> {
        let mut riders: BTreeMap<Day, BTreeSet<(u32, u64)>> = BTreeMap::new();
        for (id, list) in &self.orders {
            let Some((_, day, code)) = self.cell(id) else { continue };
            let mut rows = POLICY.counties().iter();
            let unit = rows.rfind(|row| row.code.get() == code).unwrap().unit.get();
            for event in facts(list).filter(|event| event.accepted_at.is_some()) {
                let own = riders.entry(day).or_default();
                own.extend(event.worker.map(|worker| (unit, worker.0)));
            }
        }
        riders.retain(|_, riders| !riders.is_empty());
        riders
    }

    /// Kinds seen and riders who accepted.
    pub(super) fn kinds_and_acceptors(&self, id: &str) -> (u8, BTreeSet<u64>) {
        let list = &self.orders[id];
        let kinds = facts(list).fold(0, |bits, event| bits | event.kind.bit());
        let accepting = facts(list).filter(|event| event.accepted_at.is_some());
        (kinds, accepting.filter_map(|event| event.worker).map(|worker| worker.0).collect())
    }
}

/// Everything that is known of an order: what is held is not.
fn facts(list: &[(OrderEvent, Became, usize)]) -> impl Iterator<Item = &OrderEvent> {
    list.iter().filter(|(_, became, _)| *became != Became::Held).map(|(event, ..)| event)
}

fn judge(list: &[(OrderEvent, Became, usize)], event: &OrderEvent) -> Became {
    let lines: BTreeSet<_> = facts(list).filter_map(|known| known.line.as_ref()).collect();
    if event.line.as_ref().is_some_and(|line| !lines.is_empty() && !lines.contains(line)) {
        return Became::Held;
    }
    let known: BTreeSet<_> = facts(list).filter_map(|known| known.worker).collect();
    if event.worker.is_some_and(|worker| !known.is_empty() && !known.contains(&worker)) {
        let accepted = facts(list).filter_map(|known| known.accepted_at).min();
        let first = facts(list).map(|known| known.occurred_at).min().unwrap();
        let away = event.accepted_at.unwrap_or(event.occurred_at).ms();
        let away = (away - accepted.unwrap_or(first).ms()).abs();
        return if away > 24 * 3_600_000 { Became::Held } else { Became::Applied };
    }
    let same: Vec<_> = facts(list)
        .filter(|known| {
            event.worker.is_none() || known.worker.is_none() || known.worker == event.worker
        })
        .collect();
    let second = |at: Moment| at.ms() / 1000;
    let times: BTreeSet<_> =
        same.iter().filter_map(|known| known.accepted_at.map(second)).collect();
    if event.accepted_at.is_some_and(|at| !times.is_empty() && !times.contains(&second(at))) {
        return Became::Held;
    }
    let counties: BTreeSet<_> = same.iter().filter_map(|known| known.county).collect();
    if event.county.is_some_and(|county| !counties.is_empty() && !counties.contains(&county)) {
        return Became::Held;
    }
    if same.iter().any(|known| known.kind == event.kind) {
        return Became::Duplicate;
    }
    Became::Applied
}
