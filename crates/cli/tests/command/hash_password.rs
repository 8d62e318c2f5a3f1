//! `narae hash-password`: from a pipe, and at a terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, SpecialCodeIndex, Termios, tcgetattr};

use crate::narae::narae;

fn hash_password(home: &Path, arguments: &[&str]) -> Command {
    let mut command = narae(home);
    command.arg("hash-password").args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it with `input` in a pipe.
fn piped(arguments: &[&str], input: &[u8]) -> Output {
    let home = tempfile::tempdir().unwrap();
    let mut child = hash_password(home.path(), arguments).stdin(Stdio::piped()).spawn().unwrap();
    // It may have ended already, without a look at its input.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

#[track_caller]
fn hashed(arguments: &[&str], input: &[u8]) -> String {
    let output = piped(arguments, input);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{arguments:?}: {said}");
    let line = String::from_utf8(output.stdout).unwrap();
    line.strip_suffix('\n').unwrap().to_owned()
}

#[track_caller]
fn refused(arguments: &[&str], input: &[u8], code: i32, wants: &[&str]) {
    let output = piped(arguments, input);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(output.stdout.is_empty(), "{:?}", output.stdout);
    for want in wants {
        assert!(said.contains(want), "{want:?} is not in: {said}");
    }
}

/// A terminal at which it runs.
struct Terminal {
    /// What a person types and sees.
    person: File,
    /// What the program has.
    line: OwnedFd,
    child: Child,
}

impl Terminal {
    fn start(home: &Path, arguments: &[&str]) -> Self {
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        let line = ioctl_tiocgptpeer(&person, OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        let stdin = line.try_clone().unwrap();
        let stderr = line.try_clone().unwrap();
        let child = hash_password(home, arguments).stdin(stdin).stderr(stderr).spawn().unwrap();
        Self { person: File::from(person), line, child }
    }

    /// Waits until `text` is shown; everything that was shown before its end.
    fn shown(&mut self, text: &str) -> String {
        let mut shown = Vec::new();
        let mut byte = [0];
        while !shown.ends_with(text.as_bytes()) {
            self.person.read_exact(&mut byte).unwrap();
            shown.push(byte[0]);
        }
        String::from_utf8(shown).unwrap()
    }

    fn enter(&mut self, text: &str) {
        self.person.write_all(text.as_bytes()).unwrap();
    }

    fn modes(&self) -> Termios {
        tcgetattr(&self.line).unwrap()
    }

    /// Waits for the end: the exit status, the standard output, and what was shown since.
    fn end(mut self) -> (ExitStatus, String, String) {
        let mut out = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        let status = self.child.wait().unwrap();
        assert!(self.modes().local_modes.contains(LocalModes::ECHO | LocalModes::ISIG), "it stays silent");
        assert_eq!(self.modes().special_codes[SpecialCodeIndex::VEOL], 0, "Ctrl-C stays another key");
        drop(self.line);
        let mut shown = Vec::new();
        // A terminal that nobody holds any more ends with an error (EIO).
        let _ = self.person.read_to_end(&mut shown);
        (status, out, String::from_utf8(shown).unwrap())
    }
}

#[test]
fn a_line_of_the_standard_input_becomes_a_users_line() {
    for (input, password) in [
        ("secret", "secret"),
        ("secret\n", "secret"),
        ("secret\r\n", "secret"),
        ("one\ntwo\n", "one"),
        (" with spaces \n", " with spaces "),
        ("열려라 참깨\n", "열려라 참깨"),
    ] {
        let line = hashed(&["alice", "--cost", "4"], input.as_bytes());
        let (name, hash) = line.split_once(':').unwrap();
        assert!(name == "alice" && hash.starts_with("$2b$04$"), "{line}");
        assert!(bcrypt::verify(password, hash).unwrap(), "{input:?}");
        assert!(!bcrypt::verify(format!("{password}x"), hash).unwrap());
        assert!(line.parse::<::narae::Credential>().is_ok(), "the server takes it");
    }
}

#[test]
fn without_a_name_it_prints_the_hash_alone() {
    let hash = hashed(&["--cost=5"], b"secret\n");
    assert!(hash.starts_with("$2b$05$") && hash.len() == 60, "{hash}");
    assert!(bcrypt::verify("secret", &hash).unwrap());
    assert_ne!(hash, hashed(&["--cost=5"], b"secret\n"), "the salt is random");
}

#[test]
fn the_cost_is_10_unless_said_otherwise() {
    assert!(hashed(&["alice"], b"secret").starts_with("alice:$2b$10$"));
    for cost in ["3", "17", "-1", "many"] {
        refused(&["alice", &format!("--cost={cost}")], b"secret", 2, &["--cost", cost]);
    }
}

#[test]
fn passwords_that_no_server_could_check_are_refused() {
    refused(&[], b"", 1, &["empty"]);
    refused(&[], b"\nsecret\n", 1, &["empty"]);
    refused(&[], &[b'x'; 73], 1, &["73 bytes", "72"]);
    refused(&[], &[b'x'; 100_000], 1, &["4096 bytes", "72"]);
    refused(&[], b"a\0b", 1, &["control character"]);
    refused(&[], b"caf\xe9", 1, &["UTF-8"]);
    assert!(bcrypt::verify([b'x'; 72], &hashed(&["--cost=4"], &[b'x'; 72])).unwrap());
}

#[test]
fn names_that_no_client_can_send_are_refused_before_the_password_is_read() {
    refused(&["a:b"], b"secret", 2, &["\"a:b\"", "colon"]);
    refused(&[""], b"secret", 2, &["empty"]);
    refused(&["a\tb"], b"secret", 2, &["control character"]);
}

#[test]
fn at_a_terminal_the_password_is_asked_for_twice_and_never_shown() {
    let home = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::start(home.path(), &["alice", "--cost=4"]);
    assert_eq!(terminal.shown(": "), "Password of alice: ");
    assert!(!terminal.modes().local_modes.contains(LocalModes::ECHO));
    terminal.enter("secrex\u{7f}t\n");
    assert_eq!(terminal.shown(": "), "\r\nThe same again: ");
    terminal.enter("secret\n");
    let (status, line, shown) = terminal.end();
    assert!(status.success());
    assert_eq!(shown, "\r\n");
    let hash = line.strip_prefix("alice:").unwrap().trim_end();
    assert!(bcrypt::verify("secret", hash).unwrap(), "the key that deletes deletes: {line}");
}

#[test]
fn two_passwords_that_differ_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::start(home.path(), &["--cost=4"]);
    assert_eq!(terminal.shown(": "), "Password: ");
    terminal.enter("secret\n");
    terminal.shown("again: ");
    terminal.enter("secrets\n");
    let (status, line, shown) = terminal.end();
    assert_eq!((status.code(), line.as_str()), (Some(1), ""));
    assert!(shown.contains("differ"), "{shown}");
}

#[test]
fn ctrl_c_ends_it_and_leaves_the_terminal_as_it_was() {
    let home = tempfile::tempdir().unwrap();
    for typed in ["\u{3}", "sec\u{3}"] {
        let mut terminal = Terminal::start(home.path(), &["alice"]);
        terminal.shown(": ");
        terminal.enter(typed);
        let (status, line, shown) = terminal.end();
        assert_eq!((status.code(), line.as_str(), shown.as_str()), (Some(130), "", "\r\n"));
    }
}

#[test]
fn help_says_what_it_is_for() {
    let home = tempfile::tempdir().unwrap();
    let output = narae(home.path()).args(["help", "hash-password"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for want in ["narae serve --auth", "Examples", "narae hash-password alice", "--cost", "[default: 10]"] {
        assert!(text.contains(want), "{want} is not in:\n{text}");
    }
}
