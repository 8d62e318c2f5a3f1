//! What the workers have done and hold: counters, signs of life, memory.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::message::{Status, WorkerStatus};
use crate::page::Lane;
use crate::plan::{Event, Stage, WorkerId};
use crate::sys::children::ended_child;

use super::{Supervisor, now};

impl Supervisor {
    /// Reads every worker's counters once.
    pub(super) fn look(&mut self) {
        let ids: Vec<WorkerId> = self.handles.keys().copied().collect();
        for id in ids {
            let beat = self.beat(id);
            let needs_memory = self.state.policy.max_memory.is_some();
            let (requests, failures) = (self.counter(id, "requests"), self.counter(id, "server_errors"));
            let Some(handle) = self.handles.get_mut(&id) else { continue };
            if needs_memory {
                handle.memory = memory_of(handle.pid);
            }
            let memory = handle.memory;
            // A program without signs of life is not judged by them.
            let lives = beat.map_or(!handle.beats, |beat| {
                let moved = beat != handle.last_beat;
                handle.last_beat = beat;
                moved
            });
            if lives {
                self.happen(Event::Beat { worker: id });
            }
            self.happen(Event::Measured { worker: id, requests, failures, memory });
        }
    }

    /// The oldest sign of life of a worker's event loops. `None`: it leaves none in its rows.
    fn beat(&self, id: WorkerId) -> Option<u64> {
        let index = self.index_of("beat")?;
        let beats = self.lanes(id).filter_map(|lane| lane.counters.get(index));
        beats.map(|beat| beat.load(Relaxed)).min()
    }

    fn index_of(&self, name: &str) -> Option<usize> {
        self.cluster.counters.iter().position(|counter| *counter == name)
    }

