//! Messages with descriptors between processes, over SOCK_SEQPACKET (unix(7)).
//!
//! In: bytes and descriptors. Out: the same, message by message, in another
//! process. Knows nothing of what the bytes mean.

use std::fs;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::cmsg_space;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
};

use crate::sys::credentials::{self, UCred};
use crate::sys::explain;

/// Longest message, in bytes.
pub(crate) const MAX_MESSAGE_BYTES: usize = 64 * 1024;
/// Most descriptors in a message. The kernel's own limit is 253.
pub(crate) const MAX_MESSAGE_DESCRIPTORS: usize = 200;
/// Longest path of a Unix socket, in bytes: `sun_path` less its NUL.
pub(crate) const MAX_SOCKET_PATH_BYTES: usize = 107;

/// A received message: its bytes, at least one, and the descriptors that came with them. Those for which this process
/// had no number left are closed, and missing at the end: what needs one must look whether it is there.
pub(crate) type Message = (Vec<u8>, Vec<OwnedFd>);

/// What [`Channel::try_recv`] found.
#[derive(Debug)]
pub(crate) enum Received {
    /// A message and the descriptors that came with it.
    Packet(Vec<u8>, Vec<OwnedFd>),
    /// Nothing so far.
    Nothing,
    /// The peer has closed its end, and all messages were received.
    End,
}

/// One end of a connection that carries whole messages, or a socket at which such connections arrive.
#[derive(Debug)]
pub(crate) struct Channel {
    socket: OwnedFd,
}

impl Channel {
    /// Two ends, connected to each other. Both are closed by an exec.
    ///
    /// # Errors
    /// Those of socketpair(2).
    pub(crate) fn pair() -> io::Result<(Self, Self)> {
        let (one, other) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .map_err(|error| explain(error, "cannot open a pair of sockets"))?;
        Ok((Self { socket: one }, Self { socket: other }))
    }

    /// An end that was inherited or received.
    pub(crate) fn from_fd(socket: OwnedFd) -> Self {
        Self { socket }
    }

