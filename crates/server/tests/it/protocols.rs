//! What a handler sees and a client gets, the same over HTTP/1.1, HTTPS and HTTP/2.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::client::any_certificate;
use crate::site::Site;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    H1,
    H1Tls,
    H2c,
    H2,
}

const ALL: [Way; 4] = [Way::H1, Way::H1Tls, Way::H2c, Way::H2];

/// One request on a connection of its own.
async fn fetch(site: &Site, way: Way, request: Request<Body>) -> Response<Bytes> {
    match way {
        Way::H1 => exchange(TcpStream::connect(site.plain).await.unwrap(), false, request).await,
        Way::H2c => exchange(TcpStream::connect(site.plain).await.unwrap(), true, request).await,
        Way::H1Tls => exchange(handshake(site, b"http/1.1").await, false, request).await,
        Way::H2 => exchange(handshake(site, b"h2").await, true, request).await,
    }
}

async fn handshake(site: &Site, alpn: &[u8]) -> tokio_rustls::client::TlsStream<TcpStream> {
    let mut config = any_certificate(rustls::ALL_VERSIONS);
    config.alpn_protocols = vec![alpn.to_vec()];
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let socket = TcpStream::connect(site.tls).await.unwrap();
    connector.connect("localhost".try_into().unwrap(), socket).await.unwrap()
}

async fn exchange<I>(io: I, is_h2: bool, request: Request<Body>) -> Response<Bytes>
where
    I: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
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
        let (mut parts, body) = request.into_parts();
        parts.uri = parts.uri.path_and_query().unwrap().as_str().parse().unwrap();
        sender.send_request(Request::from_parts(parts, body)).await.unwrap()
    };
    let (parts, body) = response.into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

fn request(method: Method, path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(format!("http://a{path}"))
        .header("host", "a")
        .body(body.into())
        .unwrap()
}

/// Sends the same request in every way and expects the same status and body.
#[track_caller]
fn check(make: impl Fn() -> Request<Body>, status: StatusCode, body: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let site = Site::new();
    for way in ALL {
        let response = runtime.block_on(fetch(&site, way, make()));
        assert_eq!(response.status(), status, "{way:?}");
        assert_eq!(String::from_utf8_lossy(response.body()), body, "{way:?}");
        assert!(response.headers().contains_key("date"), "{way:?}");
    }
}

#[test]
fn get_is_answered() {
    check(|| request(Method::GET, "/", ""), StatusCode::OK, "Hello, World!");
}

#[test]
fn an_empty_answer_is_empty() {
    check(|| request(Method::GET, "/empty", ""), StatusCode::OK, "");
}

#[test]
fn a_path_that_does_not_exist_is_the_routers_404() {
    check(|| request(Method::GET, "/nothing", ""), StatusCode::NOT_FOUND, "not found");
}

#[test]
fn a_method_without_a_route_is_405_with_allow() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let site = Site::new();
    for way in ALL {
        let response = runtime.block_on(fetch(&site, way, request(Method::DELETE, "/", "")));
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.headers()["allow"], "GET,HEAD,POST", "{way:?}");
    }
}

#[test]
fn a_body_comes_back_from_an_echo() {
    check(|| request(Method::POST, "/echo", "hello"), StatusCode::OK, "hello");
    check(|| request(Method::POST, "/stream", "hello"), StatusCode::OK, "hello");
}

#[test]
fn a_body_of_a_mebibyte_comes_back() {
    let text = "0123456789abcdef".repeat(64 * 1024);
    check(|| request(Method::POST, "/stream", text.clone()), StatusCode::OK, &text);
}

#[test]
fn a_body_over_the_limit_is_413() {
    check(
        || request(Method::POST, "/echo", vec![b'x'; 2 * 1024 * 1024 + 1]),
        StatusCode::PAYLOAD_TOO_LARGE,
        "413 Content Too Large\n",
    );
}

#[test]
fn a_panic_is_500_without_its_message() {
    check(
        || request(Method::GET, "/panic", ""),
        StatusCode::INTERNAL_SERVER_ERROR,
        "500 Internal Server Error\n",
    );
}

#[test]
fn an_unknown_method_is_501() {
    check(
        || request(Method::from_bytes(b"BREW").unwrap(), "/", ""),
        StatusCode::NOT_IMPLEMENTED,
        "501 Not Implemented: unknown method\n",
    );
}