    fn lanes(&self, id: WorkerId) -> impl Iterator<Item = Lane> + '_ {
        let range = self.handles.get(&id).map_or(0..0, |handle| handle.lane..handle.lane + handle.lanes);
        range.filter_map(|lane| self.page.lane(lane))
    }

    /// The sum of a worker's event loops.
    pub(super) fn counter(&self, id: WorkerId, name: &str) -> u64 {
        let Some(index) = self.index_of(name) else { return 0 };
        self.lanes(id).filter_map(|lane| lane.counters.get(index)).map(|cell| cell.load(Relaxed)).sum()
    }

    /// The sum of all workers, those that are gone included.
    pub(super) fn total(&self, name: &str) -> u64 {
        let gone = self.index_of(name).and_then(|index| self.retired.get(index)).copied().unwrap_or(0);
        gone + self.handles.keys().map(|id| self.counter(*id, name)).sum::<u64>()
    }

    /// Tells what a stuck worker was doing. `false`: it has not written it down yet, since it had not noticed itself.
    pub(super) fn explain(&self, id: WorkerId) -> bool {
        let text = self.evidence(id);
        if !text.is_empty() {
            tracing::warn!("the stuck worker's oldest requests:\n{text}");
        }
        !text.is_empty()
    }

    /// Asks again those that were stuck and had nothing written down.
    pub(super) fn explain_late(&mut self) {
        let mut unexplained = std::mem::take(&mut self.unexplained);
        unexplained.retain(|id| self.handles.contains_key(id) && !self.explain(*id));
        self.unexplained = unexplained;
    }

    /// What a stuck worker was doing, as it wrote it down itself.
    fn evidence(&self, id: WorkerId) -> String {
        let texts: Vec<String> =
            self.lanes(id).map(|lane| lane.evidence()).filter(|text| !text.is_empty()).collect();
        texts.join("\n")
    }

    /// Adds the counters of a worker that is gone to those of all that are, and frees its rows.
    pub(super) fn retire(&mut self, id: WorkerId) {
        let lanes: Vec<Lane> = self.lanes(id).collect();
        for lane in lanes {
            for (index, sum) in self.retired.iter_mut().enumerate() {
                *sum += lane.counters.get(index).map_or(0, |cell| cell.load(Relaxed));
            }
            lane.clear();
        }
    }

    /// Whether a worker serves and gives signs of life.
    pub(super) fn is_well(&self, id: WorkerId) -> bool {
        self.state.workers.get(&id).is_some_and(|worker| {
            worker.stage == Stage::Serving
                && !worker.is_stalled
                && now().saturating_sub(worker.beat).as_secs() < 3
        })
    }

    /// A range of rows that nobody uses.
    pub(super) fn free_lanes(&self, count: usize) -> Option<usize> {
        let is_free = |lane: usize| {
            self.handles.values().all(|handle| !(handle.lane..handle.lane + handle.lanes).contains(&lane))
        };
        (0..self.page.lanes().saturating_sub(count.saturating_sub(1)))
            .find(|first| (*first..first + count).all(is_free))
    }

    /// What the cluster is doing, for an operator.
    pub(super) fn status(&self) -> Status {
        let time = now();
        let slots = || self.state.slots.iter().enumerate();
        let broken_slots = slots().filter(|(_, slot)| slot.is_broken).map(|(number, _)| number).collect();
        let empty_slots: Vec<usize> =
            slots().filter(|(_, slot)| slot.worker.is_none()).map(|(number, _)| number).collect();
        let state = if self.state.stopping.is_some() {
            "stopping"
        } else if self.state.change.is_some() {
            "reloading"
        } else if self.state.is_up && !empty_slots.is_empty() {
            "degraded"
        } else if self.state.is_up {
            "serving"
        } else {
            "starting"
        };
        let mut workers: Vec<WorkerStatus> =
            self.handles.keys().filter_map(|id| self.worker_status(*id)).collect();
        workers.sort_by_key(|worker| (worker.slot, worker.state == "leaving", worker.generation));
        let pid = rustix::process::getpid();
        Status {
            name: self.claim.name.clone(),
            pid: pid.as_raw_nonzero().get(),
            generation: self.state.generation,
            uptime_seconds: time.saturating_sub(self.began).as_secs_f64(),
            state: state.to_owned(),
            addresses: self.cluster.sockets.iter().map(|socket| socket.address.clone()).collect(),
            workers,
            broken_slots,
            empty_slots,
            memory: memory_of(pid),
        }
    }

    fn worker_status(&self, id: WorkerId) -> Option<WorkerStatus> {
        let (worker, handle) = (self.state.workers.get(&id)?, self.handles.get(&id)?);
        let state = match worker.stage {
            Stage::Starting { .. } => "starting",
            Stage::Serving if worker.is_stalled => "stuck",
            Stage::Serving => "serving",
            Stage::Draining { .. } => "leaving",
            Stage::Killed => "killed",
        };
        let names = self.cluster.counters.iter().filter(|name| **name != "beat");
        let counters: BTreeMap<String, u64> =
            names.map(|name| ((*name).to_owned(), self.counter(id, name))).collect();
        Some(WorkerStatus {
            slot: worker.slot,
            generation: worker.generation,
            pid: handle.pid.as_raw_nonzero().get(),
            state: state.to_owned(),
            age_seconds: now().saturating_sub(worker.started).as_secs_f64(),
            restarts: self.state.slots.get(worker.slot).map_or(0, |slot| slot.restarts),
            memory: memory_of(handle.pid),
            counters,
            said: handle.said.clone(),
        })
    }
}

/// The resident set of a process, in bytes; 0 if it is gone.
fn memory_of(pid: Pid) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{}/statm", pid.as_raw_nonzero()));
    let pages = statm.ok().and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
    pages.unwrap_or(0) * rustix::param::page_size() as u64
}

/// Connections that the kernel turned away because a queue was full, in this network namespace.
pub(super) fn listen_drops() -> u64 {
    let Ok(text) = std::fs::read_to_string("/proc/net/netstat") else { return 0 };
    drops_in(&text)
}

fn drops_in(text: &str) -> u64 {
    let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:"));
    let (Some(names), Some(values)) = (lines.next(), lines.next()) else { return 0 };
    let mut pairs = names.split(' ').zip(values.split(' '));
    pairs.find(|(name, _)| *name == "ListenDrops").and_then(|(_, value)| value.parse().ok()).unwrap_or(0)
}

/// Waits for children that nobody else waits for.
pub(super) fn reap_orphans(is_ours: impl Fn(Pid) -> bool) {
    // One of ours hides those behind it until its own descriptor has spoken for it; the next look finds them.
    while let Some(pid) = ended_child().filter(|pid| !is_ours(*pid)) {
        if waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_count_of_refused_connections_is_found_by_name() {
        let text = "TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 1 2 37\nIpExt: A\nIpExt: 4\n";
        assert_eq!(drops_in(text), 37);
        assert_eq!(drops_in("TcpExt: ListenDrops\n"), 0);
        assert_eq!(drops_in(""), 0);
    }

    #[test]
    fn this_process_holds_memory() {
        assert!(memory_of(rustix::process::getpid()) > 100_000);
    }
}
