//! A client that sends exactly the bytes it is given, over plain TCP or TLS, and reads answers apart.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned,
    SupportedProtocolVersion,
};

use crate::site::Site;

/// No answer takes longer than this; it only keeps a broken server from hanging the tests.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What a connection is made over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    Plain,
    Tls,
}

pub const BOTH: [Over; 2] = [Over::Plain, Over::Tls];

pub struct Client {
    stream: Stream,
    buffer: Vec<u8>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// One response.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub fn closes(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

impl Client {
    pub fn connect(site: &Site, over: Over) -> Self {
        match over {
            Over::Plain => Self::plain(site),
            Over::Tls => Self::tls(site, &[b"http/1.1"]),
        }
    }

    pub fn plain(site: &Site) -> Self {
        Self::at(site.plain)
    }

    pub fn at(address: SocketAddr) -> Self {
        Self { stream: Stream::Plain(tcp(address)), buffer: Vec::new() }
    }

    /// On a socket that is connected already.
    pub fn over(socket: TcpStream) -> Self {
        Self { stream: Stream::Plain(patient(socket)), buffer: Vec::new() }
    }

    pub fn tls(site: &Site, alpn: &[&[u8]]) -> Self {
        Self::tls_with(site, alpn).unwrap()
    }

    pub fn tls_with(site: &Site, alpn: &[&[u8]]) -> io::Result<Self> {
        Self::handshake(site.tls, alpn, rustls::ALL_VERSIONS)
    }

