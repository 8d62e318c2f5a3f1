//! Serves a tower `Service` (an `axum::Router`) over listeners it is given: HTTP/1.1, HTTPS and HTTP/2.
//!
//! ```no_run
//! use narae_server::{DrainSettings, Listener, Server};
//!
//! # fn main() -> Result<(), narae_server::Error> {
//! let app = axum::Router::new().route("/", axum::routing::get(|| async { "Hello, World!" }));
//! let server = Server::builder().listen(Listener::tcp("127.0.0.1:8080")?).build()?;
//! let running = server.start(|| async { Ok::<_, std::io::Error>(app) })?;
//! running.stop(DrainSettings::default());
//! # Ok(())
//! # }
//! ```
//!
//! The way of a connection: [`Listener`] → event loop → TLS → HTTP/1 or HTTP/2 engine (hyper) → the rules
//! and limits that the engine leaves to the server → the service. Every limit is on by default
//! ([`Limits`]). Stopping loses nothing silently ([`Report`]).
//!
//! The crate knows no routes, no sessions and no processes.

#![forbid(unsafe_code)]

mod error;
mod limits;

mod application;
mod event_loop;
mod running;
mod server;

mod accept;
mod alone;
mod handed;
mod seat;
mod worker;

mod listen;
mod socket;
mod tls;

pub mod proxy_protocol;

mod introduction;
mod trusted;

mod arrival;
mod connection;
mod date;
mod framing;
mod link;
mod lot;
mod parking;
mod wire;

mod deadline;
mod h1;
mod h2;
mod h2_frames;
mod h2_rules;

mod answer;
mod body;
mod body_limit;
mod client;
mod exchange;
mod extract;
mod forwarding;
mod in_file;
mod incoming;
mod response;
mod rules;

mod close;
mod drain;
mod observer;
mod tally;

pub use axum_core::body::Body;

pub use accept::{Accept, Neighbours};
#[doc(hidden)]
pub use alone::Alone;
pub use application::Application;
pub use body::BodyError;
pub use body_limit::{BodyLimit, BodyLimited};
pub use client::Client;
pub use connection::{Connection, Protocol, TlsSession};
pub use drain::{Cut, DrainSettings, Report, Shutdown};
pub use error::{BoxError, Error, Result};
pub use exchange::Panicked;
pub use forwarding::Forwarded;
pub use handed::{Adopter, Handed};
pub use in_file::InFile;
pub use limits::{Budget, H2Budgets, Limits};
pub use listen::{Listener, Local};
pub use observer::{Observer, Underway};
pub use running::{Running, Stopper};
pub use server::{Builder, Server};
pub use socket::Peer;
pub use tally::{COUNTERS, Counters, Counts};
pub use tls::{Tls, TlsConfig, TlsError, TlsVersion};
pub use trusted::{ProxyHeaders, TrustedProxies};
