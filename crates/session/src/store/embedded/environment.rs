//! [`Environment`]: the LMDB files of one folder, opened once in this process.
//!
//! In: transactions to run. Out: what they gave. Owns all that LMDB asks its users to see to themselves, and
//! so all `unsafe` of this crate: no file is opened twice in a process, the map is resized only while no
//! transaction is open, and an environment that broke is opened anew. Knows nothing of sessions.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, RwLockWriteGuard};

use heed::{Env, EnvFlags, EnvOpenOptions, MdbError, RoTxn, RwTxn, WithTls};

use super::super::StoreError;
use super::fault::{Fault, explain};
use super::tables::Tables;
use super::{Durability, Settings};

/// Transactions hold one of the shards for reading; who resizes or reopens holds all for writing. So threads
/// that only read share no lock with each other.
pub(super) struct Environment {
    shards: Box<[Shard]>,
    settings: Settings,
    /// Canonical.
    path: PathBuf,
}

/// A cache line of its own, or two where they are fetched in pairs.
#[repr(align(128))]
struct Shard(RwLock<Option<Opened>>);

#[derive(Clone)]
struct Opened {
    env: Env<WithTls>,
    tables: Tables,
}

/// Why a write transaction did nothing.
pub(super) enum Failure {
    /// The environment broke earlier and is not open.
    Closed,
    /// LMDB says so.
    Lmdb(heed::Error),
}

impl Environment {
    /// Opens the files in the folder `path`, which is canonical. They are made if they are missing.
    pub(super) fn open(settings: &Settings, path: PathBuf) -> Result<Self, StoreError> {
        let opened = Opened::open(settings, &path)?;
        let shard = || Shard(RwLock::new(Some(opened.clone())));
        Ok(Self {
            shards: std::iter::repeat_with(shard).take(SHARDS).collect(),
            settings: settings.clone(),
            path,
        })
    }

    /// The folder.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `work` in a read transaction. Waits for no lock but that of a map that is just growing.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Tables, &RoTxn<'_>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        for _ in 0..ATTEMPTS {
            let shard = self.shard().read().unwrap_or_else(PoisonError::into_inner);
            let Some(opened) = &*shard else { return Err(self.closed()) };
            match opened.env.read_txn() {
                Ok(txn) => {
                    return work(&opened.tables, &txn).map_err(|fault| fault.into_error(&self.path));
                }
                Err(error) if is_resized(&error) => {}
                Err(error) => return Err(explain(&error, &self.path)),
            }
            drop(shard);
            self.adopt_size();
        }
        Err(self.closed())
    }

    /// Runs `work` in a write transaction and commits it. Waits for writers in other processes.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&Tables, &mut RwTxn<'_>) -> heed::Result<T>,
    ) -> Result<T, Failure> {
        for _ in 0..ATTEMPTS {
            let shard = self.shard().read().unwrap_or_else(PoisonError::into_inner);
            let Some(opened) = &*shard else { return Err(Failure::Closed) };
            match opened.env.write_txn() {
                Ok(mut txn) => {
                    let done = work(&opened.tables, &mut txn).map_err(Failure::Lmdb)?;
                    txn.commit().map_err(Failure::Lmdb)?;
                    return Ok(done);
                }
                Err(error) if is_resized(&error) => {}
                Err(error) => return Err(Failure::Lmdb(error)),
            }
            drop(shard);
            self.adopt_size();
        }
        Err(Failure::Closed)
    }

    /// Frees the slots of readers whose process is gone: what they read could never be reused.
    pub(super) fn clear_stale_readers(&self) -> usize {
        let shard = self.shard().read().unwrap_or_else(PoisonError::into_inner);
        shard.as_ref().and_then(|opened| opened.env.clear_stale_readers().ok()).unwrap_or(0)
    }

    /// How large the map is, in bytes. 0 while the environment is not open.
    pub(super) fn map_size(&self) -> usize {
        let shard = self.shard().read().unwrap_or_else(PoisonError::into_inner);
        shard.as_ref().map_or(0, |opened| opened.env.info().map_size)
    }

    /// How many bytes the data file has. 0 while the environment is not open.
    pub(super) fn file_size(&self) -> u64 {
        let shard = self.shard().read().unwrap_or_else(PoisonError::into_inner);
        shard.as_ref().and_then(|opened| opened.env.real_disk_size().ok()).unwrap_or(0)
    }

    /// Whether it broke and has not been reopened.
    pub(super) fn is_closed(&self) -> bool {
        self.shard().read().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Doubles the map, unless it is larger than `known` already. It is address space, not memory.
    pub(super) fn grow(&self, known: usize) {
        self.alone(|opened| match opened.env.info().map_size {
            size if size > known => true,
            size => opened.resize(size.saturating_mul(2)),
        });
    }

    /// Opens the files anew if LMDB gave them up, as after a failed write of the page that names the others.
    pub(super) fn reopen(&self) -> Result<(), StoreError> {
        let mut shards = self.all();
        let is_sound = |opened: &Opened| opened.env.read_txn().is_ok();
        if shards.first().and_then(|shard| shard.as_ref()).is_some_and(is_sound) {
            return Ok(());
        }
        shards.iter_mut().for_each(|shard| **shard = None);
        let opened = Opened::open(&self.settings, &self.path)?;
        shards.iter_mut().for_each(|shard| **shard = Some(opened.clone()));
        Ok(())
    }

    /// Takes over the size that another process gave the map.
    fn adopt_size(&self) {
        // Whoever waited here behind another may find it done.
        self.alone(|opened| opened.env.read_txn().is_ok() || opened.resize(0));
    }

    /// Runs `work` while no transaction is open. Where it gives `false`, the environment has lost its map and
    /// is closed.
    fn alone(&self, work: impl FnOnce(&Opened) -> bool) {
        let mut shards = self.all();
        let Some(Some(opened)) = shards.first().map(|shard| (**shard).clone()) else { return };
        if !work(&opened) {
            shards.iter_mut().for_each(|shard| **shard = None);
        }
    }

    /// Breaks it as a map that cannot be made anew does.
    #[cfg(test)]
    pub(super) fn lose_map(&self) {
        self.alone(|_| false);
    }

    fn all(&self) -> Vec<RwLockWriteGuard<'_, Option<Opened>>> {
        // Always in this order, so that two who do it at once cannot wait for each other.
        self.shards.iter().map(|shard| shard.0.write().unwrap_or_else(PoisonError::into_inner)).collect()
    }

    fn shard(&self) -> &RwLock<Option<Opened>> {
        let number = NUMBER.with(|number| {
            if number.get() == usize::MAX {
                number.set(NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS);
            }
            number.get()
        });
        &self.shards[number].0
    }

    fn closed(&self) -> StoreError {
        StoreError::Unavailable(format!("the session store in {} has failed", self.path.display()), None)
    }
}

