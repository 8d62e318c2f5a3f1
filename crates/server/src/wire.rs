//! [`Wire`]: a connection's socket, as the HTTP engine holds it.
//!
//! In and out: bytes, by way of the connection's [`Link`](crate::link::Link), which watches them go by and decides when
//! they leave.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connection::Shared;

/// The connection's socket, as the HTTP engine holds it.
pub(crate) struct Wire(pub(crate) Arc<Shared>);

impl Drop for Wire {
    /// After an upgrade nobody else ends the connection.
    fn drop(&mut self) {
        if self.0.is_given_away() {
            self.0.release();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.link().poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.link().poll_write(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.link().poll_write(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// While HTTP is spoken the driver sends what was gathered at the end of its turn.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0.is_given_away() {
            true => self.0.link().poll_flush(cx),
            false => Poll::Ready(Ok(())),
        }
    }

    /// While HTTP is spoken the driver ends the connection itself, after its own last words.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut link = self.0.link();
        match link.is_raw() {
            true => link.poll_shutdown(cx),
            false => Poll::Ready(Ok(())),
        }
    }
}
