//! Holds the books at rest against the truth. It reads tables, the log's history and what the
//! counterparties took, and calls nothing of the hub that worked them out.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
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

    /// What the national platform is told of each day, and tax of each period, at last.
    async fn snapshots(
        &mut self,
        tx: &mut Tx,
        world: &World,
        truth: &Truth,
    ) -> Result<(), SimulationError> {
        let rows = sqlx::query(
            "select destination, kind, key, revision, body from outbox \
             order by destination, kind, key, revision",
        )
        .fetch_all(&mut **tx)
        .await?;
        let mut last: BTreeMap<(String, String, String), Value> = BTreeMap::new();
        for row in rows {
            let body: String = row.try_get("body")?;
            let place = (row.try_get("destination")?, row.try_get("kind")?, row.try_get("key")?);
            last.insert(place, serde_json::from_str(&body).unwrap_or(Value::Null));
        }
        let (mut expected, mut found) = (BTreeMap::new(), BTreeMap::new());
        for ((destination, kind, key), body) in &last {
            let is_own = Platform::ALL.iter().any(|one| key.starts_with(one.name()));
            if kind == "order_counts" && is_own {
                let counties = counties_of(body);
                if !counties.is_empty() {
                    found.insert((destination.clone(), key.clone()), format!("{counties:?}"));
                }
            } else if kind == "levy_assessed" && is_own {
                let figure = |name: &str| body.get(name).and_then(Value::as_i64).unwrap_or(-1);
                let told = format!("{:?}", (figure("orders"), figure("amount_fen")));
                found.insert((destination.clone(), key.clone()), told);
            }
        }
        for platform in Platform::ALL {
            let head = format!("{}:{}", platform.name(), platform.line());
            for day in world.days() {
                let counties = truth.day(platform, day);
                if !counties.is_empty() {
                    let place = ("national-platform".to_owned(), format!("{head}:{day}"));
                    expected.insert(place, format!("{counties:?}"));
                }
            }
            for month in world.months() {
                for destination in ["national-platform", "tax"] {
                    let place = (destination.to_owned(), format!("{head}:{month}"));
                    expected.insert(place, format!("{:?}", truth.levy(platform, month)));
                }
            }
        }
        self.compare("told at last", &expected, &found);
        Ok(())
    }

    /// What is owed is delivered as it stands, once and under one id.
    async fn outbox(&mut self, tx: &mut Tx, world: &World) -> Result<(), SimulationError> {
        let sql = "select id, destination, kind, key, seq, revision, state, body from outbox";
        let rows = sqlx::query(sql).fetch_all(&mut **tx).await?;
        let mut causes = BTreeSet::new();
        for row in rows {
            let (id, name): (String, String) = (row.try_get("id")?, row.try_get("destination")?);
            let cause: (String, String, i64) =
                (row.try_get("kind")?, row.try_get("key")?, row.try_get("revision")?);
            if !causes.insert((name.clone(), cause)) {
                self.tell(format!("{id}: expected one id for each cause and revision"));
            }
            let destination =
                world.shared.destinations.iter().find(|one| one.contract.destination == name);
            let Some(destination) = destination else { continue };
            let taken = destination.taken();
            let (state, body): (String, String) = (row.try_get("state")?, row.try_get("body")?);
            let seq: i64 = row.try_get("seq")?;
            let key: String = row.try_get("key")?;
            let is_stopped = taken.values().any(|one| {
                one.is_refused
                    && one.key == key
                    && destination.contract.stops(&one.kind)
                    && i64::try_from(one.seq).is_ok_and(|refused| refused < seq)
            });
            let there = taken.get(&id);
            let expected = match there {
                Some(one) if one.is_refused => "refused",
                Some(_) => "delivered",
                None if is_stopped => "owed",
                None => "known to its receiver",
            };
            if state != expected {
                self.tell(format!("{id}: expected {expected}, found {state}"));
            }
            let content: Value = serde_json::from_str(&body).unwrap_or(Value::Null);
            let content = content.to_string();
            if there.is_some_and(|one| one.content != content) {
                self.tell(format!("{id}: expected what is owed at its receiver, found another"));
            }
        }
        for destination in &world.shared.destinations {
            self.0.extend(destination.breaches());
        }
        Ok(())
    }

    /// Every event that was applied is published, under one id.
    fn published(&mut self, world: &World, truth: &Truth) {
        let history = world.shared.log.history("events.orders");
        let all: Vec<String> = history.iter().filter_map(event_id).collect();
        let mut standing: BTreeMap<(String, String, String), BTreeSet<&str>> = BTreeMap::new();
        for id in &all {
            let withdrawn = id.strip_suffix(":withdrawn");
            let Some(order) = order_of(withdrawn.unwrap_or(id)) else {
                self.tell(format!("published {id:?}: expected the id of an order's event"));
                continue;
            };
            let events = standing.entry(order).or_default();
            // What was published before it does not stand any more; what comes after it does.
            match withdrawn {
                Some(_) => events.clear(),
                None => drop(events.insert(id)),
            }
        }
        let mut found = BTreeMap::new();
        for ((platform, order, _), ids) in standing {
            for id in ids {
                let kind = id.split(':').nth(1).unwrap_or_default().to_owned();
                *found.entry((platform.clone(), order.clone(), kind)).or_insert(0) += 1;
            }
        }
        let expected = truth.published.iter().map(|((platform, id, kind), riders)| {
            ((platform.name().to_owned(), id.clone(), (*kind).to_owned()), *riders)
        });
        let told = self.0.len();
        self.compare("published", &expected.collect(), &found);
        if self.0.len() > told {
            // What was published of them says more.
            let of_told = |id: &&String| {
                let order = format!("\"{}\"", id.split(':').nth(2).unwrap_or_default());
                self.0.iter().skip(told).any(|line| line.contains(&order))
            };
            let ids: Vec<&String> = all.iter().filter(of_told).collect();
            let lines = format!("{:?}", self.0.iter().skip(told).collect::<Vec<_>>());
            self.tell(format!("published: {ids:?}"));
            self.0.extend(came(world, &lines));
        }
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

/// What came of the orders that are named in a text, and when.
fn came(world: &World, named: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for platform in Platform::ALL {
        for kept in history(world, platform) {
            let text = String::from_utf8_lossy(&kept.value).into_owned();
            let mut words = text.split('"').filter(|word| word.len() == 9);
            if words.any(|word| named.contains(word)) {
                let Kept { partition, received_at, .. } = kept;
                lines.push(format!("came: {received_at} to {partition}: {text}"));
            }
        }
    }
    lines
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

/// Counties and orders of a record `order_counts`.
fn counties_of(body: &Value) -> BTreeMap<u32, i64> {
    let counties = body.get("counties").and_then(Value::as_array);
    let county = |row: &Value| {
        let code = row.get("county")?.as_str()?.parse().ok()?;
        Some((code, row.get("orders")?.as_i64()?))
    };
    counties.into_iter().flatten().filter_map(county).collect()
}

/// The first field of a canonical event: 5 bytes of frame, a length as Avro writes it, the text.
fn event_id(kept: &Kept) -> Option<String> {
    let mut rest = kept.value.get(5..)?;
    let (mut length, mut shift) = (0_usize, 0_u32);
    loop {
        let (byte, after) = rest.split_first()?;
        rest = after;
        length |= usize::from(byte & 0x7f).checked_shl(shift)?;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    // Lengths are written in zigzag: twice the number where it is not negative.
    Some(std::str::from_utf8(rest.get(..length / 2)?).ok()?.to_owned())
}

/// Platform, order number and day of an event's id.
fn order_of(id: &str) -> Option<(String, String, String)> {
    let mut parts = id.split(':');
    let (platform, _, order) = (parts.next()?, parts.next()?, parts.next()?);
    let (_, day) = (parts.next()?, parts.next()?);
    Some((platform.to_owned(), order.to_owned(), day.to_owned()))
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
