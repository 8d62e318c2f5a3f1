//! Keeps what small files hold, in a bounded number of bytes, so that a request for one costs no system call.
//!
//! In: representations by path and accepted codings. Out: the same, until they are pushed out, and whether they are
//! still fresh. Counts also what was pushed out and is still being sent. Must not know the file system.

use std::{
    hash::{BuildHasher, Hash, Hasher, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use quick_cache::{Equivalent, OptionsBuilder, Weighter, sync::Cache};
use rustix::time::{ClockId, clock_gettime};

use crate::{
    accept_encoding::{Accepted, Coding},
    in_file::InFile,
    open_file::Stamp,
    place::Place,
    representation::{Content, Representation},
};

/// A moment of a clock that only goes forward, to some milliseconds. Cheap: it is read for every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

impl Moment {
    pub(crate) fn now() -> Self {
        let now = clock_gettime(ClockId::MonotonicCoarse);
        let part = |number: i64| u64::try_from(number).unwrap_or_default();
        Self(part(now.tv_sec) * 1000 + part(now.tv_nsec) / 1_000_000)
    }

    fn is_within(self, age: Duration, of: Self) -> bool {
        u128::from(self.0.saturating_sub(of.0)) < age.as_millis()
    }
}

/// From which files a representation came, and how: the same origin gives the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The file that was asked for.
    pub(crate) original: Stamp,
    pub(crate) how: How,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Plain,
    /// From the file beside it that is already compressed.
    Sibling(Coding, Stamp),
    /// Compressed here, or found not to be worth it.
    Compressed(Coding),
}

/// A representation, and since when it is known to be right.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) representation: Representation,
    pub(crate) origin: Origin,
    /// The file was so young when it was read that it may have changed without its date.
    is_young: bool,
    checked: AtomicU64,
    /// Somebody asked for it over plain HTTP/1.
    was_asked: AtomicBool,
    in_file: OnceLock<Option<InFile>>,
}

impl Kept {
    pub(crate) fn new(representation: Representation, origin: Origin, now: Moment) -> Self {
        let is_young = representation.validators().is_weak();
        Self {
            representation,
            origin,
            is_young,
            checked: AtomicU64::new(now.0),
            was_asked: AtomicBool::new(false),
            in_file: OnceLock::new(),
        }
    }

    /// The content in a file too, if it is worth it: made for the second who could use it.
    pub(crate) fn in_file(&self, memory: &Memory) -> Option<InFile> {
        let Content::Memory(bytes) = self.representation.content() else { return None };
        if bytes.len() < IN_FILE_BYTES || !self.was_asked.swap(true, Ordering::Relaxed) {
            return None;
        }
        self.in_file
            .get_or_init(|| memory.has_room(bytes.len()).then(|| InFile::new(bytes, &memory.alive)).flatten())
            .clone()
    }

    pub(crate) fn is_fresh(&self, now: Moment, age: Duration) -> bool {
        now.is_within(age, Moment(self.checked.load(Ordering::Relaxed)))
    }

    /// Whether a look at the files that shows `origin` proves the bytes right.
    pub(crate) fn is_proved_by(&self, origin: &Origin) -> bool {
        !self.is_young && self.origin == *origin
    }

    pub(crate) fn prove(&self, now: Moment) {
        self.checked.store(now.0, Ordering::Relaxed);
    }
}

pub(crate) struct Memory {
    cache: Cache<Box<Key>, Value, Weights>,
    /// Files that did not become smaller, in the state that was tried.
    incompressible: Cache<Box<[u8]>, Stamp>,
    compressing: AtomicUsize,
    capacity: usize,
    /// Bytes of contents, kept or on their way to a peer.
    alive: Arc<AtomicUsize>,
    turns: [Mutex<()>; TURNS],
    hasher: RandomState,
}

impl Memory {
    /// `capacity`: bytes, for contents and what belongs to them.
    pub(crate) fn new(capacity: usize) -> Self {
        let options = OptionsBuilder::new()
            .estimated_items_capacity((capacity / EXPECTED_BYTES).max(1))
            .weight_capacity(capacity as u64)
            .shards(SHARDS)
            .build();
        let cache = match options {
            Ok(options) => Cache::with_options(options, Weights, Default::default(), Default::default()),
            // Every field that the builder asks for is set above.
            Err(_) => Cache::with_weighter(1, capacity as u64, Weights),
        };
        Self {
            cache,
            incompressible: Cache::new(MOST_INCOMPRESSIBLE),
            compressing: AtomicUsize::new(0),
            capacity,
            alive: Arc::default(),
            turns: [const { Mutex::new(()) }; TURNS],
            hasher: RandomState::new(),
        }
    }

    /// The largest plain content that is kept.
    pub(crate) fn largest(&self) -> usize {
        (self.capacity / LARGEST_PART).min(LARGEST_BYTES)
    }

