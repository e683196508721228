//! Framing: cutting a stream of bytes into records, one message each. It looks at record ends and
//! at nothing else; what a record means is normalize's matter.
//!
//! Chunks of any size give the same records, and the same digest at each of them: a source that is
//! sent again goes on after the records that are in, if its bytes up to there are the same.
//!
//! A record longer than the feed allows is cut to one byte more than the limit and handed on, so
//! that normalize holds it as oversized; it never fills memory.

mod avro;
mod buffer;
mod csv;
mod datum;
mod lines;
#[cfg(test)]
mod tests;
mod whole;

use std::sync::Arc;

use apache_avro::Schema;

use avro::Container;
use buffer::Buffer;
use csv::CsvRecords;
use lines::Lines;
use whole::Whole;

/// How the records of a feed stand one after another.
#[derive(Clone, Debug)]
pub enum Format {
    /// JSON lines: a record a line, blank lines are none.
    JsonLines,
    /// CSV with a header line; a quoted field may hold line ends. UTF-8 or GB18030.
    Csv,
    /// Avro object container files of this schema; each datum is a record.
    Avro(Arc<Schema>),
    /// One record: a value that is compressed by itself.
    Whole,
}

/// Why a stream cannot be cut into records any further. Records before that place are good.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FramingError {
    /// A CSV header line without an end.
    #[error("csv header: expected at most {bytes_max} bytes, found more")]
    HeaderTooLong {
        /// The limit.
        bytes_max: usize,
    },
    /// No Avro object container file.
    #[error("avro container: expected a header at byte 0, found {found}")]
    ContainerHeader {
        /// What is wrong.
        found: String,
    },
    /// The container's own schema is not the feed's: refused before the first record.
    #[error("avro container: expected the feed's schema {expected}, found {found}")]
    OtherSchema {
        /// Canonical form of the feed's schema.
        expected: String,
        /// Canonical form of the container's schema.
        found: String,
    },
    /// A codec other than `null` and `deflate`.
    #[error("avro container: expected codec null or deflate, found {found:?}")]
    Codec {
        /// The codec.
        found: String,
    },
    /// A block that is larger, or unpacks to more, than a block may.
    #[error("avro block at byte {at}: expected at most {bytes_max} bytes, found more")]
    BlockTooLarge {
        /// Where the block begins.
        at: u64,
        /// The limit.
        bytes_max: usize,
    },
    /// A block that does not hold what it says.
    #[error("avro block at byte {at}: {detail}")]
    BlockDamaged {
        /// Where the block begins.
        at: u64,
        /// What was expected and found.
        detail: String,
    },
    /// The container ends within a block.
    #[error(
        "avro container: expected a whole block at byte {at}, found the end after {bytes} bytes"
    )]
    Truncated {
        /// Where the block begins.
        at: u64,
        /// What there is of it.
        bytes: usize,
    },
}

/// Cuts one stream into records.
pub struct Framer {
    buffer: Buffer,
    kind: Kind,
}

enum Kind {
    Lines(Lines),
    Csv(CsvRecords),
    Avro(Container),
    Whole(Whole),
}

impl Framer {
    /// A framer at the beginning of a stream. `salt` is what the digests begin with besides the
    /// bytes; a record has at most `record_bytes_max` bytes, or one more where it is cut.
    #[must_use]
    pub fn new(format: &Format, record_bytes_max: usize, salt: &[u8]) -> Self {
        let kind = match format {
            Format::JsonLines => Kind::Lines(Lines::new(record_bytes_max)),
            Format::Csv => Kind::Csv(CsvRecords::new(record_bytes_max)),
            Format::Avro(schema) => {
                Kind::Avro(Container::new(Arc::clone(schema), record_bytes_max))
            }
            Format::Whole => Kind::Whole(Whole::new(record_bytes_max)),
        };
        Self { buffer: Buffer::new(salt), kind }
    }

    /// Takes the next bytes of the stream. All records of the bytes before must have been taken
    /// out with [`Self::next`], or they pile up in memory.
    pub fn push(&mut self, chunk: &[u8]) {
        self.buffer.push(chunk);
    }

    /// The next whole record, `None` where more bytes are needed. With `ended`, the stream has
    /// ended whole, and what is left is the last record.
    ///
    /// # Errors
    /// [`FramingError`] where the stream cannot be cut any further.
    pub fn next(&mut self, ended: bool) -> Result<Option<Vec<u8>>, FramingError> {
        match &mut self.kind {
            Kind::Lines(lines) => Ok(lines.next(&mut self.buffer, ended)),
            Kind::Csv(csv) => csv.next(&mut self.buffer, ended),
            Kind::Avro(container) => container.next(&mut self.buffer, ended),
            Kind::Whole(whole) => Ok(whole.next(&mut self.buffer, ended)),
        }
    }

    /// For CSV, the header line once it is read, without byte order mark and line end.
    #[must_use]
    pub fn header(&self) -> Option<&[u8]> {
        match &self.kind {
            Kind::Csv(csv) => csv.header(),
            Kind::Lines(_) | Kind::Avro(_) | Kind::Whole(_) => None,
        }
    }

    /// Bytes of the stream up to the end of the last record taken (for Avro, of its block).
    #[must_use]
    pub fn record_end(&self) -> u64 {
        self.buffer.record_end()
    }

    /// SHA-256 of the salt and the bytes up to [`Self::record_end`].
    pub fn record_digest(&mut self) -> [u8; 32] {
        self.buffer.record_digest()
    }

    /// SHA-256 of the salt and all bytes pushed so far, and their number.
    pub fn whole_digest(&mut self) -> ([u8; 32], u64) {
        self.buffer.whole_digest()
    }
}
