//! The check before a change: would the program on the disk serve, with its settings as they are now?
//!
//! A child of the application's own binary looks at its settings and certificates, says what is wrong on
//! its error output, and ends. A foreign program is only looked for.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::plan::{Asker, Event};
use crate::sys::spawn::{self, Child, Spawn};
use crate::worker::{CHECK, WORKER};

use super::Supervisor;

/// Most bytes that are read of what a check says.
const MOST_SAID: u64 = 16 * 1024;

/// A check under way.
pub(super) struct Checking {
    child: Child,
    said: File,
    purpose: Purpose,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// For a reload to this generation.
    Reload(u32),
    /// For the supervisor's own replacement.
    Upgrade(Option<Asker>),
}

impl Checking {
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.child.pidfd.as_fd()
    }

    pub(super) fn pid(&self) -> Pid {
        self.child.pid
    }
}

impl Supervisor {
    /// Opens the program as it is on the disk now, as that of a generation.
    pub(super) fn open_program(&mut self, generation: u32) -> io::Result<()> {
        if self.programs.contains_key(&generation) {
            return Ok(());
        }
        let path = &self.cluster.program.path;
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| {
            io::Error::new(io::Error::from(error).kind(), format!("{}: {error}", path.display()))
        })?;
        self.programs.insert(generation, file);
        Ok(())
    }

    /// Begins a check. At once an answer only where there is nothing to wait for.
    pub(super) fn begin_check(&mut self, purpose: Purpose) -> Option<Result<(), String>> {
        if let Purpose::Reload(generation) = purpose
            && let Err(error) = self.open_program(generation)
        {
            return Some(Err(format!("the program cannot be opened: {error}")));
        }
        if !self.cluster.program.is_native {
            return Some(Ok(()));
        }
        match self.spawn_check(purpose) {
            Ok(checking) => {
                self.checking = Some(checking);
                None
            }
            Err(error) => Some(Err(format!("the program cannot be started: {error}"))),
        }
    }

    fn spawn_check(&self, purpose: Purpose) -> io::Result<Checking> {
        let (said, says) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let null: OwnedFd = rustix::fs::open("/dev/null", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
        // What a check says fits the pipe; more of it must not stop it.
        rustix::fs::fcntl_setfl(&says, OFlags::NONBLOCK)?;
        rustix::fs::fcntl_setfl(&said, OFlags::NONBLOCK)?;
        let mut environment = self.plain_environment();
        environment.push((WORKER.into(), CHECK.into()));
        let child = spawn::spawn(&Spawn {
            program: spawn::Program::Path(self.cluster.program.path.clone()),
            arguments: self.cluster.program.arguments.clone(),
            environment,
            sockets: Vec::new(),
            set_listen_pid: false,
            core: None,
            privileges: None,
            no_new_privs: true,
            stdout: Some(null.as_fd()),
            stderr: Some(says.as_fd()),
            stdin_null: true,
        })?;
        Ok(Checking { child, said: said.into(), purpose })
    }

    /// A check is over.
    pub(super) fn hear_check(&mut self) {
        let Some(mut checking) = self.checking.take() else { return };
        let status = waitid(WaitId::PidFd(checking.child.pidfd.as_fd()), WaitIdOptions::EXITED);
        let code = status.ok().flatten().and_then(|status| status.exit_status());
        let mut said = Vec::new();
        // An error means that nothing more is there.
        let _ = Read::by_ref(&mut checking.said).take(MOST_SAID).read_to_end(&mut said);
        let said = String::from_utf8_lossy(&said);
        let outcome = match code {
            Some(0) => Ok(()),
            Some(code) if said.trim().is_empty() => Err(format!("the new program exits with code {code}")),
            None if said.trim().is_empty() => Err("the new program crashes".to_owned()),
            _ => Err(format!("the new program says: {}", said.trim())),
        };
        match checking.purpose {
            Purpose::Reload(_) => self.happen(Event::Checked { outcome }),
            Purpose::Upgrade(asker) => self.upgrade(asker, outcome),
        }
    }
}
