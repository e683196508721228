//! A disk that is full costs the transaction that met it, and no other.

use crate::store::scratch::Scratch;
use crate::store::{Engine, StoreError, engine};

/// SQLite ends such a transaction by itself. Previously sqlx took it for open for ever, and the one
/// writing session of the program refused every further transaction.
#[tokio::test]
async fn a_session_whose_transaction_sqlite_has_ended_is_replaced() {
    let scratch = Scratch::on(Engine::Sqlite).await;
    let insert = "insert into version (kind, number, digest, body) values ('x', 1, x'00', $1)";
    let mut tx = scratch.database.begin().await.unwrap();
    engine::set_room(&mut tx, true).await.unwrap();
    let body = vec![7_u8; 1 << 20];
    let full = sqlx::query(insert).bind(&body).execute(&mut *tx).await.unwrap_err();
    assert!(full.to_string().contains("disk is full"), "{full}");
    assert!(StoreError::from(full).is_passing(), "there may be room again");
    drop(tx);
    // Other connections were never told that there is no room.
    let mut tx = scratch.database.begin().await.unwrap();
    sqlx::query(insert).bind(&body).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
}
