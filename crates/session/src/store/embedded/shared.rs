//! [`Shared`]: what all [`Embedded`](super::Embedded) of one folder in this process have together.
//!
//! In: settings. Out: the environment, and a writer as soon as one is needed. Owns the list of what is open,
//! since LMDB must not open a folder twice in a process.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use heed::RoTxn;

use super::super::StoreError;
use super::environment::Environment;
use super::fault::Fault;
use super::tables::Tables;
use super::writer::{Kind, Writer};
use super::{Settings, folder};

/// An environment and its writer. The last one to let go of it ends the writer and closes the files.
pub(super) struct Shared {
    /// Before the environment, so that it ends first.
    writer: OnceLock<Writer>,
    starting: Mutex<()>,
    environment: Arc<Environment>,
    sweep_interval: Option<Duration>,
}

impl Shared {
    /// Opens the folder, or joins those who have it open; then their settings hold. Blocks while files are
    /// opened, and for the first time while another process makes the same store.
    pub(super) fn open(settings: &Settings) -> Result<Arc<Self>, StoreError> {
        let path = folder::make_ready(&settings.path, settings.create)?;
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = open.get(&path).and_then(Weak::upgrade) {
            return Ok(shared);
        }
        if let Some(closing) = heed::env_closing_event(&path) {
            closing.wait_timeout(CLOSING); // the writer of the last one finishes its work
        }
        let shared = Arc::new(Self {
            writer: OnceLock::new(),
            starting: Mutex::default(),
            environment: Arc::new(Environment::open(settings, path.clone())?),
            sweep_interval: settings.sweep_interval,
        });
        open.retain(|_, shared| shared.strong_count() > 0);
        open.insert(path, Arc::downgrade(&shared));
        Ok(shared)
    }

    /// The environment, to read from.
    pub(super) fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Reads, and has an environment that broke opened anew.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Tables, &RoTxn<'_>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let read = self.environment.read(work);
        if read.is_err() && self.environment.is_closed() {
            // Whatever it is asked, it opens first. Where too much waits, it is asked already.
            drop(self.writer()?.ask(Kind::Frees, Duration::MAX, |_, _| Ok(())));
        }
        read
    }

    /// The writer; it is started if this is the first call.
    pub(super) fn writer(&self) -> Result<&Writer, StoreError> {
        if let Some(writer) = self.writer.get() {
            return Ok(writer);
        }
        let _starting = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = self.writer.get() {
            return Ok(writer);
        }
        let writer = Writer::start(Arc::clone(&self.environment), self.sweep_interval)?;
        Ok(self.writer.get_or_init(|| writer))
    }
}

/// By canonical path.
static OPEN: Mutex<BTreeMap<PathBuf, Weak<Shared>>> = Mutex::new(BTreeMap::new());

const CLOSING: Duration = Duration::from_secs(5);
