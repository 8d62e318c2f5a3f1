//! The schedule: when which request is due, and which connections rest.
//!
//! Out: [`Planned`] requests, through a [`Queue`] that gives each to the
//! connection that has waited for longest. Knows no sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, mpsc};
use tokio::time::Instant;

use crate::load::{Context, Phases};
use crate::random::Random;

/// A request that is due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planned {
    /// When it was to be sent.
    pub(crate) at: Instant,
    /// Which of the load's works it is.
    pub(crate) work: usize,
    /// The seed of its body and of the way that is sent.
    pub(crate) seed: u64,
}

/// Requests that are due and not yet taken.
pub(crate) struct Queue {
    receiver: Mutex<mpsc::UnboundedReceiver<Planned>>,
}

impl Queue {
    pub(crate) fn new() -> (mpsc::UnboundedSender<Planned>, Self) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (sender, Self { receiver: Mutex::new(receiver) })
    }

    /// The next request; `None` once the schedule has ended and the queue is empty.
    ///
    /// Callers are served in the order in which they came. Cancelling loses
    /// the place in that order, never a request.
    pub(crate) async fn next(&self) -> Option<Planned> {
        self.receiver.lock().await.recv().await
    }
}

/// Plans requests, a random fraction of the interval apart from an even spacing, until the load is stopped.
pub(crate) async fn run(context: Arc<Context>, sender: mpsc::UnboundedSender<Planned>) {
    let load = &context.load;
    let mut stopped = context.stopped.clone();
    if !(load.rate.is_finite() && load.rate > 0.0) || load.works.is_empty() {
        return;
    }
    let mut random = Random::part(load.seed, u64::MAX);
    let mut number = 0.0_f64;
    loop {
        let Ok(offset) = Duration::try_from_secs_f64((number + random.fraction()) / load.rate) else {
            return;
        };
        let at = context.counts.started() + offset;
        if Instant::now() < at {
            tokio::select! {
                () = tokio::time::sleep_until(at) => {}
                _ = stopped.wait_for(|stopped| *stopped) => return,
            }
        } else if *stopped.borrow() {
            return;
        }
        let work = random.size(&(0..=load.works.len() - 1));
        context.counts.planned();
        if sender.send(Planned { at, work, seed: random.number() }).is_err() {
            return;
        }
        number += 1.0;
    }
}

/// How many connections rest.
pub(crate) struct Rests {
    phases: Phases,
    /// 0 <= most <= connections
    most: usize,
    resting: AtomicUsize,
}

impl Rests {
    pub(crate) fn new(phases: Phases, connections: usize) -> Self {
        let resting = |connections: usize| connections as f64 * phases.idle_share;
        let most =
            (1..=connections).take_while(|count| *count as f64 <= resting(connections).round()).count();
        Self { phases, most, resting: AtomicUsize::new(0) }
    }

    /// The end of a rest that a connection begins now, if it is to rest; it must then call [`Rests::end`].
    pub(crate) fn begin(&self, random: &mut Random) -> Option<Instant> {
        if self.most == 0 || !random.chance(0.25) {
            return None;
        }
        let more = |resting| (resting < self.most).then_some(resting + 1);
        self.resting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Instant::now() + random.duration(self.phases.shortest, self.phases.longest))
    }

    pub(crate) fn end(&self) {
        self.resting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_connections_rest_at_a_time_than_their_share() {
        for (connections, share, most) in
            [(10, 0.1, 1), (64, 0.5, 32), (1, 0.1, 0), (4, 7.0, 4), (4, f64::NAN, 0)]
        {
            let rests = Rests::new(Phases { idle_share: share, ..Phases::default() }, connections);
            let mut random = Random::new(3);
            let resting = (0..1000).filter_map(|_| rests.begin(&mut random)).count();
            assert_eq!(resting, most, "{connections} connections, share {share}");
        }
    }
}
