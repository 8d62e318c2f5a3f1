//! Crashes, the rest between restarts, and slots that are broken.

use super::*;

#[test]
fn a_worker_that_served_for_a_second_is_replaced_at_once() {
    let mut table = Table::serving(1);
    table.when(is_killed(1), "spawn 2 in 0 of 1");
    table.act(ready(2));
    table.after(1000, "");
    table.when(is_killed(2), "spawn 3 in 0 of 1");
}

#[test]
fn a_worker_that_ends_within_a_second_of_ready_rests_first() {
    let mut table = Table::serving(1);
    table.act(is_killed(1));
    table.act(ready(2));
    table.after(999, "");
    table.when(exits(2, 0), "");
    table.only_after(100, "spawn 3 in 0 of 1");
}

#[test]
fn the_rest_doubles_up_to_fifteen_seconds() {
    let mut table = Table::serving(1);
    table.act(is_killed(1));
    let mut worker = 2;
    for rest in [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 15_000, 15_000, 15_000, 15_000] {
        // Slow crashes, so that there are never ten within a minute.
        table.after(20_000, "");
        table.when(is_killed(worker), "");
        worker += 1;
        table.only_after(rest, &format!("spawn {worker} in 0 of 1"));
    }
}

#[test]
fn a_life_of_a_second_ends_the_row_of_crashes() {
    let mut table = Table::serving(1);
    table.act(is_killed(1));
    table.act(is_killed(2));
    table.only_after(100, "spawn 3 in 0 of 1");
    table.act(is_killed(3));
    table.only_after(200, "spawn 4 in 0 of 1");
    table.act(ready(4));
    table.after(1000, "");
    table.when(is_killed(4), "spawn 5 in 0 of 1");
    table.act(is_killed(5));
    table.only_after(100, "spawn 6 in 0 of 1");
}

/// Ten crashes of slot 0, one after the other.
fn break_slot(table: &mut Table) {
    let mut worker = table.state.slots[0].worker.unwrap();
    table.act(is_killed(worker));
    for _ in 0..9 {
        worker = table.state.slots[0].worker.unwrap_or_else(|| {
            table.now = table.state.due().unwrap();
            table.act(Event::Tick);
            table.state.slots[0].worker.unwrap()
        });
        table.act(is_killed(worker));
        assert!(!table.state.slots[0].is_broken);
    }
    table.now = table.state.due().unwrap();
    table.act(Event::Tick);
    let worker = table.state.slots[0].worker.unwrap();
    table.when(is_killed(worker), "");
    assert!(table.state.slots[0].is_broken);
}

#[test]
fn ten_crashes_in_a_minute_break_the_slot_and_the_others_go_on() {
    let mut table = Table::serving(2);
    break_slot(&mut table);
    table.has_said("crashed 10 times in 60 s, so its slot is broken");
    assert_eq!(table.state.due(), None);
    table.after(3_600_000, "");
    table.when(is_killed(2), &format!("spawn {} in 1 of 1", table.state.next_worker));
}

#[test]
fn a_reload_mends_a_broken_slot() {
    let mut table = Table::serving_with(without_canary(), 2);
    break_slot(&mut table);
    let next = table.state.next_worker;
    table.act(asks(7, RELOAD));
    table.when(passes(), &format!("spawn {next} in 0 of 2"));
    table.when(ready(next), &format!("spawn {} in 1 of 2", next + 1));
    assert!(!table.state.slots[0].is_broken);
    table.when(ready(next + 1), &format!("drain 2 to {}; forget 1; announce ready", next + 1));
    table.when(exits(2, 0), "receipt 7 1→2 of 2");
    // Its row of crashes is forgotten.
    table.when(is_killed(next), "");
    table.only_after(100, &format!("spawn {} in 0 of 2", next + 2));
}

#[test]
fn a_reload_that_fails_leaves_a_broken_slot_broken() {
    let mut table = Table::serving_with(without_canary(), 2);
    break_slot(&mut table);
    let next = table.state.next_worker;
    table.act(asks(7, RELOAD));
    table.act(passes());
    table.when(is_killed(next), "failed 7; announce ready; forget 2");
    assert!(table.state.slots[0].is_broken);
    assert_eq!(table.state.due(), None);
}

#[test]
fn a_restart_mends_a_broken_slot() {
    let mut table = Table::serving(1);
    break_slot(&mut table);
    let next = table.state.next_worker;
    table.when(asks(7, Command::Restart), &format!("done 7; spawn {next} in 0 of 1"));
    assert!(!table.state.slots[0].is_broken);
}

#[test]
fn a_supervisor_that_replaced_itself_tries_a_broken_slot_again() {
    let mut table = Table::serving(2);
    break_slot(&mut table);
    let next = table.state.next_worker;
    table.when(Event::Begin, &format!("spawn {next} in 0 of 1"));
    table.act(ready(next));
    assert!(!table.state.slots[0].is_broken);
}

#[test]
fn a_supervisor_that_replaced_itself_does_not_shorten_a_rest() {
    let mut table = Table::serving(1);
    table.act(is_killed(1));
    table.act(is_killed(2));
    table.when(Event::Begin, "");
    table.only_after(100, "spawn 3 in 0 of 1");
}

#[test]
fn a_process_that_cannot_be_made_counts_as_a_crash() {
    let mut table = Table::serving(1);
    table.act(is_killed(1));
    table.when(cannot_be_spawned(2), "");
    table.has_said("worker 0 could not be started (out of memory); trying again in 0.1 s");
    table.only_after(100, "spawn 3 in 0 of 1");
    table.when(cannot_be_spawned(3), "");
    table.only_after(200, "spawn 4 in 0 of 1");
}

#[test]
fn crashes_of_one_slot_do_not_count_for_another() {
    let mut table = Table::serving(2);
    table.act(is_killed(1));
    table.act(is_killed(3));
    table.only_after(100, "spawn 4 in 0 of 1");
    table.act(is_killed(4));
    table.act(is_killed(2));
    table.act(is_killed(5));
    table.only_after(100, "spawn 6 in 1 of 1");
    table.only_after(100, "spawn 7 in 0 of 1");
}
