//! A connected byte stream: TCP or Unix, plain or inside TLS.
//!
//! In and out: bytes. Hides which of the four it is; never sees HTTP.

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

use crate::listen::Local;

/// The other end of a connection; behind a proxy that speaks the PROXY protocol, of the proxy's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Peer {
    /// An Internet address and port.
    Tcp(SocketAddr),
    /// A Unix socket, which has no address worth naming.
    Unix,
}

impl Peer {
    /// The Internet address, if there is one.
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix => None,
        }
    }
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

/// Most bytes of a connection that the kernel takes before the peer has room for them. Otherwise it takes megabytes for a
/// peer that reads nothing; copying them holds up everyone else of the event loop, and that the peer reads again is only
/// seen when it has taken a third of them.
pub(crate) const UNSENT: u32 = 128 * 1024;

/// A connected socket, on the event loop.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A connected socket on its way to the event loop that serves it.
#[derive(Debug)]
pub(crate) enum Accepted {
    /// Registered with the loop that accepted it, which also serves it.
    Here(Socket),
    /// For any loop.
    Bare(OwnedFd),
}

impl Socket {
    /// Takes the socket out of this thread's event loop.
    pub(crate) fn into_bare(self) -> io::Result<Accepted> {
        self.into_fd().map(Accepted::Bare)
    }

    /// Takes the descriptor out of this thread's event loop.
    pub(crate) fn into_fd(self) -> io::Result<OwnedFd> {
        match self {
            Self::Tcp(stream) => stream.into_std().map(OwnedFd::from),
            Self::Unix(stream) => stream.into_std().map(OwnedFd::from),
        }
    }

    /// As [`readable`](Self::readable), and says whether the end has come.
    pub(crate) async fn ready_to_read(&self) -> io::Result<Ready> {
        match self {
            Self::Tcp(stream) => stream.ready(Interest::READABLE).await,
            Self::Unix(stream) => stream.ready(Interest::READABLE).await,
        }
    }

    /// Does `work` on the socket. If it says `WouldBlock`, the next wait is for something new.
    pub(crate) fn try_io<R>(
        &self,
        interest: Interest,
        work: impl FnOnce() -> io::Result<R>,
    ) -> io::Result<R> {
        match self {
            Self::Tcp(stream) => stream.try_io(interest, work),
            Self::Unix(stream) => stream.try_io(interest, work),
        }
    }

    /// Waits until more than `seen` bytes can be looked at; how many there are. The end is an error.
    pub(crate) async fn look(&self, bytes: &mut [u8], seen: usize) -> io::Result<usize> {
        loop {
            let has_ended = self.ready_to_read().await?.is_read_closed();
            let looked = self.try_io(Interest::READABLE, || match recv(self, &mut *bytes, RecvFlags::PEEK) {
                // No news: the loop sleeps until the next bytes come.
                Ok((count, _)) if count == seen && !has_ended => Err(io::ErrorKind::WouldBlock.into()),
                Ok((count, _)) if count == seen => Err(io::ErrorKind::UnexpectedEof.into()),
                Ok((count, _)) => Ok(count),
                Err(errno) => Err(errno.into()),
            });
            match looked {
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                looked => return looked,
            }
        }
    }

    /// Waits until there is something to read, the end included. For a socket that was just accepted, the end of
    /// the wait may be a guess.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.readable().await,
            Self::Unix(stream) => stream.readable().await,
        }
    }
}

impl Accepted {
    /// The descriptor, of no event loop.
    pub(crate) fn into_fd(self) -> io::Result<OwnedFd> {
        match self {
            Self::Here(socket) => socket.into_fd(),
            Self::Bare(socket) => Ok(socket),
        }
    }

    /// The socket, registered with the event loop of this thread. `local` says what kind it is: the peer may
    /// be one that a proxy told of.
    pub(crate) fn register(self, local: &Local) -> io::Result<Socket> {
        match (self, local) {
            (Self::Here(socket), _) => Ok(socket),
            (Self::Bare(socket), Local::Unix(_)) => UnixStream::from_std(socket.into()).map(Socket::Unix),
            (Self::Bare(socket), _) => TcpStream::from_std(socket.into()).map(Socket::Tcp),
        }
    }
}

/// What the other end of a socket has ended, as far as the system knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PeerEnd {
    Nothing,
    /// It sends nothing more.
    Sending,
    /// It takes nothing more either: the connection was reset.
    Both,
}

