//! A schema registry elsewhere, where one is named: it gives the numbers, and the hub serves none
//! of its own.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, Response, StatusCode, Url};
use serde::Deserialize;
use serde_json::json;

use crate::schema::text::SchemaText;

const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";
/// How long one question may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// An answer says little more than a schema.
const ANSWER_BYTES_MAX: usize = 256 << 10;

/// A client of a registry.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    credentials: Option<(String, String)>,
}

/// Why a registry gave no number.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address is none.
    #[error("schema registry: expected an address like http://host:port/path, found {found:?}")]
    Address {
        /// The text up to a password.
        found: String,
    },
    /// A password would cross a network in the clear.
    #[error(
        "schema registry {address}: expected a loopback address beside a user and password, found \
         another; end tls on this machine"
    )]
    Clear {
        /// The address without them.
        address: String,
    },
    /// The HTTP client cannot be set up.
    #[error("schema registry: http client: {0}")]
    Setup(reqwest::Error),
    /// No answer came.
    #[error("schema registry {address}, subject {subject}: expected an answer, found none: {why}")]
    NoAnswer {
        /// The registry.
        address: String,
        /// What was asked about.
        subject: String,
        /// The cause.
        why: String,
    },
    /// It refused.
    #[error(
        "schema registry {address}, subject {subject}: expected the number of a schema, found \
         status {status}: {message}; register it there, or name another registry"
    )]
    Refused {
        /// The registry.
        address: String,
        /// What was asked about.
        subject: String,
        /// HTTP's status.
        status: u16,
        /// What it said.
        message: String,
    },
}

#[derive(Deserialize)]
struct Numbered {
    id: u32,
}

impl Client {
    /// A client of the registry at an address; a user and password may stand in it.
    ///
    /// # Errors
    /// [`ClientError`] where the address is none, or its password would be seen.
    pub fn new(address: &str) -> Result<Self, ClientError> {
        let shown = || address.rsplit('@').next().unwrap_or_default().to_owned();
        let mut base = match Url::parse(address) {
            Ok(base) if base.scheme() == "http" && base.has_host() => base,
            Ok(_) | Err(_) => return Err(ClientError::Address { found: shown() }),
        };
        let user = base.username().to_owned();
        let password = base.password().unwrap_or_default().to_owned();
        let is_loopback = match base.host_str() {
            Some("localhost") => true,
            Some(host) => host
                .trim_matches(['[', ']'])
                .parse()
                .is_ok_and(|host: std::net::IpAddr| host.is_loopback()),
            None => false,
        };
        // An address without a host was refused above.
        if base.set_username("").is_err() || base.set_password(None).is_err() {
            return Err(ClientError::Address { found: shown() });
        }
        if !user.is_empty() && !is_loopback {
            return Err(ClientError::Clear { address: base.to_string() });
        }
        let http = reqwest::Client::builder()
            .timeout(ANSWER_WITHIN)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(ClientError::Setup)?;
        let credentials = (!user.is_empty()).then_some((user, password));
        Ok(Self { http, base, credentials })
    }

    /// The address without user and password.
    #[must_use]
    pub fn address(&self) -> &str {
        self.base.as_str()
    }

    /// The number of a schema, which is registered where the subject does not have it.
    ///
    /// # Errors
    /// [`ClientError`] where the registry does not answer, or refuses.
    pub async fn id_for(&self, subject: &str, schema: &SchemaText) -> Result<u32, ClientError> {
        let (status, body) = self.post(&["subjects", subject], schema).await?;
        if status.is_success() {
            return self.number(subject, status, &body);
        }
        if status != StatusCode::NOT_FOUND {
            return Err(self.refused(subject, status, &body));
        }
        let (status, body) = self.post(&["subjects", subject, "versions"], schema).await?;
        self.number(subject, status, &body)
    }

    fn number(&self, subject: &str, status: StatusCode, body: &[u8]) -> Result<u32, ClientError> {
        if status.is_success()
            && let Ok(Numbered { id }) = serde_json::from_slice(body)
        {
            return Ok(id);
        }
        Err(self.refused(subject, status, body))
    }

    async fn post(
        &self,
        path: &[&str],
        schema: &SchemaText,
    ) -> Result<(StatusCode, Vec<u8>), ClientError> {
        let subject = path.get(1).copied().unwrap_or_default();
        let failed = |error: reqwest::Error| self.no_answer(subject, &error.without_url());
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let body = json!({ "schema": schema.as_str() }).to_string();
        let mut request = self.http.request(Method::POST, url).header(CONTENT_TYPE, MEDIA_TYPE);
        if let Some((user, password)) = &self.credentials {
            request = request.basic_auth(user, Some(password));
        }
        let answer = request.body(body).send().await.map_err(failed)?;
        let status = answer.status();
        Ok((status, self.read(subject, answer).await?))
    }

    async fn read(&self, subject: &str, mut answer: Response) -> Result<Vec<u8>, ClientError> {
        let mut body = Vec::new();
        loop {
            let chunk = answer.chunk().await;
            let chunk = chunk.map_err(|error| self.no_answer(subject, &error.without_url()))?;
            let Some(chunk) = chunk else { return Ok(body) };
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                let why = format!("expected at most {ANSWER_BYTES_MAX} bytes, found more");
                return Err(self.no_answer(subject, &why));
            }
            body.extend_from_slice(&chunk);
        }
    }

    fn no_answer(&self, subject: &str, why: &dyn std::fmt::Display) -> ClientError {
        let (address, subject) = (self.base.to_string(), subject.to_owned());
        ClientError::NoAnswer { address, subject, why: why.to_string() }
    }

    fn refused(&self, subject: &str, status: StatusCode, body: &[u8]) -> ClientError {
        let (address, subject) = (self.base.to_string(), subject.to_owned());
        let message = String::from_utf8_lossy(body).chars().take(200).collect();
        ClientError::Refused { address, subject, status: status.as_u16(), message }
    }
}