    /// Whether `len` more bytes may be held. What slow peers still read of what is no longer kept is limited too:
    /// otherwise many of them could hold any number of files.
    pub(crate) fn has_room(&self, len: usize) -> bool {
        len <= ALWAYS_BYTES || self.alive.load(Ordering::Relaxed).saturating_add(len) <= 2 * self.capacity
    }

    /// `bytes`, counted until the last of them is sent and forgotten.
    pub(crate) fn count(&self, bytes: Vec<u8>) -> Bytes {
        self.alive.fetch_add(bytes.len(), Ordering::Relaxed);
        Bytes::from_owner(Counted { bytes, alive: Arc::clone(&self.alive) })
    }

    pub(crate) fn find(&self, path: &[u8], form: Form) -> Option<Arc<Kept>> {
        match self.cache.get(&Asked { path, slot: form.slot() })? {
            Value::Kept(kept) => Some(kept),
            Value::Chosen { .. } => None,
        }
    }

    pub(crate) fn keep(&self, path: &[u8], form: Form, kept: Arc<Kept>) {
        self.insert(path, form.slot(), Value::Kept(kept));
    }

    /// The form that was chosen for `accepted` at most `age` ago.
    pub(crate) fn chosen(&self, path: &[u8], accepted: Accepted, now: Moment, age: Duration) -> Option<Form> {
        match self.cache.get(&Asked { path, slot: chosen_slot(accepted) })? {
            Value::Chosen { form, at } => now.is_within(age, at).then_some(form),
            Value::Kept(_) => None,
        }
    }

    pub(crate) fn choose(&self, path: &[u8], accepted: Accepted, form: Form, at: Moment) {
        self.insert(path, chosen_slot(accepted), Value::Chosen { form, at });
    }

    fn insert(&self, path: &[u8], slot: u8, value: Value) {
        self.cache.insert(Box::new(Key { path: path.into(), slot }), value);
    }

    /// Whether this state of the file at `path` did not become smaller.
    pub(crate) fn is_incompressible(&self, path: &[u8], stamp: &Stamp) -> bool {
        self.incompressible.get(path).is_some_and(|known| known == *stamp)
    }

    pub(crate) fn note_incompressible(&self, path: &[u8], stamp: Stamp) {
        self.incompressible.insert(path.into(), stamp);
    }

    /// A place among those who compress or wait for it; `None` when there are many, who must not take all threads.
    pub(crate) fn place_to_compress(&self) -> Option<Place<'_>> {
        Place::take(&self.compressing, MOST_COMPRESSING)
    }

    /// Waits until nobody else compresses the same file, so that it is done once. Not for an event loop.
    pub(crate) fn take_turn(&self, path: &[u8], form: Form) -> MutexGuard<'_, ()> {
        let number = self.hasher.hash_one(Asked { path, slot: form.slot() });
        let place = usize::try_from(number % TURNS as u64).unwrap_or_default();
        self.turns[place].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

/// In which form a file is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Plain,
    Coded(Coding),
}

impl Form {
    fn slot(self) -> u8 {
        match self {
            Self::Plain => 0,
            Self::Coded(coding) => coding as u8,
        }
    }
}

/// Where the form for those who accept this stands.
fn chosen_slot(accepted: Accepted) -> u8 {
    0x80 | accepted.code()
}

/// A representation in one form, or which form answers a list of accepted codings.
#[derive(Debug, Clone)]
enum Value {
    Kept(Arc<Kept>),
    Chosen { form: Form, at: Moment },
}

#[derive(Debug, PartialEq, Eq)]
struct Key {
    path: Box<[u8]>,
    slot: u8,
}

/// A [`Key`] that is not owned.
struct Asked<'a> {
    path: &'a [u8],
    slot: u8,
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Asked { path: &self.path, slot: self.slot }.hash(state);
    }
}

impl Hash for Asked<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.path);
        state.write_u8(self.slot);
    }
}

impl Equivalent<Box<Key>> for Asked<'_> {
    fn equivalent(&self, key: &Box<Key>) -> bool {
        *self.path == *key.path && self.slot == key.slot
    }
}

#[derive(Debug, Clone)]
struct Weights;

impl Weighter<Box<Key>, Value> for Weights {
    fn weight(&self, key: &Box<Key>, value: &Value) -> u64 {
        let Value::Kept(kept) = value else { return (key.path.len() + CHOSEN_BYTES) as u64 };
        let content = match kept.representation.content() {
            Content::Memory(bytes) if bytes.len() < IN_FILE_BYTES => bytes.len(),
            // In a memory file too, or soon.
            Content::Memory(bytes) => 2 * bytes.len(),
            Content::File(_) => 0,
        };
        (content + key.path.len() + OVERHEAD_BYTES) as u64
    }
}

