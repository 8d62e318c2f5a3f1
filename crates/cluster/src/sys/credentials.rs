//! Who is at the other end of a Unix socket (SO_PEERCRED, SCM_CREDENTIALS in unix(7)).
//!
//! In: a socket. Out: ids that the kernel vouches for. Done here because the
//! process id is 0 for a peer in a foreign pid namespace, which rustix's
//! types cannot hold.

use std::io;
use std::mem::{MaybeUninit, offset_of, size_of};
use std::os::fd::{AsFd, AsRawFd as _};

use rustix::process::{Gid, Pid, Uid};

use super::{explain, last_error};

/// Ids of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UCred {
    /// Its process; none if that is not visible from this pid namespace.
    pub(crate) pid: Option<Pid>,
    /// Its effective user.
    pub(crate) uid: Uid,
    /// Its effective group.
    pub(crate) gid: Gid,
}

impl UCred {
    fn new(raw: [u32; 3]) -> Self {
        let [pid, uid, gid] = raw;
        Self {
            pid: Some(pid.cast_signed()).filter(|pid| *pid > 0).and_then(Pid::from_raw),
            uid: Uid::from_raw(uid),
            gid: Gid::from_raw(gid),
        }
    }
}

/// Who connected, listened on, or made the other end of `socket`, as of that moment.
///
/// # Errors
/// Those of getsockopt(2).
pub(crate) fn peer(socket: impl AsFd) -> io::Result<UCred> {
    let mut raw = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut length = libc::socklen_t::try_from(size_of::<libc::ucred>()).unwrap_or(0);
    let number = socket.as_fd().as_raw_fd();
    // SAFETY: `raw` has room for `length` bytes, and any bytes are valid in it.
    let result = unsafe {
        libc::getsockopt(number, libc::SOL_SOCKET, libc::SO_PEERCRED, (&raw mut raw).cast(), &raw mut length)
    };
    if result != 0 {
        return Err(last_error("cannot tell who the peer is"));
    }
    Ok(UCred::new([raw.pid.cast_unsigned(), raw.uid, raw.gid]))
}

/// A datagram with the ids of its sender.
#[derive(Debug)]
pub(crate) struct Datagram {
    /// Its bytes in the buffer given.
    pub(crate) length: usize,
    /// Whether it was longer than the buffer, and its end is lost.
    pub(crate) truncated: bool,
    /// Who sent it; none if the socket was not told to ask (SO_PASSCRED).
    pub(crate) sender: Option<UCred>,
}

/// Receives one datagram into `buffer` without waiting. Descriptors that came with it are closed.
///
/// # Errors
/// `WouldBlock` if there is none; those of recvmsg(2).
pub(crate) fn receive(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<Datagram> {
    /// Exactly one header and one `ucred`: the kernel closes whatever else came.
    #[repr(C)]
    struct Control {
        header: libc::cmsghdr,
        ids: [u32; 3], // pid, uid, gid: the fields of `libc::ucred` in its order
    }
    const _: () = assert!(size_of::<[u32; 3]>() == size_of::<libc::ucred>());
    const _: () = assert!(offset_of!(Control, ids) == size_of::<libc::cmsghdr>());

    let mut control = MaybeUninit::<Control>::zeroed();
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let mut message = MaybeUninit::<libc::msghdr>::zeroed();
    // SAFETY: all its fields are numbers and pointers, for which zeros are valid.
    let message = unsafe { message.assume_init_mut() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = (size_of::<libc::cmsghdr>() + size_of::<libc::ucred>()) as _;
    let whole = message.msg_controllen;
    let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
    let number = socket.as_fd().as_raw_fd();
    let received = loop {
        // SAFETY: `message` points to `buffer` and `control` with their true
        // lengths; both live through the call.
        let received = unsafe { libc::recvmsg(number, message, flags) };
        match usize::try_from(received) {
            Ok(received) => break received,
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => {}
                error => return Err(explain(error, "cannot receive a datagram")),
            },
        }
    };
    let truncated = message.msg_flags & libc::MSG_TRUNC != 0;
    let filled = message.msg_controllen >= whole;
    // SAFETY: it was zeroed, and all its fields are numbers.
    let control = unsafe { control.assume_init() };
    let is_sender = filled
        && control.header.cmsg_level == libc::SOL_SOCKET
        && control.header.cmsg_type == libc::SCM_CREDENTIALS;
    let sender = is_sender.then(|| UCred::new(control.ids));
    Ok(Datagram { length: received, truncated, sender })
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    #[test]
    fn the_peer_of_a_pair_is_this_process() {
        let (one, other) = UnixDatagram::pair().unwrap();
        for socket in [&one, &other] {
            let peer = peer(socket).unwrap();
            assert_eq!(peer.pid, Some(rustix::process::getpid()));
            assert_eq!(peer.uid, rustix::process::geteuid());
            assert_eq!(peer.gid, rustix::process::getegid());
        }
    }

    #[test]
    fn what_is_no_socket_has_no_peer() {
        let (read, _write) = io::pipe().unwrap();
        assert!(peer(&read).is_err());
        assert!(receive(&read, &mut [0; 8]).is_err());
    }

    #[test]
    fn a_sender_is_known_only_if_the_socket_asked() {
        let (one, other) = UnixDatagram::pair().unwrap();
        one.send(b"before").unwrap();
        rustix::net::sockopt::set_socket_passcred(&other, true).unwrap();
        one.send(b"after").unwrap();
        let mut buffer = [0; 16];
        let _before = receive(&other, &mut buffer).unwrap();
        let after = receive(&other, &mut buffer[..3]).unwrap();
        assert_eq!((after.length, after.truncated), (3, true));
        assert_eq!(after.sender.unwrap().pid, Some(rustix::process::getpid()));
        assert_eq!(receive(&other, &mut buffer).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_process_that_is_not_visible_has_no_id() {
        assert_eq!(UCred::new([0, 1, 2]).pid, None);
        assert_eq!(UCred::new([u32::MAX, 1, 2]).pid, None);
    }
}
