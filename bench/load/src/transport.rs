//! [`Dialer`] opens connections; [`Stream`] is one, with or without TLS.
//!
//! Accepts every certificate: this is a client for tests, not for secrets.

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::accept_all::AcceptAll;
use crate::fault::{Class, Fault, Phase};
use crate::load::Target;

/// Opens connections to the target.
pub(crate) struct Dialer {
    address: SocketAddr,
    authority: String,
    tls: Option<Result<(TlsConnector, ServerName<'static>), String>>,
}

impl Dialer {
    pub(crate) fn new(target: &Target) -> Self {
        let authority = target.host.clone().unwrap_or_else(|| target.address.to_string());
        let alpn: &[u8] = if target.protocol.is_http2() { b"h2" } else { b"http/1.1" };
        let tls = target.protocol.is_tls().then(|| {
            let name = match &target.host {
                Some(host) => {
                    host.parse::<http::uri::Authority>().map_err(|error| error.to_string())?.host().to_owned()
                }
                None => target.address.ip().to_string(),
            };
            let name = ServerName::try_from(name).map_err(|error| error.to_string())?;
            Ok((connector(alpn)?, name))
        });
        Self { address: target.address, authority, tls }
    }

    /// The `Host` of requests.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// The scheme of requests.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Opens a connection. A failed connect is `refused`, a failed handshake `reset`.
    pub(crate) async fn open(&self) -> Result<Stream, Fault> {
        let refused = |error: io::Error| Fault::transport(Phase::Connect, &error);
        let tcp = TcpStream::connect(self.address).await.map_err(refused)?;
        tcp.set_nodelay(true).map_err(refused)?;
        match &self.tls {
            None => Ok(Stream::Plain(tcp)),
            Some(Err(reason)) => Err(Fault::new(Class::Refused, Phase::Handshake, reason.clone())),
            Some(Ok((connector, name))) => match connector.connect(name.clone(), tcp).await {
                Ok(stream) => Ok(Stream::Tls(Box::new(stream))),
                Err(error) => Err(Fault::transport(Phase::Handshake, &error)),
            },
        }
    }
}

/// A connection.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
        }
    }

    /// Waits until what the kernel already holds for this connection can be read, if it holds anything.
    ///
    /// Asks the kernel itself: the runtime learns of a FIN later. Returns
    /// whether there is anything: bytes, an end, or an error.
    pub(crate) async fn has_news(&self) -> bool {
        let mut byte = [MaybeUninit::uninit()];
        match socket2::SockRef::from(self.tcp()).peek(&mut byte) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            _ => {
                // An error here is found again by the read that follows.
                let _ = self.tcp().readable().await;
                true
            }
        }
    }
}

macro_rules! delegate {
    ($stream:expr, $method:ident $(, $argument:expr)*) => {
        match $stream.get_mut() {
            Stream::Plain(tcp) => Pin::new(tcp).$method($($argument),*),
            Stream::Tls(tls) => Pin::new(tls.as_mut()).$method($($argument),*),
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        delegate!(self, poll_read, cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        delegate!(self, poll_write, cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, poll_flush, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, poll_shutdown, cx)
    }
}

fn connector(alpn: &[u8]) -> Result<TlsConnector, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AcceptAll::new(provider)))
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}
