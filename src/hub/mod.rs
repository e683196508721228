//! The hub: the one place that sees every part and wires them together.
//!
//! [`Hub::open`] brings log, database, manifests and policy together; the other modules here run
//! the roles: intake, process, the levy calendar, forward, and all of them as a service.

#[cfg(test)]
mod beside_tests;
pub mod clock;
mod forward;
mod grow;
mod http;
mod ingest;
mod keys;
mod levy;
mod log;
mod outcomes;
mod process;
mod publish;
mod recycle;
mod registry;
mod role;
mod service;
mod share;
pub mod simulation;
mod tls;
mod tokens;
mod topics;
mod versions;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use self::registry::SchemaRegistry;
use self::topics::{LostTopics, RawTopics, Registered};

use crate::apply::engine::{ApplySettings, Engine, EngineError};
use crate::apply::freeze::FreezeError;
use crate::apply::missing::AcceptError;
use crate::domain::ids::ConnectorId;
use crate::domain::time::Moment;
use crate::forward::acks::AckError;
use crate::forward::canonical::{CanonicalError, Limits as CanonicalLimits};
use crate::forward::client::ClientError;
use crate::forward::relay::RelayError;
use crate::intake::{IntakeError, Route};
use crate::log::LogError;
use crate::log::embedded::Retention;
use crate::normalize::{Connectors, ManifestError};
use crate::policy::{Policy, PolicyError};
use crate::registry::client::ClientError as RegistryError;
use crate::schema::SchemaIds;
use crate::store::positions::PartitionKey;
use crate::store::{Database, StoreError};

pub use forward::Destinations;
pub use grow::Grown;
pub use http::{Front, HttpAccess};
pub use ingest::{ArrivalsError, Arrived, Intake, arrivals};
pub use keys::KeysError;
pub use levy::MonthReport;
pub use log::LogChoice;
pub use recycle::Recycled;
pub use role::Role;
pub use service::Service;
pub use tls::{TlsError, TlsFiles};
pub use tokens::{Tokens, TokensError};

/// Where a hub keeps its state and finds its rules.
#[derive(Clone, Debug)]
pub struct HubSettings {
    /// Log and keys, and the database where `database` names none.
    pub data: PathBuf,
    /// Address of the database, as [`Database::connect`] takes it.
    pub database: Option<String>,
    /// Manifests of counterparties.
    pub connectors: PathBuf,
    /// Dated rules.
    pub policy: PathBuf,
    /// Limits of the applying side.
    pub apply: ApplySettings,
    /// Which log.
    pub log: LogChoice,
    /// Limits of the embedded log.
    pub retention: Retention,
    /// Limits of publishing.
    pub canonical: CanonicalLimits,
    /// Address of the schema registry, where it is another one than the hub's own.
    pub schema_registry: Option<String>,
    /// The connector whose topic is about to be grown: its log may have more partitions already.
    pub grows: Option<ConnectorId>,
}

#[cfg(test)]
impl HubSettings {
    /// The embedded log and SQLite in a folder, with the project's manifests and rules.
    pub(crate) fn of_tests(data: PathBuf) -> Self {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        Self {
            data,
            database: None,
            connectors: root.join("connectors"),
            policy: root.join("policy"),
            apply: ApplySettings::default(),
            log: LogChoice::Embedded,
            retention: Retention::default(),
            canonical: CanonicalLimits::default(),
            schema_registry: None,
            grows: None,
        }
    }
}

/// A running hub.
pub struct Hub {
    pub(crate) engine: Arc<Engine>,
    log: log::HubLog,
    retention: Retention,
    canonical: CanonicalLimits,
    schema_ids: SchemaIds,
    /// Whether schemas have the numbers of the hub's own registry, which it serves then.
    serves_registry: bool,
    topic_prefix: String,
    /// Raw topics that were not in the log when the hub started.
    lost: Arc<LostTopics>,
    owners: process::Owners,
    /// Moves whenever records may have come in from within this process.
    appended: watch::Sender<()>,
    /// Moves whenever the process role has committed all that it found.
    committed: watch::Sender<()>,
    /// Becomes true when the owners have to stop at their next batch boundary.
    stop: watch::Sender<bool>,
    /// Becomes true when partitions are to be claimed or given back.
    share_due: watch::Sender<bool>,
    /// First position of each partition whose outcomes were forgotten up to there.
    forgotten_before: HashMap<PartitionKey, u64>,
}

