//! What goes out: what counterparties are owed and were told, and canonical events.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sqlx::Row;

use super::{Found, history};
use crate::hub::simulation::SimulationError;
use crate::hub::simulation::platforms::Platform;
use crate::hub::simulation::truth::Truth;
use crate::hub::simulation::world::World;
use crate::log::simulated::Kept;
use crate::store::Tx;

impl Found {
    /// What the national platform is told of each day, and tax of each period, at last.
    pub(super) async fn snapshots(
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
    pub(super) async fn outbox(
        &mut self,
        tx: &mut Tx,
        world: &World,
    ) -> Result<(), SimulationError> {
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
    pub(super) fn published(&mut self, world: &World, truth: &Truth) {
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
