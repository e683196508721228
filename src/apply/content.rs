//! Digests of what a fact says: two facts of one identity are the same where these agree.
//!
//! Only material content enters; when and through which message it came does not.

use sha2::{Digest, Sha256};

/// Collects the material content of a fact, field by field in a fixed order.
pub(super) struct Content(Sha256);

impl Content {
    /// Begins with the kind of fact.
    pub(super) fn of(kind: &str) -> Self {
        Self(Sha256::new()).text(kind)
    }

    /// Adds a text; its length goes before it, so that no two lists of fields look alike.
    pub(super) fn text(mut self, text: &str) -> Self {
        self.0.update(text.len().to_string());
        self.0.update([b':']);
        self.0.update(text);
        self
    }

    /// Adds a number.
    pub(super) fn number(self, number: impl Into<i128>) -> Self {
        let number: i128 = number.into();
        self.text(&number.to_string())
    }

    /// Adds a text that may be absent; an absent one differs from an empty one.
    pub(super) fn maybe(self, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.number(1).text(text),
            None => self.number(0),
        }
    }

    /// SHA-256 of everything added.
    pub(super) fn digest(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// The first 12 hexadecimal digits of a digest, to tell contents of one number apart.
pub(super) fn short_hex(digest: &[u8; 32]) -> String {
    digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}
