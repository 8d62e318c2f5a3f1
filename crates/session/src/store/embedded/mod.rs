//! [`Embedded`]: sessions in a folder of this machine, shared by all its processes.
//!
//! In: ids and changes. Out: records. Owns the settings and the ways of asking: reads run where they are
//! asked for, everything else goes through the writer of this process. Layout and locking are further down:
//! `tables`, `environment`, `turn`, `writer`.

mod changes;
mod check;
mod environment;
mod fault;
mod folder;
mod gathering;
mod queue;
mod shared;
mod tables;
mod turn;
mod writer;

use std::fmt;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use heed::RwTxn;
use tokio::sync::oneshot;

use self::fault::Fault;
use self::shared::Shared;
use self::tables::{Stored, Tables};
use self::writer::Kind;
use super::{Committed, Listed, Pending, Store, StoreError, Update, Updated};
use crate::id::{Handle, Id};
use crate::record::{Change, Json, Record};
use crate::time::Timestamp;

/// Keeps sessions in a folder on this machine's disk: LMDB, a memory-mapped tree.
///
/// All processes of the machine may use one folder at the same time: the workers of a server, those of its
/// next version during a reload, and the command `narae sessions`. A read takes about a microsecond and waits
/// for no one. Writes that come at the same time share one transaction, and so one wait for the disk. What was
/// acknowledged is seen by every process at once and survives the death of any; what a power failure may cost
/// is said by [`Durability`]. Ids are kept as their [handles](Id::handle): the file opens no session.
///
/// The folder must be on a local disk and writable; it is made when it is missing, for its owner alone. All
/// processes that use it must be in one PID namespace: not in two containers that share a volume. Nothing
/// is opened until [`prepare`](Store::prepare) or the first use. Two of one folder in one process share its
/// files, with the settings of whichever opened them first.
pub struct Embedded {
    settings: Settings,
    shared: Arc<OnceLock<Arc<Shared>>>,
}

/// What a power failure may cost. The end of a process, also by `kill -9`, never costs anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Nothing that was acknowledged: two waits for the disk per transaction.
    Full,
    /// The last transaction or the last few, as if they had not happened: one wait for the disk per
    /// transaction. The default.
    #[default]
    Normal,
    /// All sessions: no wait for the disk. For tests, and for sessions that may be lost.
    Off,
}

#[derive(Clone, Debug)]
struct Settings {
    path: PathBuf,
    create: bool,
    map_size: usize,
    max_size: usize,
    max_session_bytes: usize,
    durability: Durability,
    max_readers: u32,
    sweep_interval: Option<Duration>,
    write_timeout: Duration,
}