impl Opened {
    fn open(settings: &Settings, path: &Path) -> Result<Self, StoreError> {
        let mut options = EnvOpenOptions::new();
        options.map_size(settings.map_size).max_readers(settings.max_readers).max_dbs(Tables::COUNT);
        let flags = match settings.durability {
            Durability::Full => EnvFlags::empty(),
            Durability::Normal => EnvFlags::NO_META_SYNC,
            Durability::Off => EnvFlags::NO_SYNC,
        };
        // SAFETY: these flags give up durability and nothing else; the map stays read-only, and locks are kept.
        unsafe { options.flags(flags) };
        // SAFETY: only LMDB writes these files: the folder is for its owner alone and on a local disk, and no
        // other code of this process opens them, whose locks would end with it. heed refuses to open a path
        // twice in a process.
        let env = unsafe { options.open(path) }.map_err(|error| explain(&error, path))?;
        let _ = env.clear_stale_readers(); // they cost room, and nothing else
        let tables = match Tables::open(&env) {
            Err(Fault::Lmdb(error)) if is_resized(&error) => {
                // SAFETY: no one else knows this environment yet, so no transaction is open.
                unsafe { env.resize(0) }.map_err(|error| explain(&error, path))?;
                Tables::open(&env)
            }
            tables => tables,
        };
        let tables = tables.map_err(|fault| fault.into_error(path))?;
        Ok(Self { env, tables })
    }

    /// `false` if the map could not be made anew; it is lost then.
    fn resize(&self, size: usize) -> bool {
        // SAFETY: called by `Environment::alone` only, which holds all shards, and whoever has a transaction
        // open holds one of them.
        let resized = unsafe { self.env.resize(size) };
        if let Err(error) = &resized {
            tracing::error!(path = %self.env.path().display(), %error, "the map of the session store is lost");
        }
        resized.is_ok()
    }
}

fn is_resized(error: &heed::Error) -> bool {
    matches!(error, heed::Error::Mdb(MdbError::MapResized))
}

thread_local! {
    /// Which shard this thread uses in every environment.
    static NUMBER: Cell<usize> = const { Cell::new(usize::MAX) };
}

static NEXT: AtomicUsize = AtomicUsize::new(0);

/// More than the threads of a worker, as a rule.
const SHARDS: usize = 32;

/// How often another process may resize the map before this one is done with adopting its size.
const ATTEMPTS: usize = 16;
