//! The supervisor's decisions: `plan(state, event, now) -> actions`.
//!
//! In: what is known, what happened, the time. Out: what to do. Pure: no clock, no process, no descriptor;
//! every race is a row of a table in the tests.

mod change;
mod event;
mod state;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub(crate) use event::{Action, Announcement, Event};
pub(crate) use state::{Asker, Command, Moment, Receipt, Stage, State, Worker, WorkerId};
use state::{Change, Stopping, Wish};
pub use state::{Exit, Policy};

/// An exit this soon after `READY=1` is a crash.
const TOO_SOON: Duration = Duration::from_secs(1);
/// The rest before the first restart of a crashed worker; doubled with each crash in a row.
const FIRST_REST: Duration = Duration::from_millis(100);
const LONGEST_REST: Duration = Duration::from_secs(15);
/// A slot with this many crashes within [`CRASH_WINDOW`] is broken.
const MOST_CRASHES: usize = 10;
const CRASH_WINDOW: Duration = Duration::from_secs(60);
/// From the deadline of a drain to SIGTERM: the worker itself should be faster.
const DRAIN_GRACE: Duration = Duration::from_secs(2);
/// From SIGTERM to SIGKILL.
const TERM_GRACE: Duration = Duration::from_secs(5);

/// Decides what to do about `event`.
pub(crate) fn plan(state: &mut State, event: Event, now: Moment) -> Vec<Action> {
    let mut actions = Vec::new();
    // Between two ticks the signs of life of some workers have been read, and those of others not yet.
    let may_judge = event == Event::Tick;
    match event {
        Event::Begin => begin(state, now, &mut actions),
        Event::Ready { worker } => ready(state, worker, now, &mut actions),
        Event::Leaving { worker } => leaving(state, worker, now, &mut actions),
        Event::Beat { worker } => {
            if let Some(worker) = state.workers.get_mut(&worker) {
                worker.beat = now;
            }
        }
        Event::SpawnFailed { worker, reason } => {
            actions.push(Action::Warn(format!("a worker cannot be started: {reason}")));
            exited(state, worker, &format!("could not be started ({reason})"), None, now, &mut actions);
        }
        Event::Exited { worker, exit } => {
            exited(state, worker, &exit.to_string(), Some(exit), now, &mut actions);
        }
        Event::Measured { worker, requests, failures, memory } => {
            measured(state, worker, (requests, failures, memory), now, &mut actions);
        }
        Event::Command { command, asker } => obey(state, command, asker, now, &mut actions),
        Event::Checked { outcome } => change::checked(state, outcome, now, &mut actions),
        Event::Tick => {}
    }
    tick(state, may_judge, now, &mut actions);
    up(state, &mut actions);
    actions
}

fn begin(state: &mut State, now: Moment, actions: &mut Vec<Action>) {
    // Whoever asked the program before this one has been told; its numbers are given anew.
    state.forget_askers();
    if state.stopping.is_some() {
        return;
    }
    for slot in 0..state.slots.len() {
        if state.slots[slot].worker.is_none() && state.slots[slot].restart_at.is_none() {
            start(state, slot, now, actions);
        }
    }
}

/// Starts a worker in a slot: of the serving generation, or of the one that is replacing it there already.
fn start(state: &mut State, slot: usize, now: Moment, actions: &mut Vec<Action>) {
    let change = state.change.as_ref().filter(|change| change.done.contains(&slot));
    let generation = change.map_or(state.generation, |change| change.generation);
    let id = spawn(state, slot, generation, now, actions);
    if let Some(slot) = state.slots.get_mut(slot) {
        slot.worker = Some(id);
        slot.restart_at = None;
        slot.spared_until = None;
        slot.is_broken = false;
    }
}

fn spawn(
    state: &mut State,
    slot: usize,
    generation: u32,
    now: Moment,
    actions: &mut Vec<Action>,
) -> WorkerId {
    let id = state.next_worker;
    state.next_worker += 1;
    let worker = Worker {
        slot,
        generation,
        stage: Stage::Starting { until: now + state.policy.start_timeout },
        started: now,
        ready: None,
        beat: now,
        is_stalled: false,
        requests: 0,
        failures: 0,
    };
    state.workers.insert(id, worker);
    actions.push(Action::Spawn { worker: id, slot, generation });
    id
}

