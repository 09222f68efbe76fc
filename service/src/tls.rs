//! TLS for clients: certificate, key and the authorities of client certificates, from files that
//! are read again when they change.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use sha2::{Digest, Sha256};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{self, ServerConfig};

use crate::config::Access;

/// How often the files are compared with what was read.
const POLL_INTERVAL: Duration = Duration::from_secs(5);
/// The largest file that is read, so that a mistyped path is an error.
const MAX_FILE: u64 = 1 << 20;

/// Why there is no TLS, in one line.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// One file is of no use without the other.
    #[error("{0} is missing: TLS needs --tls-cert and --tls-key")]
    Incomplete(&'static str),
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Reason of the operating system.
        source: io::Error,
    },
    /// A file does not contain what it should.
    #[error("{} has no {expected} in PEM", path.display())]
    NotPem {
        /// The file.
        path: PathBuf,
        /// What it should contain.
        expected: &'static str,
    },
    /// The certificate and the key do not fit.
    #[error("the TLS certificate or key cannot be used: {0}")]
    Unusable(String),
}

/// The names of the files.
#[derive(Clone, Debug)]
struct Files {
    cert: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
}

/// Their contents.
struct Contents {
    cert: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl Contents {
    /// Tells whether the files have changed, without a second copy of the key in memory.
    fn digest(&self) -> [u8; 32] {
        let Self { cert, key, client_ca } = self;
        let parts = [Some(cert), Some(key), client_ca.as_ref()];
        let add = |hash: Sha256, part: Option<&Vec<u8>>| {
            let part = part.map(Vec::as_slice).unwrap_or_default();
            hash.chain_update(Sha256::digest(part))
        };
        parts.into_iter().fold(Sha256::new(), add).finalize().into()
    }
}

/// TLS as the files say. Clones share it.
#[derive(Clone)]
pub(crate) struct Tls(Arc<Shared>);

struct Shared {
    files: Files,
    /// What the files were when the server started.
    opened_with: [u8; 32],
    current: RwLock<TlsAcceptor>,
}

impl Tls {
    /// Reads the files that the settings name. None if they name none.
    pub(crate) fn open(settings: &Access) -> Result<Option<Self>, TlsError> {
        let Access { tls_cert, tls_key, tls_client_ca, .. } = settings;
        let files = match (tls_cert, tls_key) {
            (None, None) if tls_client_ca.is_none() => return Ok(None),
            (None, _) => return Err(TlsError::Incomplete("--tls-cert")),
            (_, None) => return Err(TlsError::Incomplete("--tls-key")),
            (Some(cert), Some(key)) => {
                Files { cert: cert.clone(), key: key.clone(), client_ca: tls_client_ca.clone() }
            }
        };
        let contents = read(&files)?;
        let opened_with = contents.digest();
        let current = RwLock::new(acceptor(&files, &contents)?);
        Ok(Some(Self(Arc::new(Shared { files, opened_with, current }))))
    }

    /// What makes a TLS connection of the next one.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.0.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the files again whenever they change. What cannot be used is logged, and the server
    /// goes on with what it has: a certificate and its key are often replaced one after the other.
    pub(crate) async fn watch(&self) -> std::convert::Infallible {
        // None: the files could not be read.
        let mut seen = Some(self.0.opened_with);
        loop {
            tokio::time::sleep(POLL_INTERVAL).await;
            let read = self.read().await;
            let digest = read.as_ref().ok().map(Contents::digest);
            // What was logged is not logged again.
            if std::mem::replace(&mut seen, digest) == digest {
                continue;
            }
            match read.and_then(|contents| acceptor(&self.0.files, &contents)) {
                Ok(acceptor) => {
                    *self.0.current.write().unwrap_or_else(PoisonError::into_inner) = acceptor;
                    tracing::info!("the TLS certificates were read again");
                }
                Err(error) => {
                    tracing::error!(%error, "changed TLS certificates are not used");
                }
            }
        }
    }

    async fn read(&self) -> Result<Contents, TlsError> {
        let files = self.0.files.clone();
        let read = tokio::task::spawn_blocking(move || read(&files)).await;
        read.unwrap_or_else(|error| Err(TlsError::Unusable(error.to_string())))
    }
}

fn read(files: &Files) -> Result<Contents, TlsError> {
    Ok(Contents {
        cert: read_file(&files.cert)?,
        key: read_file(&files.key)?,
        client_ca: files.client_ca.as_deref().map(read_file).transpose()?,
    })
}

fn read_file(path: &Path) -> Result<Vec<u8>, TlsError> {
    let read = || {
        if std::fs::metadata(path)?.len() > MAX_FILE {
            return Err(io::Error::other("the file is larger than 1 MiB"));
        }
        std::fs::read(path)
    };
    read().map_err(|source| TlsError::Read { path: path.to_owned(), source })
}

fn acceptor(files: &Files, contents: &Contents) -> Result<TlsAcceptor, TlsError> {
    let unusable = |error: &dyn std::fmt::Display| TlsError::Unusable(error.to_string());
    let certificates = certificates(&files.cert, &contents.cert)?;
    let key = PrivateKeyDer::from_pem_slice(&contents.key)
        .map_err(|_| TlsError::NotPem { path: files.key.clone(), expected: "private key" })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?;
    let builder = match (&files.client_ca, &contents.client_ca) {
        (Some(path), Some(pem)) => {
            builder.with_client_cert_verifier(client_verifier(path, pem, provider)?)
        }
        _ => builder.with_no_client_auth(),
    };
    let mut config =
        builder.with_single_cert(certificates, key).map_err(|error| unusable(&error))?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let read = read.ok().filter(|certificates| !certificates.is_empty());
    read.ok_or_else(|| TlsError::NotPem { path: path.to_owned(), expected: "certificate" })
}

fn client_verifier(
    path: &Path,
    pem: &[u8],
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, TlsError> {
    let unusable = |error: &dyn std::fmt::Display| TlsError::Unusable(error.to_string());
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, pem)? {
        roots.add(certificate).map_err(|error| unusable(&error))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| unusable(&error))
}
