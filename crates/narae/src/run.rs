//! Where everything meets: settings, sockets, layers, the server, the end.
//!
//! In: an [`App`]. Out: a server, run to its end by [`App::run`] or handed over by [`App::start`]. Holds the
//! order of things and nothing else.

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use axum::Router;
use narae_cluster::Role;
use narae_layers::{AccessLog, Sink};
use narae_server::{Adopter, Counts, DrainSettings, Listener, Local, Observer, Report, Server, Stopper};

use crate::access::Logged;
use crate::app::App;
use crate::banner::{Banner, Line};
use crate::cluster::{self, Introduction};
use crate::connect_info;
use crate::error::{Error, Result, SettingFault};
use crate::failure::{ErrorPage, Guarded};
use crate::settings::{self, Flags, Settings, Sources, Workers};
use crate::sockets::Sockets;
use crate::{health, in_file, log, process, signals};

impl App {
    /// Serves until a signal ends it; this call returns when everything is stopped.
    ///
    /// It reads the settings file, the environment and the command line; installs a `tracing` subscriber if
    /// there is none; raises the limit of open files to the most that is allowed; takes the sockets that a
    /// service manager passed on (`LISTEN_FDS`, see below); makes the application; and says where it is
    /// served.
    ///
    /// `SIGTERM`, `SIGINT` (Ctrl-C) and `SIGQUIT` stop it gracefully, as [`App::drain`] says: requests under
    /// way are finished. A second signal cuts what is left; a third one ends the process. `SIGUSR1` opens
    /// the access log's file anew.
    ///
    /// `--help`, and a mistake on the command line, end the process here, as in every command.
    ///
    /// # Inherited sockets
    ///
    /// With systemd socket activation (`sd_listen_fds(3)`), inherited sockets take the place of the
    /// configured addresses of the same kind: those whose name (`FileDescriptorName=`) begins with `https`
    /// speak TLS and replace the HTTPS addresses, all others replace the HTTP addresses. TLS is as
    /// configured, with the first [`Tls`](crate::Tls) if there are several.
    ///
    /// # Errors
    ///
    /// [`Error`](crate::Error) says who must act, and what to do. Nothing was served then.
    pub fn run(mut self) -> Result {
        log::install_subscriber();
        process::raise_descriptor_limit();
        let role = Role::of_this_process().map_err(narae_server::Error::System)?;
        let name = self.name.clone().unwrap_or_else(process::program_name);
        let flags = match self.flags.take() {
            Some(flags) => flags,
            None if self.arguments => Flags::read(&name, std::env::args_os()),
            None => Flags::default(),
        };
        let sources = Sources {
            named_file: self.config_file.take(),
            default_file: Some(settings::DEFAULT_FILE.into()),
            environment: self.environment.take().unwrap_or_else(process::environment),
            flags,
        };
        let settings = settings::load(std::mem::take(&mut self.programmed), sources)?;
        let introduction = Introduction { name, serving: self.serving.take(), show: self.banner };
        match role {
            Role::Check(names) => {
                if settings.workers == Workers::Count(0) {
                    let reason =
                        "0 means one process without a supervisor: stop the application and start it anew";
                    return Err(Error::Settings(SettingFault::new("workers", reason)));
                }
                settings.cluster.privileges()?;
                let names: Vec<&str> =
                    names.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
                Sockets::check(&settings, &names).map(drop)
            }
            Role::Worker(worker) => cluster::serve(self, settings, *worker),
            Role::Alone => {
                let inherited = Listener::inherited()?;
                match settings.workers {
                    Workers::Count(0) => self.run_alone(settings, inherited, introduction),
                    _ => cluster::supervise(&settings, inherited, introduction),
                }
            }
        }
    }

    /// Everything in this process.
    fn run_alone(self, settings: Settings, inherited: Vec<Listener>, introduction: Introduction) -> Result {
        let threads = settings.threads.unwrap_or_else(crate::cluster::cores);
        let (running, facts) = self.serve(settings, inherited, Size { processes: 1, threads }, Ok)?;
        signals::watch(running.stopper(), running.drain, running.log_file.clone(), introduction.show)
            .map_err(narae_server::Error::System)?;
        if introduction.show {
            let text = Banner { name: introduction.name, serving: introduction.serving, ..facts };
            say(&text.text(std::io::stderr().is_terminal() && log::wants_color()));
        }
        let report = running.wait();
        if introduction.show {
            say(&format!("{report}\n"));
        }
        Ok(())
    }

    /// Serves in the background, for tests and for programs that do more than serve.
    ///
    /// Differs from [`App::run`] in that it leaves the process alone: it reads no command line, environment
    /// or `narae.toml` unless they are given ([`App::flags`], [`App::environment`], [`App::config_file`]),
    /// takes no inherited sockets, handles no signals, installs no subscriber and writes no banner.
    ///
    /// # Errors
    ///
    /// As [`App::run`].
    pub fn start(mut self) -> Result<Running> {
        let sources = Sources {
            named_file: self.config_file.take(),
            default_file: None,
            environment: self.environment.take().unwrap_or_default(),
            flags: self.flags.take().unwrap_or_default(),
        };
        let settings = settings::load(std::mem::take(&mut self.programmed), sources)?;
        let threads = match (settings.threads, settings.workers) {
            (Some(threads), _) => threads,
            (None, Workers::Count(workers)) if workers > 0 => workers,
            (None, _) => crate::cluster::cores(),
        };
        self.serve(settings, Vec::new(), Size { processes: 1, threads }, Ok).map(|(running, _)| running)
    }

