//! What differs between the database engines.

use std::path::Path;

use sqlx::any::AnyPoolOptions;
use sqlx::{AnyConnection, AnyPool, AssertSqlSafe, Executor, Row};

use super::StoreError;

/// Numbered migrations of the embedded engine.
pub(super) static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("migrations/sqlite");

/// Takes SQLite's one writer lock at once, so that a batch never fails half-way on it.
pub(crate) const BEGIN_WRITE: &str = "BEGIN IMMEDIATE";

pub(crate) fn sqlite_url(path: &Path) -> String {
    format!("sqlite://{}?mode=rwc", path.display())
}

/// Pools that keep their connections. Nothing is gained by closing those to a local file, and the
/// task of sqlx 0.9.0 that would close them may miscount the idle ones and then spin for ever,
/// also when the program ends (transact-rs/sqlx issue 3645): without time limits it is not started.
pub(crate) fn pool_options() -> AnyPoolOptions {
    AnyPoolOptions::new().idle_timeout(None).max_lifetime(None)
}

/// Kibibytes of pages that the writer keeps, and each reader.
const WRITER_CACHE_KIB: u32 = 6_000;
const READER_CACHE_KIB: u32 = 500;
/// Pages that the write-ahead log grows to before they are copied into the file: pages that every
/// batch changes are then copied once for many batches.
const CHECKPOINT_PAGES: u32 = 8_192;

/// Bytes of a page of a new state database. A segment of a few kibibytes, as small batches make
/// them, leaves half a page empty behind its end.
const PAGE_BYTES: u32 = 2_048;

/// Settings of the writing session.
pub(crate) async fn prepare_writer(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    // Counts for a database that has no table yet, and for no other.
    connection.execute(AssertSqlSafe(format!("pragma page_size = {PAGE_BYTES}"))).await?;
    prepare_session(connection, WRITER_CACHE_KIB).await
}

/// Settings of a reading session.
pub(crate) async fn prepare_reader(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    prepare_session(connection, READER_CACHE_KIB).await
}

async fn prepare_session(
    connection: &mut AnyConnection,
    cache_kib: u32,
) -> Result<(), sqlx::Error> {
    let settings = format!(
        "pragma journal_mode = wal; pragma synchronous = full; pragma busy_timeout = 10000; \
         pragma foreign_keys = on; pragma cache_size = -{cache_kib}; pragma temp_store = memory; \
         pragma wal_autocheckpoint = {CHECKPOINT_PAGES}"
    );
    connection.execute(AssertSqlSafe(settings)).await?;
    Ok(())
}

/// Refuses settings that could lose a committed transaction.
pub(crate) async fn check_durability(pool: &AnyPool) -> Result<(), StoreError> {
    let row = sqlx::query("select cast(synchronous as bigint) as level from pragma_synchronous")
        .fetch_one(pool)
        .await?;
    let level: i64 = row.try_get("level")?;
    if level < 2 {
        return Err(StoreError::Unsafe {
            name: "synchronous",
            expected: "FULL (2) or EXTRA (3)",
            found: level.to_string(),
        });
    }
    Ok(())
}
