//! One event loop: accepts connections, shares them fairly with its siblings, and sees them to their end.
//!
//! Every loop accepts for itself from the shared listeners; a connection goes to the loop that has the
//! fewest. Knows threads and sockets, never HTTP.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, watch};

use crate::connection::Context;
use crate::drain::{Drain, Stage};
use crate::listen::{Bound, Local};
use crate::socket::{Accepted, Peer, Socket};
use crate::tally::{Tally, count};
use crate::tls::TlsConfig;

/// Rest after the system had no room for a connection.
const PAUSE: Duration = Duration::from_millis(50);

/// A listening socket as the loops see it.
pub(crate) struct Endpoint {
    pub(crate) local: Local,
    pub(crate) tls: Option<TlsConfig>,
}

/// A connection on its way to the loop that serves it.
pub(crate) struct Arrival {
    pub(crate) socket: Accepted,
    pub(crate) peer: Peer,
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) permit: OwnedSemaphorePermit,
}

/// Where a loop can be reached, and how many connections it has.
#[derive(Clone)]
pub(crate) struct Seat {
    pub(crate) arrivals: mpsc::UnboundedSender<Arrival>,
    pub(crate) tally: Arc<Tally>,
    /// Rung when a connection of the loop ends.
    pub(crate) released: Arc<Notify>,
}

impl Seat {
    fn load(&self) -> u64 {
        self.tally.open.load(Relaxed)
    }
}

/// A connection's place in the server: counted while it lives, given back when it is dropped.
pub(crate) struct Admission {
    pub(crate) number: u64,
    drain: Drain,
    tally: Arc<Tally>,
    released: Arc<Notify>,
    _permit: OwnedSemaphorePermit,
}

impl Admission {
    /// Takes over the place that [`Seat`] counted when the connection was sent to it.
    pub(crate) fn new(context: &Context, seat: &Seat, permit: OwnedSemaphorePermit) -> Self {
        Self {
            number: context.drain.number(),
            drain: context.drain.clone(),
            tally: Arc::clone(&seat.tally),
            released: Arc::clone(&seat.released),
            _permit: permit,
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.drain.forget(self.number);
        self.tally.open.fetch_sub(1, Relaxed);
        self.released.notify_one();
    }
}

/// Accepts from one listener until the drain begins.
pub(crate) async fn accept(
    listener: Bound,
    endpoint: Arc<Endpoint>,
    own: usize,
    seats: Arc<[Seat]>,
    room: Arc<Semaphore>,
    mut stages: watch::Receiver<Stage>,
) -> io::Result<()> {
    let listener = Listening::register(listener)?;
    let Some(seat) = seats.get(own) else { return Ok(()) };
    let mut failing = false;
    loop {
        let next = async {
            // Wait for room without taking it: other listeners and loops wait for the same connections.
            if room.available_permits() == 0 {
                count(&seat.tally.accept_waits);
                drop(room.acquire().await);
            }
            accept_one(&listener).await
        };
        let next = tokio::select! {
            biased;
            _ = stages.wait_for(|stage| *stage >= Stage::Draining) => return Ok(()),
            next = next => next,
        };
        match next {
            Ok((socket, peer)) => {
                failing = false;
                count(&seat.tally.accepted);
                // Another loop may have been faster to the last place; then this one connection waits here.
                let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return Ok(()) };
                let to = least_loaded(&seats, own);
                // The socket is known to this loop's event queue; another loop takes it bare.
                let socket = if to == own { Ok(Accepted::Here(socket)) } else { socket.into_bare() };
                if let (Ok(socket), Some(seat)) = (socket, seats.get(to)) {
                    send(seat, Arrival { socket, peer, endpoint: Arc::clone(&endpoint), permit });
                }
            }
            Err(error) if is_passing(&error) => {}
            Err(error) => {
                count(&seat.tally.accept_errors);
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(%error, address = %endpoint.local, "cannot accept; trying again");
                }
                // Until a descriptor is free again there is nothing to wait for but time.
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// The peer was gone before it was accepted: no reason to pause.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted)
}

/// The loop with the fewest connections; the own one where it is among them.
fn least_loaded(seats: &[Seat], own: usize) -> usize {
    let load = |index: usize| seats.get(index).map_or(u64::MAX, Seat::load);
    let least = (0..seats.len()).min_by_key(|index| load(*index)).unwrap_or(own);
    if load(least) < load(own) { least } else { own }
}

fn send(seat: &Seat, arrival: Arrival) {
    seat.tally.open.fetch_add(1, Relaxed);
    if seat.arrivals.send(arrival).is_err() {
        // That loop has ended, in a drain; the connection ends with it.
        seat.tally.open.fetch_sub(1, Relaxed);
    }
}

async fn accept_one(listener: &Listening) -> io::Result<(Socket, Peer)> {
    match listener {
        Listening::Tcp(listener) => {
            let (stream, address) = listener.accept().await?;
            let peer = SocketAddr::new(address.ip().to_canonical(), address.port());
            Ok((Socket::Tcp(stream), Peer::Tcp(peer)))
        }
        Listening::Unix(listener) => {
            let (stream, _) = listener.accept().await?;
            Ok((Socket::Unix(stream), Peer::Unix))
        }
    }
}

/// A listening socket, registered with the loop of this thread.
enum Listening {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listening {
    fn register(bound: Bound) -> io::Result<Self> {
        match bound {
            Bound::Tcp(listener) => TcpListener::from_std(listener).map(Self::Tcp),
            Bound::Unix(listener) => UnixListener::from_std(listener).map(Self::Unix),
        }
    }
}
