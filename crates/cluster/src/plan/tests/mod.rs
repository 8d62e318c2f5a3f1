//! The plan's tables: what happens, and what is done about it, in short.
//!
//! A [`Table`] holds a state and a time. `when(event, "spawn 3 in 0 of 2; drain 1 to 3")` says what must be
//! done about an event, in order; texts are kept aside. After each step the state is written and read back.

mod canary;
mod crash;
mod life;
mod races;
mod random;
mod recycle;
mod reload;
mod scale;
mod stall;
mod stop;
mod world;

use std::time::Duration;

use super::state::{Exit, Policy};
use super::{Action, Announcement, Asker, Command, Event, Moment, State, WorkerId, plan};

struct Table {
    state: State,
    now: Moment,
    said: Vec<String>,
}

impl Table {
    fn new(policy: Policy, workers: usize) -> Self {
        Self { state: State::new(policy, workers), now: Duration::from_secs(1000), said: Vec::new() }
    }

    /// Workers 1 to `workers` serve, and have done so for ten seconds.
    fn serving_with(policy: Policy, workers: usize) -> Self {
        let mut table = Self::new(policy, workers);
        table.act(Event::Begin);
        for worker in 1..=workers as WorkerId {
            table.act(Event::Ready { worker });
        }
        assert!(table.state.is_up);
        table.now += Duration::from_secs(10);
        for worker in 1..=workers as WorkerId {
            table.act(Event::Beat { worker });
        }
        table
    }

    fn serving(workers: usize) -> Self {
        Self::serving_with(patient(), workers)
    }

    fn act(&mut self, event: Event) -> String {
        let is_tick = event == Event::Tick;
        let actions = plan(&mut self.state, event, self.now);
        let written = serde_json::to_value(&self.state).unwrap();
        self.state = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(serde_json::to_value(&self.state).unwrap(), written);
        if is_tick {
            assert!(self.state.due().is_none_or(|due| due >= self.now), "due in the past: {:?}", self.state);
        }
        for action in &actions {
            match action {
                Action::Progress { text, .. }
                | Action::Done { text, .. }
                | Action::Failed { reason: text, .. } => {
                    self.said.push(text.clone());
                }
                Action::Info(text) | Action::Warn(text) => self.said.push(text.clone()),
                _ => {}
            }
        }
        actions.iter().filter_map(short).collect::<Vec<_>>().join("; ")
    }

    /// What must be done about an event.
    #[track_caller]
    fn when(&mut self, event: Event, expected: &str) {
        let name = format!("{event:?}");
        assert_eq!(self.act(event), expected, "when {name} at {:?}: {:#?}", self.now, self.state);
    }

    /// What must be done when time has passed.
    #[track_caller]
    fn after(&mut self, milliseconds: u64, expected: &str) {
        self.now += Duration::from_millis(milliseconds);
        self.when(Event::Tick, expected);
    }

    /// Time passes, and nothing may happen until the very end of it.
    #[track_caller]
    fn only_after(&mut self, milliseconds: u64, expected: &str) {
        let end = self.now + Duration::from_millis(milliseconds);
        assert_eq!(self.state.due(), Some(end), "something is due at another time");
        self.after(milliseconds - 1, "");
        self.after(1, expected);
    }

    /// A worker lives: it gives a sign of life.
    fn beats(&mut self, worker: WorkerId) {
        self.act(Event::Beat { worker });
    }

    #[track_caller]
    fn has_said(&self, part: &str) {
        assert!(self.said.iter().any(|text| text.contains(part)), "nobody said {part:?}: {:#?}", self.said);
    }

    /// The worker of each slot; 0 where there is none.
    fn workers(&self) -> Vec<WorkerId> {
        self.state.slots.iter().map(|slot| slot.worker.unwrap_or(0)).collect()
    }
}

/// Nothing is timed that a test does not speak of.
fn patient() -> Policy {
    Policy { stall_timeout: Duration::ZERO, ..Policy::default() }
}

/// As [`patient`], and a reload does not watch its first worker.
fn without_canary() -> Policy {
    Policy { canary: Duration::ZERO, ..patient() }
}

fn short(action: &Action) -> Option<String> {
    let who = |asker: &Option<Asker>| asker.map(|asker| format!(" {asker}")).unwrap_or_default();
    Some(match action {
        Action::Check { generation } => format!("check {generation}"),
        Action::Spawn { worker, slot, generation } => format!("spawn {worker} in {slot} of {generation}"),
        Action::Drain { worker, to, fast } => {
            let to = to.map(|to| format!(" to {to}")).unwrap_or_default();
            format!("drain {worker}{to}{}", if *fast { " fast" } else { "" })
        }
        Action::Terminate { worker } => format!("terminate {worker}"),
        Action::Kill { worker } => format!("kill {worker}"),
        Action::Evidence { worker } => format!("evidence {worker}"),
        Action::Reopen => "reopen".to_owned(),
        Action::Forget { generation } => format!("forget {generation}"),
        Action::Upgrade { asker } => format!("upgrade{}", who(asker)),
        Action::Receipt { asker, receipt } => {
            format!("receipt{} {}→{} of {}", who(asker), receipt.from, receipt.to, receipt.workers)
        }
        Action::Done { asker, .. } => format!("done{}", who(asker)),
        Action::Failed { asker, .. } => format!("failed{}", who(asker)),
        Action::Announce(Announcement::Ready) => "announce ready".to_owned(),
        Action::Announce(Announcement::Reloading) => "announce reloading".to_owned(),
        Action::Announce(Announcement::Stopping) => "announce stopping".to_owned(),
        Action::Exit { code } => format!("exit {code}"),
        Action::Progress { .. } | Action::Info(_) | Action::Warn(_) => return None,
    })
}

fn ready(worker: WorkerId) -> Event {
    Event::Ready { worker }
}

fn leaves(worker: WorkerId) -> Event {
    Event::Leaving { worker }
}

fn exits(worker: WorkerId, code: i32) -> Event {
    Event::Exited { worker, exit: Exit::Code(code) }
}

fn is_killed(worker: WorkerId) -> Event {
    Event::Exited { worker, exit: Exit::Signal(9) }
}

fn cannot_be_spawned(worker: WorkerId) -> Event {
    Event::SpawnFailed { worker, reason: "out of memory".to_owned() }
}

fn measured(worker: WorkerId, requests: u64, failures: u64) -> Event {
    Event::Measured { worker, requests, failures, memory: 0 }
}

fn asks(asker: Asker, command: Command) -> Event {
    Event::Command { command, asker: Some(asker) }
}

fn signal(command: Command) -> Event {
    Event::Command { command, asker: None }
}

fn passes() -> Event {
    Event::Checked { outcome: Ok(()) }
}

fn fails() -> Event {
    Event::Checked { outcome: Err("line 3: no such key".to_owned()) }
}

const RELOAD: Command = Command::Reload;
const STOP: Command = Command::Stop { fast: false };
const STOP_FAST: Command = Command::Stop { fast: true };
