//! The steps of the demonstration, in order.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cli::backfill::take_in_and_apply;
use crate::cli::options::{DayArg, Demo};
use crate::cli::{CliError, progress, write_json};
use crate::domain::time::{Day, Moment, Month};
use crate::hub::{Destinations, HttpAccess, Hub, HubError, arrivals};
use crate::ledger::account::Book;
use crate::serve::export::export;
use crate::serve::status::{Status, status};
use crate::simulate::counterparties::{Counterparty, Misbehaviour, Running, Simulator};
use crate::simulate::generate::{GenerateOptions, Profile, generate};
use crate::store::ledger::entry_count;

/// What a demonstration came to.
pub(super) struct Outcome {
    pub(super) status: Status,
    pub(super) books: Value,
    pub(super) entries: i64,
    /// Where the books differ from the truth; empty where they do not.
    pub(super) differences: Vec<String>,
    pub(super) messages: u64,
    /// Wall time from the first file to the last committed message.
    pub(super) seconds: f64,
    /// Wall time of publishing what was applied until then.
    pub(super) publish_seconds: f64,
    pub(super) bytes_per_order: f64,
    pub(super) peak_rss_mb: u64,
    pub(super) contract_violations: usize,
    /// Records of each canonical topic.
    pub(super) published: BTreeMap<&'static str, u64>,
}

/// Between two files of live traffic.
const LIVE_PAUSE: Duration = Duration::from_millis(100);

struct Counterparties {
    running: Vec<Running>,
    destinations: Destinations,
}

pub(super) async fn run(mut hub: Hub, demo: &Demo, data: &Path) -> Result<Outcome, CliError> {
    let files = data.join("generated");
    make(demo, &files)?;
    let counterparties = start(demo.seed).await?;
    let front = match hub.serve(&demo.listen, &HttpAccess::default()).await {
        Ok(front) => {
            progress::say(&format!("page: http://{}", front.address));
            Some(front)
        }
        // A run that ends by itself is not about the page.
        Err(error) if demo.exit => {
            progress::say(&format!("no page: {error}"));
            None
        }
        Err(error) => return Err(error.into()),
    };
    let arrived = arrivals(&files).map_err(HubError::from)?;
    let last_arrival =
        arrived.last().and_then(|file| file.received_at).unwrap_or(Moment::from_ms(0));
    let started = Instant::now();
    let hub_messages = take_in_and_apply(&mut hub, arrived, false).await?;
    let seconds = started.elapsed().as_secs_f64();
    let started = Instant::now();
    hub.publish_until_idle().await?;
    let publish_seconds = started.elapsed().as_secs_f64();
    let bytes_per_order = crate::cli::demo::summary::bytes_per_order(&hub).await?;
    hub.seal_until(last_arrival.day()).await?;
    hub.process_until_idle(&Arc::new(AtomicU64::new(0))).await?;
    let cut_at = hub.applied_until().await?.max(last_arrival).plus_ms(1);
    for month in months(demo) {
        let reason = "demonstration: the run does not cover the whole month";
        hub.accept_missing_statements(month, cut_at, reason, "demo").await?;
        hub.freeze_month(month, cut_at, "demonstration").await?;
    }
    hub.attach_evidence(cut_at).await?;
    forward(&mut hub, &counterparties.destinations, cut_at).await?;
    hub.publish_until_idle().await?;
    let outcome = Outcome {
        messages: hub_messages,
        seconds,
        publish_seconds,
        bytes_per_order,
        ..outcome(&hub, &files, data, &counterparties).await?
    };
    super::show(demo, &outcome)?;
    if !demo.exit {
        live(&mut hub, demo, data, &counterparties.destinations, last_arrival).await?;
    }
    if let Some(front) = front {
        front.stop().await?;
    }
    hub.close().await?;
    for simulator in counterparties.running {
        simulator.stop().await?;
    }
    Ok(outcome)
}

