//! A stored batch: the bytes of one row.
//!
//! Count, the length of each record and the records one after another, lengths as LEB128, the
//! whole as one zstd frame with its checksum. Reading unpacks the frame straight to where the
//! caller keeps the bytes; records are ranges in there, never copied apart.

use std::io::{self, Cursor};
use std::ops::Range;

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::CParameter;

/// Fast enough for the hot path, and a third of the size of JSON.
const LEVEL: i32 = 1;

/// Packs records into rows, with one compression context for all of them.
pub(super) struct Packer {
    compressor: Compressor<'static>,
}

/// A packed row.
pub(super) struct Packed {
    /// Size when unpacked.
    pub(super) raw_bytes: usize,
    /// The zstd frame.
    pub(super) frame: Vec<u8>,
}

impl Packer {
    pub(super) fn new() -> io::Result<Self> {
        let mut compressor = Compressor::new(LEVEL)?;
        compressor.set_parameter(CParameter::ChecksumFlag(true))?;
        Ok(Self { compressor })
    }

    pub(super) fn pack(&mut self, records: &[&[u8]]) -> io::Result<Packed> {
        let bodies: usize = records.iter().map(|record| record.len()).sum();
        let mut raw = Vec::with_capacity(bodies + records.len() * 2 + 8);
        put_length(&mut raw, records.len());
        for record in records {
            put_length(&mut raw, record.len());
        }
        for record in records {
            raw.extend_from_slice(record);
        }
        Ok(Packed { raw_bytes: raw.len(), frame: self.compressor.compress(&raw)? })
    }
}

/// Appends the unpacked row to `bytes` and returns where its records are; says what is wrong
/// where the row does not read back as it was written.
pub(super) fn unpack(
    decompressor: &mut Decompressor<'_>,
    frame: &[u8],
    raw_bytes: usize,
    bytes: &mut Vec<u8>,
) -> Result<Vec<Range<usize>>, String> {
    let start = bytes.len();
    bytes
        .try_reserve(raw_bytes)
        .map_err(|error| format!("size when unpacked is {raw_bytes} bytes: {error}"))?;
    let mut place = Cursor::new(&mut *bytes);
    place.set_position(u64::try_from(start).unwrap_or(u64::MAX));
    let found = decompressor
        .decompress_to_buffer(frame, &mut place)
        .map_err(|error| format!("zstd frame: {error}"))?;
    if found != raw_bytes {
        return Err(format!("expected {raw_bytes} bytes unpacked, found {found}"));
    }
    ranges(bytes, start).ok_or_else(|| "record lengths do not add up".to_owned())
}

fn ranges(bytes: &[u8], start: usize) -> Option<Vec<Range<usize>>> {
    let mut at = start;
    let count = take_length(bytes, &mut at)?;
    if count > bytes.len() - start {
        return None;
    }
    let mut lengths = Vec::with_capacity(count);
    for _ in 0..count {
        lengths.push(take_length(bytes, &mut at)?);
    }
    let mut ranges = Vec::with_capacity(count);
    for length in lengths {
        let end = at.checked_add(length)?;
        ranges.push(at..end);
        at = end;
    }
    (at == bytes.len()).then_some(ranges)
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    let mut rest = length;
    while rest >= 0x80 {
        out.push(u8::try_from(rest & 0x7f).unwrap_or(0) | 0x80);
        rest >>= 7;
    }
    out.push(u8::try_from(rest).unwrap_or(0));
}

fn take_length(bytes: &[u8], at: &mut usize) -> Option<usize> {
    let mut length = 0_usize;
    for shift in (0..56).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(length);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Packer, unpack};
    use proptest::prelude::*;
    use zstd::bulk::Decompressor;

    proptest! {
        #[test]
        fn what_is_packed_reads_back(
            records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..50),
        ) {
            let slices: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
            let packed = Packer::new().unwrap().pack(&slices).unwrap();
            let mut bytes = b"what stood there before".to_vec();
            let mut decompressor = Decompressor::new().unwrap();
            let ranges =
                unpack(&mut decompressor, &packed.frame, packed.raw_bytes, &mut bytes).unwrap();
            let read: Vec<&[u8]> = ranges.into_iter().map(|range| &bytes[range]).collect();
            prop_assert_eq!(read, slices);
        }

        #[test]
        fn a_changed_byte_is_noticed(at in any::<prop::sample::Index>(), flip in 1_u8..) {
            let records: Vec<Vec<u8>> =
                (0..40).map(|n| format!("{{\"order\":{n},\"status\":20}}").into_bytes()).collect();
            let slices: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
            let mut packed = Packer::new().unwrap().pack(&slices).unwrap();
            let at = at.index(packed.frame.len());
            packed.frame[at] ^= flip;
            let mut bytes = Vec::new();
            let mut decompressor = Decompressor::new().unwrap();
            if let Ok(ranges) =
                unpack(&mut decompressor, &packed.frame, packed.raw_bytes, &mut bytes)
            {
                // A flip in the frame header may leave the content whole; never change it.
                let read: Vec<&[u8]> = ranges.into_iter().map(|range| &bytes[range]).collect();
                prop_assert_eq!(read, slices);
            }
        }
    }
}
