//! The roles of `migrations/roles.sql`: each can do its work, and nothing else.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, Executor};

use crate::domain::ids::{ConnectorId, DestinationId, EventId, FeedId};
use crate::domain::time::{Day, Moment};
use crate::store::outbox::{Owed, owe};
use crate::store::outcomes::{BatchRecord, Sums, put_batch};
use crate::store::positions::{Lease, PartitionKey, advance, claim, past, register_topic, swap};
use crate::store::relay::{DeliveryState, Settled, claim as claim_records, settle};
use crate::store::scratch::Scratch;
use crate::store::segments::{SegmentKind, StoredSegment, delete, of_kind, put};
use crate::store::standing::standings;
use crate::store::{Database, Engine, StoreError, held, order_days, publish, roster, schemas};

const NOW: Moment = Moment::from_ms(1_780_000_000_000);

/// A database with the roles, as each of them sees it.
async fn with_roles() -> Scratch {
    let scratch = Scratch::on(Engine::Postgres).await;
    let mut tx = scratch.database.begin().await.unwrap();
    tx.execute(include_str!("../../../migrations/roles.sql")).await.unwrap();
    tx.commit().await.unwrap();
    scratch
}

async fn role(scratch: &Scratch, name: &str) -> Database {
    Database::connect(&address(scratch, name)).await.unwrap()
}

fn address(scratch: &Scratch, role: &str) -> String {
    let url = scratch.url();
    let sign = if url.contains('?') { '&' } else { '?' };
    format!("{url}{sign}options[role]={role}")
}

/// Statements that a role may not run.
async fn check_denied(database: &Database, statements: &[&str]) {
    for sql in statements {
        let mut tx = database.begin().await.unwrap();
        let done = sqlx::query(AssertSqlSafe((*sql).to_owned())).execute(&mut *tx).await;
        let error = done.expect_err(sql).to_string();
        assert!(error.contains("permission denied"), "{sql}: {error}");
    }
}

fn key() -> PartitionKey {
    PartitionKey { topic: "raw.x".to_owned(), partition: 0 }
}

fn owed() -> Owed {
    Owed {
        id: EventId::new("tax:levy_assessed:a:1").unwrap(),
        destination: DestinationId::new("tax").unwrap(),
        key: "a".to_owned(),
        kind: "levy_assessed",
        revision: 1,
        body: "{}".to_owned(),
        caused_at: NOW,
    }
}

fn segment(kind: SegmentKind) -> StoredSegment {
    StoredSegment {
        day: Day::from_epoch_days(20_640),
        kind,
        first_ordinal: 0,
        next_ordinal: 1,
        batch: 1,
        batch_last: 1,
        rows: 1,
        bytes: vec![1],
    }
}

/// A batch as an owner writes it.
async fn write_a_batch(database: &Database) -> Result<(), StoreError> {
    let mut tx = database.begin().await?;
    register_topic(&mut tx, "raw.x", "x", 1).await?;
    let lease = Lease { owner: "a", lease_ms: 1, process_now: NOW };
    let claimed = claim(&mut tx, &key(), lease, 0).await?.expect("a free partition");
    assert!(swap(&mut tx, &key(), &claimed, lease).await?);
    put(&mut tx, &key(), &segment(SegmentKind::Unpublished)).await?;
    put(&mut tx, &key(), &segment(SegmentKind::Base)).await?;
    put(&mut tx, &key(), &segment(SegmentKind::Delta)).await?;
    delete(&mut tx, &key(), &segment(SegmentKind::Delta)).await?;
    order_days::put(&mut tx, &key(), Day::from_epoch_days(20_640), "open", 1).await?;
    assert!(owe(&mut tx, &owed()).await?);
    let record = BatchRecord {
        batch: 1,
        kind: "messages",
        first_offset: 0,
        next_offset: 1,
        received_at: NOW,
        versions: "1".to_owned(),
        digest: [0; 32],
        outcomes: Vec::new(),
    };
    put_batch(&mut tx, &key(), &record).await?;
    let mut sums = Sums::default();
    let key_of_sum = (FeedId::new("f").unwrap(), Day::from_epoch_days(20_640));
    sums.add(&ConnectorId::new("x").unwrap(), &BTreeMap::from([(key_of_sum, Default::default())]));
    sums.write(&mut tx).await?;
    advance(&mut tx, &key(), &claimed).await?;
    past(&mut tx, NOW).await?;
    Ok(tx.commit().await?)
}

#[tokio::test]
async fn apply_writes_books_and_changes_nothing_that_was_said() {
    let scratch = with_roles().await;
    let apply = role(&scratch, "zhibao_apply").await;
    write_a_batch(&apply).await.unwrap();
    check_denied(
        &apply,
        &[
            "delete from posting",
            "update entry set subject = ''",
            "update outbox set state = 'delivered'",
            "delete from outbox",
            "update levy_line set amount_fen = 0",
            "update case_decision set outcome = ''",
            "update _sqlx_migrations set version = 0",
            "truncate order_count",
        ],
    )
    .await;
}

