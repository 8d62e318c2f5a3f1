//! A certificate chain and its key, read from PEM files and checked against each other.
//!
//! In: files. Out: what the TLS library signs with. Says which file and line is at fault.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::InconsistentKeys;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::TlsError;
use super::pem::{self, Section};

/// A chain (the server's own certificate first) and a key.
pub(super) struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    certificate_file: PathBuf,
    key_file: PathBuf,
}

impl Identity {
    /// Reads certificate, key and, if given, intermediate certificates.
    pub(super) fn read(certificate: &Path, key: &Path, more: Option<&Path>) -> Result<Self, TlsError> {
        let mut chain = read_certificates(certificate)?;
        if let Some(more) = more {
            chain.extend(read_certificates(more)?);
        }
        Ok(Self {
            chain,
            key: read_key(key)?,
            certificate_file: certificate.to_owned(),
            key_file: key.to_owned(),
        })
    }

    /// Refuses a certificate that is expired, or not valid yet, at `now`.
    pub(super) fn check_validity(&self, now: SystemTime) -> Result<(), TlsError> {
        let Some(leaf) = self.chain.first() else { return Ok(()) };
        let (from, until) = validity(leaf, &self.certificate_file)?;
        let now =
            now.duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX));
        let fault = |reason| Err(TlsError::Validity { file: self.certificate_file.clone(), reason });
        if now > until.timestamp() {
            return fault(format!("expired on {until}"));
        }
        if now < from.timestamp() {
            return fault(format!("is not valid before {from}; is this machine's clock right?"));
        }
        Ok(())
    }

    /// Makes the signer, and refuses a key that belongs to another certificate.
    pub(super) fn certify(self, provider: &Arc<CryptoProvider>) -> Result<CertifiedKey, TlsError> {
        let signer = provider
            .key_provider
            .load_private_key(self.key)
            .map_err(|error| TlsError::Refused { file: self.key_file.clone(), reason: error.to_string() })?;
        let certified = CertifiedKey::new(self.chain, signer);
        match certified.keys_match() {
            Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
                Err(TlsError::Mismatch { certificate: self.certificate_file, key: self.key_file })
            }
            // A key whose public half cannot be told is left to the handshake.
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
            Err(error) => Err(TlsError::Refused { file: self.certificate_file, reason: error.to_string() }),
        }
    }
}

/// When the certificate begins and ends to be valid.
pub(super) fn validity(
    certificate: &CertificateDer<'_>,
    file: &Path,
) -> Result<(x509_parser::time::ASN1Time, x509_parser::time::ASN1Time), TlsError> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|error| TlsError::Refused {
        file: file.to_owned(),
        reason: format!("the certificate is not X.509: {error}"),
    })?;
    Ok((parsed.validity().not_before, parsed.validity().not_after))
}

pub(super) fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(file)?;
    let sections = pem::sections(file, &text)?;
    let certificates: Vec<_> = sections
        .iter()
        .filter(|section| section.label == "CERTIFICATE")
        .map(|section| section.certificate(file))
        .collect::<Result<_, _>>()?;
    if certificates.is_empty() {
        return Err(missing(file, "certificate", &sections));
    }
    Ok(certificates)
}

fn read_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = read(file)?;
    let sections = pem::sections(file, &text)?;
    let Some(section) = sections.iter().find(|section| section.is_key()) else {
        return Err(missing(file, "private key", &sections));
    };
    if section.is_encrypted() {
        return Err(TlsError::Encrypted { file: file.to_owned(), line: section.line });
    }
    section.key(file)
}

fn missing(file: &Path, what: &'static str, sections: &[Section<'_>]) -> TlsError {
    TlsError::Missing { file: file.to_owned(), what, found: pem::describe(sections) }
}

fn read(file: &Path) -> Result<String, TlsError> {
    let bytes = std::fs::read(file).map_err(|source| TlsError::File { file: file.to_owned(), source })?;
    // A DER file is not text; its sections are simply not found, and the error says what it may be.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
