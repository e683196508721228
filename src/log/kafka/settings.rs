//! How to reach Kafka, as values: brokers, security, limits. What carries the promise (acks,
//! idempotence, isolation, positions) is fixed here and cannot be set otherwise. Secrets come from
//! files.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

/// Which clock gives the append time of records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KafkaClock {
    /// The broker's, when it appended the record.
    #[default]
    Broker,
    /// The record header `zhibao-received-at` where it stands: a replay, never beside live senders.
    Replay,
}

/// How to reach Kafka.
#[derive(Clone, Debug)]
pub struct KafkaSettings {
    /// Brokers and the way to them.
    pub reach: Reach,
    /// Which clock gives the append time.
    pub clock: KafkaClock,
    /// What every topic's name begins with, so that several hubs may share brokers; empty for none.
    pub topic_prefix: String,
    /// How long a topic that is made keeps its records, in milliseconds; −1 for ever.
    pub retention_ms: i64,
    /// Brokers that keep each record of a topic that is made; −1 takes the broker's own default.
    pub replication: i32,
    /// How long the brokers have to answer one call, the client's own repeats included.
    pub answer_within: Duration,
    /// Partitions that are read from without a new beginning: as many as an instance usually has,
    /// since one that goes is fetched again from where it was. Each may hold [`QUEUE_KIB_MAX`] and
    /// one fetch in memory while its reader is behind.
    pub readers_max: usize,
}

/// Brokers and the way to them. What stands in it may be secret: `Debug` prints names alone.
#[derive(Clone)]
pub struct Reach {
    /// `host:port`, several by commas.
    servers: String,
    /// Properties of the client: security, and what tunes it.
    client: BTreeMap<String, String>,
}

impl fmt::Debug for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.client.keys().collect();
        f.debug_struct("Reach").field("servers", &self.servers).field("client", &names).finish()
    }
}

/// Kibibytes that wait in memory for each partition that is read from, before more is fetched.
pub(super) const QUEUE_KIB_MAX: u32 = 1_024;

/// Bytes that one fetch takes of one partition; one record more where it is larger.
const FETCH_BYTES: u32 = 1 << 20;

/// Bytes of one record, with its headers: what topics are made to take.
pub(super) const RECORD_BYTES_MAX: u32 = 8 << 20;

/// Why a way to Kafka is none.
#[derive(Debug, thiserror::Error)]
pub enum KafkaSettingsError {
    /// The address is none.
    #[error("log: expected kafka://host:port, several hosts by commas, found {found:?}")]
    Address {
        /// What was given.
        found: String,
    },
    /// A file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
    /// A line is no property.
    #[error("{path}:{line}: expected a line like `security.protocol = SASL_SSL`, found {found:?}")]
    Line {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// Its text up to the first `=`: what follows may be a secret.
        found: String,
    },
    /// A property that the hub itself sets, or that no client of ours needs.
    #[error("{path}:{line}: expected {expected}, found {found:?}")]
    Property {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// What may stand there.
        expected: &'static str,
        /// The property's name.
        found: String,
    },
    /// Messages with personal data would cross a network in the clear.
    #[error(
        "log {server}: expected security.protocol SSL or SASL_SSL for a broker that is not on \
         loopback, found none; name it in a properties file, or say zhibao.plaintext = allowed"
    )]
    Plaintext {
        /// The broker.
        server: String,
    },
}

/// Beginnings of the names that a properties file may set.
const OPEN: [&str; 8] = [
    "security.protocol",
    "sasl.",
    "ssl.",
    "client.",
    "socket.",
    "compression.type",
    "queue.buffering.max.kbytes",
    "broker.address.family",
];

const EXPECTED: &str = "security, ssl, sasl, client, socket, compression.type, \
                        queue.buffering.max.kbytes, or zhibao.topic.prefix, \
                        zhibao.topic.replication, zhibao.topic.retention.ms, zhibao.plaintext";

impl KafkaSettings {
    /// The brokers: `host:port`, several by commas.
    #[must_use]
    pub fn brokers(&self) -> &str {
        &self.reach.servers
    }

    /// Reads an address `kafka://host:port,host:port`, and a properties file where one is named. In
    /// the file, `name.file = path` gives a value by a file, relative to it.
    ///
    /// # Errors
    /// [`KafkaSettingsError`] where address or file are wrong.
    pub fn parse(address: &str, properties: Option<&Path>) -> Result<Self, KafkaSettingsError> {
        let wrong = || KafkaSettingsError::Address { found: address.to_owned() };
        let servers = address.strip_prefix("kafka://").ok_or_else(wrong)?;
        let is_server = |server: &str| {
            server.rsplit_once(':').is_some_and(|(host, port)| {
                !host.is_empty() && !host.contains(['/', '@']) && port.parse::<u16>().is_ok()
            })
        };
        if !servers.split(',').all(is_server) {
            return Err(wrong());
        }
        let mut settings = Self {
            reach: Reach { servers: servers.to_owned(), client: BTreeMap::new() },
            clock: KafkaClock::Broker,
            topic_prefix: String::new(),
            retention_ms: 7 * 86_400_000,
            replication: -1,
            answer_within: Duration::from_secs(30),
            readers_max: 96,
        };
        let mut plaintext_allowed = false;
        if let Some(path) = properties {
            plaintext_allowed = settings.read_file(path)?;
        }
        settings.add_defaults();
        if !plaintext_allowed {
            settings.check_encryption()?;
        }
        Ok(settings)
    }

