//! What became of each position of a batch, as bytes: three positions a byte, compressed.

use super::bits::{CodecError, Reader, put_block, put_varint, take_block};
use super::effects::Fate;

/// Fates of which there is one byte: with six of them, three make 216 values, and the compressor's
/// codes of whole bits then cost little more than the fates' entropy.
const TOGETHER: usize = 3;

/// Writes the fates of a batch's positions, in order.
///
/// # Errors
/// An I/O error of the compressor.
pub fn encode_fates(fates: &[Fate]) -> std::io::Result<Vec<u8>> {
    let join =
        |fates: &[Fate]| fates.iter().rev().fold(0, |sum, fate| sum * BASE + place_of(*fate));
    let bytes: Vec<u8> = fates.chunks(TOGETHER).map(join).collect();
    let mut out = Vec::new();
    put_varint(&mut out, u64::try_from(fates.len()).unwrap_or(u64::MAX));
    put_block(&mut out, &bytes)?;
    Ok(out)
}

/// Reads what [`encode_fates`] wrote; nothing where a batch had no messages.
///
/// # Errors
/// [`CodecError`] where the bytes are damaged.
pub fn decode_fates(bytes: &[u8]) -> Result<Vec<Fate>, CodecError> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let mut reader = Reader::new(bytes);
    let count = reader.length()?;
    let block = take_block(&mut reader)?;
    if block.len() != count.div_ceil(TOGETHER) {
        let found = u64::try_from(block.len()).unwrap_or(u64::MAX);
        return Err(CodecError { what: "fates", expected: "a byte for three", found });
    }
    let mut fates = Vec::with_capacity(count);
    for byte in block {
        let mut rest = byte;
        for _ in 0..TOGETHER.min(count - fates.len()) {
            fates.extend(Fate::ALL.get(usize::from(rest % BASE)));
            rest /= BASE;
        }
        if rest != 0 {
            let found = u64::from(byte);
            return Err(CodecError { what: "fates", expected: "at most 215", found });
        }
    }
    Ok(fates)
}

/// How many fates there are.
const BASE: u8 = 6;

const fn place_of(fate: Fate) -> u8 {
    match fate {
        Fate::Applied => 0,
        Fate::Duplicate => 1,
        Fate::Held => 2,
        Fate::Ignored => 3,
        Fate::Handoff => 4,
        Fate::NoRecord => 5,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn fates_come_back(places in proptest::collection::vec(0usize..6, 0..400)) {
            let fates: Vec<Fate> = places.into_iter().map(|place| Fate::ALL[place]).collect();
            prop_assert_eq!(decode_fates(&encode_fates(&fates).unwrap()), Ok(fates));
        }
    }

    #[test]
    fn a_byte_of_no_fates_and_a_byte_too_few_are_damage() {
        for (count, bytes) in [(3, &[216][..]), (1, &[6]), (4, &[0]), (3, &[0, 0])] {
            let mut out = Vec::new();
            put_varint(&mut out, count);
            put_block(&mut out, bytes).unwrap();
            assert!(decode_fates(&out).is_err(), "{count} fates in {bytes:?}");
        }
    }

    #[test]
    fn places_are_those_of_the_list() {
        let places: Vec<u8> = Fate::ALL.into_iter().map(place_of).collect();
        assert_eq!(places, [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_message_takes_little_more_than_its_entropy() {
        // Two applied, one ignored, now and then a duplicate, in no order.
        let mut state = 7u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state >> 33
        };
        let fates: Vec<Fate> = (0..20_000)
            .map(|_| match next() % 100 {
                0 => Fate::Duplicate,
                1..34 => Fate::Ignored,
                _ => Fate::Applied,
            })
            .collect();
        // -0.01 ld 0.01 - 0.33 ld 0.33 - 0.66 ld 0.66 = 0.99 bits.
        let bytes = encode_fates(&fates).unwrap().len();
        assert!(bytes < 20_000 * 115 / 100 / 8, "{bytes} bytes");
    }
}
