//! The access log: one line for every request, with the formats of morgan.
//!
//! In: requests and responses passing through [`AccessLog`]. Out: lines to a
//! [`Sink`]. `layer` and `body` watch an exchange, `record` keeps what its line
//! needs, `line` writes it as `format` asks, `sink` brings it to a file.
//! Knows no sockets and no server.

mod basic_auth;
mod body;
mod clock;
mod escape;
mod format;
mod layer;
mod line;
mod output;
mod pattern;
mod queue;
mod record;
mod sink;
#[cfg(test)]
mod tests;

pub use body::LogBody;
pub use format::{Format, FormatError};
pub use layer::{AccessLog, AccessLogFuture, AccessLogService};
pub use pattern::Pattern;
pub use queue::Counts;
pub use sink::Sink;
