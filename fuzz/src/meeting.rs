//! [`meet`]: a peer that sends what it was told, and the whole server on the other side.
//!
//! In: bytes in pieces. Out: every byte that the server sent, and what the handlers saw. Fails if the connection
//! does not end, or leaves a task behind.

use std::cell::Cell;
use std::io;
use std::os::unix::net::UnixStream as StdStream;
use std::sync::LazyLock;
use std::time::Duration;

use narae_server::{Alone, Budget, H2Budgets, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;
use tokio::time::sleep;

use crate::application::{Application, Seen};

/// What came of a meeting.
#[derive(Debug)]
pub struct Met {
    /// What the server sent.
    pub output: Vec<u8>,
    pub seen: Seen,
}

/// How the server treats connections between two requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// They keep their engine.
    Kept,
    /// They are parked at once.
    Parked,
}

/// Sends `pieces`, each when nothing more comes for those before, then ends its side; reads to the end.
pub fn meet(pieces: &[&[u8]], idle: Idle) -> Met {
    let server: &Alone = match idle {
        Idle::Kept => &KEEPS,
        Idle::Parked => &PARKS,
    };
    RUNTIME.block_on(async {
        let (ours, theirs) = pair().expect("a pair of sockets");
        let application = Application::default();
        let talk = async {
            let (output, ()) = tokio::join!(talk(ours, pieces), server.serve(theirs, application.clone()));
            output
        };
        let output = tokio::select! {
            biased;
            output = talk => output,
            () = overdue() => panic!("the connection does not end"),
        };
        // Bodies that nobody wants any more are let go in tasks of their own.
        let tasks = RUNTIME.metrics();
        for _ in 0..LONG {
            if tasks.num_alive_tasks() == 0 {
                break;
            }
            yield_now().await;
        }
        assert_eq!(tasks.num_alive_tasks(), 0, "tasks outlive their connection");
        Met { output, seen: application.seen() }
    })
}

/// Waits for longer than anything here takes. Where the machine had no time for us, there are turns to catch up in.
async fn overdue() {
    sleep(LONGEST).await;
    for _ in 0..LONG {
        yield_now().await;
    }
}

/// Two connected sockets: one for us, one for the server.
fn pair() -> io::Result<(UnixStream, StdStream)> {
    let (ours, theirs) = StdStream::pair()?;
    ours.set_nonblocking(true)?;
    theirs.set_nonblocking(true)?;
    Ok((UnixStream::from_std(ours)?, theirs))
}

/// What comes back for `pieces`.
async fn talk(socket: UnixStream, pieces: &[&[u8]]) -> Vec<u8> {
    let (mut reader, mut writer) = socket.into_split();
    let received = Cell::new(0);
    let speak = async {
        for piece in pieces {
            // The server has had enough of us; its last words are read nevertheless.
            if writer.write_all(piece).await.is_err() {
                break;
            }
            settle(&received).await;
        }
        let _ = writer.shutdown().await;
    };
    let listen = async {
        let mut output = Vec::new();
        // A reset is an end too: the server left while we were speaking.
        while matches!(reader.read_buf(&mut output).await, Ok(length) if length > 0) {
            received.set(output.len());
        }
        output
    };
    tokio::join!(speak, listen).1
}

/// Waits until the server has nothing more to say to what it has.
async fn settle(received: &Cell<usize>) {
    let mut quiet = 0;
    for _ in 0..LONG {
        let before = received.get();
        yield_now().await;
        quiet = if received.get() == before { quiet + 1 } else { 0 };
        if quiet == QUIET {
            return;
        }
    }
}

/// Turns of the event loop without an answer after which none is expected.
const QUIET: u32 = 6;
/// More turns than anything takes.
const LONG: u32 = 10_000;
/// Nothing here waits for time: the server's own waits are of five seconds and more, but for one after its last words.
const LONGEST: Duration = Duration::from_secs(4);

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_all().build().expect("a runtime"));
static KEEPS: LazyLock<Alone> = LazyLock::new(|| alone(None));
static PARKS: LazyLock<Alone> = LazyLock::new(|| alone(Some(Duration::ZERO)));

/// A server with limits that short inputs can reach, and budgets that no time refills.
fn alone(park_after: Option<Duration>) -> Alone {
    let mut budgets = H2Budgets::default();
    budgets.resets = Budget::new(8, 0);
    budgets.pings = Budget::new(6, 0);
    budgets.settings = Budget::new(4, 0);
    budgets.empty = Budget::new(8, 0);
    budgets.continuations = 3;
    let limits = Limits::default()
        .max_head_bytes(1024)
        .max_header_count(8)
        .max_target_bytes(64)
        .max_body_bytes(1024)
        .h2_max_streams(4)
        .h2_budgets(budgets)
        .park_after(park_after);
    Alone::new(limits).expect("limits that work")
}
