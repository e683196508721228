//! How far an owner is behind a log that drops records by their age, applied or not. What is about
//! to be dropped unapplied must be said while there is time to do something about it.

use crate::domain::time::Moment;
use crate::store::positions::PartitionKey;

/// Watches one partition.
pub(super) struct Lag {
    retention_ms: Option<i64>,
    is_told: bool,
}

impl Lag {
    pub(super) const fn new(retention_ms: Option<i64>) -> Self {
        Self { retention_ms, is_told: false }
    }

    /// Whether the log drops records at all.
    pub(super) const fn is_bounded(&self) -> bool {
        self.retention_ms.is_some()
    }

    /// Warns, once each time, when the next record to apply has lain for half of its time.
    pub(super) fn check(&mut self, key: &PartitionKey, received_at: Moment, now: Moment) {
        let Some(retention_ms) = self.retention_ms else { return };
        let waited_ms = now.since_ms(received_at);
        let is_late = is_late(waited_ms, retention_ms);
        if is_late && !self.is_told {
            tracing::warn!(
                topic = key.topic,
                partition = key.partition,
                waited_ms,
                retention_ms,
                "expected messages applied within half of the log's retention, found one that \
                 waited longer; raise retention.ms of the topic, or add an instance"
            );
        }
        self.is_told = is_late;
    }
}

const fn is_late(waited_ms: i64, retention_ms: i64) -> bool {
    waited_ms > retention_ms / 2
}

#[cfg(test)]
mod tests {
    use super::is_late;

    #[test]
    fn half_of_the_retention_is_the_border() {
        assert!(!is_late(30_000, 60_000));
        assert!(is_late(30_001, 60_000));
        assert!(!is_late(-5, 60_000), "a sender's clock that is ahead");
    }
}
