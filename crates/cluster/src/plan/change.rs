//! Changes: reload, roll-back, recycling; new before old, one slot at a time.
//!
//! In: a change's state and what happened to its successor. Out: the next step.

use std::collections::{BTreeSet, VecDeque};

use super::event::{Action, Announcement};
use super::state::{
    Asker, Change, Command, Moment, Receipt, Settling, Slot, Stage, State, Step, Why, Wish, WorkerId,
};
use super::{LONGEST_REST, drain, settled, spawn, start};

/// More workers than anyone has cores for.
const MOST_WORKERS: usize = 512;
/// Failures of the successor that the canary needs to see before it believes them.
const ENOUGH_FAILURES: u64 = 5;

impl Change {
    fn new(why: Why, generation: u32, slots: VecDeque<usize>, step: Step, now: Moment) -> Self {
        Self {
            why,
            began: now,
            generation,
            remaining: slots,
            step,
            done: Vec::new(),
            draining: BTreeSet::new(),
        }
    }

    pub(super) fn is_reload(&self) -> bool {
        matches!(self.why, Why::Reload { .. } | Why::RollBack { .. })
    }

    fn asker(&self) -> Option<Asker> {
        match self.why {
            Why::Reload { asker, .. } => asker,
            _ => None,
        }
    }
}

/// Begins what waits, if nothing is under way.
pub(super) fn next(state: &mut State, now: Moment, actions: &mut Vec<Action>) {
    while state.change.is_none() && state.stopping.is_none() {
        match state.waiting.pop_front() {
            None => return,
            Some(Wish::Recycle { worker, reason }) => {
                let slot = state.slots.iter().position(|slot| slot.worker == Some(worker));
                // It may have ended by itself meanwhile.
                let Some(slot) = slot else { continue };
                actions.push(Action::Info(format!("worker {slot} is replaced: {reason}")));
                let why = Why::Recycle { worker, reason };
                let generation = state.generation;
                state.change = Some(Change::new(why, generation, [slot].into(), Step::Between, now));
                advance(state, now, actions);
            }
            Some(Wish::Command { command, asker }) => command_begins(state, command, asker, now, actions),
        }
    }
}

fn command_begins(
    state: &mut State,
    command: Command,
    asker: Option<Asker>,
    now: Moment,
    actions: &mut Vec<Action>,
) {
    match command {
        Command::Reload => {
            state.newest += 1;
            let why = Why::Reload { asker, from: state.generation };
            let slots = (0..state.slots.len()).collect();
            state.change = Some(Change::new(why, state.newest, slots, Step::Checking, now));
            actions.push(Action::Announce(Announcement::Reloading));
            actions.push(Action::Check { generation: state.newest });
        }
        Command::Restart => restart(state, asker, now, actions),
        Command::Scale(count) => scale(state, count, asker, now, actions),
        Command::More => scale(state, state.slots.len() + 1, asker, now, actions),
        Command::Fewer => scale(state, state.slots.len().saturating_sub(1), asker, now, actions),
        Command::Upgrade => actions.push(Action::Upgrade { asker }),
        Command::Stop { .. } | Command::Reopen => {}
    }
}

/// All workers leave, and each slot starts anew, all at once.
fn restart(state: &mut State, asker: Option<Asker>, now: Moment, actions: &mut Vec<Action>) {
    let old: Vec<WorkerId> = state.slots.iter().filter_map(|slot| slot.worker).collect();
    for slot in &mut state.slots {
        let restarts = slot.restarts + 1;
        *slot = Slot { restarts, restart_at: Some(now), ..Slot::default() };
    }
    for id in old {
        drain(state, id, None, false, now, actions);
    }
    actions.push(Action::Done { asker, text: format!("{} workers restart", state.slots.len()) });
}

