//! Which segments go together in one pass.

use super::orders::{first_of, lot};
use crate::domain::time::{Day, Moment};
use crate::store::publish::Waiting;
use crate::store::segments::{AFTER_KEPT, AFTER_SEAL, SegmentKind};

const BASE: SegmentKind = SegmentKind::Base;
const DELTA: SegmentKind = SegmentKind::Delta;

fn segment(kind: SegmentKind, day: i32, batches: (u64, u64), rows: u64) -> Waiting {
    Waiting {
        partition: 0,
        day: Day::from_epoch_days(day),
        kind,
        first_ordinal: 0,
        batch: batches.0,
        batch_last: batches.1,
        rows,
        first_offset: 0,
        received_at: Moment::from_ms(0),
    }
}

/// How many of the segments (in order of their last batch) go together, and the cursor after.
fn check(segments: &[(SegmentKind, i32, (u64, u64), u64)], events_max: u64) -> (usize, u64) {
    let waiting =
        segments.iter().map(|(kind, day, batches, rows)| segment(*kind, *day, *batches, *rows));
    let waiting: Vec<_> = waiting.collect();
    let (together, cursor) = lot(&waiting, events_max);
    assert!(together.iter().all(|one| one.batch_last <= cursor));
    (together.len(), cursor)
}

#[test]
fn a_pass_ends_where_its_events_are_enough_and_between_two_batches() {
    let segments = [
        (BASE, 1, (1, 1), 10),
        (DELTA, 1, (1, 1), 10),
        (BASE, 1, (2, 2), 10),
        (BASE, 1, (3, 3), 10),
    ];
    assert_eq!(check(&segments, 1000), (4, 3));
    assert_eq!(check(&segments, 30), (3, 2));
    assert_eq!(check(&segments, 10), (2, 1), "a batch is never cut");
    assert_eq!(check(&segments, 1), (2, 1), "at least one");
}

#[test]
fn a_first_event_never_comes_after_a_delta_that_points_to_it() {
    let segments = [
        (DELTA, 1, (1, 2), 10),
        (DELTA, 1, (3, 5), 10),
        (BASE, 1, (1, 6), 10),
        (BASE, 1, (7, 7), 10),
    ];
    assert_eq!(check(&segments, 10), (3, 6), "the joined base segment comes along");
    let other_day = [(DELTA, 2, (1, 2), 10), (BASE, 1, (1, 6), 10)];
    assert_eq!(check(&other_day, 10), (1, 2), "another day's does not");
}

/// An order is taken back from a day by its seal and found to be of an earlier one by the late run
/// behind it. Previously the earlier day went first, and a consumer took what stands for withdrawn.
#[test]
fn what_a_late_run_finds_goes_behind_what_the_seal_before_it_takes_back() {
    let left = |day, first_ordinal, batch| Waiting {
        first_ordinal,
        ..segment(SegmentKind::Unpublished, day, (batch, batch), 10)
    };
    let (kept, taken_back) = (left(4, 0, 2), left(4, AFTER_KEPT, 5));
    let (found, kept_before) = (left(3, AFTER_SEAL, 6), left(3, 0, 1));
    let all = vec![found.clone(), taken_back.clone(), kept.clone(), kept_before.clone()];
    assert_eq!(first_of(all.clone(), 1000), [kept_before.clone(), kept, taken_back, found]);
    assert_eq!(first_of(all, 1), [kept_before], "at least one");
}
