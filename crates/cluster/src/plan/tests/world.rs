//! A world of processes that do what the plan says, or do not, by chance; and what must hold at every step.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::super::state::Stage;
use super::*;

/// A small generator of numbers that look random (SplitMix64): the same seed gives the same run.
pub(super) struct Chance(pub(super) u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }

    pub(super) fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }
}

#[derive(Default)]
struct Process {
    is_ready: bool,
    /// It gives no sign of life.
    is_stuck: bool,
    /// It was told to leave, or said that it does.
    may_end: bool,
    is_killed: bool,
    requests: u64,
    failures: u64,
}

pub(super) struct World {
    pub(super) state: State,
    now: Moment,
    pub(super) chance: Chance,
    processes: BTreeMap<WorkerId, Process>,
    used: BTreeSet<WorkerId>,
    checking: bool,
    /// How many answers each asker got.
    answers: BTreeMap<Asker, u32>,
    stops: u32,
    pub(super) exits: u32,
    is_healthy: bool,
    may_stop: bool,
}

impl World {
    pub(super) fn new(seed: u64, may_stop: bool) -> Self {
        let mut chance = Chance(seed);
        let policy = Policy {
            canary: Duration::from_secs(chance.below(3)),
            stall_timeout: Duration::from_secs(chance.below(2) * 30),
            max_requests: chance.one_in(3).then_some(500),
            max_age: chance.one_in(3).then_some(Duration::from_secs(120)),
            max_memory: chance.one_in(3).then_some(1000),
            ..Policy::default()
        };
        let workers = 1 + chance.index(4);
        let mut world = Self {
            state: State::new(policy, workers),
            now: Duration::from_secs(500),
            chance,
            processes: BTreeMap::new(),
            used: BTreeSet::new(),
            checking: false,
            answers: BTreeMap::new(),
            stops: 0,
            exits: 0,
            is_healthy: true,
            may_stop,
        };
        world.happen(Event::Begin);
        // Half of all runs begin well: otherwise most would end with their first start.
        if world.chance.one_in(2) {
            world.live_well(2);
        }
        world.is_healthy = false;
        world
    }

