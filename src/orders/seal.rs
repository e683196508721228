//! Sealing a day of one partition: fold every order into one row, sort by rider, cut into chunks.
//!
//! What does not fold (reassignments, fields that a later event filled, cancellations before
//! acceptance) stays as deltas under the order's new ordinal, which is its place in the sorted
//! day. Pure: segments in, segments out.

use std::collections::{BTreeMap, BTreeSet};

use super::columns::Columns;
use super::identity::Fingerprints;
use super::index::{Chunk, FingerprintRun, RidersByDay, encode_index};
use super::ints::ABSENT;
use super::order::{Order, Standing};
use super::resolve::place_in_scope;
use super::segment::{SegmentError, SegmentHead, encode_small};
use crate::domain::event::OrderKind;
use crate::domain::ids::{OrderId, PlatformId, WorkerToken};
use crate::policy::Policy;

/// Rows of one sealed chunk: evidence of one person reads one or two of them.
const CHUNK_ROWS: usize = 8192;

/// A day as one owner's segments give it: first events in order of ordinals, then deltas.
#[derive(Clone, Debug, Default)]
pub struct OpenDay {
    pub(super) base: Columns,
    /// Deltas that do not fold: rows by ordinal.
    pub(super) amending: BTreeMap<u32, Columns>,
}

/// A sealed day, ready to be written.
#[derive(Clone, Debug)]
pub struct SealedDay {
    /// Chunks: first ordinal, rows, bytes.
    pub chunks: Vec<(u32, u64, Vec<u8>)>,
    /// Deltas that did not fold, if any: rows, bytes.
    pub amending: Option<(u64, Vec<u8>)>,
    /// Directory and fingerprints.
    pub index: Vec<u8>,
    /// Riders of counted orders, by the day that they count on.
    pub riders: RidersByDay,
    /// Number of orders.
    pub orders: u32,
}

impl OpenDay {
    /// Adds a base segment; segments come in order of ordinals.
    pub fn add_base(&mut self, rows: &Columns) {
        for row in 0..rows.rows() {
            self.base.push_row(rows, row, None);
        }
    }

    /// Adds a delta segment; segments come in order of batches.
    pub fn add_delta(&mut self, rows: &Columns) {
        for row in 0..rows.rows() {
            let ordinal = rows.ordinals.get(row).copied().unwrap_or(ABSENT);
            let Ok(place) = usize::try_from(ordinal) else { continue };
            if is_foldable(&self.base, place, rows, row) {
                self.fold(place, rows, row);
            } else if let Ok(ordinal) = u32::try_from(ordinal) {
                self.amending.entry(ordinal).or_default().push_row(rows, row, None);
            }
        }
    }

    fn fold(&mut self, place: usize, rows: &Columns, row: usize) {
        let base = &mut self.base;
        if let Some(bits) = base.kinds.get_mut(place) {
            *bits |= i64::from(rows.kind_bits(row));
        }
        for (own, theirs) in
            [(&mut base.ended, &rows.ended), (&mut base.service_counties, &rows.service_counties)]
        {
            if let (Some(own), Some(theirs)) = (own.get_mut(place), theirs.get(row))
                && *own == ABSENT
            {
                *own = *theirs;
            }
        }
    }