    /// Listens at `path`, for this user only (mode 0600), for [`Channel::accept`].
    ///
    /// A socket that is left there and at which nobody listens is replaced;
    /// the caller sees to it that nobody else does the same now. Dropping
    /// leaves the file.
    ///
    /// # Errors
    /// `AddrInUse` if someone listens there, or the file is no socket;
    /// `InvalidInput` for a path that is too long.
    pub(crate) fn listen(path: &Path) -> io::Result<Self> {
        let attempted = || format!("cannot listen at {}", path.display());
        let address = address(path)?;
        let socket = socket(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
        let mut bound = rustix::net::bind(&socket, &address);
        if bound == Err(Errno::ADDRINUSE)
            && Self::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
            && fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
        {
            fs::remove_file(path).map_err(|error| explain(error, attempted()))?;
            bound = rustix::net::bind(&socket, &address);
        }
        bound.map_err(|error| explain(error, attempted()))?;
        // Before `listen`, nobody can connect yet.
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))
            .map_err(|error| explain(error, attempted()))?;
        rustix::net::listen(&socket, 128).map_err(|error| explain(error, attempted()))?;
        Ok(Self { socket })
    }

    /// The next connection to a channel that listens, if one waits.
    ///
    /// # Errors
    /// `WouldBlock` if none waits; those of accept(2).
    pub(crate) fn accept(&self) -> io::Result<Self> {
        let socket = retry_on_intr(|| rustix::net::accept_with(&self.socket, SocketFlags::CLOEXEC))
            .map_err(|error| explain(error, "cannot accept a connection"))?;
        Ok(Self { socket })
    }

    /// Connects to the channel that listens at `path`. Waits while its queue is full.
    ///
    /// # Errors
    /// `NotFound` and `ConnectionRefused` if nobody listens there; `InvalidInput` for a path that is too long.
    pub(crate) fn connect(path: &Path) -> io::Result<Self> {
        let attempted = || format!("cannot connect to {}", path.display());
        let address = address(path)?;
        let socket = socket(SocketFlags::CLOEXEC)?;
        rustix::net::connect(&socket, &address).map_err(|error| explain(error, attempted()))?;
        Ok(Self { socket })
    }

    /// Sends one message, waiting for room.
    ///
    /// # Errors
    /// `InvalidInput` for no bytes, too many, or too many descriptors;
    /// `BrokenPipe` and `ConnectionReset` if the peer is gone.
    pub(crate) fn send(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.send_with(bytes, descriptors, SendFlags::NOSIGNAL)
    }

    /// Sends one message if there is room for it now.
    ///
    /// # Errors
    /// As [`Channel::send`]; `WouldBlock` if there is no room, and then nothing was sent.
    pub(crate) fn send_now(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.send_with(bytes, descriptors, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)
    }

    /// Waits for one message; none once the peer has closed its end and all messages were received.
    ///
    /// # Errors
    /// `InvalidData` if a message was no message or did not fit (it is lost, and
    /// the next one can be received); `ConnectionReset` if the peer closed with
    /// messages unread.
    pub(crate) fn recv(&self) -> io::Result<Option<Message>> {
        self.recv_with(RecvFlags::CMSG_CLOEXEC)
    }

    /// Receives one message if there is one now.
    ///
    /// # Errors
    /// As [`Channel::recv`], but never `WouldBlock`.
    pub(crate) fn try_recv(&self) -> io::Result<Received> {
        match self.recv_with(RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT) {
            Ok(Some((bytes, descriptors))) => Ok(Received::Packet(bytes, descriptors)),
            Ok(None) => Ok(Received::End),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Received::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Whether the peer has closed its end, even if messages are still to be received.
    pub(crate) fn is_closed(&self) -> bool {
        let mut polled = [PollFd::new(&self.socket, PollFlags::empty())];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let found = retry_on_intr(|| poll(&mut polled, Some(&now)));
        let [polled] = &polled;
        found.is_ok_and(|count| count > 0) && polled.revents().intersects(PollFlags::HUP | PollFlags::ERR)
    }

    /// Who connected, listened, or made the pair: ids of that moment, by the kernel's word.
    ///
    /// # Errors
    /// Those of getsockopt(2).
    pub(crate) fn peer(&self) -> io::Result<UCred> {
        credentials::peer(&self.socket)
    }

    fn send_with(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>], flags: SendFlags) -> io::Result<()> {
        let refuse = |text: String| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        if bytes.is_empty() {
            return refuse("an empty message cannot be told from the end".to_owned());
        }
        if bytes.len() > MAX_MESSAGE_BYTES {
            return refuse(format!("a message of {} bytes: {MAX_MESSAGE_BYTES} is the limit", bytes.len()));
        }
        if descriptors.len() > MAX_MESSAGE_DESCRIPTORS {
            let count = descriptors.len();
            return refuse(format!(
                "{count} descriptors in a message: {MAX_MESSAGE_DESCRIPTORS} is the limit"
            ));
        }
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_MESSAGE_DESCRIPTORS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return refuse("the descriptors do not fit".to_owned());
        }
        let parts = [IoSlice::new(bytes)];
        retry_on_intr(|| rustix::net::sendmsg(&self.socket, &parts, &mut control, flags))
            .map_err(|error| explain(error, "cannot send a message"))?;
        Ok(())
    }

    fn recv_with(&self, flags: RecvFlags) -> io::Result<Option<Message>> {
        let invalid = |text| Err(io::Error::new(io::ErrorKind::InvalidData, text));
        let mut bytes = vec![0; MAX_MESSAGE_BYTES];
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_MESSAGE_DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = retry_on_intr(|| {
            rustix::net::recvmsg(&self.socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, flags)
        })
        .map_err(|error| explain(error, "cannot receive a message"))?;
        let mut descriptors = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(more) = message {
                descriptors.extend(more);
            }
        }
        if received.flags.contains(ReturnFlags::TRUNC) {
            return invalid("a message is longer than the limit");
        }
        if received.bytes == 0 {
            let is_end = descriptors.is_empty() && !received.flags.contains(ReturnFlags::CTRUNC);
            return if is_end { Ok(None) } else { invalid("a message has no bytes") };
        }
        bytes.truncate(received.bytes);
        bytes.shrink_to_fit();
        Ok(Some((bytes, descriptors)))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl From<Channel> for OwnedFd {
    fn from(channel: Channel) -> Self {
        channel.socket
    }
}

fn socket(flags: SocketFlags) -> io::Result<OwnedFd> {
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
        .map_err(|error| explain(error, "cannot open a socket"))
}

/// The address of `path`.
///
/// # Errors
/// `InvalidInput` if it is longer than [`MAX_SOCKET_PATH_BYTES`].
pub(crate) fn address(path: &Path) -> io::Result<SocketAddrUnix> {
    check_length(path)?;
    SocketAddrUnix::new(path).map_err(|error| explain(error, path.display()))
}

