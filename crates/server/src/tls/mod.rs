//! TLS for listeners: which certificate, which versions, and the errors that say what is wrong with them.
//!
//! In: PEM files or a wish for a development certificate ([`Tls`]). Out: a checked [`TlsConfig`] that the
//! acceptor uses. Never sees sockets or HTTP; ALPN names are all it knows of the protocols above.

mod certificate;
mod development;
mod error;
mod pem;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::server::ServerConfig;
use rustls::{ALL_VERSIONS, SupportedProtocolVersion};

pub use error::TlsError;

use certificate::Identity;

/// What TLS should use. Read and checked by [`Tls::load`].
#[derive(Clone, Debug)]
pub struct Tls {
    source: Source,
    chain: Option<PathBuf>,
    minimum: TlsVersion,
}

#[derive(Clone, Debug)]
enum Source {
    Files { certificate: PathBuf, key: PathBuf },
    Development { folder: Option<PathBuf> },
}

/// A version of TLS that narae speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    V1_2,
    /// TLS 1.3 (RFC 8446).
    V1_3,
}

impl Tls {
    /// Uses a certificate and its key from PEM files.
    ///
    /// `certificate` holds the server's certificate first, then the intermediate ones, as certification
    /// authorities deliver it. `key` is RSA, ECDSA (P-256, P-384) or Ed25519, as PKCS#8, PKCS#1 or SEC1,
    /// and not encrypted. Both may be the same file.
    pub fn pem(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self::from(Source::Files { certificate: certificate.into(), key: key.into() })
    }

    /// Uses a self-signed certificate for `localhost`, `*.localhost`, `127.0.0.1` and `::1`.
    ///
    /// It is made on first use and kept in `$XDG_STATE_HOME/narae/development` (without that variable
    /// `~/.local/state`), so that a browser's exception for it lasts; it is renewed 30 days before its
    /// 397 days are over. No browser trusts it by itself: not for the public.
    pub fn development() -> Self {
        Self::from(Source::Development { folder: None })
    }

    /// As [`Tls::development`], with certificate and key kept in `folder`.
    pub fn development_in(folder: impl Into<PathBuf>) -> Self {
        Self::from(Source::Development { folder: Some(folder.into()) })
    }

    /// Adds a PEM file of intermediate certificates, for authorities that deliver them apart.
    #[must_use]
    pub fn chain(mut self, file: impl Into<PathBuf>) -> Self {
        self.chain = Some(file.into());
        self
    }

    /// Refuses older versions of TLS. Default: TLS 1.2.
    #[must_use]
    pub fn minimum_version(mut self, version: TlsVersion) -> Self {
        self.minimum = version;
        self
    }

    /// Whether this is the development certificate.
    pub fn is_development(&self) -> bool {
        matches!(self.source, Source::Development { .. })
    }

    /// Reads the files and checks that they can serve: readable, well formed, of one pair, valid now.
    ///
    /// # Errors
    ///
    /// [`TlsError`] names the file, where possible the line, and what to do.
    pub fn load(&self) -> Result<TlsConfig, TlsError> {
        let (certificate, key) = match &self.source {
            Source::Files { certificate, key } => (certificate.clone(), key.clone()),
            Source::Development { folder } => development::ensure(folder.as_deref())?,
        };
        let identity = Identity::read(&certificate, &key, self.chain.as_deref())?;
        identity.check_validity(std::time::SystemTime::now())?;
        let versions: &[&SupportedProtocolVersion] = match self.minimum {
            TlsVersion::V1_2 => ALL_VERSIONS,
            TlsVersion::V1_3 => &[&rustls::version::TLS13],
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let certified = Arc::new(identity.certify(&provider)?);
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(|error| TlsError::Refused { file: certificate.clone(), reason: error.to_string() })?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified)));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()
            .map_err(|error| TlsError::Refused { file: certificate.clone(), reason: error.to_string() })?;
        Ok(TlsConfig { server: Arc::new(config), certificate })
    }

    fn from(source: Source) -> Self {
        Self { source, chain: None, minimum: TlsVersion::V1_2 }
    }
}

/// A certificate and key that passed every check.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    pub(crate) server: Arc<ServerConfig>,
    certificate: PathBuf,
}

impl TlsConfig {
    /// The file that the certificate came from.
    pub fn certificate(&self) -> &Path {
        &self.certificate
    }
}
