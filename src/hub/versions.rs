//! Manifests and policy enter the database as numbered, hashed versions. What is there already is
//! only read: an instance that may write none can start all the same.

use sha2::{Digest, Sha256};
use sqlx::Row;

use crate::store::locks::{Key, lock};
use crate::store::{StoreError, Tx};

/// The number of this content; a new one where it was never seen.
pub(super) async fn record(tx: &mut Tx, kind: &str, body: &[u8]) -> Result<u32, StoreError> {
    let digest = Sha256::digest(body).to_vec();
    if let Some(known) = known(tx, kind, &digest).await? {
        return Ok(known);
    }
    lock(tx, [Key::Versions]).await?;
    // Another instance may have been faster.
    if let Some(known) = known(tx, kind, &digest).await? {
        return Ok(known);
    }
    let row = sqlx::query(
        "insert into version (kind, number, digest, body) \
         select $1, coalesce(max(number), 0) + 1, $2, $3 from version where kind = $1 \
         returning number",
    )
    .bind(kind)
    .bind(&digest)
    .bind(body)
    .fetch_one(&mut **tx)
    .await?;
    number(row.try_get("number")?)
}

async fn known(tx: &mut Tx, kind: &str, digest: &[u8]) -> Result<Option<u32>, StoreError> {
    let row = sqlx::query("select number from version where kind = $1 and digest = $2")
        .bind(kind)
        .bind(digest)
        .fetch_optional(&mut **tx)
        .await?;
    row.map(|row| number(row.try_get("number")?)).transpose()
}

/// The digest that was given first for a kind: this one, where there is none yet.
pub(super) async fn first_digest(
    tx: &mut Tx,
    kind: &str,
    digest: &[u8; 32],
) -> Result<Vec<u8>, StoreError> {
    if let Some(given) = given_first(tx, kind).await? {
        return Ok(given);
    }
    sqlx::query(
        "insert into version (kind, number, digest, body) values ($1, 1, $2, $3) \
         on conflict (kind, number) do nothing",
    )
    .bind(kind)
    .bind(digest.to_vec())
    .bind(Vec::new())
    .execute(&mut **tx)
    .await?;
    // Another instance may have been faster.
    Ok(given_first(tx, kind).await?.unwrap_or_else(|| digest.to_vec()))
}

async fn given_first(tx: &mut Tx, kind: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let row = sqlx::query("select digest from version where kind = $1 and number = 1")
        .bind(kind)
        .fetch_optional(&mut **tx)
        .await?;
    Ok(row.map(|row| row.try_get("digest")).transpose()?)
}

fn number(stored: i64) -> Result<u32, StoreError> {
    u32::try_from(stored).map_err(|error| {
        let detail = format!("expected a number of 32 bits, found {stored}: {error}");
        StoreError::Damaged { what: "version.number", detail }
    })
}
