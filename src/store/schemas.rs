//! The schema registry's rows: numbers, texts and versions. They are added and never changed.
//!
//! Whoever adds some holds [`Key::Versions`], so that two who bring the same text get one number.

use sqlx::Row;
use sqlx::any::AnyRow;

use super::locks::{Key, lock};
use super::{StoreError, Tx};

/// Numbers below are built into programs (`schema::Record::schema_id`).
const FIRST_GIVEN: u32 = 100_001;

/// A version of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// From 1.
    pub version: u32,
    /// The number of the schema.
    pub id: u32,
    /// The text.
    pub body: String,
}

/// Lets nobody else add schemas before this transaction ends.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn hold(tx: &mut Tx) -> Result<(), StoreError> {
    lock(tx, [Key::Versions]).await
}

/// The number of a text.
///
/// # Errors
/// [`StoreError`] where the engine refuses or a number is damaged.
pub async fn id_of(tx: &mut Tx, digest: &[u8; 32]) -> Result<Option<u32>, StoreError> {
    let row = sqlx::query("select schema_id from registry_text where digest = $1")
        .bind(digest.to_vec())
        .fetch_optional(&mut **tx)
        .await?;
    row.map(|row| number(&row, "schema_id")).transpose()
}

/// Gives a text this number, where it has none. The first text that had a number stays its answer.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn keep(tx: &mut Tx, id: u32, digest: &[u8; 32], body: &str) -> Result<(), StoreError> {
    sqlx::query(
        "insert into registry_schema (id, body) values ($1, $2) on conflict (id) do nothing",
    )
    .bind(i64::from(id))
    .bind(body)
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "insert into registry_text (digest, schema_id) values ($1, $2) \
         on conflict (digest) do nothing",
    )
    .bind(digest.to_vec())
    .bind(i64::from(id))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The number of a text, the next free one where it has none. Within [`hold`].
///
/// # Errors
/// As [`id_of`].
pub async fn id_for(tx: &mut Tx, digest: &[u8; 32], body: &str) -> Result<u32, StoreError> {
    if let Some(id) = id_of(tx, digest).await? {
        return Ok(id);
    }
    let row =
        sqlx::query("select coalesce(max(id) + 1, $1) as next from registry_schema where id >= $1")
            .bind(i64::from(FIRST_GIVEN))
            .fetch_one(&mut **tx)
            .await?;
    let next = number(&row, "next")?;
    keep(tx, next, digest, body).await?;
    Ok(next)
}

/// The text of a number.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn body_of(tx: &mut Tx, id: u32) -> Result<Option<String>, StoreError> {
    let row = sqlx::query("select body from registry_schema where id = $1")
        .bind(i64::from(id))
        .fetch_optional(&mut **tx)
        .await?;
    Ok(row.map(|row| row.try_get("body")).transpose()?)
}

/// All subjects by name.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn subjects(tx: &mut Tx) -> Result<Vec<String>, StoreError> {
    let rows = sqlx::query("select distinct subject from registry_version order by subject")
        .fetch_all(&mut **tx)
        .await?;
    rows.iter().map(|row| Ok(row.try_get("subject")?)).collect()
}

/// The versions of a subject in order; none where nobody knows it.
///
/// # Errors
/// As [`id_of`].
pub async fn versions(tx: &mut Tx, subject: &str) -> Result<Vec<Version>, StoreError> {
    let rows = sqlx::query(
        "select v.version, v.schema_id, s.body from registry_version v \
         join registry_schema s on s.id = v.schema_id where v.subject = $1 order by v.version",
    )
    .bind(subject)
    .fetch_all(&mut **tx)
    .await?;
    let version = |row: &AnyRow| {
        let (version, id) = (number(row, "version")?, number(row, "schema_id")?);
        Ok(Version { version, id, body: row.try_get("body")? })
    };
    rows.iter().map(version).collect()
}

/// The subjects and versions that a number stands in.
///
/// # Errors
/// As [`id_of`].
pub async fn uses(tx: &mut Tx, id: u32) -> Result<Vec<(String, u32)>, StoreError> {
    let rows = sqlx::query(
        "select subject, version from registry_version where schema_id = $1 \
         order by subject, version",
    )
    .bind(i64::from(id))
    .fetch_all(&mut **tx)
    .await?;
    let of = |row: &AnyRow| Ok((row.try_get("subject")?, number(row, "version")?));
    rows.iter().map(of).collect()
}

/// Adds a version to a subject, where the subject has none of this number.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn add_version(
    tx: &mut Tx,
    subject: &str,
    version: u32,
    id: u32,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into registry_version (subject, version, schema_id) values ($1, $2, $3) \
         on conflict (subject, version) do nothing",
    )
    .bind(subject)
    .bind(i64::from(version))
    .bind(i64::from(id))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The number that another registry gave to a text, where it was asked before.
///
/// # Errors
/// As [`id_of`].
pub async fn id_elsewhere(
    tx: &mut Tx,
    registry: &str,
    digest: &[u8; 32],
) -> Result<Option<u32>, StoreError> {
    let sql = "select schema_id from registry_elsewhere where registry = $1 and digest = $2";
    let row =
        sqlx::query(sql).bind(registry).bind(digest.to_vec()).fetch_optional(&mut **tx).await?;
    row.map(|row| number(&row, "schema_id")).transpose()
}

/// Keeps the number that another registry gave to a text.
///
/// # Errors
/// [`StoreError::Sql`] where the engine refuses.
pub async fn keep_elsewhere(
    tx: &mut Tx,
    registry: &str,
    digest: &[u8; 32],
    id: u32,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into registry_elsewhere (registry, digest, schema_id) values ($1, $2, $3) \
         on conflict (registry, digest) do nothing",
    )
    .bind(registry)
    .bind(digest.to_vec())
    .bind(i64::from(id))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

fn number(row: &AnyRow, column: &'static str) -> Result<u32, StoreError> {
    let stored: i64 = row.try_get(column)?;
    u32::try_from(stored).map_err(|error| {
        let detail = format!("{column}: expected a number of 32 bits, found {stored}: {error}");
        StoreError::Damaged { what: "registry", detail }
    })
}