/// Content whose bytes are counted while they are anywhere.
struct Counted {
    bytes: Vec<u8>,
    alive: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.alive.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

// What a kept file costs besides its content and path, measured: header fields, validators, the table's row.
const OVERHEAD_BYTES: usize = 1300;
const CHOSEN_BYTES: usize = 150;
const MOST_INCOMPRESSIBLE: usize = 1000;
// Of the 512 threads for blocking work.
const MOST_COMPRESSING: usize = 32;
// For the first size of the table only.
const EXPECTED_BYTES: usize = 16 * 1024;
// Each has an equal part of the bytes, and must have room for the largest file several times.
const SHARDS: usize = 2;
const LARGEST_BYTES: usize = 1 << 20;
const LARGEST_PART: usize = 16;
// Kept whatever slow peers hold: they can hold as much as one chunk of a large file.
const ALWAYS_BYTES: usize = 64 * 1024;
const TURNS: usize = 16;
// Each memory file is an open descriptor, so small contents have none.
const IN_FILE_BYTES: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        open_file::Modified,
        options::Options,
        representation::Named,
        validators::{Validators, Wanted},
    };
    use http::HeaderValue;

    fn kept(memory: &Memory, len: usize) -> Arc<Kept> {
        let modified = Modified { seconds: 0, nanoseconds: 0 };
        let wanted = Wanted { etag: true, last_modified: true };
        let validators = Validators::new(len as u64, modified, None, std::time::SystemTime::now(), wanted);
        let named =
            Named { media_type: HeaderValue::from_static("text/plain"), varies: false, cache_control: None };
        let content = Content::Memory(memory.count(vec![0; len]));
        let representation = Representation::new(content, None, validators, named, &Options::default());
        let origin = Origin { original: Stamp::of_nothing(), how: How::Plain };
        Arc::new(Kept::new(representation, origin, Moment(0)))
    }

    #[test]
    fn what_is_kept_is_found_under_its_path_and_form_alone() {
        let memory = Memory::new(1 << 20);
        memory.keep(b"a", Form::Plain, kept(&memory, 10));
        assert!(memory.find(b"a", Form::Plain).is_some());
        assert!(memory.find(b"a", Form::Coded(Coding::Brotli)).is_none());
        assert!(memory.find(b"b", Form::Plain).is_none());
    }

    #[test]
    fn a_choice_holds_for_one_list_of_codings_and_for_a_while() {
        let memory = Memory::new(1 << 20);
        let mut headers = http::HeaderMap::new();
        headers.insert("accept-encoding", HeaderValue::from_static("br"));
        let br = Accepted::of(&headers);
        headers.insert("accept-encoding", HeaderValue::from_static("br, gzip"));
        let both = Accepted::of(&headers);
        let form = Form::Coded(Coding::Brotli);
        memory.choose(b"a", br, form, Moment(0));
        let second = Duration::from_secs(1);
        assert_eq!(memory.chosen(b"a", br, Moment(999), second), Some(form));
        assert_eq!(memory.chosen(b"a", br, Moment(1000), second), None);
        assert_eq!(memory.chosen(b"a", br, Moment(1000), Duration::MAX), Some(form));
        assert_eq!(memory.chosen(b"a", both, Moment(0), second), None);
        assert!(memory.find(b"a", form).is_none());
    }

    #[test]
    fn a_few_may_compress_at_once() {
        let memory = Memory::new(1 << 20);
        let places: Vec<_> = (0..MOST_COMPRESSING).map(|_| memory.place_to_compress().unwrap()).collect();
        assert!(memory.place_to_compress().is_none());
        assert!(memory.place_to_compress().is_none());
        drop(places);
        assert!(memory.place_to_compress().is_some());
    }

    #[test]
    fn the_bytes_are_bounded_however_many_files_there_are() {
        let capacity = 1 << 20;
        let memory = Memory::new(capacity);
        for number in 0..10_000_u32 {
            memory.keep(&number.to_le_bytes(), Form::Plain, kept(&memory, 1000));
            assert!(memory.alive.load(Ordering::Relaxed) <= capacity, "{number}");
        }
        assert!(memory.alive.load(Ordering::Relaxed) > capacity / 8);
        drop(memory);
    }

    #[test]
    fn what_peers_still_read_counts_when_there_is_no_place_for_it_any_more() {
        let memory = Memory::new(1 << 20);
        let held: Vec<Arc<Kept>> = (0..32).map(|_| kept(&memory, 1 << 16)).collect();
        assert!(!memory.has_room((1 << 16) + 1));
        assert!(memory.has_room(1 << 16));
        drop(held);
        assert!(memory.has_room((1 << 16) + 1));
    }

    #[test]
    fn a_proof_lasts_as_long_as_was_asked_for() {
        let memory = Memory::new(1 << 20);
        let kept = kept(&memory, 1);
        let age = Duration::from_secs(1);
        assert!(kept.is_fresh(Moment(999), age));
        assert!(!kept.is_fresh(Moment(1000), age));
        kept.prove(Moment(1000));
        assert!(kept.is_fresh(Moment(1999), age));
        assert!(!kept.is_fresh(Moment(1000), Duration::ZERO));
    }
}
