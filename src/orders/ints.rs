//! Integer columns as bytes: one of a few forms, whichever is smallest.
//!
//! The form is one byte, so that a reader needs no schema; forms nest (a run's lengths are a column
//! again). An absent value is [`ABSENT`]. Nothing here knows what a column means.

#![expect(
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "bit packing: widths and lengths are computed here and checked where bytes are read"
)]

mod dictionary;
mod pairs;

use self::dictionary::{Dictionary, take_dictionary, take_few};
use self::pairs::{put_apart, put_pairs, take_apart, take_pairs};
use super::bits::{
    BitReader, BitWriter, CodecError, Reader, put_block, put_int, put_varint, rice_bits,
    take_block, width,
};

/// The value that stands for "absent" in every integer column.
pub(super) const ABSENT: i64 = i64::MIN;

/// All values are one.
const CONSTANT: u8 = 0;
/// Offsets from the least value, in as many bits as the range takes.
const PACKED: u8 = 1;
/// The same with a bit before each that says whether the value is there.
const PACKED_WITH_ABSENT: u8 = 2;
/// The distinct values, then their places.
const DICTIONARY: u8 = 3;
/// Ascending values by their gaps, compressed.
const GAPS: u8 = 4;
/// The value of each run, and how long it is.
const RUNS: u8 = 5;
/// Ascending values with repetitions: Rice-coded gaps between the runs, and how long each is.
const SORTED_RUNS: u8 = 6;
/// Rice-coded offsets from the least value, for columns with few far values.
const RICE: u8 = 7;
/// A bit a row whether it repeats the one before, then the others.
const REPEATS: u8 = 8;
/// At most 256 distinct values, then their places as compressed bytes.
const FEW: u8 = 9;
/// Whether each value is there, then those that are, as columns of their own.
const APART: u8 = 10;
/// Offsets from the least value, two at a time.
const PAIRS: u8 = 11;

/// Forms within forms: each holds at most half as many values, or none that nests again.
const DEPTH_MAX: u8 = 32;
/// Distinct values whose place fits a byte.
const FEW_MAX: usize = 256;

/// How hard to look for a small form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effort {
    /// While a batch commits: a dictionary only for few distinct values.
    Fast,
    /// While segments are joined: any dictionary that pays.
    Thorough,
    /// When a day is sealed, for good: every form is tried.
    Smallest,
}

/// Appends a column of integers.
pub(super) fn put_ints(out: &mut Vec<u8>, values: &[i64], effort: Effort) {
    let first = values.first().copied().unwrap_or(ABSENT);
    if values.iter().all(|value| *value == first) {
        out.push(CONSTANT);
        put_int(out, first);
    } else if effort == Effort::Smallest {
        put_smallest(out, values);
    } else {
        put_by_estimate(out, values, effort);
    }
}

