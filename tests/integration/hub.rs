//! A folder of one test, and a hub in it that is driven through its command line.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use sqlx::SqlitePool;

use crate::facts::fact;
use crate::topics::delete_topics;

/// The repository: where manifests, policy and the check of the truth lie.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder of one test; removed when the test passes, kept when it fails.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let name = format!("zhibao-integration-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("kept: {}", self.0.display());
        } else {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }
}

/// The hub of one data folder.
pub(crate) struct Hub {
    /// A program, with its arguments, that starts the hub's.
    launcher: Vec<String>,
    data: PathBuf,
    rules: PathBuf,
    /// Options that name another log than the embedded one.
    log: Vec<String>,
    topic_prefix: String,
    /// Address of another database than the data folder's.
    database: Option<String>,
}

/// What a command printed, and how it ended.
pub(crate) struct Ended {
    pub(crate) is_success: bool,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Hub {
    /// A hub under the repository's manifests and policy.
    pub(crate) fn new(data: PathBuf) -> Self {
        Self::with_rules(data, repository().to_owned())
    }

    /// A hub under the manifests and the policy of another folder.
    pub(crate) fn with_rules(data: PathBuf, rules: PathBuf) -> Self {
        Self {
            launcher: Vec::new(),
            data,
            rules,
            log: Vec::new(),
            topic_prefix: String::new(),
            database: None,
        }
    }

    /// The same hub, started by another program, for example in a namespace.
    pub(crate) fn launched_by(mut self, launcher: Vec<String>) -> Self {
        self.launcher = launcher;
        self
    }

    /// A hub on the Kafka of `scripts/services`, with topics of its own, under a replay clock.
    pub(crate) fn on_kafka(data: PathBuf, name: &str) -> Self {
        let started = zhibao::hub::clock::wall().ms();
        let topic_prefix = format!("{name}-{}-{started}.", std::process::id());
        Self::on_brokers(data, topic_prefix, &fact("ZHIBAO_KAFKA"), "")
    }

    /// As [`Hub::on_kafka`], by another listener, with these properties.
    pub(crate) fn on_brokers(
        data: PathBuf,
        topic_prefix: String,
        brokers: &str,
        properties: &str,
    ) -> Self {
        std::fs::create_dir_all(&data).unwrap();
        let file = data.join("kafka.properties");
        let prefix = format!("zhibao.topic.prefix = {topic_prefix}\n");
        std::fs::write(&file, prefix + properties).unwrap();
        let log = ["--log", brokers, "--log-properties", text(&file), "--replay-clock"];
        let log = log.map(str::to_owned).to_vec();
        let mut hub = Self::new(data);
        hub.log = log;
        hub.topic_prefix = topic_prefix;
        hub
    }

    /// Another hub on the same topics, with a data folder of its own.
    pub(crate) fn beside(&self, data: PathBuf) -> Self {
        std::fs::create_dir_all(&data).unwrap();
        let mut other = Self::with_rules(data, self.rules.clone());
        (other.log, other.topic_prefix) = (self.log.clone(), self.topic_prefix.clone());
        other
    }

    /// A hub on a Kafka and a PostgreSQL that are its own, so that its topics need no end.
    pub(crate) fn on_servers(data: PathBuf, rules: PathBuf, kafka: &str, database: String) -> Self {
        let log = vec!["--log".to_owned(), kafka.to_owned()];
        let mut hub = Self::with_rules(data, rules);
        hub.log = log;
        hub.database = Some(database);
        hub
    }

    /// What the names of its topics begin with.
    pub(crate) fn topic_prefix(&self) -> &str {
        &self.topic_prefix
    }

    /// Its data folder.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// A command, not yet started. `ZHIBAO_BIN` names another program than the one just built,
    /// for example a release.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let built = env!("CARGO_BIN_EXE_zhibao").into();
        let program = std::env::var_os("ZHIBAO_BIN").unwrap_or(built);
        let mut words = self.launcher.iter().map(Into::into).chain([program]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words);
        command.arg("--data").arg(&self.data);
        command.arg("--connectors").arg(self.rules.join("connectors"));
        command.arg("--policy").arg(self.rules.join("policy"));
        command.args(&self.log).args(arguments);
        if let Some(database) = &self.database {
            command.env("ZHIBAO_DATABASE", database);
        }
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        Ended {
            is_success: status.success(),
            out: String::from_utf8(stdout).unwrap(),
            err: String::from_utf8(stderr).unwrap(),
        }
    }

    /// Runs a command that must succeed.
    #[track_caller]
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert!(ended.is_success, "{arguments:?}:\n{}\n{}", ended.out, ended.err);
        ended.out
    }

    /// The books as `zhibao export` writes them.
    #[track_caller]
    pub(crate) fn export(&self, out: &Path) -> Value {
        self.done(&["export", "--out", text(out)]);
        json(&out.join("export.json"))
    }

    /// The state database, beside a hub that may be running.
    pub(crate) async fn database(&self) -> SqlitePool {
        let path = self.data.join("state.db");
        SqlitePool::connect(&format!("sqlite://{}", path.display())).await.unwrap()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        // After a failure the topics stay, as the folder does.
        if !self.topic_prefix.is_empty() && !std::thread::panicking() {
            delete_topics(&self.topic_prefix);
        }
    }
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub(crate) fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Holds an export against the truth with the check that shares no code with the hub.
#[track_caller]
pub(crate) fn assert_truth(truth: &Path, export: &Path) {
    let check = repository().join("tests/truth_check.py");
    let output = Command::new("python3").arg(check).args([truth, export]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

/// Holds two exports against each other, section by section.
#[track_caller]
pub(crate) fn assert_sections(expected: &Value, found: &Value, sections: &[&str]) {
    for section in sections {
        assert!(!expected[section].is_null(), "{section}: expected a section, found none");
        assert_eq!(expected[section], found[section], "section {section}");
    }
}

/// One file of a generated folder, as `arrivals.csv` lists it.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) path: PathBuf,
    pub(crate) connector: String,
    pub(crate) feed: String,
    pub(crate) received_at_ms: i64,
}

/// All files of a generated folder in order of arrival.
pub(crate) fn arrivals(generated: &Path) -> Vec<Arrival> {
    let list = std::fs::read_to_string(generated.join("arrivals.csv")).unwrap();
    let arrival = |line: &str| {
        let [path, connector, feed, received_at_ms] =
            line.split(',').collect::<Vec<_>>().try_into().unwrap();
        Arrival {
            path: generated.join(path),
            connector: connector.to_owned(),
            feed: feed.to_owned(),
            received_at_ms: received_at_ms.parse().unwrap(),
        }
    };
    list.lines().skip(1).map(arrival).collect()
}

/// Lists these files of a folder as its arrivals.
pub(crate) fn write_arrivals<'a>(folder: &Path, files: impl Iterator<Item = &'a Arrival>) {
    let mut list = "path,connector,feed,received_at_ms\n".to_owned();
    for Arrival { path, connector, feed, received_at_ms } in files {
        let path = path.strip_prefix(folder).unwrap().display();
        writeln!(list, "{path},{connector},{feed},{received_at_ms}").unwrap();
    }
    std::fs::write(folder.join("arrivals.csv"), list).unwrap();
}
