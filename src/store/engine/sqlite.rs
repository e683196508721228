//! SQLite: one writing session, its settings, and the check that a commit reaches the disk.

use sqlx::any::AnyConnectOptions;
use sqlx::migrate::Migrator;
use sqlx::{AnyConnection, AnyPool, AssertSqlSafe, Executor, Row};

use super::{StoreError, pool_options};

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// Finds the table of the migrations that ran.
pub(super) const MIGRATIONS_TABLE: &str =
    "select name from sqlite_master where name = '_sqlx_migrations'";

/// Takes SQLite's one writer lock at once, so that a batch never fails half-way on it.
pub(crate) const BEGIN_WRITE: &str = "BEGIN IMMEDIATE";
pub(super) const BEGIN_SNAPSHOT: &str = "BEGIN";

/// Names of tables and their bytes.
pub(super) const SIZES: &str = "select name, pgsize as bytes from dbstat where aggregate = true";

/// Kibibytes of pages that the writer keeps, and each reader.
const WRITER_CACHE_KIB: u32 = 6_000;
const READER_CACHE_KIB: u32 = 500;
/// Pages that the write-ahead log grows to before they are copied into the file: pages that every
/// batch changes are then copied once for many batches.
const CHECKPOINT_PAGES: u32 = 8_192;
const READERS: u32 = 4;
/// Bytes of a page of a new state database. A segment of a few kibibytes, as small batches make
/// them, leaves half a page empty behind its end.
const PAGE_BYTES: u32 = 2_048;

pub(super) async fn writer(options: AnyConnectOptions) -> Result<AnyPool, sqlx::Error> {
    let pool = pool_options().max_connections(1);
    pool.after_connect(|connection, _| Box::pin(prepare_writer(connection)))
        .connect_with(options)
        .await
}

pub(super) async fn reader(options: AnyConnectOptions) -> Result<AnyPool, sqlx::Error> {
    let pool = pool_options().max_connections(READERS);
    pool.after_connect(|connection, _| Box::pin(prepare_reader(connection)))
        .connect_with(options)
        .await
}

/// Settings of the writing session.
async fn prepare_writer(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    // Counts for a database that has no table yet, and for no other.
    connection.execute(AssertSqlSafe(format!("pragma page_size = {PAGE_BYTES}"))).await?;
    prepare(connection, WRITER_CACHE_KIB).await
}

/// Settings of a reading session.
pub(crate) async fn prepare_reader(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    prepare(connection, READER_CACHE_KIB).await
}

async fn prepare(connection: &mut AnyConnection, cache_kib: u32) -> Result<(), sqlx::Error> {
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
