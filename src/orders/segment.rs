//! Segments: immutable, compressed rows of order events as one blob each.
//!
//! Magic, format version, versions of manifest and policy, first batch, a directory of columns,
//! the columns, and the first eight bytes of the SHA-256 of all before. A column that this
//! version does not know is skipped; a golden file of each released version is read in the tests.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::bits::{CodecError, Reader, put_block, put_int, put_varint, take_block};
use super::columns::{Columns, RawMessage};
use super::identity::Fingerprints;
use super::ints::{ABSENT, Effort, put_ascending, put_ints, take_ints};
use super::occurred::{self, Occurred};
use crate::domain::event::Origin;
use crate::domain::ids::{ConnectorId, FeedId, LineCode, OrderId, PlatformId};
use crate::domain::time::Moment;

const MAGIC: &[u8; 4] = b"ZBSG";
/// Version 2 added forms of integer columns and [`Column::OccurredAs`].
const FORMAT_VERSION: u8 = 2;
const CHECKSUM_BYTES: usize = 8;
/// More rows than any segment gets: damage must not ask for all memory.
const ROWS_MAX: usize = 1 << 24;

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHead {
    /// Manifest version that made its events.
    pub manifest_version: u32,
    /// First batch whose rows it has.
    pub batch: u64,
}

