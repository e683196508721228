//! Topics and brokers that are not as they must be: each is a clear error, and no record moves.

use std::time::Duration;

use rdkafka::admin::{AdminOptions, NewTopic, TopicReplication};

use super::{KafkaSubject, settings};
use crate::domain::time::Moment;
use crate::log::contract::{Subject, new_append, numbered, record};
use crate::log::kafka::{KafkaClock, KafkaLog, KafkaSettings};
use crate::log::{Append, IntakeMark, Log, LogError};

/// Makes a topic as somebody else would.
async fn make(subject: &KafkaSubject, topic: &str, options: &[(&str, &str)]) {
    let mut new = NewTopic::new(topic, 2, TopicReplication::Fixed(1));
    for (name, value) in options {
        new = new.set(name, value);
    }
    let admin = &subject.log.shared.topics.admin;
    let made = admin.create_topics([&new], &AdminOptions::new()).await.unwrap();
    assert_eq!(made, [Ok(topic.to_owned())]);
    while subject.log.shared.brokers.partitions(topic).unwrap().is_none() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_topic_that_was_made_otherwise_is_refused() {
    let subject = KafkaSubject::new().await;
    let by_broker = ("message.timestamp.type", "LogAppendTime");
    for (number, (options, named)) in (0u8..).zip([
        (vec![], "message.timestamp.type"),
        (vec![by_broker, ("cleanup.policy", "compact")], "cleanup.policy"),
        (vec![by_broker, ("cleanup.policy", "compact,delete")], "cleanup.policy"),
    ]) {
        let topic = &format!("{}-{number}", subject.topic());
        make(&subject, topic, &options).await;
        let error = subject.log.ensure_topic(topic, 2).await.unwrap_err();
        let is_so = matches!(&error, LogError::TopicSetting { setting, .. } if *setting == named);
        assert!(is_so, "{named}: {error}");
        assert!(error.to_string().contains("kafka-configs"), "what to do: {error}");
    }
    let topic = &format!("{}-short", subject.topic());
    make(&subject, topic, &[by_broker, ("retention.ms", "3600000")]).await;
    let live = KafkaSettings { clock: KafkaClock::Broker, ..settings() };
    let live = KafkaLog::open(live, subject.db.clone()).unwrap();
    live.ensure_topic(topic, 2).await.unwrap();
    assert_eq!(live.retention_ms(topic).await.unwrap(), Some(3_600_000));
    assert_eq!(subject.log.retention_ms(topic).await.unwrap(), None, "under a replay clock");
}

#[tokio::test]
async fn a_topic_of_ours_is_made_with_the_retention_that_was_asked_for() {
    let subject = KafkaSubject::new().await;
    for (retention_ms, found) in [(86_400_000, Some(86_400_000)), (-1, None)] {
        let topic = &format!("{}{retention_ms}", subject.topic());
        let settings = KafkaSettings { retention_ms, clock: KafkaClock::Broker, ..settings() };
        let log = KafkaLog::open(settings, subject.db.clone()).unwrap();
        log.ensure_topic(topic, 1).await.unwrap();
        assert_eq!(log.retention_ms(topic).await.unwrap(), found);
    }
}

#[tokio::test]
async fn the_senders_time_counts_only_under_a_replay_clock() {
    let subject = KafkaSubject::new().await;
    let topic = subject.topic();
    subject.log.ensure_topic(topic, 1).await.unwrap();
    let long_ago = Moment::from_ms(1_000);
    let append = Append { received_at: Some(long_ago), ..new_append(topic, numbered(0, 0..1)) };
    subject.log.append(append.clone()).await.unwrap();
    let settings = KafkaSettings { clock: KafkaClock::Broker, ..settings() };
    let live = KafkaLog::open(settings, subject.db.clone()).unwrap();
    live.append(append).await.unwrap();
    let read = async |log: &KafkaLog| -> Vec<Moment> {
        let batch = log.read(topic, 0, 0, 1 << 20).await.unwrap();
        batch.records.iter().map(|record| record.received_at).collect()
    };
    let year_2020 = Moment::from_ms(1_577_836_800_000);
    let replayed = read(&subject.log).await;
    assert_eq!(replayed[0], long_ago);
    assert!(replayed[1] > year_2020, "a live log writes no time of the sender's");
    let live = read(&live).await;
    assert!(live.iter().all(|at| *at > year_2020), "and reads none: {live:?}");
}

#[tokio::test]
async fn a_mark_that_another_instance_moved_is_an_error_and_costs_duplicates_at_most() {
    let subject = KafkaSubject::new().await;
    let (log, topic) = (&subject.log, subject.topic());
    log.ensure_topic(topic, 1).await.unwrap();
    let mark = |records| IntakeMark {
        source: format!("file:{topic}"),
        offset: 0,
        records,
        complete: false,
        digest: [0; 32],
    };
    let append =
        |records, mark| Append { mark: Some(mark), ..new_append(topic, numbered(0, 0..records)) };
    // Both begin at nothing; one of them is late.
    let (one, other) = tokio::join!(log.append(append(3, mark(3))), log.append(append(3, mark(3))));
    let outcomes = [one, other];
    assert!(outcomes.iter().any(Result::is_ok), "{outcomes:?}");
    for error in outcomes.into_iter().filter_map(Result::err) {
        assert!(matches!(error, LogError::MarkMoved { expected: 0, found: 3, .. }), "{error}");
    }
    assert_eq!(log.mark(&mark(0).source).await.unwrap(), Some(mark(3)));
    assert!(log.extents(topic).await.unwrap()[0].next >= 3);
}

#[tokio::test]
async fn a_record_that_is_too_large_is_refused_and_those_around_it_stay_readable() {
    let subject = KafkaSubject::new().await;
    let (log, topic) = (&subject.log, subject.topic());
    log.ensure_topic(topic, 1).await.unwrap();
    let large = "x".repeat(9 << 20);
    log.append(new_append(topic, vec![record(0, "before")])).await.unwrap();
    let error = log.append(new_append(topic, vec![record(0, &large)])).await.unwrap_err();
    assert!(matches!(error, LogError::Kafka { .. }), "{error}");
    let fits = "y".repeat(7 << 20);
    log.append(new_append(topic, vec![record(0, &fits), record(0, "behind")])).await.unwrap();
    let batch = log.read(topic, 0, 1, 1 << 20).await.unwrap();
    assert!(batch.value(&batch.records[0]) == fits.as_bytes());
    let batch = log.read(topic, 0, 2, 1).await.unwrap();
    assert_eq!(batch.value(&batch.records[0]), b"behind");
}

#[tokio::test]
async fn more_partitions_than_readers_are_read_in_turn() {
    let subject = KafkaSubject::new().await;
    let topic = subject.topic();
    let settings = KafkaSettings { readers_max: 2, ..settings() };
    let log = KafkaLog::open(settings, subject.db.clone()).unwrap();
    log.ensure_topic(topic, 5).await.unwrap();
    for partition in 0..5 {
        log.append(new_append(topic, numbered(partition, 0..20))).await.unwrap();
    }
    for at in 0..20 {
        for partition in 0..5 {
            let batch = log.read(topic, partition, at, 1).await.unwrap();
            let record = &batch.records[0];
            assert_eq!((batch.records.len(), record.offset), (1, at));
            let expected = format!("record {at} of {partition}");
            assert_eq!(batch.value(record), expected.as_bytes());
        }
    }
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_an_error_that_names_what_was_asked() {
    let subject = KafkaSubject::new().await;
    // Nobody listens on the port that was just given back.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = KafkaSettings::parse(&format!("kafka://127.0.0.1:{port}"), None).unwrap();
    let settings = KafkaSettings { answer_within: Duration::from_secs(2), ..settings };
    let log = KafkaLog::open(settings, subject.db.clone()).unwrap();
    let error = log.ensure_topic("raw.x", 1).await.unwrap_err();
    assert!(matches!(error, LogError::Kafka { .. }), "{error}");
    let said = error.to_string();
    assert!(said.contains("raw.x") && said.contains("refused"), "{said}");
}
