//! tower layers of narae. Today: the access log.
//!
//! In: requests on their way to a service, responses on their way back.
//! Out: the same requests and responses, and one line a request to a [`Sink`].
//! Knows `http` and `tower` only: no sockets, no processes, no server. What
//! only a server knows (the client's address, the request's id) is asked for
//! through function pointers.
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

pub use access_log::{
    AccessLog, AccessLogFuture, AccessLogService, Counts, Format, FormatError, LogBody, Pattern, Sink,
};
