//! [`Output`]: the writer of a log, and how it fails.
//!
//! In: batches of whole lines. Out: bytes on the writer, and how many lines
//! were lost. Owns partial writes, retries and the line about lost lines; an
//! error here is counted and never ends the thread.

use std::io::{ErrorKind, Write};
use std::time::{Duration, SystemTime};

use super::clock::{DateCache, DateForm};

/// Where lines go, and how many bytes it takes at once.
pub(super) struct Target {
    writer: Box<dyn Write + Send>,
    largest_write: usize,
}

impl Target {
    /// A writer that nobody else writes to, or that never cuts a write in two.
    pub(super) fn alone(writer: Box<dyn Write + Send>) -> Self {
        Self { writer, largest_write: usize::MAX }
    }

    /// A writer that may be a pipe shared with other processes. Only writes of
    /// up to `PIPE_BUF` bytes stay whole among theirs (POSIX `write`), so more
    /// are not written at once, unless a single line is longer.
    pub(super) fn shared(writer: Box<dyn Write + Send>) -> Self {
        Self { writer, largest_write: PIPE_BUF }
    }

    /// The part of `bytes` to write next: whole lines as far as they fit.
    fn portion<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        let Some(fitting) = bytes.get(..self.largest_write) else { return bytes };
        let line_end = |bytes: &[u8]| bytes.iter().position(|&byte| byte == b'\n').map(|at| at + 1);
        let end =
            fitting.iter().rposition(|&byte| byte == b'\n').map(|at| at + 1).or_else(|| line_end(bytes));
        end.and_then(|end| bytes.get(..end)).unwrap_or(bytes)
    }
}

/// A target and what its last failure left behind.
pub(super) struct Output {
    target: Target,
    /// The last write stopped within a line: the next one begins a new line.
    torn: bool,
    /// The reader has gone away (EPIPE): nothing is written any more.
    closed: bool,
}

/// Lines that were lost and not reported yet.
#[derive(Default)]
pub(super) struct Lost {
    /// Because the buffer was full.
    pub(super) dropped: u64,
    /// Because the target refused them.
    pub(super) failed: u64,
}

impl Output {
    pub(super) fn new(target: Target) -> Self {
        Self { target, torn: false, closed: false }
    }

    /// Writes `lines` and returns how many of them were lost.
    pub(super) fn write_lines(&mut self, lines: &[u8]) -> u64 {
        if lines.is_empty() {
            return 0;
        }
        if self.torn && self.write(b"\n") == 1 {
            self.torn = false;
        }
        let written = if self.torn || self.closed { 0 } else { self.write(lines) };
        if written > 0 {
            self.torn = lines.get(written - 1) != Some(&b'\n');
        }
        let lost = lines.get(written..).unwrap_or_default();
        lost.iter().filter(|&&byte| byte == b'\n').count() as u64
    }

    /// Writes a line about `lost`, if there is anything to say, and resets it.
    pub(super) fn report(&mut self, lost: &mut Lost, json: bool) {
        let total = lost.dropped + lost.failed;
        if total == 0 {
            return;
        }
        let message = format!(
            "{total} access log lines were lost ({} because the buffer was full, {} in failed writes)",
            lost.dropped, lost.failed
        );
        let mut line = Vec::new();
        if json {
            line.extend_from_slice(b"{\"time\":\"");
            DateCache::default().push(&mut line, SystemTime::now(), DateForm::Iso);
            line.extend_from_slice(format!("\",\"lost\":{total},\"message\":\"{message}\"}}\n").as_bytes());
        } else {
            line.extend_from_slice(format!("narae: {message}\n").as_bytes());
        }
        if self.write_lines(&line) == 0 {
            *lost = Lost::default();
        }
    }

    /// Writes as much of `bytes` as the writer takes; returns how much that was.
    fn write(&mut self, bytes: &[u8]) -> usize {
        let mut written = 0; // 0 <= written <= bytes.len()
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            match self.target.writer.write(self.target.portion(rest)) {
                Ok(0) => break,
                Ok(count) => written += count,
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    // A terminal or pipe that another program made non-blocking.
                    ErrorKind::WouldBlock => std::thread::sleep(RETRY_AFTER),
                    kind => {
                        self.closed = kind == ErrorKind::BrokenPipe;
                        break;
                    }
                },
            }
        }
        // What a buffering writer cannot flush shows up at its next write.
        self.closed |= self.target.writer.flush().is_err_and(|error| error.kind() == ErrorKind::BrokenPipe);
        written
    }
}

