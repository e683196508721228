//! Integer columns as bytes: constant, packed to the width of their range, or by dictionary.
//!
//! The choice is made by size alone and written as one byte, so that a reader needs no schema.
//! An absent value is [`ABSENT`]. Nothing here knows what a column means.

#![expect(
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "bit packing: widths and lengths are computed here and checked where bytes are read"
)]

use std::collections::HashMap;

/// The value that stands for "absent" in every integer column.
pub(super) const ABSENT: i64 = i64::MIN;

const CONSTANT: u8 = 0;
const PACKED: u8 = 1;
const PACKED_WITH_ABSENT: u8 = 2;
const DICTIONARY: u8 = 3;
const GAPS: u8 = 4;
const RUNS: u8 = 5;

/// Why bytes are no column. The checksum of a segment is checked before, so this means damage.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{what}: expected {expected}, found {found}")]
pub struct CodecError {
    /// Which part.
    pub what: &'static str,
    /// What was expected.
    pub expected: &'static str,
    /// What was found.
    pub found: u64,
}

/// A cursor over stored bytes.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// All bytes that are left.
    pub(super) const fn rest(self) -> &'a [u8] {
        self.bytes
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], CodecError> {
        let Some((head, rest)) = self.bytes.split_at_checked(length) else {
            let found = self.bytes.len() as u64;
            return Err(CodecError { what: "bytes", expected: "more bytes", found });
        };
        self.bytes = rest;
        Ok(head)
    }

    pub(super) fn byte(&mut self) -> Result<u8, CodecError> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn varint(&mut self) -> Result<u64, CodecError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(CodecError { what: "varint", expected: "at most 10 bytes", found: value })
    }

    /// A length that must not exceed what a segment can hold.
    pub(super) fn length(&mut self) -> Result<usize, CodecError> {
        let found = self.varint()?;
        match usize::try_from(found) {
            Ok(length) if length <= 1 << 30 => Ok(length),
            _ => Err(CodecError { what: "length", expected: "at most 2^30", found }),
        }
    }

    pub(super) fn int(&mut self) -> Result<i64, CodecError> {
        let coded = self.varint()?;
        Ok((coded >> 1) as i64 ^ -((coded & 1) as i64))
    }
}

pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn put_int(out: &mut Vec<u8>, value: i64) {
    put_varint(out, ((value << 1) ^ (value >> 63)) as u64);
}

/// How hard to look for a small form.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Effort {
    /// While a batch commits: a dictionary only for few distinct values.
    Fast,
    /// While segments are joined or sealed: any dictionary that pays.
    Thorough,
}

/// Appends a column of integers.
pub(super) fn put_ints(out: &mut Vec<u8>, values: &[i64], effort: Effort) {
    let Some(&first) = values.first() else {
        out.push(CONSTANT);
        put_int(out, ABSENT);
        return;
    };
    if values.iter().all(|value| *value == first) {
        out.push(CONSTANT);
        put_int(out, first);
        return;
    }
    let range = Range::of(values);
    let packed_bits = range.bits + u32::from(range.has_absent);
    let runs = 1 + values.windows(2).filter(|pair| pair[0] != pair[1]).count();
    if runs <= values.len() / 4 {
        put_runs(out, values, effort);
        return;
    }
    let distinct_max = if effort == Effort::Thorough { values.len() / 2 } else { 128 };
    let entry_bits = u64::from(range.bits.max(8));
    if let Some(dictionary) = Dictionary::of(values, distinct_max) {
        let index_bits = width(dictionary.values.len() as u64 - 1);
        let cost = u64::from(index_bits) * values.len() as u64
            + entry_bits * dictionary.values.len() as u64;
        if cost < u64::from(packed_bits) * values.len() as u64 {
            dictionary.put(out, values);
            return;
        }
    }
    range.put(out, values);
}

