//! Two forms for columns that lie for good: absent values apart from the others, and offsets two
//! at a time, so that a range just above a power of two does not cost a whole bit more each.

#![expect(
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "pairs of values, and ranges that were checked to fit their squares into 64 bits"
)]

use super::super::bits::{BitWriter, CodecError, Reader, put_int, put_varint, width};
use super::{ABSENT, APART, Effort, PAIRS, Range, put_ints, take_form};

/// Ranges up to here have squares that fit 64 bits.
const RANGE_MAX: u64 = 1 << 32;

/// Appends how many values stand before each absent one, then those that are there.
pub(super) fn put_apart(out: &mut Vec<u8>, values: &[i64]) {
    let (mut before, mut there) = (Vec::new(), Vec::with_capacity(values.len()));
    let mut since = 0;
    for value in values {
        if *value == ABSENT {
            before.push(std::mem::take(&mut since));
        } else {
            since += 1;
            there.push(*value);
        }
    }
    out.push(APART);
    put_varint(out, before.len() as u64);
    put_ints(out, &before, Effort::Smallest);
    put_ints(out, &there, Effort::Smallest);
}

pub(super) fn take_apart(
    reader: &mut Reader<'_>,
    rows: usize,
    depth: u8,
) -> Result<Vec<i64>, CodecError> {
    let absent = reader.length()?;
    let Some(present) = rows.checked_sub(absent) else {
        let found = absent as u64;
        return Err(CodecError { what: "absent values", expected: "no more than rows", found });
    };
    let before = take_form(reader, absent, depth + 1)?;
    let mut there = take_form(reader, present, depth + 1)?.into_iter();
    let mut values = Vec::with_capacity(rows);
    for count in before {
        // Damaged counts take what there is; the rest is checked by its length.
        let count = usize::try_from(count).unwrap_or(0);
        values.extend(there.by_ref().take(count));
        values.push(ABSENT);
    }
    values.extend(there);
    Ok(values)
}

/// Appends offsets from the least value two at a time; gives whether the range permits it.
pub(super) fn put_pairs(out: &mut Vec<u8>, range: &Range, values: &[i64]) -> bool {
    let greatest = values.iter().map(|value| range.offset(*value)).max().unwrap_or(0);
    if range.has_absent || greatest >= RANGE_MAX {
        return false;
    }
    let base = greatest + 1;
    out.push(PAIRS);
    put_int(out, range.min);
    put_varint(out, range.scale as u64);
    put_varint(out, greatest);
    let mut writer = BitWriter::default();
    for pair in values.chunks(2) {
        let second = pair.get(1).map_or(0, |value| range.offset(*value));
        writer.put(out, second * base + range.offset(pair[0]), bits_of_two(greatest));
    }
    writer.finish(out);
    true
}

pub(super) fn take_pairs(reader: &mut Reader<'_>, rows: usize) -> Result<Vec<i64>, CodecError> {
    let min = reader.int()?;
    let scale = reader.varint()? as i64;
    let greatest = reader.varint()?;
    if greatest >= RANGE_MAX {
        let error = CodecError { what: "range", expected: "less than 32 bits", found: greatest };
        return Err(error);
    }
    let mut source = reader.bits();
    let mut values = Vec::with_capacity(rows + 1);
    while values.len() < rows {
        let pair = source.take(bits_of_two(greatest))?;
        for offset in [pair % (greatest + 1), pair / (greatest + 1)] {
            values.push(min.wrapping_add((offset as i64).wrapping_mul(scale)));
        }
    }
    values.truncate(rows);
    reader.skip_bits(&source)?;
    Ok(values)
}

/// Bits of two offsets up to the greatest: the square of the range, less one, which is
/// `greatest * (greatest + 2)` and so fits.
const fn bits_of_two(greatest: u64) -> u32 {
    width(greatest * (greatest + 2))
}
