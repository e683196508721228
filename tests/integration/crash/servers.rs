//! A Kafka and a PostgreSQL that a test may crash: beside those that the other tests share.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::hub::{repository, text};

const PATIENCE: Duration = Duration::from_secs(60);

/// The servers; stopped when they are dropped.
pub(crate) struct Servers {
    root: PathBuf,
    env: String,
}

impl Servers {
    /// Starts them empty, with data below a folder of their own.
    pub(crate) fn up() -> Self {
        let root = repository().join("target/services-crash");
        let mut servers = Self { root, env: String::new() };
        servers.script(&["down"]);
        for data in ["kafka-1", "postgres"].map(|data| servers.root.join(data)) {
            if data.exists() {
                std::fs::remove_dir_all(data).unwrap();
            }
        }
        servers.script(&["up"]);
        servers.env = std::fs::read_to_string(servers.root.join("env")).unwrap();
        servers
    }

    /// One line of what the script wrote down.
    fn fact(&self, name: &str) -> &str {
        let found = self.env.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        found.unwrap_or_else(|| panic!("expected {name}, found none: {}", self.env))
    }

    /// Address of the log.
    pub(crate) fn kafka(&self) -> String {
        self.fact("ZHIBAO_KAFKA").to_owned()
    }

    /// Address of a database, with its password.
    pub(crate) fn database(&self, name: &str) -> String {
        let url = self.fact("ZHIBAO_POSTGRES");
        let secret = std::fs::read_to_string(self.fact("ZHIBAO_POSTGRES_PASSWORD_FILE")).unwrap();
        let url = url.replacen('@', &format!(":{}@", secret.trim()), 1);
        let (url, asked) = url.split_once('?').unwrap();
        let (server, _) = url.rsplit_once('/').unwrap();
        format!("{server}/{name}?{asked}")
    }

    /// Makes an empty database.
    pub(crate) async fn make_database(&self, name: &str) {
        let mut session = PgConnection::connect(&self.database("postgres")).await.unwrap();
        session.execute(AssertSqlSafe(format!("create database \"{name}\""))).await.unwrap();
        session.close().await.unwrap();
    }

    /// Ends PostgreSQL as `pg_ctl stop -m immediate` does, and starts it again: it recovers from
    /// its write-ahead log.
    pub(crate) fn crash_postgres(&self) {
        let file = self.root.join("postgres/data/postmaster.pid");
        let written = std::fs::read_to_string(&file).unwrap();
        let pid = written.lines().next().unwrap().to_owned();
        signal(&pid, "QUIT");
        let since = Instant::now();
        while PathBuf::from(format!("/proc/{pid}")).exists() {
            assert!(since.elapsed() < PATIENCE, "PostgreSQL {pid} does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
        self.script(&["up", "postgres"]);
    }

    /// Kills the broker, and starts it again.
    pub(crate) fn crash_kafka(&self) {
        self.script(&["kill", "kafka", "1", "1"]);
        self.script(&["start", "kafka", "1", "1"]);
    }

    fn script(&self, arguments: &[&str]) {
        let mut command = Command::new(repository().join("scripts/services"));
        command.args(arguments).env("ZHIBAO_SERVICES", text(&self.root));
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "scripts/services {arguments:?}: {said}");
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.script(&["down"]);
    }
}

/// Sends a signal by its name to a process.
pub(crate) fn signal(pid: &str, name: &str) {
    let sent = Command::new("kill").args(["-s", name, pid]).status().unwrap();
    assert!(sent.success(), "kill -s {name} {pid}: {sent}");
}
