//! The intake role for files: one file, or a folder of generated files in their order of arrival.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::topics::LostTopics;
use super::{Hub, HubError};
use crate::domain::ids::{ConnectorId, FeedId};
use crate::domain::time::Moment;
use crate::intake::file::{IngestFile, Ingested, Progress, ingest_file};
use crate::intake::framing::Format as Framing;
use crate::intake::{AppendLimits, Route};
use crate::log::Log;
use crate::normalize::{Connectors, Feed, Format};

/// One file of a generated folder and when it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// The file.
    pub path: PathBuf,
    /// Its connector.
    pub connector: ConnectorId,
    /// Its feed.
    pub feed: FeedId,
    /// Append time of its records under a replay clock; `None` takes the log's own.
    pub received_at: Option<Moment>,
}

/// Why a list of arrivals cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ArrivalsError {
    /// The file cannot be read.
    #[error("arrivals {path}: {source}")]
    File {
        /// The file.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
    /// A line is wrong.
    #[error("arrivals {path}:{line}: expected path,connector,feed,received_at_ms, found {found:?}")]
    Line {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// The line's text.
        found: String,
    },
}

/// Reads `arrivals.csv` of a generated folder.
///
/// # Errors
/// [`ArrivalsError`] where the file is absent or a line is wrong.
pub fn arrivals(folder: &Path) -> Result<Vec<Arrived>, ArrivalsError> {
    let path = folder.join("arrivals.csv");
    let name = path.display().to_string();
    let text = std::fs::read_to_string(&path)
        .map_err(|source| ArrivalsError::File { path: name.clone(), source })?;
    let mut arrived = Vec::new();
    for (number, line) in text.lines().enumerate().skip(1) {
        let parsed = arrived_of(folder, line).ok_or_else(|| ArrivalsError::Line {
            path: name.clone(),
            line: number + 1,
            found: line.to_owned(),
        })?;
        arrived.push(parsed);
    }
    Ok(arrived)
}

fn arrived_of(folder: &Path, line: &str) -> Option<Arrived> {
    let mut fields = line.split(',');
    let path = folder.join(fields.next()?);
    let connector = ConnectorId::new(fields.next()?).ok()?;
    let feed = FeedId::new(fields.next()?).ok()?;
    let received_at = Some(Moment::from_ms(fields.next()?.trim().parse().ok()?));
    Some(Arrived { path, connector, feed, received_at })
}

/// Takes files into the log; stands apart from the hub, so that intake and process run together.
#[derive(Clone)]
pub struct Intake {
    log: Arc<dyn Log>,
    connectors: Arc<Connectors>,
    route: Arc<Route>,
    lost: Arc<LostTopics>,
}

impl Hub {
    /// The intake role.
    #[must_use]
    pub fn intake(&self) -> Intake {
        Intake {
            log: Arc::clone(&self.engine.log),
            connectors: Arc::clone(&self.engine.connectors),
            route: self.route(),
            lost: Arc::clone(&self.lost),
        }
    }

    /// A file that arrives now, of a feed or of the connector's first one.
    ///
    /// # Errors
    /// [`HubError::NoFeed`] where connector or feed is unknown.
    pub fn live_file(
        &self,
        connector: &ConnectorId,
        feed: Option<&str>,
        path: PathBuf,
    ) -> Result<Arrived, HubError> {
        let no_feed = || self.no_feed(connector, feed.unwrap_or("any feed"));
        let manifest = self.engine.connectors.get(connector).ok_or_else(no_feed)?;
        let named = feed
            .map(FeedId::new)
            .transpose()
            .map_err(|error| HubError::NoFeed { found: error.found })?;
        let found = manifest
            .feeds()
            .iter()
            .find(|own| named.as_ref().is_none_or(|named| own.id() == named));
        let feed = found.ok_or_else(no_feed)?.id().clone();
        Ok(Arrived { path, connector: connector.clone(), feed, received_at: None })
    }
}

impl Intake {
    /// Takes one file into the log.
    ///
    /// # Errors
    /// [`HubError`] where the feed is unknown, file or log cannot be used, or the connector's topic
    /// is lost.
    pub async fn ingest(
        &self,
        arrived: &Arrived,
        again: bool,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Ingested, HubError> {
        let name = || format!("{}/{}", arrived.connector, arrived.feed);
        let no_feed = || HubError::NoFeed { found: name() };
        let manifest = self.connectors.get(&arrived.connector).ok_or_else(no_feed)?;
        let feed = manifest.feed(&arrived.feed).ok_or_else(no_feed)?;
        self.lost.check(&arrived.connector)?;
        let file = IngestFile {
            connector: arrived.connector.clone(),
            feed: arrived.feed.clone(),
            path: arrived.path.clone(),
            format: framing_of(feed),
            record_bytes_max: feed.bytes_max(),
            limits: AppendLimits::default(),
            received_at: arrived.received_at,
            again,
        };
        Ok(ingest_file(&*self.log, &*self.route, &file, progress).await?)
    }
}

/// How the records of a feed stand in a file.
pub(super) fn framing_of(feed: &Feed) -> Framing {
    if feed.is_compressed() {
        return Framing::Whole;
    }
    match feed.format() {
        Format::Json { .. } => Framing::JsonLines,
        Format::Csv(_) => Framing::Csv,
        Format::Avro(avro) => Framing::Avro(Arc::new(avro.schema().clone())),
    }
}
