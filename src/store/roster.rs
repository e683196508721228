//! The real-name roster: the only link from a platform's rider to a person, and the only place of
//! clear identity, which stands here encrypted field by field.

use std::collections::HashMap;

use sqlx::Row;

use super::bulk::Bulk;
use super::{StoreError, Tx, column};
use crate::domain::ids::{EventId, PersonToken, PlatformId, WorkerToken};
use crate::domain::time::Day;

/// Rows of one statement; 8 values a row stay far below the limits of both engines.
const ROWS_A_STATEMENT: usize = 500;

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

/// The persons that those of these riders of one platform are linked to who are enrolled.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn persons_of(
    tx: &mut Tx,
    platform: &PlatformId,
    workers: &[WorkerToken],
) -> Result<HashMap<WorkerToken, PersonToken>, StoreError> {
    let mut persons = HashMap::with_capacity(workers.len());
    for chunk in workers.chunks(ROWS_A_STATEMENT) {
        let mut query = Bulk::new("select worker, person from roster where platform = ");
        query.bind(platform.as_str()).push(" and worker in (");
        query.list(chunk.iter().map(|worker| worker.0.cast_signed())).push(")");
        for row in query.build().fetch_all(&mut **tx).await? {
            let worker = WorkerToken(row.try_get::<i64, _>("worker")?.cast_unsigned());
            let person = PersonToken(row.try_get::<i64, _>("person")?.cast_unsigned());
            persons.insert(worker, person);
        }
    }
    Ok(persons)
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

/// Enrols riders.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses, also where one is enrolled already.
pub async fn put_all(tx: &mut Tx, riders: &[SealedRider<'_>]) -> Result<(), StoreError> {
    for chunk in riders.chunks(ROWS_A_STATEMENT) {
        let mut query = Bulk::new(
            "insert into roster \
             (platform, worker, person, rider, name, identity_no, from_day, event_id) values ",
        );
        query.rows(chunk, |rider| {
            [
                rider.platform.as_str().into(),
                rider.worker.0.cast_signed().into(),
                rider.person.0.cast_signed().into(),
                rider.rider.as_slice().into(),
                rider.name.as_slice().into(),
                rider.identity_no.as_slice().into(),
                i64::from(rider.from.epoch_days()).into(),
                rider.event_id.as_str().into(),
            ]
        });
        query.build().execute(&mut **tx).await?;
    }
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