/// Why bytes are no segment.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// Too short, other magic or a checksum that does not fit.
    #[error("segment: expected an intact segment, found {0}; restore the database from a backup")]
    Damaged(&'static str),
    /// Written by a newer program.
    #[error("segment: expected format version {FORMAT_VERSION} or lower, found {0}")]
    Version(u8),
    /// A column does not decode.
    #[error("segment column: {0}")]
    Column(#[from] CodecError),
    /// Compression failed.
    #[error("segment compression: {0}")]
    Compression(#[from] std::io::Error),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Column {
    Ordinals = 1,
    Ids = 2,
    Kinds = 3,
    Workers = 4,
    Lines = 5,
    Accepted = 6,
    Ended = 7,
    Occurred = 8,
    Counties = 9,
    CountySources = 10,
    ServiceCounties = 11,
    Resolutions = 12,
    Origins = 13,
    Raws = 14,
    /// In place of `Occurred` in version 1, where an event mostly happened at its acceptance.
    OccurredSinceAccepted = 15,
    /// In place of `Occurred`: which other time of the row it is, then the others.
    OccurredAs = 16,
    /// In place of `ServiceCounties`: distances from the county of acceptance, mostly none.
    ServiceCountiesFrom = 17,
}

/// Writes rows as one segment while a batch commits.
///
/// # Errors
/// [`SegmentError::Compression`] where the compressor fails.
pub fn encode(head: SegmentHead, columns: &Columns) -> Result<Vec<u8>, SegmentError> {
    encode_with(head, columns, Effort::Fast)
}

/// Writes rows as one segment, smaller: for joining, which happens to a row a few times.
///
/// # Errors
/// [`SegmentError::Compression`] where the compressor fails.
pub fn encode_joined(head: SegmentHead, columns: &Columns) -> Result<Vec<u8>, SegmentError> {
    encode_with(head, columns, Effort::Thorough)
}

/// Writes rows as one segment, as small as the format allows: for sealing.
///
/// # Errors
/// [`SegmentError::Compression`] where the compressor fails.
pub fn encode_small(head: SegmentHead, columns: &Columns) -> Result<Vec<u8>, SegmentError> {
    encode_with(head, columns, Effort::Smallest)
}

fn encode_with(
    head: SegmentHead,
    columns: &Columns,
    effort: Effort,
) -> Result<Vec<u8>, SegmentError> {
    let mut out = Vec::with_capacity(columns.rows * 24 + 128);
    out.extend_from_slice(MAGIC);
    out.push(FORMAT_VERSION);
    put_varint(&mut out, u64::from(head.manifest_version));
    put_varint(&mut out, head.batch);
    put_varint(&mut out, u64::try_from(columns.rows).unwrap_or(u64::MAX));
    let mut body = Vec::with_capacity(columns.rows * 24);
    let mut put = |column: Column, body: &mut Vec<u8>| {
        out.push(number(column));
        put_varint(&mut out, u64::try_from(body.len()).unwrap_or(u64::MAX));
        out.extend_from_slice(body);
        body.clear();
    };
    if !columns.ordinals.is_empty() {
        put_ascending(&mut body, &columns.ordinals)?;
        put(Column::Ordinals, &mut body);
    }
    if columns.ids.len() > 0 {
        super::ids::put_ids(&mut body, &columns.ids, effort)?;
        put(Column::Ids, &mut body);
    }
    put_lines(&mut body, columns, effort);
    put(Column::Lines, &mut body);
    for (column, values) in [
        (Column::Kinds, &columns.kinds),
        (Column::Workers, &columns.workers),
        (Column::Accepted, &columns.accepted),
        (Column::Counties, &columns.counties),
        (Column::CountySources, &columns.county_sources),
        (Column::Resolutions, &columns.resolutions),
    ] {
        put_ints(&mut body, values, effort);
        put(column, &mut body);
    }
    put_ints(&mut body, &relative(&columns.service_counties, &columns.counties), effort);
    put(Column::ServiceCountiesFrom, &mut body);
    put_ints(&mut body, &relative(&columns.ended, &columns.accepted), effort);
    put(Column::Ended, &mut body);
    occurred::put(&mut body, columns, effort);
    put(Column::OccurredAs, &mut body);
    if !columns.origins.is_empty() {
        put_origins(&mut body, columns)?;
        put(Column::Origins, &mut body);
    }
    if !columns.raws.is_empty() {
        put_raws(&mut body, columns)?;
        put(Column::Raws, &mut body);
    }
    let digest = Sha256::digest(&out);
    out.extend_from_slice(digest.get(..CHECKSUM_BYTES).unwrap_or_default());
    Ok(out)
}

/// Reads a segment after checking its checksum.
///
/// # Errors
/// [`SegmentError`] where the bytes are damaged or of a newer format.
pub fn decode(bytes: &[u8]) -> Result<(SegmentHead, Columns), SegmentError> {
    let (head, mut columns, mut reader) = opened(bytes)?;
    let mut relative = Relative::default();
    while let Some((number, mut body)) = next_column(&mut reader)? {
        take_column(&mut columns, &mut relative, number, &mut body)?;
    }
    if let Some(distances) = relative.service_counties {
        columns.service_counties = absolute(&distances, &columns.counties);
    }
    columns.ended = absolute(&columns.ended, &columns.accepted);
    columns.occurred = relative.occurred.moments(&columns);
    is_whole(&columns)?;
    Ok((head, columns))
}

/// Whether a segment has an order with one of these fingerprints, by its order numbers alone.
///
/// # Errors
/// As [`decode`].
pub fn has_order(
    bytes: &[u8],
    prints: &Fingerprints,
    wanted: &BTreeSet<u64>,
) -> Result<bool, SegmentError> {
    let (_, columns, mut reader) = opened(bytes)?;
    while let Some((found, mut body)) = next_column(&mut reader)? {
        if found == number(Column::Ids) {
            let ids = super::ids::take_ids(&mut body, columns.rows)?;
            let mut ids = (0..ids.len()).filter_map(|row| ids.get(row));
            return Ok(ids.any(|id| wanted.contains(&prints.of(id))));
        }
    }
    Ok(false)
}

/// Checks checksum, magic and version, and reads up to the columns, of which there are none yet.
fn opened(bytes: &[u8]) -> Result<(SegmentHead, Columns, Reader<'_>), SegmentError> {
    let Some((content, checksum)) = bytes.split_last_chunk::<CHECKSUM_BYTES>() else {
        return Err(SegmentError::Damaged("fewer bytes than a checksum has"));
    };
    if Sha256::digest(content).get(..CHECKSUM_BYTES) != Some(checksum.as_slice()) {
        return Err(SegmentError::Damaged("a checksum that does not fit"));
    }
    let mut reader = Reader::new(content);
    if reader.take(MAGIC.len())? != MAGIC {
        return Err(SegmentError::Damaged("another magic"));
    }
    let version = reader.byte()?;
    if version > FORMAT_VERSION {
        return Err(SegmentError::Version(version));
    }
    let head = SegmentHead {
        manifest_version: u32::try_from(reader.varint()?).unwrap_or(0),
        batch: reader.varint()?,
    };
    let columns = Columns { rows: reader.length()?, ..Columns::default() };
    if columns.rows > ROWS_MAX {
        return Err(SegmentError::Damaged("more rows than a segment can have"));
    }
    Ok((head, columns, reader))
}

/// The number of the next column and its bytes.
fn next_column<'a>(reader: &mut Reader<'a>) -> Result<Option<(u8, Reader<'a>)>, SegmentError> {
    if reader.is_empty() {
        return Ok(None);
    }
    let number = reader.byte()?;
    let length = reader.length()?;
    Ok(Some((number, Reader::new(reader.take(length)?))))
}

/// Every row has every field; numbers and ordinals stand for all rows or for none.
fn is_whole(columns: &Columns) -> Result<(), SegmentError> {
    let always = [
        &columns.kinds,
        &columns.workers,
        &columns.lines,
        &columns.accepted,
        &columns.ended,
        &columns.occurred,
        &columns.counties,
        &columns.county_sources,
        &columns.service_counties,
        &columns.resolutions,
    ];
    let optional = [columns.ordinals.len(), columns.ids.len()];
    let is_whole = always.iter().all(|column| column.len() == columns.rows)
        && optional.iter().all(|length| *length == 0 || *length == columns.rows);
    if is_whole { Ok(()) } else { Err(SegmentError::Damaged("a column that lacks rows")) }
}

/// Columns that are complete only once those are read that they are relative to.
#[derive(Default)]
struct Relative {
    occurred: Occurred,
    service_counties: Option<Vec<i64>>,
}

fn take_column(
    columns: &mut Columns,
    relative: &mut Relative,
    number_found: u8,
    reader: &mut Reader<'_>,
) -> Result<(), SegmentError> {
    let rows = columns.rows;
    let known = [
        Column::Ordinals,
        Column::Ids,
        Column::Kinds,
        Column::Workers,
        Column::Lines,
        Column::Accepted,
        Column::Ended,
        Column::Occurred,
        Column::Counties,
        Column::CountySources,
        Column::ServiceCounties,
        Column::Resolutions,
        Column::Origins,
        Column::Raws,
        Column::OccurredSinceAccepted,
        Column::OccurredAs,
        Column::ServiceCountiesFrom,
    ];
    match known.into_iter().find(|column| number(*column) == number_found) {
        Some(Column::Ordinals) => columns.ordinals = take_ints(reader, rows)?,
        Some(Column::Ids) => columns.ids = super::ids::take_ids(reader, rows)?,
        Some(Column::Kinds) => columns.kinds = take_ints(reader, rows)?,
        Some(Column::Workers) => columns.workers = take_ints(reader, rows)?,
        Some(Column::Lines) => take_lines(columns, reader)?,
        Some(Column::Accepted) => columns.accepted = take_ints(reader, rows)?,
        Some(Column::Ended) => columns.ended = take_ints(reader, rows)?,
        Some(Column::Occurred) => {
            relative.occurred = Occurred::SinceEnded(take_ints(reader, rows)?);
        }
        Some(Column::OccurredSinceAccepted) => {
            relative.occurred = Occurred::SinceAccepted(take_ints(reader, rows)?);
        }
        Some(Column::OccurredAs) => relative.occurred = Occurred::take(reader, rows)?,
        Some(Column::ServiceCountiesFrom) => {
            relative.service_counties = Some(take_ints(reader, rows)?);
        }
        Some(Column::Counties) => columns.counties = take_ints(reader, rows)?,
        Some(Column::CountySources) => columns.county_sources = take_ints(reader, rows)?,
        Some(Column::ServiceCounties) => columns.service_counties = take_ints(reader, rows)?,
        Some(Column::Resolutions) => columns.resolutions = take_ints(reader, rows)?,
        Some(Column::Origins) => take_origins(columns, reader)?,
        Some(Column::Raws) => take_raws(columns, reader)?,
        None => {}
    }
    Ok(())
}

#[expect(clippy::as_conversions, reason = "the discriminants are the stored numbers")]
const fn number(column: Column) -> u8 {
    column as u8
}

/// Values that are near another of their row are stored as the distance from it, where both are
/// present.
fn relative(values: &[i64], reference: &[i64]) -> Vec<i64> {
    let pairs = values.iter().zip(reference);
    pairs.map(|(v, r)| if *v == ABSENT { ABSENT } else { v.wrapping_sub(base(*r)) }).collect()
}

fn absolute(values: &[i64], reference: &[i64]) -> Vec<i64> {
    let pairs = values.iter().zip(reference);
    pairs.map(|(v, r)| if *v == ABSENT { ABSENT } else { v.wrapping_add(base(*r)) }).collect()
}

const fn base(reference: i64) -> i64 {
    if reference == ABSENT { 0 } else { reference }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, u64::try_from(text.len()).unwrap_or(u64::MAX));
    out.extend_from_slice(text.as_bytes());
}

