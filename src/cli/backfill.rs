//! Many files at once, for the demonstration and for a backfill: taken in one after another, and
//! applied meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use super::{CliError, progress};
use crate::hub::{Arrived, Hub, HubError};

/// Bytes that come together before they are applied: a partition's share of them fills a batch.
const APPLY_EVERY_BYTES: u64 = 128 << 20;

/// Takes all files in, in their order of arrival, while what is in the log is applied. Returns the
/// messages applied.
pub(super) async fn take_in_and_apply(
    hub: &mut Hub,
    arrived: Vec<Arrived>,
    again: bool,
) -> Result<u64, CliError> {
    let intake = hub.intake();
    let bar = progress::bar("ingest", u64::try_from(arrived.len()).ok());
    let (bytes, more) = (Arc::new(AtomicU64::new(0)), Arc::new(Notify::new()));
    let (shown, taken, told) = (bar.clone(), Arc::clone(&bytes), Arc::clone(&more));
    let taking = tokio::spawn(async move {
        for file in arrived {
            intake.ingest(&file, again, &mut |_| {}).await?;
            let length = std::fs::metadata(&file.path).map_or(0, |found| found.len());
            taken.fetch_add(length, Ordering::Relaxed);
            told.notify_one();
            shown.inc(1);
        }
        Ok::<(), HubError>(())
    });
    let count = Arc::new(AtomicU64::new(0));
    let mut next = APPLY_EVERY_BYTES;
    tokio::pin!(taking);
    let taken = loop {
        tokio::select! {
            taken = &mut taking => break taken,
            () = more.notified() => {}
        }
        if bytes.load(Ordering::Relaxed) >= next {
            next = bytes.load(Ordering::Relaxed) + APPLY_EVERY_BYTES;
            hub.process_until_idle(&count).await?;
        }
    };
    taken??;
    bar.finish_and_clear();
    hub.process_until_idle(&count).await?;
    Ok(count.load(Ordering::Relaxed))
}
