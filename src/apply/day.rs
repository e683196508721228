//! One day of one partition, read back from its segments: the one place that knows in which order
//! they make the day.

use crate::domain::time::Day;
use crate::orders::seal::OpenDay;
use crate::orders::segment::decode;
use crate::store::Tx;
use crate::store::positions::PartitionKey;
use crate::store::segments::{self, SegmentKind, StoredSegment};

use super::engine::EngineError;

/// A day and the segments that it was read from.
pub(super) struct ReadDay {
    pub(super) day: OpenDay,
    /// The segments that it was read from, without their bytes.
    pub(super) segments: Vec<StoredSegment>,
}

/// Reads all orders of a day, open or sealed: sealed chunks, then base segments by ordinal (those
/// of a sealed day are of late runs), then what came after the first events.
///
/// # Errors
/// [`EngineError`] where the database refuses or a segment is damaged.
pub(super) async fn read_day(
    tx: &mut Tx,
    key: &PartitionKey,
    day: Day,
) -> Result<ReadDay, EngineError> {
    let mut whole = ReadDay { day: OpenDay::default(), segments: Vec::new() };
    for kind in [SegmentKind::Sealed, SegmentKind::Base, SegmentKind::Delta] {
        for mut segment in segments::of_kind(tx, key, kind, Some(day)).await? {
            let (_, rows) = decode(&std::mem::take(&mut segment.bytes))?;
            if kind == SegmentKind::Delta {
                whole.day.add_delta(&rows);
            } else {
                whole.day.add_base(&rows);
            }
            whole.segments.push(segment);
        }
    }
    Ok(whole)
}
