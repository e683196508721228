//! Events other than orders: rows of the publishing outbox, in order, deleted once the append is
//! confirmed.

use super::{CanonicalError, Publisher};
use crate::log::{NewRecord, partition_of};
use crate::schema::Record;
use crate::schema::framing::frame;
use crate::store::StoreError;
use crate::store::publish_outbox::{Stored, delete, first};

impl Publisher {
    /// Appends what waits for a topic, at most one reading; `None` where nothing waits.
    pub(crate) async fn append_others(
        &self,
        topic: &'static str,
    ) -> Result<Option<Vec<Stored>>, CanonicalError> {
        let mut tx = self.db.snapshot().await?;
        let rows = first(&mut tx, topic, self.limits.outbox_rows_max).await?;
        tx.commit().await?;
        if rows.is_empty() {
            return Ok(None);
        }
        let mut records = Vec::with_capacity(rows.len());
        for row in &rows {
            let partition = partition_of(row.key.as_bytes(), self.limits.other_partitions);
            let schema_id = self.ids.get(record_of(&row.record)?);
            let (key, value) = (row.key.clone().into_bytes(), frame(schema_id, &row.datum));
            records.push(NewRecord { partition, key, value });
        }
        self.append(topic, records).await?;
        Ok(Some(rows))
    }

    /// Deletes rows after the log confirmed them.
    pub(super) async fn confirm_others(
        &self,
        topic: &'static str,
        rows: &[Stored],
    ) -> Result<(), CanonicalError> {
        let mut tx = self.db.begin().await?;
        delete(&mut tx, topic, rows).await?;
        tx.commit().await?;
        Ok(())
    }
}

fn record_of(name: &str) -> Result<Record, StoreError> {
    let found = Record::ALL.iter().copied().find(|record| record.name() == name);
    found.ok_or_else(|| {
        let detail = format!("expected the name of a canonical record, found {name:?}");
        StoreError::Damaged { what: "publish_outbox.record", detail }
    })
}
