//! Accepting in the event loops themselves, where no other process accepts from the same sockets.
//!
//! Every loop accepts from every listener; a connection goes to the loop that has the fewest. Knows threads
//! and sockets, never HTTP.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};

use crate::drain::Stage;
use crate::listen::Bound;
use crate::seat::{Arrival, Endpoint, Seat, State, deliver};
use crate::socket::{Accepted, Peer, Socket};
use crate::tally::{Tally, count, discount};

/// Rest after the system had no room for a connection.
pub(crate) const PAUSE: Duration = Duration::from_millis(50);

/// Accepts from one listener until the drain begins.
pub(crate) async fn accept(
    listener: Bound,
    endpoint: Arc<Endpoint>,
    own: usize,
    seats: Arc<[Arc<Seat>]>,
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
                count(seat.tally.accept_waits());
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
                // Another loop may have been faster to the last place; then this one connection waits here.
                let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return Ok(()) };
                let to = least_loaded(&seats, own);
                // The socket is known to this loop's event queue; another loop takes it bare.
                let socket = if to == own { Ok(Accepted::Here(socket)) } else { socket.into_bare() };
                if let (Ok(socket), Some(seat)) = (socket, seats.get(to)) {
                    let endpoint = Arc::clone(&endpoint);
                    count(seat.tally.accepted());
                    let arrival =
                        Arrival { socket, peer, endpoint, permit: Some(permit), state: State::Fresh };
                    if let Err(arrival) = seat.send(arrival) {
                        discount(seat.tally.accepted());
                        // That loop has ended, in a drain. This one has not, since it runs this; and a
                        // connection that is bound to a loop is bound to this one.
                        let _ = deliver(&seats, arrival, Tally::accepted);
                    }
                }
            }
            Err(error) if is_passing(&error) => {}
            Err(error) => {
                count(seat.tally.accept_errors());
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
fn least_loaded(seats: &[Arc<Seat>], own: usize) -> usize {
    let load = |index: usize| seats.get(index).map_or(u64::MAX, |seat| seat.load());
    let least = (0..seats.len()).min_by_key(|index| load(*index)).unwrap_or(own);
    if load(least) < load(own) { least } else { own }
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
        // Other handles of the socket share this; none of them blocks.
        rustix::io::ioctl_fionbio(&bound, true)?;
        match bound {
            Bound::Tcp(listener) => TcpListener::from_std(listener).map(Self::Tcp),
            Bound::Unix(listener) => UnixListener::from_std(listener).map(Self::Unix),
        }
    }
}
