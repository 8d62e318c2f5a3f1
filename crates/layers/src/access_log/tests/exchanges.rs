//! The layer around a service: when a line is written, and what it captured.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full};
use serde_json::Value;
use tower::{Layer, Service, ServiceExt, service_fn};

use super::super::layer::AccessLog;
use super::super::sink::Sink;

/// A sink into memory.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl io::Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Log {
    layer: AccessLog,
    sink: Sink,
    memory: Memory,
}

impl Log {
    fn new(format: &str) -> Self {
        let memory = Memory::default();
        let sink = Sink::writer(Box::new(memory.clone()));
        let layer = AccessLog::new(format.parse().unwrap(), sink.clone())
            .client(|extensions| extensions.get::<IpAddr>().copied())
            .request_id(|extensions| extensions.get::<&str>().map(|&id| id.to_owned()));
        Self { layer, sink, memory }
    }

    /// All lines so far.
    fn lines(&self) -> String {
        self.sink.flush();
        String::from_utf8(self.memory.0.lock().unwrap().clone()).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.lines()).unwrap()
    }
}

/// A body of given frames that does not know its end before it is asked.
struct Frames {
    frames: Vec<Result<&'static str, io::Error>>, // from the end
    exact: Option<u64>,
}

impl Frames {
    fn new(frames: impl IntoIterator<Item = Result<&'static str, io::Error>>) -> Self {
        let mut frames: Vec<_> = frames.into_iter().collect();
        frames.reverse();
        Self { frames, exact: None }
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Poll::Ready(self.frames.pop().map(|frame| frame.map(|text| Frame::data(Bytes::from(text)))))
    }

