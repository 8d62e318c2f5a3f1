//! Whatever happens in whatever order: what must always hold, holds.

use super::world::{Chance, World};

/// Runs of `steps` events each, from the seeds given. With `may_stop`, many end sooner.
fn run(seeds: std::ops::Range<u64>, steps: usize, may_stop: bool) {
    for seed in seeds {
        // Names the run that failed.
        let outcome = std::panic::catch_unwind(|| {
            let mut world = World::new(seed, may_stop);
            for _ in 0..steps {
                if world.exits > 0 {
                    break;
                }
                world.step();
            }
            world.assert_well();
        });
        assert!(outcome.is_ok(), "the run of seed {seed} went wrong");
    }
}

#[test]
fn the_plan_holds_in_random_runs() {
    run(0..1000, 200, true);
}

#[test]
fn the_plan_holds_in_more_random_runs() {
    run(1000..2000, 200, true);
}

#[test]
fn the_plan_holds_in_long_runs() {
    run(5000..5010, 2000, false);
}

#[test]
fn chance_is_the_same_for_the_same_seed() {
    let draw = |seed| {
        let mut chance = Chance(seed);
        [(); 4].map(|()| chance.below(1000))
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}
