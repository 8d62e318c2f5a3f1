//! Content that is in a file too: sent from there over plain HTTP/1.1, and from memory everywhere else.
//!
//! To see which it was, some of these files hold other bytes than the memory, which no application may do.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::Response;
use axum::routing::get;
use http::Extensions;
use narae_server::{InFile, Limits, Server};

use crate::client::{BOTH, Client, Over, ask};
use crate::site::Site;

const LEN: usize = 1 << 20;

fn file(bytes: &[u8]) -> Arc<OwnedFd> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Arc::new(file.into())
}

/// Letters that show their place.
fn letters() -> Vec<u8> {
    let page = |alphabet: std::ops::RangeInclusive<u8>| alphabet.cycle().take(4096);
    (0..LEN / 8192).flat_map(|_| page(b'a'..=b'z').chain(page(b'A'..=b'Z'))).collect()
}

/// What the application says of its response, in its own type.
#[derive(Clone)]
struct Said(Bytes, Arc<OwnedFd>);

fn find(extensions: &mut Extensions) -> Option<InFile> {
    let Said(bytes, file) = extensions.remove()?;
    Some(InFile::new(bytes, file))
}

fn respond(content: &Bytes, file: &Arc<OwnedFd>, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    response.extensions_mut().insert(Said(content.clone(), Arc::clone(file)));
    response
}

/// `/` is all of the content, `/part` the middle of it, `/other` something else, `/twice` the content doubled.
fn site_with(content: Vec<u8>, file: &Arc<OwnedFd>, limits: Limits) -> Site {
    let content = Bytes::from(content);
    let route = |body: fn(&Bytes) -> Bytes| {
        let (content, file) = (content.clone(), Arc::clone(file));
        get(move || std::future::ready(respond(&content, &file, body(&content))))
    };
    let router = Router::new()
        .route("/", route(Bytes::clone))
        .route("/part", route(|content| content.slice(100_001..900_001)))
        .route("/other", route(|_| Bytes::from(vec![b'o'; LEN])))
        .route("/twice", route(|content| [&content[..], content].concat().into()));
    Site::built(router, Server::builder().limits(limits).find_file(find))
}

fn site(content: Vec<u8>, file: &Arc<OwnedFd>) -> Site {
    site_with(content, file, Limits::default())
}

/// Whether `body` came from the file of `f`s. Its end may have come from the memory of `m`s: where the socket was full
/// just before it, what is left is too little for a call of its own.
fn is_from_the_file(body: &str) -> bool {
    let end = body.trim_start_matches('f');
    body.len() == LEN && end.len() < 16 * 1024 && end.bytes().all(|letter| letter == b'm')
}

fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

#[test]
fn plain_connections_get_the_file_and_encrypted_ones_the_memory() {
    let site = site(vec![b'm'; LEN], &file(&[b'f'; LEN]));
    let ask = |over| {
        let (reply, _) = ask(&site, over, request("/"));
        assert_eq!(reply.header("content-length"), Some("1048576"), "{over:?}");
        reply.body
    };
    assert!(is_from_the_file(&ask(Over::Plain)));
    assert!(ask(Over::Tls) == "m".repeat(LEN));
}

#[test]
fn every_byte_is_at_its_place() {
    let content = letters();
    let text = String::from_utf8(content.clone()).unwrap();
    let site = site(content.clone(), &file(&content));
    for over in BOTH {
        let mut client = Client::connect(&site, over);
        for (path, expected) in [("/", &text[..]), ("/part", &text[100_001..900_001]), ("/", &text)] {
            client.send(request(path));
            assert!(client.reply().body == expected, "{path} {over:?}");
        }
    }
}

#[test]
fn answers_to_pipelined_requests_keep_their_order() {
    let content = letters();
    let text = String::from_utf8(content.clone()).unwrap();
    let site = site(content.clone(), &file(&content));
    let mut client = Client::plain(&site);
    client.send(["/", "/part", "/other", "/", "/part"].map(request).concat());
    for expected in [&text[..], &text[100_001..900_001], &"o".repeat(LEN), &text, &text[100_001..900_001]] {
        assert!(client.reply().body == *expected);
    }
}

