//! The page of counters that the supervisor and its workers share.
//!
//! In: a number of lanes, or the descriptor of a page. Out: [`Lane`]s, each
//! written by one worker and read by anyone, also after that worker's death.
//! Owns the layout; does not know what a counter counts.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU64, fence};

use crate::sys;

/// Counters in a lane.
pub const COUNTERS: usize = 24;

/// Longest evidence of a lane, in bytes.
pub const MAX_EVIDENCE_BYTES: usize = 2048;

const MAGIC: u64 = u64::from_le_bytes(*b"naraepag");
const VERSION: u64 = 1;
const MAX_LANES: usize = 4096;

// In words of 8 bytes. Lanes begin at cache lines, so that two workers never
// write to the same one.
const HEADER_WORDS: usize = 8; // magic, version, lanes, 5 unused
const EVIDENCE_HEAD_WORDS: usize = 8; // published, length 0, length 1, 5 unused
const TEXT_WORDS: usize = MAX_EVIDENCE_BYTES / 8;
const EVIDENCE_WORDS: usize = EVIDENCE_HEAD_WORDS + 2 * TEXT_WORDS;
const LANE_WORDS: usize = COUNTERS + EVIDENCE_WORDS;

/// Shared memory with a fixed number of [`Lane`]s.
///
/// The mapping lasts as long as the process, also after the page is dropped.
#[derive(Debug)]
pub struct Page {
    memory: OwnedFd,
    lanes: &'static [AtomicU64], // a multiple of LANE_WORDS
}

impl Page {
    /// A page of zeros.
    ///
    /// # Errors
    /// `InvalidInput` for no lanes or more than 4096; whatever the system says.
    pub fn create(lanes: usize) -> io::Result<Self> {
        if lanes == 0 || lanes > MAX_LANES {
            let text = format!("a page has 1 to {MAX_LANES} lanes, not {lanes}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let memory = sys::page::create(HEADER_WORDS + lanes * LANE_WORDS)?;
        let words = sys::page::map(&memory)?;
        for (word, value) in words.iter().zip([MAGIC, VERSION, lanes as u64]) {
            word.store(value, Release);
        }
        Self::new(memory, words)
    }

    /// The page that another process created.
    ///
    /// # Errors
    /// `InvalidData` if this is no page, or one of another version.
    pub fn open(memory: OwnedFd) -> io::Result<Self> {
        let words = sys::page::map(&memory)?;
        Self::new(memory, words)
    }

    fn new(memory: OwnedFd, words: &'static [AtomicU64]) -> io::Result<Self> {
        let invalid = |reason: String| Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        let Some((header, lanes)) = words.split_first_chunk::<HEADER_WORDS>() else {
            return invalid("this is no page of counters: it is too short".to_owned());
        };
        let [magic, version, count, ..] = header.each_ref().map(|word| word.load(Acquire));
        if magic != MAGIC {
            return invalid("this is no page of counters".to_owned());
        }
        if version != VERSION {
            return invalid(format!("the page of counters has version {version}, not {VERSION}"));
        }
        if lanes.is_empty()
            || !lanes.len().is_multiple_of(LANE_WORDS)
            || (lanes.len() / LANE_WORDS) as u64 != count
        {
            return invalid(format!("the page of counters has not the size of {count} lanes"));
        }
        Ok(Self { memory, lanes })
    }

    /// The memory itself, to hand to another process.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.memory.as_fd()
    }

    /// How many lanes there are.
    #[must_use]
    pub fn lanes(&self) -> usize {
        self.lanes.len() / LANE_WORDS
    }

    /// The lane `index`, from 0; none past the last.
    #[must_use]
    pub fn lane(&self, index: usize) -> Option<Lane> {
        let words = self.lanes.chunks_exact(LANE_WORDS).nth(index)?;
        let (counters, evidence) = words.split_first_chunk()?;
        Some(Lane { counters, evidence: evidence.first_chunk()? })
    }
}

/// The row of one worker.
#[derive(Debug, Clone, Copy)]
pub struct Lane {
    /// What it counted; 0 at first.
    pub counters: &'static [AtomicU64; COUNTERS],
    evidence: &'static [AtomicU64; EVIDENCE_WORDS],
}

impl Lane {
    /// Replaces the text that tells what the worker is doing, as a whole. Never waits.
    ///
    /// Cut at a character boundary to [`MAX_EVIDENCE_BYTES`]. One thread of
    /// one process writes a lane at a time; if two do, the text may be mixed
    /// of both. A writer that dies in here leaves the text before.
    pub fn set_evidence(&self, text: &str) {
        let text = &text[..text.floor_char_boundary(MAX_EVIDENCE_BYTES)];
        let published = self.published().load(Relaxed);
        let next = published.wrapping_add(1);
        let (length, words) = self.side(next);
        // A reader that sees any word written below also sees all that was
        // published before, so it notices that its side is being rewritten.
        fence(Release);
        for (word, bytes) in words.iter().zip(text.as_bytes().chunks(8)) {
            let mut padded = [0; 8];
            padded[..bytes.len()].copy_from_slice(bytes);
            word.store(u64::from_le_bytes(padded), Relaxed);
        }
        length.store(text.len() as u64, Relaxed);
        self.published().store(next, Release);
    }

