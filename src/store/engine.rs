//! What differs between the database engines, each in a file of its own; everything else in the
//! store is SQL that both understand.

mod postgres;
mod sqlite;

use std::path::Path;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::Migrator;
use sqlx::{AnyPool, Connection, Row};

use super::{StoreError, Tx};

// The embedded log is SQLite too.
pub(crate) use sqlite::{BEGIN_WRITE, check_durability, prepare_reader};
pub(super) use sqlite::{connect_simulated, set_room};

/// The engines that keep the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// A file in the data folder: one process, one writing transaction at a time.
    Sqlite,
    /// A server: several instances, several writing transactions at a time.
    Postgres,
}

/// Pools of writing and of reading sessions.
pub(super) struct Pools {
    pub(super) writer: AnyPool,
    pub(super) reader: AnyPool,
}

impl Engine {
    pub(super) fn of_url(url: &str) -> Result<Self, StoreError> {
        match url.split_once(':').map(|(scheme, _)| scheme) {
            Some("sqlite") => Ok(Self::Sqlite),
            Some("postgres" | "postgresql") => Ok(Self::Postgres),
            Some(_) | None => Err(StoreError::Url { found: without_password(url) }),
        }
    }

    /// The engine of an open transaction.
    pub(crate) fn of(tx: &Tx) -> Self {
        // sqlx names its drivers so; there are but the two.
        if tx.backend_name() == "PostgreSQL" { Self::Postgres } else { Self::Sqlite }
    }

    /// How a writing transaction begins.
    pub(super) const fn begin_write(self) -> &'static str {
        match self {
            Self::Sqlite => BEGIN_WRITE,
            Self::Postgres => postgres::BEGIN_WRITE,
        }
    }

    /// How a snapshot begins.
    pub(super) const fn begin_snapshot(self) -> &'static str {
        match self {
            Self::Sqlite => sqlite::BEGIN_SNAPSHOT,
            Self::Postgres => postgres::BEGIN_SNAPSHOT,
        }
    }

    /// A query of the tables by name, with the bytes that each takes on disk; a table may come in
    /// several rows.
    #[must_use]
    pub const fn sizes_of_tables(self) -> &'static str {
        match self {
            Self::Sqlite => sqlite::SIZES,
            Self::Postgres => postgres::SIZES,
        }
    }

    /// The clock that leases go by, as SQL: the database's own, where several machines share one.
    /// SQLite has none but the process's, which the caller binds to `process`.
    pub(super) const fn now_sql(self, process: &'static str) -> &'static str {
        match self {
            Self::Sqlite => process,
            Self::Postgres => "now_ms()",
        }
    }

    fn migrations(self) -> &'static Migrator {
        match self {
            Self::Sqlite => &sqlite::MIGRATIONS,
            Self::Postgres => &postgres::MIGRATIONS,
        }
    }

    /// Connects, brings the schema up to date, and checks what the engine is set to.
    pub(super) async fn connect(self, url: &str) -> Result<Pools, StoreError> {
        sqlx::any::install_default_drivers();
        let refused = |source| StoreError::Connect { url: without_password(url), source };
        let options: AnyConnectOptions = url.parse().map_err(refused)?;
        if self == Self::Postgres {
            postgres::check_encryption(url)?;
        }
        let writer = match self {
            Self::Sqlite => sqlite::writer(options.clone()).await,
            Self::Postgres => postgres::writer(options.clone()).await,
        };
        let writer = writer.map_err(refused)?;
        self.bring_up_to_date(&writer).await?;
        let reader = match self {
            Self::Sqlite => {
                check_durability(&writer).await?;
                sqlite::reader(options).await
            }
            Self::Postgres => {
                postgres::check_durability(&writer).await?;
                postgres::make_months(&writer).await?;
                postgres::reader(options).await
            }
        };
        Ok(Pools { writer, reader: reader.map_err(refused)? })
    }

    /// Runs the migrations that are missing; several instances may do so at once. One that finds
    /// nothing missing needs no right to change the schema.
    async fn bring_up_to_date(self, pool: &AnyPool) -> Result<(), StoreError> {
        let ours = self.migrations().iter().map(|one| one.version).max().unwrap_or(0);
        let found = self.schema_version(pool).await?;
        if found > ours {
            return Err(StoreError::Newer { found, ours });
        }
        if found == ours && self == Self::Postgres {
            return self.compare(pool).await;
        }
        self.migrations().run(pool).await.map_err(|source| StoreError::Upgrade { found, source })
    }

    /// Number of the newest migration that the database has; 0 where it has none.
    async fn schema_version(self, pool: &AnyPool) -> Result<i64, StoreError> {
        let tables = match self {
            Self::Sqlite => sqlite::MIGRATIONS_TABLE,
            Self::Postgres => postgres::MIGRATIONS_TABLE,
        };
        if sqlx::query(tables).fetch_optional(pool).await?.is_none() {
            return Ok(0);
        }
        let newest = "select coalesce(max(version), 0) as version from _sqlx_migrations";
        Ok(sqlx::query(newest).fetch_one(pool).await?.try_get("version")?)
    }

    /// Refuses a schema that was made of other text than this program's.
    async fn compare(self, pool: &AnyPool) -> Result<(), StoreError> {
        let rows = sqlx::query("select version, checksum from _sqlx_migrations").fetch_all(pool);
        for row in rows.await? {
            let (version, made_of): (i64, Vec<u8>) =
                (row.try_get("version")?, row.try_get("checksum")?);
            let own = self.migrations().iter().find(|own| own.version == version);
            if own.is_none_or(|own| *own.checksum != *made_of) {
                let source = sqlx::migrate::MigrateError::VersionMismatch(version);
                return Err(StoreError::Upgrade { found: version, source });
            }
        }
        Ok(())
    }
}