fn ready(state: &mut State, id: WorkerId, now: Moment, actions: &mut Vec<Action>) {
    let Some(worker) = state.workers.get_mut(&id) else { return };
    if !matches!(worker.stage, Stage::Starting { .. }) {
        return;
    }
    worker.stage = Stage::Serving;
    worker.ready = Some(now);
    worker.beat = now;
    if state.is_successor(id) {
        change::successor_ready(state, id, now, actions);
    }
}

/// Says it once when every slot serves that can.
fn up(state: &mut State, actions: &mut Vec<Action>) {
    if !state.is_up && state.stopping.is_none() && state.all_serve() {
        state.is_up = true;
        actions.push(Action::Announce(Announcement::Ready));
    }
}

/// A worker that leaves unasked is replaced at once; it finishes its requests meanwhile.
fn leaving(state: &mut State, id: WorkerId, now: Moment, actions: &mut Vec<Action>) {
    let deadline = now + state.policy.drain_deadline;
    let Some(worker) = state.workers.get_mut(&id) else { return };
    if matches!(worker.stage, Stage::Draining { .. } | Stage::Killed) {
        return;
    }
    let was_serving = worker.stage == Stage::Serving;
    let too_soon = worker.ready.is_some_and(|ready| now.saturating_sub(ready) < TOO_SOON);
    worker.stage = Stage::Draining {
        term_at: Some(deadline + DRAIN_GRACE),
        kill_at: deadline + DRAIN_GRACE + TERM_GRACE,
    };
    let slot = worker.slot;
    if state.is_successor(id) {
        change::failed(state, "the new worker left again", now, actions);
    } else if was_serving && state.slots.get(slot).is_some_and(|slot| slot.worker == Some(id)) {
        state.slots[slot].restarts += 1;
        if too_soon {
            // Its place would be taken by one that does the same, and so on without a rest.
            return crashed(state, slot, "left right after it was ready", now, actions);
        }
        actions.push(Action::Info(format!("worker {slot} leaves; another one takes its place")));
        state.slots[slot].in_a_row = 0;
        start(state, slot, now, actions);
    }
}

fn exited(
    state: &mut State,
    id: WorkerId,
    how: &str,
    exit: Option<Exit>,
    now: Moment,
    actions: &mut Vec<Action>,
) {
    let is_successor = state.is_successor(id);
    let Some(worker) = state.workers.remove(&id) else { return };
    settle(state, id, actions);
    if let Some(stopping) = state.stopping {
        for slot in state.slots.iter_mut().filter(|slot| slot.worker == Some(id)) {
            slot.worker = None;
        }
        if state.workers.is_empty() {
            actions.push(Action::Exit { code: stopping.code });
        }
        return;
    }
    if is_successor {
        let reason = match worker.stage {
            Stage::Killed => "the new worker did not say READY in time".to_owned(),
            _ if worker.ready.is_none() && exit.is_some() => {
                format!("the new worker {how} before it was ready")
            }
            _ => format!("the new worker {how}"),
        };
        change::failed(state, &reason, now, actions);
        return;
    }
    let Some(slot) = state.slots.get_mut(worker.slot).filter(|slot| slot.worker == Some(id)) else {
        return;
    };
    slot.worker = None;
    // Nothing has ever served: what is wrong is for the operator to mend, now, and not to be repeated.
    if !state.is_up
        && worker.ready.is_none()
        && let Some(Exit::Code(code)) = exit
    {
        let code = u8::try_from(code).ok().filter(|code| *code > 0).unwrap_or(1);
        actions.push(Action::Warn(format!("worker {} {how} before it was ready", worker.slot)));
        stop(state, true, code, now, actions);
        return;
    }
    let slot_number = worker.slot;
    let is_crash = worker.ready.is_none_or(|ready| now.saturating_sub(ready) < TOO_SOON);
    slot.restarts += 1;
    if !is_crash {
        slot.in_a_row = 0;
        actions.push(Action::Warn(format!("worker {slot_number} {how}; another one takes its place")));
        start(state, slot_number, now, actions);
        return;
    }
    let when = match (exit, worker.ready) {
        (None, _) => "",
        (Some(_), None) => " before it was ready",
        (Some(_), Some(_)) => " right after it was ready",
    };
    crashed(state, slot_number, &format!("{how}{when}"), now, actions);
}

