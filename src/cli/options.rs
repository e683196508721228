//! Arguments of the command line.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::simulate::Simulate;
use crate::apply::engine::ApplySettings;
use crate::domain::time::{Day, Month};
use crate::forward::canonical::Limits as PublishLimits;
use crate::hub::{HubSettings, LogChoice};
use crate::log::embedded::Retention;
use crate::log::kafka::{KafkaClock, KafkaSettings, KafkaSettingsError};
use crate::simulate::generate::Profile;

/// 职保: the integration hub of occupational-injury protection for gig workers.
#[derive(Debug, Parser)]
#[command(name = "zhibao", version, about)]
pub(super) struct Options {
    #[command(flatten)]
    pub(super) folders: Folders,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Where state and rules lie.
#[derive(Clone, Debug, Args)]
pub(super) struct Folders {
    /// Log and keys, and the database where none is named.
    #[arg(long, global = true, default_value = "data")]
    pub(super) data: PathBuf,
    /// Address of the database, for example postgres://zhibao@db/zhibao?sslmode=verify-full; a
    /// password may stand in the file that PGPASSFILE names. The data folder's own by default.
    #[arg(long, global = true, env = "ZHIBAO_DATABASE", hide_env_values = true)]
    pub(super) database: Option<String>,
    /// Manifests of counterparties.
    #[arg(long, global = true, default_value = "connectors")]
    pub(super) connectors: PathBuf,
    /// Dated rules.
    #[arg(long, global = true, default_value = "policy")]
    pub(super) policy: PathBuf,
    /// Canonical schemas and their released versions.
    #[arg(long, global = true, default_value = "schemas")]
    pub(super) schemas: PathBuf,
    /// The log: `embedded`, or `kafka://host:port` with several hosts by commas; where it is not
    /// named, the environment's ZHIBAO_KAFKA, else embedded.
    #[arg(long, global = true)]
    pub(super) log: Option<String>,
    /// Properties of Kafka's clients, for security above all; where it is not named, the
    /// environment's ZHIBAO_KAFKA_PROPERTIES. Secrets by file: `sasl.password.file = …`.
    #[arg(long, global = true)]
    pub(super) log_properties: Option<PathBuf>,
    /// Address of a schema registry that gives the numbers of schemas in place of the hub's own,
    /// for example http://127.0.0.1:8081; a user and password may stand in it, on loopback.
    #[arg(long, global = true, env = "ZHIBAO_SCHEMA_REGISTRY", hide_env_values = true)]
    pub(super) schema_registry: Option<String>,
    /// Take the append time from the senders, who must give it over HTTP in the header
    /// zhibao-received-at (milliseconds since the epoch): for replays and tests, never beside live
    /// messages. With Kafka every command on messages of a replay needs it.
    #[arg(long, global = true)]
    pub(super) replay_clock: bool,
    /// Keep nothing for the canonical topics, and publish nothing. Days sealed meanwhile are never
    /// published.
    #[arg(long, global = true)]
    pub(super) no_canonical_topics: bool,
}

/// Limits of applying.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(super) struct Limits {
    /// Bytes of messages applied in one transaction, about.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1_024..=268_435_456))]
    pub(super) batch_bytes: Option<u32>,
    /// How long a partition stays with an instance that shows no sign of life, in milliseconds.
    #[arg(long, value_parser = clap::value_parser!(i64).range(100..=60_000))]
    pub(super) lease_ms: Option<i64>,
}

impl Folders {
    pub(super) fn limited(&self, limits: Limits) -> Result<HubSettings, KafkaSettingsError> {
        let mut settings = self.settings()?;
        if let Some(bytes) = limits.batch_bytes.and_then(|bytes| usize::try_from(bytes).ok()) {
            settings.apply.batch_bytes_max = bytes;
        }
        if let Some(lease_ms) = limits.lease_ms {
            settings.apply.lease_ms = lease_ms;
        }
        Ok(settings)
    }

