//! Limits of one destination: every queue, batch, retry and wait has its name here.

/// Where a destination is and how it is treated. Times are milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `http://host:port`, without a path.
    pub url: String,
    /// Limits of batches and requests.
    pub limits: Limits,
    /// Limits of retries.
    pub retry: Retry,
}

/// Limits of batches and requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most records in one request, besides what the contract permits.
    pub records_max: u32,
    /// Most records read from the outbox, and claimed, at once.
    pub page_records_max: u32,
    /// Most records of one key in one request.
    pub run_max: u32,
    /// Most requests in flight.
    pub requests_max: usize,
    /// Time to connect.
    pub connect_timeout_ms: u64,
    /// Time for one request with its answer.
    pub request_timeout_ms: u64,
    /// Longest answer that is read.
    pub answer_bytes_max: usize,
    /// How long a claimed key stays claimed without an answer; above what a full round of
    /// requests may take.
    pub claim_ms: i64,
    /// How often an idle destination is looked at.
    pub poll_ms: u64,
}

/// Limits of retries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// First wait of a record, doubled with every try.
    pub wait_ms_min: u64,
    /// Longest wait of a record, before jitter.
    pub wait_ms_max: u64,
    /// Longest `Retry-After` that is followed; a longer one is asked again after this time.
    pub retry_after_ms_max: i64,
    /// Retries that may be saved up.
    pub budget_max: u32,
    /// Retries earned by a hundred delivered records.
    pub budget_per_100_delivered: u32,
    /// Retries earned in a second.
    pub budget_per_s: u32,
    /// Failures in a row that open the breaker.
    pub breaker_failures_max: u32,
    /// First wait of an open breaker, doubled as long as its probe fails.
    pub breaker_wait_ms_min: u64,
    /// Longest wait of an open breaker, before jitter.
    pub breaker_wait_ms_max: u64,
    /// Parcels in a row that come to nothing, after which a run until idle gives up.
    pub idle_failures_max: u32,
    /// Seed of all jitter; `None` draws one for each wait, which no other instance shares.
    pub jitter_seed: Option<u64>,
}

impl Settings {
    /// The usual limits for a destination at `url`.
    #[must_use]
    pub const fn new(url: String) -> Self {
        Self {
            url,
            limits: Limits {
                records_max: 200,
                page_records_max: 2_000,
                run_max: 200,
                requests_max: 4,
                connect_timeout_ms: 2_000,
                request_timeout_ms: 10_000,
                answer_bytes_max: 1 << 20,
                claim_ms: 120_000,
                poll_ms: 500,
            },
            retry: Retry {
                wait_ms_min: 200,
                wait_ms_max: 60_000,
                retry_after_ms_max: 3_600_000,
                budget_max: 2_000,
                budget_per_100_delivered: 20,
                budget_per_s: 20,
                breaker_failures_max: 5,
                breaker_wait_ms_min: 500,
                breaker_wait_ms_max: 30_000,
                idle_failures_max: 12,
                jitter_seed: None,
            },
        }
    }
}
