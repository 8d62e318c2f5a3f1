//! The server's settings, and its start.
//!
//! In: listeners, limits, a factory for the application. Out: a [`Running`] server.

use std::future::Future;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc;
use std::thread;

use http::Extensions;
use tokio::sync::Semaphore;

use crate::accept::{Accept, Acceptors};
use crate::application::Application;
use crate::connection::{Connection, Context, Describe, FindFile};
use crate::drain::Drain;
use crate::error::{BoxError, Error, Result};
use crate::event_loop::{self, EventLoop};
use crate::handed::Adopter;
use crate::in_file::InFile;
use crate::limits::Limits;
use crate::listen::Listener;
use crate::lot::Lot;
use crate::observer::Observer;
use crate::running::{Ended, Running};
use crate::seat::{Bell, Endpoint, Seat};
use crate::tally::{Counters, Tally};
use crate::trusted::TrustedProxies;

/// Everything a server needs but the application.
#[derive(Debug)]
pub struct Builder {
    listeners: Vec<Listener>,
    limits: Limits,
    threads: Option<NonZeroUsize>,
    accept: Accept,
    counters: Option<Vec<&'static Counters>>,
    describe: Option<Describe>,
    find_file: Option<FindFile>,
    trusted: TrustedProxies,
}

impl Builder {
    /// Serves on `listener` too. At least one is needed.
    #[must_use]
    pub fn listen(mut self, listener: Listener) -> Self {
        self.listeners.push(listener);
        self
    }

    /// Puts other limits on peers. Default: [`Limits::default`].
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How many event loops serve, each on a thread of its own. Default: one per core that this process
    /// may use (affinity and cgroup quota respected).
    #[must_use]
    pub fn threads(mut self, count: NonZeroUsize) -> Self {
        self.threads = Some(count);
        self
    }

    /// Who accepts connections. Default: [`Accept::Loops`].
    #[must_use]
    pub fn accept(mut self, accept: Accept) -> Self {
        self.accept = accept;
        self
    }

    /// Counts in memory of the caller, one array for each event loop: so another process can read along, and
    /// the counts outlive this one. [`Counts::open`](crate::Counts), `parked` and `beat` are set to zero, the
    /// others count on. Default: memory of the server's own, which is never given back (some hundred bytes).
    #[must_use]
    pub fn counters(mut self, counters: Vec<&'static Counters>) -> Self {
        self.counters = Some(counters);
        self
    }

    /// Adds request extensions that are the same for all requests of a connection. `describe` runs once for
    /// each connection, and again after it was parked ([`Limits::park_after`]); what it inserts is cloned
    /// into each request.
    #[must_use]
    pub fn describe(mut self, describe: fn(&Connection, &mut Extensions)) -> Self {
        self.describe = Some(describe);
        self
    }

    /// Asks `find` whether the content of a response is in a file too ([`InFile`]). It runs for each response over
    /// plain TCP and HTTP/1.1, and should take what it finds out of the response's extensions.
    #[must_use]
    pub fn find_file(mut self, find: fn(&mut Extensions) -> Option<InFile>) -> Self {
        self.find_file = Some(find);
        self
    }

    /// Believes these proxies what they say of the client: in `Forwarded` and `X-Forwarded-*`
    /// ([`Client`](crate::Client)), and in the PROXY protocol, which with this nobody else may speak
    /// ([`Listener::proxy_protocol`]). Default: none; then the header fields are not looked at.
    #[must_use]
    pub fn trusted_proxies(mut self, proxies: TrustedProxies) -> Self {
        self.trusted = proxies;
        self
    }

    /// Checks every setting.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] if there is no listener, a limit cannot work, or there are not as many arrays of
    /// counters as event loops.
    pub fn build(self) -> Result<Server> {
        if self.listeners.is_empty() {
            return Err(Error::Setting("no listener: give an address with listen()".to_owned()));
        }
        self.limits.check()?;
        let per_core = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let threads = self.threads.unwrap_or_else(per_core);
        let given = self.counters.as_ref().map_or(threads.get(), Vec::len);
        if given != threads.get() {
            let problem = format!("counters for {given} event loops, of which there are {threads}");
            return Err(Error::Setting(problem));
        }
        Ok(Server {
            listeners: self.listeners,
            limits: self.limits.capped(),
            threads,
            accept: self.accept,
            counters: self.counters,
            describe: self.describe,
            find_file: self.find_file,
            trusted: self.trusted,
        })
    }
}

/// A server that is bound but does not serve yet: connections wait in the kernel.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<Listener>,
    limits: Limits,
    threads: NonZeroUsize,
    accept: Accept,
    counters: Option<Vec<&'static Counters>>,
    describe: Option<Describe>,
    find_file: Option<FindFile>,
    trusted: TrustedProxies,
}

