//! Values that come compressed: unpacked within the feed's limits, never further.

use std::borrow::Cow;
use std::io::{ErrorKind, Read};

use flate2::read::MultiGzDecoder;

use super::manifest::Feed;
use crate::domain::hold::HoldReason;

impl Feed {
    /// The record's own bytes: the value itself, or what it unpacks to where the feed says that
    /// its values are compressed. Both sizes are held against the feed's limit.
    ///
    /// # Errors
    /// The reason to hold the message: empty, oversized, a bomb, truncated, malformed.
    pub(super) fn unpack<'v>(&self, value: &'v [u8]) -> Result<Cow<'v, [u8]>, HoldReason> {
        check_size(value, self.bytes_max)?;
        let Some(compression) = self.compression else { return Ok(Cow::Borrowed(value)) };
        let limit = value.len().saturating_mul(compression.ratio_max).min(self.bytes_max);
        let mut record = Vec::new();
        // One byte more than is allowed tells a bomb from what just fits.
        let mut within = MultiGzDecoder::new(value).take(wide(limit.saturating_add(1)));
        if let Err(error) = within.read_to_end(&mut record) {
            let is_cut = error.kind() == ErrorKind::UnexpectedEof;
            return Err(if is_cut {
                HoldReason::Truncated { at: format!("byte {}", value.len()) }
            } else {
                HoldReason::Malformed { detail: format!("expected gzip, found {error}") }
            });
        }
        if record.len() > limit {
            return Err(HoldReason::Bomb { bytes_max: wide(limit) });
        }
        check_size(&record, self.bytes_max)?;
        Ok(Cow::Owned(record))
    }
}

/// Refuses a value without bytes, or with more than the feed allows.
pub(super) fn check_size(value: &[u8], bytes_max: usize) -> Result<(), HoldReason> {
    match value.len() {
        0 => Err(HoldReason::Empty),
        bytes if bytes > bytes_max => {
            Err(HoldReason::Oversized { bytes: wide(bytes), bytes_max: wide(bytes_max) })
        }
        _ => Ok(()),
    }
}

fn wide(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}
