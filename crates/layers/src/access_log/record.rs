//! [`Record`]: what the line of one exchange needs, kept until it is over.
//!
//! In: the request's head, later the response's head, then the body's
//! progress. Out: one line to the sink, when the record is dropped. A record is
//! dropped exactly once whatever happens (end of the body, an error, a lost
//! connection, a panic in a handler), so no request goes without its line.
//! Captures only what the plan wants; a header is kept by reference count.

use std::cell::Cell;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::header::{AUTHORIZATION, CONTENT_LENGTH, COOKIE, REFERER, USER_AGENT};
use http::uri::PathAndQuery;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body;

use super::clock::DateCache;
use super::format::Plan;
use super::line::{Answer, Exchange, Length, write_line};
use super::sink::Sink;

/// What all exchanges of a layer have in common.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    pub(super) plan: Plan,
    pub(super) sink: Sink,
    pub(super) client: fn(&Extensions) -> Option<IpAddr>,
    pub(super) request_id: fn(&Extensions) -> Option<String>,
}

/// One exchange under way. Dropping it writes its line.
pub(super) struct Record {
    setup: Arc<Setup>,
    started: Option<Instant>,
    method: Method,
    version: Version,
    target: Target,
    addr: Option<IpAddr>,
    authorization: Option<HeaderValue>,
    referrer: Option<HeaderValue>,
    agent: Option<HeaderValue>,
    request_headers: Vec<Vec<u8>>,
    head: Option<Head>,
    bytes: u64,
    /// The body's length, if known at its head.
    expected: Option<u64>,
    complete: bool,
}

/// The request's target, as a client writes it.
enum Target {
    Unwanted,
    Path(PathAndQuery),
    /// Absolute form, or the authority of a CONNECT.
    Whole(String),
}

/// The response's head.
struct Head {
    status: StatusCode,
    elapsed: Option<Duration>,
    length: KeptLength,
    headers: Vec<Vec<u8>>,
    request_id: Option<String>,
}

enum KeptLength {
    Unknown,
    Header(HeaderValue),
    Exact(u64),
}

impl Record {
    /// Keeps what the line needs from `request`.
    pub(super) fn begin<B>(setup: &Arc<Setup>, request: &Request<B>) -> Box<Self> {
        let wants = setup.plan.wants;
        let headers = request.headers();
        let keep = |wanted: bool, name: HeaderName| wanted.then(|| headers.get(name).cloned()).flatten();
        let request_headers = match &setup.plan.text {
            Some(pattern) => pattern.request_headers().iter().map(|name| joined(headers, name)).collect(),
            None => Vec::new(),
        };
        Box::new(Self {
            setup: Arc::clone(setup),
            started: (wants.response_time || wants.total_time).then(Instant::now),
            method: request.method().clone(),
            version: request.version(),
            target: if wants.url { Target::of(request) } else { Target::Unwanted },
            addr: if wants.addr { (setup.client)(request.extensions()) } else { None },
            authorization: keep(wants.user, AUTHORIZATION),
            referrer: keep(wants.referrer, REFERER)
                .filter(|value| !value.is_empty())
                .or_else(|| keep(wants.referrer, REFERRER)),
            agent: keep(wants.agent, USER_AGENT),
            request_headers,
            head: None,
            bytes: 0,
            expected: None,
            complete: false,
        })
    }

    /// Keeps what the line needs from the head of `response`.
    pub(super) fn answer<B: Body>(&mut self, response: &Response<B>) {
        let setup = &self.setup;
        let wants = setup.plan.wants;
        let status = response.status();
        let without_body = self.method == Method::HEAD
            || status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let length = if wants.length || wants.fate {
            match response.headers().get(CONTENT_LENGTH) {
                Some(value) => KeptLength::Header(value.clone()),
                None if without_body => KeptLength::Unknown,
                None => response.body().size_hint().exact().map_or(KeptLength::Unknown, KeptLength::Exact),
            }
        } else {
            KeptLength::Unknown
        };
        if wants.fate {
            // A server reads no body here: it ends by never being read.
            self.complete = without_body || (self.method == Method::CONNECT && status.is_success());
            self.expected = length.number();
        }
        self.head = Some(Head {
            status,
            elapsed: self.started.filter(|_| wants.response_time).map(|started| started.elapsed()),
            length,
            headers: match &setup.plan.text {
                Some(pattern) => {
                    pattern.response_headers().iter().map(|name| joined(response.headers(), name)).collect()
                }
                None => Vec::new(),
            },
            request_id: if wants.fate { (setup.request_id)(response.extensions()) } else { None },
        });
    }

