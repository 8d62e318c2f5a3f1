//! What a service tells its manager about itself (sd_notify(3)), both sides.
//!
//! In: datagrams of `NAME=value` lines, or the state to tell. Out: [`State`]s
//! with the sender's process id, or the datagram. Does not decide what a
//! state means for a worker.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::retry_on_intr;
use rustix::net::{
    AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, bind, sendto, socket_with, sockopt,
};
use rustix::process::Pid;
use rustix::rand::{GetRandomFlags, getrandom};

use crate::channel;
use crate::sys::{credentials, explain};

/// The variable that names the manager's socket.
pub(crate) const VARIABLE: &str = "NOTIFY_SOCKET";

/// Longest datagram that is read whole; of a longer one, its complete lines up to here.
const MAX_DATAGRAM_BYTES: usize = 4096;

/// One thing that a service said about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// `READY=1`: it has started, or has finished reloading.
    Ready,
    /// `STOPPING=1`: it has begun to shut down.
    Stopping,
    /// `RELOADING=1`: it has begun to reload.
    Reloading,
    /// `STATUS=…`: one line for people, at most 4096 bytes before what is not UTF-8 is replaced.
    Status(String),
    /// `WATCHDOG=1`: it is alive.
    Watchdog,
    /// `WATCHDOG=trigger`: it asks to be treated as if it were not.
    WatchdogTrigger,
    /// `MAINPID=…`: another process speaks for it from now on.
    MainPid(Pid),
    /// Any other line.
    Unknown(String),
}

impl State {
    fn parse(line: &str) -> Self {
        match line.split_once('=') {
            Some(("READY", "1")) => Self::Ready,
            Some(("STOPPING", "1")) => Self::Stopping,
            Some(("RELOADING", "1")) => Self::Reloading,
            Some(("STATUS", text)) => Self::Status(text.to_owned()),
            Some(("WATCHDOG", "1")) => Self::Watchdog,
            Some(("WATCHDOG", "trigger")) => Self::WatchdogTrigger,
            Some(("MAINPID", number)) => {
                let pid = number.parse().ok().filter(|number| *number > 0).and_then(Pid::from_raw);
                pid.map_or_else(|| Self::Unknown(line.to_owned()), Self::MainPid)
            }
            _ => Self::Unknown(line.to_owned()),
        }
    }
}

/// All states of a datagram, in its order; at most one for two bytes.
fn parse(datagram: &[u8]) -> Vec<State> {
    let lines = datagram.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| State::parse(&String::from_utf8_lossy(line))).collect()
}

/// The manager's end: whom services notify.
#[derive(Debug)]
pub(crate) struct NotifySocket {
    socket: OwnedFd,
    address: String, // "@", then the name; the kernel has a NUL for the "@"
}

impl NotifySocket {
    /// A socket with a random name that no file shows, so that any user that a worker becomes can reach it.
    ///
    /// Every process of the network namespace can: who speaks is told by the
    /// process id of [`NotifySocket::recv`].
    ///
    /// # Errors
    /// Those of socket(2), bind(2) and getrandom(2).
    pub(crate) fn bind() -> io::Result<Self> {
        let attempted = "cannot open a socket for notifications";
        let mut random = [0_u8; 16];
        getrandom(&mut random, GetRandomFlags::empty()).map_err(|error| explain(error, attempted))?;
        let name = format!("narae-notify-{:032x}", u128::from_ne_bytes(random));
        let address = SocketAddrUnix::new_abstract_name(name.as_bytes())?;
        let socket = socket(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
        // Before the name exists, so that no datagram lacks its sender.
        sockopt::set_socket_passcred(&socket, true).map_err(|error| explain(error, attempted))?;
        bind(&socket, &address).map_err(|error| explain(error, attempted))?;
        Ok(Self { socket, address: format!("@{name}") })
    }

    /// A socket that this process inherited, and its address.
    pub(crate) fn from_parts(socket: OwnedFd, address: String) -> Self {
        Self { socket, address }
    }

    /// The value of `NOTIFY_SOCKET` for a service.
    pub(crate) fn address(&self) -> String {
        self.address.clone()
    }

    /// The next datagram's sender and states, if one has arrived.
    ///
    /// Datagrams of processes that are not visible from here are passed over,
    /// and descriptors that came along are closed.
    ///
    /// # Errors
    /// Those of recvmsg(2).
    pub(crate) fn recv(&self) -> io::Result<Option<(Pid, Vec<State>)>> {
        let mut buffer = [0; MAX_DATAGRAM_BYTES];
        loop {
            let datagram = match credentials::receive(&self.socket, &mut buffer) {
                Ok(datagram) => datagram,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            };
            let Some(pid) = datagram.sender.and_then(|sender| sender.pid) else { continue };
            let received = buffer.get(..datagram.length).unwrap_or(&buffer);
            let complete = match received.iter().rposition(|byte| *byte == b'\n') {
                _ if !datagram.truncated => received,
                Some(end) => &received[..end],
                None => &[],
            };
            return Ok(Some((pid, parse(complete))));
        }
    }
}

impl AsFd for NotifySocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The service's end: tells its manager, such as systemd or narae's supervisor, about itself.
#[derive(Debug)]
pub struct Notifier {
    socket: OwnedFd,
    address: SocketAddrUnix,
}

impl Notifier {
    /// The manager that `NOTIFY_SOCKET` names; none if it names none, or one that cannot be reached by a Unix socket.
    #[must_use]
    pub fn from_environment() -> Option<Self> {
        Self::to(std::env::var_os(VARIABLE)?.to_str()?).ok()
    }

