//! The run of fingerprints of a sealed day: sorted, 40 bits each, by Rice-coded gaps; and the
//! riders of its counted orders, by reporting unit.

use std::collections::{BTreeMap, BTreeSet};

use super::bits::{
    BitWriter, CodecError, Reader, put_block, put_int, put_varint, rice_bits, take_block,
};
use super::ints::{Effort, put_ascending, put_ints, take_ints};
use crate::domain::ids::{UnitCode, WorkerToken};
use crate::domain::time::Day;

/// Fingerprints (40 bits) of a sealed day, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FingerprintRun(Vec<u64>);

impl FingerprintRun {
    /// The run of these fingerprints.
    #[must_use]
    pub fn new(mut fingerprints: Vec<u64>) -> Self {
        fingerprints.sort_unstable();
        fingerprints.dedup();
        Self(fingerprints)
    }

    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.0.len() * 4 + 16);
        put_varint(&mut out, u64::try_from(self.0.len()).unwrap_or(0));
        let last = self.0.last().copied().unwrap_or(0);
        let low_bits = rice_bits(last / u64::try_from(self.0.len().max(1)).unwrap_or(1));
        out.push(u8::try_from(low_bits).unwrap_or(0));
        let (mut writer, mut before) = (BitWriter::default(), 0);
        for fingerprint in &self.0 {
            writer.put_rice(&mut out, fingerprint - before, low_bits);
            before = *fingerprint;
        }
        writer.finish(&mut out);
        out
    }

    /// From bytes.
    ///
    /// # Errors
    /// [`CodecError`] where they are damaged.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes);
        let rows = reader.length()?;
        let low_bits = u32::from(reader.byte()?).min(63);
        let mut source = reader.bits();
        let mut fingerprints = Vec::with_capacity(rows);
        let mut value = 0u64;
        for _ in 0..rows {
            value = value.wrapping_add(source.take_rice(low_bits)?);
            fingerprints.push(value);
        }
        Ok(Self(fingerprints))
    }

    /// Those of `sorted` (ascending) that the run has.
    #[must_use]
    pub fn hits(&self, sorted: &[u64]) -> Vec<u64> {
        let (mut own, mut hits) = (self.0.iter().peekable(), Vec::new());
        for wanted in sorted {
            while own.next_if(|fingerprint| *fingerprint < wanted).is_some() {}
            if own.peek() == Some(&wanted) {
                hits.push(*wanted);
            }
        }
        hits
    }
}

/// Counted orders by unit and rider: signed, so that a late run adds its changes as a further
/// segment. A rider was insured in a unit on the day where the sum is above zero.
pub type RiderOrders = BTreeMap<(UnitCode, WorkerToken), i64>;

/// Riders' orders by the day on which they count, which is not always the day that the order is
/// kept under: an earlier acceptance may be learnt later.
pub type RidersByDay = BTreeMap<Day, RiderOrders>;

/// Writes riders' orders.
///
/// # Errors
/// An I/O error of the compressor.
pub fn encode_riders(riders: &RiderOrders) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::new();
    put_varint(&mut out, u64::try_from(riders.len()).unwrap_or(0));
    let mut units = Vec::with_capacity(riders.len());
    let mut orders = Vec::with_capacity(riders.len());
    let mut tokens = Vec::with_capacity(riders.len() * 8);
    for ((unit, token), count) in riders {
        units.push(i64::from(unit.get()));
        orders.push(*count);
        tokens.extend_from_slice(&token.0.to_le_bytes());
    }
    put_ascending(&mut out, &units)?;
    put_ints(&mut out, &orders, Effort::Thorough);
    put_block(&mut out, &tokens)?;
    Ok(out)
}

/// Adds riders' orders that [`encode_riders`] wrote.
///
/// # Errors
/// [`CodecError`] where the bytes are damaged.
pub fn add_riders(bytes: &[u8], into: &mut RiderOrders) -> Result<(), CodecError> {
    let mut reader = Reader::new(bytes);
    let rows = reader.length()?;
    let units = take_ints(&mut reader, rows)?;
    let orders = take_ints(&mut reader, rows)?;
    let tokens = take_block(&mut reader)?;
    for ((unit, count), token) in units.iter().zip(&orders).zip(tokens.as_chunks::<8>().0) {
        let code = u32::try_from(*unit).ok().and_then(UnitCode::new);
        let Some(unit) = code else {
            let found = unit.cast_unsigned();
            return Err(CodecError { what: "unit", expected: "six digits", found });
        };
        *into.entry((unit, WorkerToken(u64::from_le_bytes(*token)))).or_insert(0) += count;
    }
    Ok(())
}

