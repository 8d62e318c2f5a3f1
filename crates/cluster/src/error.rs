//! The crate's errors, grouped by who must act.

use std::fmt;
use std::io;

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why there is no cluster, or no answer from one.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The operator must act: an application of this name runs already.
    NameTaken {
        /// The name.
        name: String,
    },
    /// The operator must act: this cannot be a name.
    BadName {
        /// The name.
        name: String,
    },
    /// The operator must act: no application of this name runs.
    NotRunning {
        /// The name.
        name: String,
        /// Names that do run.
        others: Vec<String>,
    },
    /// The operator must act: no application of this user runs.
    NothingRuns,
    /// The operator must act: several applications run, and none was named.
    Ambiguous {
        /// Their names.
        names: Vec<String>,
    },
    /// The system has no process, descriptor or memory left, or refuses something.
    System {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn system(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { doing, source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameTaken { name } => write!(
                f,
                "an application called {name} runs already; see \"narae status {name}\", or give this one \
                 another name with --name"
            ),
            Self::BadName { name } => write!(
                f,
                "{name:?} cannot be a name: use up to 64 letters, digits, \"-\", \"_\" and \".\", not first"
            ),
            Self::NotRunning { name, others } if others.is_empty() => {
                write!(f, "no application called {name} runs, nor any other of this user")
            }
            Self::NotRunning { name, others } => {
                write!(f, "no application called {name} runs; these do: {}", others.join(", "))
            }
            Self::NothingRuns => f.write_str("no application of this user runs"),
            Self::Ambiguous { names } => write!(f, "say which one: {}", names.join(", ")),
            Self::System { doing, source } => write!(f, "cannot {doing}: {source}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::System { source, .. } => Some(source),
            _ => None,
        }
    }
}
