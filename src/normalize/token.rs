//! Worker and person tokens: HMAC-SHA256 under a key that no platform holds.
//!
//! The key's two hash states are prepared once, so that a token costs two compressions. The key
//! does not change within the identity horizon.

use std::fmt;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::domain::ids::{PersonToken, PlatformId, WorkerToken};

/// Between the parts of what is hashed; no id has it.
const SEPARATOR: &[u8] = &[0x1f];

/// The prepared key of worker and person tokens.
#[derive(Clone)]
pub struct TokenKeys {
    prepared: Hmac<Sha256>,
}

impl TokenKeys {
    /// Prepares a secret of any length (32 random bytes are advised).
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        let prepared = Hmac::new_from_slice(secret)
            .expect("HMAC takes keys of any length: longer ones are hashed, shorter ones padded");
        Self { prepared }
    }

    /// A platform's rider: the first 8 bytes, big-endian, over `worker`, platform, rider number.
    #[must_use]
    pub fn worker(&self, platform: &PlatformId, rider: &str) -> WorkerToken {
        WorkerToken(self.first_bytes(&[b"worker", platform.as_str().as_bytes(), rider.as_bytes()]))
    }

    /// A person: the first 8 bytes, big-endian, over `person`, document number.
    #[must_use]
    pub fn person(&self, identity_no: &str) -> PersonToken {
        PersonToken(self.first_bytes(&[b"person", identity_no.as_bytes()]))
    }

    fn first_bytes(&self, parts: &[&[u8]]) -> u64 {
        let mut mac = self.prepared.clone();
        for (place, part) in parts.iter().enumerate() {
            if place > 0 {
                mac.update(SEPARATOR);
            }
            mac.update(part);
        }
        let digest = mac.finalize().into_bytes();
        let mut first = [0; 8];
        for (to, from) in first.iter_mut().zip(digest) {
            *to = from;
        }
        u64::from_be_bytes(first)
    }
}

/// Prints nothing of the key.
impl fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKeys(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_what_openssl_computes() {
        // printf 'worker\x1fmeituan\x1f123456789' | openssl dgst -sha256 -hmac samples
        // printf 'person\x1f150102199001010011' | openssl dgst -sha256 -hmac samples
        let keys = TokenKeys::new(b"samples");
        let platform = PlatformId::new("meituan").expect("an id");
        assert_eq!(keys.worker(&platform, "123456789"), WorkerToken(0x3689_749c_39ae_2553));
        assert_eq!(keys.person("150102199001010011"), PersonToken(0xd73e_4d22_ec03_b4f6));
    }
}
