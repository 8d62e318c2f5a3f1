//! [`App`]: the application and what the program says about how to serve it.
//!
//! In: setters. Out: what `run` needs. Checks nothing itself: a setting may still be replaced by the file,
//! the environment or the command line, so all checks are made once, in `settings`.

use std::fmt;
use std::path::PathBuf;

use axum::response::Response;
use narae_server::{DrainSettings, Limits, Tls};

use crate::application::{Application, Making};
use crate::failure::{ErrorContext, ErrorPage};
use crate::log::Log;
use crate::settings::{ClusterSettings, Flags, Programmed, Workers};

/// Begins to describe a server for `application`.
///
/// Everything has a default: `narae::app(…).run()` serves on <http://127.0.0.1:8080>. What an application
/// can be: [`Application`].
pub fn app<Shape, A: Application<Shape>>(application: A) -> App {
    App {
        make: Box::new(move || application.make()),
        programmed: Programmed::default(),
        config_file: None,
        flags: None,
        environment: None,
        arguments: true,
        banner: true,
        name: None,
        serving: None,
        error_page: None,
    }
}

/// An application, and how to serve it. Made by [`app`].
///
/// The setters are the lowest source of settings: see [the crate's table](crate#where-settings-come-from).
#[must_use = "nothing is served before run() or start()"]
pub struct App {
    pub(crate) make: Box<dyn FnOnce() -> Making + Send>,
    pub(crate) programmed: Programmed,
    pub(crate) config_file: Option<PathBuf>,
    pub(crate) flags: Option<Flags>,
    pub(crate) environment: Option<Vec<(String, String)>>,
    pub(crate) arguments: bool,
    pub(crate) banner: bool,
    pub(crate) name: Option<String>,
    pub(crate) serving: Option<String>,
    pub(crate) error_page: Option<ErrorPage>,
}

impl App {
    /// Serves HTTP/1.1, and HTTP/2 by prior knowledge, without encryption on `address`: `host:port`, or
    /// `unix:/path` for a Unix socket. Port 0 lets the system choose. Can be called again for more.
    ///
    /// Default: `127.0.0.1:8080` if neither this nor [`https`](App::https) is set anywhere.
    pub fn http(mut self, address: impl Into<String>) -> Self {
        self.programmed.http.push(address.into());
        self
    }

    /// Serves HTTP/2 and HTTP/1.1 over TLS on `address`, with the certificate of `tls`. Addresses as for
    /// [`http`](App::http). Can be called again for more.
    ///
    /// Where the file, the environment or the command line replaces the addresses, the new ones use the
    /// first `tls` given here; where it gives a certificate, that one is used on every address.
    pub fn https(mut self, address: impl Into<String>, tls: Tls) -> Self {
        self.programmed.https.push((address.into(), tls));
        self
    }

    /// Whether every connection, on every address, begins with a header of the PROXY protocol (version 1 or 2),
    /// before TLS. Default: no.
    ///
    /// Its source is the connection's peer from then on: for [`Connection::peer`](crate::Connection::peer),
    /// axum's `ConnectInfo`, the access log. A connection without one is closed without an answer. Name the
    /// proxies with [`trusted_proxies`](App::trusted_proxies), or let nobody else connect: whoever can, may say
    /// to be anyone.
    pub fn proxy_protocol(mut self, expect: bool) -> Self {
        self.programmed.proxy_protocol = expect;
        self
    }

    /// Believes these proxies what they say of the client. Each is an address (`::1`), a network (`10.0.0.0/8`)
    /// or `unix` for every Unix socket. Default: none. Replaces those of an earlier call.
    ///
    /// From a peer that is one of them, `X-Forwarded-For`, `-Proto` and `-Host` or else `Forwarded` (RFC 7239)
    /// decide what [`Client`](crate::Client) says, which address the access log has, and whether cookies are
    /// `Secure`; and with [`proxy_protocol`](App::proxy_protocol) nobody else can connect. Header fields of
    /// others stay in the request and mean nothing.
    pub fn trusted_proxies<T: Into<String>>(mut self, networks: impl IntoIterator<Item = T>) -> Self {
        self.programmed.trusted_proxies = networks.into_iter().map(Into::into).collect();
        self
    }

