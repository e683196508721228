//! What the clients say aside: why a connection fails, and the ids of topics. The library gives
//! neither as an answer: a wrong password is only a call that nobody answers in time, with a line
//! of log beside it, and the id of a topic stands in no answer at all (ADR 0010).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;

use crate::log::LogError;

/// Listens to clients; all of one log share it.
#[derive(Clone, Default)]
pub(super) struct Heard(Arc<Mutex<Said>>);

#[derive(Default)]
struct Said {
    /// The last fault of a connection.
    fault: Option<String>,
    /// Ids by topic.
    topic_ids: HashMap<String, String>,
}

impl Heard {
    fn said(&self) -> MutexGuard<'_, Said> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A failure of the brokers, or of the way to them, with what was last heard of the way.
    pub(super) fn error(&self, doing: impl Into<String>, source: KafkaError) -> LogError {
        let fault = self.said().fault.take();
        let heard = fault.map(|fault| format!("; last heard: {fault}")).unwrap_or_default();
        LogError::Kafka { doing: doing.into(), source: Box::new(source), heard }
    }

    pub(super) fn topic_id(&self, topic: &str) -> Option<String> {
        self.said().topic_ids.get(topic).cloned()
    }

    fn hear(&self, level: RDKafkaLogLevel, line: &str) {
        if let Some((topic, id)) = id_in(line) {
            self.said().topic_ids.insert(topic.to_owned(), id.to_owned());
        }
        let is_fault = |level| {
            use RDKafkaLogLevel::{Alert, Critical, Emerg, Error};
            matches!(level, Emerg | Alert | Critical | Error)
        };
        if is_fault(level) {
            tracing::debug!("kafka: {line}");
            let text = line.split_once("]: ").map_or(line, |(_, text)| text);
            self.said().fault = Some(text.to_owned());
        }
    }
}

impl ClientContext for Heard {
    fn log(&self, level: RDKafkaLogLevel, _: &str, line: &str) {
        self.hear(level, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!("kafka: {error}: {reason}");
    }
}

impl ConsumerContext for Heard {}

/// Topic and id of a line like `… Topic raw.meituan changed id from AAA to q83v…`.
fn id_in(line: &str) -> Option<(&str, &str)> {
    let (_, told) = line.split_once("Topic ")?;
    let (topic, ids) = told.split_once(" changed id from ")?;
    let (_, id) = ids.split_once(" to ")?;
    Some((topic, id.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_out_of_its_line_and_out_of_no_other() {
        let line = "[thrd:main]: Topic raw.meituan changed id from AAAAAAAAAAAAAAAAAAAAAA to q83v";
        assert_eq!(id_in(line), Some(("raw.meituan", "q83v")));
        for line in [
            "[thrd:main]: Topic raw.meituan partition count changed from 0 to 3",
            "[thrd:main]: Topic raw.meituan [0] 1 to 2",
        ] {
            assert_eq!(id_in(line), None, "{line}");
        }
    }

    #[test]
    fn an_error_tells_the_last_fault_and_tells_it_once() {
        let heard = Heard::default();
        heard.hear(RDKafkaLogLevel::Debug, "[thrd:main]: nothing of importance");
        heard.hear(RDKafkaLogLevel::Error, "[thrd:b]: b:1: Authentication failed");
        let error = heard.error("asking", KafkaError::Canceled).to_string();
        assert!(error.ends_with("; last heard: b:1: Authentication failed"), "{error}");
        let error = heard.error("asking", KafkaError::Canceled).to_string();
        assert!(!error.contains("heard"), "{error}");
    }
}