fn scale(state: &mut State, count: usize, asker: Option<Asker>, now: Moment, actions: &mut Vec<Action>) {
    let before = state.slots.len();
    if count > MOST_WORKERS {
        let reason = format!("{count} workers are too many; {MOST_WORKERS} are the most");
        actions.push(Action::Failed { asker, reason });
        return;
    }
    if count == 0 {
        let reason = "at least one worker is needed; to end them all, stop the application".to_owned();
        actions.push(Action::Failed { asker, reason });
        return;
    }
    while state.slots.len() < count {
        state.slots.push(Slot::default());
        start(state, state.slots.len() - 1, now, actions);
    }
    let leaving: Vec<WorkerId> = state.slots.drain(count..).filter_map(|slot| slot.worker).collect();
    let heirs: Vec<WorkerId> = state
        .slots
        .iter()
        .filter_map(|slot| slot.worker)
        .filter(|id| {
            state.workers.get(id).is_some_and(|worker| worker.stage == Stage::Serving && !worker.is_stalled)
        })
        .collect();
    for (index, id) in leaving.into_iter().enumerate() {
        let heir = heirs.get(index % heirs.len().max(1)).copied();
        drain(state, id, heir, false, now, actions);
    }
    actions.push(Action::Done { asker, text: format!("{before} → {count} workers") });
}

/// The check of the new program is over.
pub(super) fn checked(
    state: &mut State,
    outcome: Result<(), String>,
    now: Moment,
    actions: &mut Vec<Action>,
) {
    let Some(change) = state.change.as_mut().filter(|change| change.step == Step::Checking) else { return };
    match outcome {
        Ok(()) => {
            change.step = Step::Between;
            advance(state, now, actions);
        }
        Err(reason) => failed(state, &reason, now, actions),
    }
}

/// Takes the next slot, or finishes.
fn advance(state: &mut State, now: Moment, actions: &mut Vec<Action>) {
    let slots = state.slots.len();
    let Some(change) = &mut state.change else { return };
    let generation = change.generation;
    let slot = std::iter::from_fn(|| change.remaining.pop_front()).find(|slot| *slot < slots);
    let Some(slot) = slot else { return finish(state, now, actions) };
    let successor = spawn(state, slot, generation, now, actions);
    if let Some(change) = &mut state.change {
        change.step = Step::Starting { slot, successor };
    }
}

/// The successor serves: it is watched, or takes over.
pub(super) fn successor_ready(state: &mut State, id: WorkerId, now: Moment, actions: &mut Vec<Action>) {
    let canary = state.policy.canary;
    let Some(change) = &mut state.change else { return };
    let Step::Starting { slot, successor } = change.step else { return };
    let is_canary = matches!(change.why, Why::Reload { .. }) && change.done.is_empty() && !canary.is_zero();
    if successor != id {
        return;
    }
    if !is_canary {
        return take_over(state, slot, id, now, actions);
    }
    let others = state.workers.values().filter(|worker| worker.generation != change.generation);
    let before = others.fold((0, 0), |sum, worker| (sum.0 + worker.requests, sum.1 + worker.failures));
    change.step = Step::Watching { slot, successor, until: now + canary, before };
    let text = format!("worker {slot} is ready; watching it for {} s", canary.as_secs_f64());
    actions.push(Action::Progress { asker: change.asker(), text });
}

/// Ends the watch of the canary when its time is over.
pub(super) fn watch(state: &mut State, now: Moment, actions: &mut Vec<Action>) {
    let Some(change) = &state.change else { return };
    let Step::Watching { slot, successor, until, before } = change.step else { return };
    if until > now {
        return;
    }
    let Some(worker) = state.workers.get(&successor) else { return };
    if is_worse((worker.requests, worker.failures), before) {
        let reason = format!(
            "the new worker answered {} of {} requests with 5xx within {} s; the old ones did so for {} of {}",
            worker.failures,
            worker.requests,
            state.policy.canary.as_secs_f64(),
            before.1,
            before.0,
        );
        failed(state, &reason, now, actions);
    } else {
        take_over(state, slot, successor, now, actions);
    }
}

/// Whether the share of failures is clearly higher: at least five, and twice the share plus a twentieth.
fn is_worse((requests, failures): (u64, u64), (old_requests, old_failures): (u64, u64)) -> bool {
    let share = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
    failures >= ENOUGH_FAILURES && share(failures, requests) > 2.0 * share(old_failures, old_requests) + 0.05
}

/// The successor gets the slot; the worker before it may go.
fn take_over(state: &mut State, slot: usize, id: WorkerId, now: Moment, actions: &mut Vec<Action>) {
    let Some(place) = state.slots.get_mut(slot) else {
        // The slot was given up meanwhile.
        drain(state, id, None, false, now, actions);
        return step_done(state, now, actions);
    };
    let old = place.worker.replace(id);
    place.is_broken = false;
    place.crashes.clear();
    place.in_a_row = 0;
    place.restart_at = None;
    place.spared_until = None;
    if let Some(change) = &mut state.change {
        change.done.push(slot);
        change.draining.extend(old);
        let text = format!("worker {slot} is replaced ({} left)", change.remaining.len());
        actions.push(Action::Progress { asker: change.asker(), text });
    }
    if let Some(old) = old {
        drain(state, old, Some(id), false, now, actions);
    }
    step_done(state, now, actions);
}

