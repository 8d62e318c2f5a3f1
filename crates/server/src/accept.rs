//! Accepting from sockets that other processes accept from too.
//!
//! One small thread for each listener is blocked in `accept4`: the kernel wakes such waiters one by one, in
//! the order in which they came, which no use of epoll does. Out: each connection to the loop of this process
//! that has the fewest; what no loop takes, to a neighbour. Never reads from a connection.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{SocketFlags, acceptfrom_with};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::drain::{Drain, Stage};
use crate::handed::Handed;
use crate::listen::Bound;
use crate::seat::{Arrival, Bell, Endpoint, Seat, State, deliver};
use crate::socket::{Accepted, Peer};
use crate::tally::{Tally, count, discount};
use crate::worker::PAUSE;

/// Who accepts.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Accept {
    /// Each event loop for itself. Right where no other process accepts from the same sockets.
    #[default]
    Loops,
    /// A small thread for each listener, blocked in `accept4`. Right where other processes accept from the
    /// same sockets: the kernel shares connections evenly among such threads.
    ///
    /// The sockets' open file descriptions are shared with those processes: `O_NONBLOCK` is cleared and
    /// `SO_RCVTIMEO` set on them once, at the start. So all of those processes should accept by threads: with
    /// [`Accept::Loops`] an event loop would block.
    Threads(Arc<dyn Neighbours>),
}

impl std::fmt::Debug for Accept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Loops => "Loops",
            Self::Threads(_) => "Threads",
        })
    }
}

/// Other processes that accept from the same sockets. Asked by the accept threads, so it should answer fast.
pub trait Neighbours: Send + Sync + 'static {
    /// Whether this process has clearly more connections than a neighbour that is well: it then lets the
    /// others accept first, for at most 5 ms.
    fn should_yield(&self) -> bool;

    /// Takes a connection that no event loop of this process takes.
    ///
    /// # Errors
    ///
    /// Gives it back if nobody can.
    fn pass_on(&self, connection: Handed) -> Result<(), Handed>;
}

/// How long an accept waits before it looks whether the server still serves.
const TIMEOUT: Duration = Duration::from_millis(200);

/// How long a thread waits for a bell that it may have missed.
const NAP: Duration = Duration::from_millis(20);

/// Between two looks at arrivals that no loop takes.
const RESCUE_EVERY: Duration = Duration::from_millis(50);

/// How the others are let accept first: so long, so many times.
const YIELD: (Duration, u32) = (Duration::from_micros(500), 10);

/// Room for the thread's stack, in bytes: it calls little, but what it warns may be formatted on it.
const STACK: usize = 128 * 1024;

/// What the accept threads of a server share.
#[derive(Clone)]
pub(crate) struct Acceptors {
    pub(crate) seats: Arc<[Arc<Seat>]>,
    pub(crate) room: Arc<Semaphore>,
    pub(crate) drain: Drain,
    pub(crate) bell: Arc<Bell>,
    /// Threads that may still deliver; the loops wait for them.
    pub(crate) alive: Arc<AtomicUsize>,
}

impl Acceptors {
    /// Starts the thread of one listener.
    pub(crate) fn spawn(
        &self,
        socket: Bound,
        endpoint: Arc<Endpoint>,
        neighbours: Arc<dyn Neighbours>,
    ) -> io::Result<JoinHandle<()>> {
        rustix::io::ioctl_fionbio(&socket, false)?;
        set_socket_timeout(&socket, Timeout::Recv, Some(TIMEOUT))?;
        let name = format!("narae-accept-{}", endpoint.index);
        self.alive.fetch_add(1, Ordering::SeqCst);
        let thread = AcceptThread {
            socket,
            endpoint,
            neighbours,
            alive: Alive(self.clone()),
            failing: false,
            rescued: Instant::now(),
        };
        thread::Builder::new().name(name).stack_size(STACK).spawn(move || thread.run())
    }
}

/// Tells the loops when the thread can deliver nothing more.
struct Alive(Acceptors);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, Ordering::SeqCst);
        for seat in self.0.seats.iter() {
            seat.released.notify_one();
        }
    }
}

struct AcceptThread {
    socket: Bound,
    endpoint: Arc<Endpoint>,
    neighbours: Arc<dyn Neighbours>,
    alive: Alive,
    /// The last accept failed, and that was said.
    failing: bool,
    rescued: Instant,
}

