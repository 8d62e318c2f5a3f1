//! Ends: graceful, fast, at once.

use super::*;

#[test]
fn all_workers_are_drained_and_the_last_one_to_end_ends_the_supervisor() {
    let mut table = Table::serving(2);
    table.when(asks(7, STOP), "announce stopping; drain 1; drain 2; done 7");
    table.when(exits(2, 0), "");
    table.when(exits(1, 1), "exit 0");
    table.when(exits(1, 1), "");
}

#[test]
fn a_worker_that_does_not_end_is_asked_again_and_then_ended() {
    let mut table = Table::serving(1);
    table.act(signal(STOP));
    table.only_after(32_000, "terminate 1");
    table.only_after(5_000, "kill 1");
    assert_eq!(table.state.due(), None);
    table.when(is_killed(1), "exit 0");
}

#[test]
fn a_fast_stop_gives_less_time() {
    let mut table = Table::serving(1);
    table.when(signal(STOP_FAST), "announce stopping; drain 1 fast; done");
    table.only_after(2_000, "terminate 1");
    table.only_after(5_000, "kill 1");
}

#[test]
fn a_second_stop_is_fast_and_a_third_one_kills() {
    let mut table = Table::serving(2);
    table.when(asks(7, STOP), "announce stopping; drain 1; drain 2; done 7");
    table.after(1_000, "");
    table.when(asks(8, STOP), "drain 1 fast; drain 2 fast; done 8");
    table.when(asks(9, STOP), "kill 1; kill 2; done 9");
    assert_eq!(table.state.due(), None);
    table.when(is_killed(1), "");
    table.when(is_killed(2), "exit 0");
}

#[test]
fn a_second_stop_never_gives_more_time() {
    let mut table = Table::serving(1);
    table.act(signal(STOP));
    table.only_after(32_000, "terminate 1");
    table.after(4_000, "");
    table.when(signal(STOP), "drain 1 fast; done");
    table.only_after(1_000, "kill 1");
}

#[test]
fn a_worker_that_is_not_ready_yet_is_terminated() {
    let mut table = Table::new(patient(), 1);
    table.act(Event::Begin);
    table.when(signal(STOP), "announce stopping; terminate 1; done");
    table.when(ready(1), "");
    table.only_after(2_000, "kill 1");
    table.when(is_killed(1), "exit 0");
}

#[test]
fn a_stop_with_no_workers_ends_at_once_and_once() {
    let mut table = Table::serving(1);
    table.act(is_killed(1));
    table.act(is_killed(2));
    table.when(signal(STOP), "announce stopping; exit 0; done");
    assert_eq!(table.state.due(), None);
    for command in [STOP, STOP, STOP_FAST] {
        table.when(signal(command), "done");
    }
    table.after(60_000, "");
}

#[test]
fn a_worker_that_dies_during_a_stop_is_not_replaced() {
    let mut table = Table::serving(2);
    table.act(signal(STOP));
    table.when(is_killed(1), "");
    table.after(20_000, "");
    assert_eq!(table.state.next_worker, 3);
}

#[test]
fn nothing_else_is_done_while_stopping() {
    let mut table = Table::serving(2);
    table.act(signal(STOP));
    for command in
        [RELOAD, Command::Restart, Command::Scale(3), Command::More, Command::Fewer, Command::Upgrade]
    {
        table.when(asks(7, command), "failed 7");
    }
    table.has_said("the application is stopping");
    table.when(Event::Begin, "");
    table.when(leaves(1), "");
}

#[test]
fn a_stop_during_a_check_tells_who_waits_for_the_reload() {
    let mut table = Table::serving(1);
    table.act(asks(7, RELOAD));
    table.act(asks(8, Command::More));
    table.when(asks(9, STOP), "announce stopping; failed 7; failed 8; drain 1; done 9");
    table.when(passes(), "");
    table.when(exits(1, 0), "exit 0");
}

#[test]
fn a_stop_ends_a_successor_that_is_starting() {
    let mut table = Table::serving(1);
    table.act(asks(7, RELOAD));
    table.act(passes());
    table.when(signal(STOP), "announce stopping; failed 7; drain 1; terminate 2; done");
    table.when(ready(2), "");
    table.when(exits(2, 1), "");
    table.when(exits(1, 0), "exit 0");
}

#[test]
fn a_stop_ends_a_successor_that_is_watched() {
    let mut table = Table::serving(1);
    table.act(asks(7, RELOAD));
    table.act(passes());
    table.act(ready(2));
    table.when(signal(STOP), "announce stopping; failed 7; drain 1; drain 2; done");
    table.after(2_000, "");
}

#[test]
fn a_stop_waits_for_workers_that_were_leaving_already_and_keeps_their_time() {
    let mut table = Table::serving_with(without_canary(), 1);
    table.act(asks(7, RELOAD));
    table.act(passes());
    table.act(ready(2));
    table.after(10_000, "");
    table.when(signal(STOP), "announce stopping; failed 7; drain 2; done");
    table.when(exits(2, 0), "");
    table.only_after(22_000, "terminate 1");
    table.when(exits(1, 0), "exit 0");
}

#[test]
fn the_exit_code_of_a_first_start_that_failed_outlives_another_stop() {
    let mut table = Table::new(patient(), 2);
    table.act(Event::Begin);
    table.when(exits(1, 3), "announce stopping; terminate 2");
    table.when(signal(STOP), "kill 2; done");
    table.when(is_killed(2), "exit 3");
}

#[test]
fn a_process_that_could_not_be_made_is_not_waited_for() {
    let mut table = Table::serving(1);
    table.act(is_killed(1));
    table.act(signal(STOP));
    table.when(cannot_be_spawned(2), "exit 0");
}
