//! Listening sockets: bound here, or inherited from a service manager (`LISTEN_FDS`).
//!
//! Out: listeners that the event loops or accept threads share. An address is bound once; every loop accepts
//! from the same queue, so no connection is lost with a loop.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::error::{Error, Result};
use crate::socket::UNSENT;
use crate::tls::TlsConfig;

/// Connections that may wait in the kernel before they are accepted. The kernel caps it at
/// `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// A bound socket, and what is spoken on it.
#[derive(Debug)]
pub struct Listener {
    socket: Bound,
    /// The socket file to remove when the listener is given up.
    file: Option<PathBuf>,
    pub(crate) tls: Option<TlsConfig>,
    pub(crate) proxy_protocol: bool,
    name: Option<String>,
    inherited: bool,
}

#[derive(Debug)]
pub(crate) enum Bound {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl AsFd for Bound {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener) => listener.as_fd(),
        }
    }
}

impl Listener {
    /// Binds every address that `address` resolves to first: `host:port`, `:port` is not allowed, port 0
    /// lets the system choose (see [`Listener::local`]).
    ///
    /// Sets `SO_REUSEADDR`, so that a restart does not wait for old connections, and `TCP_NODELAY`, which
    /// accepted sockets inherit, as they do `TCP_NOTSENT_LOWAT` of 128 KiB. An IPv6 wildcard (`[::]`) also takes IPv4.
    ///
    /// # Errors
    ///
    /// [`Error::Bind`] with the address and the system's reason.
    pub fn tcp(address: &str) -> Result<Self> {
        let fail = |source| Error::Bind { address: address.to_owned(), source };
        let resolved = address.to_socket_addrs().map_err(fail)?.next();
        let resolved = resolved.ok_or_else(|| fail(io::ErrorKind::AddrNotAvailable.into()))?;
        bind_tcp(resolved).map(Self::of_tcp).map_err(fail)
    }

    /// Binds a Unix socket at `path`. A socket file that nobody listens on is replaced; any other file
    /// is left alone and is an error. Nobody but this user may connect unless the folder's rights say so:
    /// the file gets the process's umask.
    ///
    /// # Errors
    ///
    /// [`Error::Bind`] with the path and the system's reason.
    pub fn unix(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let fail = |source| Error::Bind { address: format!("unix:{}", path.display()), source };
        remove_stale(path).map_err(fail)?;
        let listener = UnixListener::bind(path).map_err(fail)?;
        Self::from_unix(listener, Some(path.to_owned())).map_err(fail)
    }

    /// Binds `address`: `unix:/path/to.sock` is a Unix socket, anything else is `host:port`.
    ///
    /// # Errors
    ///
    /// As [`Listener::tcp`] and [`Listener::unix`].
    pub fn bind(address: &str) -> Result<Self> {
        match address.strip_prefix("unix:") {
            Some(path) => Self::unix(path),
            None => Self::tcp(address),
        }
    }

    /// Takes the sockets that a service manager passed to this process: `LISTEN_PID`, `LISTEN_FDS` and
    /// `LISTEN_FDNAMES` (`sd_listen_fds(3)`). Without them the list is empty. They can be taken once.
    ///
    /// # Errors
    ///
    /// [`Error::Inherited`] if a descriptor is not a listening stream socket.
    pub fn inherited() -> Result<Vec<Self>> {
        let names: Vec<String> = std::env::var("LISTEN_FDNAMES")
            .map_or_else(|_| Vec::new(), |names| names.split(':').map(str::to_owned).collect());
        let mut sockets = listenfd::ListenFd::from_env();
        let mut listeners = Vec::new();
        for index in 0..sockets.len() {
            let mut listener = match sockets.take_tcp_listener(index) {
                Ok(Some(tcp)) => Self::try_from(tcp),
                _ => match sockets.take_unix_listener(index) {
                    Ok(Some(unix)) => Self::from_unix(unix, None),
                    Ok(None) => continue,
                    Err(error) => Err(error),
                },
            }
            .map_err(|error| Error::Inherited(format!("descriptor {}: {error}", index + 3)))?;
            listener.name = names.get(index).filter(|name| !name.is_empty()).cloned();
            listener.inherited = true;
            listeners.push(listener);
        }
        Ok(listeners)
    }

