//! The database: opening it, its migrations, and one module of SQL per subject.
//!
//! SQL is written once for SQLite and PostgreSQL, through sqlx's `Any` driver: `$1` placeholders,
//! integers (`BIGINT`) for money, time and booleans, `TEXT` for codes, bytes for blobs,
//! `insert … on conflict`. What differs between the engines stands in [`engine`]. Functions here
//! take the open transaction; only [`Database::begin`] begins one.

pub mod case_evidence;
pub mod cases;
pub mod cipher;
mod column;
pub mod counts;
pub mod engine;
pub mod held;
pub mod intake_marks;
pub mod ledger;
pub mod levy;
pub mod locks;
pub mod money;
pub mod outbox;
pub mod outcomes;
pub mod positions;
pub mod publish;
pub mod publish_outbox;
pub mod registration;
pub mod relay;
pub mod roster;
pub mod segments;
pub mod standing;
pub mod statement;
pub mod suspects;

#[cfg(test)]
pub(crate) mod scratch;

use sqlx::any::AnyConnectOptions;
use sqlx::{Any, AnyPool, Transaction};

/// The open transaction that every store function takes.
pub type Tx = Transaction<'static, Any>;

/// The state database.
#[derive(Clone)]
pub struct Database {
    writer: AnyPool,
    reader: AnyPool,
}

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The engine failed.
    #[error("database: {0}")]
    Sql(#[from] sqlx::Error),
    /// The schema is older or newer than this program, and cannot be brought up to date.
    #[error("database schema: {0}; run the program version that the database names")]
    Migrate(#[from] sqlx::migrate::MigrateError),
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

impl Database {
    /// Opens (and where needed creates) the database in a data folder and brings it up to date.
    ///
    /// # Errors
    /// [`StoreError`] where the folder, the engine, its settings or its schema do not permit it.
    pub async fn open(folder: &std::path::Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(folder)
            .map_err(|source| StoreError::Folder { path: folder.display().to_string(), source })?;
        Self::connect(&engine::sqlite_url(&folder.join("state.db"))).await
    }

    async fn connect(url: &str) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let options: AnyConnectOptions = url.parse()?;
        let writer = engine::pool_options()
            .max_connections(1)
            .after_connect(|connection, _| Box::pin(engine::prepare_writer(connection)))
            .connect_with(options.clone())
            .await?;
        engine::MIGRATIONS.run(&writer).await?;
        engine::check_durability(&writer).await?;
        let reader = engine::pool_options()
            .max_connections(4)
            .after_connect(|connection, _| Box::pin(engine::prepare_reader(connection)))
            .connect_with(options)
            .await?;
        Ok(Self { writer, reader })
    }

    /// Begins the one writing transaction; others wait for it.
    ///
    /// # Errors
    /// [`StoreError::Sql`] where the engine refuses.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        Ok(self.writer.begin_with(engine::BEGIN_WRITE).await?)
    }

    /// Begins a read-only snapshot.
    ///
    /// # Errors
    /// [`StoreError::Sql`] where the engine refuses.
    pub async fn snapshot(&self) -> Result<Tx, StoreError> {
        Ok(self.reader.begin().await?)
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
