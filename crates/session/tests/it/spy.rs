//! A store that writes down what it is asked, and fails when told.

use std::sync::{Arc, Mutex};

use narae_session::store::{
    Abilities, Committed, Listed, Memory, Pending, Store, StoreError, Update, Updated,
};
use narae_session::{Change, Handle, Id, Record, Timestamp};

/// A memory store under observation.
#[derive(Clone, Debug)]
pub(crate) struct Spy {
    store: Arc<Memory>,
    seen: Arc<Mutex<Vec<(&'static str, Id)>>>,
    pub(crate) abilities: Abilities,
    /// Which methods fail.
    failing: Arc<Mutex<Vec<&'static str>>>,
    /// Whether reads find nothing.
    loses: bool,
    /// Whether answers come later, as from a server.
    slow: bool,
}

impl Spy {
    pub(crate) fn new() -> Self {
        Self {
            store: Arc::new(Memory::new()),
            seen: Arc::default(),
            abilities: Abilities::default(),
            failing: Arc::default(),
            loses: false,
            slow: false,
        }
    }

    /// A store whose answers take their time.
    pub(crate) fn slow() -> Self {
        Self { slow: true, ..Self::new() }
    }

    /// From now on nothing is found.
    pub(crate) fn lose_everything_read(&mut self) {
        self.loses = true;
    }

    pub(crate) fn fail(&self, methods: &[&'static str]) {
        *self.failing.lock().unwrap() = methods.to_vec();
    }

    /// What was asked since the last time: `get`, `set`, `touch`, `destroy`, in Node's words.
    pub(crate) fn take(&self) -> Vec<(&'static str, Id)> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }

    pub(crate) async fn holds(&self, id: &Id) -> bool {
        self.store.load(id, Timestamp(0)).await.unwrap().is_some()
    }

    fn note(&self, call: &'static str, id: &Id) -> Result<(), StoreError> {
        self.seen.lock().unwrap().push((call, id.clone()));
        if self.failing.lock().unwrap().contains(&call) {
            return Err(StoreError::Unavailable("boom".into(), None));
        }
        Ok(())
    }

    fn run<'a, T: Send + 'a>(
        &'a self,
        calls: &[(&'static str, &Id)],
        then: impl FnOnce() -> Pending<'a, T>,
    ) -> Pending<'a, T> {
        let noted = calls.iter().try_for_each(|(call, id)| self.note(call, id));
        let answer = match noted {
            Ok(()) => then(),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        };
        if !self.slow {
            return answer;
        }
        Box::pin(async move {
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
            answer.await
        })
    }
}

impl Store for Spy {
    fn load<'a>(&'a self, id: &'a Id, _: Timestamp) -> Pending<'a, Option<Record>> {
        if self.loses {
            return self.run(&[("get", id)], || Box::pin(std::future::ready(Ok(None))));
        }
        self.run(&[("get", id)], || self.store.load(id, Timestamp(0)))
    }
    fn create(&self, id: Id, change: Change) -> Pending<'_, Committed> {
        self.run(&[("set", &id.clone())], || self.store.create(id, change))
    }
    fn commit(&self, id: Id, change: Change) -> Pending<'_, Committed> {
        self.run(&[("set", &id.clone())], || self.store.commit(id, change))
    }
    fn renew(&self, from: Id, to: Id, change: Change) -> Pending<'_, Committed> {
        let calls = [("destroy", &from.clone()), ("set", &to.clone())];
        self.run(&calls, || self.store.renew(from, to, change))
    }
    fn update(&self, id: Id, update: Update) -> Pending<'_, Updated> {
        self.run(&[("update", &id.clone())], || self.store.update(id, update))
    }
    fn touch(&self, id: Id, now: Timestamp, expires: Timestamp) -> Pending<'_, bool> {
        self.run(&[("touch", &id.clone())], || self.store.touch(id, now, expires))
    }
    fn destroy(&self, id: Id) -> Pending<'_, bool> {
        self.run(&[("destroy", &id.clone())], || self.store.destroy(id))
    }
    fn sessions_of<'a>(&'a self, user: &'a str, now: Timestamp) -> Pending<'a, Vec<Listed>> {
        self.store.sessions_of(user, now)
    }
    fn destroy_all_of<'a>(&'a self, user: &'a str, except: Option<Handle>) -> Pending<'a, u64> {
        self.store.destroy_all_of(user, except)
    }
    fn revoke<'a>(&'a self, user: &'a str, handle: Handle) -> Pending<'a, bool> {
        self.store.revoke(user, handle)
    }
    fn count(&self, now: Timestamp) -> Pending<'_, u64> {
        self.store.count(now)
    }
    fn sweep(&self, now: Timestamp) -> Pending<'_, u64> {
        self.store.sweep(now)
    }
    fn prepare(&self, _: usize) -> Result<(), StoreError> {
        if self.failing.lock().unwrap().contains(&"prepare") {
            return Err(StoreError::Unavailable("boom".into(), None));
        }
        Ok(())
    }
    fn abilities(&self) -> Abilities {
        self.abilities
    }
}
