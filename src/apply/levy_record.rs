//! The record `levy_assessed` that tax and the national platform get for each revision of a period.
//!
//! It carries the whole figure as it stands, so that a receiver may replace, and the difference to
//! the revision before, so that a receiver may add.

use serde::Serialize;

use super::ApplyError;
use crate::domain::ids::{DestinationId, EventId, IdError};
use crate::domain::time::Moment;
use crate::levy::LevyPeriod;
use crate::levy::assessment::{Assessment, Figure};
use crate::policy::Policy;
use crate::store::outbox::{Owed, owe};
use crate::store::{StoreError, Tx};

const KIND: &str = "levy_assessed";
/// Who gets it.
const DESTINATIONS: [&str; 2] = ["tax", "national-platform"];

/// One revision of a period, as it is to be told.
pub(super) struct LevyRecord<'a> {
    pub(super) period: &'a LevyPeriod,
    pub(super) revision: u32,
    pub(super) at: Moment,
    pub(super) assessment: &'a Assessment,
    pub(super) figure: Figure,
    pub(super) change: Figure,
}

#[derive(Serialize)]
struct Body<'a> {
    platform: &'a str,
    line: &'a str,
    period: String,
    revision: u32,
    orders: i64,
    amount_fen: i64,
    orders_change: i64,
    amount_change_fen: i64,
    rates: Vec<RateBody<'a>>,
    units: Vec<UnitBody>,
}

#[derive(Serialize)]
struct RateBody<'a> {
    rate_li: i64,
    orders: i64,
    amount_fen: i64,
    document: Option<&'a str>,
    clause: Option<&'a str>,
}

#[derive(Serialize)]
struct UnitBody {
    unit: String,
    orders: i64,
    amount_fen: i64,
}

pub(super) async fn owe_levy(
    tx: &mut Tx,
    policy: &Policy,
    record: &LevyRecord<'_>,
) -> Result<(), ApplyError> {
    let body = body(policy, record)?;
    for name in DESTINATIONS {
        let id = format!("{name}:{KIND}:{}:{}", record.period, record.revision);
        let owed = Owed {
            id: EventId::new(&id).map_err(|error| bad_id(&error))?,
            destination: DestinationId::new(name).map_err(|error| bad_id(&error))?,
            key: record.period.to_string(),
            kind: KIND,
            revision: record.revision,
            body: body.clone(),
            caused_at: record.at,
        };
        owe(tx, &owed).await?;
    }
    Ok(())
}

fn body(policy: &Policy, record: &LevyRecord<'_>) -> Result<String, StoreError> {
    let LevyPeriod { platform, line, month } = record.period;
    let rates = record.assessment.by_rate.iter().map(|(rate, figure)| {
        let of_rate = |day| policy.rate(platform, line, day).filter(|row| row.rate == *rate);
        let row = month.days().find_map(of_rate);
        RateBody {
            rate_li: rate.li(),
            orders: figure.orders,
            amount_fen: figure.amount.get(),
            document: row.map(|row| &*row.base_legal.document),
            clause: row.map(|row| row.base_legal.clause.as_str()),
        }
    });
    let units = record.assessment.by_unit.iter().map(|(unit, figure)| UnitBody {
        unit: unit.to_string(),
        orders: figure.orders,
        amount_fen: figure.amount.get(),
    });
    let body = Body {
        platform: platform.as_str(),
        line: line.as_str(),
        period: month.to_string(),
        revision: record.revision,
        orders: record.figure.orders,
        amount_fen: record.figure.amount.get(),
        orders_change: record.change.orders,
        amount_change_fen: record.change.amount.get(),
        rates: rates.collect(),
        units: units.collect(),
    };
    serde_json::to_string(&body)
        .map_err(|error| StoreError::Damaged { what: "outbox.body", detail: error.to_string() })
}

fn bad_id(error: &IdError) -> StoreError {
    StoreError::Damaged { what: "outbox.id", detail: error.to_string() }
}