/// # Errors
/// `InvalidInput` if `path` is too long for a Unix socket.
pub(crate) fn check_length(path: &Path) -> io::Result<()> {
    let length = path.as_os_str().as_bytes().len();
    if length <= MAX_SOCKET_PATH_BYTES {
        return Ok(());
    }
    let text = format!(
        "{} has {length} bytes: {MAX_SOCKET_PATH_BYTES} is the limit for the path of a socket",
        path.display()
    );
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read as _, Write as _};

    use rustix::io::{FdFlags, fcntl_getfd};

    use super::*;

    fn kind<T: std::fmt::Debug>(result: io::Result<T>) -> io::ErrorKind {
        result.unwrap_err().kind()
    }

    /// What a process without our limits sends.
    fn send_raw(channel: &Channel, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) {
        let mut space = vec![MaybeUninit::uninit(); cmsg_space!(ScmRights(253))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(descriptors.is_empty() || control.push(SendAncillaryMessage::ScmRights(descriptors)));
        rustix::net::sendmsg(channel, &[IoSlice::new(bytes)], &mut control, SendFlags::empty()).unwrap();
    }

    mod messages {
        use super::*;

        #[test]
        fn arrive_whole_in_order_and_from_both_sides() {
            let (one, other) = Channel::pair().unwrap();
            let long: Vec<u8> = (0..MAX_MESSAGE_BYTES).map(|index| index.to_le_bytes()[0]).collect();
            for (from, to) in [(&one, &other), (&other, &one)] {
                for bytes in [b"a".as_slice(), b"bc", &long] {
                    from.send(bytes, &[]).unwrap();
                }
                for bytes in [b"a".as_slice(), b"bc", &long] {
                    let (received, descriptors) = to.recv().unwrap().unwrap();
                    assert!(received == bytes && descriptors.is_empty());
                }
                assert!(matches!(to.try_recv(), Ok(Received::Nothing)));
            }
        }

        #[test]
        fn carry_200_descriptors_that_an_exec_closes() {
            let (one, other) = Channel::pair().unwrap();
            let (mut read, write) = io::pipe().unwrap();
            let descriptors = vec![write.as_fd(); MAX_MESSAGE_DESCRIPTORS];
            one.send(b"x", &descriptors).unwrap();
            one.send(b"none", &[]).unwrap();
            let (bytes, received) = other.recv().unwrap().unwrap();
            assert_eq!((bytes.as_slice(), received.len()), (b"x".as_slice(), MAX_MESSAGE_DESCRIPTORS));
            assert!(received.iter().all(|one| fcntl_getfd(one).unwrap().contains(FdFlags::CLOEXEC)));
            assert_eq!(other.recv().unwrap().unwrap().1.len(), 0);
            drop(write);
            for descriptor in received {
                File::from(descriptor).write_all(b".").unwrap();
            }
            let mut text = String::new();
            read.read_to_string(&mut text).unwrap();
            assert_eq!(text.len(), MAX_MESSAGE_DESCRIPTORS, "each works, and none is left open");
        }

        #[test]
        fn beyond_the_limits_are_not_sent() {
            let (one, other) = Channel::pair().unwrap();
            let descriptors = vec![one.as_fd(); MAX_MESSAGE_DESCRIPTORS + 1];
            for (bytes, descriptors) in [
                (Vec::new(), &descriptors[..0]),
                (vec![0; MAX_MESSAGE_BYTES + 1], &descriptors[..0]),
                (vec![0], &descriptors[..]),
            ] {
                assert_eq!(kind(one.send(&bytes, descriptors)), io::ErrorKind::InvalidInput);
            }
            assert!(matches!(other.try_recv(), Ok(Received::Nothing)));
        }

        #[test]
        fn longer_than_the_limit_are_errors_and_leave_no_descriptor_open() {
            let (one, other) = Channel::pair().unwrap();
            let (mut read, write) = io::pipe().unwrap();
            send_raw(&one, &vec![1; MAX_MESSAGE_BYTES + 1], &[write.as_fd()]);
            send_raw(&one, b"fine", &[]);
            drop(write);
            assert_eq!(kind(other.recv()), io::ErrorKind::InvalidData);
            assert_eq!(other.recv().unwrap().unwrap().0, b"fine");
            assert_eq!(read.read(&mut [0; 8]).unwrap(), 0, "all copies are closed");
        }

        #[test]
        fn whose_descriptors_do_not_fit_arrive_with_those_that_do() {
            let (one, other) = Channel::pair().unwrap();
            let (mut read, write) = io::pipe().unwrap();
            send_raw(&one, b"x", &vec![write.as_fd(); 253]);
            send_raw(&one, b"fine", &[]);
            drop(write);
            let (bytes, descriptors) = other.recv().unwrap().unwrap();
            assert_eq!(bytes, b"x");
            assert!((MAX_MESSAGE_DESCRIPTORS..253).contains(&descriptors.len()), "{}", descriptors.len());
            assert_eq!(other.recv().unwrap().unwrap().0, b"fine");
            drop(descriptors);
            assert_eq!(read.read(&mut [0; 8]).unwrap(), 0, "all copies are closed");
        }

        #[test]
        fn without_bytes_are_errors_if_they_carry_descriptors() {
            let (one, other) = Channel::pair().unwrap();
            send_raw(&one, b"", &[one.as_fd()]);
            assert_eq!(kind(other.recv()), io::ErrorKind::InvalidData);
        }
    }

    mod the_end {
        use super::*;

        #[test]
        fn comes_after_the_last_message() {
            let (one, other) = Channel::pair().unwrap();
            one.send(b"last", &[]).unwrap();
            assert!(!other.is_closed());
            drop(one);
            assert!(other.is_closed(), "although a message waits");
            assert!(matches!(other.try_recv(), Ok(Received::Packet(bytes, _)) if bytes == b"last"));
            for _ in 0..2 {
                assert!(other.recv().unwrap().is_none());
                assert!(matches!(other.try_recv(), Ok(Received::End)));
            }
        }

        #[test]
        fn makes_sending_an_error_and_no_signal() {
            let (one, other) = Channel::pair().unwrap();
            drop(other);
            assert_eq!(kind(one.send(b"x", &[])), io::ErrorKind::BrokenPipe);
            assert_eq!(kind(one.send_now(b"x", &[])), io::ErrorKind::BrokenPipe);
        }
    }

    #[test]
    fn a_full_queue_is_told_at_once_and_takes_more_when_it_was_read() {
        let (one, other) = Channel::pair().unwrap();
        let message = vec![0; MAX_MESSAGE_BYTES];
        let mut count = 0;
        while one.send_now(&message, &[]).is_ok() {
            count += 1;
        }
        assert_eq!(kind(one.send_now(&message, &[])), io::ErrorKind::WouldBlock);
        for _ in 0..count {
            other.recv().unwrap().unwrap();
        }
        one.send_now(&message, &[]).unwrap();
    }

    mod at_a_path {
        use super::*;

        #[test]
        fn both_ends_know_each_other_and_talk() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("x.sock");
            let listener = Channel::listen(&path).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(kind(listener.accept()), io::ErrorKind::WouldBlock);
            let client = Channel::connect(&path).unwrap();
            poll(&mut [PollFd::new(&listener, PollFlags::IN)], None).unwrap();
            let server = listener.accept().unwrap();
            assert!(fcntl_getfd(&server).unwrap().contains(FdFlags::CLOEXEC));
            for end in [&client, &server] {
                let peer = end.peer().unwrap();
                assert_eq!(peer.pid, Some(rustix::process::getpid()));
                assert_eq!(peer.uid, rustix::process::geteuid());
            }
            client.send(b"question", &[]).unwrap();
            assert_eq!(server.recv().unwrap().unwrap().0, b"question");
            server.send(b"answer", &[]).unwrap();
            drop(server);
            assert_eq!(client.recv().unwrap().unwrap().0, b"answer");
            assert!(client.recv().unwrap().is_none());
        }

        #[test]
        fn nobody_listening_is_told_apart_from_nothing_there() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("x.sock");
            assert_eq!(kind(Channel::connect(&path)), io::ErrorKind::NotFound);
            drop(Channel::listen(&path).unwrap());
            assert_eq!(kind(Channel::connect(&path)), io::ErrorKind::ConnectionRefused);
            let _listener = Channel::listen(&path).unwrap();
            assert_eq!(kind(Channel::listen(&path)), io::ErrorKind::AddrInUse);
            let file = folder.path().join("file");
            fs::write(&file, "precious").unwrap();
            assert_eq!(kind(Channel::listen(&file)), io::ErrorKind::AddrInUse);
            assert_eq!(fs::read(&file).unwrap(), b"precious");
        }

        #[test]
        fn a_path_of_107_bytes_works_and_a_longer_one_is_explained() {
            let folder = tempfile::tempdir().unwrap();
            let room = MAX_SOCKET_PATH_BYTES - folder.path().as_os_str().len() - 1;
            let _listener = Channel::listen(&folder.path().join("x".repeat(room))).unwrap();
            Channel::connect(&folder.path().join("x".repeat(room))).unwrap();
            let long = folder.path().join("x".repeat(room + 1));
            for error in [Channel::listen(&long).unwrap_err(), Channel::connect(&long).unwrap_err()] {
                assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
                assert!(error.to_string().contains("108 bytes: 107 is the limit"), "{error}");
            }
        }
    }
}
