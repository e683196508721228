//! Secrets of one hub: made once, kept in a file that only its owner may read.
//!
//! The worker and person key must not change within the identity horizon, nor the fingerprint
//! key ever for a topic; both therefore live beside the data that they made.

use std::fs;
use std::io::Write;
use std::path::Path;

use aes_gcm::aead::OsRng;
use aes_gcm::aead::rand_core::{self, RngCore};
use sha2::{Digest, Sha256};

use super::{HubError, versions};
use crate::normalize::TokenKeys;
use crate::orders::identity::FingerprintKey;
use crate::store::Tx;
use crate::store::cipher::{CipherError, FieldCipher, KeyId};

const FILE: &str = "keys";
const KEY_BYTES: usize = 32;
const KEYS: usize = 3;

pub(super) struct Keys {
    pub(super) tokens: TokenKeys,
    pub(super) fingerprints: FingerprintKey,
    pub(super) cipher: FieldCipher,
    /// SHA-256 of all of them: what the database remembers them by.
    pub(super) digest: [u8; 32],
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file cannot be read or written.
    #[error("key file {path}: {source}")]
    File {
        /// The file.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
    /// The file has another length.
    #[error(
        "key file {path}: expected {expected} bytes, found {found}; restore it from a backup, \
         for without it no identity of this data folder can be matched"
    )]
    Length {
        /// The file.
        path: String,
        /// What was expected.
        expected: usize,
        /// What was found.
        found: usize,
    },
    /// The database was written under other keys.
    #[error(
        "key file {path}: expected the keys that the database was written under, found others; \
         give every instance the same file"
    )]
    Other {
        /// The file.
        path: String,
    },
    /// The system gives no random numbers.
    #[error("random numbers: {detail}")]
    Random {
        /// What the system says.
        detail: String,
    },
    /// The cipher refuses the key.
    #[error(transparent)]
    Cipher(#[from] CipherError),
}

pub(super) fn load_or_make(data: &Path) -> Result<Keys, KeysError> {
    let path = data.join(FILE);
    let failed = |source| KeysError::File { path: path.display().to_string(), source };
    if !path.exists() {
        // Where log and state lie on servers, nobody else makes the folder.
        fs::create_dir_all(data).map_err(failed)?;
        let mut bytes = [0; KEYS * KEY_BYTES];
        let random = |error: rand_core::Error| KeysError::Random { detail: error.to_string() };
        OsRng.try_fill_bytes(&mut bytes).map_err(random)?;
        write_private(&path, &bytes).map_err(failed)?;
    }
    let bytes = fs::read(&path).map_err(failed)?;
    let expected = KEYS * KEY_BYTES;
    let parts = bytes.as_chunks::<KEY_BYTES>();
    let ([tokens, prints, cipher], []) = parts else {
        let path = path.display().to_string();
        return Err(KeysError::Length { path, expected, found: bytes.len() });
    };
    let mut fingerprints = [0; 16];
    fingerprints.copy_from_slice(prints.split_at(16).0);
    Ok(Keys {
        tokens: TokenKeys::new(tokens),
        fingerprints: FingerprintKey(fingerprints),
        cipher: FieldCipher::new([(KeyId(1), *cipher)])?,
        digest: Sha256::digest(&bytes).into(),
    })
}

/// Refuses keys other than those of the instance that opened the database first: under others no
/// order and no rider would be known again.
pub(super) async fn compare(tx: &mut Tx, keys: &Keys, data: &Path) -> Result<(), HubError> {
    if versions::first_digest(tx, "keys", &keys.digest).await? == keys.digest {
        return Ok(());
    }
    Err(KeysError::Other { path: data.join(FILE).display().to_string() }.into())
}

/// What leases call this instance: no two have one name, on whatever machines they run.
pub(super) fn instance_name() -> Result<String, KeysError> {
    let mut bytes = [0; 8];
    let random = |error: rand_core::Error| KeysError::Random { detail: error.to_string() };
    OsRng.try_fill_bytes(&mut bytes).map_err(random)?;
    Ok(format!("pid:{}:{:016x}", std::process::id(), u64::from_le_bytes(bytes)))
}

fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    // Written whole under another name first, so that a crash leaves no half a key.
    let fresh = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)
}
