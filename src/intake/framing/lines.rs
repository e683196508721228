//! JSON lines. CRLF is a line end too, blank lines are no records, a byte order mark before the
//! first line is no part of it, and a last line needs no end.

use super::buffer::Buffer;

pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Cuts lines.
pub(super) struct Lines {
    record_bytes_max: usize,
    /// Bytes of the rest that have no line end.
    scanned: usize,
    /// The beginning of an oversized line whose end is still to come.
    cut: Option<Vec<u8>>,
}

impl Lines {
    pub(super) fn new(record_bytes_max: usize) -> Self {
        Self { record_bytes_max, scanned: 0, cut: None }
    }

    pub(super) fn next(&mut self, buffer: &mut Buffer, ended: bool) -> Option<Vec<u8>> {
        if !skip_byte_order_mark(buffer, ended) {
            return None;
        }
        loop {
            if self.cut.is_some() {
                return end_cut(&mut self.cut, buffer, ended);
            }
            let rest = buffer.rest();
            let unseen = rest.get(self.scanned..).unwrap_or_default();
            let end = memchr::memchr(b'\n', unseen).map(|at| self.scanned + at);
            // Both the last byte of the limit and a CR may still come before the line end, so
            // that how the stream was split makes no difference.
            let within = end.filter(|end| *end <= self.record_bytes_max + 1);
            if within.is_none() && rest.len() > self.record_bytes_max + 1 {
                self.cut = Some(head(rest, self.record_bytes_max + 1));
                self.scanned = 0;
                continue;
            }
            let (line, taken) = match within {
                Some(end) => (head(rest, end), end + 1),
                None if ended && !rest.is_empty() => (rest.to_vec(), rest.len()),
                None => {
                    self.scanned = rest.len();
                    return None;
                }
            };
            self.scanned = 0;
            buffer.consume(taken);
            if let Some(record) = finish(line, self.record_bytes_max) {
                buffer.end_record();
                return Some(record);
            }
        }
    }
}

/// Whether the stream stands behind its byte order mark, if it has one.
pub(super) fn skip_byte_order_mark(buffer: &mut Buffer, ended: bool) -> bool {
    if buffer.position() > 0 {
        return true;
    }
    let rest = buffer.rest();
    if rest.starts_with(BYTE_ORDER_MARK) {
        buffer.consume(BYTE_ORDER_MARK.len());
        return true;
    }
    ended || rest.len() >= BYTE_ORDER_MARK.len() || !BYTE_ORDER_MARK.starts_with(rest)
}

/// Drops the rest of an oversized line; gives its beginning once its end is there.
pub(super) fn end_cut(
    cut: &mut Option<Vec<u8>>,
    buffer: &mut Buffer,
    ended: bool,
) -> Option<Vec<u8>> {
    let rest = buffer.rest();
    let end = memchr::memchr(b'\n', rest);
    buffer.consume(end.map_or(rest.len(), |end| end + 1));
    if end.is_none() && !ended {
        return None;
    }
    buffer.end_record();
    cut.take()
}

/// The record of a line: without its CR, cut where it is too long, `None` where it is blank.
pub(super) fn finish(mut line: Vec<u8>, record_bytes_max: usize) -> Option<Vec<u8>> {
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    if line.len() > record_bytes_max {
        line.truncate(record_bytes_max + 1);
        return Some(line);
    }
    if line.iter().all(u8::is_ascii_whitespace) { None } else { Some(line) }
}

pub(super) fn head(bytes: &[u8], count: usize) -> Vec<u8> {
    bytes.get(..count).unwrap_or(bytes).to_vec()
}
