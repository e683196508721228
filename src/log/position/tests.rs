//! A position is held against the log before anything is read from there; the same for every log.

use super::{Position, PositionLost, check_position, digest_of};
use crate::log::contract::{Subject, new_append, numbered, record, subjects};
use crate::log::{Log, LogError};

/// The position of somebody who applied what lies below `next_offset` in partition 0.
async fn position_at(log: &dyn Log, topic: &str, next_offset: u64) -> Position {
    let last_digest = match next_offset.checked_sub(1) {
        Some(last) => {
            let batch = log.read(topic, 0, last, 1).await.unwrap();
            Some(digest_of(&batch, &batch.records[0]))
        }
        None => None,
    };
    let topic_id = Some(log.topic_id(topic).await.unwrap());
    Position { topic_id, partitions: 2, next_offset, last_digest }
}

/// What is said of a position: `None` where it holds.
async fn lost(subject: &dyn Subject, position: &Position) -> Option<PositionLost> {
    match check_position(subject.log(), (subject.topic(), 0), position).await {
        Ok(()) => None,
        Err(LogError::Position(lost)) => Some(lost),
        Err(error) => panic!("{}: {error}", subject.topic()),
    }
}

/// Every log with ten records in partition 0.
async fn filled() -> Vec<Box<dyn Subject>> {
    let subjects = subjects().await;
    for subject in &subjects {
        fill(&**subject, 2, 0..10).await;
    }
    subjects
}

async fn fill(subject: &dyn Subject, partitions: u32, numbers: std::ops::Range<u64>) {
    let (log, topic) = (subject.log(), subject.topic());
    log.ensure_topic(topic, partitions).await.unwrap();
    for number in numbers {
        log.append(new_append(topic, numbered(0, number..number + 1))).await.unwrap();
    }
}

#[tokio::test]
async fn a_position_holds_as_long_as_the_log_is_the_same() {
    for mut subject in filled().await {
        for next_offset in [0, 4, 10] {
            let position = position_at(subject.log(), subject.topic(), next_offset).await;
            assert_eq!(lost(&*subject, &position).await, None);
        }
        let position = position_at(subject.log(), subject.topic(), 10).await;
        subject.restart().await;
        assert_eq!(lost(&*subject, &position).await, None);
        fill(&*subject, 2, 10..12).await;
        assert_eq!(lost(&*subject, &position).await, None);
        // A position of before ids and digests were kept.
        let old = Position { topic_id: None, last_digest: None, ..position };
        assert_eq!(lost(&*subject, &old).await, None);
    }
}

#[tokio::test]
async fn a_quiet_topic_that_was_trimmed_up_to_the_position_holds_by_its_id_alone() {
    for mut subject in filled().await {
        let position = position_at(subject.log(), subject.topic(), 10).await;
        subject.log().trim(subject.topic(), 0, 10).await.unwrap();
        assert_eq!(lost(&*subject, &position).await, None);
        subject.restart().await;
        assert_eq!(lost(&*subject, &position).await, None);
        let other = Position { topic_id: Some("another".into()), ..position };
        let said = lost(&*subject, &other).await;
        assert!(matches!(said, Some(PositionLost::OtherTopic { .. })), "{said:?}");
    }
}

#[tokio::test]
async fn records_trimmed_before_they_were_applied_stop_the_partition() {
    for subject in filled().await {
        let position = position_at(subject.log(), subject.topic(), 4).await;
        subject.log().trim(subject.topic(), 0, 7).await.unwrap();
        let said = lost(&*subject, &position).await;
        let Some(PositionLost::Trimmed { next_offset: 4, first: 7, missing: 3, .. }) = said else {
            panic!("{}: {said:?}", subject.topic());
        };
    }
}

#[tokio::test]
async fn a_log_that_ends_before_the_position_stops_the_partition() {
    for subject in filled().await {
        let position = position_at(subject.log(), subject.topic(), 10).await;
        let ahead = Position { next_offset: 11, ..position };
        let said = lost(&*subject, &ahead).await;
        let is_so =
            matches!(said, Some(PositionLost::EndsBefore { next_offset: 11, next: 10, .. }));
        assert!(is_so, "{said:?}");
    }
}

#[tokio::test]
async fn another_record_where_the_last_was_stops_the_partition() {
    for subject in filled().await {
        let position = position_at(subject.log(), subject.topic(), 10).await;
        let of_another = position_at(subject.log(), subject.topic(), 9).await.last_digest;
        let other = Position { last_digest: of_another, ..position };
        let said = lost(&*subject, &other).await;
        let is_so = matches!(said, Some(PositionLost::OtherRecord { offset: 9, .. }));
        assert!(is_so, "{said:?}");
    }
}

#[tokio::test]
async fn a_topic_that_was_deleted_and_made_again_stops_the_partition_however_like_it_is() {
    for mut subject in filled().await {
        let position = position_at(subject.log(), subject.topic(), 10).await;
        subject.delete_topic().await;
        fill(&*subject, 2, 0..10).await;
        let said = lost(&*subject, &position).await;
        assert!(matches!(said, Some(PositionLost::OtherTopic { .. })), "{said:?}");
        // The digest alone would take it for the same: that is why there is an id.
        let no_id = Position { topic_id: None, ..position };
        assert_eq!(lost(&*subject, &no_id).await, None);
    }
}

#[tokio::test]
async fn fewer_partitions_than_before_stop_each_of_them() {
    for mut subject in filled().await {
        let position = position_at(subject.log(), subject.topic(), 10).await;
        subject.delete_topic().await;
        fill(&*subject, 1, 0..10).await;
        // As if the id had been the same, which no broker would give twice.
        let no_id = Position { topic_id: None, ..position };
        let said = lost(&*subject, &no_id).await;
        let is_so =
            matches!(said, Some(PositionLost::FewerPartitions { expected: 2, found: 1, .. }));
        assert!(is_so, "{said:?}");
    }
}

#[tokio::test]
async fn a_broker_that_has_not_heard_of_a_growth_yet_is_asked_again() {
    for subject in filled().await {
        let (log, topic) = (subject.log(), subject.topic());
        let position = Position { partitions: 4, ..position_at(log, topic, 10).await };
        let growing = async {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            log.grow_topic(topic, 4).await.unwrap();
        };
        assert_eq!(tokio::join!(lost(&*subject, &position), growing).0, None);
    }
}

#[tokio::test]
async fn the_digest_tells_feed_and_bytes_apart() {
    for subject in subjects().await {
        let (log, topic) = (subject.log(), subject.topic());
        log.ensure_topic(topic, 1).await.unwrap();
        let records = || vec![record(0, "a,b")];
        let daily = crate::domain::ids::FeedId::new("daily").unwrap();
        let mut of_other_feed = new_append(topic, records());
        of_other_feed.feed = daily;
        let mut with_header = new_append(topic, records());
        with_header.header_digest = Some([7; 32]);
        for append in [
            new_append(topic, records()),
            of_other_feed,
            with_header,
            new_append(topic, vec![record(0, "a,c")]),
            new_append(topic, records()),
        ] {
            log.append(append).await.unwrap();
        }
        let batch = log.read(topic, 0, 0, 1 << 20).await.unwrap();
        let digests: Vec<_> = batch.records.iter().map(|one| digest_of(&batch, one)).collect();
        let distinct: std::collections::BTreeSet<_> = digests.iter().collect();
        assert_eq!((digests.len(), distinct.len()), (5, 4));
        assert_eq!(digests[0], digests[4]);
    }
}
