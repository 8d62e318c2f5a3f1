//! [`Environment`]: the LMDB files of one folder, opened once in this process.
//!
//! In: transactions to run. Out: what they gave. Owns all that LMDB asks its users to see to themselves, and
//! so all `unsafe` of this crate: no file is opened twice in a process, the map is resized only while no
//! transaction is open or waited for, and an environment that broke is opened anew. Knows nothing of sessions.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use heed::{Env, EnvFlags, EnvOpenOptions, MdbError, RoTxn, RwTxn, WithTls};

use super::super::StoreError;
use super::fault::{Fault, explain};
use super::tables::Tables;
use super::turn::{self, Turn};
use super::{Durability, MAP_UNIT, Settings, folder};

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
    /// What writers of all processes line up at.
    line: Arc<File>,
}

/// Why a write transaction did nothing.
pub(super) enum Failure {
    /// The environment broke earlier and is not open.
    Closed,
    /// LMDB says so.
    Lmdb(heed::Error),
}

/// What became of a wish for a larger map.
pub(super) enum Growth {
    /// It is larger now, or was already.
    Done,
    /// It is as large as the settings allow.
    AtLimit,
    /// The system refuses the addresses. The store goes on with those that it had.
    Refused(heed::Error),
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

    /// Runs `work` in a write transaction and commits it. Waits for writers in other processes, and keeps no
    /// reader of this one waiting meanwhile: whoever waits for his turn holds no shard.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&Tables, &mut RwTxn<'_>) -> heed::Result<T>,
    ) -> Result<T, Failure> {
        for _ in 0..ATTEMPTS {
            let line = {
                let shard = self.shard().read().unwrap_or_else(PoisonError::into_inner);
                shard.as_ref().map(|opened| Arc::clone(&opened.line)).ok_or(Failure::Closed)?
            };
            let _turn = Turn::wait(line).map_err(|error| Failure::Lmdb(heed::Error::Io(error)))?;
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
    pub(super) fn grow(&self, known: usize) -> Growth {
        let limit = self.settings.max_size;
        let grown = self.alone(|opened| match opened.env.info().map_size {
            size if size > known => Ok(Growth::Done),
            size if size >= limit => Ok(Growth::AtLimit),
            size => opened.resize(size.saturating_mul(2).min(limit)).map(|()| Growth::Done),
        });
        // Where it is closed, the next transaction says so.
        grown.unwrap_or(Ok(Growth::Done)).unwrap_or_else(Growth::Refused)
    }

    /// Gives a full store the pages that taking sessions out needs first, beyond its limit.
    pub(super) fn lend_reserve(&self) {
        let limit = self.settings.max_size;
        let reserve = (limit / 8).max(MIN_RESERVE).div_ceil(MAP_UNIT).saturating_mul(MAP_UNIT);
        // What another process with a higher limit has written may be more than the limit here.
        self.alone(|opened| {
            let used = opened.env.info().map_size.max(limit).div_ceil(MAP_UNIT).saturating_mul(MAP_UNIT);
            opened.resize(used.saturating_add(reserve))
        });
    }

    /// Ends what [`lend_reserve`](Environment::lend_reserve) began. LMDB keeps what is in use.
    pub(super) fn take_back_reserve(&self) {
        self.alone(|opened| opened.resize(self.settings.max_size));
    }

    /// Opens the files anew if LMDB gave them up, as after a failed write of the page that names the others.
    pub(super) fn reopen(&self) -> Result<(), StoreError> {
        let mut shards = self.all();
        let is_sound = |opened: &Opened| opened.env.read_txn().is_ok();
        if shards.first().and_then(|shard| shard.as_ref()).is_some_and(is_sound) {
            return Ok(());
        }
        self.open_anew(&mut shards)
    }

    /// Takes over the size that another process gave the map, as far as the limit or what is in use.
    fn adopt_size(&self) {
        self.alone(|opened| {
            if opened.env.read_txn().is_ok() {
                return Ok(()); // whoever waited here behind another may find it done
            }
            opened.resize(0)?;
            let limit = self.settings.max_size;
            if opened.env.info().map_size > limit { opened.resize(limit) } else { Ok(()) }
        });
    }

    /// Runs `work` while no transaction is open. Where that fails, the environment has lost its map, and is
    /// opened anew before anyone sees it. `None` if it is closed.
    fn alone<T>(&self, work: impl FnOnce(&Opened) -> heed::Result<T>) -> Option<heed::Result<T>> {
        let mut shards = self.all();
        let opened = shards.first().and_then(|shard| (**shard).clone())?;
        let done = work(&opened);
        drop(opened);
        if let Err(error) = &done {
            let path = self.path.display();
            tracing::error!(%path, %error, "the map of the session store cannot be resized");
            if let Err(error) = self.open_anew(&mut shards) {
                tracing::error!(%path, %error, "the session store cannot be reopened");
            }
        }
        Some(done)
    }

    /// Asks for more addresses than there are. Whether that failed.
    #[cfg(test)]
    pub(super) fn grow_beyond_all_bounds(&self) -> bool {
        self.alone(|opened| opened.resize(1 << (usize::BITS - 4))).is_some_and(|grown| grown.is_err())
    }

    /// Breaks it as a map that can neither be made anew nor opened does.
    #[cfg(test)]
    pub(super) fn lose_map(&self) {
        self.all().iter_mut().for_each(|shard| **shard = None);
    }

    fn open_anew(&self, shards: &mut [RwLockWriteGuard<'_, Option<Opened>>]) -> Result<(), StoreError> {
        shards.iter_mut().for_each(|shard| **shard = None);
        let opened = Opened::open(&self.settings, &self.path)?;
        shards.iter_mut().for_each(|shard| **shard = Some(opened.clone()));
        Ok(())
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

    /// The error of a store that is as large as it may be.
    pub(super) fn limit_reached(&self) -> StoreError {
        let (path, limit) = (self.path.display(), self.settings.max_size);
        StoreError::Full(format!("{path}: its sessions have reached max_size, {limit} bytes"))
    }

    fn closed(&self) -> StoreError {
        StoreError::Unavailable(format!("the session store in {} has failed", self.path.display()), None)
    }
}

impl Opened {
    fn open(settings: &Settings, path: &Path) -> Result<Self, StoreError> {
        let mut options = EnvOpenOptions::new();
        let size = settings.map_size.min(settings.max_size);
        options.map_size(size).max_readers(settings.max_readers).max_dbs(Tables::COUNT);
        let flags = match settings.durability {
            Durability::Full => EnvFlags::empty(),
            Durability::Normal => EnvFlags::NO_META_SYNC,
            Durability::Off => EnvFlags::NO_SYNC,
        };
        // SAFETY: these flags give up durability and nothing else; the map stays read-only, and locks are kept.
        unsafe { options.flags(flags) };
        // LMDB's locks on a file end when this process closes any descriptor of it, so the file of locks is
        // prepared only while LMDB does not have it open here; afterwards, only the other file is touched.
        if heed::env_closing_event(path).is_none() {
            folder::reserve_locks(path, settings.max_readers)
                .map_err(|error| explain(&heed::Error::Io(error), path))?;
        }
        // SAFETY: only LMDB writes these files: the folder is for its owner alone and on a local disk, and no
        // other code of this process opens the one with locks, which would end with it. heed refuses to open
        // a path twice in a process.
        let env = unsafe { options.open(path) }.map_err(|error| explain(&error, path))?;
        let _ = env.clear_stale_readers(); // they cost room, and nothing else
        let open_tables = || Tables::open(&env, settings.max_session_bytes);
        let tables = match open_tables() {
            Err(Fault::Lmdb(error)) if is_resized(&error) => {
                // SAFETY: no one else knows this environment yet, so no transaction is open.
                unsafe { env.resize(0) }.map_err(|error| explain(&error, path))?;
                open_tables()
            }
            tables => tables,
        };
        let tables = tables.map_err(|fault| fault.into_error(path))?;
        let line = turn::line(path).map_err(|error| explain(&heed::Error::Io(error), path))?;
        Ok(Self { env, tables, line: Arc::new(line) })
    }

    /// Where it fails, the map is lost.
    fn resize(&self, size: usize) -> heed::Result<()> {
        // SAFETY: called by `Environment::alone` only, which holds all shards, and whoever has a transaction
        // open, or waits in LMDB for one, holds one of them.
        unsafe { self.env.resize(size) }
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

const MIN_RESERVE: usize = 1024 * 1024;

/// How often another process may resize the map before this one is done with adopting its size.
const ATTEMPTS: usize = 16;
