//! The whole hub in one thread, under a seed: several instances on a simulated log and on SQLite,
//! simulated counterparties, clocks that jump, and an oracle that knows only what was sent.
//!
//! What is real: processing with its leases, sealing, late runs, joining and trimming; publishing;
//! the relay and acknowledgements; freezing and recycling; every line of SQL. What is not: intake
//! (senders append to the log as a platform's own producers do), sockets, and the page. SQLite's
//! transactions are real; that they outlast a loss of power is for the tests that kill processes.
//! A process that is killed loses the transaction that it has open.
//!
//! | module | what it is |
//! |---|---|
//! | `world` | the steps of one seed: who goes on, what happens |
//! | `turns` | where everybody stands still, and goes on with what fault |
//! | `instances` | an instance of the hub as roles that take turns |
//! | `faults` | what goes wrong, and how often |
//! | `traffic`, `platforms`, `senders` | what is sent, in which words, and by whom |
//! | `destinations` | counterparties |
//! | `truth`, `oracle` | what must come of it, and whether it did |

mod destinations;
mod faults;
mod instances;
mod oracle;
mod platforms;
mod senders;
#[cfg(test)]
mod tests;
mod traffic;
mod truth;
mod turns;
mod world;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

use self::instances::{deliver, end_growing, fetch, freeze};
use self::platforms::Platform;
use self::world::World;
use super::HubError;
use super::topics::{RawTopics, Registered};
use crate::apply::engine::topic_of;
use crate::domain::time::Moment;
use crate::forward::canonical::CanonicalError;
use crate::log::simulated::{Faults, SimulatedLog};
use crate::log::{Log, LogError};
use crate::normalize::{Connectors, ManifestError, TokenKeys};
use crate::orders::identity::FingerprintKey;
use crate::policy::{Policy, PolicyError};
use crate::store::cipher::{CipherError, FieldCipher, KeyId};
use crate::store::{Database, StoreError};

/// Counterparties of the simulation, with the partitions of their topics.
const CONNECTORS: [(&str, u32); 4] = [
    (Platform::Meituan.name(), Platform::Meituan.partitions()),
    (Platform::Caocao.name(), Platform::Caocao.partitions()),
    ("national-platform", 1),
    ("tax", 1),
];

/// Names of folders within one process.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Why a seed could not be run; what it finds is no error.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// The hub cannot be set up, or cannot go on though nothing goes wrong any more.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// The rules cannot be read.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The manifests cannot be read.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The cipher refuses its key.
    #[error(transparent)]
    Cipher(#[from] CipherError),
    /// Canonical events cannot be published.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
}

impl From<sqlx::Error> for SimulationError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// What one seed came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// Everything that is not as it must be; empty where all is well.
    pub differences: Vec<String>,
    /// Messages that were to be sent.
    pub messages: usize,
    /// Steps that it took.
    pub steps: u64,
    /// Digest of everything that was chosen and of the books in the end: the same for the same
    /// seed.
    pub trace: [u8; 32],
}

/// What all seeds have in common: rules, manifests, keys, and an empty database to copy.
pub struct Template {
    folder: Folder,
    connectors: Arc<Connectors>,
    policy: Arc<Policy>,
    versions: String,
    manifest_version: u32,
    tokens: Arc<TokenKeys>,
    cipher: Arc<FieldCipher>,
    fingerprint_key: FingerprintKey,
}

/// A folder that goes with its value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, SimulationError> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("zhibao-simulation-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).map_err(|source| file_error(&path, source))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, "folder of a simulation stays");
        }
    }
}

fn file_error(path: &Path, source: std::io::Error) -> SimulationError {
    SimulationError::File { path: path.display().to_string(), source }
}

impl Template {
    /// Reads manifests and rules, and makes the database that every seed begins with.
    ///
    /// # Errors
    /// [`SimulationError`] where a folder cannot be read or written.
    pub async fn make(connectors: &Path, policy: &Path) -> Result<Self, SimulationError> {
        let folder = Folder::new()?;
        let connectors = Arc::new(load(connectors, &folder.0.join("connectors"))?);
        let policy = Arc::new(Policy::load(policy)?);
        let db = Database::open(&folder.0).await?;
        let log = SimulatedLog::new(0, Faults::default(), Moment::from_ms(0));
        let topics = RawTopics::make(&log, &Registered::default(), &connectors, None).await?;
        let mut tx = db.begin().await?;
        let (manifests, rules) = topics.register(&mut tx, &connectors, &policy).await?;
        tx.commit().await?;
        db.close().await;
        Ok(Self {
            folder,
            connectors,
            policy,
            versions: format!("manifests:{manifests} policy:{rules}"),
            manifest_version: manifests,
            tokens: Arc::new(TokenKeys::new(b"simulation")),
            cipher: Arc::new(FieldCipher::new([(KeyId(1), [1; 32])])?),
            fingerprint_key: FingerprintKey([3; 16]),
        })
    }
}