    pub(super) fn settings(&self) -> Result<HubSettings, KafkaSettingsError> {
        Ok(HubSettings {
            log: self.log_choice()?,
            data: self.data.clone(),
            database: self.database.clone(),
            connectors: self.connectors.clone(),
            policy: self.policy.clone(),
            apply: ApplySettings {
                canonical_topics: !self.no_canonical_topics,
                ..ApplySettings::default()
            },
            retention: Retention::default(),
            canonical: PublishLimits::default(),
            schema_registry: self.schema_registry.clone().filter(|it| !it.is_empty()),
            grows: None,
        })
    }

    fn log_choice(&self) -> Result<LogChoice, KafkaSettingsError> {
        let of_environment = || std::env::var("ZHIBAO_KAFKA").ok().filter(|it| !it.is_empty());
        let Some(address) = self.log.clone().or_else(of_environment) else {
            return Ok(LogChoice::Embedded);
        };
        if address == "embedded" {
            return Ok(LogChoice::Embedded);
        }
        let of_environment = || std::env::var_os("ZHIBAO_KAFKA_PROPERTIES").map(PathBuf::from);
        let properties = self.log_properties.clone().or_else(of_environment);
        let clock = if self.replay_clock { KafkaClock::Replay } else { KafkaClock::Broker };
        let settings = KafkaSettings::parse(&address, properties.as_deref())?;
        Ok(LogChoice::Kafka(KafkaSettings { clock, ..settings }))
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Generate, ingest, process, seal, freeze, forward; show what happened and whether it equals
    /// the truth.
    Demo(Demo),
    /// Write native files of made-up messages, and truth.json.
    Generate(Generate),
    /// Take files into the log.
    Ingest(Ingest),
    /// Take all files of a generated folder into the log, with the times of their arrival.
    Replay(Replay),
    /// Run as a service: page, API and intake over HTTP, process, publish, forward; until Ctrl-C or
    /// SIGTERM.
    Run(Run),
    /// Apply everything that is in the log.
    Process(Limits),
    /// Publish what is applied and not published yet to the canonical topics.
    Publish,
    /// Seal days before their time, for example after a backfill, and run late events.
    Seal(Seal),
    /// Freeze a month (所属期) with what is applied now, and issue its figures.
    Freeze(Freeze),
    /// Attach to each case the orders that bear witness to it.
    Evidence(Limits),
    /// Apply a connector's messages again that was paused because too many of them were held for a
    /// reason that was new.
    Resume(Resume),
    /// Topics of connectors.
    #[command(subcommand)]
    Topic(TopicCommand),
    /// Control points and balances; fails where a sum does not close.
    Status,
    /// Write the books as one JSON document, in the shape of truth.json.
    Export(Export),
    /// Run the whole hub in one thread under seeded faults, and hold its books against what was
    /// sent; prints each seed that fails.
    Simulate(Simulate),
    /// Messages that could not be applied, or not yet.
    #[command(subcommand)]
    Held(HeldCommand),
    /// The embedded log.
    #[command(subcommand)]
    Log(LogCommand),
    /// Kafka's brokers.
    #[command(subcommand)]
    Kafka(KafkaCommand),
    /// Manifests of counterparties.
    #[command(subcommand)]
    Connector(ConnectorCommand),
    /// Canonical schemas.
    #[command(subcommand)]
    Schema(SchemaCommand),
}

#[derive(Clone, Debug, Args)]
pub(super) struct Demo {
    /// Distinct orders.
    #[arg(long, default_value_t = 200_000)]
    pub(super) orders: u64,
    /// The same seed gives the same messages.
    #[arg(long, default_value_t = 7)]
    pub(super) seed: u64,
    /// First day of acceptance.
    #[arg(long, default_value = "2026-07-01")]
    pub(super) from: DayArg,
    /// Days of acceptance.
    #[arg(long, default_value_t = 3)]
    pub(super) days: u32,
    /// End when all is shown, instead of going on with live traffic.
    #[arg(long)]
    pub(super) exit: bool,
    /// Write what happened as JSON.
    #[arg(long)]
    pub(super) summary: Option<PathBuf>,
    /// Address of the page.
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub(super) listen: String,
}

#[derive(Debug, Args)]
pub(super) struct Generate {
    /// Distinct orders.
    #[arg(long)]
    pub(super) orders: u64,
    /// First day of acceptance.
    #[arg(long)]
    pub(super) from: DayArg,
    /// Days of acceptance.
    #[arg(long)]
    pub(super) days: u32,
    /// The same seed gives the same messages.
    #[arg(long)]
    pub(super) seed: u64,
    /// Which messages.
    #[arg(long, value_enum, default_value_t = ProfileArg::Demo)]
    pub(super) profile: ProfileArg,
    /// Folder to write.
    #[arg(long)]
    pub(super) out: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum ProfileArg {
    /// All counterparties, and everything that can go wrong.
    Demo,
    /// Orders of the platforms that stream JSON, accepted, then completed or cancelled.
    Bench,
    /// The acceptances of such orders alone.
    Acceptances,
}

impl ProfileArg {
    pub(super) const fn profile(self) -> Profile {
        match self {
            Self::Demo => Profile::Demo,
            Self::Bench => Profile::Bench,
            Self::Acceptances => Profile::Acceptances,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Ingest {
    /// Whose messages they are.
    #[arg(long)]
    pub(super) connector: String,
    /// The feed; the connector's first one where it is not named.
    #[arg(long)]
    pub(super) feed: Option<String>,
    /// Take a file in again that was taken in before.
    #[arg(long)]
    pub(super) again: bool,
    /// Append time in milliseconds since the epoch, instead of the wall clock's; a partition's
    /// clock never goes back.
    #[arg(long)]
    pub(super) received_at: Option<i64>,
    /// The files.
    #[arg(required = true)]
    pub(super) paths: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Replay {
    /// Take files in again that were taken in before.
    #[arg(long)]
    pub(super) again: bool,
    /// Apply meanwhile what is taken in.
    #[arg(long)]
    pub(super) process: bool,
    /// The folder with `arrivals.csv`.
    pub(super) folder: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Run {
    /// What this instance does, where it does not do everything; given again for several.
    #[arg(long, value_enum)]
    pub(super) role: Vec<RoleArg>,
    /// Address of page, API and intake, and of the answer whether it lives.
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub(super) listen: String,
    /// File of intake tokens, a line a connector: `meituan = "…"`. A connector without one cannot
    /// send over HTTP.
    #[arg(long)]
    pub(super) tokens: Option<PathBuf>,
    /// Chain of certificates as PEM, for HTTPS; without it the front speaks plain HTTP, and takes
    /// messages in on loopback only.
    #[arg(long, requires = "tls_key")]
    pub(super) tls_certificate: Option<PathBuf>,
    /// Key of the first certificate, as PEM.
    #[arg(long, requires = "tls_certificate")]
    pub(super) tls_key: Option<PathBuf>,
    /// Address of the national platform: `http://host:port`.
    #[arg(long)]
    pub(super) national: Option<String>,
    /// Address of the tax system.
    #[arg(long)]
    pub(super) tax: Option<String>,
    /// Address of Golden Insurance.
    #[arg(long)]
    pub(super) golden_insurance: Option<String>,
    #[command(flatten)]
    pub(super) limits: Limits,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum RoleArg {
    /// Takes messages in over HTTP.
    Intake,
    /// Owns partitions and applies what they bring.
    Process,
    /// Delivers, fetches acknowledgements, publishes.
    Forward,
    /// The page and its API.
    Serve,
}

#[derive(Debug, Args)]
pub(super) struct Seal {
    /// The last day to seal.
    #[arg(long)]
    pub(super) until: DayArg,
    #[command(flatten)]
    pub(super) limits: Limits,
}

#[derive(Debug, Args)]
pub(super) struct Freeze {
    /// The month: `2026-07`.
    #[arg(long)]
    pub(super) month: MonthArg,
    /// Why it is frozen now; also why days without a statement are accepted.
    #[arg(long)]
    pub(super) reason: String,
    #[command(flatten)]
    pub(super) limits: Limits,
}

#[derive(Debug, Args)]
pub(super) struct Resume {
    /// Whose messages they are.
    pub(super) connector: String,
}

#[derive(Debug, Subcommand)]
pub(super) enum TopicCommand {
    /// Give a connector's topic a multiple of its partitions, with everything that is applied.
    /// Nobody applies its messages meanwhile; given again after it was broken off, it goes on.
    Grow(Grow),
}

#[derive(Debug, Args)]
pub(super) struct Grow {
    /// Whose topic it is.
    pub(super) connector: String,
    /// How many partitions it is to have.
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) partitions: u32,
}

#[derive(Debug, Args)]
pub(super) struct Export {
    /// Folder to write `export.json` to.
    #[arg(long)]
    pub(super) out: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(super) enum HeldCommand {
    /// One line a message.
    List(HeldFilter),
    /// A message with its reason and its bytes.
    Show {
        /// The beginning of its digest.
        digest: String,
    },
    /// Read and apply again, after a fix of a manifest or a rule.
    Recycle(HeldFilter),
}

#[derive(Debug, Args)]
pub(super) struct HeldFilter {
    /// Only messages held for this reason.
    #[arg(long)]
    pub(super) reason: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 1000)]
    pub(super) limit: u32,
}

#[derive(Debug, Subcommand)]
pub(super) enum LogCommand {
    /// Drop messages that are applied, where they are older or more than the limits permit.
    Trim(Trim),
}

#[derive(Debug, Subcommand)]
pub(super) enum KafkaCommand {
    /// Print the commands that grant a principal what it needs, and nothing else.
    Acl(Acl),
}

#[derive(Debug, Args)]
#[group(id = "grantee", required = true, multiple = false)]
pub(super) struct Grantees {
    /// A counterparty that appends to its own topic.
    #[arg(long)]
    pub(super) connector: Option<String>,
    /// The hub itself.
    #[arg(long)]
    pub(super) hub: bool,
}

#[derive(Debug, Args)]
pub(super) struct Acl {
    #[command(flatten)]
    pub(super) grantee: Grantees,
    /// The name that the brokers know the principal by.
    #[arg(long)]
    pub(super) principal: String,
    /// The brokers, host:port; those of --log where they are not named.
    #[arg(long)]
    pub(super) bootstrap: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Trim {
    /// Keep messages so many hours, counted back from the last arrival; 7 days where it is not
    /// said.
    #[arg(long)]
    pub(super) retention_hours: Option<u32>,
    /// Let the file use so many bytes at most; 8 GiB where it is not said.
    #[arg(long)]
    pub(super) bytes_max: Option<u64>,
}

#[derive(Debug, Subcommand)]
pub(super) enum ConnectorCommand {
    /// Compile every manifest and hold it against its samples; name file, line and field of what
    /// is wrong.
    Check,
}

#[derive(Debug, Subcommand)]
pub(super) enum SchemaCommand {
    /// Hold the schemas against every released version.
    Check,
    /// The number in the frames of each record, its name and its topic.
    List,
}

/// A day as an argument: `2026-07-01`.
#[derive(Clone, Copy, Debug)]
pub(super) struct DayArg(pub(super) Day);

impl FromStr for DayArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let day = Day::parse(text).map(Self);
        day.ok_or_else(|| format!("expected a date like 2026-07-01, found {text:?}"))
    }
}

/// A month as an argument: `2026-07`.
#[derive(Clone, Copy, Debug)]
pub(super) struct MonthArg(pub(super) Month);

impl FromStr for MonthArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let first = Day::parse(&format!("{text}-01")).map(|day| Self(day.month()));
        first.ok_or_else(|| format!("expected a month like 2026-07, found {text:?}"))
    }
}
