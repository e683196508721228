//! The embedded log on SQLite, in a file of its own beside the state database.
//!
//! A row is a compressed batch of records of one partition. Positions are given under the one
//! writer transaction, so they have no gaps and a call's records of all partitions are there
//! together or not at all. Trimming deletes whole rows and reuses their pages; the file does not
//! shrink. One process owns the file.

mod append;
mod block;
mod read;
mod retain;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use sqlx::any::AnyConnectOptions;
use sqlx::{Any, AnyPool, Executor, Row, Transaction};

use super::{Append, Appended, Batch, Extent, IntakeMark, Log, LogError};
use crate::domain::time::Moment;
use crate::store::{StoreError, engine};

pub use self::retain::{Retention, TrimBound, Trimmed};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("migrations/log-sqlite");

/// Pages in the write-ahead log before they are moved into the file (32 MiB): batches are large,
/// and each move costs two syncs. Rows are read once, in order, so that few pages are kept.
const SESSION: &str = "pragma wal_autocheckpoint = 8192; pragma cache_size = -256";

const READERS_MAX: u32 = 8;

/// Reads the wall clock; the hub gives it, so that tests and the demo can give their own.
pub type Clock = Arc<dyn Fn() -> Moment + Send + Sync>;

/// The log in a file `log.db`.
#[derive(Clone)]
pub struct EmbeddedLog {
    writer: AnyPool,
    reader: AnyPool,
    clock: Clock,
}

type LogTx = Transaction<'static, Any>;

impl EmbeddedLog {
    /// Opens (and where needed creates) the log in a data folder. `clock` gives the append time
    /// where an append brings none.
    ///
    /// # Errors
    /// [`StoreError`] where the folder, the engine, its settings or the schema do not permit it.
    pub async fn open(folder: &Path, clock: Clock) -> Result<Self, StoreError> {
        std::fs::create_dir_all(folder)
            .map_err(|source| StoreError::Folder { path: folder.display().to_string(), source })?;
        sqlx::any::install_default_drivers();
        let options: AnyConnectOptions = engine::sqlite_url(&folder.join("log.db")).parse()?;
        let writer = pool(options.clone(), 1).await?;
        MIGRATIONS.run(&writer).await?;
        engine::check_durability(&writer).await?;
        let reader = pool(options, READERS_MAX).await?;
        Ok(Self { writer, reader, clock })
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }

    async fn begin(&self) -> Result<LogTx, LogError> {
        Ok(self.writer.begin_with(engine::BEGIN_WRITE).await?)
    }

    async fn create_topic(&self, topic: &str, partitions: u32) -> Result<(), LogError> {
        let mut tx = self.begin().await?;
        let found = append::partitions(&mut tx, topic).await?;
        if !found.is_empty() {
            let found = u32::try_from(found.len()).unwrap_or(u32::MAX);
            if found == partitions {
                return Ok(());
            }
            return Err(LogError::PartitionCount {
                topic: topic.to_owned(),
                expected: partitions,
                found,
            });
        }
        let row = sqlx::query(
            "insert into log_topic (topic, identity) values ($1, lower(hex(randomblob(16)))) \
             returning topic_id",
        )
        .bind(topic)
        .fetch_one(&mut *tx)
        .await?;
        let topic_id: i64 = row.try_get("topic_id")?;
        append::add_partitions(&mut tx, topic_id, 0..partitions).await?;
        Ok(tx.commit().await?)
    }

    async fn grow(&self, topic: &str, partitions: u32) -> Result<(), LogError> {
        let mut tx = self.begin().await?;
        let found = append::partitions(&mut tx, topic).await?;
        let Some(any) = found.first() else {
            return Err(LogError::TopicUnknown { topic: topic.to_owned() });
        };
        let has = u32::try_from(found.len()).unwrap_or(u32::MAX);
        append::add_partitions(&mut tx, any.topic_id, has..partitions).await?;
        Ok(tx.commit().await?)
    }
}

impl Log for EmbeddedLog {
    fn ensure_topic<'a>(
        &'a self,
        topic: &'a str,
        partitions: u32,
    ) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(self.create_topic(topic, partitions))
    }

    fn grow_topic<'a>(
        &'a self,
        topic: &'a str,
        partitions: u32,
    ) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(self.grow(topic, partitions))
    }

    fn append(&self, append: Append) -> BoxFuture<'_, Result<Vec<Appended>, LogError>> {
        Box::pin(append::append(self, append))
    }

    fn topic_id<'a>(&'a self, topic: &'a str) -> BoxFuture<'a, Result<String, LogError>> {
        Box::pin(read::topic_id(self, topic))
    }

    fn extents<'a>(&'a self, topic: &'a str) -> BoxFuture<'a, Result<Vec<Extent>, LogError>> {
        Box::pin(read::extents(self, topic))
    }

    fn read<'a>(
        &'a self,
        topic: &'a str,
        partition: u32,
        from: u64,
        bytes_max: usize,
    ) -> BoxFuture<'a, Result<Batch, LogError>> {
        Box::pin(read::read(self, read::Place { topic, partition, from }, bytes_max))
    }

    fn mark<'a>(&'a self, source: &'a str) -> BoxFuture<'a, Result<Option<IntakeMark>, LogError>> {
        Box::pin(read::mark(self, source))
    }

    fn positions<'a>(&'a self, source: &'a str) -> BoxFuture<'a, Result<Vec<Appended>, LogError>> {
        Box::pin(read::positions(self, source))
    }

    fn put_header<'a>(
        &'a self,
        digest: [u8; 32],
        line: &'a [u8],
    ) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(async move {
            sqlx::query(
                "insert into log_header (digest, line) values ($1, $2) on conflict do nothing",
            )
            .bind(digest.as_slice())
            .bind(line)
            .execute(&self.writer)
            .await?;
            Ok(())
        })
    }

    fn header(&self, digest: [u8; 32]) -> BoxFuture<'_, Result<Option<Vec<u8>>, LogError>> {
        Box::pin(async move {
            let row = sqlx::query("select line from log_header where digest = $1")
                .bind(digest.as_slice())
                .fetch_optional(&self.reader)
                .await?;
            Ok(row.map(|row| row.try_get("line")).transpose()?)
        })
    }

    fn retention_ms<'a>(&'a self, _topic: &'a str) -> BoxFuture<'a, Result<Option<i64>, LogError>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn trim<'a>(
        &'a self,
        topic: &'a str,
        partition: u32,
        before: u64,
    ) -> BoxFuture<'a, Result<(), LogError>> {
        Box::pin(append::trim(self, topic, partition, before))
    }
}

async fn pool(options: AnyConnectOptions, connections_max: u32) -> Result<AnyPool, sqlx::Error> {
    engine::pool_options()
        .max_connections(connections_max)
        .after_connect(|connection, _| {
            Box::pin(async move {
                engine::prepare_reader(&mut *connection).await?;
                connection.execute(SESSION).await.map(|_| ())
            })
        })
        .connect_with(options)
        .await
}

/// A number of a column that this program wrote; another value means a damaged file.
fn number<T: TryFrom<i64>>(row: &sqlx::any::AnyRow, column: &'static str) -> Result<T, sqlx::Error>
where
    T::Error: std::error::Error + Send + Sync + 'static,
{
    let value: i64 = row.try_get(column)?;
    T::try_from(value).map_err(|error| sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: Box::new(error),
    })
}
