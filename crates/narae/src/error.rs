//! The crate's errors, grouped by who must act, and the exit codes of a command.
//!
//! In: what `settings`, `sockets` and the server refuse. Out: text that an operator can act on: the hints
//! are `hint`'s. What a request does wrong never comes here.

use std::fmt;
use std::io;
use std::path::PathBuf;

use narae_server::{BoxError, TlsError};

use crate::hint;

/// The crate's result: `fn main() -> narae::Result`.
pub type Result<T = (), E = Error> = std::result::Result<T, E>;

/// Why nothing is served. Its `Debug` is its `Display`, since that is what `main` prints.
#[non_exhaustive]
pub enum Error {
    /// The operator must act: a setting cannot be used.
    Settings(SettingFault),
    /// The operator must act: the settings file cannot be read.
    SettingsFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The operator must act: the access log cannot be opened.
    LogFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The operator must act: a folder of files cannot be served.
    Files(narae_files::Error),
    /// The operator must act: the name is taken, or the system refuses what a supervisor needs.
    Cluster(narae_cluster::Error),
    /// A worker could not start, and said why. Its exit code says who must act.
    Worker {
        /// The worker's exit code.
        code: u8,
    },
    /// The developer must act: the function given to [`app`](crate::app) failed.
    Application(BoxError),
    /// An address, a certificate, or the system: see [`narae_server::Error`].
    Server(narae_server::Error),
}

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SettingFault {
    /// Where it was set: `--http`, `NARAE_HTTP`, `narae.toml:3:8`.
    pub place: String,
    /// What is wrong with it, and what is allowed.
    pub reason: String,
}

impl SettingFault {
    /// What is wrong at `place`, and what is allowed there.
    pub fn new(place: &str, reason: impl Into<String>) -> Self {
        Self { place: place.to_owned(), reason: reason.into() }
    }
}

impl Error {
    /// The exit code with which a command should end. (A `main` that returns this error ends with 1: that
    /// is the standard library's.)
    ///
    /// | code | meaning |
    /// |---|---|
    /// | 2 | a setting, or the settings file, cannot be used |
    /// | 3 | an address is in use |
    /// | 4 | an address cannot be listened on for another reason: no permission, not of this machine |
    /// | 5 | certificate or key cannot be used |
    /// | 6 | the application could not be made |
    /// | 7 | no application of this name runs |
    /// | 1 | anything else |
    pub fn exit_code(&self) -> u8 {
        use narae_cluster::Error as Cluster;
        use narae_server::Error as Server;
        match self {
            Self::Settings(_) | Self::SettingsFile { .. } | Self::Server(Server::Setting(_)) => 2,
            Self::Server(Server::Bind { source, .. }) if source.kind() == io::ErrorKind::AddrInUse => 3,
            Self::Server(Server::Bind { .. } | Server::Inherited(_)) => 4,
            Self::Server(Server::Tls(_)) => 5,
            Self::Application(_) | Self::Server(Server::Factory(_)) => 6,
            Self::Worker { code } => *code,
            Self::Cluster(
                Cluster::NameTaken { .. } | Cluster::BadName { .. } | Cluster::Ambiguous { .. },
            ) => 2,
            Self::Cluster(Cluster::NotRunning { .. } | Cluster::NothingRuns) => 7,
            _ => 1,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(fault) => write!(f, "{}: {}", fault.place, fault.reason),
            Self::SettingsFile { path, source } => {
                write!(f, "cannot read the settings file {}: {source}", path.display())
            }
            Self::LogFile { path, source } => {
                write!(f, "cannot open the access log {}: {source}", path.display())
            }
            Self::Files(error) => error.fmt(f),
            Self::Cluster(error) => error.fmt(f),
            Self::Worker { .. } => f.write_str("no worker could start; what is wrong is said above"),
            Self::Application(error) => {
                write!(f, "the application could not be made: {}", Chain(&**error))
            }
            Self::Server(error) => {
                error.fmt(f)?;
                match error {
                    narae_server::Error::Bind { address, source } => {
                        f.write_str(&hint::of_bind(address, source))
                    }
                    _ => Ok(()),
                }
            }
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Settings(_) | Self::Worker { .. } => None,
            Self::Cluster(error) => Some(error),
            Self::SettingsFile { source, .. } | Self::LogFile { source, .. } => Some(source),
            Self::Files(error) => Some(error),
            Self::Application(error) => Some(&**error),
            Self::Server(error) => Some(error),
        }
    }
}

/// An error and what caused it, in one line.
pub(crate) struct Chain<'a>(pub(crate) &'a (dyn std::error::Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        f.write_str(&said)?;
        let mut next = self.0.source();
        while let Some(error) = next {
            let text = error.to_string();
            // Many errors say their cause themselves.
            if !said.contains(&text) {
                write!(f, ": {text}")?;
                said = text;
            }
            next = error.source();
        }
        Ok(())
    }
}

impl From<narae_server::Error> for Error {
    fn from(error: narae_server::Error) -> Self {
        match error {
            narae_server::Error::Factory(error) => Self::Application(error),
            narae_server::Error::Setting(reason) => Self::Settings(SettingFault::new("settings", reason)),
            error => Self::Server(error),
        }
    }
}

impl From<narae_cluster::Error> for Error {
    fn from(error: narae_cluster::Error) -> Self {
        Self::Cluster(error)
    }
}

impl From<TlsError> for Error {
    fn from(error: TlsError) -> Self {
        Self::Server(error.into())
    }
}

impl From<narae_files::Error> for Error {
    fn from(error: narae_files::Error) -> Self {
        Self::Files(error)
    }
}
