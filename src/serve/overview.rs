//! Everything that the page shows, from one snapshot: orders by day, what is due by platform and by
//! reporting unit, cases by state, and the status. Amounts are whole fen; the page formats them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::names::Names;
use super::wire::StatusWire;
use super::{Books, ServeError, status};
use crate::domain::ids::{LineCode, PlatformId, UnitCode};
use crate::domain::time::{Day, Moment, Month};
use crate::levy::assessment::{Assessment, DayCount, Figure, total};
use crate::levy::{LevyError, LevyPeriod};
use crate::policy::Policy;
use crate::store::counts::{CountRow, counts_between};
use crate::store::levy::Issued;
use crate::store::{Tx, cases, levy, positions};

/// The page's figures.
#[derive(Debug, Serialize)]
pub(super) struct Overview {
    /// Append time of the newest applied message, in milliseconds; none before the first.
    as_of_ms: Option<i64>,
    names: Names,
    /// Every day from the first with orders to the last.
    days: Vec<String>,
    /// Orders by line of a platform, one figure for each of `days`.
    daily: Vec<Daily>,
    levies: Vec<LevyRow>,
    units: Vec<UnitRow>,
    cases: Vec<CaseRow>,
    status: StatusWire,
}

#[derive(Debug, Serialize)]
struct Daily {
    platform: String,
    line: String,
    orders: Vec<i64>,
}

/// What is due for a platform's line and month by the counts as they stand, and what was issued.
#[derive(Debug, Serialize)]
struct LevyRow {
    platform: String,
    line: String,
    month: String,
    orders: i64,
    rates_li: Vec<i64>,
    amount_fen: i64,
    /// What stands issued over all revisions; none while the month is open.
    issued_fen: Option<i64>,
    revision: u32,
}

#[derive(Debug, Serialize)]
struct UnitRow {
    unit: String,
    month: String,
    orders: i64,
    amount_fen: i64,
}

#[derive(Debug, Serialize)]
struct CaseRow {
    state: String,
    cases: i64,
}

/// The page's figures in this snapshot.
pub(super) async fn overview(tx: &mut Tx, books: &Books) -> Result<Overview, ServeError> {
    let policy = &books.policy;
    let rows = counts_between(tx, super::export::every_day()).await?;
    let rows: Vec<CountRow> = rows.into_iter().filter(|row| row.is_in_force(policy)).collect();
    let (days, daily) = daily(&rows);
    let assessments = assessments(policy, &rows)?;
    let issued = levy::all_issued(tx).await?;
    let states = cases::count_by_state(tx).await?;
    let status = status::status(tx).await?;
    Ok(Overview {
        as_of_ms: as_of(tx, books).await?.map(Moment::ms),
        names: Names::of(books, &status),
        days,
        daily,
        levies: levy_rows(&assessments, &issued)?,
        units: unit_rows(&assessments)?,
        cases: states.into_iter().map(|(state, cases)| CaseRow { state, cases }).collect(),
        status: StatusWire::of(&status),
    })
}

async fn as_of(tx: &mut Tx, books: &Books) -> Result<Option<Moment>, ServeError> {
    let mut newest = None;
    for connector in books.connectors.iter() {
        let topic = format!("raw.{}", connector.name());
        for (_, next, received_at) in positions::progress(tx, &topic).await? {
            if next > 0 {
                newest = newest.max(Some(received_at));
            }
        }
    }
    Ok(newest)
}

/// The days from first to last, and the orders of each line on each.
fn daily(rows: &[CountRow]) -> (Vec<String>, Vec<Daily>) {
    let first = rows.iter().map(|row| row.day).min();
    let last = rows.iter().map(|row| row.day).max();
    let (Some(first), Some(last)) = (first, last) else { return (Vec::new(), Vec::new()) };
    let mut lines: BTreeMap<(&PlatformId, &LineCode), BTreeMap<Day, i64>> = BTreeMap::new();
    for row in rows {
        let days = lines.entry((&row.platform, &row.line)).or_default();
        *days.entry(row.day).or_default() += row.orders;
    }
    let days: Vec<Day> =
        (first.epoch_days()..=last.epoch_days()).map(Day::from_epoch_days).collect();
    let of_line = |((platform, line), orders): (_, BTreeMap<Day, i64>)| Daily {
        platform: PlatformId::to_string(platform),
        line: LineCode::to_string(line),
        orders: days.iter().map(|day| orders.get(day).copied().unwrap_or(0)).collect(),
    };
    let daily = lines.into_iter().map(of_line).collect();
    (days.iter().map(Day::to_string).collect(), daily)
}

/// What is due for each period by the counts as they stand: rounded once a rate, split over units.
fn assessments(
    policy: &Policy,
    rows: &[CountRow],
) -> Result<BTreeMap<LevyPeriod, Assessment>, ServeError> {
    let mut periods: BTreeMap<LevyPeriod, Vec<DayCount>> = BTreeMap::new();
    for row in rows {
        let CountRow { day, county, orders, .. } = *row;
        let no_unit = LevyError::NoUnit { county, day, orders };
        let unit = policy.unit_of(county).ok_or(no_unit)?;
        let (platform, line) = (row.platform.clone(), row.line.clone());
        let period = LevyPeriod { platform, line, month: day.month() };
        periods.entry(period).or_default().push(DayCount { day, unit, orders });
    }
    let assess = |(period, counts): (LevyPeriod, Vec<DayCount>)| {
        let rate_on = |day| policy.rate(&period.platform, &period.line, day).map(|row| row.rate);
        let assessment = Assessment::of(&counts, rate_on)?;
        Ok((period, assessment))
    };
    periods.into_iter().map(assess).collect()
}

fn levy_rows(
    assessments: &BTreeMap<LevyPeriod, Assessment>,
    issued: &BTreeMap<LevyPeriod, Issued>,
) -> Result<Vec<LevyRow>, ServeError> {
    let periods: BTreeSet<&LevyPeriod> = assessments.keys().chain(issued.keys()).collect();
    let nothing = Assessment::default();
    let row = |period: &LevyPeriod| {
        let assessment = assessments.get(period).unwrap_or(&nothing);
        let due = assessment.total()?;
        let issued = issued.get(period);
        let issued_fen =
            issued.map(|issued| Ok::<_, LevyError>(total(&issued.by_rate)?.amount.get()));
        Ok(LevyRow {
            platform: period.platform.to_string(),
            line: period.line.to_string(),
            month: period.month.to_string(),
            orders: due.orders,
            rates_li: assessment.by_rate.keys().map(|rate| rate.li()).collect(),
            amount_fen: due.amount.get(),
            issued_fen: issued_fen.transpose()?,
            revision: issued.map_or(0, |issued| issued.revision),
        })
    };
    periods.into_iter().map(row).collect()
}

fn unit_rows(assessments: &BTreeMap<LevyPeriod, Assessment>) -> Result<Vec<UnitRow>, ServeError> {
    let mut units: BTreeMap<(UnitCode, Month), Figure> = BTreeMap::new();
    for (period, assessment) in assessments {
        for (unit, figure) in &assessment.by_unit {
            let sum = units.entry((*unit, period.month)).or_default();
            *sum = sum.plus(*figure)?;
        }
    }
    let row = |((unit, month), figure): ((UnitCode, Month), Figure)| UnitRow {
        unit: unit.to_string(),
        month: month.to_string(),
        orders: figure.orders,
        amount_fen: figure.amount.get(),
    };
    Ok(units.into_iter().map(row).collect())
}
