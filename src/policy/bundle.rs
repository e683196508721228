//! The files of one policy version as one byte string, so that the database can keep the version
//! and rebuild it where the folder is another or gone.
//!
//! Each file stands as `<name> <bytes>\n` followed by its bytes, in a fixed order.

use std::ops::Range;
use std::path::Path;

use serde::de::DeserializeOwned;

use super::PolicyError;

/// Files of a policy folder, in the order of the bundle.
const NAMES: [&str; 8] = [
    "sources.toml",
    "scheme.toml",
    "regions.csv",
    "platforms.toml",
    "rates.toml",
    "counting.toml",
    "competence.toml",
    "accounts.toml",
];

/// The texts of one policy version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bundle {
    texts: Vec<PolicyText>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PolicyText {
    pub(super) file: &'static str,
    pub(super) text: String,
}

impl Bundle {
    pub(super) fn read(folder: &Path) -> Result<Self, PolicyError> {
        let read = |file: &'static str| {
            let path = folder.join(file);
            match std::fs::read_to_string(&path) {
                Ok(text) => Ok(PolicyText { file, text }),
                Err(source) => Err(PolicyError::Read { file: path.display().to_string(), source }),
            }
        };
        Ok(Self { texts: NAMES.into_iter().map(read).collect::<Result<_, _>>()? })
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for PolicyText { file, text } in &self.texts {
            bytes.extend_from_slice(format!("{file} {}\n", text.len()).as_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, PolicyError> {
        let mut rest = std::str::from_utf8(bytes).map_err(|error| PolicyError::Bundle {
            expected: "UTF-8".to_owned(),
            found: error.to_string(),
        })?;
        let mut texts = Vec::with_capacity(NAMES.len());
        for file in NAMES {
            let refuse = |found: &str| PolicyError::Bundle {
                expected: format!("{file} with its length and all its bytes"),
                found: format!("{:?}", found.chars().take(40).collect::<String>()),
            };
            let Some((header, after)) = rest.split_once('\n') else { return Err(refuse(rest)) };
            let length = header.strip_prefix(file).and_then(|text| text.trim_start().parse().ok());
            let Some((text, after)) = length.and_then(|at: usize| after.split_at_checked(at))
            else {
                return Err(refuse(header));
            };
            texts.push(PolicyText { file, text: text.to_owned() });
            rest = after;
        }
        if !rest.is_empty() {
            return Err(PolicyError::Bundle {
                expected: "nothing after the last file".to_owned(),
                found: format!("{} bytes", rest.len()),
            });
        }
        Ok(Self { texts })
    }

    /// The bundle with one file replaced.
    #[cfg(test)]
    pub(super) fn with(mut self, file: &'static str, text: String) -> Self {
        self.texts.retain(|known| known.file != file);
        let place = NAMES.iter().position(|name| *name == file).unwrap_or(self.texts.len());
        self.texts.insert(place, PolicyText { file, text });
        self
    }

    pub(super) fn text(&self, file: &'static str) -> Result<&PolicyText, PolicyError> {
        self.texts.iter().find(|text| text.file == file).ok_or_else(|| PolicyError::Bundle {
            expected: file.to_owned(),
            found: "no such file".to_owned(),
        })
    }
}

impl PolicyText {
    pub(super) fn parse<T: DeserializeOwned>(&self) -> Result<T, PolicyError> {
        toml::from_str(&self.text).map_err(|error| PolicyError::Syntax {
            file: self.file,
            line: error.span().map_or(1, |span| self.line(span.start)),
            detail: error.message().to_owned(),
        })
    }

    /// A refusal of the value at `at` (bytes of the file).
    pub(super) fn refuse(
        &self,
        at: &Range<usize>,
        field: &'static str,
        expected: impl Into<String>,
        found: impl std::fmt::Display,
    ) -> PolicyError {
        PolicyError::Row {
            file: self.file,
            line: self.line(at.start),
            field,
            expected: expected.into(),
            found: found.to_string(),
        }
    }

    /// The place after the last row, for what is missing altogether.
    pub(super) fn end(&self) -> Range<usize> {
        self.text.len()..self.text.len()
    }

    fn line(&self, at: usize) -> usize {
        self.text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
    }
}
