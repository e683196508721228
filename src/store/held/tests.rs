//! Held messages come back with their bytes, take little room, and go with their blob.

use sha2::{Digest, Sha256};
use sqlx::Row;

use super::*;
use crate::store::Engine;
use crate::store::scratch::Scratch;

crate::store::scratch::on_each_engine!(
    messages_of_one_batch_share_a_blob_and_go_with_it,
    nothing_new_writes_no_blob_and_of_equal_ones_the_first_is_new,
    a_beginning_finds_exactly_its_messages,
);

fn connector() -> ConnectorId {
    ConnectorId::new("meituan").unwrap()
}

fn message(number: u64, value: &[u8]) -> ToHold {
    ToHold {
        digest: Sha256::digest(value).into(),
        reason: HoldReason::NoAcceptance,
        feed: FeedId::new("orders").unwrap(),
        header_digest: None,
        topic: "raw.meituan".to_owned(),
        partition: 0,
        offset: number,
        received_at: Moment::from_ms(1_000),
        manifests: 1,
        order_print: None,
        value: value.to_vec(),
    }
}

async fn blobs(tx: &mut Tx) -> (i64, i64) {
    let sql = "select cast(count(*) as bigint) as blobs, \
               cast(coalesce(sum(length(bytes)), 0) as bigint) as bytes from held_blob";
    let row = sqlx::query(sql).fetch_one(&mut **tx).await.unwrap();
    (row.get("blobs"), row.get("bytes"))
}

async fn messages_of_one_batch_share_a_blob_and_go_with_it() {
    let scratch = Scratch::open().await;
    let mut tx = scratch.database.begin().await.unwrap();
    let values: Vec<String> =
        (0..500).map(|n| format!(r#"{{"orderViewId":"36050{n:014}","status":77}}"#)).collect();
    let value = |n: u64| values[usize::try_from(n).unwrap()].as_bytes();
    let batch = |range: std::ops::Range<u64>| -> Vec<ToHold> {
        range.map(|n| message(n, value(n))).collect()
    };
    assert_eq!(hold(&mut tx, &connector(), &batch(0..300)).await.unwrap(), [true; 300]);
    let again = hold(&mut tx, &connector(), &batch(200..500)).await.unwrap();
    assert_eq!(again, [[false; 100].as_slice(), &[true; 200]].concat(), "the same bytes again");
    let (count, bytes) = blobs(&mut tx).await;
    assert_eq!(count, 2);
    // 500 messages of 48 bytes; a blob each would not compress at all.
    assert!(bytes < 500 * 48 / 4, "{bytes} bytes");

    for held in list(&mut tx, None, 1_000).await.unwrap() {
        assert_eq!(held.value, value(held.offset));
    }
    for n in 0..300 {
        let digest = message(n, value(n)).digest;
        let found = get(&mut tx, &connector(), &digest).await.unwrap();
        assert_eq!(found.map(|held| held.value), Some(value(n).to_vec()));
        remove(&mut tx, &connector(), &digest).await.unwrap();
        let (count, _) = blobs(&mut tx).await;
        assert_eq!(count, if n == 299 { 1 } else { 2 }, "{n} removed");
    }
    tx.rollback().await.unwrap();
}

async fn nothing_new_writes_no_blob_and_of_equal_ones_the_first_is_new() {
    let scratch = Scratch::open().await;
    let mut tx = scratch.database.begin().await.unwrap();
    let twice = [message(1, b"x"), message(2, b""), message(3, b"x")];
    assert_eq!(hold(&mut tx, &connector(), &twice).await.unwrap(), [true, true, false]);
    assert_eq!(hold(&mut tx, &connector(), &twice).await.unwrap(), [false; 3]);
    assert_eq!(blobs(&mut tx).await.0, 1);
    let values: Vec<_> =
        list(&mut tx, None, 9).await.unwrap().into_iter().map(|h| h.value).collect();
    assert_eq!(values, [b"x".to_vec(), b"".to_vec()]);
    tx.rollback().await.unwrap();
}

async fn a_beginning_finds_exactly_its_messages() {
    let scratch = Scratch::open().await;
    let mut tx = scratch.database.begin().await.unwrap();
    let digests = [0x10_u8, 0x11, 0x1f, 0x20].map(|byte| [byte; 32]);
    for (number, digest) in (0..).zip(digests) {
        let one = ToHold { digest, ..message(number, &[7]) };
        hold(&mut tx, &connector(), &[one]).await.unwrap();
    }
    let (mut first, mut last) = ([0; 32], [0xff; 32]);
    (first[0], last[0]) = (0x10, 0x1f);
    let found = between(&mut tx, &first, &last).await.unwrap();
    assert_eq!(found.iter().map(|held| held.digest[0]).collect::<Vec<_>>(), [0x10, 0x11, 0x1f]);
    // No scan: the engine reads the range of the key. (A server chooses by the table's size.)
    if scratch.database.engine() == Engine::Sqlite {
        let sql = "explain query plan select * from held where digest between x'10' and x'1f'";
        let plan: String = sqlx::query(sql).fetch_one(&mut *tx).await.unwrap().get("detail");
        assert!(plan.contains("SEARCH"), "{plan}");
    }
    tx.rollback().await.unwrap();
}
