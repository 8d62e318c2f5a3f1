//! Behind proxies: who the peer is, who the client is, and whose word on it counts.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::num::NonZeroUsize;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::routing::get;
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use narae_server::{
    Builder, Client as Sender, Connection, Counts, DrainSettings, Limits, Listener, Peer, Server,
    TrustedProxies,
};

use crate::client::{Client, PATIENCE, any_certificate};
use crate::site::{Site, development};

const V1: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.2 4660 443\r\n";
const GET: &str = "GET / HTTP/1.1\r\nHost: shop.example:81\r\n\r\n";

/// The same as [`V1`] in version 2, with a TLV.
const V2: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x11\xc0\0\x02\x01\xc6\x33\x64\x02\x12\x34\x01\xbb\x04\0\x02ab";

async fn seen(connection: Connection, client: Sender, request: Request) -> String {
    let is_secure = request.extensions().get() == Some(&http::uri::Scheme::HTTPS);
    let address = client.address().map_or_else(|| "-".to_owned(), |address| address.to_string());
    format!(
        "{} {address} {} {} {is_secure}",
        connection.peer(),
        client.scheme(),
        client.host().unwrap_or("-")
    )
}

fn router() -> Router {
    Router::new().route("/", get(seen))
}

fn builder(trusted: &[&str], limits: Limits) -> Builder {
    let trusted = TrustedProxies::new(trusted).unwrap();
    Server::builder().threads(NonZeroUsize::MIN).limits(limits).trusted_proxies(trusted)
}

/// A site whose first two listeners, plain and TLS, expect an introduction.
struct Introduced {
    site: Site,
    plain: SocketAddr,
    tls: SocketAddr,
}

impl Introduced {
    fn new(trusted: &[&str], limits: Limits) -> Self {
        let listener = || Listener::tcp("127.0.0.1:0").unwrap().proxy_protocol(true);
        let builder = builder(trusted, limits).listen(listener()).listen(listener().tls(development()));
        let site = Site::built(router(), builder);
        let (plain, tls) = (site.running().address(0).unwrap(), site.running().address(1).unwrap());
        Self { site, plain, tls }
    }

    /// Sends `bytes` to a listener that must close without an answer, and waits until `counted`.
    #[track_caller]
    fn closes(&self, bytes: &[u8], counted: impl Fn(Counts) -> u64) {
        for address in [self.plain, self.tls] {
            let before = counted(self.site.running().counts());
            let mut client = Client::at(address);
            client.send(bytes);
            // What was not read may make the end a reset.
            match client.rest() {
                Ok(rest) => assert_eq!(rest, ""),
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
            }
            self.site.wait_for(|counts| counted(counts) == before + 1);
        }
        assert_eq!(self.site.running().counts().requests, 0);
    }
}

/// How a request is made.
#[derive(Clone, Copy, Debug)]
struct Way {
    tls: bool,
    h2: bool,
}

const WAYS: [Way; 4] = [
    Way { tls: false, h2: false },
    Way { tls: true, h2: false },
    Way { tls: false, h2: true },
    Way { tls: true, h2: true },
];

/// What the handler saw of a request that was made after `first` was sent on the bare socket.
#[track_caller]
fn ask(address: SocketAddr, first: &[u8], way: Way, headers: &[(&str, &str)]) -> String {
    let mut request = http::Request::get(if way.h2 { "http://shop.example:81/" } else { "/" });
    if !way.h2 {
        request = request.header("host", "shop.example:81");
    }
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let request = request.body(Body::empty()).unwrap();
    let talk = async move {
        let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut socket, first).await.unwrap();
        if !way.tls {
            return exchange(socket, way.h2, request).await;
        }
        let mut config = any_certificate(rustls::ALL_VERSIONS);
        config.alpn_protocols = vec![if way.h2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
        let name = "localhost".try_into().unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        exchange(connector.connect(name, socket).await.unwrap(), way.h2, request).await
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let body = runtime.block_on(async { tokio::time::timeout(PATIENCE, talk).await.unwrap() });
    String::from_utf8(body.to_vec()).unwrap()
}

async fn exchange<I>(io: I, is_h2: bool, request: Request) -> Bytes
where
    I: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let io = TokioIo::new(io);
    let response = if is_h2 {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    };
    response.into_body().collect().await.unwrap().to_bytes()
}

fn scheme(way: Way) -> (&'static str, bool) {
    if way.tls { ("https", true) } else { ("http", false) }
}

mod introduced_by_the_proxy_protocol {
    use super::*;

