//! The commands for an application that runs: status, reload, restart, scale, stop, list.
//!
//! In: a name. Out: what the supervisor says, for a person or as JSON, and an exit code that is the truth.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use narae::cluster::{Reply, Request, Status, ask, names};

/// Which application, and how to tell.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// The application's name: its program's, unless --name gave it another one. Not needed if one runs
    name: Option<String>,
    /// Tell it as JSON, for programs
    #[arg(long)]
    json: bool,
}

/// Show what an application is doing: its workers, connections and requests
///
/// Exit code 0 if every worker serves, 1 if a worker is missing or stuck, 7 if no such application runs.
#[derive(Debug, Args)]
pub(super) struct ShowStatus {
    #[command(flatten)]
    which: Which,
}

/// Replace every worker by a new one, without losing a request
///
/// The program and its settings are checked first. Each new worker must be ready before the old one
/// finishes; the first one is watched for a moment. If anything is wrong, the old workers keep serving and
/// the exit code is 1.
#[derive(Debug, Args)]
pub(super) struct Reload {
    #[command(flatten)]
    which: Which,
}

/// Replace every worker at once, for changes that two generations cannot share
#[derive(Debug, Args)]
pub(super) struct Restart {
    #[command(flatten)]
    which: Which,
}

/// Run so many workers from now on
#[derive(Debug, Args)]
pub(super) struct Scale {
    /// The application's name
    name: String,
    /// How many workers
    workers: usize,
    /// Tell it as JSON, for programs
    #[arg(long)]
    json: bool,
}

/// Stop an application: requests under way are finished
#[derive(Debug, Args)]
pub(super) struct Stop {
    #[command(flatten)]
    which: Which,
    /// Cut the requests under way
    #[arg(long)]
    fast: bool,
}

/// Open the access log of an application anew, after its file was moved
#[derive(Debug, Args)]
pub(super) struct ReopenLogs {
    #[command(flatten)]
    which: Which,
}

/// Replace the supervisor of an application by the program on the disk; workers serve on
#[derive(Debug, Args)]
pub(super) struct Upgrade {
    #[command(flatten)]
    which: Which,
}

/// List the applications of this user that run
#[derive(Debug, Args)]
pub(super) struct List {
    /// Tell it as JSON, for programs
    #[arg(long)]
    json: bool,
}

impl ShowStatus {
    pub(super) fn run(self) -> narae::Result<ExitCode> {
        self.which.ask(&Request::Status)
    }
}

impl Reload {
    pub(super) fn run(self) -> narae::Result<ExitCode> {
        self.which.ask(&Request::Reload)
    }
}

impl Restart {
    pub(super) fn run(self) -> narae::Result<ExitCode> {
        self.which.ask(&Request::Restart)
    }
}

impl Scale {
    pub(super) fn run(self) -> narae::Result<ExitCode> {
        Which { name: Some(self.name), json: self.json }.ask(&Request::Scale { workers: self.workers })
    }
}

impl Stop {
    pub(super) fn run(self) -> narae::Result<ExitCode> {
        self.which.ask(&Request::Stop { fast: self.fast })
    }
}

impl ReopenLogs {
    pub(super) fn run(self) -> narae::Result<ExitCode> {
        self.which.ask(&Request::ReopenLogs)
    }
}

impl Upgrade {
    pub(super) fn run(self) -> narae::Result<ExitCode> {
        self.which.ask(&Request::Upgrade)
    }
}

