//! The check before a change: would the program on the disk serve, with its settings as they are now?
//!
//! A child of the application's own binary looks at its settings and certificates, says what is wrong on
//! its error output, and ends. A foreign program is only looked for.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};

use crate::plan::{Asker, Event, Moment};
use crate::sys::spawn::{self, Child, Spawn};
use crate::worker::{CHECK, CHECK_SOCKETS, WORKER};

use super::{Supervisor, now};

/// Most bytes that are read of what a check says.
const MOST_SAID: u64 = 16 * 1024;

/// A check under way.
pub(super) struct Checking {
    child: Child,
    said: File,
    purpose: Purpose,
    /// When it is killed. `None`: it was.
    until: Option<Moment>,
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

    pub(super) fn until(&self) -> Option<Moment> {
        self.until
    }

    /// Ends it. That is heard as the end of any check.
    pub(super) fn kill(&mut self) {
        self.until = None;
        // It may have ended in this instant.
        let _ = pidfd_send_signal(&self.child.pidfd, Signal::KILL);
    }
}

impl Supervisor {
    /// Opens the program as it is on the disk now, as that of a generation.
    ///
    /// A script is left to be found by its name: its interpreter could not open a descriptor that the exec
    /// has closed.
    pub(super) fn open_program(&mut self, generation: u32) -> io::Result<()> {
        let path = &self.cluster.program.path;
        if self.programs.contains_key(&generation) || is_script(path) {
            return Ok(());
        }
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| {
            io::Error::new(io::Error::from(error).kind(), format!("{}: {error}", path.display()))
        })?;
        self.programs.insert(generation, file);
        Ok(())
    }

    /// Begins a check. At once an answer only where there is nothing to wait for.
    pub(super) fn begin_check(&mut self, purpose: Purpose) -> Option<Result<(), String>> {
        if self.checking.is_some() {
            return Some(Err("another check is under way; ask again when it is done".to_owned()));
        }
        if let Purpose::Reload(generation) = purpose
            && let Err(error) = self.open_program(generation)
        {
            return Some(Err(format!("the program cannot be opened: {error}")));
        }
        if !self.cluster.program.is_native {
            return Some(match purpose {
                Purpose::Reload(_) => Ok(()),
                // The program is another one than the supervisor's own.
                Purpose::Upgrade(_) => {
                    Err("the supervisor of a foreign program cannot be upgraded: stop it, and start it anew"
                        .to_owned())
                }
            });
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
        let names: Vec<&str> = self.cluster.sockets.iter().map(|socket| socket.name.as_str()).collect();
        environment.push((CHECK_SOCKETS.into(), names.join(":").into()));
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
        let until = Some(now() + self.state.policy.start_timeout);
        Ok(Checking { child, said: said.into(), purpose, until })
    }

    /// Ends a check that takes longer than a worker may take to start.
    pub(super) fn limit_check(&mut self, time: Moment) {
        if let Some(checking) =
            self.checking.as_mut().filter(|checking| checking.until.is_some_and(|at| at <= time))
        {
            checking.kill();
        }
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
        let limit = self.state.policy.start_timeout.as_secs_f64();
        let outcome = match code {
            Some(0) => Ok(()),
            None if checking.until.is_none() => {
                Err(format!("the new program's check did not end within {limit} s"))
            }
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

fn is_script(path: &Path) -> bool {
    let mut start = [0; 2];
    File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == *b"#!"
}
