//! What all attacks share: someone honest who asks meanwhile, and the measure of what the attack cost.
//!
//! In: a way to ask that fails the test if it is not answered, and an attack. Out: what the attack gave. Figures
//! go to the standard output; no time is judged.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How much the memory of client and server together may grow while an attack runs.
const MOST_GROWTH: usize = 64 << 20;

/// Runs `attack` while `ask` is called again and again, and checks that memory stays bounded. The first answer comes
/// before the attack, the last after it.
#[track_caller]
pub fn under_attack<T>(name: &str, mut ask: impl FnMut() + Send, attack: impl FnOnce() -> T) -> T {
    ask();
    let (before, cpu_before) = (resident(), cpu());
    let ended = AtomicBool::new(false);
    let ask_on = || {
        let (mut took, mut most) = (Vec::new(), before);
        loop {
            let last = ended.load(Ordering::Acquire);
            let began = Instant::now();
            ask();
            took.push(began.elapsed());
            most = most.max(resident());
            if last {
                return (took, most - before);
            }
        }
    };
    let (outcome, (took, growth)) = std::thread::scope(|scope| {
        let witness = scope.spawn(ask_on);
        let outcome = {
            let _ended = Ended(&ended);
            attack()
        };
        (outcome, witness.join().unwrap())
    });
    println!(
        "{name}: {}, {} KiB more memory, {} ms CPU",
        describe(took),
        growth >> 10,
        cpu().saturating_sub(cpu_before)
    );
    assert!(growth < MOST_GROWTH, "{name}: memory grew by {growth} bytes");
    outcome
}

fn describe(mut took: Vec<Duration>) -> String {
    took.sort_unstable();
    let milliseconds = |at: usize| took.get(at).map_or(0.0, |took| took.as_secs_f64() * 1000.0);
    let (median, most) = (milliseconds(took.len() / 2), milliseconds(took.len() - 1));
    format!("{} honest answers (median {median:.1} ms, at most {most:.1} ms)", took.len())
}

/// Says that the attack is over, also when it fails.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Bytes of memory that this process has in use: client and server.
pub fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// Milliseconds of CPU that this process has used: client and server.
fn cpu() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks = |at: usize| fields[at].parse::<u64>().unwrap();
    (ticks(11) + ticks(12)) * 10
}