    /// Speaks TLS on this socket: HTTP/2 and HTTP/1.1 by ALPN. Default: plain HTTP/1.1, and HTTP/2 by
    /// prior knowledge.
    #[must_use]
    pub fn tls(mut self, tls: TlsConfig) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Whether every connection begins with a header of the PROXY protocol, version 1 or 2, before TLS.
    /// Default: no.
    ///
    /// The header's source is the connection's peer from then on. A connection without one, or from a proxy
    /// that is not [trusted](crate::Builder::trusted_proxies) if any are named, is closed without an answer and
    /// counted. Turn it on only where nobody but proxies can connect: whoever can, may say to be anyone.
    #[must_use]
    pub fn proxy_protocol(mut self, expect: bool) -> Self {
        self.proxy_protocol = expect;
        self
    }

    /// Whether TLS is spoken on this socket.
    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether the socket came from a service manager.
    pub fn is_inherited(&self) -> bool {
        self.inherited
    }

    /// The name that `LISTEN_FDNAMES` gave to an inherited socket.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Where the socket listens; after port 0, the port that the system chose.
    pub fn local(&self) -> Local {
        match &self.socket {
            Bound::Tcp(listener) => listener.local_addr().map_or(Local::Unknown, Local::Tcp),
            Bound::Unix(listener) => listener
                .local_addr()
                .ok()
                .and_then(|address| address.as_pathname().map(Path::to_owned))
                .map_or(Local::Unix(PathBuf::new()), Local::Unix),
        }
    }

    fn from_unix(listener: UnixListener, file: Option<PathBuf>) -> io::Result<Self> {
        Ok(Self::of(Bound::Unix(listener), file))
    }

    /// Leaves the socket's file where it is when the listener goes.
    pub(crate) fn keep_file(&mut self) {
        self.file = None;
    }

    /// A second handle of the same socket, for an event loop or an accept thread.
    pub(crate) fn share(&self) -> io::Result<Bound> {
        match &self.socket {
            Bound::Tcp(listener) => listener.try_clone().map(Bound::Tcp),
            Bound::Unix(listener) => listener.try_clone().map(Bound::Unix),
        }
    }
}

impl TryFrom<TcpListener> for Listener {
    type Error = io::Error;

    /// Takes a listening socket that the application made.
    fn try_from(listener: TcpListener) -> io::Result<Self> {
        // Not every inherited socket is TCP over IP; one that refuses the options still works.
        let _ = set_options(&SockRef::from(&listener));
        Ok(Self::of_tcp(listener))
    }
}

impl TryFrom<OwnedFd> for Listener {
    type Error = io::Error;

    /// Takes a listening socket, TCP or Unix, from wherever it came.
    fn try_from(socket: OwnedFd) -> io::Result<Self> {
        let socket = Socket::from(socket);
        if socket.domain()? == Domain::UNIX {
            Self::from_unix(OwnedFd::from(socket).into(), None)
        } else {
            Self::try_from(TcpListener::from(socket))
        }
    }
}

impl Listener {
    /// A second descriptor of the socket, to be shared with another process.
    ///
    /// # Errors
    ///
    /// [`Error::System`] if the system has no descriptor left.
    pub fn descriptor(&self) -> Result<OwnedFd> {
        Ok(match self.share()? {
            Bound::Tcp(listener) => listener.into(),
            Bound::Unix(listener) => listener.into(),
        })
    }

    fn of_tcp(listener: TcpListener) -> Self {
        Self::of(Bound::Tcp(listener), None)
    }

    fn of(socket: Bound, file: Option<PathBuf>) -> Self {
        Self { socket, file, tls: None, proxy_protocol: false, name: None, inherited: false }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            // The file may be gone already; that is what was wanted.
            let _ = std::fs::remove_file(file);
        }
    }
}

/// Where a socket listens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Local {
    /// An Internet address and port.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
    /// A socket without a name.
    Unknown,
}

impl Local {
    /// The Internet address, if there is one.
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) | Self::Unknown => None,
        }
    }
}

impl fmt::Display for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Unknown => f.write_str("unnamed socket"),
        }
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if let SocketAddr::V6(v6) = address {
        socket.set_only_v6(!v6.ip().is_unspecified())?;
    }
    set_options(&socket)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// What accepted sockets inherit.
fn set_options(socket: &Socket) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_notsent_lowat(UNSENT)
}

/// Removes a socket file that nobody listens on any more.
fn remove_stale(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => {
            match std::os::unix::net::UnixStream::connect(path) {
                Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
                Err(_) => std::fs::remove_file(path),
            }
        }
        Ok(_) => {
            Err(io::Error::new(io::ErrorKind::AlreadyExists, "a file that is not a socket is in the way"))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