/// Notes a crash: the slot starts anew after a rest, or is broken.
fn crashed(state: &mut State, slot_number: usize, how: &str, now: Moment, actions: &mut Vec<Action>) {
    let Some(slot) = state.slots.get_mut(slot_number) else { return };
    slot.worker = None;
    slot.crashes.retain(|crash| now.saturating_sub(*crash) < CRASH_WINDOW);
    slot.crashes.push(now);
    slot.in_a_row += 1;
    if slot.crashes.len() >= MOST_CRASHES {
        slot.is_broken = true;
        actions.push(Action::Warn(format!(
            "worker {slot_number} {how}; it crashed {} times in {} s, so its slot is broken and stays empty; \
             the other workers go on; mend the application and reload",
            slot.crashes.len(),
            CRASH_WINDOW.as_secs(),
        )));
        return;
    }
    let rest = FIRST_REST.saturating_mul(1 << (slot.in_a_row - 1).min(16)).min(LONGEST_REST);
    slot.restart_at = Some(now + rest);
    actions.push(Action::Warn(format!(
        "worker {slot_number} {how}; trying again in {:.1} s",
        rest.as_secs_f64()
    )));
}

/// An old worker is gone; the change that waited for it may be complete.
fn settle(state: &mut State, id: WorkerId, actions: &mut Vec<Action>) {
    if let Some(change) = &mut state.change {
        change.draining.remove(&id);
    }
    for settling in &mut state.settling {
        settling.draining.remove(&id);
    }
    settled(state, actions);
}

/// Hands out the receipts of changes whose old workers are all gone.
fn settled(state: &mut State, actions: &mut Vec<Action>) {
    state.settling.retain(|settling| {
        if settling.draining.is_empty() {
            actions.push(Action::Receipt { asker: settling.asker, receipt: settling.receipt.clone() });
        }
        !settling.draining.is_empty()
    });
}

fn measured(
    state: &mut State,
    id: WorkerId,
    (requests, failures, memory): (u64, u64, u64),
    now: Moment,
    actions: &mut Vec<Action>,
) {
    let policy = state.policy.clone();
    let Some(worker) = state.workers.get_mut(&id) else { return };
    (worker.requests, worker.failures) = (requests, failures);
    if worker.stage != Stage::Serving || state.spared_until(id) > now {
        return;
    }
    // Not all at the same count: the third of a hundred differs by worker.
    let jitter = |most: u64| most - most / 10 + (most / 50).saturating_mul(id % 11);
    let reason = if policy.max_requests.is_some_and(|most| requests >= jitter(most)) {
        format!("it served {requests} requests")
    } else if policy.max_memory.is_some_and(|most| memory > most) {
        format!("it holds {} MiB of memory", memory >> 20)
    } else {
        return;
    };
    recycle(state, id, reason, now, actions);
}

/// Replaces one worker, in its turn. Asked for twice, it is done once.
fn recycle(state: &mut State, id: WorkerId, reason: String, now: Moment, actions: &mut Vec<Action>) {
    if !state.is_being_replaced(id) && state.stopping.is_none() {
        state.waiting.push_back(Wish::Recycle { worker: id, reason });
        change::next(state, now, actions);
    }
}

fn obey(state: &mut State, command: Command, asker: Option<Asker>, now: Moment, actions: &mut Vec<Action>) {
    match command {
        Command::Stop { fast } => {
            stop(state, fast, 0, now, actions);
            actions.push(Action::Done { asker, text: "stopping".to_owned() });
        }
        Command::Reopen => {
            actions.push(Action::Reopen);
            actions.push(Action::Done { asker, text: "every worker opens its logs anew".to_owned() });
        }
        _ if state.stopping.is_some() => {
            actions.push(Action::Failed { asker, reason: "the application is stopping".to_owned() });
        }
        Command::Reload | Command::Upgrade if state.change.as_ref().is_some_and(Change::is_reload) => {
            let reason = "a reload is under way; ask again when it is done".to_owned();
            actions.push(Action::Failed { asker, reason });
        }
        Command::Reload
        | Command::Restart
        | Command::Scale(_)
        | Command::More
        | Command::Fewer
        | Command::Upgrade => {
            state.waiting.push_back(Wish::Command { command, asker });
            change::next(state, now, actions);
        }
    }
}

