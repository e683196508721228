//! An operator's commands on a hub: replay a folder, process, publish, seal days, freeze a month,
//! attach evidence, trim the log.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use super::backfill::take_in_and_apply;
use super::options::{Folders, Freeze, Grow, Limits, Replay, Resume, Seal, Trim};
use super::{CliError, progress};
use crate::domain::ids::ConnectorId;
use crate::hub::{Arrived, Grown, Hub, HubError, HubSettings, LogChoice, arrivals};
use crate::levy::LevyPeriod;
use crate::store::StoreError;
use crate::store::pauses::{self, Pause};

/// Takes all files of a generated folder in, each with the append time of its arrival.
pub(super) async fn replay(folders: &Folders, asked: &Replay) -> Result<ExitCode, CliError> {
    let replaying = Folders { replay_clock: true, ..folders.clone() };
    let mut hub = Hub::open(&replaying.settings()?).await?;
    let arrived = arrivals(&asked.folder).map_err(HubError::from)?;
    let count = arrived.len();
    if asked.process {
        let messages = take_in_and_apply(&mut hub, arrived, asked.again).await?;
        println!("{count} files, {messages} messages");
    } else {
        take_in(&hub, &arrived, asked.again).await?;
        println!("{count} files");
    }
    hub.close().await?;
    Ok(ExitCode::SUCCESS)
}

