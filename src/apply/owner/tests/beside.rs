//! Several instances on one database: stopped ones, lost answers, and transactions at one moment.

use super::bench::{Bench, accepted, july, work};
use crate::apply::engine::ApplySettings;
use crate::apply::freeze::{FreezeReport, adjust, freeze, issue};
use crate::apply::owner::{Owner, Step};
use crate::domain::ids::CaseId;
use crate::domain::time::{Moment, Month};
use crate::levy::LevyPeriod;
use crate::store::locks::{Key, lock};
use crate::store::outcomes::Tally;
use crate::store::positions::past;
use crate::store::scratch::{on_each_engine, with_engine};
use crate::store::{Engine, levy};

on_each_engine!(
    an_owner_that_lost_its_partition_changes_nothing,
    a_commit_whose_answer_was_lost_is_found_by_claiming_again,
);

const ORDERS: i64 = 40;

/// Leases that are over at once, and a batch an order.
fn short() -> ApplySettings {
    ApplySettings { batch_bytes_max: 1, lease_ms: 0, ..ApplySettings::default() }
}

/// Orders of 2 July, a minute apart, alternately of the partitions; the append time of each.
async fn with_orders(partitions: u32, settings: ApplySettings) -> (Bench, Vec<Moment>) {
    let bench = Bench::with("meituan", partitions, settings).await;
    let mut appended = Vec::new();
    for number in 0..ORDERS {
        let (id, at) = (format!("{}", 5_000 + number), july(2, 600 + number));
        let order = accepted(&id, 7, july(2, 600)).bytes();
        bench.append((bench.home(&id), "orders"), at, &[order]).await;
        appended.push(at);
    }
    (bench, appended)
}

async fn check_all_counted(bench: &Bench) {
    let expected = Tally { received: ORDERS, applied: ORDERS, ..Tally::default() };
    assert_eq!((bench.tally().await, bench.counted().await), (expected, ORDERS));
}

async fn an_owner_that_lost_its_partition_changes_nothing() {
    let (bench, _) = with_orders(1, short()).await;
    let mut first = bench.owner(0).await;
    for _ in 0..3 {
        first.step().await.unwrap();
    }
    let mut second = bench.owner_in(&bench.beside("second"), 0).await;
    assert!(!first.stands().await.unwrap() && second.stands().await.unwrap());
    assert_eq!(first.step().await.unwrap(), Step::Lost);
    second.step().await.unwrap();
    assert_eq!(first.step().await.unwrap(), Step::Lost);
    first.release().await.unwrap();
    work(&mut second).await;
    check_all_counted(&bench).await;
}

async fn a_commit_whose_answer_was_lost_is_found_by_claiming_again() {
    let (bench, _) = with_orders(1, short()).await;
    let mut owner = bench.owner(0).await;
    owner.step().await.unwrap();
    let before = owner.claim.clone();
    owner.step().await.unwrap();
    // It went through, and the owner does not know.
    owner.claim = before.clone();
    assert_eq!(owner.step().await.unwrap(), Step::Lost);
    let mut owner = bench.owner(0).await;
    assert_eq!(owner.claim.batch, before.batch + 1);
    owner.step().await.unwrap();
    // It did not, and the owner does not know either.
    let before = owner.claim.clone();
    let lost = owner.begin().await.unwrap().expect("the swap");
    lost.rollback().await.unwrap();
    let mut owner = bench.owner(0).await;
    assert_eq!(owner.claim.batch, before.batch);
    work(&mut owner).await;
    check_all_counted(&bench).await;
}

/// A stopped process looks to the server like this one, which does nothing within its batch: its
/// transaction is ended, and another instance has the partition.
#[tokio::test]
async fn a_batch_that_stands_still_is_ended_and_another_goes_on() {
    with_engine(Engine::Postgres, async {
        let (bench, _) = with_orders(1, short()).await;
        let mut first = bench.owner(0).await;
        first.step().await.unwrap();
        let stopped = first.begin().await.unwrap().expect("the swap");
        let mut second = bench.owner_in(&bench.beside("second"), 0).await;
        second.step().await.unwrap();
        assert!(stopped.commit().await.is_err(), "the server has ended it");
        assert_eq!(first.step().await.unwrap(), Step::Lost);
        work(&mut second).await;
        check_all_counted(&bench).await;
    })
    .await;
}

/// A session that is ended within a batch is no error of the hub: what it was about is claimed
/// again.
#[tokio::test]
async fn a_server_that_ends_all_sessions_is_a_passing_error() {
    with_engine(Engine::Postgres, async {
        let (bench, _) = with_orders(1, short()).await;
        let mut owner = bench.owner(0).await;
        let mut blocking = bench.engine.db.begin().await.unwrap();
        let table = "lock table batch in exclusive mode";
        sqlx::query(table).execute(&mut *blocking).await.unwrap();
        let stepping = tokio::spawn(async move { owner.step().await });
        bench.scratch.waiters(1).await;
        let ended = "select cast(count(pg_terminate_backend(pid)) as bigint) as n \
                     from pg_stat_activity where wait_event_type = 'Lock' \
                     and datname = current_database()";
        sqlx::query(ended).execute(&mut *blocking).await.unwrap();
        let error = stepping.await.unwrap().unwrap_err();
        assert!(error.is_passing(), "{error}");
        blocking.rollback().await.unwrap();
        work(&mut bench.owner(0).await).await;
        check_all_counted(&bench).await;
    })
    .await;
}