pub(crate) fn sqlite_url(path: &Path) -> String {
    format!("sqlite://{}?mode=rwc", path.display())
}

/// Pools that keep their connections: the task of sqlx 0.9.0 that would close them may miscount
/// the idle ones and then spin for ever, also when the program ends (transact-rs/sqlx issue 3645):
/// without time limits it is not started.
///
/// A session whose transaction the engine has ended by itself, as SQLite does where the disk is
/// full, is not used again: sqlx takes that transaction for open, and would refuse every other one.
pub(crate) fn pool_options() -> AnyPoolOptions {
    AnyPoolOptions::new().idle_timeout(None).max_lifetime(None).before_acquire(|session, _| {
        let is_free = !session.is_in_transaction();
        Box::pin(async move { Ok(is_free) })
    })
}

/// Codes after which the same may go through. Of PostgreSQL: a deadlock, a lock that took too long,
/// a session that was ended, a server that starts or stops, a connection that broke, a lack of room
/// (class 53). Of SQLite: a full disk, which it says otherwise where its shared memory finds no
/// room.
pub(super) fn is_passing(code: &str) -> bool {
    const OF_POSTGRES: [&str; 7] = ["40001", "40P01", "55P03", "25P03", "57P01", "57P02", "57P03"];
    const OF_SQLITE: [&str; 2] = ["13", "4874"];
    OF_POSTGRES.contains(&code)
        || OF_SQLITE.contains(&code)
        || code.starts_with("08")
        || code.starts_with("53")
}

/// An address as it may be shown.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let user = user.split_once(':').map_or(user, |(user, _)| user);
    let at = if user.is_empty() { "" } else { "@" };
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    format!("{scheme}://{user}{at}{host}/{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        let check = |url, shown| assert_eq!(without_password(url), shown);
        check("postgres://hub:se:cr@t@db:5432/zhibao?password=x", "postgres://hub@db:5432/zhibao");
        check("postgres://db/zhibao", "postgres://db/zhibao");
        check("sqlite:///data/state.db?mode=rwc", "sqlite:///data/state.db");
    }

    #[test]
    fn other_engines_are_refused() {
        let found = Engine::of_url("mysql://hub:secret@db/zhibao").unwrap_err().to_string();
        assert!(found.contains("found mysql://hub@db/zhibao"), "{found}");
        assert_eq!(Engine::of_url("postgresql://db/zhibao").unwrap(), Engine::Postgres);
    }
}