impl Socket {
    /// Whether something may have come, or gone wrong. Wakes when it may have.
    fn poll_may_read(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(cx).map(drop),
            Self::Unix(stream) => stream.poll_read_ready(cx).map(drop),
        }
    }

    /// What the peer has ended, without reading. Wakes when bytes or an end come, unless bytes are there already.
    fn poll_end(&self, cx: &mut Context<'_>) -> PeerEnd {
        const ANY: Interest = Interest::READABLE.add(Interest::WRITABLE);
        if self.poll_may_read(cx).is_pending() {
            return PeerEnd::Nothing;
        }
        let state = match self {
            Self::Tcp(stream) => pin!(stream.ready(ANY)).poll(cx),
            Self::Unix(stream) => pin!(stream.ready(ANY)).poll(cx),
        };
        match state {
            Poll::Ready(Ok(state)) if state.is_write_closed() => PeerEnd::Both,
            Poll::Ready(Ok(state)) if state.is_read_closed() => PeerEnd::Sending,
            _ => PeerEnd::Nothing,
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

/// Does `write` when the socket takes bytes.
fn poll_write_io(
    stream: &TcpStream,
    cx: &mut Context<'_>,
    mut write: impl FnMut() -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_write_ready(cx))?;
        match stream.try_io(Interest::WRITABLE, &mut write) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return Poll::Ready(done),
        }
    }
}

/// What HTTP is spoken over.
#[derive(Debug)]
pub(crate) enum Transport {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

impl Transport {
    /// Ends both directions at once, so that every task waiting on the socket wakes.
    pub(crate) fn cut(&self) {
        // An error means that the peer was faster.
        let _ = rustix::net::shutdown(self.socket(), rustix::net::Shutdown::Both);
    }

    /// Makes the close a reset (`SO_LINGER` of zero).
    pub(crate) fn reset_on_close(&self) {
        // Where the option is refused, the peer sees a plain close.
        let _ = rustix::net::sockopt::set_socket_linger(self.socket(), Some(std::time::Duration::ZERO));
    }

    /// What the peer has ended. Wakes as [`Socket::poll_end`] says.
    pub(crate) fn poll_end(&self, cx: &mut Context<'_>) -> PeerEnd {
        self.socket().poll_end(cx)
    }

    /// Whether something may have come, the end included. Wakes when it may have.
    pub(crate) fn poll_may_read(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Plain(socket) => socket.poll_may_read(cx),
            // What came may be in there already.
            Self::Tls(_) => Poll::Ready(()),
        }
    }

    /// Whether [`poll_send_file`](Self::poll_send_file) can work.
    pub(crate) fn sends_files(&self) -> bool {
        matches!(self, Self::Plain(Socket::Tcp(_)))
    }

    /// Lets the kernel take `bytes` ahead of the peer.
    pub(crate) fn let_wait(&self, bytes: u32) {
        if let Self::Plain(Socket::Tcp(stream)) = self {
            // If it does not, it takes less at once, or more than it should until the end of the connection.
            let _ = SockRef::from(stream).set_tcp_notsent_lowat(bytes);
        }
    }

    /// Sends at most `len` bytes of `file` from `position` on, without taking them into this process.
    ///
    /// # Errors
    ///
    /// `Unsupported` if this is no plain TCP, or the system does not do it with this file; nothing was sent then.
    pub(crate) fn poll_send_file(
        &self,
        cx: &mut Context<'_>,
        file: BorrowedFd<'_>,
        position: u64,
        len: usize,
    ) -> Poll<io::Result<usize>> {
        let Self::Plain(Socket::Tcp(stream)) = self else {
            return Poll::Ready(Err(io::ErrorKind::Unsupported.into()));
        };
        poll_write_io(stream, cx, || {
            let mut position = position;
            match rustix::fs::sendfile(stream, file, Some(&mut position), len) {
                // The file ends before its content does.
                Ok(0) | Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM) => {
                    Err(io::ErrorKind::Unsupported.into())
                }
                Ok(sent) => Ok(sent),
                Err(errno) => Err(errno.into()),
            }
        })
    }

    /// Writes `bytes`, which the system may hold back for a moment, until what follows them fills a packet.
    pub(crate) fn poll_write_with_more_to_come(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(Socket::Tcp(stream)) => poll_write_io(stream, cx, || {
                Ok(send(&*stream, bytes, SendFlags::MORE | SendFlags::NOSIGNAL)?)
            }),
            other => Pin::new(other).poll_write(cx, bytes),
        }
    }

    fn socket(&self) -> &Socket {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }
}

macro_rules! delegate {
    ($self:ident, $stream:ident => $call:expr, $first:ident, $second:ident) => {
        match $self.get_mut() {
            Self::$first($stream) => $call,
            Self::$second($stream) => $call,
        }
    };
}

macro_rules! byte_stream {
    ($type:ident, $first:ident, $second:ident) => {
        impl AsyncRead for $type {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffer: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                delegate!(self, stream => Pin::new(stream).poll_read(cx, buffer), $first, $second)
            }
        }

        impl AsyncWrite for $type {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                delegate!(self, stream => Pin::new(stream).poll_write(cx, bytes), $first, $second)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                slices: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                // One piece alone, as a record of TLS is, costs the system less by itself.
                if let [bytes] = slices {
                    return self.poll_write(cx, bytes);
                }
                delegate!(self, stream => Pin::new(stream).poll_write_vectored(cx, slices), $first, $second)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                delegate!(self, stream => Pin::new(stream).poll_flush(cx), $first, $second)
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                delegate!(self, stream => Pin::new(stream).poll_shutdown(cx), $first, $second)
            }
        }
    };
}

byte_stream!(Socket, Tcp, Unix);
byte_stream!(Transport, Plain, Tls);
