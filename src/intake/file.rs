//! Files into the log. A file is known by its SHA-256 digest: a killed ingest goes on where it
//! was, and a finished file is not taken in twice unless asked. A platform may lawfully resend; its
//! records are then duplicates, by identity, not by file.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;

use super::framing::Format;
use super::source::{SourceWriter, Target};
use super::{AppendLimits, IntakeError, Route};
use crate::domain::ids::{ConnectorId, FeedId};
use crate::domain::time::Moment;
use crate::log::{IntakeMark, Log, LogError};

const CHUNK_BYTES: usize = 1 << 20;

/// A file to take in.
#[derive(Clone, Debug)]
pub struct IngestFile {
    /// Whose messages they are.
    pub connector: ConnectorId,
    /// The feed they are of.
    pub feed: FeedId,
    /// The file.
    pub path: PathBuf,
    /// How its records stand one after another.
    pub format: Format,
    /// The feed's limit of a record; a longer one is cut to one byte more, so that it is held.
    pub record_bytes_max: usize,
    /// How much enters the log with one append.
    pub limits: AppendLimits,
    /// Append time under a replay clock; `None` takes the log's own clock.
    pub received_at: Option<Moment>,
    /// Take a finished file in once more. A repetition that was killed goes on where it was.
    pub again: bool,
}

/// How far an ingest is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read.
    pub bytes: u64,
    /// Bytes of the file.
    pub bytes_all: u64,
    /// Records that are in the log.
    pub records: u64,
}

/// What an ingest did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ingested {
    /// The file is in, whole.
    Taken {
        /// The source, its size and records.
        mark: IntakeMark,
        /// Records that this call appended.
        records_new: u64,
    },
    /// The file was in before, and `again` was not asked for.
    Already {
        /// The source, its size and records.
        mark: IntakeMark,
    },
}

/// Takes a file in, streaming: memory holds one append. `progress` hears of every mebibyte.
///
/// # Errors
/// [`IntakeError`] where the file or the log cannot be used, or the file's framing is broken; the
/// whole records before that place are in, and the mark is not complete.
pub async fn ingest_file(
    log: &dyn Log,
    route: &Route,
    file: &IngestFile,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Ingested, IntakeError> {
    let (digest, bytes_all) = digest_of(&file.path).await?;
    let source = format!("file:{}:{}:{}", file.connector, file.feed, hex(&digest));
    let (source, before) = match unfinished(log, &source, file.again).await? {
        Turn::Take(source, before) => (source, before),
        Turn::Already(mark) => return Ok(Ingested::Already { mark }),
    };
    let records_before = before.as_ref().map_or(0, |mark| mark.records);
    let target = Target {
        log,
        route,
        connector: &file.connector,
        feed: &file.feed,
        format: &file.format,
        record_bytes_max: file.record_bytes_max,
        limits: file.limits,
        received_at: file.received_at,
        salt: &[],
    };
    let mut writer = SourceWriter::open(target, &source, before).await?;
    let mut reader = Chunks::open(&file.path).await?;
    let mut bytes = 0;
    while let Some(chunk) = reader.next().await? {
        bytes += u64::try_from(chunk.len()).unwrap_or(0);
        writer.take(chunk).await?;
        progress(Progress { bytes, bytes_all, records: writer.mark().records });
    }
    if writer.end().await? != digest {
        let path = file.path.display().to_string();
        return Err(IntakeError::FileChanged { path, bytes: bytes_all });
    }
    let mark = writer.complete().await?;
    progress(Progress { bytes, bytes_all, records: mark.records });
    Ok(Ingested::Taken { records_new: mark.records - records_before, mark })
}

enum Turn {
    Take(String, Option<IntakeMark>),
    Already(IntakeMark),
}

/// The turn to take: the first one that is not finished. Without `again` there is only one.
async fn unfinished(log: &dyn Log, source: &str, again: bool) -> Result<Turn, LogError> {
    let mut name = source.to_owned();
    for turn in 2_u64.. {
        match log.mark(&name).await? {
            Some(mark) if mark.complete && !again => return Ok(Turn::Already(mark)),
            Some(mark) if mark.complete => name = format!("{source}:{turn}"),
            mark => return Ok(Turn::Take(name, mark)),
        }
    }
    Ok(Turn::Take(name, None))
}

async fn digest_of(path: &Path) -> Result<([u8; 32], u64), IntakeError> {
    let mut reader = Chunks::open(path).await?;
    let mut digest = Sha256::new();
    let mut bytes = 0;
    while let Some(chunk) = reader.next().await? {
        digest.update(chunk);
        bytes += u64::try_from(chunk.len()).unwrap_or(0);
    }
    Ok((digest.finalize().into(), bytes))
}

struct Chunks<'p> {
    path: &'p Path,
    file: tokio::fs::File,
    chunk: Vec<u8>,
}

impl<'p> Chunks<'p> {
    async fn open(path: &'p Path) -> Result<Self, IntakeError> {
        let mut file = tokio::fs::File::open(path).await.map_err(|source| failed(path, source))?;
        file.set_max_buf_size(CHUNK_BYTES);
        Ok(Self { path, file, chunk: Vec::with_capacity(CHUNK_BYTES) })
    }

    async fn next(&mut self) -> Result<Option<&[u8]>, IntakeError> {
        self.chunk.clear();
        let count = self
            .file
            .read_buf(&mut self.chunk)
            .await
            .map_err(|source| failed(self.path, source))?;
        Ok((count > 0).then_some(self.chunk.as_slice()))
    }
}

fn failed(path: &Path, source: std::io::Error) -> IntakeError {
    IntakeError::File { path: path.display().to_string(), source }
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _written = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