    #[test]
    fn the_headers_source_is_the_peer_over_every_protocol() {
        let on = Introduced::new(&[], Limits::default());
        for way in WAYS {
            let address = if way.tls { on.tls } else { on.plain };
            let (scheme, secure) = scheme(way);
            for header in [V1, V2] {
                let seen = ask(address, header, way, &[]);
                let expected = format!("192.0.2.1:4660 192.0.2.1 {scheme} shop.example:81 {secure}");
                assert_eq!(seen, expected, "{way:?}");
            }
            let seen = ask(address, b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n", way, &[]);
            assert!(seen.starts_with("[2001:db8::1]:1 2001:db8::1 "), "{seen}");
        }
        assert_eq!(on.site.running().counts().introduction_failures, 0);
    }

    #[test]
    fn one_that_says_nothing_leaves_the_sockets_peer() {
        let on = Introduced::new(&[], Limits::default());
        for header in [b"PROXY UNKNOWN\r\n".as_slice(), b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"] {
            let mut client = Client::at(on.plain);
            client.send(header).send(GET);
            let peer = client.socket().local_addr().unwrap();
            let expected = format!("{peer} 127.0.0.1 http shop.example:81 false");
            assert_eq!(client.reply().body, expected);
        }
    }

    #[test]
    fn it_may_come_byte_by_byte_or_with_two_requests_behind_it() {
        let on = Introduced::new(&[], Limits::default());
        for header in [V1, V2] {
            let mut client = Client::at(on.plain);
            for byte in header {
                client.send([*byte]);
            }
            client.send(GET);
            assert!(client.reply().body.starts_with("192.0.2.1:4660 "));
            let mut client = Client::at(on.plain);
            client.send([header, GET.as_bytes(), GET.as_bytes()].concat());
            for _ in 0..2 {
                assert!(client.reply().body.starts_with("192.0.2.1:4660 "));
            }
        }
    }

    #[test]
    fn what_is_missing_or_malformed_is_closed_and_counted() {
        let on = Introduced::new(&[], Limits::default());
        for bytes in [
            GET.as_bytes(),
            b"\x16\x03\x01\0\x05hello",
            b"PROXY TCP4 1.2.3.4\r\n",
            b"PROXY TCP4 999.2.3.4 1.1.1.1 1 1\r\n",
            b"\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c",
        ] {
            on.closes(bytes, |counts| counts.introduction_failures);
        }
    }

    #[test]
    fn one_that_ends_too_early_is_counted() {
        let on = Introduced::new(&[], Limits::default());
        for part in [&V1[..20], &V2[..20], b""] {
            let before = on.site.running().counts().introduction_failures;
            let mut socket = TcpStream::connect(on.plain).unwrap();
            socket.write_all(part).unwrap();
            socket.shutdown(Shutdown::Write).unwrap();
            on.site.wait_for(|counts| counts.introduction_failures == before + 1);
        }
    }

    #[test]
    fn one_that_never_ends_is_cut_by_the_limit_of_the_first_byte() {
        let on = Introduced::new(&[], Limits::default().first_byte(Duration::from_millis(50)));
        for part in [b"".as_slice(), &V1[..30], &V2[..30]] {
            on.closes(part, |counts| counts.timeouts);
        }
    }

    #[test]
    fn a_proxy_that_is_not_trusted_is_closed_where_others_are() {
        let on = Introduced::new(&["10.0.0.0/8"], Limits::default());
        on.closes(V1, |counts| counts.introduction_failures);
        let on = Introduced::new(&["127.0.0.1"], Limits::default());
        assert!(ask(on.plain, V1, WAYS[0], &[]).starts_with("192.0.2.1:4660 "));
    }

    #[test]
    fn a_header_that_nobody_asked_for_is_a_bad_request() {
        let site = Site::built(router(), builder(&["127.0.0.1"], Limits::default()));
        for header in [V1, V2] {
            let mut client = Client::plain(&site);
            client.send(header).send(GET);
            assert_eq!(client.reply().status, 400);
        }
    }

    #[test]
    fn the_peer_stays_while_the_connection_is_parked() {
        let on = Introduced::new(&[], Limits::default().park_after(Some(Duration::from_millis(1))));
        let mut client = Client::at(on.plain);
        client.send(V1);
        for _ in 0..3 {
            client.send(GET);
            assert!(client.reply().body.starts_with("192.0.2.1:4660 "));
            on.site.wait_for(|counts| counts.parked == 1);
        }
    }

    #[test]
    fn the_peer_goes_over_to_a_successor() {
        let mut on = Introduced::new(&[], Limits::default().park_after(Some(Duration::from_millis(1))));
        let next = Introduced::new(&[], Limits::default());
        let mut client = Client::at(on.plain);
        client.send(V1).send(GET);
        client.reply();
        on.site.wait_for(|counts| counts.parked == 1);
        let (to, from) = mpsc::channel();
        let settings = DrainSettings { linger: PATIENCE, deadline: PATIENCE };
        let stopping = on.site.begin_handing_over(settings, to);
        let handed = from.recv_timeout(PATIENCE).unwrap();
        assert_eq!((handed.peer, handed.fresh), (Peer::Tcp("192.0.2.1:4660".parse().unwrap()), false));
        next.site.running().adopter().adopt(handed).unwrap();
        client.send(GET);
        assert!(client.reply().body.starts_with("192.0.2.1:4660 "));
        stopping.join().unwrap();
    }

    #[test]
    fn a_unix_socket_brings_peers_of_the_internet_and_parks_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("narae.sock");
        let limits = Limits::default().park_after(Some(Duration::from_millis(1)));
        let listener = Listener::unix(&path).unwrap().proxy_protocol(true);
        let site = Site::built(router(), builder(&["unix"], limits).listen(listener));
        let mut socket = UnixStream::connect(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.write_all(V2).unwrap();
        for _ in 0..2 {
            socket.write_all(GET.as_bytes()).unwrap();
            let mut answer = vec![0; 4096];
            let length = socket.read(&mut answer).unwrap();
            let answer = String::from_utf8_lossy(&answer[..length]);
            assert!(answer.contains("\r\n\r\n192.0.2.1:4660 "), "{answer}");
            site.wait_for(|counts| counts.parked == 1);
        }
    }
}

mod told_by_header_fields {
    use super::*;