    /// A client that speaks only the given versions of TLS.
    pub fn tls_versions(site: &Site, versions: &[&'static SupportedProtocolVersion]) -> io::Result<Self> {
        Self::handshake(site.tls, &[b"http/1.1"], versions)
    }

    /// HTTP/1.1 over TLS.
    pub fn tls_at(address: SocketAddr) -> Self {
        Self::handshake(address, &[b"http/1.1"], rustls::ALL_VERSIONS).unwrap()
    }

    fn handshake(
        address: SocketAddr,
        alpn: &[&[u8]],
        versions: &[&'static SupportedProtocolVersion],
    ) -> io::Result<Self> {
        Self::handshake_over(tcp(address), alpn, versions)
    }

    /// HTTP/1.1 over TLS on a socket that is connected already.
    pub fn tls_over(socket: TcpStream) -> Self {
        Self::handshake_over(patient(socket), &[b"http/1.1"], rustls::ALL_VERSIONS).unwrap()
    }

    fn handshake_over(
        mut socket: TcpStream,
        alpn: &[&[u8]],
        versions: &[&'static SupportedProtocolVersion],
    ) -> io::Result<Self> {
        let mut config = any_certificate(versions);
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        let name = ServerName::try_from("localhost").unwrap();
        let mut session = ClientConnection::new(Arc::new(config), name).unwrap();
        session.complete_io(&mut socket)?;
        Ok(Self { stream: Stream::Tls(Box::new(StreamOwned::new(session, socket))), buffer: Vec::new() })
    }

    pub fn alpn(&self) -> Option<Vec<u8>> {
        match &self.stream {
            Stream::Plain(_) => None,
            Stream::Tls(stream) => stream.conn.alpn_protocol().map(<[u8]>::to_vec),
        }
    }

    /// How many certificates the server sent.
    pub fn certificates(&self) -> usize {
        match &self.stream {
            Stream::Plain(_) => 0,
            Stream::Tls(stream) => stream.conn.peer_certificates().map_or(0, <[_]>::len),
        }
    }

    pub fn socket(&self) -> &TcpStream {
        match &self.stream {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => &stream.sock,
        }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.try_send(bytes.as_ref()).unwrap();
        self
    }

    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(socket) => socket.write_all(bytes),
            Stream::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }

    /// Ends the client's side of the connection.
    pub fn end(&mut self) -> &mut Self {
        if let Stream::Tls(stream) = &mut self.stream {
            stream.conn.send_close_notify();
            stream.flush().unwrap();
        }
        self.socket().shutdown(Shutdown::Write).unwrap();
        self
    }

    /// Ends the connection at once, by a reset (`SO_LINGER` of zero).
    pub fn reset(self) {
        rustix::net::sockopt::set_socket_linger(self.socket(), Some(Duration::ZERO)).unwrap();
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut chunk = [0; 16 * 1024];
        let length = match &mut self.stream {
            Stream::Plain(socket) => socket.read(&mut chunk)?,
            Stream::Tls(stream) => stream.read(&mut chunk)?,
        };
        self.buffer.extend_from_slice(&chunk[..length]);
        Ok(length)
    }

    /// Whether the beginning of an answer is there, without waiting for one.
    pub fn has_answer(&mut self) -> bool {
        self.socket().set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        // Nothing yet, or a reset: the next read tells.
        let _ = self.fill();
        self.socket().set_read_timeout(Some(PATIENCE)).unwrap();
        !self.buffer.is_empty()
    }

    /// Reads exactly `length` bytes.
    pub fn take(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length {
            assert_ne!(self.fill().unwrap(), 0, "closed after {:?}", String::from_utf8_lossy(&self.buffer));
        }
        self.buffer.drain(..length).collect()
    }

    /// Reads exactly `length` bytes, unless the connection ends before.
    pub fn try_take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < length {
            if self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.buffer.drain(..length).collect())
    }

    /// Reads to the end of the connection. A reset is an error.
    pub fn rest(&mut self) -> io::Result<String> {
        while self.fill()? > 0 {}
        Ok(String::from_utf8_lossy(&std::mem::take(&mut self.buffer)).into_owned())
    }

    /// Whether the connection ends now, without another byte and without a reset.
    pub fn is_closed(&mut self) -> bool {
        matches!(self.rest(), Ok(rest) if rest.is_empty())
    }

    /// Reads one response; the answer to HEAD has no body.
    pub fn reply(&mut self) -> Reply {
        self.read_reply(false)
    }

    pub fn reply_to_head(&mut self) -> Reply {
        self.read_reply(true)
    }

    fn read_reply(&mut self, is_head: bool) -> Reply {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            assert_ne!(self.fill().unwrap(), 0, "closed after {:?}", String::from_utf8_lossy(&self.buffer));
        };
        let head = String::from_utf8(self.take(end)).unwrap();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap();
        let mut reply = Reply { status, head, body: String::new() };
        let has_body = !is_head && status != 204 && status != 304 && status >= 200;
        if has_body && reply.header("transfer-encoding").is_some() {
            reply.body = self.chunks();
        } else if has_body && let Some(length) = reply.header("content-length") {
            let length = length.parse().unwrap();
            reply.body = String::from_utf8_lossy(&self.take(length)).into_owned();
        }
        reply
    }

    fn line(&mut self) -> String {
        loop {
            if let Some(at) = self.buffer.windows(2).position(|window| window == b"\r\n") {
                let line = self.take(at + 2);
                return String::from_utf8_lossy(&line[..at]).into_owned();
            }
            assert_ne!(self.fill().unwrap(), 0, "closed in the middle of a line");
        }
    }

    fn chunks(&mut self) -> String {
        let mut body = Vec::new();
        loop {
            let size = usize::from_str_radix(&self.line(), 16).unwrap();
            if size == 0 {
                while !self.line().is_empty() {}
                return String::from_utf8_lossy(&body).into_owned();
            }
            body.extend(self.take(size));
            assert_eq!(self.line(), "");
        }
    }
}

fn tcp(address: SocketAddr) -> TcpStream {
    patient(TcpStream::connect(address).unwrap())
}

fn patient(socket: TcpStream) -> TcpStream {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_write_timeout(Some(PATIENCE)).unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}

/// Sends `bytes` on a new connection and gives the first answer and whether the connection then ends.
pub fn ask(site: &Site, over: Over, bytes: impl AsRef<[u8]>) -> (Reply, Client) {
    let mut client = Client::connect(site, over);
    client.send(bytes);
    let reply = client.reply();
    (reply, client)
}

/// A client's configuration that trusts whatever it is shown: the tests make their own certificates.
pub fn any_certificate(versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate))
        .with_no_client_auth()
}

#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
