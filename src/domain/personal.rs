//! Clear identity that must not reach a log line.

use std::fmt;

/// A clear personal value (name, identity number, account): prints nothing in `Debug`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Personal<T>(T);

impl<T> Personal<T> {
    /// Wraps a clear value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The clear value, for the one place that encrypts or tokenizes it.
    pub const fn reveal(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Personal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Personal(..)")
    }
}
