//! The real-name roster: the only link from a platform's rider to a person, and the only place of
//! clear identity, which stands here encrypted field by field.

use sqlx::Row;

use super::{StoreError, Tx, column};
use crate::domain::ids::{EventId, PersonToken, PlatformId, WorkerToken};
use crate::domain::time::Day;

/// A rider with sealed identity (see [`super::cipher`]).
#[derive(Clone, Debug)]
pub struct SealedRider<'a> {
    /// The platform.
    pub platform: &'a PlatformId,
    /// The rider.
    pub worker: WorkerToken,
    /// The person.
    pub person: PersonToken,
    /// The rider's number at the platform, sealed.
    pub rider: Vec<u8>,
    /// 姓名, sealed.
    pub name: Vec<u8>,
    /// Number of the identity document, sealed.
    pub identity_no: Vec<u8>,
    /// First day of work on the platform.
    pub from: Day,
    /// The event.
    pub event_id: &'a EventId,
}

/// The person that a rider is linked to, if the rider is enrolled.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn person_of(
    tx: &mut Tx,
    platform: &PlatformId,
    worker: WorkerToken,
) -> Result<Option<PersonToken>, StoreError> {
    let row = sqlx::query("select person from roster where platform = $1 and worker = $2")
        .bind(platform.as_str())
        .bind(worker.0.cast_signed())
        .fetch_optional(&mut **tx)
        .await?;
    let person = row.map(|row| row.try_get::<i64, _>("person")).transpose()?;
    Ok(person.map(|token| PersonToken(token.cast_unsigned())))
}

/// Every rider that a person is enrolled as, by platform and token.
///
/// # Errors
/// [`StoreError`] where the engine refuses or a platform is damaged.
pub async fn tokens_of(
    tx: &mut Tx,
    person: PersonToken,
) -> Result<Vec<(PlatformId, WorkerToken)>, StoreError> {
    let rows = sqlx::query(
        "select platform, worker from roster where person = $1 order by platform, worker",
    )
    .bind(person.0.cast_signed())
    .fetch_all(&mut **tx)
    .await?;
    let token = |row: &sqlx::any::AnyRow| {
        let platform = column::platform(row, "roster")?;
        Ok((platform, WorkerToken(row.try_get::<i64, _>("worker")?.cast_unsigned())))
    };
    rows.iter().map(token).collect()
}

/// Enrols a rider.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses, also where the rider is enrolled already.
pub async fn put(tx: &mut Tx, rider: &SealedRider<'_>) -> Result<(), StoreError> {
    sqlx::query(
        "insert into roster \
         (platform, worker, person, rider, name, identity_no, from_day, event_id) \
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(rider.platform.as_str())
    .bind(rider.worker.0.cast_signed())
    .bind(rider.person.0.cast_signed())
    .bind(rider.rider.as_slice())
    .bind(rider.name.as_slice())
    .bind(rider.identity_no.as_slice())
    .bind(i64::from(rider.from.epoch_days()))
    .bind(rider.event_id.as_str())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Every rider with the person that the rider is linked to, by platform and token: what statistics
/// across platforms are made from.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn links(tx: &mut Tx) -> Result<Vec<(String, WorkerToken, PersonToken)>, StoreError> {
    let rows = sqlx::query("select platform, worker, person from roster order by platform, worker")
        .fetch_all(&mut **tx)
        .await?;
    let link = |row: &sqlx::any::AnyRow| {
        Ok((
            row.try_get("platform")?,
            WorkerToken(row.try_get::<i64, _>("worker")?.cast_unsigned()),
            PersonToken(row.try_get::<i64, _>("person")?.cast_unsigned()),
        ))
    };
    rows.iter().map(link).collect()
}
