//! The days of a partition's orders: how far each is, and how many orders it has.

use sqlx::Row;

use super::positions::PartitionKey;
use super::{StoreError, Tx};
use crate::domain::time::Day;

/// Writes the state of a day.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn put(
    tx: &mut Tx,
    key: &PartitionKey,
    day: Day,
    phase: &str,
    next_ordinal: u32,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into order_day (topic, partition, day, state, next_ordinal) \
         values ($1, $2, $3, $4, $5) on conflict (topic, partition, day) \
         do update set state = excluded.state, next_ordinal = excluded.next_ordinal",
    )
    .bind(&key.topic)
    .bind(i64::from(key.partition))
    .bind(i64::from(day.epoch_days()))
    .bind(phase)
    .bind(i64::from(next_ordinal))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// States of all days of a partition: day, phase, next ordinal.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn of_partition(
    tx: &mut Tx,
    key: &PartitionKey,
) -> Result<Vec<(Day, String, u32)>, StoreError> {
    let rows = sqlx::query(
        "select day, state, next_ordinal from order_day where topic = $1 and partition = $2 \
         order by day",
    )
    .bind(&key.topic)
    .bind(i64::from(key.partition))
    .fetch_all(&mut **tx)
    .await?;
    let mut days = Vec::with_capacity(rows.len());
    for row in rows {
        let day: i64 = row.try_get("day")?;
        let next: i64 = row.try_get("next_ordinal")?;
        let day = Day::from_epoch_days(i32::try_from(day).unwrap_or(i32::MAX));
        days.push((day, row.try_get("state")?, u32::try_from(next).unwrap_or(u32::MAX)));
    }
    Ok(days)
}