    /// The manager at `address`: a path, or `@` and an abstract name.
    ///
    /// # Errors
    /// `InvalidInput` for an address that is neither, or is too long.
    pub fn to(address: &str) -> io::Result<Self> {
        let invalid =
            |reason| io::Error::new(io::ErrorKind::InvalidInput, format!("{VARIABLE} {address:?} {reason}"));
        let address = match address.strip_prefix('@') {
            Some("") => return Err(invalid("has no name after the @")),
            Some(name) => SocketAddrUnix::new_abstract_name(name.as_bytes())
                .map_err(|_| invalid("is longer than 107 bytes"))?,
            None if address.starts_with('/') => channel::address(address.as_ref())?,
            None => return Err(invalid("is neither an absolute path nor @ and a name")),
        };
        Ok(Self { socket: socket(SocketFlags::CLOEXEC)?, address })
    }

    /// Tells `state`: lines such as `READY=1`. Waits if the manager's queue is full.
    ///
    /// # Errors
    /// `ConnectionRefused` and `NotFound` if the manager is gone.
    pub fn send(&self, state: &str) -> io::Result<()> {
        retry_on_intr(|| sendto(&self.socket, state.as_bytes(), SendFlags::NOSIGNAL, &self.address))
            .map_err(|error| explain(error, "cannot notify the manager"))?;
        Ok(())
    }
}

fn socket(flags: SocketFlags) -> io::Result<OwnedFd> {
    socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)
        .map_err(|error| explain(error, "cannot open a socket"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use rustix::event::{PollFd, PollFlags, poll};

    use super::*;
    use crate::sys::spawn::spawn;
    use crate::sys::spawn::tests::{output_of, shell};

    mod parsing {
        use super::*;

        fn check(datagram: impl AsRef<[u8]>, expected: &[State]) {
            assert_eq!(parse(datagram.as_ref()), expected);
        }

        fn unknown(line: &str) -> State {
            State::Unknown(line.to_owned())
        }

        #[test]
        fn every_known_state_is_recognised() {
            check(
                "READY=1\nSTOPPING=1\nRELOADING=1\nWATCHDOG=1\nWATCHDOG=trigger\nMAINPID=7\nSTATUS=a = b",
                &[
                    State::Ready,
                    State::Stopping,
                    State::Reloading,
                    State::Watchdog,
                    State::WatchdogTrigger,
                    State::MainPid(Pid::from_raw(7).unwrap()),
                    State::Status("a = b".to_owned()),
                ],
            );
        }

        #[test]
        fn anything_else_is_kept_as_it_came() {
            for line in [
                "READY=0",
                "ready=1",
                "X",
                "=",
                "MAINPID=0",
                "MAINPID=-1",
                "MAINPID=99999999999",
                "FDSTORE=1",
            ] {
                check(line, &[unknown(line)]);
            }
        }

        #[test]
        fn empty_lines_and_bytes_that_are_no_text_do_no_harm() {
            check("", &[]);
            check("\n\nREADY=1\n\n", &[State::Ready]);
            check(b"STATUS=\xff\x00", &[State::Status("\u{fffd}\0".to_owned())]);
            for byte in 0..=255_u8 {
                assert!(parse(&[byte; 64]).len() <= 1);
            }
        }
    }

    mod receiving {
        use super::*;

        #[test]
        fn a_datagram_comes_with_its_sender() {
            let socket = NotifySocket::bind().unwrap();
            assert!(socket.recv().unwrap().is_none());
            let notifier = Notifier::to(&socket.address()).unwrap();
            notifier.send("READY=1\nSTATUS=up").unwrap();
            notifier.send("STOPPING=1").unwrap();
            let us = rustix::process::getpid();
            let up = State::Status("up".to_owned());
            assert_eq!(socket.recv().unwrap(), Some((us, vec![State::Ready, up])));
            assert_eq!(socket.recv().unwrap(), Some((us, vec![State::Stopping])));
            assert!(socket.recv().unwrap().is_none());
        }

        /// The test binary runs itself.
        #[test]
        fn another_process_finds_it_by_its_environment() {
            const MARK: &str = "NARAE_TEST_NOTIFY";
            if std::env::var_os(MARK).is_some() {
                return Notifier::from_environment().unwrap().send("WATCHDOG=1").unwrap();
            }
            let socket = NotifySocket::bind().unwrap();
            let mut request = shell("");
            request.program = crate::sys::spawn::Program::Path(std::env::current_exe().unwrap());
            request.arguments = ["test", "finds_it_by_its_environment"].map(Into::into).into();
            request.environment.push((MARK.into(), "1".into()));
            request.environment.push((VARIABLE.into(), socket.address().into()));
            let (_read, write) = io::pipe().unwrap();
            request.stdout = Some(write.as_fd());
            let child = spawn(&request).unwrap();
            poll(&mut [PollFd::new(&socket, PollFlags::IN)], None).unwrap();
            assert_eq!(socket.recv().unwrap(), Some((child.pid, vec![State::Watchdog])));
            assert_eq!(child.wait_for_test(), 0);
        }

        #[test]
        fn of_a_datagram_that_is_too_long_the_complete_lines_count() {
            let socket = NotifySocket::bind().unwrap();
            let notifier = Notifier::to(&socket.address()).unwrap();
            notifier.send(&format!("READY=1\nSTATUS={}", "x".repeat(5000))).unwrap();
            notifier.send(&"x".repeat(5000)).unwrap();
            notifier.send("").unwrap();
            assert_eq!(socket.recv().unwrap().unwrap().1, [State::Ready]);
            assert_eq!(socket.recv().unwrap().unwrap().1, []);
            assert_eq!(socket.recv().unwrap().unwrap().1, []);
        }

        #[test]
        fn names_differ_and_a_dropped_socket_is_gone() {
            let (one, other) = (NotifySocket::bind().unwrap(), NotifySocket::bind().unwrap());
            assert_ne!(one.address(), other.address());
            let notifier = Notifier::to(&one.address()).unwrap();
            drop(one);
            assert_eq!(notifier.send("READY=1").unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        }

        #[test]
        fn the_socket_is_not_inherited() {
            let _socket = NotifySocket::bind().unwrap();
            assert_eq!(output_of(shell("echo $(ls /proc/self/fd)")), "0 1 2 3\n");
        }
    }

    mod addresses {
        use super::*;

        #[test]
        fn a_path_is_reached_too() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("notify");
            let manager = UnixDatagram::bind(&path).unwrap();
            Notifier::to(path.to_str().unwrap()).unwrap().send("READY=1").unwrap();
            let mut buffer = [0; 16];
            let count = manager.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..count], b"READY=1");
        }

        #[test]
        fn others_are_refused() {
            let long = format!("@{}", "x".repeat(108));
            let long_path = format!("/{}", "x".repeat(108));
            for address in ["", "@", "relative", "vsock:2:1234", &long, &long_path] {
                assert_eq!(Notifier::to(address).unwrap_err().kind(), io::ErrorKind::InvalidInput);
            }
        }
    }
}
