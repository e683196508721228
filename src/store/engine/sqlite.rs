//! SQLite: one writing session, its settings, and the check that a commit reaches the disk.

use std::path::Path;

use sqlx::any::AnyConnectOptions;
use sqlx::migrate::Migrator;
use sqlx::{AnyConnection, AnyPool, AssertSqlSafe, Executor, Row};

use super::{Pools, StoreError, pool_options, sqlite_url};
use crate::store::Tx;

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

/// Readers of a simulation: everybody may stand still within a snapshot.
const SIMULATED_READERS: u32 = 32;

/// Pools on the file of a simulation. Its process ends with the simulation, and nothing is ever
/// read back after that, so that no commit waits for the disk.
pub(in crate::store) async fn connect_simulated(file: &Path) -> Result<Pools, StoreError> {
    sqlx::any::install_default_drivers();
    let url = sqlite_url(file);
    let refused = |source| StoreError::Connect { url: url.clone(), source };
    let options: AnyConnectOptions = url.parse().map_err(refused)?;
    let connect = async |options: AnyConnectOptions, connections_max: u32| {
        let pool = pool_options().max_connections(connections_max).test_before_acquire(false);
        pool.after_connect(|connection, _| Box::pin(prepare_simulated(connection)))
            .connect_with(options)
            .await
    };
    let writer = connect(options.clone(), 1).await.map_err(refused)?;
    let reader = connect(options, SIMULATED_READERS).await.map_err(refused)?;
    Ok(Pools { writer, reader })
}

async fn prepare_simulated(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    prepare(connection, WRITER_CACHE_KIB).await?;
    connection.execute("pragma synchronous = off").await?;
    Ok(())
}

/// Takes all room from a database, or gives it back: without any, SQLite says that the disk is full
/// where a transaction needs one page more.
pub(in crate::store) async fn set_room(tx: &mut Tx, is_full: bool) -> Result<(), StoreError> {
    // A limit below what is in use is what is in use.
    let pages_max = if is_full { 1 } else { u32::MAX - 1 };
    let pragma = format!("pragma max_page_count = {pages_max}");
    tx.execute(AssertSqlSafe(pragma)).await?;
    Ok(())
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
