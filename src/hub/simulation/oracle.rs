//! Holds the books at rest against the truth. It reads tables, the log's history and what the
//! counterparties took, and calls nothing of the hub that worked them out.

mod outward;

use std::collections::{BTreeMap, BTreeSet};

use sqlx::Row;

use super::SimulationError;
use super::platforms::Platform;
use super::traffic::{Message, Says};
use super::truth::Truth;
use super::world::World;
use crate::domain::time::{Day, Month};
use crate::log::simulated::Kept;
use crate::store::Tx;

/// Most differences of one kind that are told.
const TOLD_MAX: usize = 5;

/// Everything that is not as it must be, one line each.
pub(super) async fn differences(world: &World) -> Result<Vec<String>, SimulationError> {
    let truth = Truth::of(world.messages());
    let mut tx = world.shared.db.without_faults().snapshot().await?;
    let mut found = Found::default();
    found.sent(world);
    found.counts(&mut tx, &truth).await?;
    found.ends(&mut tx, world, &truth).await?;
    found.held(&mut tx, &truth).await?;
    found.levies(&mut tx, world, &truth).await?;
    found.entries(&mut tx).await?;
    found.snapshots(&mut tx, world, &truth).await?;
    found.outbox(&mut tx, world).await?;
    found.published(world, &truth);
    found.rest(&mut tx).await?;
    tx.commit().await?;
    Ok(found.0)
}

/// Differences that were found.
#[derive(Default)]
struct Found(Vec<String>);

impl Found {
    fn tell(&mut self, what: impl Into<String>) {
        self.0.push(what.into());
    }

    /// Tells where two maps differ.
    fn compare<K: Ord + std::fmt::Debug, V: PartialEq + std::fmt::Debug>(
        &mut self,
        what: &str,
        expected: &BTreeMap<K, V>,
        found: &BTreeMap<K, V>,
    ) {
        let keys: BTreeSet<&K> = expected.keys().chain(found.keys()).collect();
        let differs = keys.into_iter().filter(|key| expected.get(key) != found.get(key));
        let told = differs.take(TOLD_MAX).map(|key| {
            let (expected, found) = (expected.get(key), found.get(key));
            format!("{what} {key:?}: expected {expected:?}, found {found:?}")
        });
        self.0.extend(told.collect::<Vec<_>>());
    }

    /// Every message that was sent is in the log.
    fn sent(&mut self, world: &World) {
        for platform in Platform::ALL {
            let history = history(world, platform);
            let values: BTreeSet<&[u8]> = history.iter().map(|kept| &*kept.value).collect();
            let own = world.messages().iter().filter(|message| message.platform == platform);
            let lost = own.filter(|message| !values.contains(&*message.value)).count();
            if lost > 0 {
                self.tell(format!("{}: {lost} messages never arrived", platform.name()));
            }
        }
    }

    async fn counts(&mut self, tx: &mut Tx, truth: &Truth) -> Result<(), SimulationError> {
        let rows = sqlx::query(
            "select platform, line, day, county, cast(sum(orders) as bigint) as orders \
             from order_count group by platform, line, day, county",
        )
        .fetch_all(&mut **tx)
        .await?;
        let mut found = BTreeMap::new();
        for row in rows {
            let place: (String, String, i64, i64) = (
                row.try_get("platform")?,
                row.try_get("line")?,
                row.try_get("day")?,
                row.try_get("county")?,
            );
            let orders: i64 = row.try_get("orders")?;
            if orders != 0 {
                found.insert(place, orders);
            }
        }
        let expected = truth.counts.iter().map(|((platform, day, county), orders)| {
            let (name, line) = (platform.name().to_owned(), platform.line().to_owned());
            ((name, line, i64::from(day.epoch_days()), i64::from(*county)), *orders)
        });
        self.compare("count", &expected.collect(), &found);
        Ok(())
    }

    /// What became of messages: the promise's sum, and each of its terms.
    async fn ends(
        &mut self,
        tx: &mut Tx,
        world: &World,
        truth: &Truth,
    ) -> Result<(), SimulationError> {
        let rows = sqlx::query(
            "select connector, cast(sum(received) as bigint) as received, \
             cast(sum(applied) as bigint) as applied, cast(sum(duplicate) as bigint) as duplicate, \
             cast(sum(held) as bigint) as held, cast(sum(ignored) as bigint) as ignored, \
             cast(sum(handoff) as bigint) as handoff from outcome_sum group by connector",
        )
        .fetch_all(&mut **tx)
        .await?;
        let mut found = BTreeMap::new();
        for row in rows {
            let ends: Ends = [
                row.try_get("received")?,
                row.try_get("applied")?,
                row.try_get("duplicate")?,
                row.try_get("held")?,
                row.try_get("ignored")?,
                row.try_get("handoff")?,
            ];
            found.insert(row.try_get::<String, _>("connector")?, ends);
        }
        let mut expected: BTreeMap<String, Ends> =
            Platform::ALL.map(|one| (one.name().to_owned(), ends_of(world, truth, one))).into();
        for destination in &world.shared.destinations {
            let (records, lines) = destination.acknowledged();
            let (records, lines) = (int(records.len()), int(lines));
            if lines > 0 {
                let name = destination.contract.destination.to_owned();
                expected.insert(name, [lines, records, lines - records, 0, 0, 0]);
            }
        }
        self.compare("received, applied, duplicate, held, ignored, handoff of", &expected, &found);
        Ok(())
    }