    /// The text set last, as a whole; empty at first. Never waits.
    ///
    /// If it is replaced again and again while it is read, 10 000 times, the
    /// last reading is returned as it is.
    #[must_use]
    pub fn evidence(&self) -> String {
        const ATTEMPTS: usize = 10_000;
        let mut bytes = Vec::with_capacity(MAX_EVIDENCE_BYTES);
        for _ in 0..ATTEMPTS {
            let published = self.published().load(Acquire);
            let (length, words) = self.side(published);
            let length = usize::try_from(length.load(Relaxed)).unwrap_or(usize::MAX).min(MAX_EVIDENCE_BYTES);
            bytes.clear();
            for word in &words[..length.div_ceil(8)] {
                bytes.extend(word.load(Relaxed).to_le_bytes());
            }
            bytes.truncate(length);
            fence(Acquire);
            if self.published().load(Relaxed) == published {
                break;
            }
            std::hint::spin_loop();
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Sets all counters to 0 and the text to nothing.
    pub fn clear(&self) {
        for counter in self.counters {
            counter.store(0, Relaxed);
        }
        self.set_evidence("");
    }

    fn published(&self) -> &'static AtomicU64 {
        let [published, ..] = self.evidence;
        published
    }

    /// Length and words of the text that the publication `number` shows. Two take turns,
    /// so that one is always whole.
    fn side(&self, number: u64) -> (&'static AtomicU64, &'static [AtomicU64; TEXT_WORDS]) {
        const SECOND: usize = EVIDENCE_HEAD_WORDS + TEXT_WORDS;
        let [_, even_length, odd_length, ..] = self.evidence;
        let (length, start) =
            if number.is_multiple_of(2) { (even_length, EVIDENCE_HEAD_WORDS) } else { (odd_length, SECOND) };
        let words = self.evidence[start..].first_chunk().expect("both halves lie within EVIDENCE_WORDS");
        (length, words)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    fn twice(lanes: usize) -> (Page, Page) {
        let page = Page::create(lanes).unwrap();
        let other = Page::open(page.fd().try_clone_to_owned().unwrap()).unwrap();
        (page, other)
    }

    #[test]
    fn another_mapping_sees_the_counters_and_the_text() {
        let (page, other) = twice(3);
        assert_eq!((page.lanes(), other.lanes()), (3, 3));
        assert!(other.lane(3).is_none());
        for index in 0..3 {
            let (mine, theirs) = (page.lane(index).unwrap(), other.lane(index).unwrap());
            assert_eq!(theirs.evidence(), "");
            for (number, counter) in (1..).zip(mine.counters) {
                assert_eq!(counter.fetch_add(number * 10 + index as u64, Relaxed), 0, "lanes do not overlap");
            }
            mine.set_evidence(&format!("GET /{index} for 3 s"));
        }
        for index in 0..3 {
            let theirs = other.lane(index).unwrap();
            for (number, counter) in (1..).zip(theirs.counters) {
                assert_eq!(counter.load(Relaxed), number * 10 + index as u64);
            }
            assert_eq!(theirs.evidence(), format!("GET /{index} for 3 s"));
        }
    }

    #[test]
    fn clearing_concerns_one_lane() {
        let (page, other) = twice(2);
        for lane in [page.lane(0).unwrap(), page.lane(1).unwrap()] {
            lane.counters[5].store(9, Relaxed);
            lane.set_evidence("busy");
        }
        page.lane(0).unwrap().clear();
        let state = |index| {
            let lane = other.lane(index).unwrap();
            (lane.counters[5].load(Relaxed), lane.evidence())
        };
        assert_eq!(state(0), (0, String::new()));
        assert_eq!(state(1), (9, "busy".to_owned()));
    }

    #[test]
    fn a_page_of_the_wrong_kind_is_refused() {
        let check = |memory: OwnedFd, part: &str| {
            let error = Page::open(memory).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            assert!(error.to_string().contains(part), "{error}");
        };
        let words = |values: &[u64], length| {
            let memory = sys::page::create(length).unwrap();
            for (word, value) in sys::page::map(&memory).unwrap().iter().zip(values) {
                word.store(*value, Relaxed);
            }
            memory
        };
        let one = HEADER_WORDS + LANE_WORDS;
        check(words(&[], 1), "too short");
        check(words(&[], one), "no page of counters");
        check(words(&[MAGIC, 2, 1], one), "version 2");
        for (lanes, length) in [(0, HEADER_WORDS), (2, one), (0, one), (u64::MAX, one), (1, one + 1)] {
            check(words(&[MAGIC, VERSION, lanes], length), "size");
        }
        check(tempfile::tempfile().unwrap().into(), "");
        for lanes in [0, MAX_LANES + 1, usize::MAX] {
            assert_eq!(Page::create(lanes).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
    }

    mod evidence {
        use super::*;

        #[test]
        fn any_text_comes_back_cut_at_a_character() {
            let lane = Page::create(1).unwrap().lane(0).unwrap();
            for text in ["", "a", "12345678", "123456789", "나래", "\0"] {
                lane.set_evidence(text);
                assert_eq!(lane.evidence(), text);
            }
            lane.set_evidence(&"x".repeat(5000));
            assert_eq!(lane.evidence(), "x".repeat(MAX_EVIDENCE_BYTES));
            lane.set_evidence(&format!("a{}", "나".repeat(1000)));
            assert_eq!(lane.evidence(), format!("a{}", "나".repeat(682)));
        }

        #[test]
        fn damaged_memory_cannot_panic() {
            let lane = Page::create(1).unwrap().lane(0).unwrap();
            for value in [u64::MAX, 1, 2049, 0x8080_8080_8080_8080] {
                for word in lane.evidence {
                    word.store(value, Relaxed);
                }
                assert!(lane.evidence().len() <= 3 * MAX_EVIDENCE_BYTES);
                lane.set_evidence("again");
                assert_eq!(lane.evidence(), "again");
            }
        }

        #[test]
        fn a_reader_never_sees_half_of_two_texts() {
            let (page, other) = twice(1);
            let (mine, theirs) = (page.lane(0).unwrap(), other.lane(0).unwrap());
            let enough = AtomicBool::new(false);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let texts = ["a".repeat(300), "b".repeat(700), "c".repeat(2000)];
                    for text in texts.iter().cycle() {
                        mine.set_evidence(text);
                        if enough.load(Relaxed) {
                            return;
                        }
                        std::thread::yield_now();
                    }
                });
                for _ in 0..2_000 {
                    let text = theirs.evidence();
                    let first = text.chars().next().unwrap_or('a');
                    let length = match first {
                        'a' if text.is_empty() => 0,
                        'a' => 300,
                        'b' => 700,
                        _ => 2000,
                    };
                    assert_eq!(text, first.to_string().repeat(length));
                }
                enough.store(true, Relaxed);
            });
        }
    }
}
