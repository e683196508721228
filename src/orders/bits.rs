//! Bytes and bits of stored columns: variable-length integers, blocks that are compressed where
//! that is smaller, bit packing, and Rice codes. What a column's integers are written as is the
//! matter of [`super::ints`].

#![expect(
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "bit packing: widths are computed here and checked where bytes are read"
)]

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

    /// Bits from here on, lowest bit first; [`Reader::skip_bits`] has to follow.
    pub(super) const fn bits(&self) -> BitReader<'a> {
        BitReader { bytes: self.bytes, at: 0 }
    }

    /// Goes on behind the last byte that any bit was taken of.
    pub(super) fn skip_bits(&mut self, bits: &BitReader<'_>) -> Result<(), CodecError> {
        self.take(bits.at.div_ceil(8)).map(|_| ())
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

pub(super) const fn width(max: u64) -> u32 {
    64 - max.leading_zeros()
}

/// Ones from which on a Rice code is no longer unary: then the whole value follows.
const ESCAPE: u32 = 40;

/// Low bits of the Rice codes of values with this mean.
pub(super) const fn rice_bits(mean: u64) -> u32 {
    width(mean).saturating_sub(1)
}

/// Packs values lowest bit first.
#[derive(Default)]
pub(super) struct BitWriter {
    held: u128,
    count: u32,
}

impl BitWriter {
    pub(super) fn put(&mut self, out: &mut Vec<u8>, value: u64, bits: u32) {
        self.held |= u128::from(value) << self.count;
        self.count += bits;
        while self.count >= 32 {
            out.extend_from_slice(&(self.held as u32).to_le_bytes());
            self.held >>= 32;
            self.count -= 32;
        }
    }

    /// What lies above the low bits in ones and a zero, then the low bits.
    pub(super) fn put_rice(&mut self, out: &mut Vec<u8>, value: u64, low_bits: u32) {
        let high = value.checked_shr(low_bits).unwrap_or(0);
        if high < u64::from(ESCAPE) {
            self.put(out, (1 << high) - 1, high as u32 + 1);
            self.put(out, value & mask(low_bits), low_bits);
        } else {
            self.put(out, mask(ESCAPE), ESCAPE);
            self.put(out, value, 64);
        }
    }

    pub(super) fn finish(mut self, out: &mut Vec<u8>) {
        while self.count > 0 {
            out.push(self.held as u8);
            self.held >>= 8;
            self.count = self.count.saturating_sub(8);
        }
    }
}

/// Takes bits from bytes, lowest bit first.
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    /// Bits taken.
    at: usize,
}

impl BitReader<'_> {
    pub(super) fn take(&mut self, bits: u32) -> Result<u64, CodecError> {
        if bits > 56 {
            let low = self.take(32)?;
            return Ok(low | self.take(bits - 32)? << 32);
        }
        if self.at + bits as usize > self.bytes.len() * 8 {
            let found = self.bytes.len() as u64;
            return Err(CodecError { what: "bits", expected: "more bytes", found });
        }
        let value = self.window() & mask(bits);
        self.at += bits as usize;
        Ok(value)
    }

    pub(super) fn take_rice(&mut self, low_bits: u32) -> Result<u64, CodecError> {
        let ones = self.window().trailing_ones();
        if ones >= ESCAPE {
            self.take(ESCAPE)?;
            return self.take(64);
        }
        self.take(ones + 1)?;
        Ok(u64::from(ones).checked_shl(low_bits).unwrap_or(0) | self.take(low_bits)?)
    }

    /// At least the next 57 bits, zeros behind the last byte.
    fn window(&self) -> u64 {
        let rest = self.bytes.get(self.at / 8..).unwrap_or_default();
        let word = match rest.first_chunk::<8>() {
            Some(eight) => u64::from_le_bytes(*eight),
            None => rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
        };
        word >> (self.at % 8)
    }
}

const fn mask(bits: u32) -> u64 {
    if bits >= 64 { u64::MAX } else { (1 << bits) - 1 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bits_and_rice_codes_come_back(
            values in proptest::collection::vec((any::<u64>(), 0u32..=64, 0u32..=63), 0..200)
        ) {
            let (mut out, mut writer) = (Vec::new(), BitWriter::default());
            for (value, bits, low_bits) in &values {
                writer.put(&mut out, value & mask(*bits), *bits);
                writer.put_rice(&mut out, value >> (64 - bits).min(63), *low_bits);
            }
            writer.finish(&mut out);
            out.push(0xAB);
            let mut reader = Reader::new(&out);
            let mut source = reader.bits();
            for (value, bits, low_bits) in values {
                prop_assert_eq!(source.take(bits), Ok(value & mask(bits)));
                prop_assert_eq!(source.take_rice(low_bits), Ok(value >> (64 - bits).min(63)));
            }
            reader.skip_bits(&source).unwrap();
            prop_assert_eq!(reader.byte(), Ok(0xAB));
        }
    }
}
