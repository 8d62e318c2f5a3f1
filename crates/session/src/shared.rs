//! [`Shared`]: what all requests of one [`Sessions`](crate::Sessions) share: store, settings, counters.
//!
//! In: the builder's settings. Out: answers of the store, with its failures counted and logged. Owns the
//! registry of layers, so that a server can make all stores ready before it serves.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use crate::error::Error;
use crate::record::Attributes;
use crate::settings::Settings;
use crate::store::{Abilities, Store, StoreError};
use crate::time::Timestamp;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) settings: Settings,
    pub(crate) abilities: Abilities,
    /// Names of the cookie: without TLS, and with it.
    pub(crate) names: [String; 2],
    /// Attributes for express-compatible stores: without TLS, and with it.
    pub(crate) attributes: [Arc<Attributes>; 2],
    pub(crate) counters: Arc<Counters>,
    /// What the settings' check gave.
    checked: OnceLock<Result<(), String>>,
    is_prepared: AtomicBool,
    is_registered: AtomicBool,
}

impl Shared {
    pub(crate) fn new(store: Arc<dyn Store>, mut settings: Settings, counters: Arc<Counters>) -> Arc<Self> {
        let abilities = store.abilities();
        if !abilities.created {
            // Nobody knows when a session began; whoever asked for a limit all the same is told by `check`.
            settings.absolute.get_or_insert(None);
        }
        Arc::new(Self {
            abilities,
            names: [false, true].map(|secure| settings.cookie_name(secure)),
            attributes: [false, true].map(|secure| Arc::new(settings.attributes(secure))),
            store,
            settings,
            counters,
            checked: OnceLock::new(),
            is_prepared: AtomicBool::new(false),
            is_registered: AtomicBool::new(false),
        })
    }

    /// Makes it known to [`prepare`], once.
    pub(crate) fn register(self: &Arc<Self>) {
        if !self.is_registered.swap(true, Ordering::Relaxed) {
            let mut all = LAYERS.lock().unwrap_or_else(PoisonError::into_inner);
            all.retain(|known| known.strong_count() > 0);
            all.push(Arc::downgrade(self));
        }
    }

    /// Checks the settings and makes the store ready, until that has succeeded once.
    pub(crate) fn prepare(&self, workers: usize) -> Result<(), StoreError> {
        if self.is_prepared.load(Ordering::Acquire) {
            return Ok(());
        }
        let checked = self.checked.get_or_init(|| self.settings.check(self.abilities));
        checked.clone().map_err(StoreError::Misuse)?;
        self.store.prepare(workers)?;
        self.is_prepared.store(true, Ordering::Release);
        Ok(())
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.settings.clock)()
    }

    /// Counts and logs that the store failed while it should `doing`. At most one line a second.
    pub(crate) fn complain(&self, doing: &str, error: &StoreError) {
        self.counters.failures.fetch_add(1, Ordering::Relaxed);
        let second = Timestamp::now().0 / 1000;
        if self.counters.complained.swap(second, Ordering::Relaxed) == second {
            self.counters.unlogged.fetch_add(1, Ordering::Relaxed);
        } else {
            let unlogged = self.counters.unlogged.swap(0, Ordering::Relaxed);
            tracing::error!(unlogged, "the session store failed to {doing}: {error}");
        }
    }
}

/// Makes every layer's store ready for `workers` processes. A server calls it once, before it serves.
///
/// # Errors
/// The first setting that cannot be, or store that cannot be made ready.
pub fn prepare(workers: usize) -> Result<(), Error> {
    let layers: Vec<_> = {
        let all = LAYERS.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter_map(Weak::upgrade).collect()
    };
    layers.iter().try_for_each(|shared| shared.prepare(workers).map_err(Error::from))
}

static LAYERS: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

/// What a layer counts.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) loads: AtomicU64,
    pub(crate) saves: AtomicU64,
    pub(crate) touches: AtomicU64,
    pub(crate) ended: AtomicU64,
    pub(crate) failures: AtomicU64,
    complained: AtomicU64,
    unlogged: AtomicU64,
}

/// What the sessions of one layer did, in this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionCounts {
    /// How often the store was read.
    pub loads: u64,
    /// How often it was written.
    pub saves: u64,
    /// How often an expiry was moved and nothing else written.
    pub touches: u64,
    /// How many requests found at their end that their session had ended, and lost what they wrote to it.
    pub ended: u64,
    /// How often the store failed.
    pub failures: u64,
}

impl Counters {
    pub(crate) fn counts(&self) -> SessionCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        SessionCounts {
            loads: read(&self.loads),
            saves: read(&self.saves),
            touches: read(&self.touches),
            ended: read(&self.ended),
            failures: read(&self.failures),
        }
    }
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
