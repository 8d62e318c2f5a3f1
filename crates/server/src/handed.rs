//! Connections on their way between processes: what travels, and how it is taken in.
//!
//! In: a descriptor and what must be known of it. Out: an arrival for an event loop. Never sends or receives
//! descriptors itself; that is the application's business.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::seat::{Arrival, Endpoint, Seat, State, deliver};
use crate::socket::{Accepted, Peer};
use crate::tally::Tally;

/// A connection on its way between processes.
#[derive(Debug)]
pub struct Handed {
    /// The connected socket.
    pub socket: OwnedFd,
    /// The other end of the connection.
    pub peer: Peer,
    /// The listener that it was accepted from, in the order of [`Builder::listen`](crate::Builder::listen).
    pub listener: usize,
    /// Whether no byte was read: then any protocol may follow. Otherwise it is plain HTTP/1 between two requests.
    pub fresh: bool,
    /// How long it has been idle; zero for a fresh one.
    pub idle: Duration,
}

impl Handed {
    /// What is left of an arrival outside its server. `None`: it is bound to an event loop.
    pub(crate) fn from_arrival(arrival: Arrival) -> Result<(Self, Remains), Arrival> {
        let Arrival { socket, peer, endpoint, permit, state } = arrival;
        match socket {
            Accepted::Bare(socket) => {
                let (fresh, idle) = match state {
                    State::Fresh => (true, Duration::ZERO),
                    State::Idle(since) => (false, since.elapsed()),
                };
                let handed = Self { socket, peer, listener: endpoint.index, fresh, idle };
                Ok((handed, Remains { endpoint, permit, state }))
            }
            socket @ Accepted::Here(_) => Err(Arrival { socket, peer, endpoint, permit, state }),
        }
    }

    /// The arrival that it was made from.
    pub(crate) fn into_arrival(self, remains: Remains) -> Arrival {
        let Remains { endpoint, permit, state } = remains;
        Arrival { socket: Accepted::Bare(self.socket), peer: self.peer, endpoint, permit, state }
    }
}

/// The part of an arrival that stays.
pub(crate) struct Remains {
    endpoint: Arc<Endpoint>,
    permit: Option<tokio::sync::OwnedSemaphorePermit>,
    state: State,
}

/// Takes connections in from another process. See [`Running::adopter`](crate::Running::adopter).
#[derive(Clone)]
pub struct Adopter {
    pub(crate) seats: Arc<[Arc<Seat>]>,
    pub(crate) room: Arc<Semaphore>,
    pub(crate) endpoints: Arc<[Arc<Endpoint>]>,
}

impl Adopter {
    /// Serves a connection that another process accepted. A fresh one is treated as if it had been accepted
    /// here; any other is parked until its peer speaks. While this server drains, it lingers with the others.
    ///
    /// The socket is made non-blocking.
    ///
    /// # Errors
    ///
    /// Gives the connection back if there is no such listener, if the listener speaks TLS and the connection
    /// is not fresh, if there is no room for it, or if the server has ended.
    pub fn adopt(&self, handed: Handed) -> Result<(), Handed> {
        let Some(endpoint) = self.endpoints.get(handed.listener) else { return Err(handed) };
        if endpoint.tls.is_some() && !handed.fresh {
            return Err(handed);
        }
        let permit = Arc::clone(&self.room).try_acquire_owned().ok();
        // One that rests was open in another process of this application already: it gets a place above the limit.
        if permit.is_none() && handed.fresh {
            return Err(handed);
        }
        if rustix::io::ioctl_fionbio(&handed.socket, true).is_err() {
            return Err(handed);
        }
        let state = match handed.fresh {
            true => State::Fresh,
            false => {
                let now = Instant::now();
                State::Idle(now.checked_sub(handed.idle).unwrap_or(now))
            }
        };
        let idle = handed.idle;
        let arrival = handed.into_arrival(Remains { endpoint: Arc::clone(endpoint), permit, state });
        match deliver(&self.seats, arrival, Tally::adopted) {
            Ok(()) => Ok(()),
            Err(arrival) => match Handed::from_arrival(arrival) {
                Ok((handed, _)) => Err(Handed { idle, ..handed }),
                // It was made bare above.
                Err(_) => Ok(()),
            },
        }
    }
}

impl std::fmt::Debug for Adopter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Adopter")
    }
}