/// The directory of a sealed day: for each chunk its first ordinal and the least and greatest
/// rider in it, so that evidence reads only chunks that can hold a rider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Ordinal of its first row.
    pub first_ordinal: u32,
    /// Least rider (as stored).
    pub rider_min: i64,
    /// Greatest rider (as stored).
    pub rider_max: i64,
}

/// Writes a directory before a fingerprint run.
#[must_use]
pub fn encode_index(chunks: &[Chunk], run: &FingerprintRun) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, u64::try_from(chunks.len()).unwrap_or(0));
    for chunk in chunks {
        put_varint(&mut out, u64::from(chunk.first_ordinal));
        put_int(&mut out, chunk.rider_min);
        put_int(&mut out, chunk.rider_max);
    }
    out.extend_from_slice(&run.encode());
    out
}

impl Chunk {
    /// Whether one of the riders can be in it.
    #[must_use]
    pub fn can_hold(&self, workers: &BTreeSet<WorkerToken>) -> bool {
        let stored = |worker: &WorkerToken| worker.0.cast_signed();
        workers.iter().any(|w| (self.rider_min..=self.rider_max).contains(&stored(w)))
    }
}

/// Most bytes that the directory of so many chunks takes before the fingerprints.
#[must_use]
pub const fn directory_bytes_max(chunks: usize) -> usize {
    chunks.saturating_add(1).saturating_mul(32)
}

/// Reads the directory alone, which needs no more than the first [`directory_bytes_max`] bytes.
///
/// # Errors
/// [`CodecError`] where the bytes are damaged.
pub fn decode_directory(bytes: &[u8]) -> Result<Vec<Chunk>, CodecError> {
    let mut reader = Reader::new(bytes);
    take_directory(&mut reader)
}

/// Reads what [`encode_index`] wrote.
///
/// # Errors
/// [`CodecError`] where the bytes are damaged.
pub fn decode_index(bytes: &[u8]) -> Result<(Vec<Chunk>, FingerprintRun), CodecError> {
    let mut reader = Reader::new(bytes);
    let chunks = take_directory(&mut reader)?;
    Ok((chunks, FingerprintRun::decode(reader.rest())?))
}

fn take_directory(reader: &mut Reader<'_>) -> Result<Vec<Chunk>, CodecError> {
    let mut chunks = Vec::new();
    for _ in 0..reader.length()? {
        let first_ordinal = u32::try_from(reader.varint()?).unwrap_or(u32::MAX);
        chunks.push(Chunk { first_ordinal, rider_min: reader.int()?, rider_max: reader.int()? });
    }
    Ok(chunks)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_run_comes_back_and_finds_what_a_set_finds(
            own in proptest::collection::btree_set(0u64..1 << 40, 0..400),
            others in proptest::collection::btree_set(0u64..1 << 40, 0..50),
        ) {
            let run = FingerprintRun::new(own.iter().copied().collect());
            let back = FingerprintRun::decode(&run.encode());
            prop_assert_eq!(back.as_ref(), Ok(&run));
            let wanted: Vec<u64> =
                own.iter().step_by(3).chain(&others).copied().collect::<BTreeSet<_>>().into_iter().collect();
            let expected: Vec<u64> = wanted.iter().filter(|w| own.contains(w)).copied().collect();
            prop_assert_eq!(run.hits(&wanted), expected);
        }

        #[test]
        fn riders_come_back(
            riders in proptest::collection::btree_map(
                (150_100u32..150_110, any::<u64>()), -3i64..40, 0..300)
        ) {
            let riders: RiderOrders = riders.into_iter()
                .map(|((unit, token), n)| ((UnitCode::new(unit).unwrap(), WorkerToken(token)), n))
                .collect();
            let mut back = RiderOrders::new();
            add_riders(&encode_riders(&riders).unwrap(), &mut back).unwrap();
            prop_assert_eq!(back, riders);
        }
    }

    #[test]
    fn a_fingerprint_of_a_large_day_takes_about_three_bytes() {
        let mut state = 7u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state >> 24
        };
        let run = FingerprintRun::new((0..200_000).map(|_| next()).collect());
        let bytes = run.encode().len();
        assert!(bytes < 200_000 * 32 / 10, "{bytes} bytes");
    }
}
