//! Workers that are replaced for their requests, their memory or their age.

use super::*;

const AGE: Duration = Duration::from_secs(3600);

fn by_requests() -> Policy {
    Policy { max_requests: Some(1000), ..patient() }
}

fn by_age() -> Policy {
    Policy { max_age: Some(AGE), ..patient() }
}

#[test]
fn a_worker_is_replaced_after_its_requests_new_before_old() {
    let mut table = Table::serving_with(by_requests(), 1);
    table.when(measured(1, 919, 0), "");
    table.when(measured(1, 920, 0), "spawn 2 in 0 of 1");
    table.has_said("it served 920 requests");
    table.when(measured(1, 990, 0), "");
    table.when(ready(2), "drain 1 to 2");
    table.when(exits(1, 0), "");
    table.when(measured(2, 10, 0), "");
}

#[test]
fn the_counts_differ_by_worker_within_a_tenth() {
    let mut limits = Vec::new();
    for worker in 1..=11 {
        let mut table = Table::serving_with(by_requests(), 11);
        let limit = (1..2000).find(|count| !table.act(measured(worker, *count, 0)).is_empty()).unwrap();
        assert!((900..=1100).contains(&limit), "{limit}");
        limits.push(limit);
    }
    limits.sort_unstable();
    limits.dedup();
    assert_eq!(limits.len(), 11);
}

#[test]
fn a_worker_is_replaced_for_its_memory() {
    let mut table = Table::serving_with(Policy { max_memory: Some(100 << 20), ..patient() }, 1);
    let holds = |memory| Event::Measured { worker: 1, requests: 0, failures: 0, memory };
    table.when(holds(100 << 20), "");
    table.when(holds(101 << 20), "spawn 2 in 0 of 1");
    table.has_said("it holds 101 MiB of memory");
}

#[test]
fn a_worker_is_replaced_for_its_age() {
    let mut table = Table::serving_with(by_age(), 1);
    table.only_after(3_590_000, "spawn 2 in 0 of 1");
    // Nothing is due but the start of the successor.
    assert_eq!(table.state.due(), Some(table.now + Duration::from_secs(60)));
    table.after(1000, "");
    table.when(ready(2), "drain 1 to 2");
    table.act(exits(1, 0));
    // Its age counts from its start.
    table.only_after(3_599_000, "spawn 3 in 0 of 1");
}

#[test]
fn workers_that_are_due_together_go_one_at_a_time() {
    let mut table = Table::serving_with(by_requests(), 3);
    table.when(measured(2, 2000, 0), "spawn 4 in 1 of 1");
    table.when(measured(1, 2000, 0), "");
    table.when(measured(2, 2001, 0), "");
    table.when(measured(1, 2001, 0), "");
    table.when(measured(3, 2000, 0), "");
    table.when(ready(4), "drain 2 to 4; spawn 5 in 0 of 1");
    table.when(ready(5), "drain 1 to 5; spawn 6 in 2 of 1");
    table.when(ready(6), "drain 3 to 6");
    assert_eq!(table.workers(), [5, 4, 6]);
}

#[test]
fn workers_of_the_same_age_go_one_at_a_time() {
    let mut table = Table::serving_with(by_age(), 2);
    table.only_after(3_590_000, "spawn 3 in 0 of 1");
    table.after(10_000, "");
    table.when(ready(3), "drain 1 to 3; spawn 4 in 1 of 1");
    table.when(ready(4), "drain 2 to 4");
}

#[test]
fn a_worker_with_several_reasons_is_replaced_once() {
    let policy =
        Policy { max_age: Some(AGE), max_requests: Some(1000), max_memory: Some(1), ..Policy::default() };
    let mut table = Table::serving_with(policy, 1);
    table.now += AGE;
    let event = Event::Measured { worker: 1, requests: 5000, failures: 0, memory: 5 };
    table.when(event.clone(), "spawn 2 in 0 of 1");
    table.when(event, "");
    table.when(Event::Tick, "evidence 1");
    table.when(ready(2), "drain 1 to 2");
    table.after(0, "");
    assert!(table.state.waiting.is_empty() && table.state.change.is_none());
}

#[test]
fn a_replacement_that_fails_is_tried_again_after_a_rest_and_not_in_a_circle() {
    let mut table = Table::serving_with(by_age(), 1);
    table.only_after(3_590_000, "spawn 2 in 0 of 1");
    table.when(cannot_be_spawned(2), "");
    table.only_after(15_000, "spawn 3 in 0 of 1");
    table.when(exits(3, 1), "");
    table.only_after(15_000, "spawn 4 in 0 of 1");
    table.when(ready(4), "drain 1 to 4");

    let mut table = Table::serving_with(by_requests(), 1);
    table.when(measured(1, 2000, 0), "spawn 2 in 0 of 1");
    table.when(is_killed(2), "");
    table.when(measured(1, 2001, 0), "");
    table.after(14_999, "");
    table.when(measured(1, 2002, 0), "");
    table.after(1, "");
    table.when(measured(1, 2003, 0), "spawn 3 in 0 of 1");
}

#[test]
fn a_reload_during_a_replacement_waits_for_it() {
    let mut table = Table::serving_with(by_requests(), 1);
    table.act(measured(1, 2000, 0));
    table.when(asks(7, RELOAD), "");
    table.when(asks(8, RELOAD), "");
    table.when(ready(2), "drain 1 to 2; announce reloading; check 2");
    table.when(fails(), "failed 7; announce ready; forget 2; announce reloading; check 3");
}

#[test]
fn an_upgrade_during_a_replacement_waits_for_it() {
    let mut table = Table::serving_with(by_requests(), 1);
    table.act(measured(1, 2000, 0));
    table.when(asks(7, Command::Upgrade), "");
    table.when(ready(2), "drain 1 to 2; upgrade 7");
}

#[test]
fn a_replacement_waits_for_a_reload_which_makes_it_needless() {
    let mut table = Table::serving_with(Policy { canary: Duration::ZERO, ..by_requests() }, 2);
    table.act(asks(7, RELOAD));
    table.when(measured(2, 2000, 0), "");
    table.act(passes());
    table.act(ready(3));
    table.when(ready(4), "drain 2 to 4; forget 1; announce ready");
    assert!(table.state.change.is_none() && table.state.waiting.is_empty());
}

#[test]
fn the_first_worker_of_a_reload_is_not_replaced_while_it_is_watched() {
    let mut table = Table::serving_with(by_requests(), 1);
    table.act(asks(7, RELOAD));
    table.act(passes());
    table.act(ready(2));
    table.when(measured(2, 5000, 0), "");
    table.only_after(2000, "drain 1 to 2; forget 1; announce ready");
    table.when(measured(2, 5001, 0), "spawn 3 in 0 of 2");
}

#[test]
fn a_worker_that_leaves_while_its_replacement_starts_has_one_heir_in_the_end() {
    let mut table = Table::serving_with(by_requests(), 1);
    table.act(measured(1, 2000, 0));
    table.when(leaves(1), "spawn 3 in 0 of 1");
    table.when(ready(3), "");
    table.when(ready(2), "drain 3 to 2");
    assert_eq!(table.workers(), [2]);
}
