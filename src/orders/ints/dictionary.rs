//! Columns of few distinct values: the values once, then where each row's stands among them.

#![expect(
    clippy::as_conversions,
    reason = "places are below the number of values, which fits 32 bits"
)]

use std::collections::HashMap;

use super::super::bits::{BitWriter, CodecError, Reader, put_block, put_varint, take_block, width};
use super::{DICTIONARY, FEW, Range, take_form};

/// The distinct values of a column, ascending, and where each stands.
pub(super) struct Dictionary {
    pub(super) values: Vec<i64>,
    index: HashMap<i64, u32>,
}

impl Dictionary {
    pub(super) fn of(values: &[i64], distinct_max: usize) -> Option<Self> {
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

    fn places(&self, values: &[i64]) -> impl Iterator<Item = u32> {
        values.iter().map(|value| self.index.get(value).copied().unwrap_or(0))
    }

    pub(super) fn put(&self, out: &mut Vec<u8>, values: &[i64]) {
        out.push(DICTIONARY);
        self.put_values(out);
        let bits = width(self.values.len() as u64 - 1);
        let mut writer = BitWriter::default();
        self.places(values).for_each(|place| writer.put(out, u64::from(place), bits));
        writer.finish(out);
    }

    pub(super) fn put_few(&self, out: &mut Vec<u8>, values: &[i64]) {
        let before = out.len();
        out.push(FEW);
        self.put_values(out);
        let places: Vec<u8> = self.places(values).map(|place| place as u8).collect();
        if put_block(out, &places).is_err() {
            // A compressor that fails leaves the other form.
            out.truncate(before);
            self.put(out, values);
        }
    }

    fn put_values(&self, out: &mut Vec<u8>) {
        put_varint(out, self.values.len() as u64);
        Range::of(&self.values).put(out, &self.values);
    }
}

fn take_values(reader: &mut Reader<'_>, rows: usize, depth: u8) -> Result<Vec<i64>, CodecError> {
    let count = reader.length()?;
    if count > rows {
        let found = count as u64;
        return Err(CodecError { what: "dictionary", expected: "no more than rows", found });
    }
    take_form(reader, count, depth + 1)
}

fn value_at(dictionary: &[i64], place: u64) -> Result<i64, CodecError> {
    let value = usize::try_from(place).ok().and_then(|place| dictionary.get(place).copied());
    value.ok_or(CodecError { what: "dictionary index", expected: "an entry", found: place })
}

pub(super) fn take_dictionary(
    reader: &mut Reader<'_>,
    rows: usize,
    depth: u8,
) -> Result<Vec<i64>, CodecError> {
    let dictionary = take_values(reader, rows, depth)?;
    let bits = width((dictionary.len() as u64).saturating_sub(1));
    let mut source = reader.bits();
    let mut values = Vec::with_capacity(rows);
    for _ in 0..rows {
        values.push(value_at(&dictionary, source.take(bits)?)?);
    }
    reader.skip_bits(&source)?;
    Ok(values)
}

pub(super) fn take_few(
    reader: &mut Reader<'_>,
    rows: usize,
    depth: u8,
) -> Result<Vec<i64>, CodecError> {
    let dictionary = take_values(reader, rows, depth)?;
    let places = take_block(reader)?;
    if places.len() != rows {
        let found = places.len() as u64;
        return Err(CodecError { what: "places", expected: "as many as rows", found });
    }
    places.into_iter().map(|place| value_at(&dictionary, u64::from(place))).collect()
}