const WAITS: &str = r#"{"type":"application","case":"NM2026000004","applicant":"union",
    "at":"2026-07-05T10:00:00+08:00"}"#;
const FILES: &str = r#"{"type":"filing","case":"NM2026000004","platform":"eleme",
    "rider":"E20817735","id_no":"15292119920101000X","accident_at":"2026-07-01T09:30:00+08:00",
    "county":"150102","order_no":"3f0c9a6e5b7d41e2a8c4d6f01b2e7395",
    "at":"2026-07-01T09:40:00+08:00"}"#;

/// The event that waits for a case and the one that makes it both stand at the case's key, and go
/// on in either order.
#[tokio::test]
async fn an_event_that_waits_is_woken_by_the_one_that_commits_at_the_same_moment() {
    with_engine(Engine::Postgres, async {
        for first in [0, 1] {
            let bench = Bench::new("national-platform", 2).await;
            for (partition, text) in [(0, WAITS), (1, FILES)] {
                let value = text.replace('\n', "").into_bytes();
                bench.append((partition, "filings"), july(6, 0), &[value]).await;
            }
            let mut owners = [Some(bench.owner(0).await), Some(bench.owner(1).await)];
            let mut barrier = bench.engine.db.begin().await.unwrap();
            let case = CaseId::new("NM2026000004").unwrap();
            lock(&mut barrier, [Key::Case(case)]).await.unwrap();
            let mut going = Vec::new();
            for (waiting, partition) in [(1, first), (2, 1 - first)] {
                let mut owner = owners[partition].take().unwrap();
                going.push(tokio::spawn(async move { owner.step().await.unwrap() }));
                bench.scratch.waiters(waiting).await;
            }
            barrier.rollback().await.unwrap();
            for gone in going {
                assert_eq!(gone.await.unwrap(), Step::Worked(1));
            }
            let expected = Tally { received: 2, applied: 2, ..Tally::default() };
            assert_eq!(bench.tally().await, expected, "partition {first} came first");
        }
    })
    .await;
}

fn july_2026() -> Month {
    Month::new(2026, 7).unwrap()
}

/// Freezes, issues and adjusts in one transaction, as the command does; `None` where a partition
/// has passed the cut.
async fn freeze_at(bench: &Bench, cut_at: Moment) -> Option<FreezeReport> {
    let (engine, period) = (&bench.engine, period());
    let mut tx = engine.db.begin().await.unwrap();
    if past(&mut tx, cut_at).await.unwrap().is_some() {
        return None;
    }
    let report = freeze(&mut tx, engine.scope(), july_2026(), cut_at, "test").await.unwrap();
    if issue(&mut tx, engine.scope(), &period).await.unwrap().is_none() {
        adjust(&mut tx, engine.scope(), &period, cut_at).await.unwrap();
    }
    tx.commit().await.unwrap();
    Some(report)
}

fn period() -> LevyPeriod {
    LevyPeriod {
        platform: crate::domain::ids::PlatformId::new("meituan").unwrap(),
        line: crate::domain::ids::LineCode::new("instant_delivery").unwrap(),
        month: july_2026(),
    }
}

async fn applied_until(bench: &Bench) -> Moment {
    let sql = "select cast(max(received_at) as bigint) as n from position";
    Moment::from_ms(bench.number(sql).await)
}

async fn issued_orders(bench: &Bench) -> i64 {
    let mut tx = bench.engine.db.snapshot().await.unwrap();
    let issued = levy::issued(&mut tx, &period()).await.unwrap();
    issued.by_rate.values().map(|figure| figure.orders).sum()
}

/// What is frozen while batches commit is exactly what was received before the cut, and what comes
/// later is in the adjustments.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_month_that_is_frozen_while_batches_commit_has_every_order_once() {
    with_engine(Engine::Postgres, async {
        for after in [1, 7, 20, 33] {
            let settings = ApplySettings { lease_ms: 60_000, ..short() };
            let (bench, appended) = with_orders(2, settings).await;
            let mut working = Vec::new();
            for partition in [0, 1] {
                let mut owner: Owner = bench.owner(partition).await;
                working.push(tokio::spawn(async move { work(&mut owner).await }));
            }
            while applied_until(&bench).await < appended[after] {}
            let cut_at = loop {
                let cut_at = applied_until(&bench).await.plus_ms(1);
                if freeze_at(&bench, cut_at).await.is_some() {
                    break cut_at;
                }
            };
            while working.iter().any(|one| !one.is_finished()) {
                let later = applied_until(&bench).await.plus_ms(1);
                freeze_at(&bench, later).await;
            }
            for one in working {
                one.await.unwrap();
            }
            freeze_at(&bench, july(9, 0)).await.expect("nothing later");
            check_all_counted(&bench).await;
            let before = appended.iter().filter(|at| **at < cut_at).count();
            let frozen = "select cast(sum(orders) as bigint) as n from order_count \
                          where after_cut = 0";
            assert_eq!(bench.number(frozen).await, i64::try_from(before).unwrap());
            assert_eq!(issued_orders(&bench).await, ORDERS, "frozen and adjustments");
        }
    })
    .await;
}
