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
    memory::{How, Kept, Memory, Moment, Origin},
    open_file::{OpenFile, Opened, Pace, ReadFault, Stamp},
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
        if let Some(kept) = self.fresh(path, self.accepted) {
            return Ok(Found::File(kept));
        }
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let varies = self.options.negotiates_encoding() && content_type::is_compressible(name);
        let accepted = if varies { self.accepted } else { Accepted::IDENTITY };
        if accepted != self.accepted
            && let Some(kept) = self.fresh(path, accepted)
        {
            // The next who accepts the same need not find out that it makes no difference here.
            if let Some(memory) = self.memory {
                memory.keep(path, self.accepted, Arc::clone(&kept));
            }
            return Ok(Found::File(kept));
        }
        let kept = self.memory.and_then(|memory| memory.find(path, accepted));
        for _ in 1..READ_TRIES {
            match self.look(path, name, varies, accepted, kept.as_ref()) {
                // Somebody writes to it; the next look may find it finished.
                Err(Missed::Refused(Refusal::TryLater)) => {}
                decided => return decided,
            }
        }
        self.look(path, name, varies, accepted, kept.as_ref())
    }

    /// What is kept, and need not be looked at.
    fn fresh(&self, path: &[u8], accepted: Accepted) -> Option<Arc<Kept>> {
        let kept = self.memory?.find(path, accepted)?;
        kept.is_fresh(self.now, self.options.revalidate_after).then_some(kept)
    }

    /// Looks at the files, and keeps what is worth it.
    fn look(
        &self,
        path: &[u8],
        name: &[u8],
        varies: bool,
        accepted: Accepted,
        kept: Option<&Arc<Kept>>,
    ) -> Result<Found, Missed> {
        let opened = self.root.open_beneath(path, self.pace);
        let original = match opened {
            Ok(Opened::File(file)) => file,
            other => {
                if let (Some(_), Some(memory)) = (kept, self.memory)
                    && !matches!(other, Err(Missed::WouldWait))
                {
                    memory.forget(path, accepted);
                }
                return match other? {
                    Opened::Folder(_) => Ok(Found::Folder),
                    Opened::File(_) | Opened::Other => Err(Refusal::NotFound.into()),
                };
            }
        };
        let source = self.choose(path, original, accepted)?;
        if let Some(kept) = kept
            && kept.is_proved_by(&source.origin)
        {
            kept.prove(self.now);
            return Ok(Found::File(Arc::clone(kept)));
        }
        let _turn = match (source.origin.how, self.memory) {
            (How::Compressed(_), _) if self.pace == Pace::NoWait => return Err(Missed::WouldWait),
            (How::Compressed(_), Some(memory)) => {
                let turn = memory.take_turn(path, accepted);
                // Somebody may have done it while this waited.
                if let Some(kept) = memory.find(path, accepted)
                    && kept.is_proved_by(&source.origin)
                {
                    return Ok(Found::File(kept));
                }
                Some(turn)
            }
            _ => None,
        };
        let origin = source.origin;
        let representation = self.represent(source, path, name, varies)?;
        let is_in_memory = matches!(representation.content(), Content::Memory(_));
        let made = Arc::new(Kept::new(representation, origin, self.now));
        if let Some(memory) = self.memory
            && is_in_memory
        {
            memory.keep(path, accepted, Arc::clone(&made));
        }
        Ok(Found::File(made))
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
        let coding = accepted.codings().next().filter(|_| self.is_worth_compressing(original.len()));
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
            Err(Missed::WouldWait) => Err(Missed::WouldWait),
        }
    }

    fn is_worth_compressing(&self, len: u64) -> bool {
        let most = self.memory.map_or(0, |memory| memory.largest() * COMPRESSED_PART) as u64;
        self.options.compresses() && (COMPRESSED_LEAST..=most).contains(&len)
    }

    fn represent(
        &self,
        source: Source,
        path: &[u8],
        name: &[u8],
        varies: bool,
    ) -> Result<Representation, Missed> {
        let Source { file, coding, origin } = source;
        let stamp = file.stamp();
        let (content, coding) = match (origin.how, self.memory) {
            (How::Compressed(coding), Some(memory)) => {
                let plain = self.read(&file)?;
                match compress(&plain, coding) {
                    Some(small) => (Content::Memory(memory.count(small)), Some(coding)),
                    None => (self.content(file, Some(plain))?, None),
                }
            }
            _ => (self.content(file, None)?, coding),
        };
        let wanted =
            validators::Wanted { etag: self.options.etag, last_modified: self.options.last_modified };
        let validators = Validators::new(stamp.len, stamp.modified, coding, SystemTime::now(), wanted);
        let named = Named {
            media_type: content_type::of(name),
            varies,
            cache_control: self.options.cache_policy.value_for(path),
        };
        Ok(Representation::new(content, coding, validators, named, self.options))
    }

    /// The content in memory, if it is small enough; else the file, to be read while it is sent.
    fn content(&self, file: OpenFile, read: Option<Vec<u8>>) -> Result<Content, Missed> {
        let memory =
            self.memory.filter(|memory| memory.has_room(file.len().try_into().unwrap_or(usize::MAX)));
        match memory {
            Some(memory) if file.len() <= memory.largest() as u64 => {
                let bytes = match read {
                    Some(bytes) => bytes,
                    None => self.read(&file)?,
                };
                Ok(Content::Memory(memory.count(bytes)))
            }
            _ => Ok(Content::File(Arc::new(file))),
        }
    }

    /// The whole file, all of one state.
    fn read(&self, file: &OpenFile) -> Result<Vec<u8>, Missed> {
        let mut bytes = vec![0; file.len().try_into().map_err(|_| Refusal::FileSystemFailed)?];
        let read = file.read(0, &mut bytes, self.pace).and_then(|()| file.check_unchanged());
        read.map(|()| bytes).map_err(Missed::from)
    }
}

impl From<ReadFault> for Missed {
    fn from(fault: ReadFault) -> Self {
        match fault {
            ReadFault::WouldWait => Self::WouldWait,
            ReadFault::Shrunk | ReadFault::Rewritten => Self::Refused(Refusal::TryLater),
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
