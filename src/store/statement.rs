//! Statements of daily totals, every revision that stood, and the days accepted without one.

use std::collections::BTreeSet;
use std::ops::Range;

use sqlx::Row;

use super::{StoreError, Tx, column};
use crate::domain::event::{CountStatement, Envelope};
use crate::domain::ids::{LineCode, PlatformId};
use crate::domain::time::{Day, Moment};

/// The revision that stands for a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandingStatement {
    /// The highest revision that came.
    pub revision: u32,
    /// Its figures, see [`figures`].
    pub figures: String,
}

/// Who accepts that a day has no statement, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingAccepted {
    /// The liable platform.
    pub platform: PlatformId,
    /// Line of business.
    pub line: LineCode,
    /// The day without a statement.
    pub day: Day,
    /// Why.
    pub reason: String,
    /// The operator.
    pub accepted_by: String,
    /// When the command was given.
    pub accepted_at: Moment,
}

/// The figures of a statement as text: `<county>:<orders>` joined by `;`, ascending, no zeros, so
/// that two statements with the same figures have the same text.
#[must_use]
pub fn figures(statement: &CountStatement) -> String {
    let mut rows: Vec<_> = statement.orders.iter().filter(|(_, orders)| *orders != 0).collect();
    rows.sort_unstable();
    let texts: Vec<String> = rows.iter().map(|(at, orders)| format!("{at}:{orders}")).collect();
    texts.join(";")
}

/// The revision that stands for platform, line and day.
///
/// # Errors
/// [`StoreError`] where the engine refuses or the row is damaged.
pub async fn standing(
    tx: &mut Tx,
    line: (&PlatformId, &LineCode),
    day: Day,
) -> Result<Option<StandingStatement>, StoreError> {
    let row = sqlx::query(
        "select revision, figures from statement where platform = $1 and line = $2 and day = $3 \
         order by revision desc limit 1",
    )
    .bind(line.0.as_str())
    .bind(line.1.as_str())
    .bind(i64::from(day.epoch_days()))
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let revision = column::number(&row, "revision", "statement")?;
    Ok(Some(StandingStatement { revision, figures: row.try_get("figures")? }))
}

/// Stores a revision that stands from now on.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn insert(
    tx: &mut Tx,
    envelope: &Envelope,
    statement: &CountStatement,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into statement (platform, line, day, revision, figures, event_id, received_at) \
         values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(statement.platform.as_str())
    .bind(statement.line.as_str())
    .bind(i64::from(statement.day.epoch_days()))
    .bind(i64::from(statement.revision))
    .bind(figures(statement))
    .bind(envelope.event_id.as_str())
    .bind(envelope.received_at.ms())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Days of `days` that have a statement or were accepted without one.
///
/// # Errors
/// [`StoreError`] where the engine refuses or a row is damaged.
pub async fn settled_days(
    tx: &mut Tx,
    line: (&PlatformId, &LineCode),
    days: Range<Day>,
) -> Result<BTreeSet<Day>, StoreError> {
    let rows = sqlx::query(
        "select day from statement where platform = $1 and line = $2 and day >= $3 and day < $4 \
         union select day from statement_missing \
         where platform = $1 and line = $2 and day >= $3 and day < $4",
    )
    .bind(line.0.as_str())
    .bind(line.1.as_str())
    .bind(i64::from(days.start.epoch_days()))
    .bind(i64::from(days.end.epoch_days()))
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(|row| column::day(row, "statement")).collect()
}

/// Records that a day without a statement is accepted. The first acceptance stands; returns
/// whether this is it.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn accept_missing(tx: &mut Tx, accepted: &MissingAccepted) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "insert into statement_missing (platform, line, day, reason, accepted_by, accepted_at) \
         values ($1, $2, $3, $4, $5, $6) on conflict (platform, line, day) do nothing",
    )
    .bind(accepted.platform.as_str())
    .bind(accepted.line.as_str())
    .bind(i64::from(accepted.day.epoch_days()))
    .bind(&accepted.reason)
    .bind(&accepted.accepted_by)
    .bind(accepted.accepted_at.ms())
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() > 0)
}
