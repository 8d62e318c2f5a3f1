//! An application server: an axum application or a folder of files, on every core, over HTTP/1.1, HTTPS and
//! HTTP/2.
//!
//! ```no_run
//! use narae::prelude::*;
//!
//! fn main() -> narae::Result {
//!     narae::app(|| {
//!         Router::new()
//!             .route("/", get(|| async { Html("<h1>Hello, narae!</h1>") }))
//!             .fallback_service(Files::new("public"))
//!     })
//!     .http("127.0.0.1:8080")
//!     .https("127.0.0.1:8443", Tls::development())
//!     .run()
//! }
//! ```
//!
//! # What can be an application
//!
//! A `Router`; a function that makes one, plain or `async`, that may fail; or one `async` function from a
//! request to a response. See [`Application`].
//!
//! # Where settings come from
//!
//! The program itself ([`App`]), then the file `narae.toml`, then environment variables `NARAE_*`, then the
//! command line ([`Flags`]). Each of them replaces what the ones before it said, value by value: an address
//! list is one value. `off` (or nothing) empties a list.
//!
//! | program | `narae.toml` | environment | command line | default |
//! |---|---|---|---|---|
//! | [`http`](App::http) | `http` | `NARAE_HTTP` | `--http` | `127.0.0.1:8080`, if `https` is not set either |
//! | [`https`](App::https) | `https` | `NARAE_HTTPS` | `--https` | none |
//! | [`proxy_protocol`](App::proxy_protocol) | `proxy_protocol` | `NARAE_PROXY_PROTOCOL` | `--proxy-protocol` | `false` |
//! | [`trusted_proxies`](App::trusted_proxies) | `trusted_proxies` | `NARAE_TRUSTED_PROXIES` | `--trusted-proxy` | none |
//! | [`proxy_headers`](App::proxy_headers) | `proxy_headers` | `NARAE_PROXY_HEADERS` | `--proxy-headers` | `auto` |
//! | [`https`](App::https) | `tls.cert` | `NARAE_CERT` | `--cert` | the development certificate |
//! | [`https`](App::https) | `tls.key` | `NARAE_KEY` | `--key` | its key |
//! | [`Tls::chain`] | `tls.chain` | `NARAE_CHAIN` | `--chain` | none |
//! | [`Tls::minimum_version`] | `tls.min` | `NARAE_TLS_MIN` | `--tls-min` | `1.2` |
//! | [`workers`](App::workers) | `workers` | `NARAE_WORKERS` | `--workers` | `auto`: one process per core |
//! | [`threads`](App::threads) | `threads` | `NARAE_THREADS` | `--threads` | 1 event loop for each worker |
//! | [`name`](App::name) | `name` | `NARAE_NAME` | `--name` | the program's name |
//! | [`cluster`](App::cluster) | `user`, `group` | `NARAE_USER`, `NARAE_GROUP` | `--user`, `--group` | who started it |
//! | [`cluster`](App::cluster) | `[cluster]` | | | [`ClusterSettings`] |
//! | [`access_log`](App::access_log) | `log.format` | `NARAE_LOG` | `--log` | `dev` on a terminal, else `combined` |
//! | [`access_log`](App::access_log) | `log.file` | `NARAE_LOG_FILE` | `--log-file` | the standard output |
//! | [`drain`](App::drain) | `drain.linger` | `NARAE_LINGER` | `--linger` | `5s` |
//! | [`drain`](App::drain) | `drain.deadline` | `NARAE_DEADLINE` | `--deadline` | `30s` |
//! | [`limits`](App::limits) | `[limits]` | | | [`Limits`] |
//! | [`config_file`](App::config_file) | | `NARAE_CONFIG` | `--config` | `narae.toml`, if it is there |
//!
//! In the file, a relative path begins at the folder of the file; elsewhere, at the working directory.
//! In variables, several addresses or networks are separated by commas.
//!
//! A `narae.toml` with every setting at its default:
//!
//! ```toml
#![doc = include_str!("settings/example.toml")]
//! ```
//!
//! # What this crate re-exports
//!
//! [`axum`] whole, and [`tower_http`] with `cors` and `timeout` (with the feature `compression`, its gzip
//! layer too): they are used as they are, not rewritten.

#![forbid(unsafe_code)]

mod app;
mod application;
mod settings;

pub mod cluster;
mod health;
mod process;
mod run;
mod signals;
mod sockets;
mod stderr;

pub mod cookies;

mod access;
mod connect_info;
mod failure;
mod in_file;
mod log;

mod banner;
mod error;
mod hint;

pub mod prelude;

pub use axum;
pub use tower_http;

pub use app::{App, app};
pub use application::{Application, Making, shape};
pub use error::{Error, Result, SettingFault};
pub use failure::{ErrorContext, Failure, HandlerError, HandlerResult, RequestId};
pub use log::Log;
pub use narae_files::{CacheRule, Dotfiles, Files};
pub use narae_layers::{AccessLog, BasicAuth, Credential, CredentialError, Format, Sink};
pub use narae_server::{
    BodyLimit, BoxError, Budget, Client, Connection, Counts, Cut, DrainSettings, H2Budgets, Limits, Listener,
    Local, Observer, Peer, Protocol, ProxyHeaders, Report, Shutdown, Stopper, Tls, TlsError, TlsSession,
    TlsVersion,
};
pub use narae_session as session;
pub use run::Running;
pub use settings::{ClusterSettings, Flags, PerCore, Size, Workers, read_settings_file};
