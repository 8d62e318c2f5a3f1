//! [`Memory`]: sessions in the memory of one process, for tests and small tools.
//!
//! In: ids and changes. Out: records. Everything ends with the process, and no other process sees it, so it
//! refuses to serve beside other workers unless the program says that it means it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Abilities, Committed, Listed, Pending, Store, StoreError, Update, Updated};
use crate::id::{Handle, Id};
use crate::record::{Change, Record};
use crate::time::Timestamp;

/// Keeps sessions in memory: for tests.
///
/// Holds at most [`capacity`](Memory::capacity) sessions; a new one beyond that puts out the oldest. Refuses
/// to start in more than one worker process, since a user would be logged in by one and unknown to the next.
pub struct Memory {
    held: Mutex<Held>,
    capacity: usize,
    single_process_only: bool,
}

#[derive(Default)]
struct Held {
    /// With the place in `ages`.
    records: HashMap<Handle, (u64, Record)>,
    /// The oldest first.
    ages: BTreeMap<u64, Handle>,
    next: u64,
}

impl Memory {
    /// An empty store for 100,000 sessions.
    #[must_use]
    pub fn new() -> Self {
        Self { held: Mutex::default(), capacity: 100_000, single_process_only: false }
    }

    /// How many sessions it holds at most, one at least. Default: 100,000.
    #[must_use]
    pub const fn capacity(mut self, sessions: usize) -> Self {
        self.capacity = if sessions == 0 { 1 } else { sessions };
        self
    }

    /// Lets it serve in a cluster although every worker then has sessions of its own. Default: refused, since
    /// users lose their login whenever another worker answers.
    #[must_use]
    pub const fn single_process_only(mut self) -> Self {
        self.single_process_only = true;
        self
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Held {
    fn live(&mut self, handle: Handle, now: Timestamp) -> Option<&mut Record> {
        if self.records.get(&handle)?.1.expires <= now {
            self.remove(handle);
        }
        self.records.get_mut(&handle).map(|(_, record)| record)
    }

    fn remove(&mut self, handle: Handle) -> Option<Record> {
        let (age, record) = self.records.remove(&handle)?;
        self.ages.remove(&age);
        Some(record)
    }

    fn keep(&mut self, handle: Handle, record: Record, capacity: usize) {
        self.remove(handle);
        while self.records.len() >= capacity {
            let Some((_, oldest)) = self.ages.pop_first() else { break };
            self.records.remove(&oldest);
        }
        self.ages.insert(self.next, handle);
        self.records.insert(handle, (self.next, record));
        self.next += 1;
    }

    fn of_user(&self, user: &str) -> Vec<(Handle, &Record)> {
        let mut found: Vec<_> = self
            .records
            .iter()
            .filter(|(_, (_, record))| record.user.as_deref() == Some(user))
            .map(|(handle, (age, record))| (*age, *handle, record))
            .collect();
        found.sort_by_key(|&(age, ..)| std::cmp::Reverse(age));
        found.into_iter().map(|(_, handle, record)| (handle, record)).collect()
    }
}

fn answer<'a, T: Send + 'a>(value: T) -> Pending<'a, T> {
    Box::pin(std::future::ready(Ok(value)))
}

impl Store for Memory {
    fn load<'a>(&'a self, id: &'a Id, now: Timestamp) -> Pending<'a, Option<Record>> {
        answer(self.held().live(id.handle(), now).cloned())
    }

    fn create(&self, id: Id, change: Change) -> Pending<'_, Committed> {
        self.held().keep(id.handle(), change.into_record(), self.capacity);
        answer(Committed::Done(None))
    }

