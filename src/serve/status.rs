//! How the hub stands: the control points of the promise per connector and feed, what is held, the
//! two books, open suspects and what counterparties say. A plain value of one snapshot, for the
//! page, the API and `zhibao status`.

use std::collections::BTreeMap;

use super::ServeError;
use crate::domain::money::Fen;
use crate::store::crashes::{self, Crash};
use crate::store::growth;
use crate::store::ledger::{Balance, Turnover};
use crate::store::outcomes::Tally;
use crate::store::pauses::{self, Pause};
use crate::store::positions::PartitionKey;
use crate::store::publish::{self, Behind};
use crate::store::standing::{Standing, standings};
use crate::store::suspects::Suspect;
use crate::store::{Tx, held, ledger, outcomes, publish_outbox, suspects, uint};

/// What became of the messages of one feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlPoint {
    /// The counterparty.
    pub connector: String,
    /// Its feed.
    pub feed: String,
    /// The terms of the promise.
    pub tally: Tally,
}

/// Debits and credits of one book, over all its accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookTotal {
    /// `cash` or `memo`.
    pub book: String,
    /// Sum of all debits.
    pub debits: Fen,
    /// Sum of all credits, positive.
    pub credits: Fen,
}

/// How the hub stands at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// By connector and feed; a feed that never sent is absent.
    pub control_points: Vec<ControlPoint>,
    /// Held messages by the code of their reason.
    pub held_by_reason: BTreeMap<String, u64>,
    /// Balance of every account that was posted to, by book and account.
    pub balances: Vec<Balance>,
    /// Totals of each book.
    pub books: Vec<BookTotal>,
    /// Open suspects (疑点), the oldest first.
    pub suspects: Vec<Suspect>,
    /// What each destination has, refused and acknowledged.
    pub standings: Vec<Standing>,
    /// Order events that are not published yet, by raw topic.
    pub unpublished_orders: Vec<Behind>,
    /// Other events that are not published yet, by canonical topic.
    pub unpublished_others: Vec<(String, u64)>,
    /// Connectors that wait for an operator.
    pub pauses: Vec<Pause>,
    /// Topics that are being grown, and to how many partitions.
    pub growing: Vec<(String, u32)>,
    /// Crashes of the applying side whose record is still looked for.
    pub crashes: Vec<(PartitionKey, Crash)>,
}

impl BookTotal {
    /// Whether debits equal credits.
    #[must_use]
    pub fn balances(&self) -> bool {
        self.debits == self.credits
    }
}

impl Status {
    /// The terms of the promise over all connectors.
    #[must_use]
    pub fn total(&self) -> Tally {
        let mut total = Tally::default();
        for point in &self.control_points {
            total.add(&point.tally);
        }
        total
    }

    /// Messages that lie held with their bytes.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.held_by_reason.values().sum()
    }

    /// Whether everything adds up: every control point closes, as many messages lie held as the
    /// control points say, and each book's debits equal its credits.
    #[must_use]
    pub fn closes(&self) -> bool {
        self.control_points.iter().all(|point| point.tally.closes())
            && self.held() == uint(self.total().held)
            && self.books.iter().all(BookTotal::balances)
    }
}

/// How the hub stands in this snapshot.
///
/// # Errors
/// [`ServeError`] where the database fails or a sum of a book leaves the range of money.
pub async fn status(tx: &mut Tx) -> Result<Status, ServeError> {
    let points = outcomes::by_feed(tx).await?;
    let point = |(connector, feed, tally)| ControlPoint { connector, feed, tally };
    Ok(Status {
        control_points: points.into_iter().map(point).collect(),
        held_by_reason: held::by_reason(tx).await?,
        balances: ledger::balances(tx).await?,
        books: totals(&ledger::trial_balance(tx).await?)?,
        suspects: suspects::open(tx).await?,
        standings: standings(tx).await?,
        unpublished_orders: publish::behind(tx).await?,
        unpublished_others: publish_outbox::waiting(tx).await?,
        pauses: pauses::all(tx).await?,
        growing: growing(tx).await?,
        crashes: crashes::all(tx).await?,
    })
}

async fn growing(tx: &mut Tx) -> Result<Vec<(String, u32)>, ServeError> {
    let topics = growth::of_all(tx).await?.into_iter();
    Ok(topics.filter_map(|(topic, growth)| Some((topic, growth.growing_to?))).collect())
}

fn totals(turnovers: &[Turnover]) -> Result<Vec<BookTotal>, ServeError> {
    let mut books: BTreeMap<&str, (Fen, Fen)> = BTreeMap::new();
    for turnover in turnovers {
        let (debits, credits) = books.entry(&turnover.book).or_default();
        *debits = debits.plus(turnover.debits)?;
        *credits = credits.plus(turnover.credits)?;
    }
    let total = |(book, (debits, credits)): (&str, (Fen, Fen))| BookTotal {
        book: book.to_owned(),
        debits,
        credits,
    };
    Ok(books.into_iter().map(total).collect())
}
