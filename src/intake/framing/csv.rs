//! CSV records: a line end outside quotes ends a record. The first record is the header line.
//!
//! Bytes are looked at without decoding. That is right for UTF-8, and for GB18030 too: the second
//! byte of its two-byte characters is 0x40–0x7E or 0x80–0xFE, second and fourth byte of its
//! four-byte characters are 0x30–0x39; none of them is a quote (0x22), comma (0x2C), CR or LF.
//!
//! A quote that is not closed within the record limit, or before the stream ends, opened no field:
//! the line it stands in is a record of its own (normalize holds it), and framing goes on with the
//! next line. So one stray quote costs one line, never the rest of the file.

use super::FramingError;
use super::buffer::Buffer;
use super::lines::{end_cut, finish, head, skip_byte_order_mark};

/// Cuts CSV records.
pub(super) struct CsvRecords {
    record_bytes_max: usize,
    header: Option<Vec<u8>>,
    scan: Scan,
    /// The beginning of an oversized line whose end is still to come.
    cut: Option<Vec<u8>>,
}

/// How far the rest is looked at.
#[derive(Clone, Copy, Default)]
struct Scan {
    at: usize,
    place: Field,
    /// The first line end within quotes.
    first_line_end: Option<usize>,
}

/// Where in a field the scan stands; the same automaton as the CSV reader's.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Field {
    #[default]
    Start,
    Plain,
    Quoted,
    /// Behind a quote in a quoted field: the closing one, or the first of an escaped pair.
    Closing,
}

impl CsvRecords {
    pub(super) fn new(record_bytes_max: usize) -> Self {
        Self { record_bytes_max, header: None, scan: Scan::default(), cut: None }
    }

    pub(super) fn header(&self) -> Option<&[u8]> {
        self.header.as_deref()
    }

    pub(super) fn next(
        &mut self,
        buffer: &mut Buffer,
        ended: bool,
    ) -> Result<Option<Vec<u8>>, FramingError> {
        if !skip_byte_order_mark(buffer, ended) {
            return Ok(None);
        }
        while let Some(record) = self.record(buffer, ended) {
            if self.header.is_some() {
                buffer.end_record();
                return Ok(Some(record));
            }
            if record.len() > self.record_bytes_max {
                return Err(FramingError::HeaderTooLong { bytes_max: self.record_bytes_max });
            }
            self.header = Some(record);
        }
        Ok(None)
    }

    fn record(&mut self, buffer: &mut Buffer, ended: bool) -> Option<Vec<u8>> {
        loop {
            if self.cut.is_some() {
                return end_cut(&mut self.cut, buffer, ended);
            }
            let rest = buffer.rest();
            let bytes_max = self.record_bytes_max + 2;
            let end = self.scan.advance(rest.get(..bytes_max).unwrap_or(rest));
            let overflow = end.is_none() && rest.len() >= bytes_max;
            let (line, taken) = match (end, self.scan.first_line_end) {
                (Some(end), _) => (head(rest, end), end + 1),
                (None, Some(end)) if overflow || ended => (head(rest, end), end + 1),
                (None, None) if overflow => {
                    self.cut = Some(head(rest, self.record_bytes_max + 1));
                    self.scan = Scan::default();
                    continue;
                }
                (None, None) if ended && !rest.is_empty() => (rest.to_vec(), rest.len()),
                (None, Some(_) | None) => return None,
            };
            self.scan = Scan::default();
            buffer.consume(taken);
            if let Some(record) = finish(line, self.record_bytes_max) {
                return Some(record);
            }
        }
    }
}

impl Scan {
    /// Looks at the bytes that are new; the index of the record's end, if it is there.
    fn advance(&mut self, bytes: &[u8]) -> Option<usize> {
        for (at, byte) in bytes.iter().enumerate().skip(self.at) {
            match (self.place, *byte) {
                (Field::Quoted, b'"') => self.place = Field::Closing,
                (Field::Quoted, b'\n') => {
                    self.first_line_end.get_or_insert(at);
                }
                (Field::Quoted, _) => {}
                (Field::Start | Field::Closing, b'"') => self.place = Field::Quoted,
                (Field::Start | Field::Plain | Field::Closing, b'\n') => return Some(at),
                (Field::Start | Field::Plain | Field::Closing, b',') => self.place = Field::Start,
                (Field::Start | Field::Plain | Field::Closing, _) => self.place = Field::Plain,
            }
        }
        self.at = bytes.len();
        None
    }
}
