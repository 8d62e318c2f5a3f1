//! Selects what answers for a path: the file, its compressed form, or nothing (RFC 9110 §3.2, §12.1).
//!
//! In: a clean path, what the peer accepts, and whether waiting is allowed. Out: a representation from memory or
//! from the root, or why there is none. Owns the order of siblings, the age after which a look at the files is
//! due, and reading a file so that its bytes belong to one state of it. Must not know requests.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::{
    accept_encoding::{Accepted, Coding},
    compress::compress,
    content_type,
    memory::{Form, How, Kept, Memory, Moment, Origin},
    open_file::{Change, OpenFile, Opened, Pace, ReadFault, Stamp},
    options::Options,
    refusal::Refusal,
    representation::{Content, Named, Representation},
    root::{Missed, Root},
    validators::{self, Validators},
};

/// Everything that a selection needs besides the path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Selector<'a> {
    pub(crate) root: &'a Root,
    pub(crate) options: &'a Options,
    /// `None`: nothing is kept.
    pub(crate) memory: Option<&'a Memory>,
    pub(crate) accepted: Accepted,
    pub(crate) pace: Pace,
    pub(crate) now: Moment,
}

/// What is there.
#[derive(Debug)]
pub(crate) enum Found {
    File(Arc<Kept>),
    Folder,
}

/// What a content is made from.
struct Source {
    file: OpenFile,
    coding: Option<Coding>,
    origin: Origin,
}

impl Selector<'_> {
    /// Selects what is at the clean path `path`.
    pub(crate) fn find(&self, path: &[u8]) -> Result<Found, Missed> {
        if let Some(form) = self.known_form(path, self.options.revalidate_after)
            && let Some(kept) = self.kept(path, form)
            && self.is_fresh(&kept)
        {
            return Ok(Found::File(kept));
        }
        for _ in 1..READ_TRIES {
            match self.look(path, Care::Strict) {
                // Somebody writes to it; the next look may find it finished.
                Err(Missed::Unsteady) => {}
                decided => return decided,
            }
        }
        match self.look(path, Care::TakesGrowth) {
            Err(Missed::Unsteady) => Err(Refusal::TryLater.into()),
            decided => decided,
        }
    }

    /// The form that was chosen at most `age` ago for those who accept the same.
    fn known_form(&self, path: &[u8], age: Duration) -> Option<Form> {
        match self.accepted {
            Accepted::IDENTITY => Some(Form::Plain),
            accepted => self.memory?.chosen(path, accepted, self.now, age),
        }
    }

    fn kept(&self, path: &[u8], form: Form) -> Option<Arc<Kept>> {
        self.memory?.find(path, form)
    }

    fn is_fresh(&self, kept: &Kept) -> bool {
        kept.is_fresh(self.now, self.options.revalidate_after)
    }

    /// Looks at the files, and keeps what is worth it.
    fn look(&self, path: &[u8], care: Care) -> Result<Found, Missed> {
        let original = match self.root.open_beneath(path, self.pace) {
            Ok(Opened::File(file)) => file,
            Ok(Opened::Folder(_)) => return Ok(Found::Folder),
            Ok(Opened::Other) => return Err(Refusal::NotFound.into()),
            // There is no descriptor to look with: what is kept is the best that is known.
            Err(Missed::Refused(Refusal::TryLater)) => {
                let kept = self.known_form(path, Duration::MAX).and_then(|form| self.kept(path, form));
                return kept.map(Found::File).ok_or(Refusal::TryLater.into());
            }
            Err(missed) => return Err(missed),
        };
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let varies = self.options.negotiates_encoding() && content_type::is_compressible(name);
        let accepted = if varies { self.accepted } else { Accepted::IDENTITY };
        let mut source = self.choose(path, original, accepted)?;
        if let Some(kept) = self.proved(path, &source) {
            return Ok(Found::File(kept));
        }
        let mut place = None;
        if let (How::Compressed(_), Some(memory)) = (source.origin.how, self.memory) {
            if self.pace == Pace::NoWait {
                return Err(Missed::WouldWait);
            }
            place = memory.place_to_compress();
            if place.is_none() {
                source = source.uncompressed();
            }
        }
        let _turn = match (&place, self.memory) {
            (Some(_), Some(memory)) => {
                let turn = memory.take_turn(path, source.form());
                // Somebody may have done it while this waited.
                if let Some(kept) = self.proved(path, &source) {
                    return Ok(Found::File(kept));
                }
                Some(turn)
            }
            _ => None,
        };
        let (origin, form) = (source.origin, source.form());
        let Some(representation) = self.represent(source, path, name, varies, care)? else {
            // Not worth compressing, and that is known now.
            return self.look(path, care);
        };
        let is_in_memory = matches!(representation.content(), Content::Memory(_));
        let made = Arc::new(Kept::new(representation, origin, self.now));
        if let Some(memory) = self.memory
            && is_in_memory
        {
            memory.keep(path, form, Arc::clone(&made));
        }
        Ok(Found::File(made))
    }

    /// What is kept, if the source shows that it is right; and that this is the form for those who accept the same.
    fn proved(&self, path: &[u8], source: &Source) -> Option<Arc<Kept>> {
        let (memory, form) = (self.memory?, source.form());
        if self.accepted != Accepted::IDENTITY {
            memory.choose(path, self.accepted, form, self.now);
        }
        let kept = memory.find(path, form)?;
        if kept.is_proved_by(&source.origin) {
            kept.prove(self.now);
            return Some(kept);
        }
        (kept.origin == source.origin && self.is_fresh(&kept)).then_some(kept)
    }

    /// What somebody compressed beforehand goes before what would be compressed now; both go by the peer's wishes.
    fn choose(&self, path: &[u8], original: OpenFile, accepted: Accepted) -> Result<Source, Missed> {
        let stamp = original.stamp();
        if self.options.precompressed {
            for coding in accepted.codings() {
                if let Some(file) = self.sibling(path, coding, &stamp)? {
                    let origin = Origin { original: stamp, how: How::Sibling(coding, file.stamp()) };
                    return Ok(Source { file, coding: Some(coding), origin });
                }
            }
        }
        let coding = accepted.codings().next().filter(|_| self.is_worth_compressing(path, &stamp));
        let how = coding.map_or(How::Plain, How::Compressed);
        Ok(Source { file: original, coding, origin: Origin { original: stamp, how } })
    }

    /// The file beside `path` with the same content in `coding`. One that is older than the original holds something
    /// else by now.
    fn sibling(&self, path: &[u8], coding: Coding, original: &Stamp) -> Result<Option<OpenFile>, Missed> {
        let beside = [path, coding.suffix().as_bytes()].concat();
        match self.root.open_beneath(&beside, self.pace) {
            Ok(Opened::File(file)) => {
                let age = file.stamp().modified.since(&original.modified);
                Ok((age >= -SIBLING_TOLERANCE && file.len() > 0).then_some(file))
            }
            Ok(_) | Err(Missed::Refused(_)) => Ok(None),
            Err(missed) => Err(missed),
        }
    }

    fn is_worth_compressing(&self, path: &[u8], stamp: &Stamp) -> bool {
        let Some(memory) = self.memory.filter(|_| self.options.compresses()) else { return false };
        let most = (memory.largest() * COMPRESSED_PART) as u64;
        (COMPRESSED_LEAST..=most).contains(&stamp.len)
            && has_room(memory, stamp.len)
            && !memory.is_incompressible(path, stamp)
    }

    /// `None`: it was to be compressed, and is not worth it.
    fn represent(
        &self,
        source: Source,
        path: &[u8],
        name: &[u8],
        varies: bool,
        care: Care,
    ) -> Result<Option<Representation>, Missed> {
        let Source { file, coding, origin } = source;
        let stamp = file.stamp();
        let content = match (origin.how, self.memory) {
            (How::Compressed(coding), Some(memory)) => match compress(&self.read(&file, care)?, coding) {
                Some(small) => Content::Memory(memory.count(small)),
                None => {
                    memory.note_incompressible(path, stamp);
                    return Ok(None);
                }
            },
            _ => self.content(file, care)?,
        };
        let wanted =
            validators::Wanted { etag: self.options.etag, last_modified: self.options.last_modified };
        let encoded = coding.map(|coding| (coding, content.len()));
        let validators = Validators::new(stamp.len, stamp.modified, encoded, SystemTime::now(), wanted);
        let named = Named {
            media_type: content_type::of(name),
            varies,
            cache_control: self.options.cache_policy.value_for(path),
        };
        Ok(Some(Representation::new(content, coding, validators, named, self.options)))
    }

    /// The content in memory, if it is small enough; else the file, to be read while it is sent.
    fn content(&self, file: OpenFile, care: Care) -> Result<Content, Missed> {
        match self.memory {
            Some(memory) if file.len() <= memory.largest() as u64 && has_room(memory, file.len()) => {
                Ok(Content::Memory(memory.count(self.read(&file, care)?)))
            }
            _ => Ok(Content::File(Arc::new(file))),
        }
    }

    /// The whole file, all of one state.
    fn read(&self, file: &OpenFile, care: Care) -> Result<Vec<u8>, Missed> {
        let read = || {
            let mut bytes = vec![0; file.len().try_into().map_err(|_| Refusal::FileSystemFailed)?];
            file.read(0, &mut bytes, self.pace)?;
            Ok::<_, Missed>(bytes)
        };
        let bytes = read()?;
        match file.change()? {
            Change::None => Ok(bytes),
            // Appended to all the time, such as a log: the bytes before are the same when they are read again.
            Change::Grown if care == Care::TakesGrowth && read()? == bytes => Ok(bytes),
            Change::Grown | Change::Shrunk | Change::Rewritten => Err(Missed::Unsteady),
        }
    }
}

