//! Messages that wait for the hour in which they arrive.

use std::collections::VecDeque;

use super::platforms::STREAMS;

/// Records of one stream that arrive in one hour.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// The records, one after another.
    pub(super) bytes: Vec<u8>,
    /// Where each of them ends.
    pub(super) ends: Vec<usize>,
    /// Whether each of them is of a status that is always ignored.
    pub(super) ignored: Vec<bool>,
}

impl Batch {
    /// The record at a position.
    pub(super) fn record(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[at]]
    }

    /// How many records there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }
}

/// A queue of hours, each with a batch a stream.
#[derive(Debug)]
pub(super) struct Calendar {
    now: i64,
    hours: VecDeque<Vec<Batch>>,
}

impl Calendar {
    /// An empty calendar whose first hour is `hour`.
    pub(super) fn new(hour: i64) -> Self {
        Self { now: hour, hours: VecDeque::new() }
    }

    /// The hour that is taken next.
    pub(super) fn now(&self) -> i64 {
        self.now
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.hours.is_empty()
    }

    /// Adds a record of `stream` to an hour that is not over yet.
    pub(super) fn push(&mut self, hour: i64, stream: usize, record: &[u8], ignored: bool) {
        let ahead = usize::try_from(hour - self.now);
        let ahead = ahead.expect("a message arrives now or later");
        while self.hours.len() <= ahead {
            self.hours.push_back(Vec::new());
        }
        let batches = &mut self.hours[ahead];
        if batches.is_empty() {
            batches.resize_with(STREAMS.len(), Batch::default);
        }
        let batch = &mut batches[stream];
        batch.bytes.extend_from_slice(record);
        batch.ends.push(batch.bytes.len());
        batch.ignored.push(ignored);
    }

    /// Takes the hour that is over and goes to the next. The answer is empty or has one batch a
    /// stream.
    pub(super) fn turn(&mut self) -> Vec<Batch> {
        self.now += 1;
        self.hours.pop_front().unwrap_or_default()
    }
}