    /// Gives whether plaintext is allowed.
    fn read_file(&mut self, path: &Path) -> Result<bool, KafkaSettingsError> {
        let name = || path.display().to_string();
        let read = |path: &Path| {
            let failed =
                |source| KafkaSettingsError::File { path: path.display().to_string(), source };
            std::fs::read_to_string(path).map_err(failed)
        };
        let mut plaintext_allowed = false;
        for (index, line) in read(path)?.lines().enumerate() {
            let text = line.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let line = index + 1;
            let Some((key, value)) = text.split_once('=') else {
                // What stands there may be a secret that lost its name.
                let found = text.split_whitespace().next().unwrap_or_default().to_owned();
                return Err(KafkaSettingsError::Line { path: name(), line, found });
            };
            let (key, value) = (key.trim(), value.trim());
            let refuse = |expected| {
                let found = key.to_owned();
                KafkaSettingsError::Property { path: name(), line, expected, found }
            };
            let number = "a whole number";
            match key {
                "zhibao.plaintext" => plaintext_allowed = value == "allowed",
                "zhibao.topic.prefix" => self.topic_prefix = value.to_owned(),
                "zhibao.topic.retention.ms" => {
                    self.retention_ms = value.parse().ok().ok_or_else(|| refuse(number))?;
                }
                "zhibao.topic.replication" => {
                    self.replication = value.parse().ok().ok_or_else(|| refuse(number))?;
                }
                _ if !OPEN.iter().any(|open| key.starts_with(open)) => {
                    return Err(refuse(EXPECTED));
                }
                _ => {
                    let (key, value) = match key.strip_suffix(".file") {
                        Some(key) => {
                            let file = path.parent().unwrap_or(Path::new(".")).join(value);
                            (key, read(&file)?.trim().to_owned())
                        }
                        None => (key, value.to_owned()),
                    };
                    self.reach.client.insert(key.to_owned(), value);
                }
            }
        }
        Ok(plaintext_allowed)
    }

    fn add_defaults(&mut self) {
        let is_sasl =
            self.reach.client.get("security.protocol").is_some_and(|it| it.contains("SASL"));
        // The library's own default is Kerberos, which it was not built with.
        if is_sasl && !self.reach.client.keys().any(|key| key.starts_with("sasl.mechanism")) {
            self.reach.client.insert("sasl.mechanism".to_owned(), "SCRAM-SHA-512".to_owned());
        }
        self.reach.client.entry("compression.type".to_owned()).or_insert_with(|| "lz4".to_owned());
        self.reach
            .client
            .entry("queue.buffering.max.kbytes".to_owned())
            .or_insert_with(|| "65536".to_owned());
        self.reach.client.entry("client.id".to_owned()).or_insert_with(|| "zhibao".to_owned());
    }

    fn check_encryption(&self) -> Result<(), KafkaSettingsError> {
        let protocol = self.reach.client.get("security.protocol").map(String::as_str);
        if matches!(protocol, Some("SSL" | "SASL_SSL" | "ssl" | "sasl_ssl")) {
            return Ok(());
        }
        let is_loopback = |server: &&str| {
            let host = server.rsplit_once(':').map_or(*server, |(host, _)| host);
            let host = host.trim_start_matches('[').trim_end_matches(']');
            let address = host.parse::<std::net::IpAddr>();
            host == "localhost" || address.is_ok_and(|address| address.is_loopback())
        };
        match self.reach.servers.split(',').find(|server| !is_loopback(server)) {
            Some(server) => Err(KafkaSettingsError::Plaintext { server: server.to_owned() }),
            None => Ok(()),
        }
    }

    /// What every client needs: the brokers and the way to them. What only producers know is no
    /// part of it.
    pub(super) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.reach.servers);
        config.set_log_level(RDKafkaLogLevel::Error);
        let of_producer = ["compression.type", "queue.buffering.max.kbytes"];
        for (key, value) in &self.reach.client {
            if !of_producer.contains(&key.as_str()) {
                config.set(key, value);
            }
        }
        config
    }

    /// A producer that a repeat of its own cannot make append twice, and that answers only when
    /// every replica in sync has the record.
    pub(super) fn producer(&self) -> ClientConfig {
        let mut config = self.client();
        for (key, value) in &self.reach.client {
            config.set(key, value);
        }
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", "5")
            .set("batch.size", "1000000")
            .set("message.max.bytes", RECORD_BYTES_MAX.to_string())
            .set("delivery.timeout.ms", self.answer_within.as_millis().to_string())
            .set("queue.buffering.max.messages", "500000");
        config
    }

    /// A consumer that is told its partitions and positions, keeps none itself, and fails where a
    /// position is not there instead of going somewhere else.
    pub(super) fn consumer(&self) -> ClientConfig {
        let mut config = self.client();
        config
            // Needed by the library, though nothing joins a group or commits to it.
            .set("group.id", "zhibao")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed")
            .set("allow.auto.create.topics", "false")
            .set("enable.partition.eof", "true")
            .set("check.crcs", "true")
            // A partition that is read from anew waits until the fetch under way has ended; without
            // the second, one fetch would end with the first record of any partition.
            .set("fetch.wait.max.ms", "20")
            .set("fetch.min.bytes", "65536")
            // A full queue is empty again within milliseconds; the library would wait for a second.
            .set("fetch.queue.backoff.ms", "2")
            .set("fetch.message.max.bytes", FETCH_BYTES.to_string())
            .set("fetch.max.bytes", (2 * RECORD_BYTES_MAX).to_string())
            .set("message.max.bytes", RECORD_BYTES_MAX.to_string())
            .set("queued.max.messages.kbytes", QUEUE_KIB_MAX.to_string());
        config
    }
}
