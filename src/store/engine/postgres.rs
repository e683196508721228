//! PostgreSQL: settings of a session, the check that a commit reaches the disk, and the tables of
//! the months that segments lie in.
//!
//! A writing transaction reads what is committed at each statement (READ COMMITTED): what it relies
//! on it has locked before, in the position row or by key (`store::locks`). A snapshot sees one
//! state throughout.

use std::net::IpAddr;

use sqlx::any::AnyConnectOptions;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{AnyConnection, AnyPool, AssertSqlSafe, Executor, Row};

use super::{StoreError, pool_options, without_password};

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// Finds the table of the migrations that ran.
pub(super) const MIGRATIONS_TABLE: &str = "select tablename::text as name from pg_tables \
     where tablename = '_sqlx_migrations' and schemaname = current_schema()";

pub(super) const BEGIN_WRITE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
pub(super) const BEGIN_SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Names of tables and their bytes, with indexes; a part of a table has the name of the whole.
pub(super) const SIZES: &str = "select coalesce(p.relname, c.relname) as name, \
     pg_total_relation_size(c.oid) as bytes from pg_class c \
     left join pg_inherits i on i.inhrelid = c.oid left join pg_class p on p.oid = i.inhparent \
     where c.relkind = 'r' and c.relnamespace = current_schema()::regnamespace";

const WRITERS: u32 = 8;
const READERS: u32 = 8;

/// An instance that stops within a transaction loses it after two seconds, and one whose machine
/// is gone after five: its locks hold up the others no longer than that. Who waits longer for a
/// lock gives up, and begins again.
const WRITER_SETTINGS: &str = "set idle_in_transaction_session_timeout = '2s'; \
     set tcp_user_timeout = '5s'; set lock_timeout = '10s'";
/// Who reads may compute between two questions; it holds up nobody.
const READER_SETTINGS: &str = "set idle_in_transaction_session_timeout = '5min'; \
     set tcp_user_timeout = '5s'; set default_transaction_read_only = on";

/// The oldest server that the migrations are written for.
const VERSION_MIN: i64 = 150_000;
/// Days before and after today whose months have a table of their own.
const DAYS_BEFORE: i64 = 183;
const DAYS_AFTER: i64 = 366;

pub(super) async fn writer(options: AnyConnectOptions) -> Result<AnyPool, sqlx::Error> {
    let pool = pool_options().max_connections(WRITERS);
    pool.after_connect(|connection, _| Box::pin(set(connection, WRITER_SETTINGS)))
        .connect_with(options)
        .await
}

pub(super) async fn reader(options: AnyConnectOptions) -> Result<AnyPool, sqlx::Error> {
    let pool = pool_options().max_connections(READERS);
    pool.after_connect(|connection, _| Box::pin(set(connection, READER_SETTINGS)))
        .connect_with(options)
        .await
}

async fn set(connection: &mut AnyConnection, settings: &'static str) -> Result<(), sqlx::Error> {
    connection.execute(settings).await?;
    Ok(())
}

/// Refuses a way to a server beyond this machine that could go on in the clear, or with anybody who
/// answers: the client's own default takes TLS where it is offered and plain text where it is not.
/// That a network needs no TLS is for the operator to say.
pub(super) fn check_encryption(url: &str) -> Result<(), StoreError> {
    let refused = |source| StoreError::Connect { url: without_password(url), source };
    let options: PgConnectOptions = url.parse().map_err(refused)?;
    let host = options.get_host();
    let is_loopback = host == "localhost"
        || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    let is_here = is_loopback || host.starts_with('/') || options.get_socket().is_some();
    let found = match options.get_ssl_mode() {
        PgSslMode::VerifyFull | PgSslMode::VerifyCa | PgSslMode::Disable => return Ok(()),
        _ if is_here => return Ok(()),
        PgSslMode::Require => "require",
        PgSslMode::Prefer => "prefer",
        PgSslMode::Allow => "allow",
    };
    Err(StoreError::Plaintext { url: without_password(url), found })
}

/// Refuses settings that could lose a committed transaction, and servers that are too old.
pub(super) async fn check_durability(pool: &AnyPool) -> Result<(), StoreError> {
    let row = sqlx::query(
        "select current_setting('fsync') as fsync, \
         current_setting('full_page_writes') as full_page_writes, \
         current_setting('synchronous_commit') as synchronous_commit, \
         current_setting('server_version') as version, \
         cast(current_setting('server_version_num') as bigint) as version_num",
    )
    .fetch_one(pool)
    .await?;
    for name in ["fsync", "full_page_writes", "synchronous_commit"] {
        check_setting(name, row.try_get(name)?)?;
    }
    if row.try_get::<i64, _>("version_num")? < VERSION_MIN {
        return Err(StoreError::Unsafe {
            name: "server_version",
            expected: "15 or newer",
            found: row.try_get("version")?,
        });
    }
    Ok(())
}

fn check_setting(name: &'static str, found: String) -> Result<(), StoreError> {
    if found == "off" {
        return Err(StoreError::Unsafe { name, expected: "any value but off", found });
    }
    Ok(())
}

/// Makes the tables of the months around today, where this session may. One that may not leaves
/// it to those that may: rows of a month without a table lie in `segment_other`.
pub(super) async fn make_months(pool: &AnyPool) -> Result<(), StoreError> {
    let may = "select cast(case when has_function_privilege(current_user, \
         'segment_months(bigint, bigint)', 'execute') then 1 else 0 end as bigint) as may";
    if sqlx::query(may).fetch_one(pool).await?.try_get::<i64, _>("may")? == 0 {
        return Ok(());
    }
    let today = "now_ms() / 86400000";
    let make = format!("select 1 as done from segment_months({today} - $1, {today} + $2)");
    sqlx::query(AssertSqlSafe(make)).bind(DAYS_BEFORE).bind(DAYS_AFTER).fetch_one(pool).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_beyond_this_machine_needs_a_certificate_or_a_word_that_it_does_not() {
        for here in [
            "postgres://hub@127.0.0.1:5432/zhibao",
            "postgres://hub@[::1]/zhibao",
            "postgres://hub@localhost/zhibao",
            "postgres://hub@%2Fvar%2Frun%2Fpostgresql/zhibao",
            "postgres://hub@db/zhibao?sslmode=verify-full",
            "postgres://hub@10.0.0.7/zhibao?sslmode=verify-ca",
            "postgres://hub@10.0.0.7/zhibao?sslmode=disable",
        ] {
            check_encryption(here).unwrap();
        }
        for (there, found) in [
            ("postgres://hub:secret@db/zhibao", "prefer"),
            ("postgres://hub:secret@10.0.0.7/zhibao?sslmode=allow", "allow"),
            ("postgres://hub:secret@db/zhibao?sslmode=prefer", "prefer"),
            ("postgres://hub:secret@db/zhibao?sslmode=require", "require"),
        ] {
            let error = check_encryption(there).unwrap_err().to_string();
            let expected = "expected sslmode=verify-full";
            assert!(error.contains(expected) && error.contains(found), "{there}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn each_setting_that_is_off_is_refused_by_its_name() {
        for name in ["fsync", "full_page_writes", "synchronous_commit"] {
            let error = check_setting(name, "off".to_owned()).unwrap_err().to_string();
            assert!(error.starts_with(&format!("database setting {name}: ")), "{error}");
            for found in ["on", "local", "remote_write"] {
                check_setting(name, found.to_owned()).unwrap();
            }
        }
    }
}