#[tokio::test]
async fn forward_writes_how_things_were_delivered() {
    let scratch = with_roles().await;
    write_a_batch(&scratch.database).await.unwrap();
    let forward = role(&scratch, "zhibao_forward").await;
    let mut tx = forward.begin().await.unwrap();
    let id = owed().id;
    let claimed = claim_records(&mut tx, &[id.as_str()], NOW, NOW.plus_ms(1)).await.unwrap();
    assert_eq!(claimed, [id.as_str()]);
    let answer =
        Settled { id, state: DeliveryState::Delivered, answer: "200".to_owned(), next_try_at: NOW };
    settle(&mut tx, &[answer], NOW).await.unwrap();
    publish::advance(&mut tx, &key(), 1).await.unwrap();
    publish::keep_schema(&mut tx, 1, "OrderEvent", "{}").await.unwrap();
    for kind in [SegmentKind::Unpublished, SegmentKind::Base] {
        delete(&mut tx, &key(), &segment(kind)).await.unwrap();
    }
    assert_eq!(of_kind(&mut tx, &key(), SegmentKind::Unpublished, None).await.unwrap(), []);
    let base = of_kind(&mut tx, &key(), SegmentKind::Base, None).await.unwrap();
    assert_eq!(base.len(), 1, "what is not of publishing stays");
    tx.commit().await.unwrap();
    check_denied(
        &forward,
        &[
            "update outbox set body = '{}'",
            "insert into outbox_key values ('tax', 'b', 1)",
            "update position set batch = 9",
            "update segment set bytes = ''",
            "delete from order_count",
            "select name from roster",
        ],
    )
    .await;
}

#[tokio::test]
async fn intake_writes_how_far_it_is_and_schemas() {
    let scratch = with_roles().await;
    write_a_batch(&scratch.database).await.unwrap();
    let intake = role(&scratch, "zhibao_intake").await;
    let forward = role(&scratch, "zhibao_forward").await;
    for database in [&intake, &forward] {
        let mut tx = database.begin().await.unwrap();
        for sql in [
            "insert into intake_mark (source, topic, bytes_in, records_in, complete, digest) \
             values ('http:x:1', 'raw.x', 1, 1, 0, '') on conflict (source) do update set \
             records_in = 2",
            "update intake_mark set records_in = 3",
            "insert into intake_given (source, records_before, partition, first_offset, \
             next_offset) values ('http:x:1', 0, 0, 0, 1) on conflict do nothing",
        ] {
            sqlx::query(sql).execute(&mut *tx).await.unwrap();
        }
        tx.commit().await.unwrap();
    }
    let mut tx = intake.begin().await.unwrap();
    schemas::hold(&mut tx).await.unwrap();
    let id = schemas::id_for(&mut tx, &[7; 32], "\"string\"").await.unwrap();
    schemas::add_version(&mut tx, "raw.x-value", 1, id).await.unwrap();
    tx.commit().await.unwrap();
    check_denied(
        &intake,
        &[
            "update position set batch = 9",
            "delete from segment",
            "insert into outbox_key values ('tax', 'b', 1)",
            "update registry_schema set body = ''",
            "select name from roster",
            "select worker from roster",
        ],
    )
    .await;
}

#[tokio::test]
async fn serve_reads_and_cannot_write() {
    let scratch = with_roles().await;
    write_a_batch(&scratch.database).await.unwrap();
    let serve = role(&scratch, "zhibao_serve").await;
    let mut tx = serve.snapshot().await.unwrap();
    assert_eq!(standings(&mut tx).await.unwrap().len(), 1);
    assert!(held::by_reason(&mut tx).await.unwrap().is_empty());
    assert!(roster::links(&mut tx).await.unwrap().is_empty());
    tx.commit().await.unwrap();
    check_denied(
        &serve,
        &[
            "update outbox set state = 'delivered'",
            "insert into key_lock values ('x', 1)",
            "delete from order_count",
            "insert into instance values ('x', 1)",
            "select identity_no from roster",
        ],
    )
    .await;
}

/// A role without rights on the schema cannot bring it up to date, and says who can.
#[tokio::test]
async fn an_older_schema_is_an_error_for_who_may_not_change_it() {
    let scratch = with_roles().await;
    let mut tx = scratch.database.begin().await.unwrap();
    sqlx::query("delete from _sqlx_migrations where version > 1").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    let opened = Database::connect(&address(&scratch, "zhibao_apply")).await;
    let Err(error) = opened else { panic!("expected a refusal") };
    let text = error.to_string();
    assert!(text.contains("schema at migration 1"), "{text}");
    assert!(text.contains("let a role that owns the schema start this program"), "{text}");
}
