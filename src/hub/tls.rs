//! Certificate and key of the hub's front under HTTPS, from files.

use std::path::{Path, PathBuf};

use axum_server::tls_rustls::RustlsConfig;

/// Where they lie, as PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The chain: the front's own certificate first.
    pub certificate: PathBuf,
    /// The key of the first certificate.
    pub key: PathBuf,
}

/// Why they cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
    /// They do not fit together, or are something else.
    #[error(
        "certificate {certificate} and key {key}: expected a chain of certificates and the key of \
         the first, both as PEM, found: {source}"
    )]
    Pair {
        /// File of the chain.
        certificate: String,
        /// File of the key.
        key: String,
        /// The cause.
        source: std::io::Error,
    },
}

impl TlsFiles {
    /// Reads them.
    ///
    /// # Errors
    /// [`TlsError`] where a file cannot be read, or they do not fit together.
    pub(super) async fn load(&self) -> Result<RustlsConfig, TlsError> {
        let (certificate, key) = (read(&self.certificate).await?, read(&self.key).await?);
        RustlsConfig::from_pem(certificate, key).await.map_err(|source| TlsError::Pair {
            certificate: self.certificate.display().to_string(),
            key: self.key.display().to_string(),
            source,
        })
    }
}

async fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |source| TlsError::File { path: path.display().to_string(), source };
    tokio::fs::read(path).await.map_err(failed)
}
