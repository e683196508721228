//! What must come of what was sent: the rules written out a second time, on lists of messages and
//! with integers. Nothing here reads a manifest, the policy or the books.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::platforms::{Fact, Kind, Platform};
use super::traffic::{Message, Says};
use crate::domain::time::{Day, Moment, Month};

/// Day, county and orders of one platform.
pub(super) type Counts = BTreeMap<(Platform, Day, u32), i64>;

/// What must come of what was sent.
#[derive(Debug, Default)]
pub(super) struct Truth {
    pub(super) counts: Counts,
    /// Messages applied, by platform.
    pub(super) applied: BTreeMap<Platform, i64>,
    /// Digests of messages that lie held, by platform.
    pub(super) held: BTreeMap<Platform, BTreeSet<[u8; 32]>>,
    /// Published events that stand, by platform, order number and kind: one for each rider.
    pub(super) published: BTreeMap<(Platform, String, &'static str), usize>,
}

/// What a message says, and its bytes.
type Said<'m> = (&'m Fact, &'m [u8]);

/// What became of a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Became {
    Applied,
    Duplicate,
    Held,
}

impl Truth {
    /// Works out what must come of these messages.
    pub(super) fn of(messages: &[Message]) -> Self {
        let mut truth = Self::default();
        let mut orders: BTreeMap<(Platform, &str), Vec<Said<'_>>> = BTreeMap::new();
        for message in messages {
            match &message.says {
                Says::Order(id, fact) => {
                    let said = orders.entry((message.platform, id)).or_default();
                    said.push((fact, &message.value));
                }
                Says::Broken => truth.hold(message.platform, &message.value),
                Says::Ignored => {}
            }
        }
        for ((platform, id), said) in orders {
            truth.order(platform, id, &said);
        }
        truth
    }

    fn hold(&mut self, platform: Platform, value: &[u8]) {
        self.held.entry(platform).or_default().insert(Sha256::digest(value).into());
    }

    fn order(&mut self, platform: Platform, id: &str, said: &[Said<'_>]) {
        let mut became: Vec<Became> = Vec::new();
        for (place, (fact, _)) in said.iter().enumerate() {
            let before = said.iter().zip(&became).take(place);
            let before = before.filter(|(_, became)| **became != Became::Held);
            let before: Vec<&Fact> = before.map(|((fact, _), _)| *fact).collect();
            became.push(judge(platform, &before, fact));
        }
        let standing = said.iter().zip(&became).filter(|(_, became)| **became == Became::Applied);
        let standing: Vec<&Fact> = standing.map(|((fact, _), _)| *fact).collect();
        let is_accepted = standing.iter().any(|fact| fact.accepted_at.is_some());
        for ((fact, value), became) in said.iter().zip(became) {
            let is_tombstone = matches!(fact.kind, Kind::Cancelled | Kind::Void);
            match became {
                // What was completed without anybody who accepted it is held in the end.
                Became::Applied if is_accepted || is_tombstone => {
                    *self.applied.entry(platform).or_default() += 1;
                    let key = (platform, id.to_owned(), fact.kind.word());
                    *self.published.entry(key).or_default() += 1;
                }
                Became::Applied | Became::Held => self.hold(platform, value),
                Became::Duplicate => {}
            }
        }
        if let Some((day, county)) = counted(&standing) {
            *self.counts.entry((platform, day, county)).or_default() += 1;
        }
    }

    /// Orders of a platform in a month, and what is due for them in fen: rounded once, half up.
    pub(super) fn levy(&self, platform: Platform, month: Month) -> (i64, i64) {
        let own = self.counts.iter();
        let own = own.filter(|((of, day, _), _)| *of == platform && day.month() == month);
        let orders: i64 = own.map(|(_, orders)| orders).sum();
        (orders, (orders * platform.rate_li() + 5) / 10)
    }

    /// Counties and orders of a platform's day.
    pub(super) fn day(&self, platform: Platform, day: Day) -> BTreeMap<u32, i64> {
        let own = self.counts.iter().filter(|((of, on, _), _)| *of == platform && *on == day);
        own.map(|((_, _, county), orders)| (*county, *orders)).collect()
    }
}

/// What a message is to what was applied before it.
fn judge(platform: Platform, before: &[&Fact], fact: &Fact) -> Became {
    if fact.county == Some(159_999) {
        return Became::Held;
    }
    let is_same =
        |known: &&&Fact| fact.rider.is_none() || known.rider.is_none() || known.rider == fact.rider;
    let same: Vec<_> = before.iter().filter(is_same).collect();
    let unit = |at: Moment| at.ms().div_euclid(platform.resolution_ms());
    let times: BTreeSet<i64> =
        same.iter().filter_map(|known| known.accepted_at.map(unit)).collect();
    if fact.accepted_at.is_some_and(|at| !times.is_empty() && !times.contains(&unit(at))) {
        return Became::Held;
    }
    let is_seen = same.iter().any(|known| known.kind == fact.kind);
    if is_seen { Became::Duplicate } else { Became::Applied }
}

/// Day and county that an order counts on: those of its earliest acceptance, unless it is void, was
/// cancelled before, or lies outside the region or before the scheme's start.
fn counted(facts: &[&Fact]) -> Option<(Day, u32)> {
    let accepting = facts.iter().filter_map(|fact| Some((fact.accepted_at?, fact.county)));
    let (at, county) = accepting.min()?;
    let is_void = facts.iter().any(|fact| fact.kind == Kind::Void);
    let mut cancels = facts.iter().filter(|fact| fact.kind == Kind::Cancelled);
    let is_cancelled_before = cancels.any(|fact| fact.at < at);
    let county = county.filter(|county| county / 10_000 == 15)?;
    let start = Day::from_ymd(2026, 7, 1)?;
    (!is_void && !is_cancelled_before && at.day() >= start).then_some((at.day(), county))
}