impl Embedded {
    /// Names the folder `path`; a relative one starts at the working directory of now. Opens nothing yet.
    ///
    /// # Errors
    /// [`StoreError::Misuse`] if `path` is empty, or relative where there is no working directory.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = std::path::absolute(path.as_ref()).map_err(|error| {
            let path = path.as_ref().display();
            StoreError::Misuse(format!("{path:?} cannot be a folder for sessions: {error}"))
        })?;
        let settings = Settings {
            path,
            create: true,
            map_size: DEFAULT_MAP_SIZE,
            max_size: DEFAULT_MAX_SIZE,
            max_session_bytes: 1024 * 1024,
            durability: Durability::default(),
            max_readers: 2048,
            sweep_interval: Some(Duration::from_secs(60)),
            write_timeout: Duration::from_secs(10),
        };
        Ok(Self { settings, shared: Arc::default() })
    }

    /// How much the store may hold before it must grow, in bytes. Default: 1 GiB (128 MiB where addresses have
    /// 32 bits). It is address space, neither memory nor disk; growing, which doubles it, makes readers wait
    /// for a moment.
    #[must_use]
    pub fn map_size(mut self, bytes: usize) -> Self {
        self.settings.map_size = whole_units(bytes);
        self
    }

    /// How large the data file may become, in bytes. Default: 16 GiB (nearly 4 GiB where addresses have 32 bits).
    /// Beyond it, what would need more is a [`StoreError::Full`] that names the folder and this setting; reads
    /// go on, and so does what takes sessions out, for which up to an eighth more is used. Give every process
    /// the same.
    #[must_use]
    pub fn max_size(mut self, bytes: usize) -> Self {
        self.settings.max_size = whole_units(bytes);
        self
    }

    /// How large a session may become as it is stored, in bytes. Default: 1 MiB. A write that would make it
    /// larger is a [`StoreError::TooBig`]; what was stored before is read as ever.
    #[must_use]
    pub fn max_session_bytes(mut self, bytes: usize) -> Self {
        self.settings.max_session_bytes = bytes;
        self
    }

    /// What a power failure may cost. Default: [`Durability::Normal`].
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.settings.durability = durability;
        self
    }

    /// How many threads of all processes together may read, one at least. Default: 2048. A thread that has
    /// read keeps its place, 64 bytes, until it ends, also while it reads nothing. For one too many, reads are a
    /// [`StoreError::Unavailable`] that names this setting. Whoever opens the folder first decides; another
    /// number takes effect when no process has it open.
    #[must_use]
    pub fn max_readers(mut self, threads: u32) -> Self {
        self.settings.max_readers = threads.max(1);
        self
    }

    /// How often expired sessions are forgotten, by whichever process is due first. Default: every 60 s.
    /// `None`: this process does not; a program that only looks sets this.
    #[must_use]
    pub fn sweep_interval(mut self, interval: Option<Duration>) -> Self {
        self.settings.sweep_interval = interval.map(|interval| interval.max(Duration::from_millis(10)));
        self
    }

    /// How long a request waits for its write to be kept. Default: 10 s. Then it has failed. A write that was
    /// begun by then may still happen, unacknowledged; one that was not is dropped. A write whose request was
    /// cancelled earlier, because its client has gone, is done all the same, unless it waits that long. A
    /// process that is stopped while it writes keeps the others' writes waiting, not their reads. At most
    /// 16,384 writes with 64 MiB of values wait in a process; more are a [`StoreError::Unavailable`] at once.
    #[must_use]
    pub fn write_timeout(mut self, limit: Duration) -> Self {
        self.settings.write_timeout = limit;
        self
    }

    /// Whether a missing store is made. Default: `true`. Otherwise its absence is a [`StoreError::Misuse`].
    #[must_use]
    pub fn create_missing(mut self, create: bool) -> Self {
        self.settings.create = create;
        self
    }

    /// Up to `limit` live sessions in the order of their handles, those after `after`. Who calls again with
    /// the last handle until nothing comes sees every session that was there all the time.
    pub fn page(&self, after: Option<Handle>, limit: usize, now: Timestamp) -> Pending<'_, Vec<Listed>> {
        self.read(move |tables, txn| {
            let start =
                after.as_ref().map_or(Bound::Unbounded, |handle| Bound::Excluded(&handle.as_bytes()[..]));
            let mut page = Vec::new();
            for entry in tables.sessions.range(txn, &(start, Bound::Unbounded))? {
                let (key, bytes) = entry?;
                let Some(handle) = Handle::from_bytes(key) else { continue };
                let stored = Stored::parse(bytes).map_err(|error| tables::unreadable(handle, error))?;
                let record = stored.decode(handle)?;
                if record.expires > now {
                    page.push(Listed { handle, record });
                }
                if page.len() >= limit {
                    break;
                }
            }
            Ok(page)
        })
    }

    /// The record of the session named `handle`, unless there is none or it has expired at `now`.
    pub fn find(&self, handle: Handle, now: Timestamp) -> Pending<'_, Option<Record>> {
        self.read(move |tables, txn| {
            tables.live(txn, handle, now)?.map(|stored| stored.decode(handle)).transpose()
        })
    }

    /// Ends the session named `handle`, whoever it belongs to. `false` if there was none.
    pub fn end(&self, handle: Handle) -> Pending<'_, bool> {
        self.write(Kind::Frees, move |tables, txn| changes::destroy(tables, txn, handle))
    }

    /// How much address space the store has and how many bytes its file, for reports.
    ///
    /// # Errors
    /// As for any read.
    pub fn size(&self) -> Result<(usize, u64), StoreError> {
        let shared = self.open_here()?;
        Ok((shared.environment().map_size(), shared.environment().file_size()))
    }

    /// Frees the places of readers whose process is gone, and gives how many there were. Opening and sweeping
    /// do it too.
    ///
    /// # Errors
    /// If the store cannot be opened.
    pub fn clear_stale_readers(&self) -> Result<usize, StoreError> {
        Ok(self.open_here()?.environment().clear_stale_readers())
    }

    /// Reads everything and says where indexes and sessions contradict each other. Nothing, unless the disk or
    /// narae is broken. Takes seconds in a large store.
    ///
    /// # Errors
    /// As for any read.
    pub fn contradictions(&self) -> Result<Vec<String>, StoreError> {
        self.open_here()?.read(check::contradictions)
    }

    fn open_here(&self) -> Result<Arc<Shared>, StoreError> {
        if let Some(shared) = self.shared.get() {
            return Ok(Arc::clone(shared));
        }
        let shared = Shared::open(&self.settings)?;
        Ok(Arc::clone(self.shared.get_or_init(|| shared)))
    }

    /// Opens in a thread of its own, so that no runtime waits for files.
    async fn open_aside(&self) -> Result<&Arc<Shared>, StoreError> {
        if let Some(shared) = self.shared.get() {
            return Ok(shared);
        }
        let (reply, answer) = oneshot::channel();
        let settings = self.settings.clone();
        let open = move || drop(reply.send(Shared::open(&settings)));
        let started = std::thread::Builder::new().name("narae-sessions-open".to_owned()).spawn(open);
        started.map_err(|error| self.failed_with("no thread can be started to open it", error))?;
        let opened = self.answered(answer).await?;
        Ok(self.shared.get_or_init(|| opened))
    }

    fn read<'a, T: Send + 'a>(
        &'a self,
        work: impl FnOnce(&Tables, &heed::RoTxn<'_>) -> Result<T, Fault> + Send + 'a,
    ) -> Pending<'a, T> {
        if let Some(shared) = self.shared.get() {
            return Box::pin(std::future::ready(shared.read(work)));
        }
        Box::pin(async move { self.open_aside().await?.read(work) })
    }

    fn write<'a, T: Send + 'static>(
        &'a self,
        kind: Kind,
        work: impl FnMut(&Tables, &mut RwTxn<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Pending<'a, T> {
        Box::pin(async move {
            let writer = self.open_aside().await?.writer()?;
            let answer = writer.ask(kind, self.settings.write_timeout, work)?;
            self.answered(answer).await
        })
    }

    async fn answered<T>(&self, answer: writer::Answer<T>) -> Result<T, StoreError> {
        match tokio::time::timeout(self.settings.write_timeout, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(self.failed("its writer has dropped this")),
            Err(_) => Err(self.failed("it has not answered in time")),
        }
    }

    fn failed(&self, why: &str) -> StoreError {
        let path = self.settings.path.display();
        StoreError::Unavailable(format!("the session store in {path} failed: {why}"), None)
    }

    fn failed_with(&self, why: &str, error: std::io::Error) -> StoreError {
        let path = self.settings.path.display();
        StoreError::unavailable(format!("the session store in {path} failed: {why}"), error)
    }
}