#[test]
fn a_target_over_the_limit_is_414() {
    let path = format!("/seen?{}", "x".repeat(9000));
    check(|| request(Method::GET, &path, ""), StatusCode::URI_TOO_LONG, "414 URI Too Long\n");
}

#[test]
fn an_unread_body_does_not_spoil_the_answer() {
    check(|| request(Method::POST, "/ignore", "hello"), StatusCode::OK, "ignored");
    check(|| request(Method::POST, "/ignore", vec![b'x'; 1_000_000]), StatusCode::OK, "ignored");
}

#[test]
fn the_handler_knows_how_it_was_reached() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let site = Site::new();
    for (way, want) in [
        (Way::H1, "GET /seen host=a HTTP/1.1 Http1 secure=false"),
        (Way::H1Tls, "GET /seen host=a HTTP/1.1 Http1 secure=true"),
        (Way::H2c, "GET http://a/seen host=a HTTP/2.0 Http2 secure=false"),
        (Way::H2, "GET http://a/seen host=a HTTP/2.0 Http2 secure=true"),
    ] {
        let response = runtime.block_on(fetch(&site, way, request(Method::GET, "/seen", "")));
        assert_eq!(String::from_utf8_lossy(response.body()), want);
    }
}

#[test]
fn an_upgrade_gives_the_handler_the_socket() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    async fn echo(mut request: axum::extract::Request) -> Response<Body> {
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut socket = TokioIo::new(upgrade.await.unwrap());
            let mut bytes = [0; 4];
            while socket.read_exact(&mut bytes).await.is_ok() {
                socket.write_all(&bytes).await.unwrap();
                socket.flush().await.unwrap();
            }
            socket.write_all(b"bye").await.unwrap();
            socket.shutdown().await.unwrap();
        });
        Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header("connection", "upgrade")
            .header("upgrade", "echo")
            .body(Body::empty())
            .unwrap()
    }
    let router = axum::Router::new().route("/", axum::routing::get(echo));
    let site = Site::with(router, narae_server::Limits::default());
    for over in crate::client::BOTH {
        let mut client = crate::client::Client::connect(&site, over);
        // Bytes of the new protocol may come with the request.
        client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nping");
        assert_eq!(client.reply().status, 101, "{over:?}");
        assert_eq!(client.take(4), b"ping");
        client.send("pong");
        assert_eq!(client.take(4), b"pong");
        client.end();
        assert_eq!(client.rest().unwrap(), "bye");
    }
}

#[test]
fn a_refused_upgrade_leaves_an_ordinary_connection() {
    let site = Site::new();
    for over in crate::client::BOTH {
        let mut client = crate::client::Client::connect(&site, over);
        for _ in 0..3 {
            client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n");
            assert_eq!(client.reply().body, "Hello, World!", "{over:?}");
        }
    }
}

/// A service that is not ready at once, fails, or panics before it has a future.
#[derive(Clone)]
struct Moody {
    asked: bool,
}

impl tower::Service<Request<Body>> for Moody {
    type Response = Response<Body>;
    type Error = std::io::Error;
    type Future = std::future::Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
        if std::mem::replace(&mut self.asked, true) {
            return std::task::Poll::Ready(Ok(()));
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match request.uri().path() {
            "/fails" => std::future::ready(Err(std::io::Error::other("secret"))),
            "/panics" => panic!("on purpose"),
            _ => std::future::ready(Ok(Response::new(Body::from("ready")))),
        }
    }
}

#[test]
fn a_service_may_be_not_ready_may_fail_and_may_panic() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for asked in [false, true] {
        let site = Site::of(Moody { asked });
        for (path, status, body) in [
            ("/", 200, "ready"),
            ("/fails", 500, "500 Internal Server Error\n"),
            ("/panics", 500, "500 Internal Server Error\n"),
            ("/", 200, "ready"),
        ] {
            for way in ALL {
                let response = runtime.block_on(fetch(&site, way, request(Method::GET, path, "")));
                assert_eq!(response.status(), status, "{way:?} {path}");
                assert_eq!(String::from_utf8_lossy(response.body()), body, "{way:?} {path}");
            }
        }
    }
}
