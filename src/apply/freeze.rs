//! Freezing a month, issuing its figures, and adjusting them afterwards.
//!
//! A freeze only writes the cut. Every batch reads the cut after its swap, and what a message
//! received before it causes is in the frozen figure; the rest is an adjustment. The caller checks
//! positions: it freezes only with the position rows locked and below the cut, and issues only
//! when nothing below the cut is waiting.

use std::collections::BTreeMap;

use super::levy_record::{LevyRecord, owe_levy};
use super::{ApplyError, Scope};
use crate::domain::ids::{AccountCode, EventId, LineCode, PlatformId};
use crate::domain::money::{Fen, Rate};
use crate::domain::time::{Day, Moment, Month};
use crate::levy::assessment::{Assessment, DayCount, Figure, total};
use crate::levy::{LevyError, LevyPeriod, MemoPosting};
use crate::policy::{Basis, Policy, Standing};
use crate::store::counts::{Extent, counts_of_line};
use crate::store::levy as stored;
use crate::store::{StoreError, Tx, statement};

/// What a freeze of a month did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FreezeReport {
    /// Periods that are frozen by this command.
    pub frozen: Vec<LevyPeriod>,
    /// Periods that were frozen before; their cut stands.
    pub frozen_before: Vec<LevyPeriod>,
    /// Periods that stay open, with the days that have no statement.
    pub blocked: Vec<(LevyPeriod, Vec<Day>)>,
}

/// What an issue or an adjustment did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedRevision {
    /// From 1.
    pub revision: u32,
    /// The figure of the period as it stands now.
    pub figure: Figure,
    /// What the memo ledger is to post; `None` where the amount does not change.
    pub posting: Option<MemoPosting>,
}

