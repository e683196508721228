//! The command line: reads arguments, runs one command, prints its result.
//!
//! Exit codes: 0 done, 1 failed or something does not close, 2 wrong arguments.
#![expect(clippy::print_stdout, reason = "the command line prints its results")]

mod acl;
mod backfill;
mod check;
mod demo;
mod operate;
mod options;
mod progress;
mod service;
mod show;
mod simulate;

use std::process::ExitCode;

use clap::Parser;

use self::options::{
    Command, ConnectorCommand, HeldCommand, KafkaCommand, LogCommand, Options, SchemaCommand,
    TopicCommand,
};
use crate::domain::ids::ConnectorId;
use crate::domain::time::Moment;
use crate::hub::{Arrived, Hub, HubError};
use crate::schema::gate::check_compatibility;
use crate::serve::ServeError;
use crate::serve::export::export;
use crate::serve::status::status;
use crate::serve::text;
use crate::simulate::generate::{GenerateError, GenerateOptions, generate};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum CliError {
    #[error(transparent)]
    Hub(#[from] HubError),
    #[error(transparent)]
    Simulation(#[from] crate::hub::simulation::SimulationError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(transparent)]
    Generate(#[from] GenerateError),
    #[error(transparent)]
    Manifest(#[from] crate::normalize::ManifestError),
    #[error(transparent)]
    Schema(#[from] crate::schema::gate::SchemaError),
    #[error(transparent)]
    Kafka(#[from] crate::log::kafka::KafkaSettingsError),
    #[error(transparent)]
    Simulator(#[from] crate::simulate::counterparties::SimulatorError),
    #[error(transparent)]
    Acl(#[from] crate::log::kafka::acl::AclError),
    #[error("{path}: {source}")]
    File { path: String, source: std::io::Error },
    #[error("{path}: expected JSON: {source}")]
    Json { path: String, source: serde_json::Error },
    #[error("a worker thread failed: {0}")]
    Thread(#[from] tokio::task::JoinError),
    #[error("runtime: {0}")]
    Runtime(std::io::Error),
    #[error("signals: {0}")]
    Signals(std::io::Error),
    #[error("{what}: expected {expected}, found {found:?}")]
    Argument { what: &'static str, expected: &'static str, found: String },
}

impl From<crate::store::StoreError> for CliError {
    fn from(error: crate::store::StoreError) -> Self {
        Self::Hub(error.into())
    }
}

/// Runs the command that the arguments name.
#[must_use]
pub fn main() -> ExitCode {
    let options = Options::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_env("ZHIBAO_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(options)),
        Err(error) => Err(CliError::Runtime(error)),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<ExitCode, CliError> {
    let folders = options.folders;
    match options.command {
        Command::Demo(demo) => demo::run(&folders, demo).await,
        Command::Generate(asked) => {
            let options = GenerateOptions {
                orders: asked.orders,
                from: asked.from.0,
                days: asked.days,
                seed: asked.seed,
                cases: GenerateOptions::usual_cases(asked.orders),
                profile: asked.profile.profile(),
            };
            let bar = progress::bar("generate", Some(asked.orders));
            let summary = generate(&options, &asked.out, &mut |orders| bar.set_position(orders))?;
            bar.finish_and_clear();
            println!("{} messages in {} files", summary.messages, summary.files);
            Ok(ExitCode::SUCCESS)
        }
        Command::Ingest(asked) => ingest(&folders, asked).await,
        Command::Replay(asked) => operate::replay(&folders, &asked).await,
        Command::Run(asked) => service::run(&folders, asked).await,
        Command::Process(limits) => operate::process(&folders, limits).await,
        Command::Publish => operate::publish(&folders).await,
        Command::Seal(asked) => operate::seal(&folders, &asked).await,
        Command::Freeze(asked) => operate::freeze(&folders, &asked).await,
        Command::Evidence(limits) => operate::evidence(&folders, limits).await,
        Command::Resume(asked) => operate::resume(&folders, &asked).await,
        Command::Status => {
            let hub = Hub::open(&folders.settings()?).await?;
            let mut tx = hub.database().snapshot().await?;
            let status = status(&mut tx).await?;
            print!("{}", text::render(&status));
            Ok(if status.closes() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Export(asked) => {
            let hub = Hub::open(&folders.settings()?).await?;
            let mut tx = hub.database().snapshot().await?;
            let books = export(&mut tx, hub.policy()).await?;
            write_json(&asked.out.join("export.json"), &books)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Topic(TopicCommand::Grow(asked)) => operate::grow(&folders, &asked).await,
        Command::Simulate(asked) => simulate::run(&folders, asked).await,
        Command::Held(held) => held_command(&folders, held).await,
        Command::Log(LogCommand::Trim(asked)) => operate::trim(&folders, &asked).await,
        Command::Kafka(KafkaCommand::Acl(asked)) => acl::print(&folders, &asked),
        Command::Connector(ConnectorCommand::Check) => check::connectors(&folders.connectors),
        Command::Schema(SchemaCommand::Check) => {
            let report = check_compatibility(&folders.schemas)?;
            print!("{}", show::compatibility(&report));
            Ok(if report.breaks.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Schema(SchemaCommand::List) => {
            print!("{}", show::schemas());
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn ingest(folders: &options::Folders, asked: options::Ingest) -> Result<ExitCode, CliError> {
    let replay_clock = folders.replay_clock || asked.received_at.is_some();
    let folders = options::Folders { replay_clock, ..folders.clone() };
    let hub = Hub::open(&folders.settings()?).await?;
    let connector = ConnectorId::new(&asked.connector).map_err(|error| CliError::Argument {
        what: "--connector",
        expected: "a folder name",
        found: error.found,
    })?;
    for path in asked.paths {
        let live = hub.live_file(&connector, asked.feed.as_deref(), path)?;
        let arrived = Arrived { received_at: asked.received_at.map(Moment::from_ms), ..live };
        let line = progress::ingest(&hub, &arrived, asked.again).await?;
        println!("{line}");
    }
    Ok(ExitCode::SUCCESS)
}

async fn held_command(
    folders: &options::Folders,
    command: HeldCommand,
) -> Result<ExitCode, CliError> {
    let hub = Hub::open(&folders.settings()?).await?;
    match command {
        HeldCommand::List(asked) => {
            let mut tx = hub.database().snapshot().await?;
            let reason = asked.reason.as_deref();
            for held in crate::store::held::list(&mut tx, reason, asked.limit).await? {
                println!("{}", show::held_line(&held));
            }
        }
        HeldCommand::Show { digest } => {
            let mut tx = hub.database().snapshot().await?;
            let unknown = || {
                let expected = "the digest of a held message (see zhibao held list)";
                CliError::Argument { what: "digest", expected, found: digest.clone() }
            };
            let (first, last) = show::digests_of(&digest).ok_or_else(unknown)?;
            let found = crate::store::held::between(&mut tx, &first, &last).await?;
            if found.is_empty() {
                return Err(unknown());
            }
            let texts: Vec<_> = found.iter().map(show::held).collect();
            println!("{}", texts.join("\n\n"));
        }
        HeldCommand::Recycle(asked) => {
            let recycled = hub.recycle(asked.reason.as_deref(), asked.limit).await?;
            println!(
                "{} done, {} given to their owners (run `zhibao process`), {} held again",
                recycled.done, recycled.handed_on, recycled.held_again
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn write_json(path: &std::path::Path, value: &serde_json::Value) -> Result<(), CliError> {
    let failed = |source| CliError::File { path: path.display().to_string(), source };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let text = serde_json::to_string_pretty(value)
        .map_err(|source| CliError::Json { path: path.display().to_string(), source })?;
    std::fs::write(path, text + "\n").map_err(failed)
}