/// Reads a column of `rows` integers.
pub(super) fn take_ints(reader: &mut Reader<'_>, rows: usize) -> Result<Vec<i64>, CodecError> {
    match reader.byte()? {
        CONSTANT => Ok(vec![reader.int()?; rows]),
        PACKED => take_packed(reader, rows, false),
        PACKED_WITH_ABSENT => take_packed(reader, rows, true),
        DICTIONARY => take_dictionary(reader, rows),
        GAPS => take_gaps(reader, rows),
        RUNS => take_runs(reader, rows),
        found => {
            Err(CodecError { what: "column form", expected: "0 to 5", found: u64::from(found) })
        }
    }
}

/// Appends a column whose neighbours are mostly equal: the value of each run, and how far it goes.
fn put_runs(out: &mut Vec<u8>, values: &[i64], effort: Effort) {
    let runs: Vec<_> = values.chunk_by(|one, next| one == next).collect();
    let heads: Vec<i64> = runs.iter().map(|run| run[0]).collect();
    let lengths: Vec<i64> = runs.iter().map(|run| run.len() as i64).collect();
    out.push(RUNS);
    put_varint(out, runs.len() as u64);
    put_ints(out, &heads, effort);
    put_ints(out, &lengths, effort);
}

fn take_runs(reader: &mut Reader<'_>, rows: usize) -> Result<Vec<i64>, CodecError> {
    let runs = reader.length()?;
    if runs > rows {
        return Err(CodecError { what: "runs", expected: "no more than rows", found: runs as u64 });
    }
    let heads = take_ints(reader, runs)?;
    let lengths = take_ints(reader, runs)?;
    let mut values = Vec::with_capacity(rows);
    for (value, length) in heads.iter().zip(&lengths) {
        let length = usize::try_from(*length).unwrap_or(usize::MAX);
        if length > rows - values.len() {
            break;
        }
        values.resize(values.len() + length, *value);
    }
    if values.len() != rows {
        let found = values.len() as u64;
        return Err(CodecError { what: "runs", expected: "as many values as rows", found });
    }
    Ok(values)
}

/// Bits that each present value takes when packed to the range of all.
pub(super) fn packed_bits(values: &[i64]) -> u32 {
    Range::of(values).bits
}

/// Appends ascending integers by their gaps, entropy-coded: ordinals of deltas.
pub(super) fn put_ascending(out: &mut Vec<u8>, values: &[i64]) -> std::io::Result<()> {
    out.push(GAPS);
    let mut gaps = Vec::with_capacity(values.len());
    let mut before = 0;
    for value in values {
        put_varint(&mut gaps, value.wrapping_sub(before) as u64);
        before = *value;
    }
    put_block(out, &gaps)
}

fn take_gaps(reader: &mut Reader<'_>, rows: usize) -> Result<Vec<i64>, CodecError> {
    let block = take_block(reader)?;
    let mut gaps = Reader::new(&block);
    let mut value = 0i64;
    let mut values = Vec::with_capacity(rows);
    for _ in 0..rows {
        value = value.wrapping_add(gaps.varint()? as i64);
        values.push(value);
    }
    Ok(values)
}

/// Appends bytes, compressed where that is smaller.
pub(super) fn put_block(out: &mut Vec<u8>, bytes: &[u8]) -> std::io::Result<()> {
    let packed = if bytes.len() > 64 { zstd::bulk::compress(bytes, 1)? } else { Vec::new() };
    put_varint(out, bytes.len() as u64);
    if bytes.len() > 64 && packed.len() < bytes.len() {
        put_varint(out, packed.len() as u64);
        out.extend_from_slice(&packed);
    } else {
        put_varint(out, 0);
        out.extend_from_slice(bytes);
    }
    Ok(())
}

/// Reads bytes that [`put_block`] wrote.
pub(super) fn take_block(reader: &mut Reader<'_>) -> Result<Vec<u8>, CodecError> {
    let length = reader.length()?;
    let packed = reader.length()?;
    if packed == 0 {
        return Ok(reader.take(length)?.to_vec());
    }
    let bytes = reader.take(packed)?;
    match zstd::bulk::decompress(bytes, length) {
        Ok(block) if block.len() == length => Ok(block),
        Ok(_) | Err(_) => Err(CodecError {
            what: "compressed block",
            expected: "its stated length",
            found: length as u64,
        }),
    }
}

