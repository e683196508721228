//! The database: opening it, its migrations, and one module of SQL per subject.
//!
//! SQL is written once for SQLite and PostgreSQL, through sqlx's `Any` driver: `$1` placeholders,
//! integers (`BIGINT`) for money, time and booleans, `TEXT` for codes, bytes for blobs,
//! `insert … on conflict`. What differs between the engines stands in [`engine`]. Functions here
//! take the open transaction; only [`Database::begin`] begins one.

mod bulk;
pub mod case_evidence;
pub mod cases;
pub mod cipher;
mod column;
pub mod counts;
pub mod crashes;
pub mod engine;
pub mod growth;
pub mod held;
pub mod instances;
pub mod intake_marks;
pub mod ledger;
pub mod levy;
pub mod locks;
pub mod money;
pub mod news;
pub mod order_days;
pub mod outbox;
pub mod outcomes;
pub mod pauses;
pub mod positions;
pub mod publish;
pub mod publish_outbox;
pub mod registration;
pub mod relay;
pub mod roster;
pub mod schemas;
pub mod segments;
pub mod standing;
pub mod statement;
pub mod suspects;
pub mod tx;

#[cfg(test)]
pub(crate) mod scratch;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use sqlx::AnyPool;
use sqlx::error::ErrorKind;

pub use self::tx::Tx;
use self::tx::{Access, StoreFaults, Watch};
pub use engine::Engine;

/// The state database.
#[derive(Clone)]
pub struct Database {
    engine: Engine,
    writer: AnyPool,
    reader: AnyPool,
    /// Where a simulation lets transactions fail.
    faults: Option<Arc<dyn StoreFaults>>,
}

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The engine failed.
    #[error("database: {0}")]
    Sql(#[from] sqlx::Error),
    /// The address names no engine of ours.
    #[error("database address: expected postgres://… or sqlite://…, found {found}")]
    Url {
        /// The address, without its password.
        found: String,
    },
    /// Nobody answers at the address, or not as it should.
    #[error("database {url}: expected a connection, found: {source}")]
    Connect {
        /// The address, without its password.
        url: String,
        /// The cause.
        source: sqlx::Error,
    },
    /// Books and personal data would cross a network in the clear, or to anybody who answers.
    #[error(
        "database {url}: expected sslmode=verify-full, with sslrootcert, for a server that is not \
         on loopback, found sslmode={found}; add it to the address, or say sslmode=disable where \
         the network needs no TLS"
    )]
    Plaintext {
        /// The address, without its password.
        url: String,
        /// The mode that it names, or the client's own.
        found: &'static str,
    },
    /// The schema of a file of ours cannot be brought up to date.
    #[error("database schema: {0}; run the program version that the database names")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The schema of the state database cannot be brought up to date.
    #[error(
        "database schema at migration {found}: {source}; let a role that owns the schema start \
         this program version once"
    )]
    Upgrade {
        /// Number of the newest migration that the database has.
        found: i64,
        /// The cause.
        source: sqlx::migrate::MigrateError,
    },
    /// The schema is newer than this program.
    #[error(
        "database schema: expected migration {ours} at most, found {found}; run the program \
         version that made it"
    )]
    Newer {
        /// Number of the newest migration that the database has.
        found: i64,
        /// Number of the newest migration that this program has.
        ours: i64,
    },
    /// The data folder cannot be used.
    #[error("data folder {path}: {source}")]
    Folder {
        /// The folder.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
    /// A setting that risks committed data.
    #[error("database setting {name}: expected {expected}, found {found}; the start is refused")]
    Unsafe {
        /// The setting.
        name: &'static str,
        /// What is needed.
        expected: &'static str,
        /// What the database says.
        found: String,
    },
    /// A stored value that no version of this program wrote.
    #[error("stored {what}: {detail}")]
    Damaged {
        /// Table and column.
        what: &'static str,
        /// What is wrong.
        detail: String,
    },
}

