//! An open-loop load client that hides nothing.
//!
//! It proves, or disproves, that no request was lost while a server was
//! reloaded or its workers were killed. Most load tools reconnect in silence
//! when a connection breaks; this one counts every way in which a request can
//! fail, and names the first twenty.
//!
//! ```no_run
//! # async fn example() {
//! use narae_load::{Load, Protocol, Target};
//!
//! let load = Load::new(Target::new(([127, 0, 0, 1], 8080).into(), Protocol::Http1));
//! let running = load.start().await;
//! running.ended(1_000).await; // reload the server meanwhile
//! let summary = running.stop().await;
//! assert_eq!(summary.failed(), 0, "{summary}");
//! # }
//! ```
//!
//! # Open loop
//!
//! Every request has a planned time, whether or not the server keeps up. The
//! connection that has been free for longest takes it; if none is free it
//! waits, and its latency counts from the planned time. A share of the
//! connections rests in silence for a random time, so that requests arrive at
//! all phases of a server's keep-alive and linger timers.
//!
//! # Counting rules
//!
//! Each planned request ends in exactly one of `answered`, `refused`, `reset`,
//! `short`, `wrong` and `timed_out`.
//!
//! - *answered*: the whole answer arrived and is the expected one. If it came
//!   later than [`Load::late`] after its planned time it is also `late`.
//! - *refused*: no TCP connection could be opened for the request.
//!   A connection that was to be opened ahead of any request and could not be
//!   is counted in `refused_ahead`.
//! - *reset*: the request was written, or its connection was in the TLS
//!   handshake, and the connection ended before the answer's head was whole;
//!   or it was reset at any later point of the answer. There is **no retry**:
//!   a request written on a kept-alive connection that the server closes at
//!   that moment is the very race that is under test.
//! - *short*: the body ended before its promised length or its last chunk
//!   (also a TLS stream that ends without `close_notify`), or it is only the
//!   beginning of the body that was expected.
//! - *wrong*: another status or content, or bytes that are not HTTP.
//! - *timed out*: no whole answer within [`Load::timeout`], or no free
//!   connection within that time after the planned one.
//! - *unsolicited*: bytes on a connection without a request. `408` before a
//!   close is legal (RFC 9110 §15.5.9) and is not counted here.
//!
//! Not failures:
//!
//! - A connection that the server closes while no request of ours is
//!   outstanding and none is being written: `connections_closed_idle`
//!   (RFC 9112 §9.5). The socket is looked at directly before each write over
//!   HTTP/1.1, so that a FIN that is already here counts as such.
//! - `Connection: close` on an answer.
//! - An HTTP/2 stream above the last stream of a GOAWAY, or refused with
//!   `REFUSED_STREAM`: the protocol promises that it was not processed
//!   (RFC 9113 §8.7). It is sent once more, and counted in `retried_safely`,
//!   and for a GOAWAY in `goaway_refused`. Refused again it is `reset`.

#![forbid(unsafe_code)]

mod accept_all;
mod count;
mod fault;
mod head;
mod http1;
mod http2;
mod keep_alive;
mod latency;
mod load;
mod random;
mod request;
mod schedule;
mod streams;
mod summary;
mod transport;

pub use accept_all::AcceptAll;
pub use load::{Expect, Load, Phases, Protocol, Running, Target, Work};
pub use summary::{Latency, Summary};
