//! The parking lot of one event loop: idle connections as small rows, without engine, task or buffer.
//!
//! In: plain HTTP/1 connections between two requests. Out: those whose peer spoke or left, and those whose
//! time is over. The rows have an epoll instance of their own, so that a parked socket costs the event loop
//! nothing. Never reads from a socket.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use tokio::sync::Notify;

use crate::seat::Admission;
use crate::socket::Peer;
use crate::tally::{Tally, count, discount};

/// Connections taken out at once; the event loop does something else in between.
const BATCH: usize = 128;

/// Rows in one piece of memory.
const CHUNK: usize = 256;

/// A parked connection.
pub(crate) struct Row {
    pub(crate) socket: OwnedFd,
    pub(crate) peer: Peer,
    /// The listener's place in the order of the server's listeners.
    pub(crate) listener: usize,
    /// Since when it is idle.
    pub(crate) since: Instant,
    pub(crate) admission: Admission,
}

/// Connections that are idle. See the module.
pub(crate) struct Lot {
    epoll: OwnedFd,
    rows: Mutex<Rows>,
    tally: Tally,
    /// Rung when the first row comes, and when one comes that must be looked at.
    pub(crate) stirred: Notify,
}

impl Lot {
    pub(crate) fn new(tally: Tally) -> std::io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        Ok(Self { epoll, rows: Mutex::default(), tally, stirred: Notify::new() })
    }

    /// Parks a connection. Gives it back if the system cannot watch one more.
    pub(crate) fn park(&self, row: Row) -> Result<(), Row> {
        let mut rows = self.rows();
        let index = rows.insert(row);
        let watched = match rows.get(index) {
            Some(row) => {
                let flags = EventFlags::IN | EventFlags::RDHUP;
                epoll::add(&self.epoll, &row.socket, EventData::new_u64(index as u64), flags).is_ok()
            }
            None => false,
        };
        if !watched && let Some(row) = rows.remove(index) {
            return Err(row);
        }
        count(self.tally.parked());
        if rows.length == 1 {
            self.stirred.notify_one();
        }
        Ok(())
    }

    /// Takes out connections whose peer spoke or left. Whether there may be more.
    pub(crate) fn take_ready(&self) -> (Vec<Row>, bool) {
        let mut events: [Event; BATCH] =
            std::array::from_fn(|_| Event { flags: EventFlags::empty(), data: EventData::new_u64(0) });
        // The rows are locked first: an event that is told belongs to the row that has its index.
        let mut rows = self.rows();
        let told = epoll::wait(&self.epoll, &mut events, Some(&Timespec::default())).unwrap_or(0);
        let indices = events.iter().take(told).filter_map(|event| usize::try_from(event.data.u64()).ok());
        let taken: Vec<_> = indices.filter_map(|index| self.take(&mut rows, index)).collect();
        (taken, told == BATCH)
    }

    /// Takes out connections that are idle since `before` or longer, and says since when the longest of the
    /// others is.
    pub(crate) fn take_older(&self, before: Instant) -> (Vec<Row>, Option<Instant>) {
        let mut rows = self.rows();
        let mut longest: Option<Instant> = None;
        let mut due = Vec::new();
        for (index, row) in rows.iter() {
            if row.since <= before {
                due.push(index);
            } else {
                longest = Some(longest.map_or(row.since, |longest| longest.min(row.since)));
            }
        }
        (due.into_iter().filter_map(|index| self.take(&mut rows, index)).collect(), longest)
    }

    /// Takes out every connection.
    pub(crate) fn take_all(&self) -> Vec<Row> {
        let mut rows = self.rows();
        let all: Vec<_> = rows.iter().map(|(index, _)| index).collect();
        all.into_iter().filter_map(|index| self.take(&mut rows, index)).collect()
    }

    fn take(&self, rows: &mut Rows, index: usize) -> Option<Row> {
        let row = rows.remove(index)?;
        // It was added when it was parked, and the descriptor is still open.
        let _ = epoll::delete(&self.epoll, &row.socket);
        discount(self.tally.parked());
        Some(row)
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsFd for Lot {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

/// Rows in chunks, which never move: growing copies nothing and wastes at most one chunk.
#[derive(Default)]
struct Rows {
    chunks: Vec<Box<[Option<Row>]>>,
    /// Free places in the chunks.
    free: Vec<u32>,
    /// Rows that are there.
    length: usize,
}

impl Rows {
    fn insert(&mut self, row: Row) -> usize {
        let index = match self.free.pop() {
            Some(index) => index as usize,
            None => {
                let first = self.chunks.len() * CHUNK;
                self.chunks.push((0..CHUNK).map(|_| None).collect());
                // Descriptors are 32-bit numbers; so many rows there cannot be.
                self.free
                    .extend((first + 1..first + CHUNK).rev().filter_map(|place| u32::try_from(place).ok()));
                first
            }
        };
        self.length += 1;
        if let Some(place) = self.place(index) {
            *place = Some(row);
        }
        index
    }

    fn get(&self, index: usize) -> Option<&Row> {
        self.chunks.get(index / CHUNK)?.get(index % CHUNK)?.as_ref()
    }

    fn remove(&mut self, index: usize) -> Option<Row> {
        let row = self.place(index)?.take()?;
        self.length -= 1;
        self.free.extend(u32::try_from(index).ok());
        if self.length == 0 {
            *self = Self::default();
        }
        Some(row)
    }

    fn place(&mut self, index: usize) -> Option<&mut Option<Row>> {
        self.chunks.get_mut(index / CHUNK)?.get_mut(index % CHUNK)
    }

    fn iter(&self) -> impl Iterator<Item = (usize, &Row)> {
        let places = self.chunks.iter().flatten().enumerate();
        places.filter_map(|(index, row)| row.as_ref().map(|row| (index, row)))
    }
}