    /// Believes [trusted proxies](App::trusted_proxies) in these header fields alone: those that they write.
    /// Default: [`ProxyHeaders::Auto`](crate::ProxyHeaders::Auto), which is right unless a proxy writes `Forwarded`
    /// and lets a client's `X-Forwarded-For` pass.
    pub fn proxy_headers(mut self, headers: crate::ProxyHeaders) -> Self {
        self.programmed.proxy_headers = headers;
        self
    }

    /// How many worker processes serve: [`PerCore`](crate::PerCore), the default, or a number. A supervisor
    /// starts them, heals them and replaces them (see [`run`](App::run)).
    ///
    /// With 0 everything runs in one process, without a supervisor: good for debugging. [`start`](App::start)
    /// always serves in one process.
    pub fn workers(mut self, workers: impl Into<Workers>) -> Self {
        self.programmed.workers = Some(workers.into());
        self
    }

    /// How many event loops a worker has, each on its own thread. Default: 1; in one process without
    /// workers, one per core that the process may use. Zero is an error.
    pub fn threads(mut self, count: usize) -> Self {
        self.programmed.threads = Some(count);
        self
    }

    /// How workers are started, watched and replaced. Default: [`ClusterSettings::default`].
    pub fn cluster(mut self, cluster: ClusterSettings) -> Self {
        self.programmed.cluster = cluster;
        self
    }

    /// What peers may cost: times, sizes, counts. Default: [`Limits::default`], with every limit on.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.programmed.limits = limits;
        self
    }

    /// How the server stops: how long idle connections are still answered (5 s), and when the rest is cut
    /// (30 s).
    pub fn drain(mut self, drain: DrainSettings) -> Self {
        self.programmed.drain = drain;
        self
    }

    /// The access log: its format and where it goes, or [`Log::off`]. Default: [`Log::automatic`].
    pub fn access_log(mut self, log: Log) -> Self {
        self.programmed.log = log;
        self
    }

    /// Reads settings from the TOML file at `path`, which must be there.
    ///
    /// Default for [`run`](App::run): `narae.toml` in the working directory, if it is there; for
    /// [`start`](App::start): none. `NARAE_CONFIG` and `--config` name another file.
    pub fn config_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.config_file = Some(path.into());
        self
    }

    /// Applies flags that the program parsed itself, in place of reading the command line.
    pub fn flags(mut self, flags: Flags) -> Self {
        self.flags = Some(flags);
        self
    }

    /// Reads `NARAE_*` from these variables, in place of the environment of the process.
    pub fn environment<N, V>(mut self, variables: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<String>,
        V: Into<String>,
    {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        self.environment = Some(variables.collect());
        self
    }

    /// Whether [`run`](App::run) reads the command line ([`Flags`]). Default: `true`. Turn it off in a
    /// program with a command line of its own, or give [`flags`](App::flags).
    pub fn arguments(mut self, read: bool) -> Self {
        self.arguments = read;
        self
    }

    /// Whether [`run`](App::run) writes its addresses to the standard error output at start, and what a
    /// stop did at the end. Default: `true`.
    pub fn banner(mut self, show: bool) -> Self {
        self.banner = show;
        self
    }

    /// The program's name, for the banner, `--help` and `narae status`. Default: the name of its file. The
    /// operator can give another one with `--name`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// What is served, for the banner: `the folder /srv/www`. Default: nothing is said.
    pub fn serving(mut self, what: impl Into<String>) -> Self {
        self.serving = Some(what.into());
        self
    }

    /// Answers failures with `page` instead of narae's own plain page: a handler that returned
    /// [`HandlerError`](crate::HandlerError), and a handler that panicked.
    ///
    /// `page` sees the request and the id under which the failure was logged ([`ErrorContext`]), and never
    /// the error. Its response gets the header `x-request-id`. It must not panic; if it does, the plain page
    /// is sent.
    ///
    /// ```
    /// use narae::prelude::*;
    ///
    /// # let router = Router::new();
    /// let app = narae::app(router).error_page(|context| {
    ///     let text = format!("Sorry! Tell us this number: {}", context.id());
    ///     (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
    /// });
    /// # drop(app);
    /// ```
    pub fn error_page(mut self, page: impl Fn(&ErrorContext) -> Response + Send + Sync + 'static) -> Self {
        self.error_page = Some(std::sync::Arc::new(page));
        self
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("name", &self.name)
            .field("programmed", &self.programmed)
            .field("config_file", &self.config_file)
            .field("flags", &self.flags)
            .finish_non_exhaustive()
    }
}
