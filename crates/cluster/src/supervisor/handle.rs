//! A worker as the supervisor holds it: its process, its channel, its rows of counters.

use std::io;
use std::os::fd::OwnedFd;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};

use crate::channel::{Channel, Received};
use crate::message::{self, FromWorker, ToWorker, WorkerReport};
use crate::plan::{Event, Exit, WorkerId};

use super::Supervisor;

/// Messages of one worker that are heard before others get their turn.
const MOST_AT_ONCE: usize = 64;

pub(crate) struct Handle {
    pub(crate) pid: Pid,
    pub(crate) pidfd: OwnedFd,
    /// `None`: a foreign program, or a worker that has ended its side.
    pub(crate) channel: Option<Channel>,
    /// The first of its rows of counters.
    pub(crate) lane: usize,
    pub(crate) lanes: usize,
    /// Whether it gives signs of life by itself; who never did cannot be missed.
    pub(crate) beats: bool,
    pub(crate) last_beat: u64,
    pub(crate) memory: u64,
    /// What it last said of itself (`STATUS=`).
    pub(crate) said: String,
    pub(crate) reported: bool,
}

impl Handle {
    /// A process of which nothing was heard yet.
    pub(crate) fn new(
        pid: Pid,
        pidfd: OwnedFd,
        channel: Option<Channel>,
        lanes: std::ops::Range<usize>,
    ) -> Self {
        Self {
            pid,
            pidfd,
            channel,
            lane: lanes.start,
            lanes: lanes.len(),
            beats: false,
            last_beat: 0,
            memory: 0,
            said: String::new(),
            reported: false,
        }
    }

    /// Sends a signal. A process that is gone needs none.
    pub(super) fn signal(&self, signal: Signal) {
        let _ = pidfd_send_signal(&self.pidfd, signal);
    }

    /// Sends a message, if the worker understands messages. Whether it was sent.
    pub(super) fn tell(&self, message: &ToWorker, descriptors: &[rustix::fd::BorrowedFd<'_>]) -> bool {
        let Some(channel) = &self.channel else { return false };
        // A worker that does not read its messages must not hold the supervisor.
        message::write(message).and_then(|packet| channel.send_now(&packet, descriptors)).is_ok()
    }
}

impl Supervisor {
    /// Reads what a worker says.
    pub(super) fn hear_worker(&mut self, id: WorkerId) {
        for _ in 0..MOST_AT_ONCE {
            let Some(channel) = self.handles.get(&id).and_then(|handle| handle.channel.as_ref()) else {
                return;
            };
            match channel.try_recv() {
                Ok(Received::Packet(packet, descriptors)) => {
                    match message::read(&packet).unwrap_or(FromWorker::Unknown) {
                        FromWorker::Leaving => self.happen(Event::Leaving { worker: id }),
                        FromWorker::PassOn { about } => match descriptors.into_iter().next() {
                            Some(connection) => self.pass_on(id, &connection, about),
                            None => {
                                tracing::warn!("a connection was lost: there was no descriptor for it");
                            }
                        },
                        FromWorker::Ended { report } => self.reported(id, report),
                        FromWorker::Unknown => {}
                    }
                }
                Ok(Received::Nothing) => return,
                // One message is lost, and not the worker.
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    tracing::warn!(%error, "a message of a worker is lost");
                }
                Ok(Received::End) | Err(_) => {
                    if let Some(handle) = self.handles.get_mut(&id) {
                        handle.channel = None;
                    }
                    return;
                }
            }
        }
    }

    fn reported(&mut self, id: WorkerId, report: WorkerReport) {
        if let Some(handle) = self.handles.get_mut(&id) {
            handle.reported = true;
        }
        let generation = self.state.workers.get(&id).map(|worker| worker.generation);
        for tally in self.tallies.iter_mut().filter(|tally| Some(tally.from) == generation) {
            tally.report.add(report.clone());
        }
        if self.state.stopping.is_some() {
            self.last_report.add(report);
        } else {
            for cut in &report.cut {
                tracing::warn!("a drain cut {cut}");
            }
        }
    }

    /// Gives a connection that one worker cannot take to the one with the fewest.
    fn pass_on(&mut self, from: WorkerId, connection: &OwnedFd, about: String) {
        use std::os::fd::AsFd;
        let mut others: Vec<(u64, WorkerId)> = self
            .handles
            .keys()
            .filter(|id| **id != from && self.is_well(**id))
            .map(|id| (self.counter(*id, "open"), *id))
            .collect();
        others.sort_unstable();
        let message = ToWorker::Connection { about };
        let took = others.iter().chain([&(0, from)]).any(|(_, id)| {
            self.handles.get(id).is_some_and(|handle| handle.tell(&message, &[connection.as_fd()]))
        });
        if !took {
            tracing::warn!("a connection was lost: no worker could take it");
        }
    }

    /// A process has ended: what it left is counted, what it held is given back.
    pub(super) fn bury(&mut self, id: WorkerId) {
        // Its last words may have come with its end.
        self.hear_worker(id);
        let Some(handle) = self.handles.get(&id) else { return };
        let exit = match waitid(WaitId::PidFd(std::os::fd::AsFd::as_fd(&handle.pidfd)), WaitIdOptions::EXITED)
        {
            Ok(Some(status)) => match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => Exit::Code(code),
                (None, Some(signal)) => Exit::Signal(signal),
                (None, None) => Exit::Unknown,
            },
            // An adopted worker is not this process's child.
            Ok(None) | Err(_) => Exit::Unknown,
        };
        self.retire(id);
        if let Some(handle) = self.handles.remove(&id) {
            let generation = self.state.workers.get(&id).map(|worker| worker.generation);
            if !handle.reported && self.cluster.program.is_native {
                for tally in self.tallies.iter_mut().filter(|tally| Some(tally.from) == generation) {
                    tally.unreported += 1;
                }
            }
        }
        let _ = std::fs::remove_file(self.rendezvous_path(id));
        self.happen(Event::Exited { worker: id, exit });
    }
}
