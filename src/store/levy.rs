//! Periods with their cuts, and what was issued for them.

use std::collections::BTreeMap;

use sqlx::Row;
use sqlx::any::AnyRow;

use super::{StoreError, Tx, column};
use crate::domain::ids::{LineCode, PlatformId};
use crate::domain::money::{Fen, Rate};
use crate::domain::time::{Day, Moment, Month};
use crate::levy::LevyPeriod;
use crate::levy::assessment::Figure;

const LEVY: &str = "levy_line";

/// The cut of a frozen period: effects of messages received before it are in the frozen figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeriodCut {
    /// Line of business.
    pub line: LineCode,
    /// 所属期.
    pub month: Month,
    /// The cut time.
    pub cut_at: Moment,
}

/// A frozen period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrozenPeriod {
    /// The cut time.
    pub cut_at: Moment,
    /// Whether revision 1 has been issued.
    pub issued: bool,
}

/// What one revision issues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRevision<'a> {
    /// The period.
    pub period: &'a LevyPeriod,
    /// From 1; the first is the frozen figure, later ones are differences.
    pub revision: u32,
    /// Orders and amount by rate, signed.
    pub by_rate: &'a BTreeMap<Rate, Figure>,
    /// What caused it; the ledger's entry names the same.
    pub cause: &'a str,
    /// When.
    pub caused_at: Moment,
}

/// What stands issued for a period.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Issued {
    /// The last revision; 0 where nothing was issued.
    pub revision: u32,
    /// Orders and amount by rate, over all revisions.
    pub by_rate: BTreeMap<Rate, Figure>,
}

/// Whether an effect on `day` of a message received at `received_at` comes after its period's cut.
#[must_use]
pub fn is_after_cut(cuts: &[PeriodCut], line: &LineCode, day: Day, received_at: Moment) -> bool {
    if cuts.is_empty() {
        return false;
    }
    let month = day.month();
    let cut = cuts.iter().find(|cut| cut.line == *line && cut.month == month);
    cut.is_some_and(|cut| received_at >= cut.cut_at)
}

/// The cuts of a platform's frozen periods.
///
/// # Errors
/// [`StoreError`] where the engine refuses or a row is damaged.
pub async fn cuts(tx: &mut Tx, platform: &PlatformId) -> Result<Vec<PeriodCut>, StoreError> {
    let rows = sqlx::query("select line, month, cut_at from period where platform = $1")
        .bind(platform.as_str())
        .fetch_all(&mut **tx)
        .await?;
    let cut = |row: &AnyRow| {
        Ok(PeriodCut {
            line: column::line(row, "period")?,
            month: column::month(row, "period")?,
            cut_at: Moment::from_ms(row.try_get("cut_at")?),
        })
    };
    rows.iter().map(cut).collect()
}

/// Freezes a period that is open. Returns whether it was open; the first cut stands for good.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn set_cut(
    tx: &mut Tx,
    period: &LevyPeriod,
    cut_at: Moment,
    reason: &str,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "insert into period (platform, line, month, cut_at, reason) values ($1, $2, $3, $4, $5) \
         on conflict (platform, line, month) do nothing",
    )
    .bind(period.platform.as_str())
    .bind(period.line.as_str())
    .bind(column::month_no(period.month))
    .bind(cut_at.ms())
    .bind(reason)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// The period, where it is frozen.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn frozen(tx: &mut Tx, period: &LevyPeriod) -> Result<Option<FrozenPeriod>, StoreError> {
    let row = sqlx::query(
        "select cut_at, issued_at from period where platform = $1 and line = $2 and month = $3",
    )
    .bind(period.platform.as_str())
    .bind(period.line.as_str())
    .bind(column::month_no(period.month))
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let issued_at: Option<i64> = row.try_get("issued_at")?;
    let cut_at = Moment::from_ms(row.try_get("cut_at")?);
    Ok(Some(FrozenPeriod { cut_at, issued: issued_at.is_some() }))
}

