//! Clients of every kind that the properties allow can be made: what the library was built without
//! fails only here, never at building.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::facts::fact;
use super::topics::delete_topics;
use super::{KafkaSubject, new_topic};
use crate::log::Log;
use crate::log::contract::{Folder, Subject, new_append, numbered, read_all};
use crate::log::kafka::{KafkaLog, KafkaSettings, KafkaSettingsError};
use crate::store::Database;

/// Writes a properties file into a folder of the test's own.
fn properties(folder: &Folder, text: &str) -> PathBuf {
    std::fs::create_dir_all(&folder.0).unwrap();
    let path = folder.0.join("kafka.properties");
    std::fs::write(&path, text).unwrap();
    path
}

async fn open(folder: &Folder, address: &str, text: &str) -> KafkaLog {
    let path = properties(folder, text);
    let settings = KafkaSettings::parse(address, Some(&path)).unwrap();
    // A stranger gets no answer at all.
    let settings = KafkaSettings { answer_within: Duration::from_secs(10), ..settings };
    let db = Database::open(&folder.0).await.unwrap();
    KafkaLog::open(settings, db).unwrap()
}

fn scram(user: &str, password_file: &Path) -> String {
    format!(
        "security.protocol = SASL_SSL\nsasl.username = {user}\nsasl.password.file = {}\n\
         ssl.ca.location = {}/ca.pem\n",
        password_file.display(),
        fact("ZHIBAO_KAFKA_SECRETS"),
    )
}

fn mtls(user: &str) -> String {
    let secrets = fact("ZHIBAO_KAFKA_SECRETS");
    format!(
        "security.protocol = SSL\nssl.ca.location = {secrets}/ca.pem\n\
         ssl.certificate.location = {secrets}/{user}.pem\nssl.key.location = {secrets}/{user}.key\n"
    )
}

fn password_of(user: &str) -> PathBuf {
    PathBuf::from(fact("ZHIBAO_KAFKA_SECRETS")).join(format!("{user}.password"))
}

/// Records go there and come back.
async fn check_round_trip(log: &dyn Log) {
    let topic = &new_topic();
    log.ensure_topic(topic, 1).await.unwrap();
    log.append(new_append(topic, numbered(0, 0..200))).await.unwrap();
    let read = read_all((log, topic), 0, 0, 1 << 20).await;
    let expected: Vec<_> = (0..200).map(|n| (n, format!("record {n} of 0"))).collect();
    assert_eq!(read, expected);
    delete_topics(topic);
}

#[tokio::test]
async fn every_compression_goes_there_and_comes_back() {
    for codec in ["lz4", "zstd"] {
        let folder = Folder::new();
        let text = format!("compression.type = {codec}\n");
        check_round_trip(&open(&folder, &fact("ZHIBAO_KAFKA"), &text).await).await;
    }
}

#[tokio::test]
async fn tls_with_a_password_and_tls_with_a_certificate_let_the_hub_in() {
    let folder = Folder::new();
    let text = scram("hub", &password_of("hub"));
    check_round_trip(&open(&folder, &fact("ZHIBAO_KAFKA_SCRAM"), &text).await).await;
    let folder = Folder::new();
    check_round_trip(&open(&folder, &fact("ZHIBAO_KAFKA_MTLS"), &mtls("hub")).await).await;
}

#[tokio::test]
async fn a_stranger_is_refused_and_the_error_says_why() {
    let subject = KafkaSubject::new().await;
    let topic = subject.topic();
    subject.log.ensure_topic(topic, 1).await.unwrap();
    let folder = Folder::new();
    let wrong = folder.0.join("wrong");
    std::fs::create_dir_all(&folder.0).unwrap();
    std::fs::write(&wrong, "not the password").unwrap();
    let (by_password, by_certificate) = (fact("ZHIBAO_KAFKA_SCRAM"), fact("ZHIBAO_KAFKA_MTLS"));
    for (address, text, says) in [
        (&by_password, scram("hub", &wrong), "uthentication"),
        (&by_certificate, mtls("expired"), "SSL"),
        // Let in, but this is not its topic.
        (&by_password, scram("meituan", &password_of("meituan")), "uthoriz"),
        (&by_certificate, mtls("meituan"), "uthoriz"),
    ] {
        let log = open(&folder, address, &text).await;
        let error = log.append(new_append(topic, numbered(0, 0..1))).await.unwrap_err().to_string();
        assert!(error.contains(says) && error.contains(topic), "{says}: {error}");
    }
    let extent = subject.log.extents(topic).await.unwrap()[0];
    assert_eq!(extent.next, 0, "nothing of a stranger is in");
}

#[test]
fn what_carries_the_promise_cannot_be_set() {
    let folder = Folder::new();
    for line in ["acks = 1", "isolation.level = read_uncommitted", "group.id = x", "debug = all"] {
        let path = properties(&folder, &format!("# a comment\n\n{line}\n"));
        let error = KafkaSettings::parse("kafka://127.0.0.1:9092", Some(&path)).unwrap_err();
        let named = matches!(error, KafkaSettingsError::Property { line: 3, .. });
        assert!(named, "{line}: {error}");
    }
    let path = properties(&folder, "client.id = one\nsasl.password hunter2\n");
    let error = KafkaSettings::parse("kafka://127.0.0.1:9092", Some(&path)).unwrap_err();
    let said = error.to_string();
    assert!(matches!(error, KafkaSettingsError::Line { line: 2, .. }), "{said}");
    assert!(!said.contains("hunter2"), "a secret in an error: {said}");
    let path = properties(&folder, "sasl.password = hunter2\n");
    let settings = KafkaSettings::parse("kafka://127.0.0.1:9092", Some(&path)).unwrap();
    assert!(!format!("{settings:?}").contains("hunter2"), "a secret in a debug text");
}

#[test]
fn an_address_that_is_none_and_plaintext_over_a_network_are_refused() {
    for address in ["127.0.0.1:9092", "kafka://", "kafka://host", "kafka://a:1,b", "kafka://u@a:1"]
    {
        let error = KafkaSettings::parse(address, None).unwrap_err();
        assert!(matches!(error, KafkaSettingsError::Address { .. }), "{address}: {error}");
    }
    for address in ["kafka://localhost:1", "kafka://127.0.0.1:1,[::1]:2"] {
        KafkaSettings::parse(address, None).unwrap();
    }
    let address = "kafka://127.0.0.1:1,kafka-2.example:9092";
    let error = KafkaSettings::parse(address, None).unwrap_err();
    assert!(matches!(error, KafkaSettingsError::Plaintext { .. }), "{error}");
    let folder = Folder::new();
    for text in ["security.protocol = SSL", "zhibao.plaintext = allowed"] {
        KafkaSettings::parse(address, Some(&properties(&folder, text))).unwrap();
    }
}
