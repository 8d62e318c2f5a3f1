//! [`Http1`]: one HTTP/1.1 connection, from the client's side (RFC 9112).
//!
//! In: requests, one at a time. Out: whole answers, or the fault that broke
//! them. Never retries, never reconnects, never judges content.

use std::io;
use std::task::Poll;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use crate::fault::{Class, Fault, Phase};
use crate::head::{Framing, Head, chunk_size};
use crate::request::{Answer, Request};
use crate::transport::Stream;

/// The longest line that is read, in bytes.
const MAX_LINE_BYTES: usize = 64 * 1024;
/// The most field lines of a head or a trailer.
const MAX_LINES: usize = 1000;

/// A connection without a request outstanding.
pub(crate) struct Http1 {
    stream: Stream,
    buffer: BytesMut,
}

/// What came on a connection without a request outstanding.
pub(crate) enum Idle {
    /// The server closed it, which it may.
    Closed,
    /// The server sent these bytes.
    Unsolicited(BytesMut),
}

impl Http1 {
    pub(crate) fn new(stream: Stream) -> Self {
        Self { stream, buffer: BytesMut::new() }
    }

    /// Waits for an end or bytes that belong to no request; the connection cannot be used after that.
    ///
    /// # Cancel safety
    /// Safe.
    pub(crate) async fn idle(&mut self) -> Idle {
        let ended = self.stream.read_buf(&mut self.buffer).await;
        self.verdict(ended.is_ok_and(|count| count > 0))
    }

    /// Looks, without waiting for the server, whether the connection can carry a request.
    pub(crate) async fn check(&mut self) -> Result<(), Idle> {
        if !self.stream.has_news().await {
            return Ok(());
        }
        let mut space = [0; 1024];
        let mut space = ReadBuf::new(&mut space);
        let read = std::future::poll_fn(|cx| {
            Poll::Ready(std::pin::Pin::new(&mut self.stream).poll_read(cx, &mut space))
        });
        match read.await {
            // TLS has messages of its own, such as session tickets.
            Poll::Pending => Ok(()),
            Poll::Ready(ended) => {
                self.buffer.extend_from_slice(space.filled());
                Err(self.verdict(ended.is_ok() && !space.filled().is_empty()))
            }
        }
    }

    fn verdict(&mut self, bytes_came: bool) -> Idle {
        // A server may say why it closes (RFC 9110 §15.5.9).
        if bytes_came && !self.buffer.starts_with(b"HTTP/1.1 408 ") {
            return Idle::Unsolicited(self.buffer.split());
        }
        Idle::Closed
    }

    /// Sends `request` and reads its answer at the same time. Returns the connection if it can be used again.
    pub(crate) async fn exchange(
        mut self,
        request: &Request,
        host: &str,
    ) -> Result<(Answer, Option<Self>), Fault> {
        let (reader, writer) = tokio::io::split(&mut self.stream);
        let mut sent = None;
        let received = {
            let mut reader = Reader { source: reader, buffer: &mut self.buffer };
            let send = send(writer, request, host);
            let receive = receive(&mut reader, request.method == http::Method::HEAD);
            tokio::pin!(send, receive);
            loop {
                tokio::select! {
                    biased;
                    result = &mut send, if sent.is_none() => sent = Some(result),
                    result = &mut receive => break result,
                }
            }
        };
        let (answer, keep_alive) = received.map_err(|fault| match &sent {
            Some(Err(error)) => {
                Fault { detail: format!("{}, after writing failed: {error}", fault.detail), ..fault }
            }
            _ => fault,
        })?;
        if !self.buffer.is_empty() {
            let detail = format!("{} bytes after the end of the answer", self.buffer.len());
            return Err(Fault::new(Class::Wrong, Phase::Answered, detail));
        }
        let whole = matches!(sent, Some(Ok(())));
        Ok((answer, (whole && keep_alive).then_some(self)))
    }
}

async fn send(mut writer: impl AsyncWrite + Unpin, request: &Request, host: &str) -> io::Result<()> {
    let Request { method, path, body, chunked, .. } = request;
    let framing = match body {
        Some(_) if *chunked => "Transfer-Encoding: chunked\r\n".to_owned(),
        Some(body) => format!("Content-Length: {}\r\n", body.len()),
        None => String::new(),
    };
    let mut bytes = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{framing}\r\n").into_bytes();
    let (first, second) = request.pieces();
    add_piece(&mut bytes, &first, *chunked);
    if let Some((pause, second)) = second {
        writer.write_all(&bytes).await?;
        writer.flush().await?;
        tokio::time::sleep(pause).await;
        bytes.clear();
        add_piece(&mut bytes, &second, *chunked);
    }
    if body.is_some() && *chunked {
        bytes.extend_from_slice(b"0\r\n\r\n");
    }
    writer.write_all(&bytes).await?;
    writer.flush().await
}

