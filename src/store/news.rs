//! What owners look for before they read the log, found for all partitions at once: of hundreds,
//! nearly all have neither.

use std::collections::BTreeSet;

use sqlx::Row;

use super::positions::PartitionKey;
use super::{StoreError, Tx, column, pauses};
use crate::domain::ids::ConnectorId;

/// Which connectors are paused, and for which partitions handoff waits.
#[derive(Debug, Default)]
pub struct News {
    paused: BTreeSet<String>,
    handed: BTreeSet<PartitionKey>,
}

impl News {
    /// Whether a partition or its connector has any.
    #[must_use]
    pub fn has_any(&self, connector: &ConnectorId, key: &PartitionKey) -> bool {
        self.paused.contains(connector.as_str()) || self.handed.contains(key)
    }
}

/// The news of all partitions.
///
/// # Errors
/// [`StoreError`] where the engine refuses.
pub async fn of_all(tx: &mut Tx) -> Result<News, StoreError> {
    let paused = pauses::all(tx).await?.into_iter().map(|pause| pause.connector).collect();
    let rows = sqlx::query("select distinct topic, to_partition from handoff")
        .fetch_all(&mut **tx)
        .await?;
    let key = |row: &sqlx::any::AnyRow| {
        let partition = column::number(row, "to_partition", "handoff.to_partition")?;
        Ok(PartitionKey { topic: row.try_get("topic")?, partition })
    };
    Ok(News { paused, handed: rows.iter().map(key).collect::<Result<_, StoreError>>()? })
}