    /// Counts bytes of the body on their way out.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// Says how the body ended.
    pub(super) fn ended(&mut self, complete: bool) {
        self.complete = complete;
    }

    /// Says that nobody will read the body on. `at_end`: it has nothing left.
    ///
    /// A server stops reading once it has all that the length announced, so
    /// this is not an abort if that much was sent.
    pub(super) fn dropped(&mut self, at_end: bool) {
        self.complete |= at_end || self.expected.is_some_and(|expected| self.bytes >= expected);
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let (mut line, mut dates) = SCRATCH.try_with(Cell::take).unwrap_or_default().unwrap_or_default();
        line.clear();
        let setup = &self.setup;
        write_line(&mut line, &setup.plan, &self.exchange(), &mut dates);
        line.push(b'\n');
        setup.sink.push(&line, setup.plan.text.is_none());
        if line.capacity() <= LARGEST_KEPT_LINE {
            // Fails only while the thread ends: then nothing needs to be kept.
            let _ = SCRATCH.try_with(|scratch| scratch.set(Some((line, dates))));
        }
    }
}

impl Record {
    fn exchange(&self) -> Exchange<'_> {
        Exchange {
            now: SystemTime::now(),
            method: self.method.as_str(),
            url: match &self.target {
                Target::Unwanted => "",
                Target::Path(path) => path.as_str(),
                Target::Whole(text) => text,
            },
            version: self.version,
            addr: self.addr,
            authorization: self.authorization.as_ref().map(HeaderValue::as_bytes),
            referrer: self.referrer.as_ref().map(HeaderValue::as_bytes),
            agent: self.agent.as_ref().map(HeaderValue::as_bytes),
            request_headers: &self.request_headers,
            answer: self.head.as_ref().map(|head| Answer {
                status: head.status.as_u16(),
                elapsed: head.elapsed,
                length: match &head.length {
                    KeptLength::Unknown => None,
                    KeptLength::Header(value) => Some(Length::Header(value.as_bytes())),
                    KeptLength::Exact(length) => Some(Length::Exact(*length)),
                },
                headers: &head.headers,
                request_id: head.request_id.as_deref(),
            }),
            total: self.started.filter(|_| self.setup.plan.wants.total_time).map(|started| started.elapsed()),
            bytes: self.bytes,
            aborted: !self.complete,
        }
    }
}

impl Target {
    fn of<B>(request: &Request<B>) -> Self {
        let uri = request.uri();
        // HTTP/2 has no absolute form: scheme and authority are fields of their own.
        let path_only = uri.scheme().is_none() || request.version() >= Version::HTTP_2;
        match uri.path_and_query() {
            Some(path) if path_only => Self::Path(path.clone()),
            _ => Self::Whole(uri.to_string()),
        }
    }
}

impl KeptLength {
    fn number(&self) -> Option<u64> {
        match self {
            Self::Unknown => None,
            Self::Header(value) => value.to_str().ok()?.parse().ok(),
            Self::Exact(length) => Some(*length),
        }
    }
}

/// All values of a header as one, the way Node joins them; empty if there are none.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Vec<u8> {
    let separator: &[u8] = if *name == COOKIE { b"; " } else { b", " };
    let values: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    values.join(separator)
}

/// The header that RFC 9110 §10.1.3 misspells, spelt right: morgan reads both.
const REFERRER: HeaderName = HeaderName::from_static("referrer");

/// A buffer that grew beyond this for one long line is not kept for the next.
const LARGEST_KEPT_LINE: usize = 16 * 1024;

thread_local! {
    /// The buffer for lines and the dates already written, of each thread.
    static SCRATCH: Cell<Option<(Vec<u8>, DateCache)>> = const { Cell::new(None) };
}
