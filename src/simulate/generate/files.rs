//! The files of a run: batches as the platforms hand them over, and the list of their arrivals.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

use super::GenerateError;
use super::calendar::Batch;
use super::native::avro;
use super::platforms::{SHANSONG, STREAMS, Shape, Stream};
use super::text::{HOUR_MS, TimeStyle, TimeWriter};

/// Records of one file.
const RECORDS_MAX: usize = 100_000;
/// Files of the same hour arrive so far apart.
const APART_MS: i64 = 1000;
/// Larger files cannot be alike by chance.
const COMPARED_BYTES_MAX: usize = 65_536;

/// A file that was written.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) stream: usize,
    pub(super) path: PathBuf,
    pub(super) records: u64,
    pub(super) ignored: u64,
}

/// Writes files and their arrivals.
#[derive(Debug)]
pub(super) struct Files {
    out: PathBuf,
    arrivals: BufWriter<File>,
    arrivals_path: PathBuf,
    alike: HashSet<[u8; 32]>,
    rng: ChaCha8Rng,
    in_hour: i64,
    pub(super) count: u64,
    pub(super) last_ms: i64,
}

impl Files {
    pub(super) fn create(out: &Path, rng: ChaCha8Rng) -> Result<Self, GenerateError> {
        for stream in &STREAMS {
            let folder = out.join("files").join(stream.connector).join(stream.feed);
            fs::create_dir_all(&folder).map_err(GenerateError::at(&folder))?;
        }
        let arrivals_path = out.join("arrivals.csv");
        let file = File::create(&arrivals_path).map_err(GenerateError::at(&arrivals_path))?;
        let mut arrivals = BufWriter::new(file);
        writeln!(arrivals, "path,connector,feed,received_at_ms")
            .map_err(GenerateError::at(&arrivals_path))?;
        Ok(Self {
            out: out.to_owned(),
            arrivals,
            arrivals_path,
            alike: HashSet::new(),
            rng,
            in_hour: 0,
            count: 0,
            last_ms: 0,
        })
    }

    /// Writes all batches of an hour, shuffled; they arrive just after its end.
    pub(super) fn write_hour(
        &mut self,
        hour: i64,
        batches: &[Batch],
    ) -> Result<Vec<Written>, GenerateError> {
        self.in_hour = 0;
        let mut written = Vec::new();
        for (stream, batch) in batches.iter().enumerate() {
            let mut order: Vec<usize> = (0..batch.len()).collect();
            for at in (1..order.len()).rev() {
                order.swap(at, self.rng.random_range(0..=at));
            }
            for part in order.chunks(RECORDS_MAX) {
                let (path, body) = self.body(hour, stream, batch, part);
                self.put(hour, stream, &path, &body)?;
                let ignored = part.iter().filter(|&&at| batch.ignored[at]).count();
                written.push(Written {
                    stream,
                    path,
                    records: super::text::number(part.len()),
                    ignored: super::text::number(ignored),
                });
            }
        }
        Ok(written)
    }

    /// Sends a file again: the same records, the last one first, so that it is another file.
    pub(super) fn send_again(&mut self, hour: i64, file: &Written) -> Result<(), GenerateError> {
        let path = self.out.join(&file.path);
        let bytes = fs::read(&path).map_err(GenerateError::at(&path))?;
        let stream = &STREAMS[file.stream];
        let body = match stream.shape {
            Shape::Avro => avro::with_other_sync(&bytes, self.rng.random()),
            Shape::Json => backwards(&bytes, 0),
            Shape::Csv => backwards(&bytes, 1),
        };
        let path = self.path(hour, stream);
        self.put(hour, file.stream, &path, &body)
    }

    /// Ends the list of arrivals.
    pub(super) fn finish(mut self) -> Result<(), GenerateError> {
        self.arrivals.flush().map_err(GenerateError::at(&self.arrivals_path))
    }

    fn path(&self, hour: i64, stream: &Stream) -> PathBuf {
        let mut stamp = Vec::new();
        TimeWriter::new().write(&mut stamp, (hour + 1) * HOUR_MS, TimeStyle::Compact);
        let stamp = String::from_utf8_lossy(&stamp).into_owned();
        let (date, clock) = stamp.split_at(8);
        let ending = match stream.shape {
            Shape::Json => "ndjson",
            Shape::Csv => "csv",
            Shape::Avro => "avro",
        };
        let name = format!("{date}T{}-{}.{ending}", &clock[..4], self.in_hour);
        Path::new("files").join(stream.connector).join(stream.feed).join(name)
    }

    fn body(
        &mut self,
        hour: i64,
        stream: usize,
        batch: &Batch,
        part: &[usize],
    ) -> (PathBuf, Vec<u8>) {
        let path = self.path(hour, &STREAMS[stream]);
        if STREAMS[stream].shape == Shape::Avro {
            let records = part.iter().map(|&at| batch.record(at));
            return (path, avro::container(records, self.rng.random()));
        }
        let mut body = Vec::new();
        if STREAMS[stream].shape == Shape::Csv {
            body.extend_from_slice(&header(stream));
            body.push(b'\n');
        }
        for &at in part {
            body.extend_from_slice(batch.record(at));
            body.push(b'\n');
        }
        (path, body)
    }

    /// A file with the very bytes of an earlier one would be taken for it: a blank line, which
    /// holds no record, tells the two apart.
    fn put(
        &mut self,
        hour: i64,
        stream: usize,
        path: &Path,
        body: &[u8],
    ) -> Result<(), GenerateError> {
        let whole = self.out.join(path);
        let mut file = File::create(&whole).map_err(GenerateError::at(&whole))?;
        file.write_all(body).map_err(GenerateError::at(&whole))?;
        if body.len() <= COMPARED_BYTES_MAX {
            let mut seen = Sha256::new_with_prefix([u8::try_from(stream).unwrap_or(u8::MAX)]);
            seen.update(body);
            while !self.alike.insert(seen.clone().finalize().into()) {
                seen.update(b"\n");
                file.write_all(b"\n").map_err(GenerateError::at(&whole))?;
            }
        }
        let received_ms = (hour + 1) * HOUR_MS + self.in_hour * APART_MS;
        let Stream { connector, feed, .. } = STREAMS[stream];
        writeln!(self.arrivals, "{},{connector},{feed},{received_ms}", path.display())
            .map_err(GenerateError::at(&self.arrivals_path))?;
        self.in_hour += 1;
        self.count += 1;
        self.last_ms = received_ms;
        Ok(())
    }
}

/// The header line of a CSV stream in its encoding.
fn header(stream: usize) -> Vec<u8> {
    let text = STREAMS[stream].header;
    if stream == SHANSONG {
        return encoding_rs::GB18030.encode(text).0.into_owned();
    }
    text.as_bytes().to_vec()
}

/// The lines after the first `kept` in the opposite order.
fn backwards(bytes: &[u8], kept: usize) -> Vec<u8> {
    let lines: Vec<&[u8]> =
        bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).collect();
    let mut body = Vec::with_capacity(bytes.len());
    let (head, rest) = lines.split_at(kept.min(lines.len()));
    for line in head.iter().chain(rest.iter().rev()) {
        body.extend_from_slice(line);
        body.push(b'\n');
    }
    body
}