/// All frozen periods with whether they are issued, in order.
///
/// # Errors
/// [`StoreError`] where the engine refuses or a row is damaged.
pub async fn frozen_periods(tx: &mut Tx) -> Result<Vec<(LevyPeriod, FrozenPeriod)>, StoreError> {
    let rows = sqlx::query(
        "select platform, line, month, cut_at, issued_at from period \
         order by platform, line, month",
    )
    .fetch_all(&mut **tx)
    .await?;
    let read = |row: &AnyRow| {
        let issued_at: Option<i64> = row.try_get("issued_at")?;
        let cut_at = Moment::from_ms(row.try_get("cut_at")?);
        Ok((levy_period(row, "period")?, FrozenPeriod { cut_at, issued: issued_at.is_some() }))
    };
    rows.iter().map(read).collect()
}

/// Records that the frozen figure of a period has been issued.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn set_issued(tx: &mut Tx, period: &LevyPeriod, at: Moment) -> Result<(), StoreError> {
    sqlx::query(
        "update period set issued_at = $4 where platform = $1 and line = $2 and month = $3",
    )
    .bind(period.platform.as_str())
    .bind(period.line.as_str())
    .bind(column::month_no(period.month))
    .bind(at.ms())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Stores one revision, a row for each rate.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn add_revision(tx: &mut Tx, new: &NewRevision<'_>) -> Result<(), StoreError> {
    for (rate, figure) in new.by_rate {
        sqlx::query(
            "insert into levy_line (platform, line, month, revision, rate_li, kind, orders, \
             amount_fen, cause, caused_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(new.period.platform.as_str())
        .bind(new.period.line.as_str())
        .bind(column::month_no(new.period.month))
        .bind(i64::from(new.revision))
        .bind(rate.li())
        .bind(if new.revision == 1 { "issue" } else { "adjustment" })
        .bind(figure.orders)
        .bind(figure.amount.get())
        .bind(new.cause)
        .bind(new.caused_at.ms())
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// What stands issued for one period.
///
/// # Errors
/// [`StoreError`] where the engine refuses or a row is damaged.
pub async fn issued(tx: &mut Tx, period: &LevyPeriod) -> Result<Issued, StoreError> {
    let rows = sqlx::query(
        "select rate_li, max(revision) as revision, cast(sum(orders) as bigint) as orders, \
         cast(sum(amount_fen) as bigint) as amount_fen from levy_line \
         where platform = $1 and line = $2 and month = $3 group by rate_li",
    )
    .bind(period.platform.as_str())
    .bind(period.line.as_str())
    .bind(column::month_no(period.month))
    .fetch_all(&mut **tx)
    .await?;
    let mut issued = Issued::default();
    for row in &rows {
        add_row(&mut issued, row)?;
    }
    Ok(issued)
}

/// What stands issued for every period, in order.
///
/// # Errors
/// [`StoreError`] where the engine refuses or a row is damaged.
pub async fn all_issued(tx: &mut Tx) -> Result<BTreeMap<LevyPeriod, Issued>, StoreError> {
    let rows = sqlx::query(
        "select platform, line, month, rate_li, max(revision) as revision, \
         cast(sum(orders) as bigint) as orders, cast(sum(amount_fen) as bigint) as amount_fen \
         from levy_line group by platform, line, month, rate_li",
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut periods: BTreeMap<LevyPeriod, Issued> = BTreeMap::new();
    for row in &rows {
        add_row(periods.entry(levy_period(row, LEVY)?).or_default(), row)?;
    }
    Ok(periods)
}

fn add_row(issued: &mut Issued, row: &AnyRow) -> Result<(), StoreError> {
    let rate = Rate::from_li(row.try_get("rate_li")?)
        .map_err(|error| column::damaged(LEVY, error.to_string()))?;
    let amount = Fen::new(row.try_get("amount_fen")?);
    issued.revision = issued.revision.max(column::number(row, "revision", LEVY)?);
    issued.by_rate.insert(rate, Figure { orders: row.try_get("orders")?, amount });
    Ok(())
}

fn levy_period(row: &AnyRow, what: &'static str) -> Result<LevyPeriod, StoreError> {
    Ok(LevyPeriod {
        platform: column::platform(row, what)?,
        line: column::line(row, what)?,
        month: column::month(row, what)?,
    })
}
