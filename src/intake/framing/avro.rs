//! Avro object container files: header with schema and codec, then blocks of datums, each block
//! followed by the sync marker of the header. Codecs `null` and `deflate`.
//!
//! The schema of the container must be the feed's own, logical types included: a container of
//! another schema is refused before its first record.

use std::collections::VecDeque;
use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

use apache_avro::Schema;
use apache_avro::schema_equality::{SchemataEq, StructFieldEq};

use super::FramingError;
use super::buffer::Buffer;
use super::datum::{DatumLengths, take_length, take_long};

const MAGIC: &[u8] = b"Obj\x01";
const SYNC_BYTES: usize = 16;
/// Limit of the header: schemas are some kilobytes.
const HEADER_BYTES_MAX: usize = 1 << 20;
/// Limit of a block, as stored and as unpacked; writers cut blocks at some ten kilobytes.
const BLOCK_BYTES_MAX: usize = 16 << 20;

/// Splits a container.
pub(super) struct Container {
    schema: Arc<Schema>,
    record_bytes_max: usize,
    header: Option<Header>,
    block: Vec<u8>,
    datums: VecDeque<Range<usize>>,
}

struct Header {
    deflate: bool,
    sync: [u8; SYNC_BYTES],
}

/// A block as it is stored.
struct Stored {
    count: usize,
    body: Range<usize>,
    length: usize,
}

impl Container {
    pub(super) fn new(schema: Arc<Schema>, record_bytes_max: usize) -> Self {
        Self { schema, record_bytes_max, header: None, block: Vec::new(), datums: VecDeque::new() }
    }

    pub(super) fn next(
        &mut self,
        buffer: &mut Buffer,
        ended: bool,
    ) -> Result<Option<Vec<u8>>, FramingError> {
        loop {
            if let Some(range) = self.datums.pop_front() {
                let end = range.end.min(range.start.saturating_add(self.record_bytes_max + 1));
                let datum = self.block.get(range.start..end).unwrap_or_default();
                buffer.end_record();
                return Ok(Some(datum.to_vec()));
            }
            let more = match self.header {
                None => self.read_header(buffer)?,
                Some(_) => self.read_block(buffer)?,
            };
            let rest = buffer.rest();
            if !more && ended && !(rest.is_empty() && self.header.is_some()) {
                return Err(FramingError::Truncated { at: buffer.position(), bytes: rest.len() });
            }
            if !more {
                return Ok(None);
            }
        }
    }

    /// Whether the header is there.
    fn read_header(&mut self, buffer: &mut Buffer) -> Result<bool, FramingError> {
        let rest = buffer.rest();
        let refused = |found: String| FramingError::ContainerHeader { found };
        if !MAGIC.starts_with(rest.get(..MAGIC.len()).unwrap_or(rest)) {
            return Err(refused("no magic bytes `Obj` and 1".to_owned()));
        }
        let mut at = MAGIC.len();
        let Some(entries) = entries(rest, &mut at) else {
            if rest.len() > HEADER_BYTES_MAX {
                return Err(refused(format!("no end within {HEADER_BYTES_MAX} bytes")));
            }
            return Ok(false);
        };
        let Some(sync) = rest.get(at..).and_then(|rest| rest.first_chunk::<SYNC_BYTES>()) else {
            return Ok(false);
        };
        let entry = |name: &str| {
            let found = entries.iter().find(|(key, _)| *key == name.as_bytes());
            found.map(|(_, value)| String::from_utf8_lossy(value))
        };
        let schema = entry("avro.schema").ok_or_else(|| refused("no avro.schema".to_owned()))?;
        let schema = Schema::parse_str(&schema)
            .map_err(|error| refused(format!("no valid avro.schema: {error}")))?;
        if !(StructFieldEq { include_attributes: false }).compare(&self.schema, &schema) {
            return Err(FramingError::OtherSchema {
                expected: self.schema.canonical_form(),
                found: schema.canonical_form(),
            });
        }
        let deflate = match entry("avro.codec").as_deref() {
            None | Some("null") => false,
            Some("deflate") => true,
            Some(found) => return Err(FramingError::Codec { found: found.to_owned() }),
        };
        self.header = Some(Header { deflate, sync: *sync });
        buffer.consume(at + SYNC_BYTES);
        Ok(true)
    }

