//! The figures of the hub as one JSON document, for comparison with what a generator or another
//! system says they must be: counts in force, what became of messages, insured persons, cases with
//! their evidence, balances and issued levies. Amounts are whole fen; zeros are left out.

mod persons;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::ServeError;
use crate::domain::time::Day;
use crate::levy::assessment::{Figure, total};
use crate::policy::Policy;
use crate::store::counts::counts_between;
use crate::store::outcomes::{self, Tally};
use crate::store::{Tx, case_evidence, cases, held, ledger, levy};

/// All figures of this snapshot.
///
/// # Errors
/// [`ServeError`] where the database fails, a stored value is damaged or a sum leaves the range of
/// money.
pub async fn export(tx: &mut Tx, policy: &Policy) -> Result<Value, ServeError> {
    let (messages, messages_by_connector) = messages(tx).await?;
    Ok(json!({
        "counts": counts(tx, policy).await?,
        "messages": messages,
        "messages_by_connector": messages_by_connector,
        "held_by_reason": held::by_reason(tx).await?,
        "persons": persons::persons(tx, policy).await?,
        "cases_by_state": cases::count_by_state(tx).await?.into_iter().collect::<BTreeMap<_, _>>(),
        "cases": cases::states(tx).await?.into_iter().collect::<BTreeMap<_, _>>(),
        "evidence": evidence(tx).await?,
        "balances": balances(tx).await?,
        "levies": levies(tx).await?,
    }))
}

/// Platform → line → day → county → orders of the basis and rule in force.
async fn counts(tx: &mut Tx, policy: &Policy) -> Result<Value, ServeError> {
    let mut platforms = Map::new();
    for row in counts_between(tx, every_day()).await? {
        if !row.is_in_force(policy) {
            continue;
        }
        let line = object(object(&mut platforms, row.platform.as_str()), row.line.as_str());
        let day = object(line, &row.day.to_string());
        day.insert(row.county.to_string(), json!(row.orders));
    }
    Ok(Value::Object(platforms))
}

/// Every day that can be counted.
pub(super) const fn every_day() -> std::ops::Range<Day> {
    Day::from_epoch_days(i32::MIN)..Day::from_epoch_days(i32::MAX)
}

/// The object below `key`, made where it is missing.
fn object<'m>(map: &'m mut Map<String, Value>, key: &str) -> &'m mut Map<String, Value> {
    let value = map.entry(key).or_insert_with(|| Value::Object(Map::new()));
    match value {
        Value::Object(inner) => inner,
        // Only objects are put below these keys.
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            unreachable!("a figure stands where an object belongs")
        }
    }
}

/// The feed of answers to our own records: no figure of anybody else's.
const ANSWERS: &str = "acks";

/// The five terms over all connectors, and of each, but for answers to our own records.
async fn messages(tx: &mut Tx) -> Result<(Value, Value), ServeError> {
    let mut all = Tally::default();
    let mut connectors: BTreeMap<String, Tally> = BTreeMap::new();
    for (connector, feed, tally) in outcomes::by_feed(tx).await? {
        if feed == ANSWERS {
            continue;
        }
        all.add(&tally);
        connectors.entry(connector).or_default().add(&tally);
    }
    let rows: Map<String, Value> =
        connectors.iter().map(|(connector, tally)| (connector.clone(), terms(tally))).collect();
    Ok((terms(&all), Value::Object(rows)))
}

/// At rest nothing is in handoff, so the five terms close.
fn terms(tally: &Tally) -> Value {
    json!({
        "received": tally.received, "applied": tally.applied, "duplicate": tally.duplicate,
        "held": tally.held, "ignored": tally.ignored,
    })
}

async fn evidence(tx: &mut Tx) -> Result<Value, ServeError> {
    let rows = case_evidence::all_evidence(tx).await?;
    let row = |row: case_evidence::EvidenceRow| {
        let mut orders = row.orders;
        orders.sort_unstable();
        (row.case, json!({ "status": row.status, "orders": orders }))
    };
    Ok(Value::Object(rows.into_iter().map(row).collect()))
}

async fn balances(tx: &mut Tx) -> Result<Value, ServeError> {
    let rows = ledger::balances(tx).await?;
    let some = rows.into_iter().filter(|row| row.amount.get() != 0);
    Ok(Value::Object(some.map(|row| (row.account, json!(row.amount.get()))).collect()))
}

/// Platform → line → month → what stands issued over all revisions.
async fn levies(tx: &mut Tx) -> Result<Value, ServeError> {
    let mut platforms = Map::new();
    for (period, issued) in levy::all_issued(tx).await? {
        let Figure { orders, amount } = total(&issued.by_rate)?;
        if orders == 0 && amount.get() == 0 {
            continue;
        }
        // A rate that was replaced by another within the period stands there with zero orders.
        let mut rates = issued.by_rate.iter().filter(|(_, figure)| **figure != Figure::default());
        let rate_li = match (rates.next(), rates.next()) {
            (Some((rate, _)), None) => json!(rate.li()),
            (None | Some(_), _) => Value::Null,
        };
        let row = json!({ "orders": orders, "rate_li": rate_li, "amount_fen": amount.get() });
        let line = object(object(&mut platforms, period.platform.as_str()), period.line.as_str());
        line.insert(period.month.to_string(), row);
    }
    Ok(Value::Object(platforms))
}
