//! The samples of a connector's folder, split into records as intake would split them.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::manifest::{Feed, Format, ManifestError};

/// One sample file: a record or a file of records.
pub(super) struct Sample {
    /// The file.
    pub(super) path: PathBuf,
    /// The feed's folder.
    pub(super) feed: String,
    /// For CSV, the digest of its header line.
    pub(super) header_digest: Option<[u8; 32]>,
    /// Its records, or why it has none.
    pub(super) records: Result<Vec<Vec<u8>>, String>,
}

impl Sample {
    /// The file's name without its extension.
    pub(super) fn name(&self) -> &str {
        self.path.file_stem().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// The file that says what becomes of the records.
    pub(super) fn expectation(&self) -> PathBuf {
        self.path.with_extension("expect")
    }

    fn read(
        path: PathBuf,
        feed: &str,
        manifest_feed: Option<&Feed>,
    ) -> Result<Self, ManifestError> {
        let bytes = std::fs::read(&path).map_err(read_error(&path))?;
        let extension = path.extension().and_then(|extension| extension.to_str());
        let mut header_digest = None;
        let records = match (extension, manifest_feed.map(Feed::format)) {
            (Some("bin"), _) => Ok(vec![bytes]),
            (Some("json"), _) => Ok(vec![without_line_end(&bytes).to_vec()]),
            (Some("ndjson"), _) => Ok(lines(&bytes)),
            (Some("csv"), _) => {
                let mut all = lines(&bytes).into_iter();
                header_digest = all.next().map(|line| Sha256::digest(line).into());
                Ok(all.collect())
            }
            (Some("avro"), Some(Format::Avro(avro))) => datums(&bytes, avro.schema()),
            (other, _) => Err(format!("expected a sample file, found the extension {other:?}")),
        };
        Ok(Self { path, feed: feed.to_owned(), header_digest, records })
    }
}

/// The samples under `folder`, by feed and file name; none where there is no such folder.
pub(super) fn read_all(folder: &Path, feeds: &[Feed]) -> Result<Vec<Sample>, ManifestError> {
    let mut samples = Vec::new();
    for feed_folder in entries(folder)? {
        let name = feed_folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let feed = feeds.iter().find(|feed| feed.id().as_str() == name);
        for path in entries(&feed_folder)? {
            if path.extension().is_none_or(|extension| extension != "expect") {
                samples.push(Sample::read(path, name, feed)?);
            }
        }
    }
    Ok(samples)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, ManifestError> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(read_error(folder))? {
        paths.push(entry.map_err(read_error(folder))?.path());
    }
    paths.sort();
    Ok(paths)
}

pub(super) fn read_error(path: &Path) -> impl Fn(std::io::Error) -> ManifestError {
    let path = path.display().to_string();
    move |source| ManifestError::Read { path: path.clone(), source }
}

fn without_line_end(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

/// Lines without their ends; a line end within quotes is not for samples.
fn lines(bytes: &[u8]) -> Vec<Vec<u8>> {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n').map(without_line_end);
    lines.map(<[u8]>::to_vec).collect()
}

/// The datums of an object container file.
fn datums(bytes: &[u8], schema: &apache_avro::Schema) -> Result<Vec<Vec<u8>>, String> {
    let reader = apache_avro::Reader::new(bytes).map_err(|error| error.to_string())?;
    let writer = apache_avro::writer::datum::GenericDatumWriter::builder(schema)
        .build()
        .map_err(|error| error.to_string())?;
    let datum = |value: Result<apache_avro::types::Value, apache_avro::Error>| {
        let value = value.map_err(|error| error.to_string())?;
        writer.write_value_to_vec(value).map_err(|error| error.to_string())
    };
    reader.map(datum).collect()
}
