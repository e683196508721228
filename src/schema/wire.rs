//! The few forms of Avro's binary encoding that the canonical records use.

use crate::domain::money::Fen;

use super::encode::EncodeError;

/// Decimals have 18 digits, so this size and above does not fit.
const FEN_SIZE_LIMIT: u64 = 1_000_000_000_000_000_000;

/// A datum while it is written. Fields follow one another in the order of the schema, unnamed.
#[derive(Default)]
pub(super) struct Datum {
    bytes: Vec<u8>,
}

impl Datum {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Starts again behind these bytes, keeping the memory.
    pub(super) fn begin(&mut self, head: &[u8]) {
        self.bytes.clear();
        self.bytes.extend_from_slice(head);
    }

    /// Fields that were written before.
    pub(super) fn append(&mut self, fields: &Self) {
        self.bytes.extend_from_slice(&fields.bytes);
    }

    /// `int` and `long`: zigzag, then seven bits a byte, lowest first.
    pub(super) fn long(&mut self, value: i64) {
        let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
        while rest >= 0x80 {
            let [low, ..] = rest.to_le_bytes();
            self.bytes.push(low | 0x80);
            rest >>= 7;
        }
        let [low, ..] = rest.to_le_bytes();
        self.bytes.push(low);
    }

    /// A count; refused where it does not fit a `long`.
    pub(super) fn count(&mut self, field: &'static str, value: u64) -> Result<(), EncodeError> {
        match i64::try_from(value) {
            Ok(count) => {
                self.long(count);
                Ok(())
            }
            Err(_) => Err(EncodeError::CountTooLarge { field, max: i64::MAX, found: value }),
        }
    }

    pub(super) fn boolean(&mut self, value: bool) {
        self.bytes.push(u8::from(value));
    }

    pub(super) fn string(&mut self, text: &str) {
        self.length(text.len());
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// A number of six digits as a string.
    pub(super) fn digits(&mut self, number: u32) {
        self.length(6);
        for place in [100_000, 10_000, 1_000, 100, 10, 1] {
            let [digit, ..] = (number / place % 10).to_le_bytes();
            self.bytes.push(b'0' + digit);
        }
    }

    /// `fixed`: its size stands in the schema.
    pub(super) fn fixed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Decimal (18, 2) of yuan: the fen in as few big-endian bytes as keep the sign.
    pub(super) fn money(&mut self, field: &'static str, amount: Fen) -> Result<(), EncodeError> {
        if amount.get().unsigned_abs() >= FEN_SIZE_LIMIT {
            return Err(EncodeError::AmountTooLarge { field, found: amount });
        }
        let whole = amount.get().to_be_bytes();
        let mut short: &[u8] = &whole;
        while let [first, rest @ ..] = short
            && let [second, ..] = rest
        {
            let redundant = (*first == 0 && *second < 0x80) || (*first == 0xff && *second >= 0x80);
            if !redundant {
                break;
            }
            short = rest;
        }
        self.length(short.len());
        self.bytes.extend_from_slice(short);
        Ok(())
    }

    /// `["null", T]`: the branch, then the value where there is one.
    pub(super) fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        match value {
            None => self.long(0),
            Some(value) => {
                self.long(1);
                write(self, value);
            }
        }
    }

    /// An array as one block.
    ///
    /// # Errors
    /// As `write` says for an item.
    pub(super) fn array<T>(
        &mut self,
        items: &[T],
        mut write: impl FnMut(&mut Self, &T) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        if !items.is_empty() {
            self.length(items.len());
            for item in items {
                write(self, item)?;
            }
        }
        self.long(0);
        Ok(())
    }

    /// No text and no list in memory is longer than `i64::MAX`.
    fn length(&mut self, length: usize) {
        self.long(i64::try_from(length).unwrap_or(i64::MAX));
    }
}