/// Ends everything. A second wish, or a fast one, hurries the first.
fn stop(state: &mut State, fast: bool, code: u8, now: Moment, actions: &mut Vec<Action>) {
    let fast = fast || state.stopping.is_some();
    let first = state.stopping.is_none();
    if state.stopping.is_some_and(|stopping| stopping.fast) {
        for (id, worker) in &mut state.workers {
            worker.stage = Stage::Killed;
            actions.push(Action::Kill { worker: *id });
        }
        return;
    }
    let code = state.stopping.map_or(code, |stopping| stopping.code);
    state.stopping = Some(Stopping { fast, code });
    if first {
        actions.push(Action::Announce(Announcement::Stopping));
        change::give_up(state, "the application is stopping", actions);
    }
    for slot in &mut state.slots {
        slot.restart_at = None;
    }
    let ids: Vec<WorkerId> = state.workers.keys().copied().collect();
    for id in ids {
        drain(state, id, None, fast, now, actions);
    }
    // Later, the last one to end says it.
    if first && state.workers.is_empty() {
        actions.push(Action::Exit { code });
    }
}

/// Tells a worker to leave, and notes when to insist.
fn drain(
    state: &mut State,
    id: WorkerId,
    to: Option<WorkerId>,
    fast: bool,
    now: Moment,
    actions: &mut Vec<Action>,
) {
    let deadline = if fast { now } else { now + state.policy.drain_deadline };
    let Some(worker) = state.workers.get_mut(&id) else { return };
    match worker.stage {
        Stage::Killed => return,
        Stage::Draining { .. } if !fast => return,
        _ => {}
    }
    let is_ready = worker.ready.is_some();
    let (term_at, kill_at) = if is_ready {
        (Some(deadline + DRAIN_GRACE), deadline + DRAIN_GRACE + TERM_GRACE)
    } else {
        (None, now + DRAIN_GRACE)
    };
    worker.stage = match worker.stage {
        // To hurry is never to wait for longer.
        Stage::Draining { term_at: was, kill_at: killed } => {
            Stage::Draining { term_at: was.min(term_at), kill_at: killed.min(kill_at) }
        }
        _ => Stage::Draining { term_at, kill_at },
    };
    actions.push(if is_ready {
        Action::Drain { worker: id, to, fast }
    } else {
        // It has no connections, and may not listen to anything else yet.
        Action::Terminate { worker: id }
    });
}

/// What is due. Only with `may_judge` are signs of life missed.
fn tick(state: &mut State, may_judge: bool, now: Moment, actions: &mut Vec<Action>) {
    let mut stalled = Vec::new();
    let mut aged = Vec::new();
    for (id, worker) in &mut state.workers {
        match worker.stage {
            Stage::Starting { until } if until <= now => {
                actions.push(Action::Warn(format!(
                    "worker {} did not say READY within {} s; it is killed",
                    worker.slot,
                    state.policy.start_timeout.as_secs_f64()
                )));
                worker.stage = Stage::Killed;
                actions.push(Action::Kill { worker: *id });
            }
            Stage::Draining { term_at: Some(at), kill_at } if at <= now => {
                // However late this is, it has its time to end by itself.
                worker.stage = Stage::Draining { term_at: None, kill_at: kill_at.max(now + TERM_GRACE) };
                actions.push(Action::Terminate { worker: *id });
            }
            Stage::Draining { term_at: None, kill_at } if kill_at <= now => {
                worker.stage = Stage::Killed;
                actions.push(Action::Kill { worker: *id });
            }
            Stage::Serving => {
                let limit = state.policy.stall_timeout;
                if may_judge && !limit.is_zero() && !worker.is_stalled && worker.beat + limit <= now {
                    worker.is_stalled = true;
                    stalled.push((*id, worker.slot, now.saturating_sub(worker.beat)));
                } else if state.policy.max_age.is_some_and(|age| worker.started + age <= now) {
                    aged.push(*id);
                }
            }
            _ => {}
        }
    }
    for (id, slot, silence) in stalled {
        let silence = silence.as_secs_f64();
        actions
            .push(Action::Warn(format!("worker {slot} has been stuck for {silence:.1} s; it is replaced")));
        actions.push(Action::Evidence { worker: id });
        if state.is_successor(id) {
            change::failed(state, "the new worker was stuck", now, actions);
            continue;
        }
        recycle(state, id, "it was stuck".to_owned(), now, actions);
    }
    for id in aged {
        if state.spared_until(id) <= now {
            recycle(state, id, "it reached its age".to_owned(), now, actions);
        }
    }
    if state.stopping.is_none() {
        for slot in 0..state.slots.len() {
            if state.slots[slot].restart_at.is_some_and(|at| at <= now) {
                start(state, slot, now, actions);
            }
        }
        change::watch(state, now, actions);
        change::next(state, now, actions);
    }
}
