//! Runs a real program made with narae and learns from its banner where it listens.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Keeps a broken program from hanging the tests; nothing takes this long.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A running program; killed when dropped.
pub struct Program {
    child: Child,
    lines: Receiver<String>,
    /// Everything written to the standard error output so far.
    pub said: Vec<String>,
}

impl Program {
    /// Starts `command`; its banner is read as it comes.
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines, said: Vec::new() }
    }

    /// The address of the next line of the banner that begins with `scheme`.
    pub fn address(&mut self, scheme: &str) -> SocketAddr {
        let line = self.line_with(scheme);
        let url = line.split_whitespace().find_map(|word| word.strip_prefix(scheme)).unwrap();
        let host = url.trim_end_matches('/').replace("localhost", "127.0.0.1");
        host.parse().unwrap_or_else(|_| panic!("no address in {line:?}"))
    }

    /// Waits for a line that holds `text`.
    pub fn line_with(&mut self, text: &str) -> String {
        if let Some(line) = self.said.iter().find(|line| line.contains(text)) {
            return line.clone();
        }
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| {
                panic!("no line with {text:?} in {:#?}", self.said);
            });
            self.said.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for the end; the exit status and everything that was said.
    pub fn wait(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        self.said.extend(self.lines.iter());
        (status, self.said.join("\n"))
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn stdout(&mut self) -> impl Read + use<> {
        self.child.stdout.take().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Not SIGKILL: the workers of a supervisor that is killed serve on.
        let pid = rustix::process::Pid::from_child(&self.child);
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        }
        let _ = self.child.wait();
    }
}

/// One HTTP/1.0 request; the whole answer.
pub fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

pub fn get(address: SocketAddr, path: &str) -> String {
    ask(address, &format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n"))
}
