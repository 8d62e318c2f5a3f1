//! Sinks as a server uses them: real files, writers that block, fail or panic.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use super::super::sink::Sink;

fn push(sink: &Sink, line: &str) {
    sink.push(format!("{line}\n").as_bytes(), false);
}

/// A writer that says when it is called and then waits to be let through.
struct Gate {
    entered: Sender<()>,
    open: Receiver<()>,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Errors: the test is over, and nobody holds the writer back any more.
        let _ = self.entered.send(());
        let _ = self.open.recv();
        self.written.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Gated {
    sink: Sink,
    entered: Receiver<()>,
    open: Sender<()>,
    written: Arc<Mutex<Vec<u8>>>,
}

/// A sink with a buffer of 16 bytes whose thread stands in the writer, holding "first".
fn gated() -> Gated {
    let written = Arc::default();
    let ((entered_tx, entered), (open, open_rx)) = (channel(), channel());
    let gate = Gate { entered: entered_tx, open: open_rx, written: Arc::clone(&written) };
    let sink = Sink::writer(Box::new(gate)).buffer(16);
    push(&sink, "first");
    entered.recv().unwrap();
    Gated { sink, entered, open, written }
}

impl Gated {
    fn text(&self) -> String {
        String::from_utf8(self.written.lock().unwrap().clone()).unwrap()
    }
}

#[test]
fn a_line_is_written_without_a_flush() {
    let gated = gated(); // entered the writer, although nobody asked for it
    drop(gated.open);
    drop(gated.sink);
    assert_eq!(gated.written.lock().unwrap().as_slice(), b"first\n");
}

#[test]
fn a_blocked_writer_drops_lines_beyond_the_buffer_and_says_how_many() {
    let gated = gated();
    for line in ["1234567", "2345678", "too much", "again"] {
        push(&gated.sink, line); // the first two fill the buffer
    }
    assert_eq!(gated.sink.counts().dropped, 2);
    assert_eq!(gated.text(), "");
    gated.open.send(()).unwrap(); // "first"
    gated.entered.recv().unwrap();
    gated.open.send(()).unwrap(); // the batch
    gated.entered.recv().unwrap();
    gated.open.send(()).unwrap(); // the notice
    gated.sink.flush();
    assert_eq!(
        gated.text(),
        "first\n1234567\n2345678\n\
         narae: 2 access log lines were lost (2 because the buffer was full, 0 in failed writes)\n"
    );
    let counts = gated.sink.counts();
    assert_eq!((counts.written, counts.dropped, counts.failed), (3, 2, 0));
}

#[test]
fn a_json_log_says_it_in_json() {
    let Gated { sink, entered, open, written } = gated();
    sink.push(b"{\"a\":\"much too long for the buffer\"}\n", true);
    sink.push(b"{}\n", true);
    drop(open);
    drop(entered);
    sink.flush();
    drop(sink);
    let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
    let notice: serde_json::Value = serde_json::from_str(text.lines().nth(2).unwrap()).unwrap();
    assert_eq!(notice["lost"], 1);
    assert!(notice["time"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn lines_of_many_threads_stay_whole_and_keep_each_threads_order() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    let sink = Sink::file(&path).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let sink = sink.clone();
            scope.spawn(move || (0..1000).for_each(|n| push(&sink, &format!("{thread} {n}"))));
        }
    });
    drop(sink); // the last handle: everything is written
    let text = fs::read_to_string(path).unwrap();
    assert_eq!(text.lines().count(), 4000);
    for thread in 0..4 {
        let prefix = format!("{thread} ");
        let numbers = text.lines().filter_map(|line| line.strip_prefix(&prefix));
        assert!(numbers.eq((0..1000).map(|n| n.to_string()).collect::<Vec<_>>()));
    }
}

#[test]
fn a_file_is_appended_to_and_not_for_everyone_to_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    for line in ["one", "two"] {
        let sink = Sink::file(&path).unwrap();
        push(&sink, line);
        sink.flush();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o137, 0, "{mode:o}");
}

#[test]
fn a_file_that_cannot_be_opened_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    assert!(Sink::file(directory.path()).is_err());
    assert!(Sink::file(directory.path().join("no/such/folder")).is_err());
}

#[test]
fn a_log_that_was_moved_away_is_reopened_at_its_path() {
    let directory = tempfile::tempdir().unwrap();
    let (path, moved) = (directory.path().join("access.log"), directory.path().join("access.log.1"));
    let sink = Sink::file(&path).unwrap();
    push(&sink, "before");
    sink.flush();
    fs::rename(&path, &moved).unwrap();
    push(&sink, "still the old file");
    sink.flush();
    sink.reopen().unwrap();
    push(&sink, "after");
    sink.flush();
    assert_eq!(fs::read_to_string(&moved).unwrap(), "before\nstill the old file\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), "after\n");
}

#[test]
fn a_reopen_that_fails_keeps_the_old_file() {
    let directory = tempfile::tempdir().unwrap();
    let (folder, moved) = (directory.path().join("log"), directory.path().join("moved"));
    fs::create_dir(&folder).unwrap();
    let sink = Sink::file(folder.join("access.log")).unwrap();
    fs::rename(&folder, &moved).unwrap();
    assert_eq!(sink.reopen().unwrap_err().kind(), io::ErrorKind::NotFound);
    push(&sink, "kept");
    sink.flush();
    assert_eq!(fs::read_to_string(moved.join("access.log")).unwrap(), "kept\n");
}

#[test]
fn reopening_something_else_than_a_file_does_nothing() {
    Sink::stderr().reopen().unwrap();
}

#[test]
fn a_writer_that_panics_costs_lines_and_nothing_else() {
    struct Panics;
    impl Write for Panics {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            panic!("a writer that panics, for a test");
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let sink = Sink::writer(Box::new(Panics));
    push(&sink, "one");
    sink.flush(); // returns, although the thread is gone
    push(&sink, "two");
    assert_eq!((sink.counts().written, sink.counts().dropped), (0, 1));
}

#[test]
fn a_reader_that_left_is_counted_and_a_full_device_too() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let sink = Sink::writer(Box::new(writer));
    push(&sink, "one");
    sink.flush();
    push(&sink, "two");
    sink.flush();
    assert_eq!(sink.counts().failed, 2);

    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let sink = Sink::writer(Box::new(full));
    push(&sink, "one");
    sink.flush();
    assert_eq!((sink.counts().written, sink.counts().failed), (0, 1));
}

#[test]
fn every_clone_may_flush_and_the_last_one_ends_the_thread() {
    let written = Arc::new(Mutex::new(Vec::new()));
    struct Kept(Arc<Mutex<Vec<u8>>>);
    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let sink = Sink::writer(Box::new(Kept(Arc::clone(&written))));
    let clone = sink.clone();
    push(&sink, "a");
    drop(sink);
    push(&clone, "b");
    clone.flush();
    push(&clone, "c");
    drop(clone);
    // The thread, and the writer with it, is gone: nobody else holds the memory.
    let written = Arc::into_inner(written).unwrap().into_inner().unwrap();
    assert_eq!(written, b"a\nb\nc\n");
}