/// Loads the manifests of the simulation's counterparties, with its own numbers of partitions.
fn load(from: &Path, to: &Path) -> Result<Connectors, SimulationError> {
    for (name, partitions) in CONNECTORS {
        let (path, folder) = (from.join(name).join("connector.toml"), to.join(name));
        let text = std::fs::read_to_string(&path).map_err(|source| file_error(&path, source))?;
        let lines = text.lines().map(|line| match line.strip_prefix("partitions = ") {
            Some(_) => format!("partitions = {partitions}\n"),
            None => format!("{line}\n"),
        });
        std::fs::create_dir_all(&folder).map_err(|source| file_error(&folder, source))?;
        let file = folder.join("connector.toml");
        std::fs::write(&file, lines.collect::<String>())
            .map_err(|source| file_error(&file, source))?;
    }
    Ok(Connectors::load(to)?)
}

async fn make_all_topics(log: &SimulatedLog, template: &Template) -> Result<(), LogError> {
    for manifest in template.connectors.iter() {
        log.ensure_topic(&topic_of(manifest.name()), manifest.partitions()).await?;
    }
    Ok(())
}

/// Runs one seed with so many orders.
///
/// # Errors
/// [`SimulationError`] where it cannot be run to its end.
pub async fn run(
    template: &Arc<Template>,
    seed: u64,
    orders: u32,
) -> Result<Outcome, SimulationError> {
    Run::begin(template, seed, orders).await?.end().await
}

/// A seed that has run: everything is sent, everybody has ended, and what is left to do is done.
struct Run {
    seed: u64,
    world: World,
    _folder: Folder,
}

impl Run {
    /// Runs a seed until nothing is left to do.
    async fn begin(
        template: &Arc<Template>,
        seed: u64,
        orders: u32,
    ) -> Result<Self, SimulationError> {
        let mut run = Self::prepare(template, seed, orders).await?;
        run.world.run().await;
        run.rest().await?;
        Ok(run)
    }

    async fn prepare(
        template: &Arc<Template>,
        seed: u64,
        orders: u32,
    ) -> Result<Self, SimulationError> {
        let folder = Folder::new()?;
        let file = folder.0.join("state.db");
        std::fs::copy(template.folder.0.join("state.db"), &file)
            .map_err(|source| file_error(&file, source))?;
        let world = World::new(Arc::clone(template), (seed, orders), &file).await?;
        Ok(Self { seed, world, _folder: folder })
    }

    /// Ends the faults, and does with one instance more what is left to do.
    async fn rest(&mut self) -> Result<(), SimulationError> {
        self.world.settle()?;
        let shared = self.world.shared.clone();
        let mut hub = shared.hub("last".to_owned(), &Arc::default());
        let progress = Arc::new(AtomicU64::new(0));
        end_growing(&hub).await?;
        let until = self.world.first_day.plus(60);
        // What one sealed day sets free, another run may have to look for.
        for _ in 0..2 {
            hub.process_until_idle(&progress).await?;
            hub.seal_until(until).await?;
        }
        hub.process_until_idle(&progress).await?;
        for month in self.world.months() {
            freeze(&hub, month).await?;
        }
        for destination in &shared.destinations {
            deliver(&hub.engine, &shared.relay(destination), &shared.turns).await?;
            destination.settle();
            fetch(&hub.engine, destination).await?;
        }
        hub.process_until_idle(&progress).await?;
        hub.publish_until_idle().await?;
        Ok(())
    }

    /// Holds the books against what was sent.
    async fn end(mut self) -> Result<Outcome, SimulationError> {
        let mut differences = std::mem::take(&mut self.world.differences);
        differences.extend(oracle::differences(&self.world).await?);
        let mut trace = Sha256::new();
        trace.update(self.world.trace());
        trace.update(books(&self.world.shared.db.without_faults()).await?);
        self.world.shared.db.close().await;
        Ok(Outcome {
            seed: self.seed,
            differences,
            messages: self.world.messages().len(),
            steps: self.world.steps,
            trace: trace.finalize().into(),
        })
    }
}

/// The figures of the books as text.
async fn books(db: &Database) -> Result<String, SimulationError> {
    use sqlx::Row;
    let mut tx = db.snapshot().await?;
    let mut text = String::new();
    for sql in [
        "select topic || partition || ' ' || next_offset || ' ' || batch || ' ' || epoch as line \
         from position order by topic, partition",
        "select id || ' ' || state || ' ' || attempts as line from outbox order by id",
    ] {
        for row in sqlx::query(sql).fetch_all(&mut *tx).await? {
            text.push_str(&row.try_get::<String, _>("line")?);
            text.push('\n');
        }
    }
    tx.commit().await?;
    Ok(text)
}