impl AcceptThread {
    fn run(mut self) {
        let shared = self.alive.0.clone();
        let Some(first) = shared.seats.first() else { return };
        let mut waits_for_room = false;
        while !shared.drain.is_draining() {
            self.rescue();
            if shared.room.available_permits() == 0 {
                if !std::mem::replace(&mut waits_for_room, true) {
                    count(first.tally.accept_waits());
                }
                shared.bell.wait(NAP);
                continue;
            }
            waits_for_room = false;
            let now = Instant::now();
            if !shared.seats.iter().any(|seat| seat.queue.is_well(now)) {
                shared.bell.wait(NAP);
                continue;
            }
            self.let_others_first();
            match accept(&self.socket) {
                Ok((socket, peer)) => {
                    self.failing = false;
                    self.admit(socket, peer);
                }
                Err(Errno::AGAIN) => self.wait_if_not_blocking(now),
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(error) => {
                    count(first.tally.accept_errors());
                    if !std::mem::replace(&mut self.failing, true) {
                        let address = &self.endpoint.local;
                        tracing::warn!(%error, %address, "cannot accept; trying again");
                    }
                    // Until a descriptor is free again there is nothing to wait for but time.
                    thread::sleep(PAUSE);
                }
            }
        }
    }

    fn let_others_first(&self) {
        let (step, mut left) = YIELD;
        while left > 0 && self.neighbours.should_yield() && !self.alive.0.drain.is_draining() {
            thread::sleep(step);
            left -= 1;
        }
    }

    /// Another process may have made the shared socket non-blocking: then this one waits by itself.
    fn wait_if_not_blocking(&self, began: Instant) {
        if began.elapsed() < TIMEOUT / 2 {
            let timeout = Timespec::try_from(TIMEOUT).unwrap_or_default();
            // An error is seen by the next accept.
            let _ = rustix::event::poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&timeout));
        }
    }

    fn admit(&self, socket: OwnedFd, peer: Peer) {
        let shared = &self.alive.0;
        let Some(permit) = self.permit() else { return };
        let arrival = Arrival {
            socket: Accepted::Bare(socket),
            peer,
            endpoint: Arc::clone(&self.endpoint),
            permit: Some(permit),
            state: State::Fresh,
        };
        // Every loop has ended only after the deadline of a drain, which cuts this connection too.
        let _ = deliver(&shared.seats, arrival, Tally::accepted);
    }

    /// Another thread may have been faster to the last place; then this one connection waits here.
    fn permit(&self) -> Option<OwnedSemaphorePermit> {
        let shared = &self.alive.0;
        loop {
            match Arc::clone(&shared.room).try_acquire_owned() {
                Ok(permit) => return Some(permit),
                Err(_) if shared.drain.stage() == Stage::Cut => return None,
                Err(_) => shared.bell.wait(NAP),
            }
        }
    }

    /// Finds another place for what a loop has not taken for a long time.
    fn rescue(&mut self) {
        let now = Instant::now();
        if now.saturating_duration_since(self.rescued) < RESCUE_EVERY {
            return;
        }
        self.rescued = now;
        for seat in self.alive.0.seats.iter() {
            while let Some((since, arrival)) = seat.queue.take_back(now) {
                let Err(arrival) = self.move_on(seat, arrival) else { continue };
                seat.queue.put_back(since, arrival);
                break;
            }
        }
    }

    /// Gives an arrival of `from` to a loop that is well, or to a neighbour.
    fn move_on(&self, from: &Seat, arrival: Arrival) -> Result<(), Arrival> {
        let now = Instant::now();
        let well = self.alive.0.seats.iter().filter(|seat| seat.queue.is_well(now));
        let arrival = match well.min_by_key(|seat| seat.load()) {
            Some(to) => to.send(arrival),
            None => Err(arrival),
        };
        let rest = match arrival {
            Ok(()) => None,
            Err(arrival) => {
                let (handed, remains) = Handed::from_arrival(arrival)?;
                match self.neighbours.pass_on(handed) {
                    Ok(()) => {
                        count(from.tally.passed_on());
                        None
                    }
                    Err(handed) => Some(handed.into_arrival(remains)),
                }
            }
        };
        match rest {
            Some(arrival) => Err(arrival),
            None => {
                discount(from.tally.open());
                from.released.notify_one();
                Ok(())
            }
        }
    }
}

fn accept(socket: &Bound) -> Result<(OwnedFd, Peer), Errno> {
    let (connection, address) =
        acceptfrom_with(socket.as_fd(), SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)?;
    let peer = match (socket, address.map(SocketAddr::try_from)) {
        (Bound::Tcp(_), Some(Ok(address))) => {
            Peer::Tcp(SocketAddr::new(address.ip().to_canonical(), address.port()))
        }
        _ => Peer::Unix,
    };
    Ok((connection, peer))
}