impl StoreError {
    /// Whether the transaction is lost and the same may go through when it is tried again: the
    /// server ended it for the sake of others, or is away for a while, or its disk is full.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Sql(error) if is_passing(error))
    }

    /// Whether the engine refused the values that were to be written: they break one of its
    /// constraints, or fit none of its types.
    #[must_use]
    pub fn is_of_the_values(&self) -> bool {
        let Self::Sql(sqlx::Error::Database(error)) = self else { return false };
        let is_violation = matches!(
            error.kind(),
            ErrorKind::UniqueViolation
                | ErrorKind::ForeignKeyViolation
                | ErrorKind::NotNullViolation
                | ErrorKind::CheckViolation
        );
        // The rest is told apart by code: what a trigger of SQLite raises, and PostgreSQL's class of
        // data exceptions.
        let is_refusal = |code: &str| code == "1811" || code.len() == 5 && code.starts_with("22");
        is_violation || error.code().is_some_and(|code| is_refusal(&code))
    }
}

/// As [`StoreError::is_passing`], of what the driver says.
pub(crate) fn is_passing(error: &sqlx::Error) -> bool {
    if let sqlx::Error::Database(error) = error {
        return error.code().is_some_and(|code| engine::is_passing(&code));
    }
    matches!(error, sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed)
}

impl Database {
    /// Opens (and where needed creates) the database in a data folder and brings it up to date.
    ///
    /// # Errors
    /// [`StoreError`] where the folder, the engine, its settings or its schema do not permit it.
    pub async fn open(folder: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(folder)
            .map_err(|source| StoreError::Folder { path: folder.display().to_string(), source })?;
        Self::connect(&engine::sqlite_url(&folder.join("state.db"))).await
    }

    /// Opens the database at an address (`postgres://user@host/name`, with `sslmode` and
    /// `sslrootcert` as PostgreSQL's own clients know them; a password may stand in the file that
    /// `PGPASSFILE` names) and brings it up to date.
    ///
    /// # Errors
    /// [`StoreError`] where the address, the engine, its settings or its schema do not permit it.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        let engine = Engine::of_url(url)?;
        let engine::Pools { writer, reader } = engine.connect(url).await?;
        Ok(Self { engine, writer, reader, faults: None })
    }

    /// Opens the SQLite database of a simulation, which was brought up to date before: what is
    /// committed there need not reach the disk.
    ///
    /// # Errors
    /// [`StoreError::Connect`] where the file cannot be opened.
    pub(crate) async fn open_simulated(
        file: &Path,
        faults: Arc<dyn StoreFaults>,
    ) -> Result<Self, StoreError> {
        let engine::Pools { writer, reader } = engine::connect_simulated(file).await?;
        Ok(Self { engine: Engine::Sqlite, writer, reader, faults: Some(faults) })
    }

    /// The same database without its faults, for those who look at it from outside.
    #[must_use]
    pub(crate) fn without_faults(&self) -> Self {
        Self { faults: None, ..self.clone() }
    }

    /// The engine.
    #[must_use]
    pub const fn engine(&self) -> Engine {
        self.engine
    }

    /// Begins a writing transaction. On SQLite there is one, and others wait for it.
    ///
    /// # Errors
    /// [`StoreError::Sql`] where the engine refuses.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        let Some(faults) = &self.faults else {
            return Ok(Tx::new(self.writer.begin_with(self.engine.begin_write()).await?, None));
        };
        let (watch, disk) = Watch::begin(faults, Access::Write).await?;
        let tx = self.writer.begin_with(self.engine.begin_write()).await?;
        let mut tx = Tx::new(tx, Some(watch));
        if let Some(is_full) = disk {
            engine::set_room(&mut tx, is_full).await?;
        }
        Ok(tx)
    }

    /// Begins a read-only snapshot.
    ///
    /// # Errors
    /// [`StoreError::Sql`] where the engine refuses.
    pub async fn snapshot(&self) -> Result<Tx, StoreError> {
        let watch = match &self.faults {
            Some(faults) => Some(Watch::begin(faults, Access::Read).await?.0),
            None => None,
        };
        Ok(Tx::new(self.reader.begin_with(self.engine.begin_snapshot()).await?, watch))
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

/// A count or position as the database keeps it; none reaches 2^63.
pub(crate) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A count or position as it was kept.
pub(crate) fn uint(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
