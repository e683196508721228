//! A hundred seeds, the same seed twice, and an oracle that is seen to find what is wrong.

use std::path::Path;
use std::sync::Arc;

use sqlx::AssertSqlSafe;

use super::{Outcome, Run, Template, run};
use crate::hub::simulation::traffic::Says;

const ORDERS: u32 = 40;

async fn template() -> Arc<Template> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (connectors, policy) = (repository.join("connectors"), repository.join("policy"));
    Arc::new(Template::make(&connectors, &policy).await.unwrap())
}

/// Seeds from `first` on, every other one.
async fn half(template: Arc<Template>, first: u64) -> Vec<Outcome> {
    let mut failed = Vec::new();
    for seed in (first..100).step_by(2) {
        let outcome = run(&template, seed, ORDERS).await.unwrap();
        if !outcome.differences.is_empty() {
            failed.push(outcome);
        }
    }
    failed
}

#[track_caller]
fn assert_well(failed: &[Outcome]) {
    let told = failed.iter().map(|outcome| {
        let lines: Vec<&str> = outcome.differences.iter().map(String::as_str).collect();
        format!("seed {}:\n  {}", outcome.seed, lines.join("\n  "))
    });
    let told: Vec<String> = told.collect();
    assert!(failed.is_empty(), "{} seeds\n{}", failed.len(), told.join("\n"));
}

#[tokio::test]
async fn a_hundred_seeds_come_to_the_truth() {
    let template = template().await;
    let own = Arc::clone(&template);
    let other = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(half(own, 1))
    });
    assert_well(&half(template, 0).await);
    assert_well(&other.join().unwrap());
}

#[tokio::test]
async fn the_same_seed_takes_the_same_course() {
    let template = template().await;
    for seed in [3, 4, 5] {
        let first = run(&template, seed, ORDERS).await.unwrap();
        assert_eq!(run(&template, seed, ORDERS).await.unwrap(), first);
        assert_ne!(run(&template, seed + 100, ORDERS).await.unwrap().trace, first.trace);
    }
}

#[tokio::test]
async fn an_order_that_the_log_loses_is_missed() {
    let template = template().await;
    let mut ran = Run::prepare(&template, 7, ORDERS).await.unwrap();
    // Everything is sent before anybody reads: then one order is lost.
    ran.world.send_all().await;
    let lost = ran.world.messages().iter().find_map(|message| {
        let Says::Order(id, _) = &message.says else { return None };
        let is_own = |other: &&super::traffic::Message| {
            matches!(&other.says, Says::Order(other, _) if other == id)
        };
        let is_alone = ran.world.messages().iter().filter(is_own).count() == 2;
        is_alone.then(|| (message.platform, message.value.clone()))
    });
    let (platform, value) = lost.unwrap();
    let topic = format!("raw.{}", platform.name());
    assert!(ran.world.shared.log.lose(&topic, &value));
    ran.rest().await.unwrap();
    let differences = ran.end().await.unwrap().differences;
    assert!(differences.iter().any(|line| line.starts_with("received")), "{differences:?}");
}

/// What the oracle says of books that somebody changed behind the hub's back.
async fn tampered(sql: &str) -> Vec<String> {
    let ran = Run::begin(&template().await, 6, ORDERS).await.unwrap();
    let mut tx = ran.world.shared.db.without_faults().begin().await.unwrap();
    let done = sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&mut *tx).await.unwrap();
    assert!(done.rows_affected() > 0, "{sql}");
    tx.commit().await.unwrap();
    ran.end().await.unwrap().differences
}

#[tokio::test]
async fn books_that_somebody_changed_are_found_out() {
    for (sql, found) in [
        (
            "update order_count set orders = orders + 1 \
             where partition = (select min(partition) from order_count)",
            "count",
        ),
        ("update outcome_sum set applied = applied + 1 where connector = 'meituan'", "received"),
        ("update levy_line set amount_fen = amount_fen + 1 where revision = 1", "levy"),
        ("delete from held where connector = 'meituan'", "meituan: expected a held"),
        ("update outbox set body = replace(body, 'orders', 'others')", "told at last"),
        ("update outbox set state = 'owed' where state = 'delivered'", "national-platform"),
    ] {
        let differences = tampered(sql).await;
        assert!(differences.iter().any(|line| line.starts_with(found)), "{sql}: {differences:?}");
    }
}