/// Why a period cannot be frozen, issued or adjusted; the transaction rolls back.
#[derive(Debug, thiserror::Error)]
pub enum FreezeError {
    /// The cut lies before the month begins, so nothing of it could be in the figure.
    #[error("freeze of {month}: expected a cut after its first day began, found {cut_at}")]
    NotBegun {
        /// The month.
        month: Month,
        /// The cut given.
        cut_at: Moment,
    },
    /// The period is open.
    #[error("levy {period}: expected a frozen period, found an open one; freeze it first")]
    Open {
        /// The period.
        period: LevyPeriod,
    },
    /// The period is frozen and its figure was not issued yet.
    #[error("levy {period}: expected an issued figure to adjust, found none; issue it first")]
    NotIssued {
        /// The period.
        period: LevyPeriod,
    },
    /// The levy cannot be computed.
    #[error(transparent)]
    Levy(#[from] LevyError),
    /// The database failed.
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

impl From<StoreError> for FreezeError {
    fn from(error: StoreError) -> Self {
        Self::Apply(error.into())
    }
}

/// Freezes a month at `cut_at` for every platform and line in force in it. A line whose count is
/// the statement stays open while a day has none that was not accepted so.
///
/// # Errors
/// [`FreezeError::NotBegun`] for a cut before the month; [`FreezeError::Apply`] where the database
/// fails.
pub async fn freeze(
    tx: &mut Tx,
    scope: Scope<'_>,
    month: Month,
    cut_at: Moment,
    reason: &str,
) -> Result<FreezeReport, FreezeError> {
    if cut_at <= month.first_day().start() {
        return Err(FreezeError::NotBegun { month, cut_at });
    }
    let mut report = FreezeReport::default();
    for (platform, line) in scope.policy.in_force(month) {
        let period = LevyPeriod { platform: platform.clone(), line: line.clone(), month };
        if stored::frozen(tx, &period).await?.is_some() {
            report.frozen_before.push(period);
            continue;
        }
        let missing = missing_statement_days(tx, scope, &period, cut_at).await?;
        if !missing.is_empty() {
            report.blocked.push((period, missing));
            continue;
        }
        stored::set_cut(tx, &period, cut_at, reason).await?;
        report.frozen.push(period);
    }
    Ok(report)
}

/// Days of the period, over by `at`, whose count is the statement and that have none and were not
/// accepted without one.
///
/// # Errors
/// [`ApplyError`] where the database fails.
pub async fn missing_statement_days(
    tx: &mut Tx,
    scope: Scope<'_>,
    period: &LevyPeriod,
    at: Moment,
) -> Result<Vec<Day>, ApplyError> {
    let (platform, line) = (&period.platform, &period.line);
    let expects = |day: &Day| {
        day.end() <= at
            && scope.policy.standing(platform, line, *day) == Standing::InForce
            && scope.policy.basis(platform, line, *day) == Some(Basis::Statement)
    };
    let mut days: Vec<Day> = period.month.days().filter(expects).collect();
    if !days.is_empty() {
        let settled = statement::settled_days(tx, (platform, line), days_of(period)).await?;
        days.retain(|day| !settled.contains(day));
    }
    Ok(days)
}

/// Issues the frozen figure of a period as revision 1: owes it to tax and to the national
/// platform, and returns what the memo ledger is to post. `None` where it was issued before.
///
/// # Errors
/// [`FreezeError::Open`] for a period that is not frozen; [`FreezeError::Levy`] where it cannot be
/// computed; [`FreezeError::Apply`] where the database fails.
pub async fn issue(
    tx: &mut Tx,
    scope: Scope<'_>,
    period: &LevyPeriod,
) -> Result<Option<IssuedRevision>, FreezeError> {
    let Some(frozen) = stored::frozen(tx, period).await? else {
        return Err(FreezeError::Open { period: period.clone() });
    };
    if frozen.issued {
        return Ok(None);
    }
    let assessment = assess(tx, scope.policy, period, Extent::Frozen).await?;
    let mut changes = assessment.by_rate.clone();
    if changes.is_empty() {
        // A period without orders is issued too: zero at the rate in force.
        changes.extend(rate_of(scope.policy, period).map(|rate| (rate, Figure::default())));
    }
    stored::set_issued(tx, period, frozen.cut_at).await?;
    let revision = Revision { period, number: 1, at: frozen.cut_at };
    Ok(Some(record(tx, scope.policy, &revision, &assessment, &changes).await?))
}

/// Brings what was issued for a period up to its counts and rates as they stand, by one more
/// revision that keeps the period and its rates. `at` is the append time of the last message (or
/// the time of the command) that made the difference. `None` where there is none.
///
/// # Errors
/// [`FreezeError::NotIssued`] before the issue, else as [`issue`].
pub async fn adjust(
    tx: &mut Tx,
    scope: Scope<'_>,
    period: &LevyPeriod,
    at: Moment,
) -> Result<Option<IssuedRevision>, FreezeError> {
    match stored::frozen(tx, period).await? {
        None => return Err(FreezeError::Open { period: period.clone() }),
        Some(frozen) if !frozen.issued => {
            return Err(FreezeError::NotIssued { period: period.clone() });
        }
        Some(_) => {}
    }
    let issued = stored::issued(tx, period).await?;
    let assessment = assess(tx, scope.policy, period, Extent::Whole).await?;
    let changes = assessment.difference(&issued.by_rate)?;
    if changes.is_empty() {
        return Ok(None);
    }
    let revision = Revision { period, number: issued.revision + 1, at };
    Ok(Some(record(tx, scope.policy, &revision, &assessment, &changes).await?))
}

/// What is due for a period by the counts in force.
///
/// # Errors
/// [`FreezeError::Levy`] where a day with orders has no rate or an amount does not fit;
/// [`FreezeError::Apply`] where the database fails.
pub async fn assess(
    tx: &mut Tx,
    policy: &Policy,
    period: &LevyPeriod,
    extent: Extent,
) -> Result<Assessment, FreezeError> {
    let line = (&period.platform, &period.line);
    let rows = counts_of_line(tx, line, days_of(period), extent).await?;
    let day_count = |row: &crate::store::counts::CountRow| {
        let unit = policy.unit_of(row.county)?;
        Some(DayCount { day: row.day, unit, orders: row.orders })
    };
    let counts: Vec<DayCount> =
        rows.iter().filter(|row| row.is_in_force(policy)).filter_map(day_count).collect();
    let rate_on = |day| policy.rate(line.0, line.1, day).map(|row| row.rate);
    Ok(Assessment::of(&counts, rate_on)?)
}

/// One revision of a period, about to be issued.
struct Revision<'a> {
    period: &'a LevyPeriod,
    number: u32,
    at: Moment,
}

async fn record(
    tx: &mut Tx,
    policy: &Policy,
    revision: &Revision<'_>,
    assessment: &Assessment,
    changes: &BTreeMap<Rate, Figure>,
) -> Result<IssuedRevision, FreezeError> {
    let Revision { period, number, at } = *revision;
    let id = format!("levy_assessed:{period}:{number}");
    let cause = EventId::new(&id).map_err(LevyError::from)?;
    let new = stored::NewRevision {
        period,
        revision: number,
        by_rate: changes,
        cause: cause.as_str(),
        caused_at: at,
    };
    stored::add_revision(tx, &new).await?;
    let (figure, change) = (assessment.total()?, total(changes)?);
    let record = LevyRecord { period, revision: number, at, assessment, figure, change };
    owe_levy(tx, policy, &record).await?;
    let posting = memo_posting(cause, change.amount, at.day())?;
    Ok(IssuedRevision { revision: number, figure, posting })
}

fn memo_posting(cause: EventId, amount: Fen, day: Day) -> Result<Option<MemoPosting>, LevyError> {
    if amount == Fen::ZERO {
        return Ok(None);
    }
    let debit = AccountCode::new("memo.levy_receivable")?;
    let credit = AccountCode::new("memo.levy_assessed")?;
    Ok(Some(MemoPosting { debit, credit, amount, cause, day }))
}

fn days_of(period: &LevyPeriod) -> std::ops::Range<Day> {
    period.month.first_day()..period.month.next().first_day()
}

/// The rate on the last day of the period that has one.
fn rate_of(policy: &Policy, period: &LevyPeriod) -> Option<Rate> {
    let (platform, line): (&PlatformId, &LineCode) = (&period.platform, &period.line);
    period
        .month
        .days()
        .filter_map(|day| policy.rate(platform, line, day))
        .last()
        .map(|row| row.rate)
}
