//! Manifests and policy enter the database as numbered, hashed versions.

use sha2::{Digest, Sha256};
use sqlx::Row;

use crate::store::{StoreError, Tx};

/// The number of this content; a new one where it was never seen.
pub(super) async fn record(tx: &mut Tx, kind: &str, body: &[u8]) -> Result<u32, StoreError> {
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

fn number(stored: i64) -> Result<u32, StoreError> {
    u32::try_from(stored).or_else(|_| {
        let detail = format!("expected a number of 32 bits, found {stored}");
        Err(StoreError::Damaged { what: "version.number", detail })
    })
}