    /// Serves in this process. `finish` has the last word on the server, when sockets are bound, certificates
    /// are read and logs are open, and before the application is made.
    pub(crate) fn serve(
        self,
        settings: Settings,
        inherited: Vec<Listener>,
        size: Size,
        finish: impl FnOnce(narae_server::Builder) -> Result<narae_server::Builder>,
    ) -> Result<(Running, Banner)> {
        for name in &settings.unknown_variables {
            tracing::warn!("no setting is called {name}: the variable has no effect");
        }
        let sockets = Sockets::open(&settings, inherited)?;
        let Settings { limits, drain, log, cluster, trusted_proxies, .. } = settings;
        let log = log.open()?;
        let addresses: Vec<Line> = sockets.listeners.iter().map(Line::of).collect();
        let threads = NonZeroUsize::new(size.threads).unwrap_or(NonZeroUsize::MIN);
        let builder = Server::builder()
            .limits(limits)
            .describe(connect_info::describe)
            .find_file(in_file::find)
            .trusted_proxies(trusted_proxies)
            .threads(threads);
        let builder = sockets.listeners.into_iter().fold(builder, narae_server::Builder::listen);
        let server = finish(builder)?.build()?;
        let facts = Banner {
            name: String::new(),
            serving: None,
            addresses: addresses.clone(),
            workers: 0,
            threads: server.threads(),
            command: None,
            development: sockets.development,
        };
        let (make, page, log_file) = (self.make, self.error_page, log.file.clone());
        // Not called before the event loop runs, so that a factory finds Tokio's context.
        let inner = server.start(move || async move {
            let router = make().await?;
            // Layers of sessions are there now; their stores open before the first request.
            narae_session::prepare(size.processes)?;
            if let Some(path) = &cluster.health {
                health::check(router.clone(), path).await?;
            }
            Ok::<_, narae_server::BoxError>(layered(router, log.layer.as_ref(), page))
        })?;
        Ok((Running { inner, drain, log_file, lines: addresses }, facts))
    }
}

/// How many serve the application.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) processes: usize,
    /// Event loops of this process.
    pub(crate) threads: usize,
}

/// The application with everything that stands around it, the outermost first: the access log, which sees
/// what the client sees; the failures.
fn layered(router: Router, log: Option<&AccessLog>, page: Option<ErrorPage>) -> Logged<Guarded<Router>> {
    // Its routes are made now, and not for each request.
    let router = router.with_state(());
    Logged::new(Guarded::new(router, page), log)
}

pub(crate) fn say(text: &str) {
    // Nobody reads it: the server serves all the same.
    let _ = crate::stderr::Stderr.write_all(text.as_bytes());
}

/// A server that serves in the background. Made by [`App::start`].
///
/// Dropping it lets the server serve on without an owner; [`stop`](Running::stop) ends it.
#[derive(Debug)]
pub struct Running {
    inner: narae_server::Running,
    drain: DrainSettings,
    log_file: Option<Sink>,
    lines: Vec<Line>,
}

impl Running {
    /// The Internet addresses, HTTP first, then HTTPS, each in the order of the settings, with the ports
    /// that the system chose.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.lines.iter().filter_map(|line| line.local.address()).collect()
    }

    /// All places, Unix sockets included, in the order of [`addresses`](Running::addresses).
    pub fn locals(&self) -> Vec<Local> {
        self.lines.iter().map(|line| line.local.clone()).collect()
    }

    /// Where a browser on this machine finds the server: `http://127.0.0.1:8080`.
    pub fn urls(&self) -> Vec<String> {
        self.lines.iter().map(Line::url).collect()
    }

    /// What the server has done so far.
    pub fn counts(&self) -> Counts {
        self.inner.counts()
    }

    /// A handle that sees what the server is doing, also while it is waited for.
    pub fn observer(&self) -> Observer {
        self.inner.observer()
    }

    pub(crate) fn adopter(&self) -> Adopter {
        self.inner.adopter()
    }

    pub(crate) fn log_file(&self) -> Option<&Sink> {
        self.log_file.as_ref()
    }

    /// A handle with which another thread stops the server.
    pub fn stopper(&self) -> Stopper {
        self.inner.stopper()
    }

    /// Stops as the settings say ([`App::drain`]) and waits for the end.
    pub fn stop(self) -> Report {
        let drain = self.drain;
        self.stop_with(drain)
    }

    /// Stops at once: what is under way is cut, and named in the report.
    pub fn stop_now(self) -> Report {
        self.stop_with(DrainSettings { linger: Duration::ZERO, deadline: Duration::ZERO })
    }

    /// Waits until someone stops the server and the drain is over.
    pub fn wait(self) -> Report {
        let report = self.inner.wait();
        if let Some(log) = &self.log_file {
            log.flush();
        }
        report
    }

    fn stop_with(self, drain: DrainSettings) -> Report {
        self.stopper().stop(drain);
        self.wait()
    }
}
