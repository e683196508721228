//! `zhibao kafka acl` on real brokers that authorize: what is printed is run with Kafka's own tool,
//! and then a principal may do what it needs and nothing else.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};

use crate::facts::fact;
use crate::hub::{Folder, Hub, arrivals, repository, text};

const WITHIN: Duration = Duration::from_secs(20);

/// What became of the last record.
#[derive(Clone, Default)]
struct Delivered(std::sync::Arc<std::sync::Mutex<Option<Option<KafkaError>>>>);

impl rdkafka::ClientContext for Delivered {}

impl ProducerContext for Delivered {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let error = result.as_ref().err().map(|(error, _)| error.clone());
        *self.0.lock().unwrap() = Some(error);
    }
}

/// What a client by password needs to say; the brokers know `meituan`, who is no super user.
fn by_password() -> [(&'static str, String); 4] {
    let secrets = fact("ZHIBAO_KAFKA_SECRETS");
    let password = std::fs::read_to_string(Path::new(&secrets).join("meituan.password")).unwrap();
    [
        ("security.protocol", "SASL_SSL".to_owned()),
        ("sasl.username", "meituan".to_owned()),
        ("sasl.password", password),
        ("ssl.ca.location", format!("{secrets}/ca.pem")),
    ]
}

/// Sends one record as `meituan`; an idempotent producer, as platforms use them.
fn send(topic: &str) -> Option<RDKafkaErrorCode> {
    let brokers = fact("ZHIBAO_KAFKA_SCRAM");
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers.strip_prefix("kafka://").unwrap());
    config.set("sasl.mechanism", "SCRAM-SHA-512").set("enable.idempotence", "true");
    config.set("message.timeout.ms", "10000");
    for (name, value) in by_password() {
        config.set(name, value);
    }
    let delivered = Delivered::default();
    let producer: BaseProducer<Delivered> = config.create_with_context(delivered.clone()).unwrap();
    let record = BaseRecord::<(), str>::to(topic).payload("{}");
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.flush(WITHIN).unwrap();
    let outcome = delivered.0.lock().unwrap().clone().unwrap();
    outcome.map(|error| error.rdkafka_error_code().unwrap())
}

/// Runs what was printed in a shell that has Kafka's tool.
fn grant(folder: &Folder, commands: &str) {
    let jars = repository().join("target/clients/java");
    assert!(jars.is_dir(), "{} is not there; run: scripts/setup test", jars.display());
    let tool: PathBuf = folder.path("bin");
    std::fs::create_dir_all(&tool).unwrap();
    let script = format!(
        "kafka-acls() {{ java -cp '{}/*' org.apache.kafka.tools.AclCommand \"$@\"; }}\n{commands}",
        jars.display()
    );
    let file = tool.join("grant.sh");
    std::fs::write(&file, format!("set -e\n{script}")).unwrap();
    let done = Command::new("bash").arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{}{said}", String::from_utf8_lossy(&done.stdout));
}

/// Where an operator sits: the listener that knows nobody and trusts everybody.
fn operator() -> String {
    fact("ZHIBAO_KAFKA").strip_prefix("kafka://").unwrap().to_owned()
}

#[test]
fn a_platform_writes_its_own_topic_and_no_other() {
    let folder = Folder::new("kafka-rights");
    let hub = Hub::on_kafka(folder.path("hub"), "rights");
    // Opening makes the topics.
    hub.done(&["status"]);
    let (own, other) =
        (format!("{}raw.meituan", hub.topic_prefix()), format!("{}raw.eleme", hub.topic_prefix()));
    for topic in [&own, &other] {
        assert_eq!(send(topic), Some(RDKafkaErrorCode::TopicAuthorizationFailed), "{topic}");
    }
    let named = ["kafka", "acl", "--connector", "meituan", "--principal", "meituan"];
    let commands = hub.done(&named);
    assert!(commands.contains(&format!(" --topic {own} ")), "{commands}");
    grant(&folder, &commands);
    assert_eq!(send(&own), None);
    assert_eq!(send(&other), Some(RDKafkaErrorCode::TopicAuthorizationFailed));

    // What the platform wrote without a feed's name is held, and nobody else's is.
    hub.done(&["process"]);
    let books = hub.export(&folder.path("out"));
    assert_eq!(books["held_by_reason"], serde_json::json!({ "feed.unknown": 1 }));
    grant(&folder, &commands.replace(" --add ", " --remove --force "));
}

/// A hub whose principal is no super user does its whole work with what is printed for it.
#[test]
fn the_hub_does_its_whole_work_with_what_is_printed_for_it() {
    let folder = Folder::new("kafka-rights-hub");
    let prefix = format!("rights-hub-{}.", std::process::id());
    let lines = by_password().map(|(name, value)| format!("{name} = {value}\n")).concat();
    let brokers = fact("ZHIBAO_KAFKA_SCRAM");
    let hub = Hub::on_brokers(folder.path("hub"), prefix, &brokers, &lines);
    let ended = hub.run(&["status"]);
    assert!(!ended.is_success && ended.err.contains("uthoriz"), "{}", ended.err);
    let operator = operator();
    let commands =
        hub.done(&["kafka", "acl", "--hub", "--principal", "meituan", "--bootstrap", &operator]);
    grant(&folder, &commands);

    let generated = folder.path("generated");
    let size = ["--orders", "60", "--from", "2026-07-01", "--days", "1", "--seed", "3"];
    hub.done(&[&["generate", "--out", text(&generated)], &size[..]].concat());
    assert!(!arrivals(&generated).is_empty());
    for arguments in [
        &["replay", text(&generated)][..],
        &["process"],
        &["topic", "grow", "meituan", "16"],
        &["seal", "--until", "2026-07-31"],
        &["publish"],
        &["status"],
    ] {
        hub.done(arguments);
    }
    let books = hub.export(&folder.path("out"));
    assert!(books["messages"]["applied"].as_u64().unwrap() > 60, "{}", books["messages"]);
    grant(&folder, &commands.replace(" --add ", " --remove --force "));
}

#[test]
fn rights_for_nobody_known_are_not_printed() {
    let folder = Folder::new("kafka-rights-none");
    let hub = Hub::new(folder.path("hub"));
    for (arguments, says) in [
        (&["--connector", "meltuan", "--principal", "x", "--bootstrap", "b:9092"][..], "meltuan"),
        (&["--connector", "meituan", "--principal", "x"], "--bootstrap: expected host:port"),
        (&["--connector", "meituan", "--principal", "*", "--bootstrap", "b:9092"], "principal:"),
        (&["--principal", "x", "--bootstrap", "b:9092"], "required"),
    ] {
        let ended = hub.run(&[&["kafka", "acl"], arguments].concat());
        assert!(!ended.is_success && ended.err.contains(says), "{says}: {}", ended.err);
        assert_eq!(ended.out, "");
    }
}