async fn take_in(hub: &Hub, arrived: &[Arrived], again: bool) -> Result<(), CliError> {
    let intake = hub.intake();
    let bar = progress::bar("replay", u64::try_from(arrived.len()).ok());
    for file in arrived {
        intake.ingest(file, again, &mut |_| {}).await?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

/// Applies everything that is in the log.
pub(super) async fn process(folders: &Folders, limits: Limits) -> Result<ExitCode, CliError> {
    let mut hub = Hub::open(&folders.limited(limits)?).await?;
    let messages = progress::process(&mut hub).await?;
    println!("{messages} messages");
    let code = unless_paused(&hub).await?;
    hub.close().await?;
    Ok(code)
}

/// Seals every day up to the given one, and runs what that sets free.
pub(super) async fn seal(folders: &Folders, asked: &Seal) -> Result<ExitCode, CliError> {
    let mut hub = Hub::open(&folders.limited(asked.limits)?).await?;
    hub.seal_until(asked.until.0).await?;
    hub.process_until_idle(&Arc::new(AtomicU64::new(0))).await?;
    let code = unless_paused(&hub).await?;
    hub.close().await?;
    Ok(code)
}

/// Publishes what is applied and not published yet.
pub(super) async fn publish(folders: &Folders) -> Result<ExitCode, CliError> {
    let hub = Hub::open(&folders.settings()?).await?;
    let published = hub.publish_until_idle().await?;
    for (topic, events) in &published {
        println!("{topic}: {events} events");
    }
    if published.is_empty() {
        println!("nothing to publish");
    }
    hub.close().await?;
    Ok(ExitCode::SUCCESS)
}

/// Freezes a month with all that is applied now: accepts, with the operator's reason, days that
/// have no statement, and issues every figure.
pub(super) async fn freeze(folders: &Folders, asked: &Freeze) -> Result<ExitCode, CliError> {
    let mut hub = Hub::open(&folders.limited(asked.limits)?).await?;
    let (month, reason) = (asked.month.0, asked.reason.as_str());
    // The first millisecond that no applied message has.
    let cut_at = hub.applied_until().await?.plus_ms(1);
    let accepted = hub.accept_missing_statements(month, cut_at, reason, "operator").await?;
    let report = hub.freeze_month(month, cut_at, reason).await?;
    println!("{month}: {accepted} days without a statement accepted");
    for (what, periods) in
        [("issued", &report.issued), ("adjusted", &report.adjusted), ("blocked", &report.blocked)]
    {
        for LevyPeriod { platform, line, month } in periods {
            println!("{month}: {platform} {line} {what}");
        }
    }
    hub.close().await?;
    Ok(if report.blocked.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Says whose messages wait in the log for an operator; then the command has not done everything.
async fn unless_paused(hub: &Hub) -> Result<ExitCode, CliError> {
    let mut tx = hub.database().snapshot().await?;
    let pauses = pauses::all(&mut tx).await?;
    tx.commit().await.map_err(StoreError::from)?;
    for Pause { connector, reason, .. } in &pauses {
        println!("{connector}: PAUSED for {reason}; its messages wait in the log (zhibao status)");
    }
    Ok(if pauses.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Lets a paused connector's messages be applied again.
pub(super) async fn resume(folders: &Folders, asked: &Resume) -> Result<ExitCode, CliError> {
    let hub = Hub::open(&folders.settings()?).await?;
    let connector = connector(&hub, &asked.connector)?;
    let mut tx = hub.database().begin().await?;
    let pause = pauses::resume(&mut tx, &connector).await?;
    tx.commit().await.map_err(StoreError::from)?;
    match pause {
        Some(pause) => println!("{connector}: applied again; {} is known now", pause.reason),
        None => println!("{connector}: was not paused"),
    }
    hub.close().await?;
    Ok(ExitCode::SUCCESS)
}

/// Gives a connector's topic more partitions.
pub(super) async fn grow(folders: &Folders, asked: &Grow) -> Result<ExitCode, CliError> {
    let grows = ConnectorId::new(&asked.connector).ok();
    let hub = Hub::open(&HubSettings { grows, ..folders.settings()? }).await?;
    let connector = connector(&hub, &asked.connector)?;
    let Grown { from, to } = grow_patiently(&hub, &connector, asked.partitions).await?;
    if from == to {
        println!("{connector}: has {to} partitions already");
    } else {
        println!("{connector}: grown from {from} to {to} partitions");
    }
    hub.close().await?;
    Ok(ExitCode::SUCCESS)
}

/// A server that is away, or a partition that is looked at, is no reason to leave a topic half
/// grown: nobody applies it meanwhile.
async fn grow_patiently(hub: &Hub, connector: &ConnectorId, to: u32) -> Result<Grown, HubError> {
    const TRIES_MAX: u32 = 30;
    const PAUSE: Duration = Duration::from_secs(2);
    for _ in 1..TRIES_MAX {
        match hub.grow(connector, to).await {
            Err(error) if error.is_passing() => tracing::warn!("{error}; tried again"),
            outcome => return outcome,
        }
        tokio::time::sleep(PAUSE).await;
    }
    hub.grow(connector, to).await
}

fn connector(hub: &Hub, name: &str) -> Result<ConnectorId, CliError> {
    let connector = ConnectorId::new(name).ok();
    let connector = connector.filter(|name| hub.connectors().get(name).is_some());
    connector.ok_or_else(|| CliError::Argument {
        what: "connector",
        expected: "a folder name of the manifests",
        found: name.to_owned(),
    })
}

/// Looks for the orders that bear witness to each case that wants them.
pub(super) async fn evidence(folders: &Folders, limits: Limits) -> Result<ExitCode, CliError> {
    let mut hub = Hub::open(&folders.limited(limits)?).await?;
    let as_of = hub.applied_until().await?.plus_ms(1);
    println!("{} cases", hub.attach_evidence(as_of).await?);
    hub.close().await?;
    Ok(ExitCode::SUCCESS)
}

/// Drops from the log what is applied and over the limits.
pub(super) async fn trim(folders: &Folders, asked: &Trim) -> Result<ExitCode, CliError> {
    let settings = folders.settings()?;
    if let LogChoice::Kafka(_) = settings.log {
        return Err(CliError::Argument {
            what: "--log",
            expected: "the embedded log; kafka's brokers trim by retention.ms of each topic",
            found: "kafka".to_owned(),
        });
    }
    let mut retention = settings.retention;
    if let Some(hours) = asked.retention_hours {
        retention.log_retention_ms = i64::from(hours) * 3_600_000;
    }
    retention.log_bytes_max = asked.bytes_max.unwrap_or(retention.log_bytes_max);
    let mut hub = Hub::open(&settings).await?;
    let trimmed = hub.trim_log_to(retention).await?;
    println!("{} records dropped, {} bytes", trimmed.records, trimmed.bytes);
    hub.close().await?;
    Ok(ExitCode::SUCCESS)
}
