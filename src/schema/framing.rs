//! Confluent framing: a zero byte, the schema's id in four big-endian bytes, then the datum.

const MAGIC: u8 = 0;

/// Why bytes are no framed datum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Not even the frame is there.
    #[error("frame: expected at least 5 bytes, found {found}")]
    TooShort {
        /// How many there are.
        found: usize,
    },
    /// Another framing, or none.
    #[error("frame: expected a first byte of 0, found {found}")]
    OtherMagic {
        /// The first byte.
        found: u8,
    },
}

/// What stands before a datum.
#[must_use]
pub const fn head(schema_id: u32) -> [u8; 5] {
    let [a, b, c, d] = schema_id.to_be_bytes();
    [MAGIC, a, b, c, d]
}

/// Puts a frame around a datum.
#[must_use]
pub fn frame(schema_id: u32, datum: &[u8]) -> Vec<u8> {
    let mut framed = Vec::with_capacity(5 + datum.len());
    framed.extend_from_slice(&head(schema_id));
    framed.extend_from_slice(datum);
    framed
}

/// The schema's id and the datum.
///
/// # Errors
/// [`FrameError`] where the bytes do not start with a frame.
pub fn unframe(framed: &[u8]) -> Result<(u32, &[u8]), FrameError> {
    let Some(([magic, id @ ..], datum)) = framed.split_first_chunk::<5>() else {
        return Err(FrameError::TooShort { found: framed.len() });
    };
    if *magic != MAGIC {
        return Err(FrameError::OtherMagic { found: *magic });
    }
    Ok((u32::from_be_bytes(*id), datum))
}

#[cfg(test)]
mod tests {
    use super::{FrameError, frame, unframe};

    #[test]
    fn a_frame_is_five_bytes_and_comes_off_again() {
        let framed = frame(258, b"xyz");
        assert_eq!(framed, [0, 0, 0, 1, 2, b'x', b'y', b'z']);
        assert_eq!(unframe(&framed), Ok((258, b"xyz".as_slice())));
        assert_eq!(unframe(&frame(7, b"")), Ok((7, b"".as_slice())));
    }

    #[test]
    fn bytes_without_a_frame_are_refused() {
        assert_eq!(unframe(&[0, 0, 0, 1]), Err(FrameError::TooShort { found: 4 }));
        assert_eq!(unframe(&[0xc3, 1, 0, 0, 0, 0]), Err(FrameError::OtherMagic { found: 0xc3 }));
    }
}
