//! Reloads: new before old, one slot at a time, and back where the new is no good.

use super::*;

/// A reload is asked for by 7, and its check went well: worker 3 starts in slot 0.
fn reloading(policy: Policy) -> Table {
    let mut table = Table::serving_with(policy, 2);
    table.when(asks(7, RELOAD), "announce reloading; check 2");
    table.when(passes(), "spawn 3 in 0 of 2");
    table
}

/// As [`reloading`], and slot 0 is replaced: worker 4 starts in slot 1.
fn half_way() -> Table {
    let mut table = reloading(without_canary());
    table.when(ready(3), "drain 1 to 3; spawn 4 in 1 of 2");
    table
}

#[test]
fn slots_are_replaced_one_by_one_and_the_receipt_comes_when_the_last_old_worker_is_gone() {
    let mut table = half_way();
    table.after(500, "");
    table.when(exits(1, 0), "");
    table.when(ready(4), "drain 2 to 4; forget 1; announce ready");
    table.after(500, "");
    table.when(exits(2, 0), "receipt 7 1→2 of 2");
    assert_eq!((table.workers(), table.state.generation), (vec![3, 4], 2));
}

#[test]
fn a_check_that_fails_changes_nothing() {
    let mut table = Table::serving(2);
    table.act(asks(7, RELOAD));
    table.when(fails(), "failed 7; announce ready; forget 2");
    table.has_said("reload 1 → 2: line 3: no such key; generation 1 keeps serving");
    assert_eq!((table.workers(), table.state.generation), (vec![1, 2], 1));
}

#[test]
fn a_generation_that_failed_is_not_named_again() {
    let mut table = Table::serving(1);
    table.act(asks(7, RELOAD));
    table.act(fails());
    table.when(asks(8, RELOAD), "announce reloading; check 3");
    table.when(passes(), "spawn 2 in 0 of 3");
}

#[test]
fn a_first_successor_that_is_no_good_leaves_the_old_worker_serving() {
    let failed = "failed 7; announce ready; forget 2";
    for (event, expected, said) in [
        (exits(3, 1), failed, "the new worker exited with code 1 before it was ready"),
        (exits(3, 0), failed, "the new worker exited with code 0 before it was ready"),
        (is_killed(3), failed, "the new worker was killed (SIGKILL) before it was ready"),
        (cannot_be_spawned(3), failed, "the new worker could not be started (out of memory); generation 1"),
        (leaves(3), failed, "the new worker left again"),
    ] {
        let mut table = reloading(without_canary());
        table.when(event, expected);
        table.has_said(said);
        assert_eq!((table.workers(), table.state.generation), (vec![1, 2], 1));
        table.when(is_killed(1), "spawn 4 in 0 of 1");
    }
}

#[test]
fn a_successor_that_is_never_ready_is_killed_and_the_reload_fails() {
    let mut table = reloading(without_canary());
    table.only_after(60_000, "kill 3");
    table.when(ready(3), "");
    table.when(is_killed(3), "failed 7; announce ready; forget 2");
    table.has_said("did not say READY in time");
}

#[test]
fn a_failure_in_a_later_slot_rolls_back_those_that_were_changed() {
    for event in [exits(4, 1), cannot_be_spawned(4), leaves(4)] {
        let mut table = half_way();
        table.when(event, "failed 7; announce ready; spawn 5 in 0 of 1");
        table.when(asks(8, RELOAD), "failed 8");
        table.when(ready(5), "drain 3 to 5; forget 2");
        assert_eq!((table.workers(), table.state.generation), (vec![5, 2], 1));
        table.when(exits(3, 0), "");
        table.when(asks(9, RELOAD), "announce reloading; check 3");
    }
}

#[test]
fn a_roll_back_that_fails_is_said_and_what_serves_goes_on() {
    let mut table = half_way();
    table.act(exits(4, 1));
    table.when(exits(5, 1), "forget 2");
    table.has_said("the roll-back failed, too");
    assert_eq!(table.workers(), [3, 2]);
    // The slot that could not go back does so when its worker ends.
    table.after(1000, "");
    table.when(is_killed(3), "spawn 6 in 0 of 1");
    table.when(asks(9, RELOAD), "announce reloading; check 3");
}

#[test]
fn a_reload_after_a_roll_back_that_failed_replaces_every_generation() {
    let mut table = half_way();
    table.act(exits(4, 1));
    table.act(exits(5, 1));
    table.act(exits(1, 0));
    table.act(asks(9, RELOAD));
    table.when(passes(), "spawn 6 in 0 of 3");
    table.when(ready(6), "drain 3 to 6; spawn 7 in 1 of 3");
    table.when(ready(7), "drain 2 to 7; forget 1; announce ready");
    table.when(exits(2, 0), "");
    table.when(exits(3, 0), "receipt 9 1→3 of 2");
}

