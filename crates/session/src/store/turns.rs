//! [`Turns`]: the tasks of this process that change the same session, one after the other.
//!
//! In: a session's handle. Out: a turn. For speed, and so that tasks that wait hold no connection: who wins is
//! decided by the server, which keeps apart what other processes write too. So whoever waited long enough goes
//! on without a turn.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;

use crate::id::Handle;

/// A queue for each session that somebody changes now.
#[derive(Default)]
pub(crate) struct Turns(Mutex<HashMap<Handle, Queue>>);

type Queue = Arc<tokio::sync::Mutex<()>>;

/// A turn; it ends when this is dropped.
pub(crate) struct Turn<'a> {
    // In this order: the next one has its turn before the queue is looked at.
    _held: OwnedMutexGuard<()>,
    _place: Place<'a>,
}

/// A place in a queue. The last one takes the queue away.
struct Place<'a> {
    turns: &'a Turns,
    handle: Handle,
}

impl Turns {
    /// Waits until no other task has the session's turn: tasks come in the order in which they asked. `None`:
    /// the wait was longer than `limit`, and the task goes on without. Needs a runtime with timers.
    pub(crate) async fn take(&self, handle: Handle, limit: Duration) -> Option<Turn<'_>> {
        let queue = Arc::clone(self.queues().entry(handle).or_default());
        let place = Place { turns: self, handle };
        let held = tokio::time::timeout(limit, queue.lock_owned()).await.ok()?;
        Some(Turn { _held: held, _place: place })
    }

    fn queues(&self) -> MutexGuard<'_, HashMap<Handle, Queue>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut queues = self.turns.queues();
        // Whoever waits, or has the turn, holds the queue too; new ones come under the same lock.
        if queues.get(&self.handle).is_some_and(|queue| Arc::strong_count(queue) == 1) {
            queues.remove(&self.handle);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handle(byte: u8) -> Handle {
        Handle::from_bytes(&[byte; Handle::BYTES]).expect("a handle")
    }

    #[tokio::test]
    async fn one_at_a_time_has_the_turn_of_a_session_in_the_order_in_which_they_asked() {
        let turns = Arc::new(Turns::default());
        let order = Arc::new(Mutex::new(Vec::new()));
        let first = turns.take(handle(1), Duration::from_secs(60)).await.expect("it is free");
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..10 {
            let (turns, order) = (Arc::clone(&turns), Arc::clone(&order));
            tasks.spawn(async move {
                let turn = turns.take(handle(1), Duration::from_secs(60)).await;
                order.lock().unwrap().push(number);
                tokio::task::yield_now().await;
                assert_eq!(order.lock().unwrap().last(), Some(&number), "nobody else had it meanwhile");
                drop(turn);
            });
            tokio::task::yield_now().await;
        }
        assert!(order.lock().unwrap().is_empty());
        drop(first);
        tasks.join_all().await;
        assert_eq!(*order.lock().unwrap(), (0..10).collect::<Vec<_>>());
        assert!(turns.queues().is_empty(), "no queue stays behind");
    }

    #[tokio::test]
    async fn strangers_do_not_wait_for_each_other_and_nobody_waits_for_ever() {
        let turns = Turns::default();
        let held = turns.take(handle(1), Duration::ZERO).await.expect("it is free");
        assert!(turns.take(handle(1), Duration::from_millis(1)).await.is_none());
        for stranger in 2..=255 {
            assert!(turns.take(handle(stranger), Duration::ZERO).await.is_some());
        }
        assert_eq!(turns.queues().len(), 1, "who gave up leaves no place behind");
        drop(held);
        assert!(turns.queues().is_empty());
        assert!(turns.take(handle(1), Duration::MAX).await.is_some(), "a limit without end is none");
    }
}
