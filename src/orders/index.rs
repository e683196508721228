//! The run of fingerprints of a sealed day: their highest bits, sorted, by Rice-coded gaps; and the
//! riders of its counted orders, by reporting unit.

use std::collections::{BTreeMap, BTreeSet};

use super::bits::{
    BitWriter, CodecError, Reader, put_block, put_int, put_varint, rice_bits, take_block,
};
use super::ints::{Effort, put_ascending, put_ints, take_ints};
use crate::domain::ids::{UnitCode, WorkerToken};
use crate::domain::time::Day;

/// The highest bits of the fingerprints of a sealed day, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FingerprintRun {
    bits: u32,
    prefixes: Vec<u64>,
}

/// A run has so many bits that another day of the same size meets, by chance, an order in it that
/// the day does not have once in at least two to the power of this many days. Such a meeting costs
/// a look at the day's order numbers; a bit more would cost every order a bit for good.
const SPARE_BITS: u32 = 4;
/// Late runs add few fingerprints, but large days look them up.
const BITS_MIN: u32 = 32;

impl FingerprintRun {
    /// The run of these fingerprints, with the bits that so many need.
    #[must_use]
    pub fn of(fingerprints: Vec<u64>) -> Self {
        let orders = u128::try_from(fingerprints.len()).unwrap_or(u128::MAX);
        let pairs = u128::BITS - orders.saturating_mul(orders).leading_zeros();
        Self::with_bits(fingerprints, (pairs + SPARE_BITS).clamp(BITS_MIN, u64::BITS))
    }

    fn with_bits(mut fingerprints: Vec<u64>, bits: u32) -> Self {
        fingerprints.iter_mut().for_each(|print| *print = prefix(*print, bits));
        fingerprints.sort_unstable();
        fingerprints.dedup();
        Self { bits, prefixes: fingerprints }
    }

    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.prefixes.len() * 4 + 16);
        put_varint(&mut out, u64::try_from(self.prefixes.len()).unwrap_or(0));
        out.push(u8::try_from(self.bits).unwrap_or(0));
        let last = self.prefixes.last().copied().unwrap_or(0);
        let low_bits = rice_bits(last / u64::try_from(self.prefixes.len().max(1)).unwrap_or(1));
        out.push(u8::try_from(low_bits).unwrap_or(0));
        let (mut writer, mut before) = (BitWriter::default(), 0);
        for prefix in &self.prefixes {
            writer.put_rice(&mut out, prefix - before, low_bits);
            before = *prefix;
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
        let bits = u32::from(reader.byte()?);
        if !(1..=u64::BITS).contains(&bits) {
            let found = u64::from(bits);
            return Err(CodecError { what: "fingerprint bits", expected: "1 to 64", found });
        }
        let low_bits = u32::from(reader.byte()?).min(63);
        let mut source = reader.bits();
        let mut prefixes = Vec::with_capacity(rows);
        let mut value = 0u64;
        for _ in 0..rows {
            value = value.wrapping_add(source.take_rice(low_bits)?);
            prefixes.push(value);
        }
        Ok(Self { bits, prefixes })
    }

    /// Those fingerprints of `sorted` (ascending) that the run may have.
    #[must_use]
    pub fn hits(&self, sorted: &[u64]) -> Vec<u64> {
        let (mut own, mut hits) = (self.prefixes.iter().peekable(), Vec::new());
        for wanted in sorted {
            let start = prefix(*wanted, self.bits);
            while own.next_if(|prefix| **prefix < start).is_some() {}
            if own.peek() == Some(&&start) {
                hits.push(*wanted);
            }
        }
        hits
    }
}

/// The highest bits of a fingerprint.
const fn prefix(fingerprint: u64, bits: u32) -> u64 {
    fingerprint >> (u64::BITS - bits)
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
            own in proptest::collection::btree_set(any::<u64>(), 0..400),
            others in proptest::collection::btree_set(any::<u64>(), 0..50),
            bits in prop_oneof![Just(8u32), Just(24), Just(40), Just(64)],
        ) {
            let run = FingerprintRun::with_bits(own.iter().copied().collect(), bits);
            let back = FingerprintRun::decode(&run.encode());
            prop_assert_eq!(back.as_ref(), Ok(&run));
            let wanted: BTreeSet<u64> =
                own.iter().step_by(3).chain(&others).copied().collect();
            let starts: BTreeSet<u64> = own.iter().map(|own| own >> (64 - bits)).collect();
            let has = |wanted: &&u64| starts.contains(&(**wanted >> (64 - bits)));
            let expected: Vec<u64> = wanted.iter().filter(has).copied().collect();
            let sorted: Vec<u64> = wanted.iter().copied().collect();
            prop_assert_eq!(run.hits(&sorted), expected);
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

    /// Two days without a common order, of 200 to 200,000 orders each.
    #[test]
    fn a_fingerprint_takes_few_bytes_and_two_days_seldom_meet_by_chance() {
        let mut state = 7u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state ^ state.rotate_left(31)
        };
        let mut met = 0;
        for orders in [200, 5_000, 60_000, 200_000] {
            let run = FingerprintRun::of((0..orders).map(|_| next()).collect());
            let bytes = run.encode().len();
            assert!(bytes < orders * 34 / 10, "{bytes} bytes for {orders}");
            let mut wanted: Vec<u64> = (0..orders).map(|_| next()).collect();
            wanted.sort_unstable();
            met += run.hits(&wanted).len();
        }
        assert!(met <= 2, "{met} orders");
    }
}
