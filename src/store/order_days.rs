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

/// Writes the state of a day without orders, where the day has none.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn keep(
    tx: &mut Tx,
    key: &PartitionKey,
    day: Day,
    phase: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into order_day (topic, partition, day, state, next_ordinal) \
         values ($1, $2, $3, $4, 0) on conflict (topic, partition, day) do nothing",
    )
    .bind(&key.topic)
    .bind(i64::from(key.partition))
    .bind(i64::from(day.epoch_days()))
    .bind(phase)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Days up to `last` that another partition of the topic has and this one has not.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn of_others(tx: &mut Tx, key: &PartitionKey, last: Day) -> Result<Vec<Day>, StoreError> {
    let rows = sqlx::query(
        "select distinct d.day as day from order_day d \
         where d.topic = $1 and d.partition <> $2 and d.day <= $3 and not exists \
           (select 1 from order_day own \
            where own.topic = d.topic and own.partition = $2 and own.day = d.day) \
         order by 1",
    )
    .bind(&key.topic)
    .bind(i64::from(key.partition))
    .bind(i64::from(last.epoch_days()))
    .fetch_all(&mut **tx)
    .await?;
    rows.iter().map(|row| Ok(day_of(row.try_get("day")?))).collect()
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
        days.push((day_of(day), row.try_get("state")?, u32::try_from(next).unwrap_or(u32::MAX)));
    }
    Ok(days)
}

fn day_of(kept: i64) -> Day {
    Day::from_epoch_days(i32::try_from(kept).unwrap_or(i32::MAX))
}