    fn commit(&self, id: Id, change: Change) -> Pending<'_, Committed> {
        answer(match self.held().live(id.handle(), change.now) {
            Some(record) => {
                change.apply(record);
                Committed::Done(None)
            }
            None => Committed::Gone,
        })
    }

    fn renew(&self, from: Id, to: Id, change: Change) -> Pending<'_, Committed> {
        let mut held = self.held();
        if held.live(from.handle(), change.now).is_none() {
            return answer(Committed::Gone);
        }
        if let Some(mut record) = held.remove(from.handle()) {
            change.apply(&mut record);
            held.keep(to.handle(), record, self.capacity);
        }
        answer(Committed::Done(None))
    }

    fn update(&self, id: Id, update: Update) -> Pending<'_, Updated> {
        let mut held = self.held();
        let Some(record) = held.live(id.handle(), update.now) else { return answer(Updated::Gone) };
        let made = (update.make)(record.values.find(&update.key).map(|json| &**json));
        answer(match made {
            Ok(json) => {
                let mut change = Change::nothing(update.now, update.expires);
                change.edits.push((update.key, json.clone()));
                change.apply(record);
                Updated::Done(json, None)
            }
            Err(why) => Updated::Refused(why),
        })
    }

    fn touch(&self, id: Id, now: Timestamp, expires: Timestamp) -> Pending<'_, bool> {
        answer(self.held().live(id.handle(), now).is_some_and(|record| {
            record.expires = record.expires.max(expires);
            record.seen = record.seen.max(Some(now));
            true
        }))
    }

    fn destroy(&self, id: Id) -> Pending<'_, bool> {
        answer(self.held().remove(id.handle()).is_some())
    }

    fn sessions_of<'a>(&'a self, user: &'a str, now: Timestamp) -> Pending<'a, Vec<Listed>> {
        let held = self.held();
        let live = held.of_user(user).into_iter().filter(|(_, record)| record.expires > now);
        answer(live.map(|(handle, record)| Listed { handle, record: record.clone() }).collect())
    }

    fn destroy_all_of<'a>(&'a self, user: &'a str, except: Option<Handle>) -> Pending<'a, u64> {
        let mut held = self.held();
        let ending: Vec<Handle> =
            held.of_user(user).into_iter().map(|(handle, _)| handle).filter(|h| Some(*h) != except).collect();
        answer(ending.into_iter().filter_map(|handle| held.remove(handle)).count() as u64)
    }

    fn revoke<'a>(&'a self, user: &'a str, handle: Handle) -> Pending<'a, bool> {
        let mut held = self.held();
        let is_theirs = |(_, record): &(u64, Record)| record.user.as_deref() == Some(user);
        let found = held.records.get(&handle).is_some_and(is_theirs);
        answer(found && held.remove(handle).is_some())
    }

    fn count(&self, now: Timestamp) -> Pending<'_, u64> {
        answer(self.held().records.values().filter(|(_, record)| record.expires > now).count() as u64)
    }

    fn sweep(&self, now: Timestamp) -> Pending<'_, u64> {
        let mut held = self.held();
        let over = held.records.iter().filter(|(_, (_, record))| record.expires <= now);
        let over: Vec<Handle> = over.map(|(handle, _)| *handle).collect();
        over.iter().for_each(|&handle| drop(held.remove(handle)));
        answer(over.len() as u64)
    }

    fn prepare(&self, workers: usize) -> Result<(), StoreError> {
        if workers > 1 && !self.single_process_only {
            return Err(StoreError::Misuse(format!(
                "the memory store keeps sessions in one process, and {workers} workers are to serve: users \
                 would lose their login whenever another worker answers; use the embedded store, or one \
                 worker, or say single_process_only()"
            )));
        }
        Ok(())
    }

    fn abilities(&self) -> Abilities {
        Abilities::default()
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn passes_the_contract() {
        super::super::contract::check(std::sync::Arc::new(Memory::new())).await;
    }

    #[tokio::test]
    async fn a_session_too_many_puts_out_the_oldest() {
        let store = Memory::new().capacity(2);
        let ids: Vec<Id> = (0..3).map(|_| Id::random()).collect();
        for id in &ids {
            store.create(id.clone(), Change::nothing(Timestamp(1), Timestamp(100))).await.unwrap();
        }
        let mut there = Vec::new();
        for id in &ids {
            there.push(store.load(id, Timestamp(2)).await.unwrap().is_some());
        }
        assert_eq!(there, [false, true, true]);
    }

    #[test]
    fn refuses_to_serve_beside_other_workers_unless_told() {
        assert!(Memory::new().prepare(1).is_ok());
        let error = Memory::new().prepare(2).unwrap_err().to_string();
        assert!(error.contains("2 workers") && error.contains("single_process_only()"), "{error}");
        assert!(Memory::new().single_process_only().prepare(2).is_ok());
    }
}
