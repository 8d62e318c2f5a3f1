//! [`Gathering`]: what one turn of an event loop hands to the writer, sent to it together.
//!
//! In: jobs, one by one. Out: batches, of each loop one at a time. A writer that takes the first job as soon as it is
//! there writes it alone, and waits for the disk alone, while a busy loop is still making the others; and each of them
//! wakes it. Knows nothing of what a job does.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::{Handle, Id};

/// The way to a writer.
pub(super) struct Gathering<J> {
    inner: Mutex<Inner<J>>,
}

struct Inner<J> {
    /// `None`: the writer takes no more.
    to: Option<Sender<Vec<J>>>,
    /// What each event loop has gathered, while it gathers.
    turns: Vec<(Id, Vec<J>)>,
}

impl<J: Send + 'static> Gathering<J> {
    pub(super) fn new(to: Sender<Vec<J>>) -> Arc<Self> {
        Arc::new(Self { inner: Mutex::new(Inner { to: Some(to), turns: Vec::new() }) })
    }

    /// Sends `job` when whatever else the loop `home` has to do now is done; without one, at once.
    pub(super) fn add(self: &Arc<Self>, job: J, home: Option<&Handle>) {
        let mut inner = self.inner();
        let Some(home) = home else { return inner.send(vec![job]) };
        let id = home.id();
        if let Some((_, jobs)) = inner.turns.iter_mut().find(|(known, _)| *known == id) {
            jobs.push(job);
            if jobs.len() >= MOST {
                let full = std::mem::take(jobs);
                inner.send(full);
            }
            return;
        }
        inner.turns.push((id, vec![job]));
        drop(inner);
        // A loop that ends drops it, which sends what there is.
        let turn = Turn { gathering: Arc::clone(self), id };
        home.spawn(async move { turn.end().await });
    }

    /// Sends all that was gathered. What is added from now on is dropped.
    pub(super) fn close(&self) {
        let mut inner = self.inner();
        for (_, jobs) in std::mem::take(&mut inner.turns) {
            inner.send(jobs);
        }
        inner.to = None;
    }

    fn inner(&self) -> MutexGuard<'_, Inner<J>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<J> Inner<J> {
    fn send(&self, jobs: Vec<J>) {
        if let Some(to) = &self.to {
            // If the writer is gone, so is each job's reply, and the answer says so.
            let _ = to.send(jobs);
        }
    }
}

/// Sends what one loop has gathered, when it is dropped.
struct Turn<J: Send + 'static> {
    gathering: Arc<Gathering<J>>,
    id: Id,
}

impl<J: Send + 'static> Turn<J> {
    /// Ends when the loop has nothing more to do that makes jobs, or has done a lot.
    async fn end(self) {
        let mut gathered = 0;
        for _ in 0..LONGEST {
            let now = self.gathered();
            if now == gathered {
                return;
            }
            gathered = now;
            // The loop runs what is ready and looks for more.
            tokio::task::yield_now().await;
        }
    }

    fn gathered(&self) -> usize {
        self.gathering.inner().turns.iter().find(|(id, _)| *id == self.id).map_or(0, |(_, jobs)| jobs.len())
    }
}

impl<J: Send + 'static> Drop for Turn<J> {
    fn drop(&mut self) {
        let mut inner = self.gathering.inner();
        if let Some(index) = inner.turns.iter().position(|(known, _)| *known == self.id) {
            let (_, jobs) = inner.turns.swap_remove(index);
            inner.send(jobs);
        }
    }
}

/// Jobs that are not gathered any longer.
const MOST: usize = 512;
/// And how often a loop looks for more.
const LONGEST: u32 = 8;

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;
    use tokio::runtime::{Builder, Runtime};

    use super::*;

    fn gathering() -> (Arc<Gathering<usize>>, Receiver<Vec<usize>>) {
        let (to, batches) = channel();
        (Gathering::new(to), batches)
    }

    fn event_loop() -> Runtime {
        Builder::new_current_thread().enable_io().build().unwrap()
    }

    #[test]
    fn what_a_busy_loop_asks_for_in_several_turns_is_sent_together() {
        let (gathering, batches) = gathering();
        event_loop().block_on(async {
            let tasks = (0..20).map(|job| {
                let gathering = Arc::clone(&gathering);
                let (mut peer, mut socket) = UnixStream::pair().unwrap();
                tokio::spawn(async move {
                    // Half of them wait for their socket, which the loop has not looked at yet.
                    if job % 2 == 1 {
                        peer.write_all(b"!").await.unwrap();
                        socket.read_u8().await.unwrap();
                    }
                    gathering.add(job, Some(&Handle::current()));
                })
            });
            for task in tasks.collect::<Vec<_>>() {
                task.await.unwrap();
            }
            while batches.try_recv().map(|batch| assert_eq!(batch.len(), 20)).is_err() {
                tokio::task::yield_now().await;
            }
        });
        assert!(batches.try_recv().is_err());
    }

    #[test]
    fn each_loop_gathers_for_itself_and_outside_of_one_nothing_is_gathered() {
        let (gathering, batches) = gathering();
        let (one, other) = (event_loop(), event_loop());
        gathering.add(1, Some(one.handle()));
        gathering.add(2, Some(other.handle()));
        gathering.add(3, None);
        assert_eq!(batches.try_recv().unwrap(), [3]);
        let soon = async || {
            while gathering.inner().turns.iter().any(|(id, _)| *id == Handle::current().id()) {
                tokio::task::yield_now().await;
            }
        };
        other.block_on(soon());
        assert_eq!(batches.try_recv().unwrap(), [2]);
        assert!(batches.try_recv().is_err());
        one.block_on(soon());
        assert_eq!(batches.try_recv().unwrap(), [1]);
    }

    #[test]
    fn a_loop_that_always_has_more_is_not_waited_for() {
        let (gathering, batches) = gathering();
        event_loop().block_on(async {
            for job in 0.. {
                gathering.add(job, Some(&Handle::current()));
                tokio::task::yield_now().await;
                if batches.try_recv().is_ok() {
                    break;
                }
                assert!(job < 100);
            }
        });
        let still = event_loop();
        for job in 0..MOST {
            gathering.add(job, Some(still.handle()));
        }
        assert_eq!(batches.try_recv().unwrap().len(), MOST);
    }

    #[test]
    fn a_loop_that_ends_and_a_writer_that_ends_lose_nothing() {
        let (gathering, batches) = gathering();
        let ended = event_loop();
        gathering.add(1, Some(ended.handle()));
        drop(ended);
        assert_eq!(batches.try_recv().unwrap(), [1]);
        let living = event_loop();
        gathering.add(2, Some(living.handle()));
        gathering.close();
        assert_eq!(batches.recv().unwrap(), [2]);
        gathering.add(3, Some(living.handle()));
        gathering.add(4, None);
        assert!(batches.recv().is_err(), "there is no way left");
    }
}