fn take_text(reader: &mut Reader<'_>) -> Result<String, SegmentError> {
    let length = reader.length()?;
    let bytes = reader.take(length)?.to_vec();
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(_) => Err(SegmentError::Damaged("text that is no UTF-8")),
    }
}

fn put_lines(out: &mut Vec<u8>, columns: &Columns, effort: Effort) {
    put_varint(out, u64::try_from(columns.line_names.len()).unwrap_or(0));
    for line in &columns.line_names {
        put_text(out, line.as_str());
    }
    put_ints(out, &columns.lines, effort);
}

fn take_lines(columns: &mut Columns, reader: &mut Reader<'_>) -> Result<(), SegmentError> {
    for _ in 0..reader.length()? {
        let name = take_text(reader)?;
        let line = LineCode::new(&name);
        columns.line_names.push(line.or(Err(SegmentError::Damaged("a line code of other shape")))?);
    }
    columns.lines = take_ints(reader, columns.rows)?;
    Ok(())
}

fn put_origins(out: &mut Vec<u8>, columns: &Columns) -> Result<(), SegmentError> {
    let mut body = Vec::new();
    put_varint(&mut body, u64::try_from(columns.origins.len()).unwrap_or(0));
    for (row, origin) in &columns.origins {
        put_varint(&mut body, u64::from(*row));
        let upstream = origin.upstream.as_ref();
        put_text(&mut body, origin.agent.as_ref().map_or("", |agent| agent.as_str()));
        put_text(&mut body, origin.channel.as_deref().unwrap_or(""));
        put_text(&mut body, upstream.map_or("", |(platform, _)| platform.as_str()));
        put_text(&mut body, upstream.map_or("", |(_, order)| order.as_str()));
    }
    Ok(put_block(out, &body)?)
}

