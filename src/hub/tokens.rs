//! The file of intake tokens: one line a connector, `meituan = "secret"`.
//!
//! An error names the line and never shows it, for it may hold a secret.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use crate::domain::ids::ConnectorId;
use crate::normalize::Connectors;

/// A shorter token could be guessed.
const CHARS_MIN: usize = 16;

/// Bearer tokens by connector.
#[derive(Clone, Default)]
pub struct Tokens(BTreeMap<ConnectorId, String>);

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Why the tokens cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// The file cannot be read.
    #[error("tokens {path}: {source}")]
    File {
        /// The file.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
    /// A line is none of the file's form.
    #[error("tokens {path}:{line}: expected <connector> = \"<token>\", found something else")]
    Line {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
    },
    /// A name that no manifest has.
    #[error("tokens {path}: expected connectors of the manifests, found {found:?}")]
    Connector {
        /// The file.
        path: String,
        /// The name.
        found: String,
    },
    /// A token that could be guessed.
    #[error("tokens {path}: {connector}: expected at least {CHARS_MIN} characters, found {found}")]
    Short {
        /// The file.
        path: String,
        /// Whose token it is.
        connector: String,
        /// How many characters it has.
        found: usize,
    },
}

impl Tokens {
    /// Reads a file; every name must be a connector of the manifests.
    ///
    /// # Errors
    /// [`TokensError`] where the file cannot be read or a line is wrong.
    pub fn load(file: &Path, connectors: &Connectors) -> Result<Self, TokensError> {
        let path = file.display().to_string();
        let text = std::fs::read_to_string(file)
            .map_err(|source| TokensError::File { path: path.clone(), source })?;
        Self::parse(&path, &text, connectors)
    }

    fn parse(path: &str, text: &str, connectors: &Connectors) -> Result<Self, TokensError> {
        let path = || path.to_owned();
        let lines: BTreeMap<String, String> = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map_or(1, |before| before.matches('\n').count() + 1);
            TokensError::Line { path: path(), line }
        })?;
        let mut tokens = BTreeMap::new();
        for (name, token) in lines {
            let known = connectors.iter().map(|manifest| manifest.name());
            let Some(connector) = known.into_iter().find(|known| known.as_str() == name) else {
                return Err(TokensError::Connector { path: path(), found: name });
            };
            let found = token.chars().count();
            if found < CHARS_MIN {
                return Err(TokensError::Short { path: path(), connector: name, found });
            }
            tokens.insert(connector.clone(), token);
        }
        Ok(Self(tokens))
    }

    /// Whether nobody may send over HTTP.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The token of a connector, where it may send over HTTP.
    pub(super) fn of(&self, connector: &ConnectorId) -> Option<&str> {
        self.0.get(connector).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Tokens;
    use crate::domain::ids::ConnectorId;
    use crate::normalize::Connectors;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("connectors");
        let connectors = Connectors::load(&folder).unwrap();
        let meituan = ConnectorId::new("meituan").unwrap();
        let found = Tokens::parse("tokens.toml", text, &connectors);
        let found = found.map(|tokens| tokens.of(&meituan).unwrap_or("none").to_owned());
        let found = found.map_err(|error| error.to_string());
        assert_eq!(found.as_ref().map(String::as_str).map_err(String::as_str), expected);
    }

    #[test]
    fn each_connector_has_its_own_token() {
        check("meituan = \"0123456789abcdef\"\n", Ok("0123456789abcdef"));
        check("# nobody\n", Ok("none"));
    }

    #[test]
    fn what_is_wrong_is_named_and_no_secret_is_shown() {
        let line = "tokens tokens.toml:2: expected <connector> = \"<token>\", found something else";
        check("eleme = \"0123456789abcdef\"\nmeituan = 0123456789abcdef\n", Err(line));
        let name = "tokens tokens.toml: expected connectors of the manifests, found \"meltuan\"";
        check("meltuan = \"0123456789abcdef\"\n", Err(name));
        let short = "tokens tokens.toml: meituan: expected at least 16 characters, found 6";
        check("meituan = \"secret\"\n", Err(short));
    }
}
