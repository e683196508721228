//! HTTP to one counterparty. It tells apart what was never sent from what may have arrived.
//!
//! A simulation of the hub answers in the same process instead ([`Counterparty`]).

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Method, Response, Url};

pub use super::answer::HttpAnswer;
use super::settings::Settings;

/// A client of one counterparty.
#[derive(Clone)]
pub(super) enum Client {
    /// Over HTTP.
    Http(Http),
    /// Within this process.
    Simulated(Arc<dyn Counterparty>),
}

/// HTTP to an address.
#[derive(Clone)]
pub(super) struct Http {
    http: reqwest::Client,
    base: Url,
    answer_bytes_max: usize,
}

/// A counterparty within this process: it answers as its contract says that it answers over HTTP.
pub trait Counterparty: Send + Sync {
    /// `POST /v1/records` with a JSON array.
    fn post_records(&self, body: Vec<u8>) -> BoxFuture<'_, Result<HttpAnswer, NoAnswer>>;

    /// `GET /v1/records/{id}`.
    fn get_record<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<HttpAnswer, NoAnswer>>;

    /// `GET /v1/acks?after=…&limit=…`.
    fn get_acks(&self, after: u64, limit: u32) -> BoxFuture<'_, Result<HttpAnswer, NoAnswer>>;
}

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address is none.
    #[error("destination url: expected http://host:port, found {found:?}")]
    Url {
        /// The text.
        found: String,
    },
    /// The HTTP client cannot be set up.
    #[error("http client: {0}")]
    Setup(#[from] reqwest::Error),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// Nothing was sent.
    #[error("not connected: {0}")]
    NotSent(String),
    /// It was sent, or may have been.
    #[error("sent, but no whole answer: {0}")]
    Lost(String),
}

impl Client {
    /// A client with the destination's limits.
    ///
    /// # Errors
    /// [`ClientError`] where the address is none or the client cannot be set up.
    pub(super) fn new(settings: &Settings) -> Result<Self, ClientError> {
        let base = match Url::parse(&settings.url) {
            Ok(base) if base.scheme() == "http" && base.has_host() => base,
            Ok(_) | Err(_) => return Err(ClientError::Url { found: settings.url.clone() }),
        };
        let limits = &settings.limits;
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_millis(limits.connect_timeout_ms))
            .timeout(Duration::from_millis(limits.request_timeout_ms))
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(limits.requests_max)
            .no_proxy()
            .build()?;
        Ok(Self::Http(Http { http, base, answer_bytes_max: limits.answer_bytes_max }))
    }

    /// `POST /v1/records` with a JSON array.
    ///
    /// # Errors
    /// [`NoAnswer`] where no whole answer came.
    pub(super) async fn post_records(&self, body: Vec<u8>) -> Result<HttpAnswer, NoAnswer> {
        match self {
            Self::Http(http) => http.post_records(body).await,
            Self::Simulated(counterparty) => counterparty.post_records(body).await,
        }
    }

    /// `GET /v1/records/{id}`.
    ///
    /// # Errors
    /// [`NoAnswer`] where no whole answer came.
    pub(super) async fn get_record(&self, id: &str) -> Result<HttpAnswer, NoAnswer> {
        match self {
            Self::Http(http) => http.get_record(id).await,
            Self::Simulated(counterparty) => counterparty.get_record(id).await,
        }
    }

    /// `GET /v1/acks?after=…&limit=…`.
    ///
    /// # Errors
    /// [`NoAnswer`] where no whole answer came.
    pub(super) async fn get_acks(&self, after: u64, limit: u32) -> Result<HttpAnswer, NoAnswer> {
        match self {
            Self::Http(http) => http.get_acks(after, limit).await,
            Self::Simulated(counterparty) => counterparty.get_acks(after, limit).await,
        }
    }
}

impl Http {
    async fn post_records(&self, body: Vec<u8>) -> Result<HttpAnswer, NoAnswer> {
        let mut url = self.base.clone();
        url.set_path("/v1/records");
        let request = self
            .http
            .request(Method::POST, url)
            .header(CONTENT_TYPE, "application/json")
            .body(body);
        self.read(request.send().await.map_err(no_answer)?).await
    }

    async fn get_record(&self, id: &str) -> Result<HttpAnswer, NoAnswer> {
        let mut url = self.base.clone();
        url.set_path("/v1/records");
        if let Ok(mut path) = url.path_segments_mut() {
            path.push(id);
        }
        self.read(self.http.request(Method::GET, url).send().await.map_err(no_answer)?).await
    }

    async fn get_acks(&self, after: u64, limit: u32) -> Result<HttpAnswer, NoAnswer> {
        let mut url = self.base.clone();
        url.set_path("/v1/acks");
        url.set_query(Some(&format!("after={after}&limit={limit}")));
        self.read(self.http.request(Method::GET, url).send().await.map_err(no_answer)?).await
    }

    async fn read(&self, mut response: Response) -> Result<HttpAnswer, NoAnswer> {
        let status = response.status().as_u16();
        let retry_after_s = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.trim().parse().ok());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(no_answer)? {
            if body.len() + chunk.len() > self.answer_bytes_max {
                let limit = self.answer_bytes_max;
                return Err(NoAnswer::Lost(format!("expected at most {limit} bytes, found more")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(HttpAnswer { status, retry_after_s, body })
    }
}

fn no_answer(error: reqwest::Error) -> NoAnswer {
    let not_sent = error.is_connect() || error.is_builder();
    let why = error.without_url().to_string();
    if not_sent { NoAnswer::NotSent(why) } else { NoAnswer::Lost(why) }
}
