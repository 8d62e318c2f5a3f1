//! More workers and fewer.

use super::*;

#[test]
fn more_and_fewer_workers() {
    let mut table = Table::serving(2);
    table.when(asks(7, Command::Scale(4)), "spawn 3 in 2 of 1; spawn 4 in 3 of 1; done 7");
    table.has_said("2 → 4 workers");
    table.act(ready(3));
    table.act(ready(4));
    table.when(asks(8, Command::Scale(1)), "drain 2 to 1; drain 3 to 1; drain 4 to 1; done 8");
    table.when(signal(Command::More), "spawn 5 in 1 of 1; done");
    table.when(signal(Command::Fewer), "terminate 5; done");
    table.when(asks(9, Command::Scale(1)), "done 9");
}

#[test]
fn no_workers_at_all_are_refused() {
    let mut table = Table::serving(1);
    table.when(asks(7, Command::Scale(0)), "failed 7");
    table.when(signal(Command::Fewer), "failed");
    table.has_said("at least one worker is needed");
    assert_eq!(table.workers(), [1]);
}

#[test]
fn connections_of_those_who_leave_are_spread_over_those_who_stay() {
    let mut table = Table::serving(5);
    table.when(asks(7, Command::Scale(2)), "drain 3 to 1; drain 4 to 2; drain 5 to 1; done 7");
}

#[test]
fn connections_have_no_heir_where_nobody_serves_yet() {
    let mut table = Table::serving(2);
    table.when(is_killed(1), "spawn 3 in 0 of 1");
    table.when(asks(7, Command::Scale(1)), "drain 2; done 7");
}

#[test]
fn a_slot_that_is_given_up_while_its_worker_starts_is_not_started_again() {
    let mut table = Table::serving(1);
    table.act(asks(7, Command::More));
    table.when(asks(8, Command::Fewer), "terminate 2; done 8");
    table.when(ready(2), "");
    table.only_after(2_000, "kill 2");
    table.when(is_killed(2), "");
    assert_eq!((table.workers(), table.state.due()), (vec![1], None));
}

#[test]
fn a_slot_that_is_given_up_during_its_rest_is_not_started_again() {
    let mut table = Table::serving(2);
    table.act(is_killed(2));
    table.act(is_killed(3));
    table.when(asks(7, Command::Fewer), "done 7");
    assert_eq!(table.state.due(), None);
    // A new slot has no past.
    table.when(asks(8, Command::More), "spawn 4 in 1 of 1; done 8");
}

#[test]
fn a_broken_slot_can_be_given_up() {
    let mut table = Table::serving(2);
    table.state.slots[1] = super::super::state::Slot { is_broken: true, ..Default::default() };
    table.state.workers.remove(&2);
    table.when(asks(7, Command::Scale(1)), "done 7");
    table.when(asks(7, Command::Scale(2)), "spawn 3 in 1 of 1; done 7");
    assert!(!table.state.slots[1].is_broken);
}

#[test]
fn scaling_during_a_reload_waits_for_it_and_the_new_workers_are_of_the_new_generation() {
    let mut table = Table::serving_with(without_canary(), 1);
    table.act(asks(7, RELOAD));
    table.when(asks(8, Command::More), "");
    table.when(asks(9, Command::More), "");
    table.act(passes());
    table.when(
        ready(2),
        "drain 1 to 2; forget 1; announce ready; spawn 3 in 1 of 2; done 8; spawn 4 in 2 of 2; done 9",
    );
}

#[test]
fn scaling_during_a_reload_that_fails_is_done_with_the_old_generation() {
    let mut table = Table::serving(1);
    table.act(asks(7, RELOAD));
    table.act(asks(8, Command::More));
    table.when(fails(), "failed 7; announce ready; forget 2; spawn 2 in 1 of 1; done 8");
}

#[test]
fn a_worker_that_waited_for_its_replacement_may_be_given_up_meanwhile() {
    let mut table = Table::serving_with(Policy { max_requests: Some(1000), ..without_canary() }, 2);
    table.act(asks(7, RELOAD));
    table.act(asks(8, Command::Fewer));
    table.act(measured(2, 2000, 0));
    table.when(fails(), "failed 7; announce ready; forget 2; drain 2 to 1; done 8");
    assert!(table.state.change.is_none() && table.state.waiting.is_empty());
}

#[test]
fn a_worker_of_a_slot_that_was_given_up_and_made_again_is_not_mistaken_for_its_worker() {
    let mut table = Table::serving(2);
    table.act(signal(Command::Fewer));
    table.act(signal(Command::More));
    table.when(leaves(2), "");
    table.when(exits(2, 1), "");
    assert_eq!(table.workers(), [1, 3]);
}
