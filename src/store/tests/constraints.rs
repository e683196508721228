//! The database's own constraints, by raw SQL: what no program may write, ours included.

use sqlx::AssertSqlSafe;

use crate::store::scratch::{Scratch, on_each_engine};
use crate::store::{Database, Engine};

on_each_engine!(
    an_unbalanced_entry_is_refused,
    a_line_more_for_an_entry_that_stands_is_refused,
    entries_are_only_added,
    a_count_below_zero_is_refused,
    what_one_partition_takes_back_another_may_have_counted,
);

/// Runs statements in one transaction; the error text where they or their commit are refused.
async fn run(database: &Database, statements: &[&str]) -> Result<(), String> {
    let mut tx = database.begin().await.unwrap();
    for sql in statements {
        let done = sqlx::query(AssertSqlSafe((*sql).to_owned())).execute(&mut *tx).await;
        done.map_err(|error| error.to_string())?;
    }
    tx.commit().await.map_err(|error| error.to_string())
}

#[track_caller]
fn check_refused(outcome: Result<(), String>, expected: &str) {
    let error = outcome.expect_err("the database refuses");
    assert!(error.contains(expected), "expected {expected:?} in: {error}");
}

const ENTRY: &str = "insert into entry (id, book, booked_on, cause_event, subject, caused_at) \
                     values ('e1', 'cash', 1, 'c', 's', 1)";
const TEN: &str = "insert into posting values ('e1', 1, 'treasury', 10)";
const LESS_TEN: &str = "insert into posting values ('e1', 2, 'income.levy', -10)";
const LESS_NINE: &str = "insert into posting values ('e1', 2, 'income.levy', -9)";

async fn an_unbalanced_entry_is_refused() {
    let scratch = Scratch::open().await;
    let database = &scratch.database;
    let sum = "expected at least two postings that sum to zero";
    check_refused(run(database, &[TEN, LESS_NINE, ENTRY]).await, sum);
    check_refused(run(database, &[ENTRY]).await, sum);
    // Lines without an entry never commit.
    run(database, &[TEN, LESS_TEN]).await.unwrap_err();
    let zero = "insert into posting values ('e1', 1, 'treasury', 0)";
    run(database, &[zero]).await.unwrap_err();
    run(database, &[TEN, LESS_TEN, ENTRY]).await.unwrap();
}

async fn a_line_more_for_an_entry_that_stands_is_refused() {
    let scratch = Scratch::open().await;
    let database = &scratch.database;
    run(database, &[TEN, LESS_TEN, ENTRY]).await.unwrap();
    let one = "insert into posting values ('e1', 3, 'treasury', 1)";
    run(database, &[one]).await.unwrap_err();
}

async fn entries_are_only_added() {
    let scratch = Scratch::open().await;
    let database = &scratch.database;
    run(database, &[TEN, LESS_TEN, ENTRY]).await.unwrap();
    for change in [
        "update posting set amount_fen = amount_fen * 2",
        "delete from posting",
        "update entry set subject = 'other'",
        "delete from entry",
    ] {
        check_refused(run(database, &[change]).await, "expected a new entry");
    }
}

/// Adds orders to the count of one county, day and partition.
fn count(partition: u32, after_cut: u32, orders: i64) -> String {
    format!(
        "insert into order_count (platform, line, county, day, rule, basis, partition, after_cut, \
         orders) values ('meituan', 'instant_delivery', 150102, 20640, 1, 'stream', {partition}, \
         {after_cut}, {orders}) on conflict (platform, line, day, county, rule, basis, partition, \
         after_cut) do update set orders = order_count.orders + excluded.orders"
    )
}

async fn a_count_below_zero_is_refused() {
    let scratch = Scratch::open().await;
    let database = &scratch.database;
    let less = "order_count: expected a count of 0 or more";
    check_refused(run(database, &[&count(0, 0, -1)]).await, less);
    run(database, &[&count(0, 0, 2)]).await.unwrap();
    check_refused(run(database, &[&count(0, 0, -3)]).await, less);
    check_refused(run(database, &[&count(1, 1, -3)]).await, less);
    run(database, &[&count(1, 0, -2)]).await.unwrap();
    check_refused(run(database, &["delete from order_count where orders > 0"]).await, less);
    let moved = "update order_count set county = 150103 where orders > 0";
    check_refused(run(database, &[moved]).await, "expected a change of orders alone");
}

async fn what_one_partition_takes_back_another_may_have_counted() {
    let scratch = Scratch::open().await;
    let database = &scratch.database;
    run(database, &[&count(3, 0, 1)]).await.unwrap();
    run(database, &[&count(15, 1, -1)]).await.unwrap();
    run(database, &[&count(3, 0, 1), &count(15, 1, -1)]).await.unwrap();
}

#[tokio::test]
async fn two_transactions_cannot_both_take_the_last_order_back() {
    let scratch = Scratch::on(Engine::Postgres).await;
    run(&scratch.database, &[&count(0, 0, 1)]).await.unwrap();
    let mut one = scratch.database.begin().await.unwrap();
    let mut two = scratch.database.begin().await.unwrap();
    sqlx::query(AssertSqlSafe(count(0, 0, -1))).execute(&mut *one).await.unwrap();
    sqlx::query(AssertSqlSafe(count(1, 0, -1))).execute(&mut *two).await.unwrap();
    one.commit().await.unwrap();
    let error = two.commit().await.unwrap_err().to_string();
    assert!(error.contains("expected a count of 0 or more"), "{error}");
}

#[tokio::test]
async fn a_line_for_an_entry_that_another_transaction_writes_is_refused() {
    let scratch = Scratch::on(Engine::Postgres).await;
    let mut one = scratch.database.begin().await.unwrap();
    let mut two = scratch.database.begin().await.unwrap();
    for sql in [TEN, LESS_TEN, ENTRY] {
        sqlx::query(sql).execute(&mut *one).await.unwrap();
    }
    let unseen = "insert into posting values ('e1', 3, 'treasury', 5)";
    sqlx::query(unseen).execute(&mut *two).await.unwrap();
    one.commit().await.unwrap();
    let error = two.commit().await.unwrap_err().to_string();
    assert!(error.contains("sum to zero"), "{error}");
}
