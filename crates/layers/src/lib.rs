//! tower layers of narae: the access log, Basic authentication.
//!
//! In: requests on their way to a service, responses on their way back. Out:
//! the same requests and responses; from [`AccessLog`] one line a request to a
//! [`Sink`], from [`BasicAuth`] an answer of its own to whoever may not pass.
//! Knows `http` and `tower`, and of Tokio its threads for what is slow: no
//! sockets, no processes, no server. What only a server knows (the client's
//! address, the request's id) is asked for through function pointers.
//!
//! ```
//! use narae_layers::{AccessLog, Format, Sink};
//!
//! let format: Format = "combined".parse()?;
//! let layer = AccessLog::new(format, Sink::stdout());
//! # Ok::<(), narae_layers::FormatError>(())
//! ```
#![forbid(unsafe_code)]

mod access_log;
mod authorization;
mod basic_auth;

pub use access_log::{
    AccessLog, AccessLogFuture, AccessLogService, Counts, Format, FormatError, LogBody, Pattern, Sink,
};
pub use basic_auth::{
    BasicAuth, BasicAuthFuture, BasicAuthService, Credential, CredentialError, HashFault, NameFault,
    PasswordFault,
};