struct Range {
    min: i64,
    scale: i64,
    bits: u32,
    has_absent: bool,
}

impl Range {
    /// The range of the present values, in steps of their common scale (milliseconds that are
    /// all whole seconds take ten bits less).
    fn of(values: &[i64]) -> Self {
        let (mut min, mut max, mut has_absent, mut scale) = (i64::MAX, ABSENT, false, 1000);
        for &value in values {
            if value == ABSENT {
                has_absent = true;
                continue;
            }
            min = min.min(value);
            max = max.max(value);
            if value % 1000 != 0 {
                scale = 1;
            }
        }
        let bits = width((max.wrapping_sub(min) as u64) / scale as u64);
        Self { min, scale, bits, has_absent }
    }

    fn put(&self, out: &mut Vec<u8>, values: &[i64]) {
        out.push(if self.has_absent { PACKED_WITH_ABSENT } else { PACKED });
        put_int(out, self.min);
        put_varint(out, self.scale as u64);
        out.push(self.bits as u8);
        let mut writer = BitWriter::default();
        for &value in values {
            if self.has_absent {
                writer.put(out, u64::from(value != ABSENT), 1);
            }
            if value != ABSENT {
                let offset = value.wrapping_sub(self.min) as u64 / self.scale as u64;
                writer.put(out, offset, self.bits);
            }
        }
        writer.finish(out);
    }
}

fn take_packed(
    reader: &mut Reader<'_>,
    rows: usize,
    has_absent: bool,
) -> Result<Vec<i64>, CodecError> {
    let min = reader.int()?;
    let scale = reader.varint()? as i64;
    let bits = checked_width(reader.byte()?)?;
    let mut source = BitReader { reader, held: 0, count: 0 };
    let mut values = Vec::with_capacity(rows);
    for _ in 0..rows {
        if has_absent && source.take(1)? == 0 {
            values.push(ABSENT);
        } else {
            values.push(min.wrapping_add((source.take(bits)? as i64).wrapping_mul(scale)));
        }
    }
    Ok(values)
}

struct Dictionary {
    values: Vec<i64>,
    index: HashMap<i64, u32>,
}

impl Dictionary {
    fn of(values: &[i64], distinct_max: usize) -> Option<Self> {
        let mut found = Self { values: Vec::new(), index: HashMap::new() };
        for &value in values {
            if found.index.contains_key(&value) {
                continue;
            }
            if found.values.len() >= distinct_max {
                return None;
            }
            found.index.insert(value, found.values.len() as u32);
            found.values.push(value);
        }
        found.values.sort_unstable();
        for (place, value) in found.values.iter().enumerate() {
            found.index.insert(*value, place as u32);
        }
        Some(found)
    }

    fn put(&self, out: &mut Vec<u8>, values: &[i64]) {
        out.push(DICTIONARY);
        put_varint(out, self.values.len() as u64);
        let range = Range::of(&self.values);
        range.put(out, &self.values);
        let bits = width(self.values.len() as u64 - 1);
        let mut writer = BitWriter::default();
        for value in values {
            writer.put(out, u64::from(self.index.get(value).copied().unwrap_or(0)), bits);
        }
        writer.finish(out);
    }
}

fn take_dictionary(reader: &mut Reader<'_>, rows: usize) -> Result<Vec<i64>, CodecError> {
    let count = reader.length()?;
    if count > rows {
        let found = count as u64;
        return Err(CodecError { what: "dictionary", expected: "no more than rows", found });
    }
    let dictionary = take_ints(reader, count)?;
    let bits = width((count as u64).saturating_sub(1));
    let mut source = BitReader { reader, held: 0, count: 0 };
    let mut values = Vec::with_capacity(rows);
    for _ in 0..rows {
        let place = source.take(bits)?;
        let value = dictionary.get(place as usize).copied();
        values.push(value.ok_or(CodecError {
            what: "dictionary index",
            expected: "an entry",
            found: place,
        })?);
    }
    Ok(values)
}