fn add_piece(bytes: &mut Vec<u8>, piece: &[u8], chunked: bool) {
    if !chunked {
        bytes.extend_from_slice(piece);
    } else if !piece.is_empty() {
        // An empty chunk would end the body.
        bytes.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        bytes.extend_from_slice(piece);
        bytes.extend_from_slice(b"\r\n");
    }
}

/// Reads one answer; also says whether the server keeps the connection.
async fn receive<R: AsyncRead + Unpin>(
    reader: &mut Reader<'_, R>,
    to_head: bool,
) -> Result<(Answer, bool), Fault> {
    let head = loop {
        if reader.buffer.is_empty() && reader.fill(Phase::Waiting).await? == 0 {
            return Err(ended(Phase::Waiting));
        }
        let head =
            Head::parse(&reader.lines().await?, to_head).map_err(|detail| malformed(Phase::Head, detail))?;
        match head.status {
            101 => return Err(malformed(Phase::Head, "101 without being asked for".to_owned())),
            100..200 => {}
            _ => break head,
        }
    };
    let mut answer = Answer { status: head.status, ..Answer::default() };
    match head.framing {
        Framing::Length(length) => reader.take(length, &mut answer.body).await?,
        Framing::UntilClose => {
            answer.body.extend_from_slice(&reader.buffer.split());
            while reader.fill(Phase::Body).await? > 0 {
                answer.body.extend_from_slice(&reader.buffer.split());
            }
        }
        Framing::Chunked => loop {
            let size = chunk_size(&reader.line(Phase::Body).await?)
                .map_err(|detail| malformed(Phase::Body, detail))?;
            if size == 0 {
                while !reader.line(Phase::Body).await?.is_empty() {}
                break;
            }
            reader.take(size, &mut answer.body).await?;
            if !reader.line(Phase::Body).await?.is_empty() {
                return Err(malformed(Phase::Body, "a chunk longer than its size".to_owned()));
            }
        },
    }
    Ok((answer, head.keep_alive))
}

fn ended(phase: Phase) -> Fault {
    Fault::transport(phase, &io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection"))
}

fn malformed(phase: Phase, detail: String) -> Fault {
    Fault::new(Class::Wrong, phase, detail)
}

struct Reader<'a, R> {
    source: R,
    buffer: &'a mut BytesMut,
}

impl<R: AsyncRead + Unpin> Reader<'_, R> {
    async fn fill(&mut self, phase: Phase) -> Result<usize, Fault> {
        self.buffer.reserve(16 * 1024);
        self.source.read_buf(self.buffer).await.map_err(|error| Fault::transport(phase, &error))
    }

    /// The lines of a head, up to the empty one.
    async fn lines(&mut self) -> Result<Vec<Vec<u8>>, Fault> {
        let mut lines = Vec::new();
        loop {
            let line = self.line(Phase::Head).await?;
            if line.is_empty() {
                return Ok(lines);
            }
            if lines.len() == MAX_LINES {
                return Err(malformed(Phase::Head, "too many lines".to_owned()));
            }
            lines.push(line);
        }
    }

    /// One line, without its CRLF.
    async fn line(&mut self, phase: Phase) -> Result<Vec<u8>, Fault> {
        let mut searched = 0;
        loop {
            let found = self.buffer.iter().skip(searched).position(|byte| *byte == b'\n');
            if let Some(offset) = found {
                let line = self.buffer.split_to(searched + offset + 1);
                return match line.strip_suffix(b"\r\n") {
                    Some(line) => Ok(line.to_vec()),
                    None => Err(malformed(phase, "a line that ends in LF alone".to_owned())),
                };
            }
            searched = self.buffer.len();
            if searched > MAX_LINE_BYTES {
                return Err(malformed(phase, "a line that is too long".to_owned()));
            }
            if self.fill(phase).await? == 0 {
                return Err(ended(phase));
            }
        }
    }

    async fn take(&mut self, mut length: u64, body: &mut BytesMut) -> Result<(), Fault> {
        while length > 0 {
            if self.buffer.is_empty() && self.fill(Phase::Body).await? == 0 {
                return Err(ended(Phase::Body));
            }
            let count = usize::try_from(length).unwrap_or(usize::MAX).min(self.buffer.len());
            body.extend_from_slice(self.buffer.get(..count).unwrap_or_default());
            self.buffer.advance(count);
            length -= count as u64;
        }
        Ok(())
    }
}
