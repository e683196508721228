//! `zhibao simulate`: runs seeds of the simulation and tells which do not come to the truth.
#![expect(clippy::print_stdout, reason = "the command line prints its results")]

use std::ops::Range;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use clap::Args;

use super::CliError;
use super::options::Folders;
use crate::hub::simulation::{Outcome, SimulationError, Template, run as run_seed};

#[derive(Debug, Args)]
pub(super) struct Simulate {
    /// The seeds: `1..1001` is a thousand of them, `7` is one.
    #[arg(long)]
    seeds: Seeds,
    /// Orders of each seed.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    orders: u32,
    /// Seeds that run at the same time.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    jobs: u32,
}

/// Seeds as an argument, the last one excluded.
#[derive(Clone, Debug)]
struct Seeds(Range<u64>);

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("expected seeds like 1..1001 or 7, found {text:?}");
        let number =
            |part: &str| part.parse::<u64>().map_err(|error| format!("{}: {error}", expected()));
        let seeds = match text.split_once("..") {
            Some((first, end)) => number(first)?..number(end)?,
            None => number(text)?..number(text)?.saturating_add(1),
        };
        if seeds.is_empty() { Err(expected()) } else { Ok(Self(seeds)) }
    }
}

/// Runs all seeds; fails where one does not come to the truth.
pub(super) async fn run(folders: &Folders, asked: Simulate) -> Result<ExitCode, CliError> {
    let template = Arc::new(Template::make(&folders.connectors, &folders.policy).await?);
    let Seeds(seeds) = asked.seeds;
    let next = Arc::new(AtomicU64::new(seeds.start));
    let jobs = (0..asked.jobs).map(|_| {
        let (template, next, end) = (Arc::clone(&template), Arc::clone(&next), seeds.end);
        thread::spawn(move || work(&template, &next, end, asked.orders))
    });
    let mut failed = 0;
    for job in jobs.collect::<Vec<_>>() {
        let done = tokio::task::spawn_blocking(move || job.join()).await?;
        failed += done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    }
    println!("{} seeds, {failed} failed", seeds.end - seeds.start);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs one seed after the other in this thread; gives how many failed.
fn work(
    template: &Arc<Template>,
    next: &AtomicU64,
    end: u64,
    orders: u32,
) -> Result<u64, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(CliError::Runtime)?;
    let mut failed = 0;
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return Ok(failed);
        }
        let outcome = runtime.block_on(run_seed(template, seed, orders));
        failed += u64::from(!is_well(seed, &outcome));
    }
}

/// Tells what a seed came to where that is not the truth.
fn is_well(seed: u64, outcome: &Result<Outcome, SimulationError>) -> bool {
    match outcome {
        Ok(outcome) => {
            tracing::info!(seed, outcome.steps, outcome.messages, "done");
            for difference in &outcome.differences {
                println!("seed {seed}: {difference}");
            }
            outcome.differences.is_empty()
        }
        Err(error) => {
            println!("seed {seed}: stopped: {error}");
            false
        }
    }
}