impl Store for Embedded {
    fn load<'a>(&'a self, id: &'a Id, now: Timestamp) -> Pending<'a, Option<Record>> {
        self.find(id.handle(), now)
    }

    fn create(&self, id: Id, change: Change) -> Pending<'_, Committed> {
        let handle = id.handle();
        self.write(kept(&change), move |tables, txn| changes::create(tables, txn, handle, &change))
    }

    fn commit(&self, id: Id, change: Change) -> Pending<'_, Committed> {
        let handle = id.handle();
        self.write(kept(&change), move |tables, txn| changes::commit(tables, txn, handle, &change))
    }

    fn renew(&self, from: Id, to: Id, change: Change) -> Pending<'_, Committed> {
        let handles = (from.handle(), to.handle());
        self.write(kept(&change), move |tables, txn| changes::renew(tables, txn, handles, &change))
    }

    fn update(&self, id: Id, update: Update) -> Pending<'_, Updated> {
        let handle = id.handle();
        self.write(Kind::Keeps(0), move |tables, txn| changes::update(tables, txn, handle, &update))
    }

    fn touch(&self, id: Id, now: Timestamp, expires: Timestamp) -> Pending<'_, bool> {
        let handle = id.handle();
        self.write(Kind::Keeps(0), move |tables, txn| changes::touch(tables, txn, handle, (now, expires)))
    }

    fn destroy(&self, id: Id) -> Pending<'_, bool> {
        self.end(id.handle())
    }

    fn sessions_of<'a>(&'a self, user: &'a str, now: Timestamp) -> Pending<'a, Vec<Listed>> {
        self.read(move |tables, txn| changes::sessions_of(tables, txn, user, now))
    }

    fn destroy_all_of<'a>(&'a self, user: &'a str, except: Option<Handle>) -> Pending<'a, u64> {
        let user = user.to_owned();
        self.write(Kind::Frees, move |tables, txn| changes::destroy_all_of(tables, txn, &user, except))
    }

    fn revoke<'a>(&'a self, user: &'a str, handle: Handle) -> Pending<'a, bool> {
        let user = user.to_owned();
        self.write(Kind::Frees, move |tables, txn| changes::revoke(tables, txn, &user, handle))
    }

    fn count(&self, now: Timestamp) -> Pending<'_, u64> {
        self.read(move |tables, txn| {
            let expired = changes::count_expired(tables, txn, now)?;
            Ok(tables.sessions.len(txn)?.saturating_sub(expired))
        })
    }

    fn sweep(&self, now: Timestamp) -> Pending<'_, u64> {
        Box::pin(async move {
            loop {
                let step = move |tables: &Tables, txn: &mut RwTxn<'_>| {
                    changes::sweep(tables, txn, now, writer::SWEEP_STEP)
                };
                let swept = self.write(Kind::Frees, step).await?;
                // A step that only moved entries says nothing about those behind them.
                if swept.forgotten > 0 || !swept.more {
                    return Ok(swept.forgotten);
                }
            }
        })
    }

    fn prepare(&self, _: usize) -> Result<(), StoreError> {
        self.open_here()?.writer().map(drop)
    }
}

