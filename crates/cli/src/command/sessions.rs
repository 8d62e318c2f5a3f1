//! `narae sessions`: look into an embedded session store, and end sessions, also while a server uses it.
//!
//! In: a folder and what to do. Out: text for a person or JSON for programs, and an exit code that is the
//! truth. Never makes a store. Shows handles, never ids: those are not kept.

use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgGroup, Args, Subcommand};
use narae::session::store::{Embedded, Listed, Store, StoreError};
use narae::session::{Handle, Record, Timestamp};

/// Look at the sessions in a folder, and end them
///
/// For the embedded store (`Embedded::open`); safe while the server runs. Sessions are named by handles, from
/// which nobody can log in. Exit code 1 if the session that was named is not there.
#[derive(Debug, Args)]
pub(super) struct Sessions {
    /// The folder that the server's `Embedded::open` names
    #[arg(long, value_name = "FOLDER", default_value = "data/sessions", global = true)]
    data: PathBuf,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Tell how many sessions are live
    Count,
    /// List sessions, without what they hold
    List {
        /// Only those of this user, the youngest first
        #[arg(long)]
        user: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// One JSON object a line, for programs
        #[arg(long)]
        json: bool,
    },
    /// Show one session and what it holds, as JSON
    Show {
        /// The session's handle
        #[arg(value_parser = handle)]
        handle: Handle,
    },
    /// End a session, or all of a user: the next request is logged out
    #[command(group = ArgGroup::new("which").required(true))]
    Revoke {
        /// The session's handle
        #[arg(value_parser = handle, group = "which")]
        handle: Option<Handle>,
        /// Every session of this user
        #[arg(long, group = "which")]
        user: Option<String>,
    },
    /// Write every live session and what it holds, one JSON object a line
    Export,
    /// Forget expired sessions now
    Sweep,
}

impl Sessions {
    pub(super) fn run(self) -> ExitCode {
        match self.answer() {
            Ok(code) => code,
            Err(error) => {
                eprintln!("narae: {error}");
                ExitCode::from(if matches!(error, StoreError::Misuse(_)) { MISUSE } else { 1 })
            }
        }
    }

    fn answer(self) -> Result<ExitCode, StoreError> {
        // Sweeping is left to the server, but for `sweep`.
        let store = Embedded::open(&self.data)?.create_missing(false).sweep_interval(None);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| StoreError::unavailable("no runtime can be made", error))?;
        runtime.block_on(act(&store, self.action))
    }
}