    /// Whether a block was there.
    fn read_block(&mut self, buffer: &mut Buffer) -> Result<bool, FramingError> {
        let Some(header) = &self.header else { return Ok(false) };
        let at = buffer.position();
        let rest = buffer.rest();
        let damaged = |detail: String| FramingError::BlockDamaged { at, detail };
        let Some(stored) = stored_block(rest, at)? else { return Ok(false) };
        let Some(body) = rest.get(stored.body.clone()) else { return Ok(false) };
        let Some(sync) = rest.get(stored.body.end..stored.length) else { return Ok(false) };
        if sync != header.sync {
            return Err(damaged(
                "expected the sync marker behind it, found other bytes".to_owned(),
            ));
        }
        self.block.clear();
        if header.deflate {
            let limit = u64::try_from(BLOCK_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
            flate2::read::DeflateDecoder::new(body)
                .take(limit)
                .read_to_end(&mut self.block)
                .map_err(|error| damaged(format!("expected deflated bytes: {error}")))?;
            if self.block.len() > BLOCK_BYTES_MAX {
                return Err(FramingError::BlockTooLarge { at, bytes_max: BLOCK_BYTES_MAX });
            }
        } else {
            self.block.extend_from_slice(body);
        }
        let lengths = DatumLengths::of(&self.schema)
            .map_err(|error| damaged(format!("the feed's schema: {error}")))?;
        let mut start = 0;
        for n in 0..stored.count {
            let rest = self.block.get(start..).unwrap_or_default();
            let length = lengths
                .first(rest)
                .filter(|length| *length > 0)
                .ok_or_else(|| damaged(format!("datum {n}: expected the schema's fields")))?;
            self.datums.push_back(start..start + length);
            start += length;
        }
        if start != self.block.len() {
            let left = self.block.len() - start;
            self.datums.clear();
            return Err(damaged(format!(
                "expected {} datums, found {left} bytes more",
                stored.count
            )));
        }
        buffer.consume(stored.length);
        Ok(true)
    }
}

/// Size and place of a block at the beginning of `rest`, which may still be incomplete.
fn stored_block(rest: &[u8], at: u64) -> Result<Option<Stored>, FramingError> {
    let damaged = |what: &str| FramingError::BlockDamaged {
        at,
        detail: format!("expected {what} from 0 to {BLOCK_BYTES_MAX}"),
    };
    let mut place = 0;
    let (Some(count), Some(size)) = (take_long(rest, &mut place), take_long(rest, &mut place))
    else {
        // Two numbers never take more bytes than this.
        return if rest.len() < 20 { Ok(None) } else { Err(damaged("two numbers")) };
    };
    let count = usize::try_from(count)
        .ok()
        .filter(|count| *count <= BLOCK_BYTES_MAX)
        .ok_or_else(|| damaged("a number of datums"))?;
    let size = usize::try_from(size).map_err(|_negative| damaged("a size in bytes"))?;
    if size > BLOCK_BYTES_MAX {
        return Err(FramingError::BlockTooLarge { at, bytes_max: BLOCK_BYTES_MAX });
    }
    let body = place..place + size;
    Ok(Some(Stored { count, length: body.end + SYNC_BYTES, body }))
}

type Entry<'a> = (&'a [u8], &'a [u8]);

/// The header's map; `None` where its end is not there yet.
fn entries<'a>(bytes: &'a [u8], at: &mut usize) -> Option<Vec<Entry<'a>>> {
    let mut entries = Vec::new();
    loop {
        let count = take_long(bytes, at)?;
        if count == 0 {
            return Some(entries);
        }
        if count < 0 {
            take_long(bytes, at)?;
        }
        for _ in 0..count.unsigned_abs() {
            let mut text = || {
                let length = take_length(bytes, at)?;
                let text = bytes.get(*at..at.checked_add(length)?)?;
                *at += length;
                Some(text)
            };
            entries.push((text()?, text()?));
        }
    }
}