fn step_done(state: &mut State, now: Moment, actions: &mut Vec<Action>) {
    if let Some(change) = &mut state.change {
        change.step = Step::Between;
    }
    advance(state, now, actions);
}

/// Every slot is changed; old workers may still be draining.
fn finish(state: &mut State, now: Moment, actions: &mut Vec<Action>) {
    let Some(mut change) = state.change.take() else { return };
    match change.why {
        Why::Reload { asker, from } => {
            // Those that left by themselves belong to it, too.
            let old = state.workers.iter().filter(|(_, worker)| worker.generation == from);
            change.draining.extend(old.map(|(id, _)| *id));
            state.generation = change.generation;
            let receipt = Receipt {
                from,
                to: change.generation,
                workers: change.done.len(),
                began: change.began,
                switched: now,
            };
            actions.push(Action::Forget { generation: from });
            actions.push(Action::Announce(Announcement::Ready));
            let text = "every worker is replaced; the old ones finish their requests".to_owned();
            actions.push(Action::Progress { asker, text });
            state.settling.push(Settling { asker, receipt, draining: change.draining });
            settled(state, actions);
        }
        Why::RollBack { from } => {
            actions.push(Action::Forget { generation: from });
            let text = format!("generation {} serves again in every slot", change.generation);
            actions.push(Action::Info(text));
        }
        Why::Recycle { .. } => {}
    }
}

/// The successor is no good: the old worker keeps serving. Slots that were changed already go back.
pub(super) fn failed(state: &mut State, reason: &str, now: Moment, actions: &mut Vec<Action>) {
    let Some(change) = state.change.take() else { return };
    if let Step::Starting { successor, .. } | Step::Watching { successor, .. } = change.step {
        drain(state, successor, slot_worker(state, &change.step), false, now, actions);
    }
    match change.why {
        Why::Reload { asker, from } => {
            actions.push(Action::Failed {
                asker,
                reason: format!(
                    "reload {from} → {}: {reason}; generation {from} keeps serving",
                    change.generation
                ),
            });
            actions.push(Action::Announce(Announcement::Ready));
            if change.done.is_empty() {
                actions.push(Action::Forget { generation: change.generation });
                return;
            }
            let why = Why::RollBack { from: change.generation };
            let slots = change.done.into_iter().collect();
            state.change = Some(Change::new(why, from, slots, Step::Between, now));
            advance(state, now, actions);
        }
        Why::RollBack { from } => {
            // What runs of it runs on; nothing is started of it again.
            actions.push(Action::Forget { generation: from });
            actions.push(Action::Warn(format!("the roll-back failed, too: {reason}; reload again")));
        }
        Why::Recycle { worker, .. } => {
            actions.push(Action::Warn(format!("a worker cannot be replaced: {reason}; trying again")));
            for slot in state.slots.iter_mut().filter(|slot| slot.worker == Some(worker)) {
                slot.spared_until = Some(now + LONGEST_REST);
            }
            if let Some(worker) = state.workers.get_mut(&worker) {
                // The next sign of life that is missed brings it back here.
                worker.is_stalled = false;
                worker.beat = now;
            }
        }
    }
}

fn slot_worker(state: &State, step: &Step) -> Option<WorkerId> {
    let (Step::Starting { slot, .. } | Step::Watching { slot, .. }) = step else { return None };
    state.slots.get(*slot)?.worker
}

/// Everything ends; who waits is told.
pub(super) fn give_up(state: &mut State, reason: &str, actions: &mut Vec<Action>) {
    let change = state.change.take().and_then(|change| change.asker());
    let settling = state.settling.drain(..).filter_map(|settling| settling.asker);
    let waiting = state.waiting.drain(..).filter_map(|wish| match wish {
        Wish::Command { asker, .. } => asker,
        Wish::Recycle { .. } => None,
    });
    for asker in change.into_iter().chain(settling).chain(waiting) {
        actions.push(Action::Failed { asker: Some(asker), reason: reason.to_owned() });
    }
}
