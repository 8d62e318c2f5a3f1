//! This test program as another process: started with a role, it writes to the store that it is given.
//!
//! In: the role, the folder and more from the environment. Out: lines on standard output, one per event.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use narae_session::store::{Committed, Durability, Embedded, Store as _, Update, Updated};
use narae_session::{Change, Id, Json, Record, Timestamp};

/// Another process that is writing. Killed when it is dropped.
pub struct Process {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Process {
    /// Starts one with a role: the first part of [`acts_its_role`] that matches.
    pub fn start(role: &str, folder: &std::path::Path, variables: &[(&str, &str)]) -> Self {
        let mut command = command(role, folder);
        command.envs(variables.iter().copied());
        Self::spawn(command)
    }

    pub fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// The rest of the next line that begins with `event`. `None` when the process has ended.
    pub fn next(&mut self, event: &str) -> Option<String> {
        let mut line = String::new();
        while self.lines.read_line(&mut line).unwrap() > 0 {
            if line.ends_with('\n')
                && let Some(rest) = line.trim_end().strip_prefix(event)
            {
                return Some(rest.trim().to_owned());
            }
            line.clear();
        }
        None
    }

    /// Kills it as `kill -9` does. What it had printed can still be read.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it ends by itself, and demands that all was well.
    pub fn succeed(mut self) {
        while self.next("").is_some() {}
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How to start this program with a role.
pub fn command(role: &str, folder: &std::path::Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["child::acts_its_role", "--exact", "--nocapture"]);
    command.env("NARAE_TEST_ROLE", role).env("NARAE_TEST_FOLDER", folder);
    command
}

/// What the other process does. Without a role, as a test among others, nothing.
#[tokio::test]
async fn acts_its_role() {
    let Ok(role) = std::env::var("NARAE_TEST_ROLE") else { return };
    say("", "");
    let store = store(variable("NARAE_TEST_FOLDER"));
    match &*role {
        "count" => count(&store, &Id::parse(&variable("NARAE_TEST_ID")).unwrap(), 10_000).await,
        "write" => write(&store).await,
        "grow" => grow(&store, &std::env::var("NARAE_TEST_NAME").unwrap_or("child".into()), 300).await,
        "block" => block(&store).await,
        "read" => read(&store).await,
        "read in many threads" => crate::full::read_in_many_threads(store).await,
        "try" => attempt(&store).await,
        "fill" => crate::full::fill(&store, &variable("NARAE_TEST_KIND")).await,
        role => panic!("unknown role {role}"),
    }
}

/// A store as these tests use it: small at first, and without waiting for the disk.
pub fn store(folder: impl AsRef<std::path::Path>) -> Embedded {
    let store = Embedded::open(folder).unwrap().map_size(64 * 1024).durability(Durability::Off);
    store.sweep_interval(Some(Duration::from_millis(200)))
}

/// A new session with the same number under two keys and as its user.
pub fn pair(number: u64) -> Change {
    let json: Json = number.to_string().into();
    Change {
        edits: vec![("a".into(), Some(Arc::clone(&json))), ("b".into(), Some(json))],
        user: Some(Some(format!("user {}", number % 7).into())),
        ..Change::nothing(Timestamp::now(), in_an_hour())
    }
}

/// The number of a [`pair`], if it is whole.
pub fn number(record: &Record) -> Option<u64> {
    let number = record.values.find("a")?.parse().ok()?;
    let is_whole = record.values.find("b") == record.values.find("a");
    let user = format!("user {}", number % 7);
    (is_whole && record.user.as_deref() == Some(&*user)).then_some(number)
}

/// Adds one to the number under "count".
pub fn increment() -> Update {
    let make = |old: Option<&str>| {
        let old: u64 = old.map_or(Ok(0), str::parse).map_err(|_| Arc::from("no number"))?;
        Ok(Some(Json::from((old + 1).to_string())))
    };
    Update { key: "count".into(), make: Arc::new(make), now: Timestamp::now(), expires: in_an_hour() }
}

/// Adds one `times` times, in 8 tasks at once.
pub async fn count(store: &Embedded, id: &Id, times: usize) {
    let add = async || {
        for _ in 0..times / 8 {
            let updated = store.update(id.clone(), increment()).await.unwrap();
            assert!(matches!(updated, Updated::Done(Some(_), _)), "{updated:?}");
        }
    };
    tokio::join!(add(), add(), add(), add(), add(), add(), add(), add());
}

/// Creates `sessions` sessions of 8 KiB whose ids follow from `name`.
pub async fn grow(store: &Embedded, name: &str, sessions: usize) {
    let long: Json = format!("\"{}\"", "x".repeat(8192)).into();
    for place in 0..sessions {
        let edits = vec![("long".into(), Some(Arc::clone(&long)))];
        let change = Change { edits, ..Change::nothing(Timestamp::now(), in_an_hour()) };
        let id = Id::parse(&format!("{name} {place}")).unwrap();
        assert_eq!(store.create(id, change).await.unwrap(), Committed::Done(None));
    }
}

/// Creates sessions and changes each once, for ever; says which are kept.
async fn write(store: &Embedded) {
    for number in 0.. {
        let id = Id::random();
        store.create(id.clone(), pair(number)).await.unwrap();
        store.commit(id.clone(), pair(number + 1)).await.unwrap();
        say("kept", &format!("{} {}", id.as_str(), number + 1));
    }
}

/// Stops in the middle of a write transaction, after a write.
async fn block(store: &Embedded) {
    let id = Id::random();
    store.create(id.clone(), pair(0)).await.unwrap();
    let stop = |_: Option<&str>| {
        say("writing", "");
        loop {
            std::thread::park();
        }
    };
    let update = Update { make: Arc::new(stop), ..increment() };
    let half = store.create(Id::parse("half").unwrap(), pair(1));
    let (_, updated) = tokio::join!(half, store.update(id, update));
    panic!("it never ends: {updated:?}");
}

/// Reads once and then keeps the reader's place.
async fn read(store: &Embedded) {
    assert_eq!(store.load(&Id::random(), Timestamp::now()).await.unwrap(), None);
    say("read", "");
    std::future::pending::<()>().await;
}

/// Reads once and says what became of it.
async fn attempt(store: &Embedded) {
    match store.load(&Id::random(), Timestamp::now()).await {
        Ok(_) => say("read", ""),
        Err(error) => say("error", &error.to_string()),
    }
}

pub fn in_an_hour() -> Timestamp {
    Timestamp::now().after(Duration::from_secs(3600))
}

pub fn say(event: &str, what: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{event} {what}").unwrap();
    out.flush().unwrap();
}

pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap()
}
