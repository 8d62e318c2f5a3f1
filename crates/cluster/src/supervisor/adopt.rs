//! Workers that lost their supervisor, taken in.

use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::message;
use crate::plan::{Stage, Worker};
use crate::worker::{WORKER_STATE, WorkerState};

use super::handle::Handle;
use super::{Supervisor, now};

/// What a supervisor wrote down for a worker when it started it.
fn written_at_start(pid: Pid) -> Option<WorkerState> {
    let environment = std::fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())).ok()?;
    let name = format!("{WORKER_STATE}=");
    let mut variables = environment.split(|byte| *byte == 0);
    let state = variables.find_map(|variable| variable.strip_prefix(name.as_bytes()))?;
    message::read(state).ok()
}

/// Far more than anyone has cores.
const MOST_SLOTS: usize = 512;

impl Supervisor {
    /// Makes the workers that were found this supervisor's own, each in the slot it has.
    pub(super) fn take_in_orphans(&mut self) {
        let time = now();
        for orphan in std::mem::take(&mut self.claim.orphans) {
            let about = orphan.about;
            let Some(pid) = Pid::from_raw(about.pid) else { continue };
            // It may have ended in this instant.
            let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
            // What a worker says of itself is not believed: it may have fewer rights than this process. What its
            // last supervisor wrote into its environment is.
            let Some(written) = written_at_start(pid).filter(|written| {
                written.worker == about.worker
                    && written.identity == self.claim.identity
                    && written.lane.checked_add(written.lanes).is_some_and(|end| end <= self.page.lanes())
            }) else {
                tracing::warn!("process {} is no worker of this application; it is left alone", about.pid);
                continue;
            };
            if orphan.channel.is_closed() {
                continue;
            }
            let (id, place, generation) = (written.worker, written.slot, written.generation);
            self.state.next_worker = self.state.next_worker.max(id + 1);
            self.state.generation = self.state.generation.max(generation);
            self.state.newest = self.state.newest.max(generation);
            // The application may have been scaled up before its supervisor was lost.
            if !about.is_leaving && place < MOST_SLOTS && place >= self.state.slots.len() {
                self.state.slots.resize_with(place + 1, Default::default);
            }
            let slot = self.state.slots.get_mut(place).filter(|slot| slot.worker.is_none());
            let stage = match slot {
                Some(slot) if !about.is_leaving => {
                    slot.worker = Some(id);
                    // It serves: whatever happens to the others is no failed start.
                    self.state.is_up = true;
                    Stage::Serving
                }
                // There is no place for it: it finishes what it has.
                _ => {
                    let kill_at = time + self.state.policy.drain_deadline;
                    Stage::Draining { term_at: (!about.is_leaving).then_some(time), kill_at }
                }
            };
            let worker = Worker {
                slot: place,
                generation,
                stage,
                started: time,
                ready: Some(time),
                beat: time,
                is_stalled: false,
                requests: 0,
                failures: 0,
            };
            self.state.workers.insert(id, worker);
            let lanes = written.lane..written.lane + written.lanes;
            let handle = Handle::new(pid, pidfd, Some(orphan.channel), lanes);
            self.handles.insert(id, Handle { beats: true, ..handle });
        }
    }
}
