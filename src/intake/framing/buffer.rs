//! The bytes of a stream that are not cut yet, and the running digest of those that are.

use sha2::{Digest, Sha256};

/// A window on the stream. Positions count from the beginning of the stream.
pub(super) struct Buffer {
    bytes: Vec<u8>,
    /// Index in `bytes` of the first byte that is not consumed.
    start: usize,
    /// Position of `bytes[0]`.
    base: u64,
    running: Sha256,
    /// Position up to which `running` goes.
    hashed: u64,
    record_end: u64,
    /// The digest's state at `record_end`, once `running` has gone past it.
    at_record: Sha256,
}

impl Buffer {
    pub(super) fn new(salt: &[u8]) -> Self {
        let running = Sha256::new_with_prefix(salt);
        Self {
            bytes: Vec::new(),
            start: 0,
            base: 0,
            at_record: running.clone(),
            running,
            hashed: 0,
            record_end: 0,
        }
    }

    pub(super) fn push(&mut self, chunk: &[u8]) {
        self.hash_to(self.position());
        self.bytes.drain(..self.start);
        self.base = self.base.saturating_add(wide(self.start));
        self.start = 0;
        self.bytes.extend_from_slice(chunk);
    }

    /// What is not consumed.
    pub(super) fn rest(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.bytes.len());
    }

    /// Position of the first byte that is not consumed.
    pub(super) fn position(&self) -> u64 {
        self.base.saturating_add(wide(self.start))
    }

    /// What is consumed so far ends with a record.
    pub(super) fn end_record(&mut self) {
        self.record_end = self.position();
    }

    pub(super) fn record_end(&self) -> u64 {
        self.record_end
    }

    pub(super) fn record_digest(&mut self) -> [u8; 32] {
        self.hash_to(self.record_end);
        self.at_record.clone().finalize().into()
    }

    pub(super) fn whole_digest(&mut self) -> ([u8; 32], u64) {
        let end = self.base.saturating_add(wide(self.bytes.len()));
        self.hash_to(end);
        (self.running.clone().finalize().into(), end)
    }

    /// Brings the digest up to a position, stopping at the record's end on the way.
    fn hash_to(&mut self, position: u64) {
        if self.hashed <= self.record_end && self.record_end <= position {
            self.update(self.record_end);
            self.at_record = self.running.clone();
        }
        self.update(position);
    }

    fn update(&mut self, position: u64) {
        let index = |at: u64| usize::try_from(at.saturating_sub(self.base)).unwrap_or(usize::MAX);
        let range = index(self.hashed)..index(position);
        if let Some(bytes) = self.bytes.get(range) {
            self.running.update(bytes);
            self.hashed = self.hashed.max(position);
        }
    }
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