/// Whether what changes under the reader's eyes is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Care {
    Strict,
    /// A file that only became longer may be sent at its old length.
    TakesGrowth,
}

impl Source {
    fn form(&self) -> Form {
        self.coding.map_or(Form::Plain, Form::Coded)
    }

    fn uncompressed(self) -> Self {
        let origin = Origin { how: How::Plain, ..self.origin };
        Self { coding: None, origin, ..self }
    }
}

fn has_room(memory: &Memory, len: u64) -> bool {
    memory.has_room(usize::try_from(len).unwrap_or(usize::MAX))
}

impl From<ReadFault> for Missed {
    fn from(fault: ReadFault) -> Self {
        match fault {
            ReadFault::WouldWait => Self::WouldWait,
            ReadFault::Shrunk | ReadFault::Rewritten => Self::Unsteady,
            ReadFault::Failed(errno) => {
                tracing::error!("static files: cannot read an open file: {errno}");
                Self::Refused(Refusal::FileSystemFailed)
            }
        }
    }
}

// Tools write a file and its compressed forms one after the other, in any order.
const SIBLING_TOLERANCE: i128 = Duration::from_secs(2).as_nanos() as i128;
// Below, the header field costs as much as is saved.
const COMPRESSED_LEAST: u64 = 512;
// How many times the largest plain content a file to be compressed may have: text becomes a quarter or less.
const COMPRESSED_PART: usize = 4;
const READ_TRIES: usize = 4;