fn take_origins(columns: &mut Columns, reader: &mut Reader<'_>) -> Result<(), SegmentError> {
    let block = take_block(reader)?;
    let mut reader = Reader::new(&block);
    for _ in 0..reader.length()? {
        let row = u32::try_from(reader.varint()?).unwrap_or(u32::MAX);
        let (agent, channel) = (take_text(&mut reader)?, take_text(&mut reader)?);
        let (platform, order) = (take_text(&mut reader)?, take_text(&mut reader)?);
        let origin = Origin {
            agent: ConnectorId::new(&agent).ok(),
            channel: Some(channel).filter(|text| !text.is_empty()),
            upstream: PlatformId::new(&platform).ok().zip(OrderId::new(&order).ok()),
        };
        columns.origins.insert(row, origin);
    }
    Ok(())
}

fn put_raws(out: &mut Vec<u8>, columns: &Columns) -> Result<(), SegmentError> {
    let mut body = Vec::new();
    put_varint(&mut body, u64::try_from(columns.raws.len()).unwrap_or(0));
    for (row, raw) in &columns.raws {
        put_varint(&mut body, u64::from(*row));
        put_text(&mut body, raw.feed.as_str());
        body.push(u8::from(raw.header_digest.is_some()));
        body.extend_from_slice(&raw.header_digest.unwrap_or_default());
        put_varint(&mut body, u64::from(raw.partition));
        put_varint(&mut body, raw.offset);
        put_int(&mut body, raw.received_at.ms());
        put_varint(&mut body, u64::try_from(raw.bytes.len()).unwrap_or(0));
        body.extend_from_slice(&raw.bytes);
    }
    Ok(put_block(out, &body)?)
}

fn take_raws(columns: &mut Columns, reader: &mut Reader<'_>) -> Result<(), SegmentError> {
    let block = take_block(reader)?;
    let mut reader = Reader::new(&block);
    for _ in 0..reader.length()? {
        let row = u32::try_from(reader.varint()?).unwrap_or(u32::MAX);
        let feed = take_text(&mut reader)?;
        let has_digest = reader.byte()? == 1;
        let mut digest = [0; 32];
        digest.copy_from_slice(reader.take(32)?);
        let raw = RawMessage {
            feed: FeedId::new(&feed).or(Err(SegmentError::Damaged("a feed of other shape")))?,
            header_digest: has_digest.then_some(digest),
            partition: u32::try_from(reader.varint()?).unwrap_or(u32::MAX),
            offset: reader.varint()?,
            received_at: Moment::from_ms(reader.int()?),
            bytes: {
                let length = reader.length()?;
                reader.take(length)?.to_vec()
            },
        };
        columns.raws.insert(row, raw);
    }
    Ok(())
}
