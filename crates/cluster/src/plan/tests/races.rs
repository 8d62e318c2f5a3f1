//! Things that cross each other.

use super::*;

#[test]
fn an_old_worker_that_dies_while_its_successor_starts_is_replaced_by_its_own_kind_until_then() {
    let mut table = Table::serving_with(without_canary(), 1);
    table.act(asks(7, RELOAD));
    table.act(passes());
    table.when(is_killed(1), "spawn 3 in 0 of 1");
    table.when(ready(3), "");
    table.when(ready(2), "drain 3 to 2; forget 1; announce ready");
    table.when(exits(3, 0), "receipt 7 1→2 of 1");
    assert_eq!(table.workers(), [2]);
}

#[test]
fn an_old_worker_that_crashes_while_its_successor_starts_is_not_started_after_it() {
    let mut table = Table::serving_with(without_canary(), 1);
    table.act(is_killed(1));
    table.act(ready(2));
    table.act(asks(7, RELOAD));
    table.when(passes(), "spawn 3 in 0 of 2");
    table.when(is_killed(2), "");
    table.when(ready(3), "forget 1; announce ready; receipt 7 1→2 of 1");
    assert_eq!(table.state.due(), None);
}

#[test]
fn an_old_worker_that_leaves_while_its_successor_starts_counts_for_the_receipt() {
    let mut table = Table::serving_with(without_canary(), 1);
    table.act(asks(7, RELOAD));
    table.act(passes());
    table.when(leaves(1), "spawn 3 in 0 of 1");
    table.when(ready(2), "terminate 3; forget 1; announce ready");
    table.when(is_killed(3), "");
    table.when(exits(1, 0), "receipt 7 1→2 of 1");
}

#[test]
fn a_worker_of_a_later_slot_that_dies_during_a_reload_comes_back_and_is_replaced() {
    let mut table = Table::serving_with(without_canary(), 2);
    table.act(asks(7, RELOAD));
    table.act(passes());
    table.when(is_killed(2), "spawn 4 in 1 of 1");
    table.when(ready(3), "drain 1 to 3; spawn 5 in 1 of 2");
    table.when(ready(4), "");
    table.when(ready(5), "drain 4 to 5; forget 1; announce ready");
}

#[test]
fn a_first_start_that_fails_with_a_code_during_a_reload_ends_it_too() {
    let mut table = Table::new(patient(), 1);
    table.act(Event::Begin);
    table.when(asks(7, RELOAD), "announce reloading; check 2");
    table.when(exits(1, 4), "announce stopping; failed 7; exit 4");
}

#[test]
fn a_successor_that_fails_with_a_code_before_anything_served_only_fails_the_reload() {
    let mut table = Table::new(patient(), 1);
    table.act(Event::Begin);
    table.act(asks(7, RELOAD));
    table.when(passes(), "spawn 2 in 0 of 2");
    table.when(exits(2, 4), "failed 7; announce ready; forget 2");
    table.when(ready(1), "announce ready");
}

#[test]
fn a_worker_that_is_drained_is_ready_or_leaves_too_late() {
    let mut table = Table::serving(2);
    table.act(asks(7, Command::Scale(1)));
    table.when(ready(2), "");
    table.when(leaves(2), "");
    table.when(Event::Beat { worker: 2 }, "");
    table.when(measured(2, 1, 1), "");
    table.when(exits(2, 0), "");
    table.when(exits(2, 0), "");
    table.when(ready(2), "");
}

#[test]
fn a_drain_that_was_missed_for_long_still_asks_before_it_kills() {
    let mut table = Table::serving(2);
    table.act(asks(7, Command::Scale(1)));
    table.after(3_600_000, "terminate 2");
    table.only_after(5_000, "kill 2");
}

#[test]
fn a_check_that_ends_after_a_failed_reload_is_not_mistaken_for_another() {
    let mut table = Table::serving(1);
    table.act(asks(7, RELOAD));
    table.act(fails());
    table.when(passes(), "");
    table.act(asks(8, RELOAD));
    table.act(passes());
    table.when(passes(), "");
    table.when(fails(), "");
}

#[test]
fn commands_that_waited_are_done_in_their_order() {
    let mut table = Table::serving_with(without_canary(), 1);
    table.act(asks(1, RELOAD));
    for (asker, command) in
        [(2, Command::Scale(3)), (3, Command::Scale(0)), (4, Command::Fewer), (5, Command::Restart)]
    {
        table.when(asks(asker, command), "");
    }
    table.when(
        fails(),
        "failed 1; announce ready; forget 2; spawn 2 in 1 of 1; spawn 3 in 2 of 1; done 2; failed 3; \
         terminate 3; done 4; drain 1; terminate 2; done 5",
    );
    table.after(0, "spawn 4 in 0 of 1; spawn 5 in 1 of 1");
}

#[test]
fn a_restart_during_a_crash_rest_does_not_start_a_slot_twice() {
    let mut table = Table::serving(1);
    table.act(is_killed(1));
    table.act(is_killed(2));
    table.when(asks(7, Command::Restart), "done 7; spawn 3 in 0 of 1");
    table.after(100, "");
    assert_eq!(table.workers(), [3]);
}

#[test]
fn the_receipt_says_when_the_reload_began_and_when_it_switched() {
    let mut table = Table::serving(1);
    let began = table.now;
    table.act(asks(7, RELOAD));
    table.after(500, "");
    table.act(passes());
    table.after(300, "");
    table.act(ready(2));
    table.only_after(2_000, "drain 1 to 2; forget 1; announce ready");
    table.now += Duration::from_secs(3);
    let event = exits(1, 0);
    let actions = plan(&mut table.state, event, table.now);
    let [Action::Receipt { receipt, .. }] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!((receipt.began, receipt.switched), (began, began + Duration::from_millis(2_800)));
}

#[test]
fn a_moment_before_which_nothing_is_known_is_no_reason_to_panic() {
    // Clocks of two processes agree, but an event may be older than the last look at the clock.
    let mut table = Table::serving_with(Policy { max_age: Some(Duration::ZERO), ..Policy::default() }, 2);
    table.now = Duration::ZERO;
    for event in [Event::Tick, is_killed(1), leaves(2), signal(RELOAD), signal(STOP), Event::Tick] {
        table.act(event);
    }
}
