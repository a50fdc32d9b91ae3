//! TLS 1.2 and 1.3 from files in PEM, which are read again when they change: connections that stand are not touched, new
//! ones use what is new.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use x509_parser::parse_x509_certificate;

use crate::reload::{Reloaded, read};

/// The protocol of gRPC, as TLS names it.
const HTTP_2: &[u8] = b"h2";

/// A file with a certificate, its authorities' behind it, and a file with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityFiles {
    /// The certificates, in PEM; the own one first.
    pub certificate: PathBuf,
    /// The private key, in PEM.
    pub key: PathBuf,
}

/// The files of a connection to a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTlsFiles {
    /// The certificates, in PEM, of the authorities that vouch for the directory.
    pub authorities: PathBuf,
    /// What we show the directory, where it asks.
    pub identity: Option<IdentityFiles>,
    /// The name that the directory's certificate must have, if it is not the host of the address.
    pub server_name: Option<String>,
}

/// A file cannot be used; the message names it, and shows nothing of what it holds.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read.
    #[error("{path} cannot be read: {source}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not what it must be.
    #[error("{path} {rule}", path = .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What it must hold.
        rule: &'static str,
    },
    /// The key is not that of the certificate, or of a kind that is not supported.
    #[error("{key} is no key for the certificate in {certificate}: {source}", key = .files.key.display(), certificate = .files.certificate.display())]
    Identity {
        /// The files.
        files: IdentityFiles,
        /// What was wrong.
        source: rustls::Error,
    },
}

impl IdentityFiles {
    /// Reads certificates and key.
    ///
    /// # Errors
    /// [`TlsError`], which names the file.
    pub fn read(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
        let certificates = certificates(&self.certificate)?;
        if certificates
            .first()
            .and_then(expires_in)
            .is_some_and(|seconds| seconds < 0)
        {
            return Err(TlsError::Content {
                path: self.certificate.clone(),
                rule: "must hold a certificate that has not ended",
            });
        }
        let key = PrivateKeyDer::from_pem_slice(&bytes(&self.key)?).map_err(|_| TlsError::Content {
            path: self.key.clone(),
            rule: "must hold a private key in PEM, without a password",
        })?;
        Ok((certificates, key))
    }
}

/// In how many seconds a certificate ends; less than 0 if it has ended.
pub fn expires_in(certificate: &CertificateDer<'_>) -> Option<i64> {
    let (_, parsed) = parse_x509_certificate(certificate).ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    Some(parsed.validity().not_after.timestamp() - i64::try_from(now).ok()?)
}

/// The authorities of a file.
///
/// # Errors
/// [`TlsError`], which names the file.
pub fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|_| no_certificate(path))?;
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes(path)?).collect();
    found
        .ok()
        .filter(|found| !found.is_empty())
        .ok_or_else(|| no_certificate(path))
}

fn no_certificate(path: &Path) -> TlsError {
    TlsError::Content {
        path: path.to_owned(),
        rule: "must hold certificates in PEM",
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, TlsError> {
    read(path).map_err(|source| TlsError::Io {
        path: path.to_owned(),
        source,
    })
}

/// How a client makes connections to a directory.
#[derive(Debug)]
pub struct ClientTls {
    made: Reloaded<Made>,
    server_name: Option<String>,
}

struct Made {
    config: Arc<ClientConfig>,
    certificate: Option<CertificateDer<'static>>,
}

impl ClientTls {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// [`TlsError`], which names the file.
    pub fn load(files: ClientTlsFiles) -> Result<Self, TlsError> {
        let identity = files.identity.iter();
        let paths = identity.flat_map(|identity| [identity.certificate.clone(), identity.key.clone()]);
        let paths = paths.chain([files.authorities.clone()]).collect();
        let server_name = files.server_name.clone();
        Ok(Self {
            made: Reloaded::new(paths, move || make(&files))?,
            server_name,
        })
    }

    /// The settings of a new connection.
    pub fn config(&self) -> Arc<ClientConfig> {
        self.made.current().config.clone()
    }

    /// The certificate that we show at the moment.
    pub fn certificate(&self) -> Option<CertificateDer<'static>> {
        self.made.current().certificate.clone()
    }

    pub(crate) fn server_name(&self) -> Option<String> {
        self.server_name.clone()
    }

    pub(crate) async fn follow(&self) {
        self.made.follow().await;
    }
}

fn make(files: &ClientTlsFiles) -> Result<Made, TlsError> {
    let builder = ClientConfig::builder().with_root_certificates(authorities(&files.authorities)?);
    let mut certificate = None;
    let mut config = match &files.identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let (chain, key) = identity.read()?;
            certificate = chain.first().cloned();
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|source| TlsError::Identity {
                    files: identity.clone(),
                    source,
                })?
        }
    };
    config.alpn_protocols = vec![HTTP_2.to_vec()];
    Ok(Made {
        config: Arc::new(config),
        certificate,
    })
}
