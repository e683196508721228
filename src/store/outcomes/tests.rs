//! Records of batches outlive what they say of each message.

use super::*;
use crate::domain::time::Moment;
use crate::store::scratch::Scratch;

fn key() -> PartitionKey {
    PartitionKey { topic: "raw.meituan".to_owned(), partition: 3 }
}

async fn put(tx: &mut Tx, batch: u64, (first_offset, next_offset): (u64, u64)) {
    let record = BatchRecord {
        batch,
        kind: "messages",
        first_offset,
        next_offset,
        received_at: Moment::from_ms(0),
        versions: "manifests:1 policy:1".to_owned(),
        digest: [7; 32],
        outcomes: vec![1, 2, 3],
    };
    put_batch(tx, &key(), &record).await.unwrap();
}

#[tokio::test]
async fn outcomes_go_with_the_messages_and_the_records_stay() {
    let scratch = Scratch::open().await;
    let mut tx = scratch.database.begin().await.unwrap();
    for (batch, positions) in [(1, (0, 10)), (2, (10, 25)), (3, (25, 40))] {
        put(&mut tx, batch, positions).await;
    }
    // Position 30 lies within the third batch: what became of it is still known.
    assert_eq!(forget_before(&mut tx, &key(), 30).await.unwrap(), 2);
    assert_eq!(forget_before(&mut tx, &key(), 30).await.unwrap(), 0, "nothing is left to forget");
    let records = newest_batches(&mut tx, &key(), 10).await.unwrap();
    let left: Vec<_> = records.iter().map(|one| (one.batch, one.outcomes.len())).collect();
    assert_eq!(left, [(1, 0), (2, 0), (3, 3)]);
    assert!(records.iter().all(|one| one.digest == [7; 32]));
    tx.rollback().await.unwrap();
}
