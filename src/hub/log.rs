//! Trimming the embedded log: what is applied and of no open day, where it is older or more than
//! the limits permit.

use super::{Hub, HubError};
use crate::log::embedded::{Retention, TrimBound, Trimmed};
use crate::store::positions::done_with;

impl Hub {
    /// Trims the log within the hub's own limits.
    ///
    /// # Errors
    /// [`HubError`] where database or log refuse.
    pub async fn trim_log(&self) -> Result<Trimmed, HubError> {
        self.trim_log_to(self.retention).await
    }

    /// Trims the log to these limits, never what is not applied or of an open day.
    ///
    /// # Errors
    /// As [`Hub::trim_log`].
    pub async fn trim_log_to(&self, retention: Retention) -> Result<Trimmed, HubError> {
        let mut tx = self.engine.db.snapshot().await?;
        let done = done_with(&mut tx).await?;
        tx.commit().await?;
        let bounds = done.into_iter().map(|(key, before)| TrimBound {
            topic: key.topic,
            partition: key.partition,
            before,
        });
        Ok(self.log.retain(&bounds.collect::<Vec<_>>(), retention).await?)
    }
}
