//! Who may add schemas: the principal of a connector, to the subjects of its own topic. Clients
//! send the token that intake over HTTP takes, as a bearer token or as the password of the user
//! that is named as the connector is.

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Registry;
use super::answer::Refusal;
use crate::domain::ids::ConnectorId;
use crate::intake::http::Token;

/// A principal that may add schemas.
#[derive(Clone)]
pub struct Writer {
    connector: ConnectorId,
    bearer: Token,
    basic: Token,
}

impl Writer {
    /// The principal of a connector, by its token.
    #[must_use]
    pub fn new(connector: ConnectorId, secret: &str) -> Self {
        let (bearer, basic) = (Token::new(secret), Token::new(&format!("{connector}:{secret}")));
        Self { connector, bearer, basic }
    }
}

impl Registry {
    /// Who sent a request.
    pub(super) fn writer(&self, headers: &HeaderMap) -> Result<&Writer, Refusal> {
        let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let (scheme, sent) = sent.and_then(|sent| sent.split_once(' ')).unwrap_or_default();
        let (token, is_basic) = if scheme.eq_ignore_ascii_case("bearer") {
            (Token::new(sent.trim()), false)
        } else if scheme.eq_ignore_ascii_case("basic") {
            let pair = STANDARD.decode(sent.trim()).ok();
            let pair = pair.and_then(|pair| String::from_utf8(pair).ok());
            (Token::new(&pair.ok_or_else(|| Refusal::token("no user and password"))?), true)
        } else {
            return Err(Refusal::token("none"));
        };
        // All are compared, so that the time does not tell which one fits.
        let mut found = None;
        for writer in &self.writers {
            let own = if is_basic { &writer.basic } else { &writer.bearer };
            if own.is(&token) {
                found = Some(writer);
            }
        }
        found.ok_or_else(|| Refusal::token("an unknown one"))
    }

    /// What the names of the subjects begin with that this writer may add to: its own topic, as
    /// the hub names it or as it stands on Kafka.
    pub(super) fn own_subjects(&self, writer: &Writer, subject: &str) -> Result<String, Refusal> {
        let topic = format!("raw.{}-", writer.connector);
        let on_kafka = format!("{}{topic}", self.topic_prefix);
        let own = [on_kafka, topic].into_iter().find(|own| subject.starts_with(own.as_str()));
        own.ok_or_else(|| Refusal::subject_of_others(&writer.connector, subject))
    }
}
