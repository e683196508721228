//! One Avro datum, read by its writer's schema for the paths of a plan.
//!
//! Read directly, not through the Avro crate's values: text is borrowed, a length can claim no more
//! memory than the message has bytes, and a datum that is cut off is told from a malformed one. The
//! crate parses the schema, and a test holds this reader against the crate's own writer.

use std::borrow::Cow;

use apache_avro::Schema;

use super::cell::{Cell, Member, Want, put};
use crate::domain::hold::HoldReason;

/// A compiled schema with the slots of wanted fields.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    Null,
    Boolean,
    Long,
    Skip(usize),
    Bytes,
    Text,
    Enum(Vec<String>),
    Array(Box<Shape>),
    Map(Box<Shape>),
    Union(Vec<Shape>),
    Record(Vec<(Option<Want>, Shape)>),
}

/// Why a schema and a plan do not fit.
#[derive(Debug)]
pub(super) enum ShapeError {
    /// The schema has no such field.
    NoField(String),
    /// The schema uses what this reader does not know.
    Unsupported(&'static str),
}

impl Shape {
    /// Compiles a schema for the wanted members.
    pub(super) fn new(schema: &Schema, wanted: &[Member]) -> Result<Self, ShapeError> {
        Self::compile(schema, wanted, false)
    }

    /// As [`Shape::new`], of a schema that may lack members which came later.
    pub(super) fn of_earlier(schema: &Schema, wanted: &[Member]) -> Result<Self, ShapeError> {
        Self::compile(schema, wanted, true)
    }

    fn compile(schema: &Schema, wanted: &[Member], may_lack: bool) -> Result<Self, ShapeError> {
        if let (Schema::Union(union), false) = (schema, wanted.is_empty()) {
            let variants = union.variants().iter().map(|variant| {
                if *variant == Schema::Null {
                    return Ok(Self::Null);
                }
                Self::compile(variant, wanted, may_lack)
            });
            return Ok(Self::Union(variants.collect::<Result<_, _>>()?));
        }
        if let Schema::Record(record) = schema {
            let lacking = wanted.iter().find(|m| !record.lookup.contains_key(&m.name));
            if let Some(member) = lacking.filter(|_| !may_lack) {
                return Err(ShapeError::NoField(member.name.clone()));
            }
            let mut fields = Vec::new();
            for field in &record.fields {
                let want = wanted.iter().find(|member| member.name == field.name);
                let below = match want.map(|member| &member.want) {
                    Some(Want::Members(below)) => below.as_slice(),
                    Some(Want::Value(_) | Want::Rows(..)) | None => &[],
                };
                let shape = Self::compile(&field.schema, below, may_lack)?;
                fields.push((want.map(|member| member.want.clone()), shape));
            }
            return Ok(Self::Record(fields));
        }
        match wanted.first() {
            Some(member) => Err(ShapeError::NoField(member.name.clone())),
            None => Self::value(schema),
        }
    }