fn kept(change: &Change) -> Kind {
    let size = |edit: &(Arc<str>, Option<Json>)| edit.0.len() + edit.1.as_deref().map_or(0, str::len);
    Kind::Keeps(change.edits.iter().map(size).sum())
}

fn whole_units(bytes: usize) -> usize {
    bytes.clamp(MAP_UNIT, usize::MAX - MAP_UNIT).div_ceil(MAP_UNIT) * MAP_UNIT
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("path", &self.settings.path).finish_non_exhaustive()
    }
}

/// A multiple of every size that pages have.
const MAP_UNIT: usize = 64 * 1024;

const DEFAULT_MAP_SIZE: usize = if usize::BITS < 64 { 128 << 20 } else { 1 << 30 };

const DEFAULT_MAX_SIZE: usize = DEFAULT_MAP_SIZE.saturating_mul(if usize::BITS < 64 { 31 } else { 16 });

#[cfg(test)]
mod tests {
    use super::*;

    async fn one_session(folder: &Path) -> (Embedded, Id) {
        // Without sweeps, which go by the clock: these sessions are old.
        let store = Embedded::open(folder).unwrap().durability(Durability::Off).sweep_interval(None);
        let id = Id::random();
        store.create(id.clone(), Change::nothing(Timestamp(1), Timestamp(50_000))).await.unwrap();
        (store, id)
    }

