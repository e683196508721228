//! The status as JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use super::status::{BookTotal, Status};
use crate::domain::time::Moment;
use crate::store::ledger::Balance;
use crate::store::outcomes::Tally;
use crate::store::publish::Behind;
use crate::store::standing::Standing;

/// How the hub stands; amounts in fen, debit positive.
#[derive(Debug, Serialize)]
pub(super) struct StatusWire {
    closes: bool,
    total: TallyWire,
    control_points: Vec<PointWire>,
    held_by_reason: BTreeMap<String, u64>,
    balances: Vec<BalanceWire>,
    books: Vec<BookWire>,
    /// Open suspects by rule.
    suspects: BTreeMap<String, u64>,
    standings: Vec<StandingWire>,
    /// Order events that are not published yet.
    unpublished_orders: Vec<BehindWire>,
    /// Other events that are not published yet, by canonical topic.
    unpublished_others: BTreeMap<String, u64>,
}

#[derive(Debug, Serialize)]
struct TallyWire {
    received: i64,
    applied: i64,
    duplicate: i64,
    held: i64,
    ignored: i64,
    handoff: i64,
    closes: bool,
}

#[derive(Debug, Serialize)]
struct PointWire {
    connector: String,
    feed: String,
    #[serde(flatten)]
    tally: TallyWire,
}

#[derive(Debug, Serialize)]
struct BalanceWire {
    book: String,
    account: String,
    amount_fen: i64,
}

#[derive(Debug, Serialize)]
struct BookWire {
    book: String,
    debits_fen: i64,
    credits_fen: i64,
    balances: bool,
}

#[derive(Debug, Serialize)]
struct StandingWire {
    destination: String,
    owed: u64,
    delivered: u64,
    refused: u64,
    unknown: u64,
    acknowledged: u64,
    acknowledged_refused: u64,
    oldest_open_ms: Option<i64>,
}

#[derive(Debug, Serialize)]
struct BehindWire {
    topic: String,
    events: u64,
    since_ms: Option<i64>,
}

impl StatusWire {
    pub(super) fn of(status: &Status) -> Self {
        let mut suspects = BTreeMap::new();
        for suspect in &status.suspects {
            *suspects.entry(suspect.rule.clone()).or_insert(0) += 1;
        }
        let points = status.control_points.iter().map(|point| PointWire {
            connector: point.connector.clone(),
            feed: point.feed.clone(),
            tally: tally(&point.tally),
        });
        Self {
            closes: status.closes(),
            total: tally(&status.total()),
            control_points: points.collect(),
            held_by_reason: status.held_by_reason.clone(),
            balances: status.balances.iter().map(balance).collect(),
            books: status.books.iter().map(book).collect(),
            suspects,
            standings: status.standings.iter().map(standing).collect(),
            unpublished_orders: status.unpublished_orders.iter().map(behind).collect(),
            unpublished_others: status.unpublished_others.iter().cloned().collect(),
        }
    }
}

fn behind(of: &Behind) -> BehindWire {
    let (topic, since_ms) = (of.topic.clone(), of.since.map(Moment::ms));
    BehindWire { topic, events: of.events, since_ms }
}

const fn tally(of: &Tally) -> TallyWire {
    let Tally { received, applied, duplicate, held, ignored, handoff } = *of;
    TallyWire { received, applied, duplicate, held, ignored, handoff, closes: of.closes() }
}

fn balance(of: &Balance) -> BalanceWire {
    let (book, account) = (of.book.clone(), of.account.clone());
    BalanceWire { book, account, amount_fen: of.amount.get() }
}

fn book(of: &BookTotal) -> BookWire {
    BookWire {
        book: of.book.clone(),
        debits_fen: of.debits.get(),
        credits_fen: of.credits.get(),
        balances: of.balances(),
    }
}

fn standing(of: &Standing) -> StandingWire {
    StandingWire {
        destination: of.destination.to_string(),
        owed: of.owed,
        delivered: of.delivered,
        refused: of.refused,
        unknown: of.unknown,
        acknowledged: of.acknowledged,
        acknowledged_refused: of.acknowledged_refused,
        oldest_open_ms: of.oldest_open_at.map(Moment::ms),
    }
}
