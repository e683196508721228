//! Connectors of which nothing is applied until an operator says so, and the reasons for which
//! their messages are known to be held.

use sqlx::Row;

use super::{StoreError, Tx, int, uint};
use crate::domain::ids::ConnectorId;
use crate::domain::time::Moment;

/// Why a connector is paused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// The connector.
    pub connector: String,
    /// Code of the reason to hold.
    pub reason: String,
    /// How many messages were held for it.
    pub held: u64,
    /// Of so many.
    pub messages: u64,
    /// Append time of the last of them.
    pub since: Moment,
}

/// All pauses, by connector.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn all(tx: &mut Tx) -> Result<Vec<Pause>, StoreError> {
    let rows = sqlx::query(
        "select connector, reason, held, messages, since from pause order by connector",
    )
    .fetch_all(&mut **tx)
    .await?;
    let pause = |row: &sqlx::any::AnyRow| {
        Ok(Pause {
            connector: row.try_get("connector")?,
            reason: row.try_get("reason")?,
            held: uint(row.try_get("held")?),
            messages: uint(row.try_get("messages")?),
            since: Moment::from_ms(row.try_get("since")?),
        })
    };
    rows.iter().map(pause).collect()
}

/// Whether a connector is paused.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn is_paused(tx: &mut Tx, connector: &ConnectorId) -> Result<bool, StoreError> {
    let row = sqlx::query("select reason from pause where connector = $1")
        .bind(connector.as_str())
        .fetch_optional(&mut **tx)
        .await?;
    Ok(row.is_some())
}

/// Pauses a connector, but not for a reason that has become known meanwhile. Returns whether it is
/// paused by this.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn pause(tx: &mut Tx, pause: &Pause) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "insert into pause (connector, reason, held, messages, since) \
         select cast($1 as text), cast($2 as text), cast($3 as bigint), cast($4 as bigint), \
         cast($5 as bigint) where not exists \
         (select 1 from held_reason where connector = $1 and reason = $2) \
         on conflict (connector) do nothing",
    )
    .bind(&pause.connector)
    .bind(&pause.reason)
    .bind(int(pause.held))
    .bind(int(pause.messages))
    .bind(pause.since.ms())
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Ends the pause of a connector: its reason is nothing new any more. Gives the pause, `None` where
/// there was none.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn resume(tx: &mut Tx, connector: &ConnectorId) -> Result<Option<Pause>, StoreError> {
    let found = all(tx).await?.into_iter().find(|it| it.connector == connector.as_str());
    let Some(pause) = found else { return Ok(None) };
    know(tx, connector, &pause.reason).await?;
    sqlx::query("delete from pause where connector = $1")
        .bind(connector.as_str())
        .execute(&mut **tx)
        .await?;
    Ok(Some(pause))
}

/// Reasons that are nothing new to a connector.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn known(tx: &mut Tx, connector: &ConnectorId) -> Result<Vec<String>, StoreError> {
    let rows = sqlx::query("select reason from held_reason where connector = $1")
        .bind(connector.as_str())
        .fetch_all(&mut **tx)
        .await?;
    rows.iter().map(|row| Ok(row.try_get("reason")?)).collect()
}

/// Remembers that a reason is nothing new to a connector.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn know(tx: &mut Tx, connector: &ConnectorId, reason: &str) -> Result<(), StoreError> {
    sqlx::query(
        "insert into held_reason (connector, reason) values ($1, $2) \
         on conflict (connector, reason) do nothing",
    )
    .bind(connector.as_str())
    .bind(reason)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
