//! The end of a connection: the server's own answer after the engine's, the end of its side, the peer's rest.
//!
//! In and out: bytes. How a connection is ended is `close`'s to say.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Link, open};

impl Link {
    /// Adds an answer of the server's own after everything that was sent.
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Tells the peer that nothing more will come (TLS `close_notify`, then FIN).
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_flush(cx))?;
        Pin::new(open(&mut self.io)?).poll_shutdown(cx)
    }

    /// Reads and throws away. `Ok(0)` at the end.
    pub(crate) fn poll_discard(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_cut {
            return Poll::Ready(Ok(0));
        }
        let mut buffer = ReadBuf::new(scratch);
        ready!(Pin::new(open(&mut self.io)?).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }
}
