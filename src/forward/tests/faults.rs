//! Many keys, many faults, twenty seeds: nothing lost, nothing doubled, nothing overtaken.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

const KEYS: u32 = 60;
const RECORDS_A_KEY: u32 = 6;

fn chaos(refuse_percent: u32) -> Misbehaviour {
    Misbehaviour {
        refuse_percent,
        later_percent: 3,
        too_many_percent: 8,
        retry_after_s: 1,
        unavailable_percent: 8,
        drop_after_accept_percent: 10,
        drop_half_way_percent: 10,
        garbage_percent: 5,
        ..Misbehaviour::default()
    }
}

async fn under_faults(seed: u64) {
    let bench = Bench::new().await;
    let core = simulator(Counterparty::GoldenInsurance, chaos(0), seed).await;
    let contract = &golden_insurance::CONTRACT;
    let keys: Vec<String> = (0..KEYS).map(|number| format!("account:{number:03}")).collect();
    for revision in 1..=RECORDS_A_KEY {
        let records: Vec<_> = keys.iter().map(|key| (key.as_str(), revision)).collect();
        bench.owe(contract, "fund_posting", &records).await;
    }
    let mut settings = quick(core.url());
    settings.limits.records_max = 20;
    settings.limits.run_max = 4;
    settings.limits.page_records_max = 70;

    run(&bench, contract, settings).await;

    let total = u64::from(KEYS * RECORDS_A_KEY);
    let standing = bench.standing(contract).await;
    assert_eq!((standing.delivered, standing.owed, standing.unknown), (total, 0, 0), "seed {seed}");
    assert_eq!(core.violations(), [], "seed {seed}");
    let received = core.received();
    let ids: BTreeSet<_> = received.iter().map(|one| one.id.as_str()).collect();
    let places: BTreeSet<_> = received.iter().map(|one| (one.key.as_str(), one.seq)).collect();
    assert_eq!((ids.len(), places.len()), (received.len(), received.len()), "seed {seed}");
    assert_eq!(u64::try_from(received.len()).unwrap(), total, "seed {seed}");
    let mut by_key: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for one in &received {
        by_key.entry(one.key.as_str()).or_default().push(one.seq);
    }
    let in_order: Vec<u64> = (1..=u64::from(RECORDS_A_KEY)).collect();
    for (key, seqs) in by_key {
        assert_eq!(seqs, in_order, "seed {seed}, {key}");
    }
    core.stop().await.unwrap();
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_and_identity_survive_twenty_seeds_of_faults() {
    for seed in 0..20 {
        under_faults(seed).await;
    }
}

/// With refusals among the faults, what the hub says of each record is what the counterparty
/// says of it, and an ordered key stops exactly at its refusal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_agree_on_every_record_under_refusals_and_faults() {
    for seed in 100..110 {
        let bench = Bench::new().await;
        let platform = simulator(Counterparty::NationalPlatform, chaos(10), seed).await;
        let contract = &national::CONTRACT;
        let keys: Vec<String> = (0..40).map(|number| format!("{number:02}")).collect();
        for revision in 1..=4 {
            let cases: Vec<_> = keys.iter().map(|key| format!("case:{key}")).collect();
            let days: Vec<_> = keys.iter().map(|key| format!("day:{key}")).collect();
            let records = |keys: &[String]| {
                keys.iter().map(|key| (key.clone(), revision)).collect::<Vec<_>>()
            };
            for (kind, keys) in [("case_record", &cases), ("order_counts", &days)] {
                let records = records(keys);
                let records: Vec<_> =
                    records.iter().map(|(key, revision)| (key.as_str(), *revision)).collect();
                bench.owe(contract, kind, &records).await;
            }
        }
        run(&bench, contract, quick(platform.url())).await;

        let accepted: BTreeSet<String> =
            platform.received().into_iter().map(|one| one.id).collect();
        let states = bench.states().await;
        let delivered: BTreeSet<String> = (states.iter())
            .filter(|(_, (state, _))| state == "delivered")
            .map(|(id, _)| id.clone())
            .collect();
        assert_eq!(delivered, accepted, "seed {seed}");
        assert_eq!(platform.violations(), [], "seed {seed}");
        for (id, (state, _)) in &states {
            // Days never wait behind a refusal; cases wait only behind one of their own.
            let day = id.contains(":day:");
            assert!(state != "unknown" && !(day && state == "owed"), "seed {seed}, {id}: {state}");
        }
        bench.close().await;
    }
}
