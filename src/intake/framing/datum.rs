//! How long an Avro datum is, without decoding it: nothing is allocated, whatever lengths it names.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, Name, ResolvedSchema, UuidSchema};

/// Nesting of a recursive schema.
const DEPTH_MAX: u32 = 64;

/// Measures datums of one schema.
pub(super) struct DatumLengths<'s> {
    schema: &'s Schema,
    names: HashMap<Name, &'s Schema>,
}

impl<'s> DatumLengths<'s> {
    pub(super) fn of(schema: &'s Schema) -> Result<Self, apache_avro::Error> {
        let names = ResolvedSchema::try_from(schema)?.get_names().clone();
        Ok(Self { schema, names })
    }

    /// Bytes of the datum that `bytes` begin with; `None` where they hold no whole datum.
    pub(super) fn first(&self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        self.skip(self.schema, bytes, &mut at, 0)?;
        Some(at)
    }

    fn skip(&self, schema: &Schema, bytes: &[u8], at: &mut usize, depth: u32) -> Option<()> {
        if depth > DEPTH_MAX {
            return None;
        }
        let deeper = depth + 1;
        match schema {
            Schema::Null => Some(()),
            Schema::Boolean => skip_bytes(bytes, at, 1),
            Schema::Float => skip_bytes(bytes, at, 4),
            Schema::Double => skip_bytes(bytes, at, 8),
            Schema::Int
            | Schema::Long
            | Schema::Enum(_)
            | Schema::Date
            | Schema::TimeMillis
            | Schema::TimeMicros
            | Schema::TimestampMillis
            | Schema::TimestampMicros
            | Schema::TimestampNanos
            | Schema::LocalTimestampMillis
            | Schema::LocalTimestampMicros
            | Schema::LocalTimestampNanos => take_long(bytes, at).map(|_| ()),
            Schema::Bytes
            | Schema::String
            | Schema::BigDecimal
            | Schema::Uuid(UuidSchema::String | UuidSchema::Bytes) => {
                let length = take_length(bytes, at)?;
                skip_bytes(bytes, at, length)
            }
            Schema::Fixed(fixed)
            | Schema::Duration(fixed)
            | Schema::Uuid(UuidSchema::Fixed(fixed)) => skip_bytes(bytes, at, fixed.size),
            Schema::Decimal(decimal) => match &decimal.inner {
                InnerDecimalSchema::Bytes => {
                    let length = take_length(bytes, at)?;
                    skip_bytes(bytes, at, length)
                }
                InnerDecimalSchema::Fixed(fixed) => skip_bytes(bytes, at, fixed.size),
            },
            Schema::Array(array) => {
                skip_blocks(bytes, at, |at| self.skip(&array.items, bytes, at, deeper))
            }
            Schema::Map(map) => skip_blocks(bytes, at, |at| {
                let length = take_length(bytes, at)?;
                skip_bytes(bytes, at, length)?;
                self.skip(&map.types, bytes, at, deeper)
            }),
            Schema::Union(union) => {
                let variant = take_length(bytes, at)?;
                self.skip(union.variants().get(variant)?, bytes, at, deeper)
            }
            Schema::Record(record) => record
                .fields
                .iter()
                .try_for_each(|field| self.skip(&field.schema, bytes, at, deeper)),
            Schema::Ref { name } => self.skip(self.names.get(name)?, bytes, at, deeper),
        }
    }
}

/// Items in blocks; a negative count is followed by the block's size.
fn skip_blocks(
    bytes: &[u8],
    at: &mut usize,
    mut skip_item: impl FnMut(&mut usize) -> Option<()>,
) -> Option<()> {
    loop {
        let count = take_long(bytes, at)?;
        if count == 0 {
            return Some(());
        }
        if count < 0 {
            let size = take_length(bytes, at)?;
            skip_bytes(bytes, at, size)?;
            continue;
        }
        for _ in 0..count {
            let before = *at;
            skip_item(at)?;
            // Items without bytes would let a small datum keep us busy for ever.
            if *at == before {
                return None;
            }
        }
    }
}

fn skip_bytes(bytes: &[u8], at: &mut usize, count: usize) -> Option<()> {
    let end = at.checked_add(count)?;
    if end > bytes.len() {
        return None;
    }
    *at = end;
    Some(())
}

/// A length or index: a long that is not negative.
pub(super) fn take_length(bytes: &[u8], at: &mut usize) -> Option<usize> {
    usize::try_from(take_long(bytes, at)?).ok()
}

/// A zigzag varint of at most ten bytes.
pub(super) fn take_long(bytes: &[u8], at: &mut usize) -> Option<i64> {
    let mut value = 0_u64;
    for shift in (0..70_u32).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte & 0x80 == 0 {
            return Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
        }
    }
    None
}