    const FIELDS: [(&str, &str); 3] = [
        ("x-forwarded-for", "6.6.6.6, 192.0.2.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "shop.example"),
    ];

    #[test]
    fn a_trusted_proxy_says_who_the_client_is_over_every_protocol() {
        let site = Site::built(router(), builder(&["127.0.0.0/8"], Limits::default()));
        for way in WAYS {
            let address = if way.tls { site.tls } else { site.plain };
            let forwarded = "for=6.6.6.6, for=192.0.2.1;proto=https;host=shop.example";
            for fields in [&FIELDS[..], &[("forwarded", forwarded)]] {
                let seen = ask(address, b"", way, fields);
                let (peer, told) = seen.split_once(' ').unwrap();
                assert!(peer.starts_with("127.0.0.1:"), "{seen}");
                assert_eq!(told, "192.0.2.1 https shop.example true", "{way:?}");
            }
            // The client may have spoken plainly to a proxy that speaks TLS.
            let seen = ask(address, b"", way, &[("forwarded", "for=192.0.2.1;proto=http")]);
            assert!(seen.ends_with(" 192.0.2.1 http shop.example:81 false"), "{seen}");
        }
    }

    #[test]
    fn a_stranger_is_not_believed() {
        for trusted in [&[][..], &["10.0.0.0/8", "unix"]] {
            let site = Site::built(router(), builder(trusted, Limits::default()));
            for way in WAYS {
                let address = if way.tls { site.tls } else { site.plain };
                let (scheme, secure) = scheme(way);
                for fields in [&FIELDS[..], &[("forwarded", "for=192.0.2.1;proto=https;host=a")]] {
                    let seen = ask(address, b"", way, fields);
                    let expected = format!(" 127.0.0.1 {scheme} shop.example:81 {secure}");
                    assert!(seen.ends_with(&expected), "{way:?}: {seen}");
                }
            }
        }
    }

    #[test]
    fn each_request_of_a_connection_has_its_own_client() {
        let site = Site::built(router(), builder(&["127.0.0.1"], Limits::default()));
        let mut client = Client::plain(&site);
        let ask = |line: &str| format!("GET / HTTP/1.1\r\nHost: a\r\n{line}\r\n");
        client.send(ask("X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n"));
        client.send(ask("X-Forwarded-For: 192.0.2.2\r\n"));
        client.send(ask(""));
        for expected in [" 192.0.2.1 https a true", " 192.0.2.2 http a false", " 127.0.0.1 http a false"] {
            let body = client.reply().body;
            assert!(body.ends_with(expected), "{body}");
        }
    }

    #[test]
    fn the_peer_of_a_proxy_protocol_header_is_believed_if_it_is_trusted_itself() {
        let on = Introduced::new(&["127.0.0.1", "10.0.0.0/8"], Limits::default());
        let seen = ask(on.plain, b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n", WAYS[0], &FIELDS);
        assert_eq!(seen, "10.0.0.1:1 192.0.2.1 https shop.example true");
        let seen = ask(on.plain, V1, WAYS[0], &FIELDS[..1]);
        assert_eq!(seen, "192.0.2.1:4660 192.0.2.1 http shop.example:81 false");
    }
}
