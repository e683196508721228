//! Encryption of single fields: clear identity stands in the database only in this form.
//!
//! A sealed field is: algorithm id (1 byte), key id (4 bytes, big-endian), nonce (12 random
//! bytes), ciphertext with its tag. The key id and the column's name are authenticated with it, so
//! that a field moved to another column does not open.

use std::collections::BTreeMap;
use std::fmt;

use aes_gcm::aead::{Aead, AeadCore, KeyInit, OsRng, Payload};
use aes_gcm::{Aes256Gcm, Key, Nonce};

use crate::domain::personal::Personal;

/// AES-256-GCM; SM4 would be another number.
const AES_256_GCM: u8 = 1;
const NONCE_BYTES: usize = 12;
const HEAD_BYTES: usize = 5;

/// Names a key; a key is destroyed, its number never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId(pub u32);

/// Seals and opens fields. It seals with its newest key and opens with every key it has.
pub struct FieldCipher {
    keys: BTreeMap<KeyId, Aes256Gcm>,
    newest: KeyId,
}

/// Why a field cannot be sealed or opened.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CipherError {
    /// No key was given.
    #[error("field cipher: expected at least one key, found none")]
    NoKey,
    /// The stored bytes are no sealed field.
    #[error("field {field}: expected a sealed field, found {bytes} bytes of another shape")]
    NotSealed {
        /// The column.
        field: &'static str,
        /// How many bytes there are.
        bytes: usize,
    },
    /// The key is not among those given.
    #[error("field {field}: expected key {key} of algorithm {algorithm}, which is not here")]
    KeyUnknown {
        /// The column.
        field: &'static str,
        /// The algorithm that the field names.
        algorithm: u8,
        /// The key that the field names.
        key: u32,
    },
    /// The bytes were changed, or are another column's.
    #[error("field {field}: expected what was sealed, found changed bytes")]
    Changed {
        /// The column.
        field: &'static str,
    },
    /// The cipher refused to seal.
    #[error("field {field}: too long to seal")]
    TooLong {
        /// The column.
        field: &'static str,
    },
}

impl FieldCipher {
    /// A cipher with these keys of 32 bytes; the one with the highest number seals.
    ///
    /// # Errors
    /// [`CipherError::NoKey`] where there is none.
    pub fn new(keys: impl IntoIterator<Item = (KeyId, [u8; 32])>) -> Result<Self, CipherError> {
        let keys: BTreeMap<KeyId, Aes256Gcm> = keys
            .into_iter()
            .map(|(id, key)| (id, Aes256Gcm::new(&Key::<Aes256Gcm>::from(key))))
            .collect();
        let newest = *keys.last_key_value().ok_or(CipherError::NoKey)?.0;
        Ok(Self { keys, newest })
    }

    /// Seals a clear value for a column, named `table.column`.
    ///
    /// # Errors
    /// [`CipherError::TooLong`] above the cipher's limit of about 64 GiB.
    pub fn seal(
        &self,
        field: &'static str,
        clear: &Personal<String>,
    ) -> Result<Vec<u8>, CipherError> {
        let key = self.keys.get(&self.newest).ok_or(CipherError::NoKey)?;
        let nonce = Aes256Gcm::generate_nonce(&mut OsRng);
        let mut sealed = head(AES_256_GCM, self.newest);
        let aad = authenticated(&sealed, field);
        let payload = Payload { msg: clear.reveal().as_bytes(), aad: &aad };
        let Ok(text) = key.encrypt(&nonce, payload) else {
            return Err(CipherError::TooLong { field });
        };
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&text);
        Ok(sealed)
    }

    /// Opens a sealed field of the column.
    ///
    /// # Errors
    /// [`CipherError`] where the bytes are no sealed field of this column, or the key is unknown.
    pub fn open(
        &self,
        field: &'static str,
        sealed: &[u8],
    ) -> Result<Personal<String>, CipherError> {
        let not_sealed = CipherError::NotSealed { field, bytes: sealed.len() };
        let Some((head, rest)) = sealed.split_at_checked(HEAD_BYTES) else {
            return Err(not_sealed);
        };
        let [algorithm, a, b, c, d] = *head else { return Err(not_sealed) };
        let Some((nonce, text)) = rest.split_at_checked(NONCE_BYTES) else {
            return Err(not_sealed);
        };
        let id = KeyId(u32::from_be_bytes([a, b, c, d]));
        let Some(key) = self.keys.get(&id).filter(|_| algorithm == AES_256_GCM) else {
            return Err(CipherError::KeyUnknown { field, algorithm, key: id.0 });
        };
        let aad = authenticated(head, field);
        let payload = Payload { msg: text, aad: &aad };
        let Ok(clear) = key.decrypt(Nonce::from_slice(nonce), payload) else {
            return Err(CipherError::Changed { field });
        };
        match String::from_utf8(clear) {
            Ok(clear) => Ok(Personal::new(clear)),
            Err(_) => Err(CipherError::Changed { field }),
        }
    }
}

/// Shows which key seals, never a key.
impl fmt::Debug for FieldCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FieldCipher(key {} of {})", self.newest.0, self.keys.len())
    }
}

fn head(algorithm: u8, key: KeyId) -> Vec<u8> {
    let mut bytes = vec![algorithm];
    bytes.extend_from_slice(&key.0.to_be_bytes());
    bytes
}

fn authenticated(head: &[u8], field: &str) -> Vec<u8> {
    [head, field.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::{CipherError, FieldCipher, KeyId};
    use crate::domain::personal::Personal;

    fn cipher(numbers: &[u32]) -> FieldCipher {
        let key = |number: &u32| (KeyId(*number), [u8::try_from(*number).expect("small"); 32]);
        FieldCipher::new(numbers.iter().map(key)).expect("keys")
    }

    fn name() -> Personal<String> {
        Personal::new("张三".to_owned())
    }

    #[test]
    fn what_is_sealed_opens_again_and_shows_nothing_of_itself() {
        let sealed = cipher(&[1, 2]).seal("roster.name", &name()).expect("sealed");
        assert!(!sealed.windows(3).any(|part| part == "张".as_bytes()));
        assert_eq!(sealed[..5], [1, 0, 0, 0, 2], "algorithm and newest key");
        assert_eq!(cipher(&[2, 3]).open("roster.name", &sealed), Ok(name()));
        let again = cipher(&[1, 2]).seal("roster.name", &name()).expect("sealed");
        assert_ne!(sealed, again, "each nonce is new");
    }

    #[test]
    fn a_changed_byte_another_column_or_another_key_does_not_open() {
        let sealed = cipher(&[1]).seal("roster.name", &name()).expect("sealed");
        for at in 5..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            let found = cipher(&[1]).open("roster.name", &changed);
            assert_eq!(found, Err(CipherError::Changed { field: "roster.name" }), "byte {at}");
        }
        let found = cipher(&[1]).open("roster.rider", &sealed);
        assert_eq!(found, Err(CipherError::Changed { field: "roster.rider" }));
        let found = cipher(&[2]).open("roster.name", &sealed);
        assert!(matches!(found, Err(CipherError::KeyUnknown { algorithm: 1, key: 1, .. })));
        for bytes in [&[][..], &[1, 0, 0, 0, 1], &[1; 16]] {
            let found = cipher(&[1]).open("roster.name", bytes);
            assert!(matches!(found, Err(CipherError::NotSealed { .. })), "{bytes:?}");
        }
        assert_eq!(FieldCipher::new([]).err(), Some(CipherError::NoKey));
    }
}
