//! Bearer tokens. Only their digests are kept, and digests are compared without an early end: how
//! long it takes says nothing about the token.

use axum::http::{HeaderMap, header};
use sha2::{Digest, Sha256};

use super::problem::Problem;
use super::{HttpConnector, Shared};

/// A principal's bearer token, as its digest.
#[derive(Clone)]
pub struct Token([u8; 32]);

impl Token {
    /// From the secret text.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// Whether it is the same token.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        let difference = self.0.iter().zip(other.0).fold(0, |all, (a, b)| all | (a ^ b));
        difference == 0
    }
}

/// The connector of this name, if the request comes from its principal.
pub(super) fn authorize<'a>(
    shared: &'a Shared,
    connector: &str,
    headers: &HeaderMap,
) -> Result<&'a HttpConnector, Problem> {
    let all = &shared.intake.connectors;
    let wanted = all
        .iter()
        .find(|known| known.connector.as_str() == connector)
        .ok_or_else(|| Problem::connector_unknown(connector))?;
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .map(Token::new)
        .ok_or_else(|| Problem::token_wrong("none, or of another scheme"))?;
    // All are compared, so that the time does not tell which one fits.
    let fits = |known: &&HttpConnector| known.token.is(&token);
    let of_others = all.iter().filter(fits).count();
    if wanted.token.is(&token) {
        Ok(wanted)
    } else if of_others > 0 {
        Err(Problem::connector_other(connector))
    } else {
        Err(Problem::token_wrong("an unknown one"))
    }
}