    #[tokio::test]
    async fn the_store_of_a_later_version_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = one_session(folder.path()).await;
        let put = |tables: &Tables, txn: &mut RwTxn<'_>| {
            Ok(tables.meta.put(txn, b"schema", &2_u32.to_be_bytes())?)
        };
        store.write(Kind::Keeps(0), put).await.unwrap();
        drop(store);
        let error = Embedded::open(folder.path()).unwrap().prepare(1).unwrap_err();
        assert!(matches!(error, StoreError::Misuse(_)), "{error:?}");
        assert!(error.to_string().contains("schema 2"), "{error}");
    }

    #[tokio::test]
    async fn a_record_that_cannot_be_read_is_an_error_and_can_be_ended() {
        let folder = tempfile::tempdir().unwrap();
        let (store, id) = one_session(folder.path()).await;
        let handle = id.handle();
        let put = move |tables: &Tables, txn: &mut RwTxn<'_>| {
            let mut bytes = tables.find(txn, handle)?.unwrap().to_bytes();
            bytes[tables::BUCKET_BYTES] = 9;
            Ok(tables.sessions.put(txn, handle.as_bytes(), &bytes)?)
        };
        store.write(Kind::Keeps(0), put).await.unwrap();
        let error = store.load(&id, Timestamp(2)).await.unwrap_err();
        assert!(matches!(error, StoreError::Unreadable(_)), "{error:?}");
        assert!(error.to_string().contains(&handle.to_string()), "{error}");
        assert!(store.touch(id.clone(), Timestamp(2), Timestamp(60_000)).await.is_err());
        assert_eq!(store.contradictions().unwrap().len(), 2, "it is missed in one index, and unreadable");
        assert!(store.destroy(id.clone()).await.unwrap());
        assert_eq!(store.load(&id, Timestamp(2)).await.unwrap(), None);
        assert_eq!(store.contradictions().unwrap(), [""; 0]);
    }

    #[tokio::test]
    async fn a_record_that_cannot_be_read_is_left_out_of_its_users_list() {
        let folder = tempfile::tempdir().unwrap();
        let (store, id) = one_session(folder.path()).await;
        let other = Id::random();
        for id in [&id, &other] {
            let user = Some(Some("ada".into()));
            let change = Change { user, ..Change::nothing(Timestamp(1), Timestamp(50_000)) };
            store.create(id.clone(), change).await.unwrap();
        }
        let handle = id.handle();
        let put = move |tables: &Tables, txn: &mut RwTxn<'_>| {
            let mut bytes = tables.find(txn, handle)?.unwrap().to_bytes();
            bytes[tables::BUCKET_BYTES] = 9;
            Ok(tables.sessions.put(txn, handle.as_bytes(), &bytes)?)
        };
        store.write(Kind::Keeps(0), put).await.unwrap();
        let listed = store.sessions_of("ada", Timestamp(2)).await.unwrap();
        assert_eq!(listed.iter().map(|listed| listed.handle).collect::<Vec<_>>(), [other.handle()]);
    }

    #[tokio::test]
    async fn a_map_that_cannot_grow_stays_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let (store, id) = one_session(folder.path()).await;
        for _ in 0..3 {
            assert!(store.open_here().unwrap().environment().grow_beyond_all_bounds());
            assert!(store.load(&id, Timestamp(2)).await.unwrap().is_some());
            assert!(store.touch(id.clone(), Timestamp(2), Timestamp(60_000)).await.unwrap());
        }
    }

    #[tokio::test]
    async fn an_environment_that_broke_is_opened_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (store, id) = one_session(folder.path()).await;
        store.open_here().unwrap().environment().lose_map();
        assert!(matches!(store.load(&id, Timestamp(2)).await, Err(StoreError::Unavailable(..))));
        while store.load(&id, Timestamp(2)).await.is_err() {
            tokio::task::yield_now().await;
        }
        store.open_here().unwrap().environment().lose_map();
        assert!(store.touch(id.clone(), Timestamp(2), Timestamp(60_000)).await.unwrap());
    }
}
