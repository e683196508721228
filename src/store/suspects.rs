//! Suspects (疑点): money that stands in suspense, or a number used twice, until its cause comes.

use sqlx::Row;

use super::{StoreError, Tx};
use crate::domain::time::Moment;
use crate::ledger::suspect::Rule;

/// A suspect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// `suspect:<what raised it>`.
    pub id: String,
    /// The rule's code, see [`Rule::code`].
    pub rule: String,
    /// What it is about.
    pub subject: String,
    /// The entry that raised it, or the fact where it posts nothing.
    pub raised_by: String,
    /// Append time of the message that raised it.
    pub raised_at: Moment,
}

/// Raises a suspect unless the same cause raised it before.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn raise(
    tx: &mut Tx,
    rule: Rule,
    subject: &str,
    raised_by: &str,
    at: Moment,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into suspect (id, rule, subject, state, raised_by, raised_at) \
         values ($1, $2, $3, 'open', $4, $5) on conflict (id) do nothing",
    )
    .bind(format!("suspect:{raised_by}"))
    .bind(rule.code())
    .bind(subject)
    .bind(raised_by)
    .bind(at.ms())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The suspect of this subject that has been open longest.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn oldest_open(tx: &mut Tx, subject: &str) -> Result<Option<Suspect>, StoreError> {
    let row = sqlx::query(
        "select id, rule, subject, raised_by, raised_at from suspect \
         where subject = $1 and state = 'open' order by raised_at, id limit 1",
    )
    .bind(subject)
    .fetch_optional(&mut **tx)
    .await?;
    row.as_ref().map(suspect).transpose()
}

/// Clears a suspect by the entry that moved its money on.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn clear(tx: &mut Tx, id: &str, by: &str, at: Moment) -> Result<(), StoreError> {
    sqlx::query(
        "update suspect set state = 'cleared', cleared_by = $2, cleared_at = $3 \
         where id = $1 and state = 'open'",
    )
    .bind(id)
    .bind(by)
    .bind(at.ms())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// All open suspects, the oldest first.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn open(tx: &mut Tx) -> Result<Vec<Suspect>, StoreError> {
    let rows = sqlx::query(
        "select id, rule, subject, raised_by, raised_at from suspect \
         where state = 'open' order by raised_at, id",
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(suspect).collect()
}

fn suspect(row: &sqlx::any::AnyRow) -> Result<Suspect, StoreError> {
    Ok(Suspect {
        id: row.try_get("id")?,
        rule: row.try_get("rule")?,
        subject: row.try_get("subject")?,
        raised_by: row.try_get("raised_by")?,
        raised_at: Moment::from_ms(row.try_get("raised_at")?),
    })
}
