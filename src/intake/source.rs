//! One source on its way into the log: framing, partitions, appends of limited size, marks.
//!
//! A source that was broken off is sent again from its beginning: the records that are in are
//! framed and passed over, and their digest is compared before anything is appended.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::framing::{Format, Framer};
use super::{AppendLimits, Arrival, IntakeError, Route, raw_topic};
use crate::domain::ids::{ConnectorId, FeedId};
use crate::domain::time::Moment;
use crate::log::{Append, IntakeMark, Log, LogError, NewRecord, partition_of};

/// Where the records of a source go, and how.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) log: &'a dyn Log,
    pub(super) route: &'a Route,
    pub(super) connector: &'a ConnectorId,
    pub(super) feed: &'a FeedId,
    pub(super) format: &'a Format,
    pub(super) record_bytes_max: usize,
    pub(super) limits: AppendLimits,
    pub(super) received_at: Option<Moment>,
    /// What the source's digests begin with.
    pub(super) salt: &'a [u8],
}

/// A source that is being appended.
pub(super) struct SourceWriter<'a> {
    target: Target<'a>,
    topic: Arc<str>,
    partitions: u32,
    framer: Framer,
    header_digest: Option<[u8; 32]>,
    /// What is in the log.
    mark: IntakeMark,
    /// Records of the source that are in and still to pass over.
    passing: u64,
    records: Vec<NewRecord>,
    bytes: usize,
}

impl<'a> SourceWriter<'a> {
    /// Begins with the source's first byte; `mark` is what the log has of it.
    pub(super) async fn open(
        target: Target<'a>,
        source: &str,
        mark: Option<IntakeMark>,
    ) -> Result<Self, IntakeError> {
        let topic = raw_topic(target.connector);
        let partitions = target.log.extents(&topic).await?.len();
        let mark = mark.unwrap_or_else(|| IntakeMark {
            source: source.to_owned(),
            offset: 0,
            records: 0,
            complete: false,
            digest: [0; 32],
        });
        Ok(Self {
            framer: Framer::new(target.format, target.record_bytes_max, target.salt),
            target,
            topic,
            partitions: u32::try_from(partitions).unwrap_or(u32::MAX),
            header_digest: None,
            passing: mark.records,
            mark,
            records: Vec::new(),
            bytes: 0,
        })
    }

    /// What is in the log so far.
    pub(super) fn mark(&self) -> &IntakeMark {
        &self.mark
    }

    /// Takes the next bytes, and appends where enough records have come together.
    pub(super) async fn take(&mut self, chunk: &[u8]) -> Result<(), IntakeError> {
        self.framer.push(chunk);
        self.frame(false).await
    }

    /// The source broke off: appends its whole records.
    pub(super) async fn break_off(&mut self) -> Result<(), IntakeError> {
        if self.records.is_empty() { Ok(()) } else { self.append().await }
    }

    /// The source ended: frames what is left. [`Self::complete`] has to follow.
    pub(super) async fn end(&mut self) -> Result<[u8; 32], IntakeError> {
        self.frame(true).await?;
        if self.passing > 0 {
            return Err(self.other_content());
        }
        Ok(self.framer.whole_digest().0)
    }

    /// Appends the last records and marks the source as whole.
    pub(super) async fn complete(mut self) -> Result<IntakeMark, IntakeError> {
        let (digest, offset) = self.framer.whole_digest();
        self.append_with(IntakeMark { offset, digest, complete: true, ..self.mark.clone() })
            .await?;
        Ok(self.mark)
    }

    async fn frame(&mut self, ended: bool) -> Result<(), IntakeError> {
        loop {
            let record = match self.framer.next(ended) {
                Ok(Some(record)) => record,
                Ok(None) => return Ok(()),
                Err(error) => {
                    self.break_off().await?;
                    return Err(error.into());
                }
            };
            if self.passing > 0 {
                self.pass()?;
                continue;
            }
            self.store_header().await?;
            self.add(record);
            let limits = self.target.limits;
            if self.records.len() >= limits.records_max || self.bytes >= limits.bytes_max {
                self.append().await?;
            }
        }
    }

    /// Passes over a record that is in; behind the last of them, its bytes must be the same.
    fn pass(&mut self) -> Result<(), IntakeError> {
        self.passing -= 1;
        if self.passing == 0 && self.framer.record_digest() != self.mark.digest {
            return Err(self.other_content());
        }
        Ok(())
    }

    async fn store_header(&mut self) -> Result<(), LogError> {
        if self.header_digest.is_some() {
            return Ok(());
        }
        let Some(line) = self.framer.header() else { return Ok(()) };
        let digest = Sha256::digest(line).into();
        self.target.log.put_header(digest, line).await?;
        self.header_digest = Some(digest);
        Ok(())
    }

    fn add(&mut self, value: Vec<u8>) {
        let key = (self.target.route)(&Arrival {
            connector: self.target.connector,
            feed: self.target.feed,
            header: self.framer.header().zip(self.header_digest),
            value: &value,
        });
        self.bytes += value.len();
        let partition = partition_of(&key, self.partitions);
        self.records.push(NewRecord { partition, key, value });
    }

    async fn append(&mut self) -> Result<(), IntakeError> {
        let (offset, digest) = (self.framer.record_end(), self.framer.record_digest());
        self.append_with(IntakeMark { offset, digest, complete: false, ..self.mark.clone() }).await
    }

    async fn append_with(&mut self, mark: IntakeMark) -> Result<(), IntakeError> {
        let records = std::mem::take(&mut self.records);
        self.bytes = 0;
        let records_new = u64::try_from(records.len()).unwrap_or(u64::MAX);
        let mark = IntakeMark { records: mark.records.saturating_add(records_new), ..mark };
        let append = Append {
            topic: Arc::clone(&self.topic),
            feed: self.target.feed.clone(),
            header_digest: self.header_digest,
            records,
            received_at: self.target.received_at,
            mark: Some(mark.clone()),
        };
        self.target.log.append(append).await?;
        self.mark = mark;
        Ok(())
    }

    fn other_content(&self) -> IntakeError {
        IntakeError::OtherContent {
            source_name: self.mark.source.clone(),
            records: self.mark.records,
        }
    }
}
