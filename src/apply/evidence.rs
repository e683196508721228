//! Evidence: the orders of a person around an accident, found in the order book itself, over all
//! riders that the person is known as.

use std::collections::{BTreeMap, BTreeSet};

use crate::cases::evidence::{Candidate, Window, choose};
use crate::domain::event::OrderKind;
use crate::domain::ids::{PlatformId, WorkerToken};
use crate::domain::time::{Day, Moment};
use crate::orders::order::Order;
use crate::policy::Basis;
use crate::store::case_evidence::{WantsEvidence, cases_wanting_evidence, put_evidence};
use crate::store::positions::{PartitionKey, progress};
use crate::store::{Tx, roster};

use super::day::orders_of_riders;
use super::engine::{Engine, EngineError, topic_of};

/// Riders whose orders of one platform and day are wanted.
type Wanted = BTreeMap<(PlatformId, Day), BTreeSet<WorkerToken>>;

/// Orders found, by platform and day.
type Found = BTreeMap<(PlatformId, Day), Vec<Candidate>>;

/// Looks for the evidence of every case that wants it and attaches it. Returns how many cases.
///
/// # Errors
/// [`EngineError`] where database or segments cannot be read.
pub async fn attach_evidence(engine: &Engine, as_of: Moment) -> Result<u64, EngineError> {
    let mut tx = engine.db.snapshot().await?;
    let cases = cases_wanting_evidence(&mut tx).await?;
    let mut riders = Vec::with_capacity(cases.len());
    let mut wanted = Wanted::new();
    for case in &cases {
        let known = riders_of(&mut tx, case).await?;
        let window = Window::around(case.filing.accident_at);
        for (platform, worker) in &known {
            for day in days_of(window) {
                wanted.entry((platform.clone(), day)).or_default().insert(*worker);
            }
        }
        riders.push(known);
    }
    let mut found = Found::new();
    for ((platform, day), workers) in wanted {
        let orders = orders_of(engine, &mut tx, &platform, day, &workers).await?;
        found.insert((platform, day), orders);
    }
    tx.commit().await?;
    let mut tx = engine.db.begin().await?;
    for (case, riders) in cases.iter().zip(riders) {
        let accident_at = case.filing.accident_at;
        let window = Window::around(accident_at);
        let candidates = riders.iter().flat_map(|(platform, _)| {
            days_of(window).filter_map(|day| found.get(&(platform.clone(), day)))
        });
        let candidates: Vec<Candidate> = candidates.flatten().cloned().collect();
        let riders: Vec<_> = riders.into_iter().collect();
        let streams = streams_orders(engine, case);
        let evidence = choose(accident_at, &riders, &candidates, streams);
        put_evidence(&mut tx, &case.case, &evidence, as_of).await?;
    }
    tx.commit().await?;
    Ok(u64::try_from(cases.len()).unwrap_or(u64::MAX))
}

/// All riders that the injured person is known as; without a roster line, the rider of the filing.
async fn riders_of(
    tx: &mut Tx,
    case: &WantsEvidence,
) -> Result<BTreeSet<(PlatformId, WorkerToken)>, EngineError> {
    let known = roster::tokens_of(tx, case.filing.person).await?;
    let mut riders: BTreeSet<_> = known.into_iter().collect();
    riders.insert((case.filing.platform.clone(), case.filing.worker));
    Ok(riders)
}

fn days_of(window: Window) -> impl Iterator<Item = Day> {
    let (first, last) = (window.first.day(), window.last.day());
    (first.epoch_days()..=last.epoch_days()).map(Day::from_epoch_days)
}

fn streams_orders(engine: &Engine, case: &WantsEvidence) -> bool {
    let day = case.filing.accident_at.day();
    let platform = &case.filing.platform;
    let Some(listed) = engine.policy.platform(platform) else { return false };
    let mut stays = listed.all_stays();
    stays.any(|stay| engine.policy.basis(platform, stay.line, day) == Some(Basis::Stream))
}

/// Orders of some riders of one platform and day, from all partitions.
async fn orders_of(
    engine: &Engine,
    tx: &mut Tx,
    platform: &PlatformId,
    day: Day,
    workers: &BTreeSet<WorkerToken>,
) -> Result<Vec<Candidate>, EngineError> {
    let Some(manifest) = engine.connectors.of_platform(platform) else { return Ok(Vec::new()) };
    let topic = topic_of(manifest.name());
    let mut candidates = Vec::new();
    for (partition, ..) in progress(tx, &topic).await? {
        let key = PartitionKey { topic: topic.clone(), partition };
        let found = orders_of_riders(tx, &key, day, workers, platform).await?;
        tracing::debug!(%day, partition, chunks = found.chunks_read, "evidence read");
        for order in found.orders {
            candidates.extend(candidates_of(&order, platform, workers));
        }
    }
    Ok(candidates)
}

/// One candidate for each of the riders who accepted the order.
fn candidates_of<'a>(
    order: &'a Order,
    platform: &'a PlatformId,
    workers: &'a BTreeSet<WorkerToken>,
) -> impl Iterator<Item = Candidate> + 'a {
    let void = order.kinds() & OrderKind::Void.bit() != 0;
    order.events().iter().filter_map(move |event| {
        let worker = event.worker.filter(|worker| workers.contains(worker))?;
        Some(Candidate {
            platform: platform.clone(),
            order: event.order_id.clone(),
            worker,
            accepted_at: event.accepted_at?,
            void,
        })
    })
}
