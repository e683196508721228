//! Topics: made as the promise needs them, or refused; and what an operator's rights permit beyond.

use std::collections::BTreeMap;

use rdkafka::admin::{
    AdminClient, AdminOptions, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::KafkaSettings;
use super::brokers::signed;
use super::heard::Heard;
use super::settings::RECORD_BYTES_MAX;
use crate::log::LogError;

/// Makes and changes topics.
pub(super) struct Topics {
    pub(super) admin: AdminClient<Heard>,
    options: AdminOptions,
    retention_ms: i64,
    replication: i32,
}

/// A setting of a topic and the value that it must have: the broker stamps the append time, and
/// nothing goes but by age.
const NEEDED: [(&str, &str); 2] =
    [("message.timestamp.type", "LogAppendTime"), ("cleanup.policy", "delete")];

const RETENTION: &str = "retention.ms";

impl Topics {
    pub(super) fn new(settings: &KafkaSettings, heard: &Heard) -> Result<Self, LogError> {
        let admin = settings.client().create_with_context(heard.clone());
        let within = Some(settings.answer_within);
        Ok(Self {
            admin: admin.map_err(|error| heard.error("making a client for topics", error))?,
            options: AdminOptions::new().request_timeout(within).operation_timeout(within),
            retention_ms: settings.retention_ms,
            replication: settings.replication,
        })
    }

    fn error(&self, doing: String, source: KafkaError) -> LogError {
        self.admin.inner().context().error(doing, source)
    }

    /// Makes a topic as the promise needs it. One that somebody else made meanwhile is as good.
    pub(super) async fn create(&self, topic: &str, partitions: u32) -> Result<(), LogError> {
        let retention = self.retention_ms.to_string();
        let record_bytes = RECORD_BYTES_MAX.to_string();
        let replication = TopicReplication::Fixed(self.replication);
        let mut new = NewTopic::new(topic, signed(partitions), replication)
            .set(RETENTION, &retention)
            .set("max.message.bytes", &record_bytes);
        for (setting, value) in NEEDED {
            new = new.set(setting, value);
        }
        // Of three copies two must have a record before it counts as appended.
        if self.replication > 2 {
            new = new.set("min.insync.replicas", "2");
        }
        let failed = |error| self.error(format!("making topic {topic}"), error);
        for made in self.admin.create_topics([&new], &self.options).await.map_err(failed)? {
            match made {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((_, code)) => return Err(failed(KafkaError::AdminOp(code))),
            }
        }
        Ok(())
    }

    /// Gives a topic more partitions. One that somebody else has grown meanwhile is as good.
    pub(super) async fn grow(&self, topic: &str, partitions: u32) -> Result<(), LogError> {
        let count = usize::try_from(partitions).unwrap_or(usize::MAX);
        let new = NewPartitions::new(topic, count);
        let failed = |error| self.error(format!("growing topic {topic} to {partitions}"), error);
        for grown in self.admin.create_partitions([&new], &self.options).await.map_err(failed)? {
            match grown {
                Ok(_) | Err((_, RDKafkaErrorCode::InvalidPartitions)) => {}
                Err((_, code)) => return Err(failed(KafkaError::AdminOp(code))),
            }
        }
        Ok(())
    }

    /// Refuses a topic that was made otherwise; gives its retention in milliseconds, −1 for ever.
    pub(super) async fn check_settings(&self, topic: &str) -> Result<i64, LogError> {
        let found = self.settings_of(topic).await?;
        let value = |setting: &str| found.get(setting).cloned().unwrap_or_default();
        for (setting, expected) in NEEDED {
            let found = value(setting);
            if found != expected {
                let (topic, expected) = (topic.to_owned(), expected.to_owned());
                return Err(LogError::TopicSetting { topic, setting, expected, found });
            }
        }
        let found = value(RETENTION);
        found.parse().ok().ok_or_else(|| LogError::TopicSetting {
            topic: topic.to_owned(),
            setting: RETENTION,
            expected: "-1 or a number of milliseconds".to_owned(),
            found,
        })
    }

    async fn settings_of(&self, topic: &str) -> Result<BTreeMap<String, String>, LogError> {
        let doing = || format!("asking for the settings of topic {topic}");
        let failed = |error| self.error(doing(), error);
        let resource = ResourceSpecifier::Topic(topic);
        let described = self.admin.describe_configs([&resource], &self.options).await;
        let mut settings = BTreeMap::new();
        for resource in described.map_err(failed)? {
            let resource = resource.map_err(|code| failed(KafkaError::AdminOp(code)))?;
            for entry in resource.entries {
                settings.extend(entry.value.map(|value| (entry.name, value)));
            }
        }
        Ok(settings)
    }

    /// Has the brokers drop records below `before`.
    pub(super) async fn delete_records(
        &self,
        (topic, partition): (&str, u32),
        before: u64,
    ) -> Result<(), LogError> {
        let doing = || format!("trimming topic {topic} partition {partition} up to {before}");
        let failed = |error| self.error(doing(), error);
        let mut place = TopicPartitionList::new();
        let offset = Offset::Offset(i64::try_from(before).unwrap_or(i64::MAX));
        place.add_partition_offset(topic, signed(partition), offset).map_err(failed)?;
        let deleted = self.admin.delete_records(&place, &self.options).await.map_err(failed)?;
        for element in deleted.elements() {
            element.error().map_err(failed)?;
        }
        Ok(())
    }
}