impl List {
    pub(super) fn run(self) -> narae::Result<ExitCode> {
        let mut statuses = Vec::new();
        for name in names()? {
            // It may have ended in this instant.
            if let Ok(Reply::Status(status)) = ask(&name, &Request::Status, |_| {}) {
                statuses.push(status);
            }
        }
        if self.json {
            print_json(&statuses);
        } else if statuses.is_empty() {
            say("nothing runs\n");
        } else {
            let mut table = Table::new(&["NAME", "STATE", "PID", "WORKERS", "GENERATION", "UP", "ADDRESSES"]);
            for status in &statuses {
                let serving = status.workers.iter().filter(|worker| worker.state == "serving").count();
                table.row(&[
                    &status.name,
                    &status.state,
                    &status.pid.to_string(),
                    &serving.to_string(),
                    &status.generation.to_string(),
                    &span(status.uptime_seconds),
                    &status.addresses.join(" "),
                ]);
            }
            table.print();
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Which {
    fn ask(self, request: &Request) -> narae::Result<ExitCode> {
        let name = match self.name {
            Some(name) => name,
            None => only_name()?,
        };
        let json = self.json;
        let reply = ask(&name, request, |text| {
            if !json {
                eprintln!("{text}");
            }
        })?;
        if json {
            print_json(&reply);
        }
        Ok(match reply {
            Reply::Status(status) => {
                if !json {
                    show(&status);
                }
                ExitCode::from(u8::from(!is_well(&status)))
            }
            Reply::Done { text } => {
                if !json {
                    say(&format!("{text}\n"));
                }
                ExitCode::SUCCESS
            }
            Reply::Receipt(receipt) => {
                if !json {
                    say(&format!("{receipt}\n"));
                }
                ExitCode::SUCCESS
            }
            Reply::Failed { reason } => {
                if !json {
                    eprintln!("narae: {reason}");
                }
                ExitCode::FAILURE
            }
            _ => ExitCode::FAILURE,
        })
    }
}

/// The one application that runs.
fn only_name() -> narae::Result<String> {
    let mut names = names()?;
    match (names.pop(), names.is_empty()) {
        (Some(name), true) => Ok(name),
        (None, _) => Err(narae::cluster::Error::NothingRuns.into()),
        (Some(name), false) => {
            names.push(name);
            Err(narae::cluster::Error::Ambiguous { names }.into())
        }
    }
}

fn is_well(status: &Status) -> bool {
    status.empty_slots.is_empty()
        && !status.workers.is_empty()
        && status.workers.iter().all(|worker| matches!(worker.state.as_str(), "serving" | "leaving"))
}

fn show(status: &Status) {
    let head = format!(
        "{} · {} · generation {} · supervisor {} ({}) · up {}\n",
        status.name,
        status.state,
        status.generation,
        status.pid,
        bytes(status.memory),
        span(status.uptime_seconds)
    );
    say(&head);
    for address in &status.addresses {
        say(&format!("  {address}\n"));
    }
    say("\n");
    let mut table = Table::new(&[
        "WORKER", "PID", "GEN", "STATE", "UP", "RESTARTS", "MEMORY", "OPEN", "PARKED", "REQUESTS", "5XX",
    ]);
    for worker in &status.workers {
        let count =
            |name: &str| worker.counters.get(name).map_or_else(|| "-".to_owned(), ToString::to_string);
        table.row(&[
            &worker.slot.to_string(),
            &worker.pid.to_string(),
            &worker.generation.to_string(),
            &worker.state,
            &span(worker.age_seconds),
            &worker.restarts.to_string(),
            &bytes(worker.memory),
            &count("open"),
            &count("parked"),
            &count("requests"),
            &count("server_errors"),
        ]);
    }
    table.print();
    for slot in &status.broken_slots {
        say(&format!(
            "slot {slot} is broken: its worker crashed again and again; mend the application and reload\n"
        ));
    }
}

/// Writes to the standard output. A closed pipe is no reason to fail.
fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Columns as wide as what is in them.
struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    fn new(head: &[&str]) -> Self {
        Self { rows: vec![head.iter().map(ToString::to_string).collect()] }
    }

    fn row(&mut self, cells: &[&str]) {
        self.rows.push(cells.iter().map(ToString::to_string).collect());
    }

    fn text(&self) -> String {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::from("  ");
            for (cell, width) in row.iter().zip(&widths) {
                line += &format!("{cell:<width$}  ");
            }
            text += line.trim_end();
            text.push('\n');
        }
        text
    }

    fn print(&self) {
        say(&self.text());
    }
}

fn print_json<T: serde::Serialize>(value: &T) {
    // Plain structs can always be written.
    if let Ok(text) = serde_json::to_string_pretty(value) {
        say(&format!("{text}\n"));
    }
}

/// `3 s`, `4 min`, `5 h`, `6 d`.
fn span(seconds: f64) -> String {
    for (unit, length) in [("d", 86_400.0), ("h", 3600.0), ("min", 60.0)] {
        if seconds >= 2.0 * length {
            return format!("{:.0} {unit}", (seconds / length).floor());
        }
    }
    format!("{seconds:.0} s")
}

/// `21.4 MiB`.
fn bytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_a_person_would() {
        for (seconds, text) in
            [(0.4, "0 s"), (119.0, "119 s"), (120.0, "2 min"), (7200.0, "2 h"), (200_000.0, "2 d")]
        {
            assert_eq!(span(seconds), text);
        }
    }

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let mut table = Table::new(&["A", "B"]);
        table.row(&["long", "x"]);
        assert_eq!(table.text(), "  A     B\n  long  x\n");
    }
}
