//! A supervisor becomes its own successor: `execve` with everything it holds kept open.
//!
//! What it knows goes into a memfd as JSON, descriptors by number. The process id stays, children stay
//! children, sockets stay open, waiting connections wait on.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::MemfdFlags;
use rustix::process::Pid;
use serde::{Deserialize, Serialize};

use crate::channel::Channel;
use crate::claim::Claim;
use crate::cluster::Socket;
use crate::error::{Error, Result};
use crate::message::{Reply, VERSION};
use crate::notify::NotifySocket;
use crate::page::Page;
use crate::plan::{Asker, Moment, State, WorkerId};
use crate::runtime_folder::RuntimeFolder;
use crate::supervisor::{Handle, Supervisor};
use crate::sys::{exec, inherit};

/// The variable with this process's id and the number of the memfd: `pid:number`.
pub(crate) const SUPERVISOR: &str = "NARAE_SUPERVISOR";

/// What a supervisor writes down for itself.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    version: u32,
    name: String,
    identity: String,
    folder: std::path::PathBuf,
    began: Moment,
    state: State,
    lock: i32,
    page: i32,
    notify: i32,
    notify_address: String,
    control: i32,
    sockets: Vec<(i32, String, String)>,
    programs: BTreeMap<u32, i32>,
    handles: BTreeMap<WorkerId, WrittenHandle>,
}

#[derive(Debug, Serialize, Deserialize)]
struct WrittenHandle {
    pid: i32,
    pidfd: i32,
    channel: Option<i32>,
    lane: usize,
    lanes: usize,
    beats: bool,
    said: String,
}

/// What a supervisor finds of itself.
#[derive(Debug)]
pub(crate) struct Kept {
    written: Written,
    pub(crate) sockets: Vec<Socket>,
}

/// What a supervisor is made of, taken over.
pub(crate) type Parts =
    (Page, NotifySocket, Channel, State, BTreeMap<WorkerId, Handle>, BTreeMap<u32, OwnedFd>, Moment);

impl Kept {
    /// Reads what this process wrote before it replaced its program. `None`: it did not.
    pub(crate) fn take() -> io::Result<Option<Self>> {
        let own = rustix::process::getpid().as_raw_nonzero().get();
        let number = std::env::var(SUPERVISOR).ok().and_then(|text| {
            let (pid, number) = text.split_once(':')?;
            // A child that merely inherited the variable is somebody else.
            (pid.parse() == Ok(own)).then_some(())?;
            number.parse().ok()
        });
        let Some(number) = number else { return Ok(None) };
        let mut file = File::from(inherit::take(number)?);
        let mut text = Vec::new();
        file.rewind()?;
        file.read_to_end(&mut text)?;
        let written: Written = serde_json::from_slice(&text)?;
        if written.version != VERSION {
            return Err(io::Error::other("it was of another version"));
        }
        let sockets = written
            .sockets
            .iter()
            .map(|(number, name, address)| {
                let socket = inherit::take(*number)?;
                Ok(Socket { socket, name: name.clone(), address: address.clone() })
            })
            .collect::<io::Result<_>>()?;
        Ok(Some(Self { written, sockets }))
    }

    pub(crate) fn into_claim(self) -> Result<Claim> {
        let taking = "take over from the program before";
        Ok(Claim {
            folder: RuntimeFolder::at(self.written.folder.clone()).map_err(Error::system(taking))?,
            name: self.written.name.clone(),
            identity: self.written.identity.clone(),
            lock: inherit::take(self.written.lock).map_err(Error::system(taking))?,
            orphans: Vec::new(),
            kept: Some(Box::new(self)),
        })
    }

    pub(crate) fn unpack(self) -> Result<Parts> {
        self.parts().map_err(Error::system("take over from the program before"))
    }

    fn parts(self) -> io::Result<Parts> {
        let written = self.written;
        let page = Page::open(inherit::take(written.page)?)?;
        let notify = NotifySocket::from_parts(inherit::take(written.notify)?, written.notify_address);
        let control = Channel::from_fd(inherit::take(written.control)?);
        let handles = written
            .handles
            .into_iter()
            .map(|(id, handle)| {
                let pid = Pid::from_raw(handle.pid).ok_or(io::ErrorKind::InvalidData)?;
                let channel = handle.channel.map(inherit::take).transpose()?.map(Channel::from_fd);
                let pidfd = inherit::take(handle.pidfd)?;
                let lanes = handle.lane..handle.lane + handle.lanes;
                let taken = Handle::new(pid, pidfd, channel, lanes);
                Ok((id, Handle { beats: handle.beats, said: handle.said, ..taken }))
            })
            .collect::<io::Result<_>>()?;
        let programs = written
            .programs
            .into_iter()
            .map(|(generation, number)| Ok((generation, inherit::take(number)?)))
            .collect::<io::Result<_>>()?;
        Ok((page, notify, control, written.state, handles, programs, written.began))
    }
}

