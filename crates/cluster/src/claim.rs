//! The right to be the supervisor of an application: its name, its lock, and what an earlier one left.
//!
//! In: a name and an identity. Out: a [`Claim`], perhaps with workers that lost their supervisor, or with
//! the state of this process before it replaced its program. Starts nothing.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::channel::Channel;
use crate::cluster::Socket;
use crate::error::{Error, Result};
use crate::message::{self, Adopt, Adopted, VERSION};
use crate::page::Page;
use crate::runtime_folder::{RuntimeFolder, valid_name};
use crate::upgrade::Kept;

/// How long a worker may take to answer. One that is stopped must not hold the others.
const ANSWER_TIME: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };
/// Most numbers that are tried behind a name that is taken: `serve-2`, `serve-3`, …
const MOST_NUMBERS: u32 = 1000;

/// An application's name, held as long as this lives.
#[derive(Debug)]
pub struct Claim {
    pub(crate) folder: RuntimeFolder,
    pub(crate) name: String,
    pub(crate) identity: String,
    pub(crate) lock: OwnedFd,
    pub(crate) orphans: Vec<Orphan>,
    pub(crate) kept: Option<Box<Kept>>,
}

/// A worker whose supervisor died.
#[derive(Debug)]
pub(crate) struct Orphan {
    pub(crate) about: Adopted,
    pub(crate) channel: Channel,
    pub(crate) page: Option<Page>,
    pub(crate) listeners: Vec<Socket>,
}

impl Claim {
    /// Takes a name. Where it is taken, one with a number behind it (`serve-2`), unless the operator chose
    /// it (`is_fixed`).
    ///
    /// `identity` says which application it is (its program, arguments and folder): workers that lost their
    /// supervisor are taken over only by one with the same identity.
    ///
    /// # Errors
    ///
    /// [`Error::NameTaken`], [`Error::BadName`], or the runtime folder cannot be used.
    pub fn take(name: &str, is_fixed: bool, identity: &str) -> Result<Self> {
        if let Some(kept) = Kept::take().map_err(Error::system("take over from the program before"))? {
            return kept.into_claim();
        }
        if !valid_name(name) {
            return Err(Error::BadName { name: name.to_owned() });
        }
        let folder = RuntimeFolder::open().map_err(Error::system("use the runtime folder"))?;
        for number in 1..=MOST_NUMBERS {
            let candidate = if number == 1 { name.to_owned() } else { format!("{name}-{number}") };
            let lock = folder.lock(&candidate).map_err(Error::system("lock the application's name"))?;
            if let Some(lock) = lock {
                let found = orphans(&folder, &candidate, identity);
                if !found.others_live {
                    let claim = Self {
                        folder,
                        name: candidate,
                        identity: identity.to_owned(),
                        lock,
                        orphans: found.orphans,
                        kept: None,
                    };
                    return Ok(claim);
                }
            }
            if is_fixed {
                break;
            }
        }
        Err(Error::NameTaken { name: name.to_owned() })
    }

    /// The name that was taken.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The listening sockets that are there already: from workers that lost their supervisor, or from this
    /// process before it replaced its program. `None`: bind them.
    pub fn sockets(&mut self) -> Option<Vec<Socket>> {
        if let Some(kept) = &mut self.kept {
            return Some(std::mem::take(&mut kept.sockets));
        }
        self.orphans
            .iter_mut()
            .map(|orphan| std::mem::take(&mut orphan.listeners))
            .find(|list| !list.is_empty())
    }

    /// How many workers were found serving without a supervisor.
    pub fn orphans(&self) -> usize {
        self.orphans.len()
    }

    /// Whether this process supervised already, before it replaced its program.
    pub fn is_upgrade(&self) -> bool {
        self.kept.is_some()
    }
}

struct Found {
    orphans: Vec<Orphan>,
    /// Whether workers live here that belong to another application.
    others_live: bool,
}

/// Asks every worker that an earlier supervisor of this name left.
fn orphans(folder: &RuntimeFolder, name: &str, identity: &str) -> Found {
    let mut found = Found { orphans: Vec::new(), others_live: false };
    for path in folder.worker_sockets(name) {
        match adopt(&path, identity) {
            Ok(Ok(orphan)) => found.orphans.push(orphan),
            Ok(Err(_reason)) => found.others_live = true,
            // Nobody is behind it.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) =>
            {
                let _ = std::fs::remove_file(&path);
            }
            // Someone is, and cannot be taken over now; the worker serves on by itself.
            Err(error) => tracing::warn!(%error, "{} does not answer", path.display()),
        }
    }
    found.orphans.sort_by_key(|orphan| (orphan.about.is_leaving, orphan.about.slot, orphan.about.worker));
    found
}

/// The outer error: nobody answers. The inner one: a worker that will not.
fn adopt(path: &Path, identity: &str) -> io::Result<Result<Orphan, String>> {
    let channel = Channel::connect(path)?;
    let wish = Adopt { version: VERSION, identity: identity.to_owned() };
    channel.send(&message::write(&wish)?, &[])?;
    let mut waited = [PollFd::new(&channel, PollFlags::IN)];
    if poll(&mut waited, Some(&ANSWER_TIME))? == 0 {
        return Err(io::ErrorKind::TimedOut.into());
    }
    let Some((packet, descriptors)) = channel.recv()? else {
        return Ok(Err("it does not answer this user".to_owned()));
    };
    let about: Adopted = message::read(&packet)?;
    if !about.accepted {
        return Ok(Err(about.reason));
    }
    if descriptors.len() <= about.listeners.len() {
        return Err(io::Error::other("there are no descriptors for what it holds"));
    }
    let mut descriptors = descriptors.into_iter();
    let page = descriptors.next().and_then(|page| Page::open(page).ok());
    let listeners = descriptors
        .zip(&about.listeners)
        .map(|(socket, name)| Socket { socket, name: name.clone(), address: String::new() })
        .collect();
    Ok(Ok(Orphan { about, channel, page, listeners }))
}