    fn happen(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let is_tick = event == Event::Tick;
            let actions = plan(&mut self.state, event, self.now);
            for action in actions {
                events.extend(self.act(&action));
            }
            if is_tick && self.exits == 0 {
                self.assert_due();
            }
        }
        self.assert_sound();
    }

    fn act(&mut self, action: &Action) -> Option<Event> {
        match *action {
            Action::Check { .. } => self.checking = true,
            Action::Spawn { worker, .. } => {
                assert!(self.used.insert(worker), "worker {worker} was there before");
                assert_eq!(self.stops, 0, "a worker is started after a stop");
                if !self.is_healthy && self.chance.one_in(15) {
                    return Some(cannot_be_spawned(worker));
                }
                self.processes.insert(worker, Process::default());
            }
            Action::Drain { worker, to, .. } => {
                assert_ne!(to, Some(worker));
                self.processes.get_mut(&worker).unwrap().may_end = true;
            }
            Action::Terminate { worker } => {
                assert!(self.used.contains(&worker));
                // Where a start has just failed, the plan does not know it yet.
                if let Some(process) = self.processes.get_mut(&worker) {
                    process.may_end = true;
                }
            }
            Action::Kill { worker } => {
                let process = self.processes.get_mut(&worker).unwrap();
                let is_innocent = process.is_ready && !process.may_end;
                assert!(!is_innocent || self.state.stopping.is_some(), "worker {worker} is killed unasked");
                process.is_killed = true;
            }
            Action::Evidence { worker } => assert!(self.processes[&worker].is_ready),
            Action::Upgrade { asker: Some(asker) }
            | Action::Receipt { asker: Some(asker), .. }
            | Action::Done { asker: Some(asker), .. }
            | Action::Failed { asker: Some(asker), .. } => *self.answers.get_mut(&asker).unwrap() += 1,
            Action::Progress { asker: Some(asker), .. } => {
                assert_eq!(self.answers[&asker], 0, "{asker} hears more after the last word");
            }
            Action::Announce(Announcement::Stopping) => self.stops += 1,
            Action::Exit { .. } => {
                assert_eq!(self.stops, 1);
                assert!(self.state.workers.is_empty());
                self.exits += 1;
            }
            _ => {}
        }
        None
    }

    fn assert_due(&self) {
        let due = self.state.due();
        assert!(
            due.is_none_or(|due| due >= self.now),
            "due at {due:?}, now {:?}: {:#?}",
            self.now,
            self.state
        );
        let rests = self.state.slots.iter().any(|slot| slot.restart_at.is_some());
        let is_timed = |stage| matches!(stage, Stage::Starting { .. } | Stage::Draining { .. });
        if rests || self.state.workers.values().any(|worker| is_timed(worker.stage)) {
            assert!(due.is_some(), "nothing is due: {:#?}", self.state);
        }
    }

    fn assert_sound(&mut self) {
        let state = &self.state;
        let mut seen = BTreeSet::new();
        for slot in &state.slots {
            if let Some(id) = slot.worker {
                assert!(state.workers.contains_key(&id), "a slot has a worker that is not there: {state:#?}");
                assert!(seen.insert(id), "two slots have one worker: {state:#?}");
                assert!(slot.restart_at.is_none() && !slot.is_broken, "{state:#?}");
            } else if state.stopping.is_none() && !slot.is_broken {
                assert!(slot.restart_at.is_some(), "a slot is forgotten: {state:#?}");
            }
        }
        assert!(state.workers.keys().eq(self.processes.keys()), "{state:#?}");
        let active = |stage| matches!(stage, Stage::Starting { .. } | Stage::Serving);
        let count = state.workers.values().filter(|worker| active(worker.stage)).count();
        assert!(count <= state.slots.len() + 1, "{count} workers: {state:#?}");
        for (id, worker) in &state.workers {
            let has_place = seen.contains(id) || state.is_successor(*id);
            assert!(has_place || !active(worker.stage), "worker {id} has no place and stays: {state:#?}");
        }
        assert!(state.change.is_some() || state.waiting.is_empty(), "nothing begins: {state:#?}");
        assert!(state.stopping.is_none() || state.change.is_none());
        assert!(self.exits <= 1 && self.answers.values().all(|count| *count <= 1), "{:?}", self.answers);
        if self.chance.one_in(if self.is_healthy { 400 } else { 40 }) {
            let written = serde_json::to_string(&self.state).unwrap();
            self.state = serde_json::from_str(&written).unwrap();
            assert_eq!(serde_json::to_string(&self.state).unwrap(), written);
        }
    }

    fn any_process(&mut self) -> WorkerId {
        let at = self.chance.index(self.processes.len().max(1));
        self.processes.keys().nth(at).copied().unwrap_or(0)
    }

    fn ends(&mut self, id: WorkerId, exit: Exit) {
        if self.processes.remove(&id).is_some() {
            self.happen(Event::Exited { worker: id, exit });
        }
    }

    fn is_ready(&mut self, id: WorkerId) {
        if let Some(process) = self.processes.get_mut(&id) {
            // One that is told to leave first may say it all the same.
            process.is_ready |= matches!(self.state.workers[&id].stage, Stage::Starting { .. });
        }
        self.happen(ready(id));
    }

    fn asks(&mut self, command: Command) {
        let asker = self.answers.len() as Asker + 1;
        self.answers.insert(asker, 0);
        self.happen(asks(asker, command));
    }

    fn checked(&mut self, is_good: bool) {
        if std::mem::take(&mut self.checking) {
            self.happen(if is_good { passes() } else { fails() });
        }
    }

    fn pass(&mut self, milliseconds: u64) {
        self.now += Duration::from_millis(milliseconds);
        for id in self.processes.keys().copied().collect::<Vec<_>>() {
            let busy = self.chance.below(5);
            let fails = if self.is_healthy { 0 } else { self.chance.below(3) };
            let memory = if self.is_healthy { 0 } else { self.chance.below(1005) };
            let Some(process) = self.processes.get_mut(&id) else { continue };
            process.requests += busy * milliseconds / 100;
            process.failures += (busy * fails * milliseconds / 1000).min(busy * milliseconds / 100);
            let (requests, failures) = (process.requests, process.failures);
            if !process.is_stuck {
                self.happen(Event::Beat { worker: id });
            }
            self.happen(Event::Measured { worker: id, requests, failures, memory });
        }
        self.happen(Event::Tick);
    }

    /// Something happens, by chance.
    pub(super) fn step(&mut self) {
        let id = self.any_process();
        match self.chance.below(100) {
            0..25 => {
                let time = self.chance.below(3_000);
                self.pass(time);
            }
            25..30 => {
                let time = self.chance.below(70_000);
                self.pass(time);
            }
            30..55 => self.is_ready(id),
            55..65 if self.processes.get(&id).is_some_and(|process| process.may_end || process.is_killed) => {
                self.ends(id, Exit::Code(0));
            }
            55..60 => {
                let exit = [Exit::Code(0), Exit::Code(1), Exit::Signal(9), Exit::Signal(11), Exit::Unknown];
                let at = self.chance.index(5);
                self.ends(id, exit[at]);
            }
            60..65 => {
                if let Some(process) = self.processes.get_mut(&id) {
                    process.is_stuck = true;
                }
            }
            65..70 => {
                if let Some(process) = self.processes.get_mut(&id) {
                    process.may_end = true;
                }
                self.happen(leaves(id));
            }
            70..82 => {
                let is_good = !self.chance.one_in(5);
                self.checked(is_good);
            }
            82..87 => self.asks(RELOAD),
            87..89 => self.asks(Command::More),
            89..91 => self.asks(Command::Fewer),
            91..93 => {
                let count = self.chance.index(6);
                self.asks(Command::Scale(count));
            }
            93 => self.asks(Command::Restart),
            94 => self.asks(Command::Upgrade),
            95 => self.asks(Command::Reopen),
            96..98 => {
                // Words of somebody who is gone, or never was.
                let unknown = self.chance.below(self.state.next_worker + 5);
                for event in [ready(unknown), leaves(unknown), measured(unknown, 9, 9), exits(unknown, 1)] {
                    // It may be started by what is due meanwhile.
                    if !self.processes.contains_key(&unknown) {
                        self.happen(event);
                    }
                }
            }
            98 if self.may_stop && self.chance.one_in(3) => {
                let fast = self.chance.one_in(2);
                self.asks(Command::Stop { fast });
            }
            _ => self.happen(Event::Tick),
        }
    }

    /// From now on programs are good and processes do as they are told.
    pub(super) fn live_well(&mut self, seconds: u64) {
        self.is_healthy = true;
        for _ in 0..seconds / 2 {
            self.checked(true);
            for id in self.processes.keys().copied().collect::<Vec<_>>() {
                let process = &self.processes[&id];
                if process.may_end || process.is_killed {
                    self.ends(id, Exit::Code(0));
                } else if !process.is_ready {
                    self.is_ready(id);
                }
            }
            if self.exits > 0 {
                return;
            }
            self.pass(2_000);
        }
    }

    /// After a good time everything serves, or has ended, and nobody waits for an answer.
    pub(super) fn assert_well(&mut self) {
        self.live_well(60);
        if self.state.stopping.is_none() {
            // Slots that were broken are mended by this.
            self.asks(RELOAD);
            self.live_well(40);
            let generation = self.state.generation;
            for slot in &self.state.slots {
                let worker = slot.worker.and_then(|id| self.state.workers.get(&id));
                let serves = worker
                    .is_some_and(|worker| worker.stage == Stage::Serving && worker.generation == generation);
                assert!(serves, "a slot does not serve: {:#?}", self.state);
            }
            assert!(self.state.is_up && self.state.settling.is_empty(), "{:#?}", self.state);
        } else {
            assert_eq!(self.exits, 1, "{:#?}", self.state);
        }
        let silent: Vec<_> = self.answers.iter().filter(|(_, count)| **count != 1).collect();
        assert!(silent.is_empty(), "not one answer each: {silent:?}: {:#?}", self.state);
    }
}
