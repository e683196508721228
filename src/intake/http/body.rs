//! The bytes of a body: unpacked, counted against the limit, watched for standing still.

use std::io::{self, Write};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use flate2::write::GzDecoder;
use futures_util::StreamExt;

/// Bytes that are unpacked at a time: with deflate's best ratio of about 1000 they become 4 MiB.
const UNPACK_BYTES: usize = 4096;

/// How a body ends before its end.
#[derive(Debug)]
pub(super) enum Cut {
    /// The connection broke, or the packed bytes are damaged.
    Broken(String),
    /// It stood still for too long.
    Idle,
    /// It has more bytes than a body may.
    TooLarge,
    /// It unpacks to more bytes than a body may.
    Bomb,
}

/// Reads a body.
pub(super) struct BodyReader {
    stream: BodyDataStream,
    gzip: Option<GzDecoder<Unpacked>>,
    received: u64,
    bytes_max: u64,
    idle_max: Duration,
    ended: bool,
}

/// Where unpacked bytes are collected until the limit.
struct Unpacked {
    bytes: Vec<u8>,
    left: u64,
}

impl Write for Unpacked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let Some(left) = self.left.checked_sub(count) else {
            return Err(io::ErrorKind::FileTooLarge.into());
        };
        self.left = left;
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl BodyReader {
    pub(super) fn new(body: Body, gzip: bool, bytes_max: u64, idle_max: Duration) -> Self {
        let unpacked = || GzDecoder::new(Unpacked { bytes: Vec::new(), left: bytes_max });
        Self {
            stream: body.into_data_stream(),
            gzip: gzip.then(unpacked),
            received: 0,
            bytes_max,
            idle_max,
            ended: false,
        }
    }

    /// The next bytes; `None` at the end of a whole body.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Cut> {
        if self.ended {
            return Ok(None);
        }
        let next = tokio::time::timeout(self.idle_max, self.stream.next()).await;
        let chunk = match next {
            Err(_elapsed) => return Err(Cut::Idle),
            Ok(Some(Err(error))) => return Err(Cut::Broken(error.to_string())),
            Ok(Some(Ok(chunk))) => chunk,
            Ok(None) => return self.end(),
        };
        self.received = self.received.saturating_add(u64::try_from(chunk.len()).unwrap_or(0));
        if self.received > self.bytes_max {
            return Err(Cut::TooLarge);
        }
        let Some(gzip) = &mut self.gzip else { return Ok(Some(chunk)) };
        for piece in chunk.chunks(UNPACK_BYTES) {
            gzip.write_all(piece).map_err(cut)?;
        }
        Ok(Some(std::mem::take(&mut gzip.get_mut().bytes).into()))
    }

    fn end(&mut self) -> Result<Option<Bytes>, Cut> {
        self.ended = true;
        let Some(gzip) = &mut self.gzip else { return Ok(None) };
        gzip.try_finish().map_err(cut)?;
        Ok(Some(std::mem::take(&mut gzip.get_mut().bytes).into()))
    }
}

fn cut(error: io::Error) -> Cut {
    if error.kind() == io::ErrorKind::FileTooLarge {
        return Cut::Bomb;
    }
    Cut::Broken(format!("gzip: {error}"))
}