fn put_by_estimate(out: &mut Vec<u8>, values: &[i64], effort: Effort) {
    let range = Range::of(values);
    let packed_bits = range.bits + u32::from(range.has_absent);
    if runs(values) <= values.len() / 4 {
        return put_runs(out, values, effort);
    }
    let distinct_max = if effort == Effort::Fast { 128 } else { values.len() / 2 };
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

/// Tries every form that can pay, and keeps the smallest.
fn put_smallest(out: &mut Vec<u8>, values: &[i64]) {
    let effort = Effort::Smallest;
    let (range, runs) = (Range::of(values), runs(values));
    let mut best = Vec::new();
    range.put(&mut best, values);
    let mut try_form = |put: &mut dyn FnMut(&mut Vec<u8>)| {
        let mut other = Vec::with_capacity(best.len());
        put(&mut other);
        if other.len() < best.len() {
            best = other;
        }
    };
    try_form(&mut |other| put_rice(other, &range, values));
    if range.has_absent {
        try_form(&mut |other| put_apart(other, values));
    } else {
        try_form(&mut |other| {
            if !put_pairs(other, &range, values) {
                range.put(other, values);
            }
        });
    }
    if runs <= values.len() / 2 {
        try_form(&mut |other| put_runs(other, values, effort));
    }
    if values.is_sorted() {
        try_form(&mut |other| put_sorted_runs(other, values, effort));
    }
    if runs < values.len() - values.len() / 8 {
        try_form(&mut |other| put_repeats(other, values, effort));
    }
    if let Some(dictionary) = Dictionary::of(values, values.len() / 2) {
        try_form(&mut |other| dictionary.put(other, values));
        if dictionary.values.len() <= FEW_MAX {
            try_form(&mut |other| dictionary.put_few(other, values));
        }
    }
    out.append(&mut best);
}

/// Reads a column of `rows` integers.
pub(super) fn take_ints(reader: &mut Reader<'_>, rows: usize) -> Result<Vec<i64>, CodecError> {
    take_form(reader, rows, 0)
}

fn take_form(reader: &mut Reader<'_>, rows: usize, depth: u8) -> Result<Vec<i64>, CodecError> {
    if depth > DEPTH_MAX {
        let found = u64::from(depth);
        return Err(CodecError { what: "column forms", expected: "at most 32 nested", found });
    }
    match reader.byte()? {
        CONSTANT => Ok(vec![reader.int()?; rows]),
        PACKED => take_packed(reader, rows, false),
        PACKED_WITH_ABSENT => take_packed(reader, rows, true),
        DICTIONARY => take_dictionary(reader, rows, depth),
        GAPS => take_gaps(reader, rows),
        RUNS => {
            let runs = take_runs_count(reader, rows)?;
            let heads = take_form(reader, runs, depth + 1)?;
            take_lengths(reader, rows, &heads, depth)
        }
        SORTED_RUNS => take_sorted_runs(reader, rows, depth),
        RICE => take_rice(reader, rows),
        REPEATS => take_repeats(reader, rows, depth),
        FEW => take_few(reader, rows, depth),
        APART => take_apart(reader, rows, depth),
        PAIRS => take_pairs(reader, rows),
        found => {
            Err(CodecError { what: "column form", expected: "0 to 11", found: u64::from(found) })
        }
    }
}

/// How many stretches of equal neighbours there are.
fn runs(values: &[i64]) -> usize {
    1 + values.windows(2).filter(|pair| pair[0] != pair[1]).count()
}

fn heads_and_lengths(values: &[i64]) -> (Vec<i64>, Vec<i64>) {
    values.chunk_by(|one, next| one == next).map(|run| (run[0], run.len() as i64)).unzip()
}

fn put_runs(out: &mut Vec<u8>, values: &[i64], effort: Effort) {
    let (heads, lengths) = heads_and_lengths(values);
    out.push(RUNS);
    put_varint(out, heads.len() as u64);
    put_ints(out, &heads, effort);
    put_ints(out, &lengths, effort);
}

fn take_runs_count(reader: &mut Reader<'_>, rows: usize) -> Result<usize, CodecError> {
    let runs = reader.length()?;
    if runs > rows {
        return Err(CodecError { what: "runs", expected: "no more than rows", found: runs as u64 });
    }
    Ok(runs)
}

fn take_lengths(
    reader: &mut Reader<'_>,
    rows: usize,
    heads: &[i64],
    depth: u8,
) -> Result<Vec<i64>, CodecError> {
    let lengths = take_form(reader, heads.len(), depth + 1)?;
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

fn put_sorted_runs(out: &mut Vec<u8>, values: &[i64], effort: Effort) {
    let (heads, lengths) = heads_and_lengths(values);
    let gap = |pair: &[i64]| pair[1].wrapping_sub(pair[0]) as u64;
    let sum: u128 = heads.windows(2).map(|pair| u128::from(gap(pair))).sum();
    let low_bits = rice_bits((sum / heads.len() as u128) as u64);
    out.push(SORTED_RUNS);
    put_varint(out, heads.len() as u64);
    put_int(out, heads[0]);
    out.push(low_bits as u8);
    let mut writer = BitWriter::default();
    heads.windows(2).for_each(|pair| writer.put_rice(out, gap(pair), low_bits));
    writer.finish(out);
    put_ints(out, &lengths, effort);
}

fn take_sorted_runs(
    reader: &mut Reader<'_>,
    rows: usize,
    depth: u8,
) -> Result<Vec<i64>, CodecError> {
    let runs = take_runs_count(reader, rows)?;
    let mut value = reader.int()?;
    let low_bits = checked_width(reader.byte()?, 63)?;
    let mut source = reader.bits();
    let mut heads = Vec::with_capacity(runs);
    for run in 0..runs {
        if run > 0 {
            value = value.wrapping_add(source.take_rice(low_bits)? as i64);
        }
        heads.push(value);
    }
    reader.skip_bits(&source)?;
    take_lengths(reader, rows, &heads, depth)
}

fn put_repeats(out: &mut Vec<u8>, values: &[i64], effort: Effort) {
    out.push(REPEATS);
    let mut writer = BitWriter::default();
    let mut others = vec![values[0]];
    for pair in values.windows(2) {
        let is_repeated = pair[0] == pair[1];
        writer.put(out, u64::from(is_repeated), 1);
        if !is_repeated {
            others.push(pair[1]);
        }
    }
    writer.finish(out);
    put_ints(out, &others, effort);
}

fn take_repeats(reader: &mut Reader<'_>, rows: usize, depth: u8) -> Result<Vec<i64>, CodecError> {
    if rows == 0 {
        return Ok(Vec::new());
    }
    let mut source = reader.bits();
    let mut is_new = vec![true];
    for _ in 1..rows {
        is_new.push(source.take(1)? == 0);
    }
    reader.skip_bits(&source)?;
    let others = take_form(reader, is_new.iter().filter(|new| **new).count(), depth + 1)?;
    let mut others = others.into_iter();
    let mut value = ABSENT;
    let mut next = |new: bool| {
        value = if new { others.next().unwrap_or(value) } else { value };
        value
    };
    Ok(is_new.into_iter().map(&mut next).collect())
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
            if scale != 1 && value % 1000 != 0 {
                scale = 1;
            }
        }
        let bits = width((max.wrapping_sub(min) as u64) / scale as u64);
        Self { min, scale, bits, has_absent }
    }

    fn offset(&self, value: i64) -> u64 {
        value.wrapping_sub(self.min) as u64 / self.scale as u64
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
                writer.put(out, self.offset(value), self.bits);
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
    let bits = checked_width(reader.byte()?, 64)?;
    take_offsets(reader, rows, (min, scale, has_absent), |source| source.take(bits))
}

/// Reads offsets from the least value, each behind a bit where values may be absent.
fn take_offsets(
    reader: &mut Reader<'_>,
    rows: usize,
    (min, scale, has_absent): (i64, i64, bool),
    take: impl Fn(&mut BitReader<'_>) -> Result<u64, CodecError>,
) -> Result<Vec<i64>, CodecError> {
    let mut source = reader.bits();
    let mut values = Vec::with_capacity(rows);
    for _ in 0..rows {
        if has_absent && source.take(1)? == 0 {
            values.push(ABSENT);
        } else {
            values.push(min.wrapping_add((take(&mut source)? as i64).wrapping_mul(scale)));
        }
    }
    reader.skip_bits(&source)?;
    Ok(values)
}

fn put_rice(out: &mut Vec<u8>, range: &Range, values: &[i64]) {
    let present = values.iter().filter(|value| **value != ABSENT);
    let mut sorted: Vec<u64> = present.map(|value| range.offset(*value)).collect();
    // The median, which far values do not move, where a mean of like values would be.
    let middle = sorted.len() / 2;
    let median = *sorted.select_nth_unstable(middle).1;
    let low_bits = rice_bits(median.saturating_add(median / 2));
    out.push(RICE);
    out.push(u8::from(range.has_absent));
    put_int(out, range.min);
    put_varint(out, range.scale as u64);
    out.push(low_bits as u8);
    let mut writer = BitWriter::default();
    for &value in values {
        if range.has_absent {
            writer.put(out, u64::from(value != ABSENT), 1);
        }
        if value != ABSENT {
            writer.put_rice(out, range.offset(value), low_bits);
        }
    }
    writer.finish(out);
}

fn take_rice(reader: &mut Reader<'_>, rows: usize) -> Result<Vec<i64>, CodecError> {
    let has_absent = reader.byte()? != 0;
    let min = reader.int()?;
    let scale = reader.varint()? as i64;
    let low_bits = checked_width(reader.byte()?, 63)?;
    take_offsets(reader, rows, (min, scale, has_absent), |source| source.take_rice(low_bits))
}

fn checked_width(bits: u8, max: u32) -> Result<u32, CodecError> {
    if u32::from(bits) <= max {
        return Ok(u32::from(bits));
    }
    Err(CodecError { what: "bit width", expected: "at most 64", found: u64::from(bits) })
}

#[cfg(test)]
mod tests;
