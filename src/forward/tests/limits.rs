//! Pure parts by hand-worked values: choosing, packing, breaker, budget, waits.

use super::*;
use crate::forward::breaker::{Breaker, Permit};
use crate::forward::budget::{RetryBudget, jitter_seed, wait_ms};
use crate::forward::parcel::{Allowance, choose, pack};
use crate::store::relay::{DeliveryState, OpenRecord, RefusedRecord};

fn at(ms: i64) -> Moment {
    Moment::from_ms(ms)
}

fn open(key: &str, seq: u64, attempts: u32, next_try_at: i64) -> OpenRecord {
    OpenRecord {
        id: EventId::new(&format!("{key}:{seq}")).unwrap(),
        key: key.to_owned(),
        seq,
        kind: "case_record".to_owned(),
        revision: 1,
        body: "{}".to_owned(),
        caused_at: at(0),
        state: DeliveryState::Owed,
        attempts,
        next_try_at: at(next_try_at),
        is_stopped: false,
    }
}

fn ids(runs: &[Vec<OpenRecord>]) -> Vec<Vec<&str>> {
    runs.iter().map(|run| run.iter().map(|record| record.id.as_str()).collect()).collect()
}

#[test]
fn keys_that_are_early_stopped_or_over_budget_are_left_out() {
    let records = vec![
        open("due", 4, 0, 10),
        open("due", 5, 0, 10),
        open("early", 1, 1, 50),
        // Only the lowest record decides: the second is due, the key is not.
        open("early", 2, 0, 0),
        open("passed", 2, 0, 0),
        open("retry:1", 1, 1, 10),
        open("retry:2", 1, 1, 10),
        open("stopped", 3, 0, 0),
        open("stopped:later", 1, 0, 0),
        open("stopped:later", 3, 0, 0),
    ];
    let refusal = |key: &str, seq, kind: &str| RefusedRecord {
        key: key.to_owned(),
        seq,
        kind: kind.to_owned(),
    };
    let refused = [
        refusal("passed", 1, "order_counts"),
        refusal("stopped", 2, "case_record"),
        refusal("stopped:later", 2, "case_record"),
    ];
    let allowance = Allowance {
        now: at(10),
        keys_max: usize::MAX,
        run_max: usize::MAX,
        retries_max: 1,
        retry_ms: 7,
    };
    let choice = choose(records, &refused, &national::CONTRACT, &allowance);
    let expected: [&[&str]; 4] =
        [&["due:4", "due:5"], &["passed:2"], &["retry:1:1"], &["stopped:later:1"]];
    assert_eq!(ids(&choice.runs), expected);
    assert_eq!((choice.retries, choice.last_key.as_str()), (1, "stopped:later"));
    // retry:2 waits for the budget until 17, early until 50; what is stopped is never due.
    assert_eq!(choice.due_at, Some(at(17)));
}

#[test]
fn a_probe_takes_one_record_of_one_key() {
    let records =
        vec![open("a", 1, 3, 99), open("b", 1, 0, 0), open("b", 2, 0, 0), open("c", 1, 0, 0)];
    let allowance = Allowance { now: at(10), keys_max: 1, run_max: 1, retries_max: 9, retry_ms: 7 };
    let choice = choose(records, &[], &national::CONTRACT, &allowance);
    assert_eq!(ids(&choice.runs), [["b:1"]]);
    assert_eq!((choice.last_key.as_str(), choice.due_at), ("b", Some(at(99))));
}

#[test]
fn a_run_is_never_split_between_parcels_and_retries_travel_in_small_ones() {
    let run = |key: &str, records: u64, attempts| -> Vec<OpenRecord> {
        (1..=records).map(|seq| open(key, seq, attempts, 0)).collect()
    };
    let runs = vec![run("a", 3, 0), run("b", 2, 0), run("c", 1, 2), run("d", 1, 2), run("e", 9, 0)];
    // At most 4 a parcel; after two tries 4 / 2 / 2 = 1.
    let expected: [&[&str]; 5] = [
        &["a:1", "a:2", "a:3"],
        &["c:1"],
        &["b:1", "b:2"],
        &["e:1", "e:2", "e:3", "e:4"],
        &["d:1"],
    ];
    assert_eq!(ids(&pack(runs, 4)), expected);
}

#[test]
fn the_breaker_opens_probes_and_closes() {
    let mut retry = Settings::new(String::new()).retry;
    (retry.breaker_failures_max, retry.breaker_wait_ms_min) = (2, 100);
    (retry.breaker_wait_ms_max, retry.retry_after_ms_max) = (150, 5_000);
    let mut breaker = Breaker::new(retry);
    breaker.fail(at(0));
    assert_eq!(breaker.permit(at(0)), Permit::Full);
    breaker.fail(at(0));
    let Permit::Wait(until) = breaker.permit(at(0)) else { panic!("expected a wait") };
    assert!((at(100)..=at(200)).contains(&until), "{until:?}");
    assert_eq!(breaker.permit(at(200)), Permit::Probe);
    breaker.succeed();
    assert_eq!((breaker.permit(at(200)), breaker.failures()), (Permit::Full, 0));
    // What the destination asks for is followed, up to the limit.
    breaker.pause(at(200), 1_000);
    assert_eq!(breaker.permit(at(201)), Permit::Wait(at(1_200)));
    breaker.pause(at(200), i64::MAX);
    assert_eq!(breaker.permit(at(5_199)), Permit::Wait(at(5_200)));
}

#[test]
fn retries_are_earned_by_deliveries_and_by_time() {
    let mut retry = Settings::new(String::new()).retry;
    (retry.budget_max, retry.budget_per_100_delivered, retry.budget_per_s) = (10, 20, 2);
    let mut budget = RetryBudget::new(retry, at(0));
    assert_eq!(budget.available(at(0)), 10);
    budget.take(10);
    // 2 a second: at 400 ms 0.8, at 600 ms 1.2; short steps lose nothing.
    for ms in [1, 2, 3, 400] {
        assert_eq!(budget.available(at(ms)), 0, "{ms}");
    }
    assert_eq!(budget.available(at(600)), 1);
    budget.take(1);
    // 20 for 100: 4 delivered earn 0.8, and 0.2 stood.
    budget.earn(4);
    assert_eq!(budget.available(at(600)), 1);
    budget.earn(1_000_000);
    assert_eq!(budget.available(at(600)), 10);
}

#[test]
fn waits_double_up_to_their_limit_and_are_jittered() {
    for (tries, least) in [(0, 100), (1, 200), (2, 400), (3, 500), (32, 500), (u32::MAX, 500)] {
        for _ in 0..20 {
            let wait = wait_ms(100, 500, tries, jitter_seed(&Settings::new(String::new()).retry));
            assert!((least..=2 * least).contains(&wait), "after {tries} tries: {wait}");
        }
    }
    let waits: std::collections::BTreeSet<_> = (0..50)
        .map(|_| wait_ms(10_000, 50_000, 0, jitter_seed(&Settings::new(String::new()).retry)))
        .collect();
    assert!(waits.len() > 10, "expected jitter, found {waits:?}");
}
