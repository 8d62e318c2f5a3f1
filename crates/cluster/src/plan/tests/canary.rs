//! The first successor of a reload is watched for a while before the others follow.

use super::*;

/// Two old workers with 1000 answers each, of which `failures` failed; the successor 3 is watched.
fn watched(failures: u64) -> Table {
    let mut table = Table::serving(2);
    table.act(measured(1, 1000, failures));
    table.act(measured(2, 1000, failures));
    table.act(asks(7, RELOAD));
    table.act(passes());
    table.when(ready(3), "");
    table.has_said("watching it for 2 s");
    table
}

const ROLLED_BACK: &str = "drain 3 to 1; failed 7; announce ready; forget 2";
const TAKES_OVER: &str = "drain 1 to 3; spawn 4 in 1 of 2";

#[test]
fn a_successor_with_clearly_more_failures_is_rolled_back() {
    for (before, requests, failures, expected) in [
        // Without traffic nothing is wrong.
        (0, 0, 0, TAKES_OVER),
        (0, 100, 0, TAKES_OVER),
        // Fewer than five are chance.
        (0, 4, 4, TAKES_OVER),
        (0, 5, 5, ROLLED_BACK),
        (0, 1000, 50, TAKES_OVER),
        (0, 1000, 51, ROLLED_BACK),
        // The old ones fail in a tenth of all cases: more than a quarter is worse.
        (100, 100, 25, TAKES_OVER),
        (100, 100, 26, ROLLED_BACK),
        // It cannot be worse than always.
        (1000, 100, 100, TAKES_OVER),
    ] {
        let mut table = watched(before);
        table.act(measured(3, requests, failures));
        table.only_after(2000, expected);
    }
}

#[test]
fn the_others_follow_without_a_watch() {
    let mut table = watched(0);
    table.only_after(2000, TAKES_OVER);
    table.when(ready(4), "drain 2 to 4; forget 1; announce ready");
}

#[test]
fn a_successor_that_ends_while_it_is_watched_fails_the_reload() {
    for event in [exits(3, 0), is_killed(3), leaves(3)] {
        let mut table = watched(0);
        table.after(1999, "");
        table.when(event, "failed 7; announce ready; forget 2");
        assert_eq!(table.workers(), [1, 2]);
        table.after(1, "");
    }
}

#[test]
fn an_old_worker_that_dies_while_its_successor_is_watched_is_replaced_by_its_own_kind() {
    let mut table = watched(0);
    table.when(is_killed(1), "spawn 4 in 0 of 1");
    table.only_after(2000, "terminate 4; spawn 5 in 1 of 2");
    assert_eq!(table.workers(), [3, 2]);
}

#[test]
fn an_old_worker_that_died_is_there_again_if_the_successor_fails() {
    let mut table = watched(0);
    table.when(is_killed(1), "spawn 4 in 0 of 1");
    table.when(exits(3, 1), "failed 7; announce ready; forget 2");
    table.when(ready(4), "");
    assert_eq!(table.workers(), [4, 2]);
}

#[test]
fn a_successor_that_gets_stuck_while_it_is_watched_fails_the_reload() {
    let policy = Policy { canary: Duration::from_secs(60), ..Policy::default() };
    let mut table = Table::serving_with(policy, 1);
    table.act(asks(7, RELOAD));
    table.act(passes());
    table.act(ready(2));
    table.now += Duration::from_secs(20);
    table.beats(1);
    table.only_after(10_000, "evidence 2; drain 2 to 1; failed 7; announce ready; forget 2");
    table.has_said("the new worker was stuck");
}

#[test]
fn without_a_canary_nothing_is_watched() {
    let mut table = Table::serving_with(without_canary(), 2);
    table.act(asks(7, RELOAD));
    table.act(passes());
    table.when(ready(3), TAKES_OVER);
}

#[test]
fn a_slot_whose_worker_is_missing_is_watched_too() {
    let mut table = Table::serving(1);
    table.act(is_killed(1));
    table.act(is_killed(2));
    table.act(asks(7, RELOAD));
    table.when(passes(), "spawn 3 in 0 of 2");
    table.after(50, "");
    table.when(ready(3), "");
    table.after(50, "spawn 4 in 0 of 1");
    table.after(1950, "terminate 4; forget 1; announce ready");
    table.when(is_killed(4), "receipt 7 1→2 of 1");
}
