//! From the first start to the first READY, and what a healthy worker may do by itself.

use super::*;

#[test]
fn every_slot_is_started_and_ready_is_announced_once_when_all_serve() {
    let mut table = Table::new(patient(), 2);
    table.when(Event::Begin, "spawn 1 in 0 of 1; spawn 2 in 1 of 1");
    table.when(ready(2), "");
    table.when(ready(1), "announce ready");
    table.when(ready(1), "");
    table.after(1000, "");
    table.when(exits(1, 0), "spawn 3 in 0 of 1");
    table.when(ready(3), "");
}

#[test]
fn a_cluster_has_at_least_one_worker() {
    Table::new(patient(), 0).when(Event::Begin, "spawn 1 in 0 of 1");
}

#[test]
fn workers_that_were_taken_over_are_not_started_again() {
    let mut table = Table::serving(2);
    table.state.is_up = false;
    table.state.slots[1].worker = None;
    table.state.workers.remove(&2);
    table.when(Event::Begin, "spawn 3 in 1 of 1");
    table.when(ready(3), "announce ready");
}

#[test]
fn a_cluster_that_was_taken_over_whole_is_ready_at_once() {
    let mut table = Table::serving(2);
    table.state.is_up = false;
    table.when(Event::Begin, "announce ready");
}

#[test]
fn a_first_start_that_fails_with_a_code_ends_the_supervisor_with_it() {
    for (code, expected) in [(1, 1), (78, 78), (255, 255), (0, 1), (256, 1), (-1, 1)] {
        let mut table = Table::new(patient(), 1);
        table.act(Event::Begin);
        table.when(exits(1, code), &format!("announce stopping; exit {expected}"));
    }
}

#[test]
fn the_other_workers_are_ended_before_the_supervisor_exits_with_the_code() {
    let mut table = Table::new(patient(), 3);
    table.act(Event::Begin);
    table.when(ready(2), "");
    table.when(exits(1, 7), "announce stopping; drain 2 fast; terminate 3");
    table.when(exits(3, 9), "");
    table.when(exits(2, 0), "exit 7");
}

#[test]
fn a_first_start_that_is_ended_by_a_signal_is_tried_again() {
    let mut table = Table::new(patient(), 1);
    table.act(Event::Begin);
    table.when(is_killed(1), "");
    table.only_after(100, "spawn 2 in 0 of 1");
    table.when(ready(2), "announce ready");
}

#[test]
fn a_first_start_that_cannot_be_made_is_tried_again() {
    let mut table = Table::new(patient(), 1);
    table.act(Event::Begin);
    table.when(cannot_be_spawned(1), "");
    table.only_after(100, "spawn 2 in 0 of 1");
}

#[test]
fn a_worker_that_is_not_ready_in_time_is_killed_and_tried_again() {
    let mut table = Table::new(patient(), 1);
    table.act(Event::Begin);
    table.only_after(60_000, "kill 1");
    table.has_said("did not say READY within 60 s");
    table.when(ready(1), "");
    assert_eq!(table.state.due(), None);
    table.when(is_killed(1), "");
    table.only_after(100, "spawn 2 in 0 of 1");
}

#[test]
fn once_everything_served_an_exit_code_is_a_crash_like_any_other() {
    let mut table = Table::serving(2);
    table.when(exits(1, 0), "spawn 3 in 0 of 1");
    table.when(exits(3, 78), "");
    table.only_after(100, "spawn 4 in 0 of 1");
}

#[test]
fn a_slot_that_is_broken_from_the_first_does_not_hold_back_ready() {
    let mut table = Table::new(patient(), 2);
    table.act(Event::Begin);
    table.when(ready(1), "");
    let mut worker = 2;
    for _ in 0..9 {
        table.when(is_killed(worker), "");
        table.now = table.state.due().unwrap();
        worker += 1;
        table.when(Event::Tick, &format!("spawn {worker} in 1 of 1"));
    }
    table.when(is_killed(worker), "announce ready");
    // A later start that fails with a code must not end the application then.
    table.when(exits(1, 0), "spawn 12 in 0 of 1");
    table.when(exits(12, 1), "");
    table.only_after(100, "spawn 13 in 0 of 1");
}

#[test]
fn a_cluster_that_becomes_smaller_before_it_was_ready_is_ready_without_the_rest() {
    let mut table = Table::new(patient(), 2);
    table.act(Event::Begin);
    table.when(ready(1), "");
    table.when(asks(7, Command::Fewer), "terminate 2; done 7; announce ready");
}

#[test]
fn a_worker_that_leaves_by_itself_is_replaced_at_once_and_finishes() {
    let mut table = Table::serving(1);
    table.when(leaves(1), "spawn 2 in 0 of 1");
    table.when(leaves(1), "");
    table.when(ready(2), "");
    table.when(exits(1, 0), "");
    assert_eq!(table.workers(), [2]);
}

#[test]
fn a_worker_that_left_by_itself_and_does_not_end_is_ended() {
    let mut table = Table::serving(1);
    table.act(leaves(1));
    table.act(ready(2));
    table.only_after(32_000, "terminate 1");
    table.only_after(5_000, "kill 1");
    assert_eq!(table.state.due(), None);
}

#[test]
fn a_worker_that_leaves_right_after_ready_is_a_crash_and_no_endless_chain() {
    let mut table = Table::serving(1);
    table.act(exits(1, 0));
    table.act(ready(2));
    table.when(leaves(2), "");
    table.has_said("left right after it was ready");
    table.only_after(100, "spawn 3 in 0 of 1");
    table.act(ready(3));
    table.when(leaves(3), "");
    table.only_after(200, "spawn 4 in 0 of 1");
    table.when(exits(2, 0), "");
    table.when(exits(3, 0), "");
    assert_eq!(table.workers(), [4]);
}

#[test]
fn a_worker_that_leaves_before_it_is_ready_is_a_crash_when_it_ends() {
    let mut table = Table::serving(1);
    table.act(exits(1, 0));
    table.when(leaves(2), "");
    table.when(ready(2), "");
    table.when(exits(2, 0), "");
    table.only_after(100, "spawn 3 in 0 of 1");
}

#[test]
fn words_of_unknown_workers_are_not_heard() {
    let mut table = Table::serving(1);
    for event in [
        ready(9),
        leaves(9),
        Event::Beat { worker: 9 },
        exits(9, 1),
        is_killed(9),
        measured(9, 1, 1),
        cannot_be_spawned(9),
        passes(),
        fails(),
    ] {
        table.when(event, "");
    }
    assert_eq!(table.workers(), [1]);
}

#[test]
fn logs_are_opened_anew_at_any_time() {
    let mut table = Table::serving(1);
    table.when(asks(7, Command::Reopen), "reopen; done 7");
    table.act(signal(STOP));
    table.when(asks(8, Command::Reopen), "reopen; done 8");
}