    /// Number of orders.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.base.rows()
    }

    /// Fingerprints of all orders.
    #[must_use]
    pub fn fingerprints(&self, prints: &Fingerprints) -> Vec<u64> {
        let ids = (0..self.base.rows()).filter_map(|row| self.base.ids.get(row));
        ids.map(|id| prints.of(id)).collect()
    }

    /// The orders whose fingerprint is among `wanted`: ordinal and order.
    #[must_use]
    pub fn find(
        &self,
        prints: &Fingerprints,
        wanted: &BTreeSet<u64>,
        platform: &PlatformId,
    ) -> Vec<(u32, Order)> {
        let mut found = Vec::new();
        for (row, ordinal) in (0..self.base.rows()).zip(0u32..) {
            let Some(id) = self.base.ids.get(row) else { continue };
            if wanted.contains(&prints.of(id))
                && let Some(order) = self.order(row, ordinal, platform)
            {
                found.push((ordinal, order));
            }
        }
        found
    }

    /// The orders that one of these riders accepted, or was given later.
    #[must_use]
    pub fn orders_of(&self, workers: &BTreeSet<WorkerToken>, platform: &PlatformId) -> Vec<Order> {
        let is_wanted =
            |token: &i64| *token != ABSENT && workers.contains(&WorkerToken(token.cast_unsigned()));
        let mut orders = Vec::new();
        for (row, ordinal) in (0..self.base.rows()).zip(0u32..) {
            let own = self.base.workers.get(row).is_some_and(is_wanted);
            let later = self.amending.get(&ordinal);
            let later = later.is_some_and(|side| side.workers.iter().any(is_wanted));
            if own || later {
                orders.extend(self.order(row, ordinal, platform));
            }
        }
        orders
    }

    fn order(&self, row: usize, ordinal: u32, platform: &PlatformId) -> Option<Order> {
        let first = self.base.event(row, platform, None)?;
        let id = first.order_id.clone();
        let mut order = Order::from_first(first, self.base.kind_bits(row));
        add_amending(&mut order, self.amending.get(&ordinal), &id, platform);
        Some(order)
    }

    /// Folds, sorts and writes, leaving out the orders in `taken_back`.
    ///
    /// # Errors
    /// [`SegmentError::Compression`] where the compressor fails.
    pub fn seal(
        &self,
        head: SegmentHead,
        prints: &Fingerprints,
        platform: &PlatformId,
        policy: &Policy,
        taken_back: &BTreeSet<u32>,
    ) -> Result<SealedDay, SegmentError> {
        let mut rows: Vec<usize> = (0..self.base.rows()).collect();
        rows.retain(|row| u32::try_from(*row).is_ok_and(|row| !taken_back.contains(&row)));
        rows.sort_by_key(|row| {
            let at = |column: &[i64]| column.get(*row).copied().unwrap_or(ABSENT);
            (at(&self.base.workers), at(&self.base.accepted))
        });
        let mut amending = Columns::default();
        let mut riders = RidersByDay::new();
        let mut fingerprints = Vec::with_capacity(rows.len());
        for (row, ordinal) in rows.iter().zip(0i64..) {
            let old = u32::try_from(*row).unwrap_or(u32::MAX);
            if let Some(side) = self.amending.get(&old) {
                (0..side.rows()).for_each(|n| amending.push_row(side, n, Some(ordinal)));
            }
            let id = self.base.ids.get(*row).unwrap_or_default();
            fingerprints.push(prints.of(id));
            if let Some(order) = self.order(*row, old, platform) {
                count_riders(&order, policy, 1, &mut riders);
            }
        }
        let (chunks, directory) = self.chunks(head, &rows)?;
        let amending = match amending.rows() {
            0 => None,
            rows => Some((u64::try_from(rows).unwrap_or(0), encode_small(head, &amending)?)),
        };
        Ok(SealedDay {
            chunks,
            amending,
            index: encode_index(&directory, &FingerprintRun::of(fingerprints)),
            riders,
            orders: u32::try_from(rows.len()).unwrap_or(u32::MAX),
        })
    }

    #[expect(clippy::type_complexity, reason = "the chunks and their directory, made together")]
    fn chunks(
        &self,
        head: SegmentHead,
        rows: &[usize],
    ) -> Result<(Vec<(u32, u64, Vec<u8>)>, Vec<Chunk>), SegmentError> {
        let (mut chunks, mut directory) = (Vec::new(), Vec::new());
        let mut first_ordinal = 0u32;
        for part in rows.chunks(CHUNK_ROWS) {
            let mut sorted = Columns::default();
            part.iter().for_each(|row| sorted.push_row(&self.base, *row, None));
            let count = u32::try_from(part.len()).unwrap_or(u32::MAX);
            directory.push(Chunk {
                first_ordinal,
                rider_min: sorted.workers.first().copied().unwrap_or(ABSENT),
                rider_max: sorted.workers.last().copied().unwrap_or(ABSENT),
            });
            chunks.push((first_ordinal, u64::from(count), encode_small(head, &sorted)?));
            first_ordinal += count;
        }
        Ok((chunks, directory))
    }
}

/// Adds stored deltas to an order that was read back.
pub(super) fn add_amending(
    order: &mut Order,
    side: Option<&Columns>,
    id: &OrderId,
    platform: &PlatformId,
) {
    let Some(side) = side else { return };
    for row in 0..side.rows() {
        if let Some(event) = side.event(row, platform, Some(id)) {
            order.add(event);
        }
    }
}

/// Adds the riders of an order, if it counts, `change` times each.
pub(super) fn count_riders(order: &Order, policy: &Policy, change: i64, riders: &mut RidersByDay) {
    let standing = order.standing();
    let Some(place) = place_in_scope(policy, Some(&standing)) else { return };
    let Some(unit) = policy.unit_of(place.county) else { return };
    let on_day = riders.entry(place.day).or_default();
    let workers: BTreeSet<_> = order.acceptors().collect();
    for worker in workers {
        *on_day.entry((unit, worker)).or_insert(0) += change;
    }
}

/// A delta folds where it says no more than a kind and when it ended: a cancellation only where
/// it came after the acceptance, and nothing into an order without acceptance or whose own first
/// event is a cancellation before it, since a folded row keeps one time for all its kinds.
fn is_foldable(base: &Columns, place: usize, rows: &Columns, row: usize) -> bool {
    let at = |column: &[i64], row: usize| column.get(row).copied().unwrap_or(ABSENT);
    let accepted = at(&base.accepted, place);
    let is_cancel = |rows: &Columns, row| rows.kind_bits(row) & OrderKind::Cancelled.bit() != 0;
    if accepted == ABSENT || (is_cancel(base, place) && at(&base.occurred, place) < accepted) {
        return false;
    }
    let says_more = [&rows.workers, &rows.accepted, &rows.counties, &rows.lines]
        .into_iter()
        .any(|column| at(column, row) != ABSENT);
    !says_more && (!is_cancel(rows, row) || at(&rows.occurred, row) >= accepted)
}

/// Whether an order counts within the scheme.
#[must_use]
pub fn counts(policy: &Policy, standing: &Standing) -> bool {
    place_in_scope(policy, Some(standing)).is_some()
}
