//! `narae hash-password`: a user's line for Basic authentication.
//!
//! In: a password, from a terminal without echo or from a pipe; never from the command line, which everybody
//! on the machine can read. Out: `name:hash` on the standard output, prompts on the standard error output. What
//! can be a name or a password is the library's to say.

use std::io::{BufRead, ErrorKind, IsTerminal, Read, Stdin, Write};
use std::process::ExitCode;

use clap::Args;
use narae::Credential;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

/// Hash a password, for `narae serve --auth`
///
/// Asks twice for the password, without showing it. If the standard input is no terminal, its first line is the
/// password. Prints NAME and the hash (bcrypt), as `htpasswd -nB NAME` does; without NAME, the hash alone. The
/// password cannot be found from it but by guessing.
///
/// The line is a user for `narae serve --auth`, for `BasicAuth` in a program and for other servers that read files
/// of htpasswd. In a shell, put single quotes around it: it has dollar signs.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct HashPassword {
    /// The user's name, without a colon
    #[arg(value_parser = name)]
    name: Option<String>,
    /// How much work a guess is, 4 to 16; each step doubles it
    ///
    /// That is also what the server pays when somebody logs in: with 10 about a tenth of a second, with 12 half
    /// a second, with 14 two seconds. It pays once for each user and process, and for every wrong password.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(4..=16))]
    cost: u32,
}

/// Why nothing is printed.
enum Stop {
    /// With the reason.
    Failed(String),
    /// By the key that interrupts, Ctrl-C as a rule.
    Interrupted,
}

impl HashPassword {
    pub(super) fn run(self) -> ExitCode {
        match self.answer() {
            Ok(()) => ExitCode::SUCCESS,
            Err(Stop::Interrupted) => ExitCode::from(INTERRUPTED),
            Err(Stop::Failed(reason)) => {
                eprintln!("narae: {reason}");
                ExitCode::FAILURE
            }
        }
    }

    fn answer(&self) -> Result<(), Stop> {
        let stdin = std::io::stdin();
        let password = if stdin.is_terminal() { self.ask(&stdin)? } else { first_line(&stdin)? };
        let password = std::str::from_utf8(&password)
            .map_err(|_| failed("the password is not UTF-8, in which browsers send it: choose another"))?;
        let hash =
            Credential::hash_password(password, self.cost).map_err(|error| failed(error.to_string()))?;
        let line = match &self.name {
            Some(name) => format!("{name}:{hash}\n"),
            None => format!("{hash}\n"),
        };
        let mut out = std::io::stdout().lock();
        match out.write_all(line.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                Err(failed(format!("the output cannot be written: {error}")))
            }
            _ => Ok(()),
        }
    }

    /// Asks twice: what is not seen is easily mistyped.
    fn ask(&self, stdin: &Stdin) -> Result<Vec<u8>, Stop> {
        let terminal = Silent::new(stdin).map_err(|error| unreadable(&error))?;
        let of = self.name.as_ref().map(|name| format!(" of {name}")).unwrap_or_default();
        let password = terminal.line(&format!("Password{of}: "))?;
        if terminal.line("The same again: ")? == password {
            Ok(password)
        } else {
            Err(failed("the two passwords differ: try again"))
        }
    }
}

/// A terminal that does not show what is typed, and does not end the program for a key: it is put back when dropped.
struct Silent<'a> {
    stdin: &'a Stdin,
    before: Termios,
    /// The key that interrupts; 0 if there is none.
    interrupt: u8,
}

impl<'a> Silent<'a> {
    fn new(stdin: &'a Stdin) -> std::io::Result<Self> {
        let before = tcgetattr(stdin)?;
        let interrupt = before.special_codes[SpecialCodeIndex::VINTR];
        let mut silent = before.clone();
        silent.local_modes -= LocalModes::ECHO | LocalModes::ISIG;
        silent.local_modes |= LocalModes::ECHONL | LocalModes::ICANON;
        // Instead of ending the program, with a terminal that stays silent, the key ends the line.
        silent.special_codes[SpecialCodeIndex::VEOL] = interrupt;
        let this = Self { stdin, before, interrupt };
        tcsetattr(stdin, OptionalActions::Flush, &silent)?;
        Ok(this)
    }

    fn line(&self, prompt: &str) -> Result<Vec<u8>, Stop> {
        eprint!("{prompt}");
        let mut stdin = self.stdin.lock();
        // A terminal hands out a line at a time.
        let read = stdin.fill_buf().map_err(|error| unreadable(&error))?;
        let (line, length) = (read.to_vec(), read.len());
        stdin.consume(length);
        if self.interrupt != 0 && line.last() == Some(&self.interrupt) {
            eprintln!();
            return Err(Stop::Interrupted);
        }
        Ok(line.strip_suffix(b"\n").map(<[u8]>::to_vec).unwrap_or(line))
    }
}

impl Drop for Silent<'_> {
    fn drop(&mut self) {
        // If it is gone, it needs nothing.
        let _ = tcsetattr(self.stdin, OptionalActions::Flush, &self.before);
    }
}

/// The first line of a pipe or a file, without its end.
fn first_line(stdin: &Stdin) -> Result<Vec<u8>, Stop> {
    let mut line = Vec::new();
    stdin.lock().take(LONGEST_LINE).read_until(b'\n', &mut line).map_err(|error| unreadable(&error))?;
    let line = line.strip_suffix(b"\n").unwrap_or(&line);
    Ok(line.strip_suffix(b"\r").unwrap_or(line).to_vec())
}

fn name(text: &str) -> Result<String, String> {
    Credential::check_name(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

fn failed(reason: impl Into<String>) -> Stop {
    Stop::Failed(reason.into())
}

fn unreadable(error: &std::io::Error) -> Stop {
    failed(format!("the password cannot be read: {error}"))
}

const EXAMPLES: &str = "\
Examples:
  narae hash-password alice          asks for a password; prints alice:$2b$10$...
  narae hash-password alice < file   the first line of a file
  narae hash-password alice --cost 12
                                     four times the work, for you and for whoever guesses";

/// More than any password that is accepted, and enough to say how long it was.
const LONGEST_LINE: u64 = 4096;

/// As shells tell it: 128 and the number of SIGINT.
const INTERRUPTED: u8 = 130;