impl Supervisor {
    /// Becomes the program on the disk, if its check went well. Comes back only if it cannot.
    pub(crate) fn upgrade(&mut self, asker: Option<Asker>, checked: std::result::Result<(), String>) {
        let reason = match checked {
            Err(reason) => reason,
            Ok(()) if self.state.stopping.is_some() => "the application is stopping".to_owned(),
            Ok(()) => {
                self.tell_and_forget(&Reply::Done {
                    text: "the supervisor is replaced; workers serve on".to_owned(),
                });
                tracing::info!("the supervisor replaces its program");
                let error = self.become_new();
                tracing::error!("the supervisor stays as it is: {error}");
                return;
            }
        };
        tracing::error!("the supervisor stays as it is: {reason}");
        self.answer(asker, &Reply::Failed { reason: format!("the supervisor stays as it is: {reason}") });
    }

    fn become_new(&mut self) -> io::Error {
        match self.write_down() {
            Ok(memory) => {
                let mut environment: Vec<_> =
                    std::env::vars_os().filter(|(name, _)| name != SUPERVISOR).collect();
                let own = rustix::process::getpid().as_raw_nonzero();
                environment.push((SUPERVISOR.into(), format!("{own}:{}", memory.as_raw_fd()).into()));
                let program = &self.cluster.program;
                let error = exec::replace_self(&program.path, &program.arguments, &environment);
                // Nothing happened: what was opened for the successor is closed to children again.
                let _ = self.keep_all(false);
                error
            }
            Err(error) => error,
        }
    }

    fn write_down(&mut self) -> io::Result<File> {
        let number = |descriptor: &dyn AsFd| descriptor.as_fd().as_raw_fd();
        let written = Written {
            version: VERSION,
            name: self.claim.name.clone(),
            identity: self.claim.identity.clone(),
            folder: self.claim.folder.path().to_owned(),
            began: self.began,
            state: self.state.clone(),
            lock: number(&self.claim.lock),
            page: number(&self.page.fd()),
            notify: number(&self.notify),
            notify_address: self.notify.address().to_owned(),
            control: number(&self.control),
            sockets: self
                .cluster
                .sockets
                .iter()
                .map(|socket| (number(&socket.socket), socket.name.clone(), socket.address.clone()))
                .collect(),
            programs: self.programs.iter().map(|(generation, file)| (*generation, number(file))).collect(),
            handles: self
                .handles
                .iter()
                .map(|(id, handle)| {
                    let written = WrittenHandle {
                        pid: handle.pid.as_raw_nonzero().get(),
                        pidfd: number(&handle.pidfd),
                        channel: handle.channel.as_ref().map(|channel| number(channel)),
                        lane: handle.lane,
                        lanes: handle.lanes,
                        beats: handle.beats,
                        said: handle.said.clone(),
                    };
                    (*id, written)
                })
                .collect(),
        };
        let mut memory = File::from(rustix::fs::memfd_create("narae-supervisor", MemfdFlags::empty())?);
        memory.write_all(&serde_json::to_vec(&written)?)?;
        self.keep_all(true)?;
        Ok(memory)
    }

    /// Whether what the supervisor holds survives `execve`.
    fn keep_all(&self, keep: bool) -> io::Result<()> {
        exec::keep_across_exec(&self.claim.lock, keep)?;
        exec::keep_across_exec(self.page.fd(), keep)?;
        exec::keep_across_exec(&self.notify, keep)?;
        exec::keep_across_exec(&self.control, keep)?;
        for socket in &self.cluster.sockets {
            exec::keep_across_exec(&socket.socket, keep)?;
        }
        for program in self.programs.values() {
            exec::keep_across_exec(program, keep)?;
        }
        for handle in self.handles.values() {
            exec::keep_across_exec(&handle.pidfd, keep)?;
            if let Some(channel) = &handle.channel {
                exec::keep_across_exec(channel, keep)?;
            }
        }
        Ok(())
    }
}
