//! Order numbers in a segment: digits as integers, hexadecimal as bytes, anything else as text.
//!
//! Real order numbers are one of a few shapes (19 digits, 32 lower hexadecimal digits, a short
//! prefix and digits). The shape is found per segment, and every number comes back exactly.

use super::bits::{CodecError, Reader, put_block, put_varint, take_block};
use super::columns::Texts;
use super::ints::{Effort, put_ints, take_ints};

const TEXT: u8 = 0;
const DIGITS: u8 = 1;
const HEX: u8 = 2;

/// Appends the order numbers of all rows.
pub(super) fn put_ids(out: &mut Vec<u8>, ids: &Texts, effort: Effort) -> std::io::Result<()> {
    if let Some((prefix, numbers, width)) = as_digits(ids) {
        out.push(DIGITS);
        put_block(out, prefix.as_bytes())?;
        put_varint(out, u64::try_from(width).unwrap_or(0));
        put_ints(out, &numbers, effort);
        return Ok(());
    }
    if let Some(bytes) = as_hex(ids) {
        out.push(HEX);
        out.extend_from_slice(&bytes);
        return Ok(());
    }
    out.push(TEXT);
    let mut body = Vec::with_capacity(ids.bytes.len() + ids.len());
    for row in 0..ids.len() {
        let text = ids.get(row).unwrap_or_default();
        put_varint(&mut body, u64::try_from(text.len()).unwrap_or(0));
    }
    body.extend_from_slice(&ids.bytes);
    put_block(out, &body)
}

/// Reads the order numbers of `rows` rows.
pub(super) fn take_ids(reader: &mut Reader<'_>, rows: usize) -> Result<Texts, CodecError> {
    let mut ids = Texts::default();
    match reader.byte()? {
        DIGITS => take_digits(reader, rows, &mut ids)?,
        HEX => {
            for chunk in reader.take(rows.saturating_mul(16))?.chunks_exact(16) {
                ids.push(&hex_text(chunk));
            }
        }
        TEXT => take_texts(reader, rows, &mut ids)?,
        found => {
            let found = u64::from(found);
            return Err(CodecError { what: "id form", expected: "0 to 2", found });
        }
    }
    Ok(ids)
}

fn take_digits(reader: &mut Reader<'_>, rows: usize, ids: &mut Texts) -> Result<(), CodecError> {
    let prefix = String::from_utf8_lossy(&take_block(reader)?).into_owned();
    let width = reader.length()?;
    for number in take_ints(reader, rows)? {
        ids.push(&format!("{prefix}{number:0width$}"));
    }
    Ok(())
}

fn take_texts(reader: &mut Reader<'_>, rows: usize, ids: &mut Texts) -> Result<(), CodecError> {
    let block = take_block(reader)?;
    let mut lengths = Reader::new(&block);
    let mut sizes = Vec::with_capacity(rows);
    for _ in 0..rows {
        sizes.push(lengths.length()?);
    }
    for size in sizes {
        ids.push(&String::from_utf8_lossy(lengths.take(size)?));
    }
    Ok(())
}

/// A common prefix and digits of one width (at most 18, or 19 below 2^63).
fn as_digits(ids: &Texts) -> Option<(String, Vec<i64>, usize)> {
    let first = ids.get(0)?;
    let digits_from = first.rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| at + 1);
    let prefix = first.get(..digits_from)?;
    if !prefix.is_ascii() {
        return None;
    }
    let width = first.len() - prefix.len();
    if !(1..=19).contains(&width) {
        return None;
    }
    let mut numbers = Vec::with_capacity(ids.len());
    for row in 0..ids.len() {
        let digits = ids.get(row)?.strip_prefix(prefix)?;
        if digits.len() != width || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        numbers.push(digits.parse().ok()?);
    }
    Some((prefix.to_owned(), numbers, width))
}

fn as_hex(ids: &Texts) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(ids.len() * 16);
    for row in 0..ids.len() {
        let text = ids.get(row)?.as_bytes();
        if text.len() != 32 {
            return None;
        }
        for pair in text.chunks_exact(2) {
            let [high, low] = pair else { return None };
            bytes.push(hex_digit(*high)? << 4 | hex_digit(*low)?);
        }
    }
    Some(bytes)
}

const fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

fn hex_text(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn round_trip(texts: &[String]) -> usize {
        let mut ids = Texts::default();
        texts.iter().for_each(|text| ids.push(text));
        let mut out = Vec::new();
        put_ids(&mut out, &ids, Effort::Fast).unwrap();
        let back = take_ids(&mut Reader::new(&out), texts.len()).unwrap();
        assert_eq!(back, ids);
        out.len()
    }

    proptest! {
        #[test]
        fn every_number_comes_back(texts in proptest::collection::vec("[ -~]{1,64}", 1..40)) {
            round_trip(&texts);
        }

        #[test]
        fn usual_shapes_come_back(
            digits in proptest::collection::vec("[0-9]{19}", 1..40),
            hex in proptest::collection::vec("[0-9a-f]{32}", 1..40),
            marked in proptest::collection::vec("SS[0-9]{17}", 1..40),
        ) {
            round_trip(&digits);
            round_trip(&hex);
            round_trip(&marked);
        }
    }

    #[test]
    fn nineteen_digits_take_eight_bytes_and_hex_sixteen() {
        let digits: Vec<String> = (0..1000u64)
            .map(|n| format!("{:019}", 4_000_000_000_000_000_000 + n * 77_777))
            .collect();
        assert!(round_trip(&digits) < 8 * 1000 + 40);
        let hex: Vec<String> = (0..1000u128).map(|n| format!("{:032x}", n.pow(9))).collect();
        assert_eq!(round_trip(&hex), 16 * 1000 + 1);
    }
}
