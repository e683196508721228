//! What became of each message of a batch, as bytes: a letter a position of the log, compressed.

use super::bits::{CodecError, Reader, put_block, take_block};
use super::effects::Fate;

/// Writes the fates of a batch's positions, in order.
///
/// # Errors
/// An I/O error of the compressor.
pub fn encode_fates(fates: &[Fate]) -> std::io::Result<Vec<u8>> {
    let letters: Vec<u8> = fates.iter().map(|fate| fate.letter()).collect();
    let mut out = Vec::new();
    put_block(&mut out, &letters)?;
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
    let letters = take_block(&mut Reader::new(bytes))?;
    let fate = |letter: u8| {
        let found = Fate::ALL.into_iter().find(|fate| fate.letter() == letter);
        let error =
            CodecError { what: "fate", expected: "A, D, H, I, W or -", found: letter.into() };
        found.ok_or(error)
    };
    letters.into_iter().map(fate).collect()
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
    fn another_letter_is_damage() {
        let mut out = Vec::new();
        put_block(&mut out, b"AX").unwrap();
        assert!(decode_fates(&out).is_err());
    }

    #[test]
    fn a_message_takes_less_than_two_bits() {
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
        let bytes = encode_fates(&fates).unwrap().len();
        assert!(bytes < 20_000 * 2 / 8, "{bytes} bytes");
    }
}
