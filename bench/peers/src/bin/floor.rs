//! The floor: a bare epoll loop that answers with bytes made beforehand and parses nothing.
//!
//! The first request of a connection tells how long one is, since all are alike; from then on it counts bytes. One
//! `epoll_wait` for what is ready, one `read` and one `write` for each connection in it: no server that looks at
//! its requests can be cheaper on this kernel.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

/// With what an ordinary answer of the others has.
const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 13\r\n\
    date: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\nHello, World!";
/// Answers to requests that came in one read, at most.
const MOST: usize = 64;
const LISTENER: u64 = u64::MAX;

struct Connection {
    socket: TcpStream,
    /// 0 until the first request has come.
    length: usize,
    /// Bytes of a request whose end has not come.
    begun: usize,
}

fn main() -> std::io::Result<()> {
    let address = peers::address();
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    peers::ready(address);
    let answers = ANSWER.repeat(MOST);
    let mut connections: HashMap<u64, Connection> = HashMap::new();
    let (mut next, mut buffer) = (0, vec![0; 64 << 10]);
    let mut events: Vec<epoll::Event> = Vec::with_capacity(1024);
    loop {
        events.clear();
        epoll::wait(&epoll, spare_capacity(&mut events), None)?;
        for event in &events {
            let key = event.data.u64();
            if key == LISTENER {
                while let Ok((socket, _)) = listener.accept() {
                    socket.set_nonblocking(true)?;
                    socket.set_nodelay(true)?;
                    epoll::add(&epoll, &socket, EventData::new_u64(next), EventFlags::IN)?;
                    connections.insert(next, Connection { socket, length: 0, begun: 0 });
                    next += 1;
                }
            } else if let Some(connection) = connections.get_mut(&key)
                && !connection.answer(&mut buffer, answers.as_bytes())
            {
                connections.remove(&key);
            }
        }
    }
}

impl Connection {
    /// Reads once and answers what came; `false` when the connection has ended.
    fn answer(&mut self, buffer: &mut [u8], answers: &[u8]) -> bool {
        let came = match self.socket.read(buffer) {
            Ok(0) => return false,
            Ok(came) => came,
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        };
        if self.length == 0 {
            let end = buffer[..came].windows(4).position(|bytes| bytes == b"\r\n\r\n");
            self.length = end.map_or(0, |end| end + 4);
        }
        if self.length == 0 {
            return false;
        }
        let (whole, rest) = ((self.begun + came) / self.length, (self.begun + came) % self.length);
        self.begun = rest;
        let wanted = whole.min(MOST) * ANSWER.len();
        wanted == 0 || self.socket.write(&answers[..wanted]).is_ok_and(|sent| sent == wanted)
    }
}
