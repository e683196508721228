//! Why a policy cannot be loaded.

/// A refusal that names file, line and field, so that whoever edits the rules finds the place.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// A file cannot be read.
    #[error("policy file {file}: {source}")]
    Read {
        /// The file.
        file: String,
        /// The cause.
        source: std::io::Error,
    },
    /// A file is not TOML or CSV, or a field is absent, unknown or of another kind.
    #[error("policy {file} line {line}: {detail}")]
    Syntax {
        /// The file.
        file: &'static str,
        /// The line, from 1.
        line: usize,
        /// What was expected.
        detail: String,
    },
    /// A value contradicts another row or the regulation in force on its date.
    #[error("policy {file} line {line}, {field}: expected {expected}, found {found}")]
    Row {
        /// The file.
        file: &'static str,
        /// The line, from 1.
        line: usize,
        /// The field.
        field: &'static str,
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
    },
    /// Stored bytes are no policy bundle.
    #[error("stored policy: expected {expected}, found {found}")]
    Bundle {
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
    },
}
