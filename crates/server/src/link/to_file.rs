//! Sends from the file what the engine writes and a file holds too, so that the kernel need not copy it.
//!
//! In: the slices that the engine writes. Out: how many of their bytes left, or were gathered to leave with them. The
//! rest of [`Link`] never knows of files.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use super::{GATHER, Link, open};
use crate::socket::{Transport, UNSENT};

/// What to do about bytes that are in a file. The number is the slice's.
#[derive(Clone, Copy)]
pub(super) enum FileStep {
    /// Take in the slices before it, so many bytes.
    Gather(usize, usize),
    Send(usize),
}

impl Link {
    /// The next step if one of the first slices is in a file; `None` if they are to be written from memory.
    pub(super) fn step_to_file(&self, slices: &[IoSlice<'_>]) -> Option<FileStep> {
        let place = slices.iter().take(3).position(|slice| self.in_files.find(slice).is_some())?;
        if !self.io.as_ref().is_some_and(Transport::sends_files) {
            return None;
        }
        let before = slices.iter().take(place).map(|slice| slice.len()).sum();
        match before {
            0 => Some(FileStep::Send(place)),
            _ if self.out.len() + before <= GATHER => Some(FileStep::Gather(place, before)),
            _ => None,
        }
    }

    /// Gathers what stands before the file, to leave in one packet with its beginning; or sends from the file.
    pub(super) fn poll_send_file(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        step: FileStep,
    ) -> Poll<io::Result<usize>> {
        let place = match step {
            FileStep::Gather(place, before) => {
                for slice in slices.iter().take(place) {
                    self.out.extend_from_slice(slice);
                }
                return Poll::Ready(Ok(before));
            }
            FileStep::Send(place) => place,
        };
        let part = slices.get(place).map_or(&[][..], |slice| &**slice);
        while let Some(rest @ [_, ..]) = self.out.get(self.out_sent..) {
            let write = open(&mut self.io)?.poll_write_with_more_to_come(cx, rest);
            self.out_sent += ready!(self.note_engine_write(write))?;
        }
        self.out.clear();
        self.out_sent = 0;
        if part.len() >= LARGE && !std::mem::replace(&mut self.in_files.run_ahead, true) {
            self.io.iter().for_each(|io| io.let_wait(AHEAD));
        }
        let Some((file, position)) = self.in_files.find(part) else {
            return Poll::Ready(Err(io::ErrorKind::NotFound.into()));
        };
        let send = match &self.io {
            Some(io) => io.poll_send_file(cx, file, position, part.len()),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        };
        match self.note_engine_write(send) {
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Unsupported => {
                // Nothing was sent: the engine offers the same bytes again, and they are written from memory.
                self.in_files.forget();
                let write = Pin::new(open(&mut self.io)?).poll_write(cx, part);
                self.note_engine_write(write)
            }
            other => other,
        }
    }

    /// What comes now is copied by the kernel, which must not take so much of it.
    pub(super) fn stop_running_ahead(&mut self, bytes: usize) {
        if bytes > GATHER && std::mem::take(&mut self.in_files.run_ahead) {
            self.io.iter().for_each(|io| io.let_wait(UNSENT));
        }
    }
}

/// What the kernel may take of a large file ahead of the peer: it copies nothing of it, so that this holds up nobody, and
/// asks less often for more. It stays so until something large comes from memory: each change wakes the connection.
const AHEAD: u32 = 1024 * 1024;
/// Below, it is not worth the call.
const LARGE: usize = 256 * 1024;
