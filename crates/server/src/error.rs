//! The crate's errors, grouped by who must act.
//!
//! What a peer does wrong is answered on its connection (see `answer`) and never appears here.

use std::{fmt, io};

use crate::tls::TlsError;

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any error of an application.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a server did not start or could not go on.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The operator must act: an address cannot be listened on.
    Bind {
        /// The address as it was given.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The operator must act: inherited sockets are not what was announced.
    Inherited(String),
    /// The operator must act: certificate or key cannot be used.
    Tls(TlsError),
    /// The developer must act: a setting cannot work.
    Setting(String),
    /// The developer must act: the application's factory failed.
    Factory(BoxError),
    /// The system refused a thread, an event loop or a descriptor.
    System(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind { address, source } => write!(f, "cannot listen on {address}: {source}"),
            Self::Inherited(what) => write!(f, "inherited sockets: {what}"),
            Self::Tls(error) => write!(f, "tls: {error}"),
            Self::Setting(what) => write!(f, "setting: {what}"),
            Self::Factory(error) => write!(f, "the application could not be made: {error}"),
            Self::System(error) => write!(f, "system: {error}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Bind { source, .. } | Self::System(source) => Some(source),
            Self::Tls(error) => Some(error),
            Self::Factory(error) => Some(&**error),
            Self::Inherited(_) | Self::Setting(_) => None,
        }
    }
}

impl From<TlsError> for Error {
    fn from(error: TlsError) -> Self {
        Self::Tls(error)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}
