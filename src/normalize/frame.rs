//! Values that name the schema that they are written with, in Confluent's framing.
//!
//! A number is the feed's, or the message is held: what another schema wrote is never guessed at.

use super::avro::Shape;
use super::manifest::{AvroFormat, Framing};
use crate::domain::hold::HoldReason;
use crate::schema::framing::{FrameError, unframe};

impl AvroFormat {
    /// The datum of a value, and how it is read.
    ///
    /// # Errors
    /// The reason to hold the message: truncated, malformed, another schema.
    pub(super) fn datum_of<'v>(&self, value: &'v [u8]) -> Result<(&'v [u8], &Shape), HoldReason> {
        let is_framed = match self.framing {
            None => false,
            Some(Framing::Always) => true,
            Some(Framing::Maybe) => value.first() == Some(&0),
        };
        if !is_framed {
            return Ok((value, &self.newest.shape));
        }
        match unframe(value) {
            Ok((found, datum)) => {
                let mut writers = [&*self.newest].into_iter().chain(&self.earlier);
                let writer = writers.find(|writer| writer.number == Some(found));
                let writer = writer.ok_or(HoldReason::SchemaUnknown { found })?;
                Ok((datum, &writer.shape))
            }
            Err(FrameError::TooShort { found }) if value.first() == Some(&0) => {
                Err(HoldReason::Truncated { at: format!("byte {found}") })
            }
            Err(error @ (FrameError::TooShort { .. } | FrameError::OtherMagic { .. })) => {
                Err(HoldReason::Malformed { detail: error.to_string() })
            }
        }
    }
}