/// Why the hub cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// A manifest is wrong.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A policy file is wrong.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The keys cannot be read or made.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// A partition's owner cannot go on.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The tokens of intake cannot be read.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// A source cannot be taken in.
    #[error(transparent)]
    Intake(#[from] IntakeError),
    /// The list of arrivals cannot be read.
    #[error(transparent)]
    Arrivals(#[from] ArrivalsError),
    /// A period cannot be frozen or issued.
    #[error(transparent)]
    Freeze(#[from] FreezeError),
    /// A missing statement cannot be accepted.
    #[error(transparent)]
    Accept(#[from] AcceptError),
    /// Events cannot be published.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
    /// Records cannot be delivered.
    #[error(transparent)]
    Relay(#[from] RelayError),
    /// A counterparty's address is none.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The schema registry that is named gives no numbers.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Acknowledgements cannot be fetched.
    #[error(transparent)]
    Acks(#[from] AckError),
    /// An address cannot be listened on.
    #[error("address {address}: {source}; name another with --listen")]
    Listen {
        /// The address.
        address: String,
        /// The cause.
        source: std::io::Error,
    },
    /// Tokens would cross a network in the clear.
    #[error(
        "address {address}: expected a loopback address for intake over plain http, found another; \
         name --tls-certificate and --tls-key, or end tls in front of the hub"
    )]
    NotLoopback {
        /// The address.
        address: String,
    },
    /// Certificate and key of the front cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// There is no such connector or feed.
    #[error("expected a connector and feed of the manifests, found {found:?}")]
    NoFeed {
        /// What was named.
        found: String,
    },
    /// Another instance holds a partition.
    #[error("{topic} partition {partition}: another instance holds the lease; stop it or wait")]
    Leased {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
    },
    /// Messages of a connector wait in the log for an operator.
    #[error(
        "connector {connector}: expected all of its messages applied, found it paused for \
         {reason}; mend the manifest, restart what applies, and run zhibao resume {connector} first"
    )]
    Paused {
        /// The connector.
        connector: String,
        /// Code of the reason to hold.
        reason: String,
    },
    /// A topic is being grown, and what was asked for needs its partitions.
    #[error(
        "topic {topic}: expected nobody to grow it, found it being grown to {to} partitions; end \
         that first: zhibao topic grow"
    )]
    Growing {
        /// The topic.
        topic: String,
        /// To how many.
        to: u32,
    },
    /// A topic cannot be grown to that number.
    #[error(
        "topic {topic}: expected a multiple of its {from} partitions, at most 1024, found {to}"
    )]
    NoMultiple {
        /// The topic.
        topic: String,
        /// How many it has; 0 where it is not registered.
        from: u32,
        /// What was asked for.
        to: u32,
    },
    /// A manifest names partitions that its topic was not grown from.
    #[error(
        "topic {topic}: the manifest says {expected} partitions, the topic has {found}; say so in \
         the manifest, or grow the topic: zhibao topic grow"
    )]
    ManifestPartitions {
        /// The topic.
        topic: String,
        /// What the manifest says.
        expected: u32,
        /// How many it has.
        found: u32,
    },
    /// A partition has applied messages of the cut or later.
    #[error(
        "{topic} partition {partition}: expected nothing applied from {cut_at} on, found later \
         messages; freeze with a later cut"
    )]
    CutPassed {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The cut asked for.
        cut_at: Moment,
    },
    /// A worker thread failed.
    #[error("a worker thread failed: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

impl From<sqlx::Error> for HubError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl HubError {
    /// Whether the same may go through later without anybody's doing: brokers or a database that
    /// are away for a while, or a counterparty that does not answer.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        if let Self::Log(error)
        | Self::Engine(EngineError::Log(error))
        | Self::Intake(IntakeError::Log(error))
        | Self::Canonical(CanonicalError::Log(error)) = self
        {
            return error.is_passing();
        }
        if let Self::Engine(error) = self {
            return error.is_passing();
        }
        if let Self::Freeze(FreezeError::Apply(error)) = self {
            return error.is_passing();
        }
        matches!(self, Self::Acks(_))
            || matches!(self, Self::Store(error) | Self::Relay(RelayError::Store(error))
                | Self::Canonical(CanonicalError::Store(error))
                | Self::Accept(AcceptError::Store(error)) if error.is_passing())
    }
}

