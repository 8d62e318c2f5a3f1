//! The `tracing` messages of the whole test process, to be found by a text that only one test has.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

static MESSAGES: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Begins to keep messages.
pub fn capture() {
    static BEGUN: Once = Once::new();
    BEGUN.call_once(|| {
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(|| Keeper).finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
}

/// The lines that hold `text`.
pub fn with(text: &str) -> Vec<String> {
    let messages = String::from_utf8(kept().clone()).unwrap();
    messages.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
}

fn kept() -> MutexGuard<'static, Vec<u8>> {
    MESSAGES.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Keeper;

impl Write for Keeper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        kept().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