#[test]
fn a_body_that_is_not_this_content_is_sent_as_it_is() {
    let site = site(vec![b'm'; LEN], &file(&[b'f'; LEN]));
    let mut client = Client::plain(&site);
    for (path, expected) in [("/other", "o".repeat(LEN)), ("/twice", "m".repeat(2 * LEN))] {
        client.send(request(path));
        assert!(client.reply().body == expected, "{path}");
    }
    assert!(is_from_the_file(&client.send(request("/")).reply().body));
}

#[test]
fn where_the_system_does_not_send_the_file_the_memory_is_sent() {
    for broken in [file(b""), Arc::new(std::fs::File::open("/dev/null").unwrap().into())] {
        let site = site(vec![b'm'; LEN], &broken);
        let mut client = Client::plain(&site);
        for _ in 0..2 {
            client.send(request("/"));
            assert!(client.reply().body == "m".repeat(LEN));
        }
    }
    // A file that ends early: the rest comes from memory, so that the length is right.
    let site = site(vec![b'm'; LEN], &file(&[b'f'; 300_000]));
    let (reply, _) = ask(&site, Over::Plain, request("/"));
    assert!(reply.body == "f".repeat(300_000) + &"m".repeat(LEN - 300_000));
}

#[test]
fn an_answer_to_head_leaves_nothing_behind() {
    let site = site(vec![b'm'; LEN], &file(&[b'f'; LEN]));
    let mut client = Client::plain(&site);
    for _ in 0..5 {
        client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.reply_to_head().header("content-length"), Some("1048576"));
    }
    client.send(request("/other"));
    assert!(client.reply().body == "o".repeat(LEN));
}

#[test]
fn a_peer_that_takes_nothing_is_cut() {
    let limits = Limits::default().write_stall(std::time::Duration::from_millis(300));
    let site = site_with(vec![b'm'; 32 * LEN], &file(&[b'f'; 32 << 20]), limits);
    let mut client = Client::plain(&site);
    client.send(request("/"));
    site.wait_for(|counts| counts.timeouts == 1 && counts.open == 0);
    assert!(client.rest().is_err());
}

#[test]
fn a_peer_that_reads_slowly_gets_everything() {
    let content = letters();
    let text = String::from_utf8(content.clone()).unwrap();
    let site = site(content.clone(), &file(&content));
    let mut client = Client::plain(&site);
    rustix::net::sockopt::set_socket_recv_buffer_size(client.socket(), 64 * 1024).unwrap();
    client.send(request("/").repeat(4));
    for _ in 0..4 {
        assert!(client.reply().body == text);
    }
}

#[test]
fn after_a_large_file_the_system_takes_no_more_of_other_bodies_than_ever() {
    let taken = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&taken);
    let content = Bytes::from(vec![b'm'; LEN]);
    let held = file(&[b'f'; LEN]);
    let router = Router::new()
        .route("/", get(move || std::future::ready(respond(&content, &held, content.clone()))))
        .route("/endless", get(async move || Body::new(Endless(counter))));
    let limits = Limits::default().write_stall(std::time::Duration::from_millis(300));
    let site = Site::built(router, Server::builder().limits(limits).find_file(find));
    let mut client = Client::plain(&site);
    rustix::net::sockopt::set_socket_recv_buffer_size(client.socket(), 64 * 1024).unwrap();
    assert!(is_from_the_file(&client.send(request("/")).reply().body));
    client.send(request("/endless"));
    site.wait_for(|counts| counts.timeouts == 1);
    // The file may have run ahead by a megabyte.
    let taken = taken.load(Ordering::Relaxed);
    assert!((CHUNK..LEN).contains(&taken), "{taken} bytes");
}

const CHUNK: usize = 64 * 1024;

/// A body without an end that counts its bytes.
struct Endless(Arc<AtomicUsize>);

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        self.0.fetch_add(CHUNK, Ordering::Relaxed);
        Poll::Ready(Some(Ok(http_body::Frame::data(Bytes::from(vec![b'e'; CHUNK])))))
    }
}