    async fn held(&mut self, tx: &mut Tx, truth: &Truth) -> Result<(), SimulationError> {
        let rows = sqlx::query("select connector, digest, reason from held").fetch_all(&mut **tx);
        let mut found = BTreeMap::new();
        for row in rows.await? {
            let digest: Vec<u8> = row.try_get("digest")?;
            let connector: String = row.try_get("connector")?;
            found.insert((connector, digest), row.try_get::<String, _>("reason")?);
        }
        for (platform, digests) in &truth.held {
            for digest in digests {
                if found.remove(&(platform.name().to_owned(), digest.to_vec())).is_none() {
                    self.tell(format!("{}: expected a held message, found none", platform.name()));
                }
            }
        }
        for ((connector, _), reason) in found {
            self.tell(format!("{connector}: expected no held message, found one for {reason}"));
        }
        Ok(())
    }

    /// What was issued for each period, over all revisions, and the memo book.
    async fn levies(
        &mut self,
        tx: &mut Tx,
        world: &World,
        truth: &Truth,
    ) -> Result<(), SimulationError> {
        let rows = sqlx::query(
            "select platform, month, rate_li, cast(sum(orders) as bigint) as orders, \
             cast(sum(amount_fen) as bigint) as amount_fen from levy_line \
             group by platform, month, rate_li",
        )
        .fetch_all(&mut **tx)
        .await?;
        let mut found = BTreeMap::new();
        for row in rows {
            let (orders, amount): (i64, i64) = (row.try_get("orders")?, row.try_get("amount_fen")?);
            let rate: i64 = row.try_get("rate_li")?;
            let place: (String, i64) = (row.try_get("platform")?, row.try_get("month")?);
            if orders != 0 || amount != 0 {
                found.insert(place, (rate, orders, amount));
            }
        }
        let mut expected = BTreeMap::new();
        let mut due = 0;
        for platform in Platform::ALL {
            for month in world.months() {
                let (orders, amount) = truth.levy(platform, month);
                let place = (platform.name().to_owned(), month_number(month));
                if orders != 0 {
                    expected.insert(place, (platform.rate_li(), orders, amount));
                    due += amount;
                }
            }
        }
        self.compare("levy (rate, orders, fen) of", &expected, &found);
        let row = sqlx::query(
            "select cast(coalesce(sum(amount_fen), 0) as bigint) as booked from posting \
             where account = 'memo.levy_receivable'",
        )
        .fetch_one(&mut **tx)
        .await?;
        let booked: i64 = row.try_get("booked")?;
        if booked != due {
            self.tell(format!("memo book: expected {due} fen receivable, found {booked}"));
        }
        Ok(())
    }

    async fn entries(&mut self, tx: &mut Tx) -> Result<(), SimulationError> {
        let rows = sqlx::query(
            "select p.entry_id, cast(sum(p.amount_fen) as bigint) as sum, count(e.id) as entries \
             from posting p left join entry e on e.id = p.entry_id group by p.entry_id \
             having sum(p.amount_fen) <> 0 or count(e.id) = 0",
        )
        .fetch_all(&mut **tx)
        .await?;
        for row in rows {
            let id: String = row.try_get("entry_id")?;
            self.tell(format!("entry {id}: expected a balance, found none"));
        }
        Ok(())
    }

    /// Nothing waits any more.
    async fn rest(&mut self, tx: &mut Tx) -> Result<(), SimulationError> {
        for (what, sql) in [
            ("handoff", "select count(*) as n from handoff"),
            ("late", "select count(*) as n from segment where kind = 'late'"),
            ("early", "select count(*) as n from segment where kind = 'early'"),
            ("unpublished", "select count(*) as n from segment where kind = 'unpublished'"),
            ("open days", "select count(*) as n from order_day where state <> 'sealed'"),
            ("publishing outbox", "select count(*) as n from publish_outbox"),
        ] {
            let waiting: i64 = sqlx::query(sql).fetch_one(&mut **tx).await?.try_get("n")?;
            if waiting != 0 {
                self.tell(format!("{what}: expected nothing left, found {waiting}"));
            }
        }
        Ok(())
    }
}

/// Received, applied, duplicate, held, ignored, in handoff.
type Ends = [i64; 6];

/// What must have become of a platform's messages: what came more than once is a duplicate.
fn ends_of(world: &World, truth: &Truth, platform: Platform) -> Ends {
    let history = history(world, platform);
    let is_ignored =
        |message: &&Message| message.platform == platform && matches!(message.says, Says::Ignored);
    let ignored: BTreeSet<&[u8]> =
        world.messages().iter().filter(is_ignored).map(|message| &*message.value).collect();
    let received = int(history.len());
    let ignored = int(history.iter().filter(|kept| ignored.contains(&*kept.value)).count());
    let applied = truth.applied.get(&platform).copied().unwrap_or(0);
    let held = int(truth.held.get(&platform).map_or(0, BTreeSet::len));
    [received, applied, received - applied - held - ignored, held, ignored, 0]
}

fn history(world: &World, platform: Platform) -> Vec<Kept> {
    world.shared.log.history(&format!("raw.{}", platform.name()))
}

/// A month as the tables have it.
fn month_number(month: Month) -> i64 {
    i64::from(month.year()) * 12 + i64::from(month.number()) - 1
}

fn int(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl World {
    /// Days on which orders may count.
    pub(super) fn days(&self) -> impl Iterator<Item = Day> {
        (-2..40).map(|days| self.first_day.plus(days))
    }

    /// Months that are frozen in the end.
    pub(super) fn months(&self) -> Vec<Month> {
        let first = self.first_day.plus(2).month();
        let last = self.first_day.plus(5).month();
        if first == last { vec![first] } else { vec![first, last] }
    }
}
