//! One day of one partition, read back from its segments: the one place that knows in which order
//! they make the day. What some riders did on a sealed day is found without reading all of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::ids::{PlatformId, WorkerToken};
use crate::domain::time::Day;
use crate::orders::columns::Columns;
use crate::orders::identity::Fingerprints;
use crate::orders::index::{decode_directory, directory_bytes_max};
use crate::orders::order::Order;
use crate::orders::part::Deltas;
use crate::orders::seal::OpenDay;
use crate::orders::segment::{self, SegmentHead, decode};
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
    read_day_seen(tx, key, day, &mut |_, _, _| Ok(())).await
}

/// Sees a segment with its rows, and the day as far as it was read before.
pub(super) type See<'a> =
    dyn FnMut(&StoredSegment, &Decoded, &OpenDay) -> Result<(), EngineError> + Send + 'a;

/// A segment as it was decoded.
pub(super) type Decoded = (SegmentHead, Columns);

/// As [`read_day`], and shows every segment on the way.
///
/// # Errors
/// As [`read_day`], and what `see` says.
pub(super) async fn read_day_seen(
    tx: &mut Tx,
    key: &PartitionKey,
    day: Day,
    see: &mut See<'_>,
) -> Result<ReadDay, EngineError> {
    let mut whole = ReadDay { day: OpenDay::default(), segments: Vec::new() };
    for kind in [SegmentKind::Sealed, SegmentKind::Base, SegmentKind::Delta] {
        for mut segment in segments::of_kind(tx, key, kind, Some(day)).await? {
            let decoded = decode(&segment.bytes)?;
            see(&segment, &decoded, &whole.day)?;
            if kind == SegmentKind::Delta {
                whole.day.add_delta(&decoded.1);
            } else {
                whole.day.add_base(&decoded.1);
            }
            segment.bytes = Vec::new();
            whole.segments.push(segment);
        }
    }
    Ok(whole)
}

/// Whether a sealed day has an order with one of these fingerprints. Only order numbers are read.
///
/// # Errors
/// [`EngineError`] where the database refuses or a segment is damaged.
pub(super) async fn has_order(
    tx: &mut Tx,
    key: &PartitionKey,
    day: Day,
    prints: &Fingerprints,
    wanted: &BTreeSet<u64>,
) -> Result<bool, EngineError> {
    for kind in [SegmentKind::Sealed, SegmentKind::Base] {
        for (first, batch, _) in segments::sizes(tx, key, kind, day).await? {
            let segment = segments::get(tx, key, kind, day, first, batch).await?;
            if let Some(segment) = segment
                && segment::has_order(&segment.bytes, prints, wanted)?
            {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Orders of some riders, and how much was read to find them.
#[derive(Default)]
pub(super) struct RidersOrders {
    pub(super) orders: Vec<Order>,
    /// Sealed chunks of the day that were read.
    pub(super) chunks_read: usize,
}

/// The orders of a day that one of these riders accepted, or was given later. Of a sealed day only
/// those chunks are read that can hold one of them, and what late runs added; an open day whole.
///
/// # Errors
/// [`EngineError`] where the database refuses or a segment is damaged.
pub(super) async fn orders_of_riders(
    tx: &mut Tx,
    key: &PartitionKey,
    day: Day,
    riders: &BTreeSet<WorkerToken>,
    platform: &PlatformId,
) -> Result<RidersOrders, EngineError> {
    let mut found = RidersOrders::default();
    let chunks = segments::sizes(tx, key, SegmentKind::Sealed, day).await?;
    if chunks.is_empty() {
        found.orders = read_day(tx, key, day).await?.day.orders_of(riders, platform);
        return Ok(found);
    }
    let mut deltas = Deltas::default();
    for segment in segments::of_kind(tx, key, SegmentKind::Delta, Some(day)).await? {
        deltas.add(decode(&segment.bytes)?.1);
    }
    let given_later = deltas.ordinals_of(riders);
    let bytes_max = directory_bytes_max(chunks.len());
    let mut directory = BTreeMap::new();
    for index in segments::beginnings(tx, key, SegmentKind::Index, day, bytes_max).await? {
        let chunks = decode_directory(&index)?.into_iter();
        directory.extend(chunks.map(|chunk| (chunk.first_ordinal, chunk)));
    }
    for (first, batch, rows) in chunks {
        let next = first.saturating_add(u32::try_from(rows).unwrap_or(u32::MAX));
        let may_hold = directory.get(&first).is_none_or(|chunk| chunk.can_hold(riders));
        if !may_hold && given_later.range(first..next).next().is_none() {
            continue;
        }
        let chunk = segments::get(tx, key, SegmentKind::Sealed, day, first, batch).await?;
        let Some(chunk) = chunk else { continue };
        let part = deltas.over(first, &decode(&chunk.bytes)?.1);
        found.orders.extend(part.orders_of(riders, platform));
        found.chunks_read += 1;
    }
    for late in segments::of_kind(tx, key, SegmentKind::Base, Some(day)).await? {
        let part = deltas.over(late.first_ordinal, &decode(&late.bytes)?.1);
        found.orders.extend(part.orders_of(riders, platform));
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
