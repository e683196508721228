//! A database of its own for a test, on either engine; it goes with the test.
//!
//! On PostgreSQL it is copied from a template that the first test of a run makes, which is faster
//! than running the migrations. The server is named by `ZHIBAO_POSTGRES`, or by the file that
//! `scripts/services up` writes.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};
use tokio::sync::OnceCell;

use super::{Database, Engine};

static NEXT: AtomicU32 = AtomicU32::new(0);
static TEMPLATE: OnceCell<String> = OnceCell::const_new();

pub(crate) struct Scratch {
    pub(crate) database: Database,
    place: Place,
}

enum Place {
    Folder(PathBuf),
    /// Server and name.
    Server(String, String),
}

tokio::task_local! {
    /// The engine of the test that runs.
    static ENGINE: Engine;
}

impl Scratch {
    /// On the engine of the test; a test that names none runs on SQLite.
    pub(crate) async fn open() -> Self {
        Self::on(ENGINE.try_with(|engine| *engine).unwrap_or(Engine::Sqlite)).await
    }

    pub(crate) async fn on(engine: Engine) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("zhibao-scratch-{}-{number}", std::process::id());
        match engine {
            Engine::Sqlite => {
                let folder = std::env::temp_dir().join(name);
                let database = Database::open(&folder).await;
                let database = database.expect("a database in the temporary folder");
                Self { database, place: Place::Folder(folder) }
            }
            Engine::Postgres => {
                let server = server();
                let template = TEMPLATE.get_or_init(|| make_template(&server)).await;
                let copy = format!("create database \"{name}\" template \"{template}\"");
                command(&server, &copy).await;
                let database = Database::connect(&address(&server, &name)).await;
                let database = database.expect("a copy of the template");
                Self { database, place: Place::Server(server, name) }
            }
        }
    }

    /// Waits until so many sessions of the database wait for a lock: a barrier of its tests.
    pub(crate) async fn waiters(&self, count: i64) {
        let sql = "select count(*) as n from pg_stat_activity \
                   where datname = current_database() and wait_event_type = 'Lock'";
        loop {
            let mut tx = self.database.snapshot().await.unwrap();
            let waiting: i64 = sqlx::query(sql).fetch_one(&mut *tx).await.unwrap().get("n");
            tx.commit().await.unwrap();
            if waiting >= count {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    /// The address of the database.
    pub(crate) fn url(&self) -> String {
        match &self.place {
            Place::Folder(folder) => super::engine::sqlite_url(&folder.join("state.db")),
            Place::Server(server, name) => address(server, name),
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let gone = match &self.place {
            Place::Folder(folder) => std::fs::remove_dir_all(folder),
            Place::Server(server, name) => {
                drop_database(server.clone(), name.clone());
                Ok(())
            }
        };
        if let Err(error) = gone {
            tracing::warn!(%error, "scratch folder stays");
        }
    }
}

/// The server of the tests; without one a test fails and says what starts it.
pub(crate) fn server() -> String {
    const NAME: &str = "ZHIBAO_POSTGRES";
    if let Ok(url) = std::env::var(NAME) {
        return url;
    }
    let secret = password(&fact("ZHIBAO_POSTGRES_PASSWORD_FILE"));
    fact(NAME).replacen('@', &format!(":{secret}@"), 1)
}

/// What `scripts/services up` wrote down under a name.
pub(crate) fn fact(name: &str) -> String {
    let services = std::env::var("ZHIBAO_SERVICES").unwrap_or("target/services".to_owned());
    let file = Path::new(&services).join("env");
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    let named = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    let found = named.unwrap_or_else(|| {
        panic!("expected {name} in {}, found none; run scripts/services up", file.display())
    });
    found.to_owned()
}

/// The password in a file that the script wrote: letters and digits.
fn password(file: &str) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}"));
    text.trim().to_owned()
}

/// The address of another database of the same server.
pub(crate) fn address(server: &str, name: &str) -> String {
    let (base, query) = server.split_once('?').map_or((server, ""), |(base, query)| (base, query));
    let authority = base.find("://").map_or(0, |at| at + 3);
    let end = base[authority..].find('/').map_or(base.len(), |at| authority + at);
    let sign = if query.is_empty() { "" } else { "?" };
    format!("{}/{name}{sign}{query}", &base[..end])
}

async fn command(server: &str, sql: &str) {
    let mut session = PgConnection::connect(server).await.unwrap_or_else(|error| {
        panic!("expected PostgreSQL at {server}, found {error}; run scripts/services up")
    });
    session.execute(AssertSqlSafe(sql.to_owned())).await.unwrap();
    session.close().await.unwrap();
}

async fn make_template(server: &str) -> String {
    let name = format!("zhibao-template-{}", std::process::id());
    sweep(server).await;
    command(server, &format!("create database \"{name}\" template template0")).await;
    Database::connect(&address(server, &name)).await.unwrap().close().await;
    name
}

/// Drops the databases of runs that are over: names end in the number of their process.
async fn sweep(server: &str) {
    let mut session = PgConnection::connect(server).await.unwrap();
    let old = "select datname::text from pg_database where datname like 'zhibao-%'";
    let names: Vec<String> = sqlx::query_scalar(old).fetch_all(&mut session).await.unwrap();
    for name in names {
        let process = name.split('-').nth(2).and_then(|pid| pid.parse::<u32>().ok());
        let is_over = process.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists());
        if is_over {
            let drop = format!("drop database if exists \"{name}\" with (force)");
            session.execute(AssertSqlSafe(drop)).await.unwrap();
        }
    }
    session.close().await.unwrap();
}

/// Drops in a thread of its own, which no test waits for: the server writes a checkpoint first.
/// What the end of the run cuts short, the next run sweeps away.
fn drop_database(server: String, name: String) {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let drop = format!("drop database \"{name}\" with (force)");
        runtime.block_on(command(&server, &drop));
    });
}

/// Runs a test whose scratch databases are of one engine.
pub(crate) async fn with_engine(engine: Engine, test: impl Future<Output = ()>) {
    ENGINE.scope(engine, test).await;
}

/// Makes two tests out of each function named: one on SQLite and one on PostgreSQL.
macro_rules! on_each_engine {
    ($($name:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $name() {
                let engine = crate::store::Engine::Sqlite;
                crate::store::scratch::with_engine(engine, super::$name()).await;
            })+
        }
        mod on_postgres {
            $(#[tokio::test]
            async fn $name() {
                let engine = crate::store::Engine::Postgres;
                crate::store::scratch::with_engine(engine, super::$name()).await;
            })+
        }
    };
}
pub(crate) use on_each_engine;