/// Linux's (`pipe(7)`).
const PIPE_BUF: usize = 4096;
const RETRY_AFTER: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use std::io::{self, ErrorKind, Write};
    use std::sync::{Arc, Mutex};

    use super::{Lost, Output, PIPE_BUF, Target};

    /// A writer that takes what its script says: a number of bytes, or an error.
    struct Scripted {
        script: Vec<Result<usize, ErrorKind>>, // from the end; empty: takes everything
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Scripted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = self.script.pop().unwrap_or(Ok(bytes.len()))?.min(bytes.len());
            self.written.lock().unwrap().extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Writes each batch, reporting losses as the queue does; returns the text.
    fn check(script: &[Result<usize, ErrorKind>], batches: &[&str], lost: &[u64], expected: &str) {
        let written = Arc::new(Mutex::new(Vec::new()));
        let script = script.iter().rev().copied().collect();
        let writer = Box::new(Scripted { script, written: Arc::clone(&written) });
        let mut output = Output::new(Target::alone(writer));
        let mut unreported = Lost::default();
        for (batch, expected_lost) in batches.iter().zip(lost) {
            let failed = output.write_lines(batch.as_bytes());
            assert_eq!(failed, *expected_lost, "of {batch:?}");
            unreported.failed += failed;
            if failed == 0 {
                output.report(&mut unreported, false);
            }
        }
        assert_eq!(String::from_utf8(written.lock().unwrap().clone()).unwrap(), expected);
    }

    #[test]
    fn partial_writes_and_interruptions_lose_nothing() {
        let script = [Ok(1), Err(ErrorKind::Interrupted), Err(ErrorKind::WouldBlock), Ok(2)];
        check(&script, &["a\nbc\n"], &[0], "a\nbc\n");
    }

    #[test]
    fn a_full_disk_loses_lines_and_says_so_when_there_is_room_again() {
        check(
            &[Err(ErrorKind::StorageFull)],
            &["a\nb\n", "c\n"],
            &[2, 0],
            "c\nnarae: 2 access log lines were lost (0 because the buffer was full, 2 in failed writes)\n",
        );
    }

    #[test]
    fn a_torn_line_is_closed_before_the_next_one() {
        check(
            &[Ok(4), Err(ErrorKind::StorageFull)],
            &["aa\nbb\ncc\n", "dd\n"],
            &[2, 0],
            "aa\nb\ndd\nnarae: 2 access log lines were lost (0 because the buffer was full, 2 in failed writes)\n",
        );
    }

    #[test]
    fn a_broken_pipe_ends_the_writing_quietly() {
        check(&[Ok(2), Err(ErrorKind::BrokenPipe)], &["a\nb\n", "c\n"], &[1, 1], "a\n");
    }

    #[test]
    fn a_report_that_fails_is_kept_for_later() {
        check(
            &[Err(ErrorKind::StorageFull), Ok(9), Err(ErrorKind::StorageFull)],
            &["a\n", "b\n", "c\n"],
            &[1, 0, 0],
            "b\nc\nnarae: 1 access log lines were lost (0 because the buffer was full, 1 in failed writes)\n",
        );
    }

    /// Keeps the length of each write, and whether it ended a line.
    struct Portions(Arc<Mutex<Vec<(usize, bool)>>>);

    impl Write for Portions {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().push((bytes.len(), bytes.ends_with(b"\n")));
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_shared_pipe_gets_whole_lines_that_others_cannot_cut() {
        let portions = Arc::new(Mutex::new(Vec::new()));
        let mut output = Output::new(Target::shared(Box::new(Portions(Arc::clone(&portions)))));
        let line = |length: usize| "x".repeat(length - 1) + "\n";
        let lines = [line(1000).repeat(5), line(PIPE_BUF), line(5000), line(10)].concat();
        assert_eq!(output.write_lines(lines.as_bytes()), 0);
        assert_eq!(
            *portions.lock().unwrap(),
            [(4000, true), (1000, true), (4096, true), (5000, true), (10, true)]
        );
    }
}