async fn act(store: &Embedded, action: Action) -> Result<ExitCode, StoreError> {
    let now = Timestamp::now();
    match action {
        Action::Count => {
            say(&format!("{}\n", store.count(now).await?))?;
        }
        Action::List { user, limit, json } => list(store, now, user.as_deref(), limit, json).await?,
        Action::Show { handle } => match store.find(handle, now).await? {
            Some(record) => drop(say(&json(handle, &record, true))?),
            None => return Ok(missing(&format!("session {handle}"))),
        },
        Action::Revoke { handle: Some(handle), .. } => {
            if !store.end(handle).await? {
                return Ok(missing(&format!("session {handle}")));
            }
            say(&format!("session {handle} is ended\n"))?;
        }
        Action::Revoke { user, .. } => {
            let user = user.unwrap_or_default();
            let ended = store.destroy_all_of(&user, None).await?;
            if ended == 0 {
                return Ok(missing(&format!("session of {user}")));
            }
            say(&format!("{ended} {} of {user} ended\n", if ended == 1 { "session" } else { "sessions" }))?;
        }
        Action::Export => {
            each(store, now, usize::MAX, |listed| json(listed.handle, &listed.record, true)).await?;
        }
        Action::Sweep => {
            let mut forgotten = 0;
            while let some @ 1.. = store.sweep(now).await? {
                forgotten += some;
            }
            let sessions = if forgotten == 1 { "session" } else { "sessions" };
            say(&format!("{forgotten} expired {sessions} forgotten\n"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(
    store: &Embedded,
    now: Timestamp,
    user: Option<&str>,
    limit: usize,
    as_json: bool,
) -> Result<(), StoreError> {
    let line = |listed: &Listed| {
        if as_json { json(listed.handle, &listed.record, false) } else { row(listed) }
    };
    if !as_json {
        say(&format!("  {:<32}  {:<20}  {:<20}  {:<20}  USER\n", "HANDLE", "CREATED", "SEEN", "EXPIRES"))?;
    }
    match user {
        Some(user) => {
            let listed = store.sessions_of(user, now).await?;
            say_each(&listed[..listed.len().min(limit)], line)?;
        }
        None => each(store, now, limit, line).await?,
    }
    Ok(())
}

/// Writes a text for each session, at most `limit`, and reads no more than a page of them at a time.
async fn each(
    store: &Embedded,
    now: Timestamp,
    mut limit: usize,
    text: impl Fn(&Listed) -> String,
) -> Result<(), StoreError> {
    let mut last = None;
    while limit > 0 {
        let page = store.page(last, limit.min(PAGE), now).await?;
        let Some(end) = page.last() else { break };
        last = Some(end.handle);
        limit -= page.len();
        if !say_each(&page, &text)? {
            break;
        }
    }
    Ok(())
}

/// As [`say`], for each.
fn say_each(listed: &[Listed], text: impl Fn(&Listed) -> String) -> Result<bool, StoreError> {
    for listed in listed {
        if !say(&text(listed))? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn row(listed: &Listed) -> String {
    let Record { created, seen, expires, user, .. } = &listed.record;
    let time = |time: Option<Timestamp>| time.map_or_else(|| "-".to_owned(), |time| utc(time, false));
    // What a user is called may hold anything, also what a terminal obeys.
    let user: String = user.as_deref().unwrap_or("-").escape_debug().collect();
    let (created, seen, expires) = (time(*created), time(*seen), utc(*expires, false));
    format!("  {}  {created:<20}  {seen:<20}  {expires:<20}  {user}\n", listed.handle)
}

/// A session as a line of JSON; what it holds as it is kept, but for characters that a terminal obeys.
fn json(handle: Handle, record: &Record, with_values: bool) -> String {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let time =
        |time: Option<Timestamp>| time.map_or_else(|| "null".to_owned(), |time| text(&utc(time, true)));
    let user = record.user.as_deref().map_or_else(|| "null".to_owned(), text);
    let mut line = format!(
        "{{\"handle\":\"{handle}\",\"user\":{user},\"created\":{},\"seen\":{},\"expires\":{},\"version\":{}",
        time(record.created),
        time(record.seen),
        time(Some(record.expires)),
        record.version
    );
    if with_values {
        let values: Vec<String> =
            record.values.iter().map(|(key, json)| format!("{}:{json}", text(key))).collect();
        let _ = write!(line, ",\"values\":{{{}}}", values.join(","));
    }
    harmless(&line) + "}\n"
}

/// The same JSON without control characters and those that turn the direction of text. JSON has them in strings
/// only, so each can be escaped.
fn harmless(json: &str) -> String {
    let mut text = String::with_capacity(json.len() + 2);
    for character in json.chars() {
        match character {
            '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\0'..='\x1f' | '\x7f'..='\u{9f}' => {
                let _ = write!(text, "\\u{:04x}", u32::from(character));
            }
            character => text.push(character),
        }
    }
    text
}

/// ISO 8601, in UTC.
fn utc(time: Timestamp, with_milliseconds: bool) -> String {
    let (seconds, milliseconds) = (time.0 / 1000, time.0 % 1000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years begin in March, so that a leap day is the last of its year; eras have 400 years.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let fraction = if with_milliseconds { format!(".{milliseconds:03}") } else { String::new() };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

fn handle(text: &str) -> Result<Handle, String> {
    Handle::parse(text)
        .ok_or_else(|| "a handle has 32 hexadecimal digits; `narae sessions list` shows them".to_owned())
}

fn missing(what: &str) -> ExitCode {
    eprintln!("narae: there is no {what}: it has ended or expired, or never was");
    ExitCode::FAILURE
}

/// Writes to the standard output. `false` if nobody reads it any more, which is no failure.
fn say(text: &str) -> Result<bool, StoreError> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(StoreError::unavailable("the output cannot be written", error)),
    }
}

/// As the exit codes in `narae --help` say.
const MISUSE: u8 = 2;

const PAGE: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_iso_8601_says() {
        for (milliseconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_735_689_599_000, "2024-12-31T23:59:59.000Z"),
            (4_107_542_400_001, "2100-03-01T00:00:00.001Z"),
            (Timestamp::MAX.0, "275760-09-13T00:00:00.000Z"),
        ] {
            assert_eq!(utc(Timestamp(milliseconds), true), text);
        }
    }
}
