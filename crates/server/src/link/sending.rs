//! What a connection sends: gathered while a turn lasts, then written at once.
//!
//! In: what the engine writes. Out: bytes in the socket, since when the peer takes none, and what the frame meter sees of
//! them.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::AsyncWrite;

use super::{Fault, GATHER, GATHER_ALONE, Link, Mode, Phase, open, time};
use crate::h2_frames::Verdict;
use crate::socket::Transport;

impl Link {
    /// Takes what the engine writes, or as much of it as can be taken now.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = self.poll_take(cx, slices);
        self.engine_holds = write.is_pending();
        write
    }

    fn poll_take(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if self.is_cut {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let total: usize = slices.iter().map(|slice| slice.len()).sum();
        if !matches!(self.mode, Mode::Raw) && self.out.len() + total <= self.gathers() {
            for slice in slices {
                self.out.extend_from_slice(slice);
            }
            self.sent(slices, total);
            return Poll::Ready(Ok(total));
        }
        if let Some(step) = self.step_to_file(slices) {
            return self.poll_send_file(cx, slices, step);
        }
        self.stop_running_ahead(total);
        ready!(self.poll_flush(cx))?;
        let write = Pin::new(open(&mut self.io)?).poll_write_vectored(cx, slices);
        let written = ready!(self.note_engine_write(write))?;
        self.sent(slices, written);
        Poll::Ready(Ok(written))
    }

    /// Takes whole frames, which leave at the end of this turn.
    pub(crate) fn take_frames(&mut self, frames: &mut Vec<u8>) {
        let length = frames.len();
        if length == 0 || self.is_cut {
            return;
        }
        // What is sent needs no room, also if the rest never leaves at once.
        self.out.drain(..self.out_sent);
        self.out_sent = 0;
        let at = self.out.len();
        match at {
            0 => std::mem::swap(&mut self.out, frames),
            _ => self.out.append(frames),
        }
        let out = std::mem::take(&mut self.out);
        self.sent(&[IoSlice::new(out.get(at..).unwrap_or_default())], length);
        self.out = out;
        frames.clear();
    }

    /// How many bytes are worth being copied so that they leave with others. A record of TLS is copied anyway; on a plain
    /// connection an answer that is alone leaves without.
    fn gathers(&self) -> usize {
        match &self.io {
            Some(Transport::Plain(_)) if matches!(self.mode, Mode::Http1) && self.out.is_empty() => {
                GATHER_ALONE
            }
            _ => GATHER,
        }
    }

    /// Notes whether the peer took something of what the engine has for it.
    pub(super) fn note_engine_write(&mut self, write: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match write {
            Poll::Ready(Ok(_)) => {
                self.engine_waits = false;
                self.unblock();
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                self.engine_waits = true;
                self.blocked.get_or_insert_with(Instant::now);
            }
        }
        write
    }

    /// The peer takes bytes again. A request that is awaited is awaited from now on: nobody sends the next one
    /// before the answer is there.
    fn unblock(&mut self) {
        if self.blocked.take().is_some() && matches!(self.phase, Phase::Idle | Phase::Head) {
            self.since = self.now();
        }
    }

    /// Lets the frame meter follow what is sent, so that a frame of our own is never put inside another.
    fn sent(&mut self, slices: &[IoSlice<'_>], mut length: usize) {
        if let Some(since) = &mut self.ended {
            *since = Instant::now();
        }
        if let Mode::Http2(meter) = &mut self.mode {
            let now = time(&mut self.now, self.in_turn);
            for slice in slices {
                let part = length.min(slice.len());
                if let Verdict::End(goodbye) = meter.sent(&slice[..part], now) {
                    self.fault = Some(Fault::Frames(goodbye));
                }
                length -= part;
            }
        }
    }

    /// Sends what was gathered.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest @ [_, ..]) = self.out.get(self.out_sent..) {
            match Pin::new(open(&mut self.io)?).poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => {
                    self.unblock();
                    self.out_sent += written;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.blocked.get_or_insert_with(Instant::now);
                    return Poll::Pending;
                }
            }
        }
        self.out.clear();
        self.out_sent = 0;
        match Pin::new(open(&mut self.io)?).poll_flush(cx) {
            Poll::Ready(result) => {
                if !self.engine_waits {
                    self.unblock();
                }
                Poll::Ready(result)
            }
            Poll::Pending => {
                self.blocked.get_or_insert_with(Instant::now);
                Poll::Pending
            }
        }
    }

    /// Sends what was gathered in a turn of the driver, which is over.
    pub(crate) fn poll_end_turn(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.in_turn = false;
        let flushed = self.poll_flush(cx);
        if flushed.is_ready() && !self.engine_waits {
            self.answered = None;
            if self.requests.is_empty() {
                self.in_files.forget();
                // An idle connection should not keep what a busy one needed.
                if self.out.capacity() > GATHER {
                    self.out = Vec::new();
                }
            }
        }
        flushed
    }
}