    fn value(schema: &Schema) -> Result<Self, ShapeError> {
        Ok(match schema {
            Schema::Null => Self::Null,
            Schema::Boolean => Self::Boolean,
            Schema::Int
            | Schema::Long
            | Schema::Date
            | Schema::TimeMillis
            | Schema::TimeMicros
            | Schema::TimestampMillis
            | Schema::TimestampMicros
            | Schema::TimestampNanos
            | Schema::LocalTimestampMillis
            | Schema::LocalTimestampMicros
            | Schema::LocalTimestampNanos => Self::Long,
            Schema::Float => Self::Skip(4),
            Schema::Double => Self::Skip(8),
            Schema::Bytes | Schema::BigDecimal => Self::Bytes,
            Schema::String => Self::Text,
            Schema::Array(array) => Self::Array(Box::new(Self::new(&array.items, &[])?)),
            Schema::Map(map) => Self::Map(Box::new(Self::new(&map.types, &[])?)),
            Schema::Union(union) => {
                let variants = union.variants().iter().map(|variant| Self::new(variant, &[]));
                Self::Union(variants.collect::<Result<_, _>>()?)
            }
            Schema::Enum(names) => Self::Enum(names.symbols.clone()),
            Schema::Fixed(fixed) | Schema::Duration(fixed) => Self::Skip(fixed.size),
            Schema::Record(_) => Self::new(schema, &[])?,
            Schema::Decimal(_) => return Err(ShapeError::Unsupported("decimal")),
            Schema::Uuid(_) => return Err(ShapeError::Unsupported("uuid")),
            Schema::Ref { .. } => return Err(ShapeError::Unsupported("a type used by name")),
        })
    }
}

/// Reads the datum `bytes` into `slots`.
pub(super) fn read<'a>(
    bytes: &'a [u8],
    shape: &Shape,
    slots: &mut [Cell<'a>],
) -> Result<(), HoldReason> {
    let mut cursor = Cursor { rest: bytes, length: bytes.len() };
    let outcome = cursor.value(shape, None, slots);
    outcome.map_err(|stop| match stop {
        Stop::End => HoldReason::Truncated { at: format!("byte {}", cursor.length) },
        Stop::Text => HoldReason::Encoding { expected: "UTF-8", at: cursor.at() },
        Stop::Unexpected(expected) => HoldReason::Malformed {
            detail: format!("expected {expected} before byte {}", cursor.at()),
        },
    })?;
    if cursor.rest.is_empty() {
        return Ok(());
    }
    let detail = format!("expected the datum's end at byte {}, found more", cursor.at());
    Err(HoldReason::Malformed { detail })
}

enum Stop {
    End,
    Text,
    Unexpected(&'static str),
}

struct Cursor<'a> {
    rest: &'a [u8],
    length: usize,
}

impl<'a> Cursor<'a> {
    fn value(
        &mut self,
        shape: &Shape,
        want: Option<&Want>,
        slots: &mut [Cell<'a>],
    ) -> Result<(), Stop> {
        let cell = match shape {
            Shape::Null => return Ok(()),
            Shape::Boolean => {
                let truth = self.take(1)?;
                if !matches!(truth, [0 | 1]) {
                    return Err(Stop::Unexpected("true or false"));
                }
                Cell::Other("true or false")
            }
            Shape::Long => Cell::Long(self.long()?),
            Shape::Skip(bytes) => {
                self.take(*bytes)?;
                Cell::Other("bytes or a float")
            }
            Shape::Bytes => {
                self.sized()?;
                Cell::Other("bytes")
            }
            Shape::Text => Cell::Text(Cow::Borrowed(self.text()?)),
            Shape::Enum(names) => {
                let name = usize::try_from(self.long()?).ok().and_then(|at| names.get(at));
                let name = name.ok_or(Stop::Unexpected("a symbol of the schema"))?;
                Cell::Text(Cow::Owned(name.clone()))
            }
            Shape::Array(items) => {
                self.blocks(items, false)?;
                Cell::Other("an array")
            }
            Shape::Map(values) => {
                self.blocks(values, true)?;
                Cell::Other("a map")
            }
            Shape::Union(variants) => {
                let variant = usize::try_from(self.long()?).ok().and_then(|at| variants.get(at));
                let variant = variant.ok_or(Stop::Unexpected("a branch of the union"))?;
                return self.value(variant, want, slots);
            }
            Shape::Record(fields) => {
                for (want, shape) in fields {
                    self.value(shape, want.as_ref(), slots)?;
                }
                match want {
                    None | Some(Want::Members(_)) => return Ok(()),
                    Some(Want::Value(_) | Want::Rows(..)) => Cell::Other("a record"),
                }
            }
        };
        if let Some(Want::Value(slot)) = want {
            put(slots, *slot, cell);
        }
        Ok(())
    }

    fn blocks(&mut self, shape: &Shape, keyed: bool) -> Result<(), Stop> {
        loop {
            let count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                self.long()?;
            }
            // Items of no bytes would let a count stand for any amount of work.
            if usize::try_from(count.unsigned_abs()).map_or(true, |count| count > self.rest.len()) {
                return Err(Stop::End);
            }
            for _ in 0..count.unsigned_abs() {
                if keyed {
                    self.text()?;
                }
                self.value(shape, None, &mut [])?;
            }
        }
    }

    /// A variable-length zig-zag number.
    fn long(&mut self) -> Result<i64, Stop> {
        let mut zigzag = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.rest.split_first().ok_or(Stop::End)?;
            self.rest = rest;
            if shift == 63 && *byte > 1 {
                return Err(Stop::Unexpected("a number of 64 bits"));
            }
            zigzag |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        Ok((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed())
    }

    fn text(&mut self) -> Result<&'a str, Stop> {
        let bytes = self.sized()?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text),
            Err(_) => Err(Stop::Text),
        }
    }

    fn sized(&mut self) -> Result<&'a [u8], Stop> {
        let size = self.long()?;
        match usize::try_from(size) {
            Ok(size) => self.take(size),
            Err(_) => Err(Stop::Unexpected("a length of 0 or more")),
        }
    }

    fn take(&mut self, size: usize) -> Result<&'a [u8], Stop> {
        let (taken, rest) = self.rest.split_at_checked(size).ok_or(Stop::End)?;
        self.rest = rest;
        Ok(taken)
    }

    fn at(&self) -> usize {
        self.length - self.rest.len()
    }
}

#[cfg(test)]
mod tests;
