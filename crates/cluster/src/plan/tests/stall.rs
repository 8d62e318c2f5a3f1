//! Workers that give no sign of life.

use super::*;

fn serving(workers: usize) -> Table {
    Table::serving_with(Policy::default(), workers)
}

#[test]
fn a_stuck_worker_is_described_then_replaced_then_drained_then_ended() {
    let mut table = serving(1);
    table.only_after(30_000, "evidence 1; spawn 2 in 0 of 1");
    table.has_said("worker 0 has been stuck for 30.0 s");
    table.when(ready(2), "drain 1 to 2");
    table.now += Duration::from_secs(31);
    table.beats(2);
    table.only_after(1_000, "terminate 1");
    table.only_after(5_000, "kill 1");
    table.when(is_killed(1), "");
    assert_eq!(table.workers(), [2]);
}

#[test]
fn a_sign_of_life_is_enough() {
    let mut table = serving(1);
    for _ in 0..5 {
        table.after(29_999, "");
        table.beats(1);
    }
    table.only_after(30_000, "evidence 1; spawn 2 in 0 of 1");
}

#[test]
fn with_no_limit_nobody_is_stuck() {
    let mut table = Table::serving(2);
    assert_eq!(table.state.due(), None);
    table.after(86_400_000, "");
}

#[test]
fn all_workers_at_once_are_replaced_one_at_a_time() {
    let mut table = serving(3);
    table.only_after(30_000, "evidence 1; spawn 4 in 0 of 1; evidence 2; evidence 3");
    table.when(ready(4), "drain 1 to 4; spawn 5 in 1 of 1");
    table.when(ready(5), "drain 2 to 5; spawn 6 in 2 of 1");
    table.when(ready(6), "drain 3 to 6");
    assert_eq!(table.workers(), [4, 5, 6]);
}

#[test]
fn a_stuck_worker_that_dies_before_its_successor_is_ready_has_one_heir_in_the_end() {
    let mut table = serving(1);
    table.act(Event::Tick);
    table.only_after(30_000, "evidence 1; spawn 2 in 0 of 1");
    table.when(is_killed(1), "spawn 3 in 0 of 1");
    table.when(ready(2), "terminate 3");
    table.when(is_killed(3), "");
    assert_eq!(table.workers(), [2]);
}

#[test]
fn a_stuck_worker_that_dies_in_its_turn_is_not_replaced_twice() {
    let mut table = serving(2);
    table.only_after(30_000, "evidence 1; spawn 3 in 0 of 1; evidence 2");
    table.when(is_killed(2), "spawn 4 in 1 of 1");
    table.when(ready(3), "drain 1 to 3");
    table.when(ready(4), "");
    assert_eq!(table.workers(), [3, 4]);
    assert!(table.state.change.is_none());
}

#[test]
fn a_stuck_worker_whose_replacement_fails_is_tried_again_after_the_same_silence() {
    let mut table = serving(1);
    table.after(30_000, "evidence 1; spawn 2 in 0 of 1");
    table.when(exits(2, 1), "");
    table.has_said("a worker cannot be replaced");
    table.only_after(30_000, "evidence 1; spawn 3 in 0 of 1");
}

#[test]
fn a_stuck_worker_that_a_reload_replaces_is_not_replaced_again() {
    let mut table = Table::serving_with(Policy { canary: Duration::ZERO, ..Policy::default() }, 1);
    table.act(asks(7, RELOAD));
    table.after(30_000, "evidence 1");
    table.when(passes(), "spawn 2 in 0 of 2");
    table.when(ready(2), "drain 1 to 2; forget 1; announce ready");
    table.after(0, "");
    assert_eq!(table.workers(), [2]);
}

#[test]
fn a_stuck_worker_is_replaced_when_the_reload_that_was_to_do_it_fails() {
    let mut table = serving(1);
    table.act(asks(7, RELOAD));
    table.after(30_000, "evidence 1");
    table.when(fails(), "failed 7; announce ready; forget 2; spawn 2 in 0 of 1");
}

#[test]
fn workers_are_judged_only_after_all_of_them_could_speak() {
    // The supervisor itself was held up: it reads the signs of life one after the other.
    let mut table = serving(2);
    table.now += Duration::from_secs(100);
    table.when(Event::Beat { worker: 1 }, "");
    table.when(measured(1, 5, 0), "");
    table.when(Event::Beat { worker: 2 }, "");
    table.when(Event::Tick, "");
}

#[test]
fn a_worker_that_starts_or_leaves_is_not_stuck() {
    let mut table = Table::new(Policy { start_timeout: Duration::from_secs(600), ..Policy::default() }, 1);
    table.act(Event::Begin);
    table.after(60_000, "");
    table.act(ready(1));
    table.act(signal(STOP));
    table.after(31_999, "");
    table.only_after(1, "terminate 1");
}

#[test]
fn connections_are_not_handed_to_a_stuck_worker() {
    let mut table = serving(3);
    table.now += Duration::from_secs(30);
    table.beats(2);
    table.beats(3);
    table.when(Event::Tick, "evidence 1; spawn 4 in 0 of 1");
    table.when(exits(4, 1), "");
    table.state.workers.get_mut(&1).unwrap().is_stalled = true;
    table.when(asks(7, Command::Scale(2)), "drain 3 to 2; done 7");
}
