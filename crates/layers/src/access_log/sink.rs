//! [`Sink`]: where access log lines go.
//!
//! In: whole lines, from any thread. Out: bytes on stdout, stderr, a file or
//! any writer, from one thread of its own. Owns the choice of the target and
//! its life: opening, reopening, the last flush. What happens between a line
//! and its writing is `queue`'s.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use super::output::Target;
use super::queue::{Counts, Queue};

/// A cloneable handle to the place where log lines are written.
///
/// Lines are collected in memory (1 MiB, see [`buffer`](Self::buffer)) and
/// written by a thread of their own, so that a slow disk or a pipe that nobody
/// reads never stalls a server. A line that comes after a pause is written at
/// once; under load, lines are written together, at most 10 ms later.
///
/// When the buffer is full, lines are dropped and counted, and a line that says
/// how many is written as soon as there is room. A failed write (a full disk)
/// loses its lines in the same way, and the next lines are tried again. Only a
/// reader that has gone away (`EPIPE`) ends the writing, silently, until
/// [`reopen`](Self::reopen).
///
/// Several processes may share a file, a terminal or a pipe: whole lines are
/// written, in portions that the system does not mix with those of others (in
/// a pipe, this holds for lines of up to 4096 bytes).
///
/// The last handle's drop waits until all lines are written, at most 5 s.
#[derive(Clone)]
pub struct Sink {
    handle: Arc<Handle>,
}

/// What all clones of a sink share; the thread ends with it.
struct Handle {
    queue: Arc<Queue>,
    file: Option<PathBuf>,
    thread: Option<JoinHandle<()>>, // Some until drop
}

impl Sink {
    /// Writes to the standard output.
    ///
    /// # Panics
    /// If the system cannot start a thread.
    #[must_use]
    pub fn stdout() -> Self {
        Self::must_start(Target::shared(Box::new(io::stdout())))
    }

    /// Writes to the standard error output.
    ///
    /// # Panics
    /// If the system cannot start a thread.
    #[must_use]
    pub fn stderr() -> Self {
        Self::must_start(Target::shared(Box::new(io::stderr())))
    }

    /// Appends to the file at `path`, which is created if it is not there, for
    /// its owner to write and its group to read (mode 0640, less the umask).
    ///
    /// # Errors
    /// If the file cannot be opened or the thread cannot be started.
    pub fn file(path: impl AsRef<Path>) -> io::Result<Self> {
        // A later change of the working directory must not move the log.
        let path = std::path::absolute(path)?;
        let target = open(&path)?;
        Self::start(target, Some(path))
    }

    /// Writes to `writer`, in whole lines, followed by a `flush`.
    ///
    /// # Panics
    /// If the system cannot start a thread.
    #[must_use]
    pub fn writer(writer: Box<dyn Write + Send>) -> Self {
        Self::must_start(Target::alone(writer))
    }

    /// Sets how many bytes of lines may wait to be written, for all clones.
    ///
    /// Default: 1 MiB. As much again may be under way to the writer. A line
    /// longer than this is dropped.
    #[must_use]
    pub fn buffer(self, bytes: usize) -> Self {
        self.handle.queue.set_limit(bytes);
        self
    }

    /// Opens the file at the same path again, for a log that was moved away.
    ///
    /// Lines pushed from now on go to the new file; lines still waiting may go
    /// to either. Does nothing for a sink that is no file.
    ///
    /// # Errors
    /// If the path cannot be opened: the sink goes on with the old file.
    pub fn reopen(&self) -> io::Result<()> {
        if let Some(path) = &self.handle.file {
            self.handle.queue.replace_target(open(path)?);
        }
        Ok(())
    }

    /// Waits until every line pushed so far is written or lost.
    ///
    /// Blocks the calling thread, without limit if the target blocks.
    pub fn flush(&self) {
        self.handle.queue.flush();
    }

    /// What became of the lines so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.handle.queue.counts()
    }

    /// Hands over one line with its line break. Never blocks on the target.
    /// `json`: a line about lost lines must be JSON too.
    pub(super) fn push(&self, line: &[u8], json: bool) {
        self.handle.queue.push(line, json);
    }

    fn must_start(target: Target) -> Self {
        Self::start(target, None)
            .unwrap_or_else(|error| panic!("cannot start the access log's thread: {error}"))
    }

    fn start(target: Target, file: Option<PathBuf>) -> io::Result<Self> {
        let queue = Arc::new(Queue::new());
        let thread = std::thread::Builder::new().name("access-log".to_owned()).spawn({
            let queue = Arc::clone(&queue);
            move || queue.run(target)
        })?;
        Ok(Self { handle: Arc::new(Handle { queue, file, thread: Some(thread) }) })
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink").field("file", &self.handle.file).field("counts", &self.counts()).finish()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // If the target still blocks then, the thread is left to the process's end.
        if self.queue.close()
            && let Some(thread) = self.thread.take()
        {
            drop(thread.join()); // an error is a panic of the writer, already reported
        }
    }
}

fn open(path: &Path) -> io::Result<Target> {
    let file = OpenOptions::new().append(true).create(true).mode(0o640).open(path)?;
    // Appending to a file is atomic at any length; a pipe may stand at the path too.
    let regular = file.metadata()?.is_file();
    let writer = Box::new(file);
    Ok(if regular { Target::alone(writer) } else { Target::shared(writer) })
}
