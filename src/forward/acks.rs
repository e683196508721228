//! Fetches the acknowledgements that a counterparty keeps for us. They are messages like any
//! other: the caller appends the lines to the log as feed `acks` and keeps the cursor with them.

use std::sync::Arc;

use super::client::{Client, ClientError, Counterparty, NoAnswer};
use super::settings::Settings;

/// Fetches from one counterparty.
pub struct AckPoller {
    client: Client,
}

/// A page of acknowledgements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AckPage {
    /// One JSON object each, as it came, without the line end.
    pub lines: Vec<Vec<u8>>,
    /// The cursor behind the last line; the next page starts there.
    pub next: u64,
}

/// Why there is no page; the cursor stays where it was.
#[derive(Debug, thiserror::Error)]
pub enum AckError {
    /// The counterparty cannot be reached.
    #[error("acknowledgements: {0}")]
    NoAnswer(#[from] NoAnswer),
    /// It answered something else.
    #[error("acknowledgements: expected http 200, found {status}")]
    Status {
        /// The status.
        status: u16,
    },
    /// The last line has no end: the page was cut off.
    #[error("acknowledgements: expected a line end after the last line, found none")]
    CutOff,
}

impl AckPoller {
    /// A poller of the counterparty at the settings' address.
    ///
    /// # Errors
    /// [`ClientError`] where the address is none.
    pub fn new(settings: &Settings) -> Result<Self, ClientError> {
        Ok(Self { client: Client::new(settings)? })
    }

    /// A poller of a counterparty within this process.
    #[must_use]
    pub fn of(counterparty: Arc<dyn Counterparty>) -> Self {
        Self { client: Client::Simulated(counterparty) }
    }

    /// At most `lines_max` acknowledgements behind the cursor `after` (0 from the start). An
    /// acknowledgement's cursor is its place in the counterparty's list, from 1.
    ///
    /// # Errors
    /// [`AckError`] where no whole page came.
    pub async fn fetch(&self, after: u64, lines_max: u32) -> Result<AckPage, AckError> {
        let http = self.client.get_acks(after, lines_max).await?;
        if http.status != 200 {
            return Err(AckError::Status { status: http.status });
        }
        if http.body.last().is_some_and(|byte| *byte != b'\n') {
            return Err(AckError::CutOff);
        }
        let mut lines: Vec<Vec<u8>> =
            http.body.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        lines.pop();
        let next = after + u64::try_from(lines.len()).unwrap_or(0);
        Ok(AckPage { lines, next })
    }
}