impl Hub {
    /// Opens data folder, log, manifests and policy; registers a raw topic for every connector.
    ///
    /// # Errors
    /// [`HubError`] with file, line and field where a manifest or a rule is wrong, or where the
    /// data folder cannot be used.
    pub async fn open(settings: &HubSettings) -> Result<Self, HubError> {
        let mut connectors = Connectors::load(&settings.connectors)?;
        let policy = Arc::new(Policy::load(&settings.policy)?);
        let db = match &settings.database {
            Some(url) => Database::connect(url).await?,
            None => Database::open(&settings.data).await?,
        };
        let clock: Arc<dyn Fn() -> _ + Send + Sync> = Arc::new(clock::wall);
        let hub_log = log::HubLog::open(settings, &db, Arc::clone(&clock)).await?;
        let log = hub_log.shared();
        let keys = keys::load_or_make(&settings.data)?;
        // Brokers take their time: they are asked before the one writing transaction begins.
        let registered = Registered::read(&db).await?;
        let grows = settings.grows.as_ref();
        let topics = RawTopics::make(&*log, &registered, &connectors, grows).await?;
        let schema_registry = SchemaRegistry::ask(settings, &db, &connectors).await?;
        let mut tx = db.begin().await?;
        keys::compare(&mut tx, &keys, &settings.data).await?;
        let (manifests, rules) = topics.register(&mut tx, &connectors, &policy).await?;
        let schema_ids = schema_registry.settle(&mut tx, settings, &mut connectors).await?;
        tx.commit().await?;
        let engine = Engine {
            db,
            log,
            connectors: Arc::new(connectors),
            policy,
            versions: format!("manifests:{manifests} policy:{rules}"),
            manifest_version: manifests,
            tokens: Arc::new(keys.tokens),
            cipher: Arc::new(keys.cipher),
            fingerprint_key: keys.fingerprints,
            owner: keys::instance_name()?,
            clock,
            settings: settings.apply,
        };
        let hub = Self::assemble(engine, hub_log, settings.retention, settings.canonical);
        let topic_prefix = registry::topic_prefix(settings).to_owned();
        let serves_registry = schema_registry.is_own();
        let lost = Arc::new(topics.lost());
        Ok(Self { schema_ids, serves_registry, topic_prefix, lost, ..hub })
    }

    /// A hub of parts that are open, with the numbers of its own schema registry.
    fn assemble(
        engine: Engine,
        log: log::HubLog,
        retention: Retention,
        canonical: CanonicalLimits,
    ) -> Self {
        Self {
            engine: Arc::new(engine),
            log,
            retention,
            canonical,
            schema_ids: SchemaIds::default(),
            serves_registry: false,
            topic_prefix: String::new(),
            lost: Arc::default(),
            owners: process::Owners::default(),
            appended: watch::Sender::new(()),
            committed: watch::Sender::new(()),
            stop: watch::Sender::new(false),
            share_due: watch::Sender::new(false),
            forgotten_before: HashMap::new(),
        }
    }

    /// The state database, for readers.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.engine.db
    }

    /// The rules in force.
    #[must_use]
    pub fn policy(&self) -> &Arc<Policy> {
        &self.engine.policy
    }

    /// The manifests in force.
    #[must_use]
    pub fn connectors(&self) -> &Arc<Connectors> {
        &self.engine.connectors
    }

    /// Finds the key bytes of a record on its way into the log.
    #[must_use]
    pub fn route(&self) -> Arc<Route> {
        let connectors = Arc::clone(&self.engine.connectors);
        Arc::new(move |arrival| {
            let digest = arrival.header.map(|(_, digest)| digest);
            match connectors.get(arrival.connector) {
                Some(manifest) => manifest.route(arrival.feed, digest.as_ref(), arrival.value),
                None => arrival.value.to_vec(),
            }
        })
    }

    /// Gives all partitions back and closes log and database.
    ///
    /// # Errors
    /// [`HubError`] where a lease cannot be given back.
    pub async fn close(mut self) -> Result<(), HubError> {
        self.give_back().await?;
        self.log.close().await;
        self.engine.db.close().await;
        Ok(())
    }

    /// Gives all partitions back.
    async fn give_back(&mut self) -> Result<(), HubError> {
        self.owners.release_all().await?;
        if self.owners.is_shared {
            self.leave().await?;
        }
        Ok(())
    }

    fn no_feed(&self, connector: &ConnectorId, feed: &str) -> HubError {
        let known = self.engine.connectors.get(connector).map(|manifest| {
            let feeds: Vec<_> = manifest.feeds().iter().map(|feed| feed.id().as_str()).collect();
            format!(" (feeds of {connector}: {})", feeds.join(", "))
        });
        HubError::NoFeed { found: format!("{connector}/{feed}{}", known.unwrap_or_default()) }
    }
}
