//! A client of one connection, and a load beside other work.
//!
//! In: addresses and requests. Out: answers, or the error that a lost connection is. Never connects anew
//! by itself.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use narae_load::{Load, Summary};

use crate::program::PATIENCE;

/// One HTTP/1.1 connection.
pub struct Client(BufReader<TcpStream>);

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: String,
    /// The first `name=value` of `Set-Cookie`.
    pub cookie: Option<String>,
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        Self::connect(address).unwrap()
    }

    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(BufReader::new(stream)))
    }

    pub fn get(&mut self, path: &str) -> io::Result<Answer> {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))?;
        self.answer()
    }

    /// With a cookie.
    pub fn get_with(&mut self, path: &str, cookie: &str) -> io::Result<Answer> {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n"))?;
        self.answer()
    }

    pub fn post(&mut self, path: &str, body: &str) -> io::Result<Answer> {
        let length = body.len();
        self.send(&format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}"
        ))?;
        self.answer()
    }

    /// Sends a request without waiting for its answer.
    pub fn send(&mut self, request: &str) -> io::Result<()> {
        self.0.get_mut().write_all(request.as_bytes())
    }

    /// The next line. Empty: the end.
    pub fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        Ok(line)
    }

    /// Reads up to the line that holds `text`; everything that came.
    pub fn up_to(&mut self, text: &str) -> String {
        let mut read = String::new();
        loop {
            let line = self.line().unwrap();
            assert!(!line.is_empty(), "no {text:?}, it ended after {read:?}");
            read += &line;
            if line.contains(text) {
                return read;
            }
        }
    }

    pub fn answer(&mut self) -> io::Result<Answer> {
        let first = self.line()?;
        let ended = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(ended)?;
        let (mut length, mut cookie) = (0, None);
        loop {
            let line = self.line()?;
            if let Some(set) = line.strip_prefix("set-cookie: ") {
                cookie = cookie.or_else(|| set.split(';').next().map(|pair| pair.trim().to_owned()));
            }
            let line = line.to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            match line.as_str() {
                "" => return Err(ended()),
                "\r\n" => break,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok(Answer { status, body: String::from_utf8(body).unwrap(), cookie })
    }

    /// The rest, to the end of the connection.
    pub fn rest(mut self) -> String {
        let mut rest = Vec::new();
        // A reset is an end, too.
        let _ = self.0.read_to_end(&mut rest);
        String::from_utf8_lossy(&rest).into_owned()
    }

    /// The worker that serves this connection.
    pub fn pid(&mut self) -> i32 {
        self.get("/pid").unwrap().body.parse().unwrap()
    }
}

/// One request on a connection of its own.
#[track_caller]
pub fn get(address: SocketAddr, path: &str) -> Answer {
    Client::new(address).get(path).unwrap()
}

/// Does something while a load runs: after its first requests, and until some more have ended.
pub fn under<T>(load: Load, work: impl FnOnce() -> T) -> (Summary, T) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let some = 100;
    let running = runtime.block_on(async {
        let running = load.start().await;
        running.ended(some).await;
        running
    });
    let done = work();
    let summary = runtime.block_on(async {
        running.ended(running.counts().ended() + some).await;
        running.stop().await
    });
    (summary, done)
}