/// Goes on with the days after the demonstration, a few hours of traffic a second, until Ctrl-C.
async fn live(
    hub: &mut Hub,
    demo: &Demo,
    data: &Path,
    destinations: &Destinations,
    last_arrival: Moment,
) -> Result<(), CliError> {
    progress::say("live traffic goes on; Ctrl-C stops it");
    let from = last_arrival.day().plus(1);
    let files = data.join("live");
    make(&Demo { from: DayArg(from), seed: demo.seed + 1, ..demo.clone() }, &files)?;
    let intake = hub.intake();
    let count = Arc::new(AtomicU64::new(0));
    let stop = tokio::signal::ctrl_c();
    tokio::pin!(stop);
    for file in arrivals(&files).map_err(HubError::from)? {
        let pause = tokio::time::sleep(LIVE_PAUSE);
        tokio::select! {
            _ = &mut stop => return Ok(()),
            () = pause => {}
        }
        intake.ingest(&file, false, &mut |_| {}).await?;
        hub.process_until_idle(&count).await?;
        hub.publish_until_idle().await?;
        hub.forward_until_idle(destinations).await?;
        hub.fetch_acks(destinations, file.received_at).await?;
    }
    progress::say("the live traffic has ended; Ctrl-C stops the page");
    drop(stop.await);
    Ok(())
}

fn make(demo: &Demo, files: &Path) -> Result<(), CliError> {
    let options = GenerateOptions {
        orders: demo.orders,
        from: demo.from.0,
        days: demo.days,
        seed: demo.seed,
        cases: GenerateOptions::usual_cases(demo.orders),
        profile: Profile::Demo,
    };
    let bar = progress::bar("generate", Some(demo.orders));
    generate(&options, files, &mut |orders| bar.set_position(orders))?;
    bar.finish_and_clear();
    Ok(())
}

async fn start(seed: u64) -> Result<Counterparties, CliError> {
    let mut running = Vec::new();
    for counterparty in
        [Counterparty::NationalPlatform, Counterparty::Tax, Counterparty::GoldenInsurance]
    {
        let simulator = Simulator::start(counterparty, Misbehaviour::default(), seed).await?;
        running.push(simulator);
    }
    let url = |place: usize| running.get(place).map(Running::url);
    let destinations = Destinations { national: url(0), tax: url(1), golden_insurance: url(2) };
    Ok(Counterparties { running, destinations })
}

fn months(demo: &Demo) -> BTreeSet<Month> {
    let days = i32::try_from(demo.days).unwrap_or(i32::MAX);
    (0..days).map(|n| demo.from.0.plus(n)).map(Day::month).collect()
}

/// Delivers, brings the acknowledgements in, and again, until nothing is owed or unanswered.
async fn forward(hub: &mut Hub, destinations: &Destinations, at: Moment) -> Result<(), CliError> {
    loop {
        let report = hub.forward_until_idle(destinations).await?;
        let acks = hub.fetch_acks(destinations, Some(at)).await?;
        hub.process_until_idle(&Arc::new(AtomicU64::new(0))).await?;
        if report.delivered == 0 && acks == 0 {
            return Ok(());
        }
    }
}

async fn outcome(
    hub: &Hub,
    files: &Path,
    data: &Path,
    counterparties: &Counterparties,
) -> Result<Outcome, CliError> {
    let mut tx = hub.database().snapshot().await?;
    let status = status(&mut tx).await?;
    let books = export(&mut tx, hub.policy()).await?;
    let mut entries = 0;
    for book in [Book::Cash, Book::Memo] {
        entries += entry_count(&mut tx, book).await?;
    }
    write_json(&data.join("export.json"), &books)?;
    let path = files.join("truth.json");
    let named = || path.display().to_string();
    let text = std::fs::read(&path).map_err(|source| CliError::File { path: named(), source })?;
    let truth: Value =
        serde_json::from_slice(&text).map_err(|source| CliError::Json { path: named(), source })?;
    let violations = counterparties.running.iter().map(|one| one.violations().len());
    Ok(Outcome {
        differences: super::summary::differences(&truth, &books),
        status,
        books,
        entries,
        messages: 0,
        seconds: 0.0,
        publish_seconds: 0.0,
        bytes_per_order: 0.0,
        peak_rss_mb: super::summary::peak_rss_mb(),
        contract_violations: violations.sum(),
        published: hub.published().await?,
    })
}