const fn width(max: u64) -> u32 {
    64 - max.leading_zeros()
}

fn checked_width(bits: u8) -> Result<u32, CodecError> {
    if bits <= 64 {
        return Ok(u32::from(bits));
    }
    Err(CodecError { what: "bit width", expected: "0 to 64", found: u64::from(bits) })
}

/// Packs values lowest bit first.
#[derive(Default)]
struct BitWriter {
    held: u128,
    count: u32,
}

impl BitWriter {
    fn put(&mut self, out: &mut Vec<u8>, value: u64, bits: u32) {
        self.held |= u128::from(value) << self.count;
        self.count += bits;
        while self.count >= 32 {
            out.extend_from_slice(&(self.held as u32).to_le_bytes());
            self.held >>= 32;
            self.count -= 32;
        }
    }

    fn finish(mut self, out: &mut Vec<u8>) {
        while self.count > 0 {
            out.push(self.held as u8);
            self.held >>= 8;
            self.count = self.count.saturating_sub(8);
        }
    }
}

struct BitReader<'r, 'a> {
    reader: &'r mut Reader<'a>,
    held: u128,
    count: u32,
}

impl BitReader<'_, '_> {
    fn take(&mut self, bits: u32) -> Result<u64, CodecError> {
        while self.count < bits {
            self.held |= u128::from(self.reader.byte()?) << self.count;
            self.count += 8;
        }
        let value = (self.held & ((1u128 << bits) - 1)) as u64;
        self.held >>= bits;
        self.count -= bits;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn round_trip(values: &[i64], effort: Effort) {
        let mut out = Vec::new();
        put_ints(&mut out, values, effort);
        out.push(0xAB);
        let mut reader = Reader::new(&out);
        assert_eq!(take_ints(&mut reader, values.len()).as_deref(), Ok(values));
        assert_eq!(reader.byte(), Ok(0xAB), "the column ends where it should");
    }

    proptest! {
        #[test]
        fn any_column_comes_back(values: Vec<i64>) {
            round_trip(&values, Effort::Fast);
            round_trip(&values, Effort::Thorough);
        }

        #[test]
        fn sparse_and_repeated_columns_come_back(
            values in proptest::collection::vec(
                prop_oneof![Just(ABSENT), 0i64..9, (1_000i64..9_000).prop_map(|s| s * 1000)], 0..600)
        ) {
            round_trip(&values, Effort::Fast);
            round_trip(&values, Effort::Thorough);
        }

        #[test]
        fn ascending_columns_come_back(mut values in proptest::collection::vec(0i64..1 << 40, 0..300)) {
            values.sort_unstable();
            let mut out = Vec::new();
            put_ascending(&mut out, &values).unwrap();
            prop_assert_eq!(take_ints(&mut Reader::new(&out), values.len()), Ok(values));
        }

        #[test]
        fn damaged_bytes_are_an_error_or_other_values_but_no_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..200), rows in 0usize..300
        ) {
            let outcome = take_ints(&mut Reader::new(&bytes), rows);
            prop_assert!(outcome.is_err() || outcome.is_ok_and(|values| values.len() == rows));
        }
    }

    #[test]
    fn a_constant_column_costs_two_bytes_and_seconds_cost_ten_bits_less() {
        let mut out = Vec::new();
        put_ints(&mut out, &[0; 50_000], Effort::Fast);
        assert_eq!(out.len(), 2);
        let seconds: Vec<i64> = (0..8192).map(|n| 1_782_867_600_000 + n * 1000).collect();
        out.clear();
        put_ints(&mut out, &seconds, Effort::Fast);
        assert!(out.len() < 8192 * 13 / 8 + 24, "{} bytes", out.len());
    }
}
