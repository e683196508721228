//! A stream that is one record as a whole: a value that is compressed has no line ends to look for.

use super::buffer::Buffer;

/// Takes the whole stream.
pub(super) struct Whole {
    record_bytes_max: usize,
    record: Vec<u8>,
}

impl Whole {
    pub(super) const fn new(record_bytes_max: usize) -> Self {
        Self { record_bytes_max, record: Vec::new() }
    }

    pub(super) fn next(&mut self, buffer: &mut Buffer, ended: bool) -> Option<Vec<u8>> {
        let rest = buffer.rest();
        let room = self.record_bytes_max.saturating_add(1).saturating_sub(self.record.len());
        self.record.extend_from_slice(rest.get(..room).unwrap_or(rest));
        let taken = rest.len();
        buffer.consume(taken);
        if !ended || self.record.is_empty() {
            return None;
        }
        buffer.end_record();
        Some(std::mem::take(&mut self.record))
    }
}