#[test]
fn a_successor_that_dies_after_it_took_over_is_followed_by_its_own_generation() {
    let mut table = half_way();
    table.after(1000, "");
    table.when(is_killed(3), "spawn 5 in 0 of 2");
    table.when(ready(4), "drain 2 to 4; forget 1; announce ready");
    table.when(ready(5), "");
    assert!([4, 5].iter().all(|id| table.state.workers[id].generation == 2));
}

#[test]
fn a_successor_that_dies_after_it_took_over_goes_back_when_the_reload_fails() {
    let mut table = half_way();
    table.when(is_killed(3), "");
    table.when(exits(4, 1), "failed 7; announce ready; spawn 5 in 0 of 1");
    table.when(ready(5), "forget 2");
    assert_eq!(table.workers(), [5, 2]);
    assert_eq!(table.state.slots[0].restart_at, None);
}

#[test]
fn a_reload_during_a_reload_is_refused_and_so_is_an_upgrade() {
    for command in [RELOAD, Command::Upgrade] {
        let mut table = Table::serving(2);
        table.act(asks(7, RELOAD));
        table.when(asks(8, command), "failed 8");
        table.act(passes());
        table.when(asks(9, command), "failed 9");
        table.act(ready(3));
        table.when(asks(10, command), "failed 10");
    }
}

#[test]
fn a_reload_while_the_last_one_settles_has_a_receipt_of_its_own() {
    let mut table = Table::serving_with(without_canary(), 1);
    table.act(asks(7, RELOAD));
    table.act(passes());
    table.when(ready(2), "drain 1 to 2; forget 1; announce ready");
    table.when(asks(8, RELOAD), "announce reloading; check 3");
    table.act(passes());
    table.when(ready(3), "drain 2 to 3; forget 2; announce ready");
    table.when(exits(2, 0), "receipt 8 2→3 of 1");
    table.when(exits(1, 0), "receipt 7 1→2 of 1");
}

#[test]
fn a_receipt_waits_for_an_old_worker_that_had_left_by_itself() {
    let mut table = Table::serving_with(without_canary(), 1);
    table.act(leaves(1));
    table.act(ready(2));
    table.act(asks(7, RELOAD));
    table.act(passes());
    table.when(ready(3), "drain 2 to 3; forget 1; announce ready");
    table.when(exits(2, 0), "");
    table.when(exits(1, 0), "receipt 7 1→2 of 1");
}

#[test]
fn a_reload_by_signal_needs_nobody_who_waits() {
    let mut table = Table::serving_with(without_canary(), 1);
    table.when(signal(RELOAD), "announce reloading; check 2");
    table.when(passes(), "spawn 2 in 0 of 2");
    table.when(ready(2), "drain 1 to 2; forget 1; announce ready");
    table.when(exits(1, 0), "receipt 1→2 of 1");
}

#[test]
fn an_upgrade_is_made_when_no_change_is_under_way() {
    let mut table = Table::serving(1);
    table.when(asks(7, Command::Upgrade), "upgrade 7");
}

#[test]
fn whoever_asked_the_program_before_is_not_mistaken_for_another() {
    let mut table = Table::serving_with(without_canary(), 1);
    table.act(asks(1, RELOAD));
    table.act(passes());
    table.act(ready(2));
    table.when(asks(2, Command::Upgrade), "upgrade 2");
    table.when(Event::Begin, "");
    table.when(exits(1, 0), "receipt 1→2 of 1");
}

#[test]
fn a_restart_ends_all_workers_and_starts_as_many() {
    let mut table = Table::serving(2);
    table.when(asks(7, Command::Restart), "drain 1; drain 2; done 7; spawn 3 in 0 of 1; spawn 4 in 1 of 1");
    table.when(exits(1, 0), "");
    table.when(ready(3), "");
    table.when(ready(4), "");
    table.when(exits(2, 0), "");
    assert_eq!(table.workers(), [3, 4]);
}

#[test]
fn a_restart_during_a_reload_waits_for_it() {
    let mut table = half_way();
    table.when(asks(8, Command::Restart), "");
    table.when(ready(4), "drain 2 to 4; forget 1; announce ready; drain 3; drain 4; done 8");
    table.after(0, "spawn 5 in 0 of 2; spawn 6 in 1 of 2");
}
