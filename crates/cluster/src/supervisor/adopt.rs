//! Workers that lost their supervisor, taken in.

use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::plan::{Stage, Worker};

use super::handle::Handle;
use super::{Supervisor, now};

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
            let id = about.worker;
            self.state.next_worker = self.state.next_worker.max(id + 1);
            self.state.generation = self.state.generation.max(about.generation);
            self.state.newest = self.state.newest.max(about.generation);
            // The application may have been scaled up before its supervisor was lost.
            if !about.is_leaving && about.slot < MOST_SLOTS && about.slot >= self.state.slots.len() {
                self.state.slots.resize_with(about.slot + 1, Default::default);
            }
            let slot = self.state.slots.get_mut(about.slot).filter(|slot| slot.worker.is_none());
            let stage = match slot {
                Some(slot) if !about.is_leaving => {
                    slot.worker = Some(id);
                    Stage::Serving
                }
                // There is no place for it: it finishes what it has.
                _ => {
                    let kill_at = time + self.state.policy.drain_deadline;
                    Stage::Draining { term_at: (!about.is_leaving).then_some(time), kill_at }
                }
            };
            let worker = Worker {
                slot: about.slot,
                generation: about.generation,
                stage,
                started: time,
                ready: Some(time),
                beat: time,
                is_stalled: false,
                requests: 0,
                failures: 0,
            };
            self.state.workers.insert(id, worker);
            let handle = Handle {
                pid,
                pidfd,
                channel: Some(orphan.channel),
                lane: about.lane,
                lanes: about.lanes,
                beats: true,
                last_beat: 0,
                memory: 0,
                said: String::new(),
                reported: false,
            };
            self.handles.insert(id, handle);
        }
    }
}