impl Server {
    /// Begins with no listener and default limits.
    pub fn builder() -> Builder {
        Builder {
            listeners: Vec::new(),
            limits: Limits::default(),
            threads: None,
            accept: Accept::default(),
            counters: None,
            describe: None,
            find_file: None,
            trusted: TrustedProxies::default(),
        }
    }

    /// How many event loops will serve.
    pub fn threads(&self) -> usize {
        self.threads.get()
    }

    /// Makes the application with `factory`, on the first event loop, and serves it on all of them.
    ///
    /// Returns when the first connection can be served. The service is cloned for each event loop and for
    /// each request, as axum does.
    ///
    /// # Errors
    ///
    /// [`Error::Factory`] with the factory's error, or [`Error::System`] if the system has no thread or
    /// event loop left.
    pub fn start<F, Fut, S, E>(self, factory: F) -> Result<Running>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<S, E>>,
        E: Into<BoxError>,
        S: Application,
    {
        let parts = self.parts();
        let (messages, control) = mpsc::channel();
        let (started, starts) = mpsc::channel();
        let mut loops = Vec::with_capacity(self.threads.get());
        for (thread, seat) in parts.seats.iter().enumerate() {
            let mut sockets = Vec::new();
            if let Accept::Loops = self.accept {
                for (listener, endpoint) in self.listeners.iter().zip(parts.endpoints.iter()) {
                    sockets.push((listener.share()?, Arc::clone(endpoint)));
                }
            }
            let context = Arc::new(Context {
                limits: self.limits.clone(),
                tally: seat.tally,
                drain: parts.drain.clone(),
                thread,
                describe: self.describe,
                find_file: self.find_file,
                lot: Lot::new(seat.tally)?,
                endpoints: Arc::clone(&parts.endpoints),
                trusted: self.trusted.clone(),
            });
            loops.push(EventLoop {
                context,
                sockets,
                seats: Arc::clone(&parts.seats),
                room: Arc::clone(&parts.room),
                accepting: Arc::clone(&parts.accepting),
                ended: Ended(messages.clone()),
            });
        }
        let threads = event_loop::spawn(loops, factory, &started)?;
        drop(started);
        let Parts { seats, room, endpoints, drain, bell, accepting } = parts;
        let mut running = Running {
            observer: Observer { seats: Arc::clone(&seats), drain: drain.clone() },
            adopter: Adopter {
                seats: Arc::clone(&seats),
                room: Arc::clone(&room),
                endpoints: Arc::clone(&endpoints),
            },
            drain: drain.clone(),
            control,
            messages,
            threads,
            accept_threads: Vec::new(),
            listeners: self.listeners,
        };
        for _ in 0..self.threads.get() {
            match starts.recv() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(error),
                Err(_) => {
                    return Err(Error::Factory("the factory panicked; its message is above".into()));
                }
            }
        }
        if let Accept::Threads(neighbours) = self.accept {
            let acceptors = Acceptors { seats, room, drain, bell, alive: accepting };
            for (listener, endpoint) in running.listeners.iter().zip(endpoints.iter()) {
                let thread =
                    acceptors.spawn(listener.share()?, Arc::clone(endpoint), Arc::clone(&neighbours))?;
                running.accept_threads.push(thread);
            }
        }
        Ok(running)
    }

    /// What the event loops and accept threads share.
    fn parts(&self) -> Parts {
        let tallies: Vec<_> = match &self.counters {
            Some(counters) => counters.iter().map(|counters| Tally::new(counters)).collect(),
            None => (0..self.threads.get()).map(|_| Tally::of_its_own()).collect(),
        };
        let drain = Drain::new(tallies.clone());
        let bell = Arc::new(Bell::default());
        let seat = |tally| Arc::new(Seat::new(tally, Arc::clone(&bell), drain.clone()));
        let endpoint = |(index, listener): (usize, &Listener)| {
            Arc::new(Endpoint {
                index,
                local: listener.local(),
                tls: listener.tls.clone(),
                proxy_protocol: listener.proxy_protocol,
            })
        };
        Parts {
            seats: tallies.into_iter().map(seat).collect(),
            room: Arc::new(Semaphore::new(self.limits.max_connections.unwrap_or_else(default_room))),
            endpoints: self.listeners.iter().enumerate().map(endpoint).collect(),
            drain,
            bell,
            accepting: Arc::default(),
        }
    }
}

struct Parts {
    seats: Arc<[Arc<Seat>]>,
    room: Arc<Semaphore>,
    endpoints: Arc<[Arc<Endpoint>]>,
    drain: Drain,
    bell: Arc<Bell>,
    /// Accept threads that run.
    accepting: Arc<AtomicUsize>,
}

/// Connections that fit beside files, databases and the rest: seven eighths of the descriptors.
fn default_room() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(1 << 20);
    (limit - limit / 8).saturating_sub(64).clamp(16, Semaphore::MAX_PERMITS)
}
