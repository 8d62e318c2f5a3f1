//! What can be wrong with a certificate or key, said so that the operator can mend it.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why TLS cannot be offered. Every variant names the file.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsError {
    /// The file cannot be read or written.
    File {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not well-formed PEM (RFC 7468).
    Pem {
        /// The file.
        file: PathBuf,
        /// The line of the fault, from 1.
        line: usize,
        /// The rule that is broken.
        reason: String,
    },
    /// The file holds no certificate, or no key.
    Missing {
        /// The file.
        file: PathBuf,
        /// What was looked for.
        what: &'static str,
        /// What the file holds instead.
        found: String,
    },
    /// The key is protected by a passphrase.
    Encrypted {
        /// The file.
        file: PathBuf,
        /// The line on which the key begins.
        line: usize,
    },
    /// The key belongs to another certificate.
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The certificate is not valid any more, or not yet.
    Validity {
        /// The file.
        file: PathBuf,
        /// "expired on …" or "not valid before …".
        reason: String,
    },
    /// The TLS library refuses certificate or key.
    Refused {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, source } => write!(f, "{}: {source}", file.display()),
            Self::Pem { file, line, reason } => write!(f, "{}:{line}: {reason}", file.display()),
            Self::Missing { file, what, found } => {
                write!(f, "{}: holds no {what} (it holds {found})", file.display())
            }
            Self::Encrypted { file, line } => write!(
                f,
                "{0}:{line}: the key is encrypted; write it without a passphrase: openssl pkey -in {0} -out {0}.plain",
                file.display()
            ),
            Self::Mismatch { certificate, key } => write!(
                f,
                "{}: this key does not belong to the certificate in {}",
                key.display(),
                certificate.display()
            ),
            Self::Validity { file, reason } => write!(f, "{}: the certificate {reason}", file.display()),
            Self::Refused { file, reason } => write!(f, "{}: {reason}", file.display()),
        }
    }
}

impl std::error::Error for TlsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { source, .. } => Some(source),
            _ => None,
        }
    }
}
