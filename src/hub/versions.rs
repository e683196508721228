//! Manifests and policy enter the database as numbered, hashed versions.

use sha2::{Digest, Sha256};
use sqlx::Row;

use crate::store::locks::{Key, lock};
use crate::store::{StoreError, Tx};

/// The number of this content; a new one where it was never seen.
pub(super) async fn record(tx: &mut Tx, kind: &str, body: &[u8]) -> Result<u32, StoreError> {
    lock(tx, [Key::Versions]).await?;
    let digest = Sha256::digest(body).to_vec();
    let known = sqlx::query("select number from version where kind = $1 and digest = $2")
        .bind(kind)
        .bind(&digest)
        .fetch_optional(&mut **tx)
        .await?;
    if let Some(row) = known {
        return number(row.try_get("number")?);
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

/// The digest that was given first for a kind: this one, where there is none yet.
pub(super) async fn first_digest(
    tx: &mut Tx,
    kind: &str,
    digest: &[u8; 32],
) -> Result<Vec<u8>, StoreError> {
    sqlx::query(
        "insert into version (kind, number, digest, body) values ($1, 1, $2, $3) \
         on conflict (kind, number) do nothing",
    )
    .bind(kind)
    .bind(digest.to_vec())
    .bind(Vec::new())
    .execute(&mut **tx)
    .await?;
    let row = sqlx::query("select digest from version where kind = $1 and number = 1")
        .bind(kind)
        .fetch_one(&mut **tx)
        .await?;
    Ok(row.try_get("digest")?)
}

fn number(stored: i64) -> Result<u32, StoreError> {
    u32::try_from(stored).map_err(|error| {
        let detail = format!("expected a number of 32 bits, found {stored}: {error}");
        StoreError::Damaged { what: "version.number", detail }
    })
}
