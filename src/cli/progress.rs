//! Progress bars.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::hub::{Arrived, Hub, HubError};
use crate::intake::file::Ingested;

const SHAPE: &str = "{prefix:>10} {wide_bar} {human_pos} {msg} {elapsed}";
const OPEN: &str = "{prefix:>10} {spinner} {human_pos} {msg} {per_sec} {elapsed}";

/// A bar of `length` steps, or without an end.
pub(super) fn bar(prefix: &'static str, length: Option<u64>) -> ProgressBar {
    let (bar, shape) = match length {
        Some(length) => (ProgressBar::new(length), SHAPE),
        None => (ProgressBar::new_spinner(), OPEN),
    };
    let style = ProgressStyle::with_template(shape).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style).with_prefix(prefix)
}

/// Takes a file in behind a bar; gives a line that says what was taken.
pub(super) async fn ingest(
    hub: &Hub,
    arrived: &Arrived,
    again: bool,
) -> Result<String, HubError> {
    let bar = bar("ingest", Some(0));
    let shown = bar.clone();
    let mut progress = move |now: crate::intake::file::Progress| {
        shown.set_length(now.bytes_all);
        shown.set_position(now.bytes);
    };
    let ingested = hub.intake().ingest(arrived, again, &mut progress).await?;
    bar.finish_and_clear();
    let path = arrived.path.display();
    Ok(match ingested {
        Ingested::Taken { mark, records_new } => {
            format!("{path}: {records_new} records taken, {} in all", mark.records)
        }
        Ingested::Already { mark } => {
            format!("{path}: taken in before ({} records); --again takes it again", mark.records)
        }
    })
}

/// Processes until nothing is left, behind a bar.
pub(super) async fn process(hub: &mut Hub) -> Result<u64, HubError> {
    let bar = bar("process", None);
    let count = Arc::new(AtomicU64::new(0));
    let ticking = {
        let (bar, count) = (bar.clone(), Arc::clone(&count));
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(100)).await;
                bar.set_position(count.load(Ordering::Relaxed));
            }
        })
    };
    let messages = hub.process_until_idle(&count).await;
    ticking.abort();
    bar.finish_and_clear();
    messages
}