    fn size_hint(&self) -> SizeHint {
        self.exact.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

fn get(url: &str) -> Request<()> {
    Request::get(url).body(()).unwrap()
}

/// Sends `request` through `log` to a service that answers `response`.
async fn send<B>(log: &Log, request: Request<()>, response: Response<B>) -> Response<impl Body + Unpin>
where
    B: Body + Unpin,
{
    let mut response = Some(response);
    let service = service_fn(move |_| std::future::ready(Ok::<_, Infallible>(response.take().unwrap())));
    log.layer.layer(service).oneshot(request).await.unwrap()
}

async fn read(response: Response<impl Body + Unpin>) {
    let mut body = response.into_body();
    while let Some(Ok(_)) = body.frame().await {}
    std::mem::forget(body); // the line must be there without a drop
}

#[tokio::test]
async fn the_line_is_written_at_the_end_of_the_body_and_not_before() {
    let log = Log::new(":method :url :status");
    let mut response = send(&log, get("/x?y"), Response::new(Frames::new([Ok("a"), Ok("b")]))).await;
    assert_eq!(log.lines(), "");
    response.body_mut().frame().await;
    response.body_mut().frame().await;
    assert_eq!(log.lines(), "");
    assert!(response.body_mut().frame().await.is_none());
    assert_eq!(log.lines(), "GET /x?y 200\n");
    drop(response);
    assert_eq!(log.lines(), "GET /x?y 200\n", "written twice");
}

#[tokio::test]
async fn a_body_that_knows_its_last_frame_needs_no_further_question() {
    let log = Log::new("json");
    let mut response = send(&log, get("/"), Response::new(Full::new(Bytes::from("hello")))).await;
    response.body_mut().frame().await;
    assert_eq!(log.json()["bytes"], 5);
    assert_eq!(log.json()["aborted"], Value::Null);
}

#[tokio::test]
async fn a_body_dropped_before_its_end_is_aborted() {
    let log = Log::new("json");
    let mut response = send(&log, get("/"), Response::new(Frames::new([Ok("abc"), Ok("d")]))).await;
    response.body_mut().frame().await;
    drop(response);
    let line = log.json();
    assert_eq!((&line["status"], &line["bytes"], &line["aborted"]), (&200.into(), &3.into(), &true.into()));
}

#[tokio::test]
async fn a_body_that_fails_is_aborted() {
    let log = Log::new("json");
    let frames = Frames::new([Ok("abc"), Err(io::Error::other("disk"))]);
    read(send(&log, get("/"), Response::new(frames)).await).await;
    let line = log.json();
    assert_eq!((&line["bytes"], &line["aborted"]), (&3.into(), &true.into()));
}

#[tokio::test]
async fn a_body_that_gave_all_it_announced_is_not_aborted() {
    // A server stops asking once it has as many bytes as the head said.
    for announce in ["header", "hint"] {
        let log = Log::new("json");
        let mut response = Response::new(Frames::new([Ok("abc"), Ok("")]));
        match announce {
            "header" => drop(response.headers_mut().insert("content-length", "3".parse().unwrap())),
            _ => response.body_mut().exact = Some(3),
        }
        let mut response = send(&log, get("/"), response).await;
        response.body_mut().frame().await;
        drop(response);
        assert_eq!(log.json()["aborted"], Value::Null, "{announce}");
    }
}

#[tokio::test]
async fn a_response_whose_body_is_never_read_by_its_nature_is_not_aborted() {
    for (method, status) in
        [("HEAD", 200), ("GET", 204), ("GET", 304), ("GET", 101), ("CONNECT", 200), ("GET", 200)]
    {
        let log = Log::new("json");
        let request = Request::builder().method(method).uri("example.org:1").body(()).unwrap();
        let mut response = Response::new(Empty::<Bytes>::new());
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        drop(send(&log, request, response).await);
        assert_eq!(log.json()["aborted"], Value::Null, "{method} {status}");
    }
}

#[tokio::test]
async fn a_service_error_leaves_a_line_without_a_status() {
    let log = Log::new("tiny");
    let service = service_fn(|_| std::future::ready(Err::<Response<Empty<Bytes>>, _>("broken")));
    assert_eq!(log.layer.layer(service).oneshot(get("/e")).await.err(), Some("broken"));
    assert_eq!(log.lines(), "GET /e - - - - ms\n");
}

#[tokio::test]
async fn a_client_that_leaves_before_the_response_leaves_a_line_without_a_status() {
    let log = Log::new("json");
    let service = service_fn(|_| std::future::pending::<Result<Response<Empty<Bytes>>, Infallible>>());
    let mut future = Box::pin(log.layer.layer(service).call(get("/abort")));
    assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(log.lines(), "");
    drop(future);
    let line = log.json();
    assert_eq!((&line["status"], &line["aborted"]), (&Value::Null, &true.into()));
}

#[tokio::test]
async fn the_line_holds_what_request_and_response_said() {
    let log = Log::new(
        ":remote-addr :remote-user \":referrer\" \":user-agent\" :req[x-list] :req[cookie] :res[x-r] :req[none]",
    );
    let request = Request::get("/")
        .extension(IpAddr::from([192, 0, 2, 7]))
        .header("authorization", "Basic dG9iaTpwdw==")
        .header("referer", "")
        .header("referrer", "spelt right")
        .header("user-agent", "a \"b\"")
        .header("x-list", "1")
        .header("x-list", "2")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .body(())
        .unwrap();
    let response = Response::builder().header("x-r", "r").body(Empty::<Bytes>::new()).unwrap();
    drop(send(&log, request, response).await);
    assert_eq!(log.lines(), "192.0.2.7 tobi \"spelt right\" \"a \\\"b\\\"\" 1, 2 a=1; b=2 r -\n");
}

#[tokio::test]
async fn json_takes_the_request_id_from_the_response() {
    let log = Log::new("json");
    let response = Response::builder().extension("id-7").body(Empty::<Bytes>::new()).unwrap();
    drop(send(&log, get("/"), response).await);
    assert_eq!(log.json()["request_id"], "id-7");
}

#[tokio::test]
async fn the_target_is_written_as_the_client_wrote_it() {
    for (version, uri, expected) in [
        (Version::HTTP_11, "/a?b=%22", "/a?b=%22"),
        (Version::HTTP_11, "http://h.example/a?b", "http://h.example/a?b"),
        (Version::HTTP_2, "http://h.example/a?b", "/a?b"),
        (Version::HTTP_11, "*", "*"),
        (Version::HTTP_11, "h.example:443", "h.example:443"),
    ] {
        let log = Log::new(":url");
        let request = Request::builder().version(version).uri(uri).body(()).unwrap();
        drop(send(&log, request, Response::new(Empty::<Bytes>::new())).await);
        assert_eq!(log.lines(), format!("{expected}\n"));
    }
}

#[tokio::test]
async fn the_length_is_the_header_or_what_the_body_knows_or_nothing() {
    let full = || Response::new(Full::new(Bytes::from("hello")).boxed_unsync());
    let with_header = {
        let mut response = full();
        response.headers_mut().insert("content-length", "7".parse().unwrap());
        response
    };
    let streamed = Response::new(Frames::new([Ok("x")]).map_err(|_| unreachable!()).boxed_unsync());
    for (request, response, expected) in [
        (get("/"), full(), "5"),
        (get("/"), with_header, "7"),
        (get("/"), streamed, "-"),
        (Request::head("/").body(()).unwrap(), full(), "-"),
    ] {
        let log = Log::new("common");
        drop(send(&log, request, response).await);
        assert_eq!(log.lines().trim_end().rsplit(' ').next(), Some(expected));
    }
}

#[tokio::test]
async fn dev_is_coloured_only_when_asked() {
    for color in [false, true] {
        let mut log = Log::new("dev");
        log.layer = log.layer.color(color);
        drop(send(&log, get("/"), Response::new(Empty::<Bytes>::new())).await);
        assert_eq!(log.lines().contains("\u{1b}[32m200"), color);
        assert_eq!(log.lines().contains('\u{1b}'), color);
    }
}

#[tokio::test]
async fn hints_and_ends_of_the_inner_body_pass_through() {
    let log = Log::new("tiny");
    let response = send(&log, get("/"), Response::new(Full::new(Bytes::from("hello")))).await;
    assert_eq!(response.body().size_hint().exact(), Some(5));
    assert!(!response.body().is_end_stream());
    assert!(send(&log, get("/"), Response::new(Empty::<Bytes>::new())).await.body().is_end_stream());
}

#[test]
fn everything_may_move_between_threads() {
    fn check<T: Send>(_: &T) {}
    let log = Log::new("tiny");
    let service =
        service_fn(|_| std::future::ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))));
    let mut service = log.layer.layer(service);
    check(&service);
    check(&service.call(get("/")));
}
