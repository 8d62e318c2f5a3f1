//! What RFC 9112 and RFC 9110 ask of a server on the wire, as tables of raw bytes in the RFCs' order.
//!
//! In: [`Case`]s. Each is sent whole, byte by byte, and, if it is short, in every two pieces, over plain TCP and over
//! TLS. Behind its bytes comes one request more: it must be answered where the connection is to go on, and must not
//! be looked at where it is to end. Out: nothing, if all is as the tables say. What cannot be made right is listed in
//! `expected.toml`, with the reason; a case in it that passes fails the test.

mod node;
mod rfc9110;
mod s2_message;
mod s3_request_line;
mod s5_fields;
mod s6_body;
mod s7_chunked;
mod s9_connection;
mod sizes;
mod wire;

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::routing::any;
use http_body_util::BodyExt;
use narae_server::Limits;
use serde::Deserialize;

use crate::client::{Client, Over};
use crate::site::{Site, routes};
use wire::Answers;

/// What becomes of the connection after the answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    Stays,
    Closes,
}

pub use Then::{Closes, Stays};

/// Bytes and what is due for them.
pub struct Case {
    /// Where the rule stands.
    pub section: &'static str,
    /// What the rule says, and the case's name in `expected.toml`.
    pub name: String,
    pub bytes: Vec<u8>,
    /// The answers' statuses, in order; interim ones too.
    pub statuses: Vec<u16>,
    pub then: Then,
    /// What the last answer's body contains.
    pub seen: Option<String>,
    /// What some answer's head contains, in lower case.
    pub field: Option<&'static str>,
    /// What no answer's head contains.
    pub no_field: Option<&'static str>,
    /// The client ends its side after its bytes.
    pub ends: bool,
}

/// A case, with the fewest words: for tables.
pub fn case(
    section: &'static str,
    name: impl Into<String>,
    bytes: impl AsRef<[u8]>,
    statuses: &[u16],
    then: Then,
) -> Case {
    Case {
        section,
        name: name.into(),
        bytes: bytes.as_ref().to_vec(),
        statuses: statuses.to_vec(),
        then,
        seen: None,
        field: None,
        no_field: None,
        ends: false,
    }
}

impl Case {
    /// The last answer's body has this text.
    pub fn seen(mut self, text: impl Into<String>) -> Self {
        self.seen = Some(text.into());
        self
    }

    /// Some answer's head has this text.
    pub fn field(mut self, text: &'static str) -> Self {
        self.field = Some(text);
        self
    }

    /// No answer's head has this text.
    pub fn no_field(mut self, text: &'static str) -> Self {
        self.no_field = Some(text);
        self
    }

    /// The client ends its side after the bytes, and nothing follows.
    pub fn ends(mut self) -> Self {
        self.ends = true;
        self
    }
}

/// How a case's bytes are cut into writes.
#[derive(Clone, Copy, Debug)]
enum Pieces {
    Whole,
    Each(usize),
    Two(usize),
}

/// Inputs up to this size are sent in every two pieces.
const SHORT: usize = 300;
/// Inputs above this size are not sent byte by byte: that is a matter of a head's grammar, not of its size.
const LONG: usize = 1500;

const LAST: &str = "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

static SMUGGLED_IN: AtomicUsize = AtomicUsize::new(0);

/// Runs every case in every way; fails with all that is wrong.
#[track_caller]
pub fn check(cases: &[Case]) {
    let work: Vec<(usize, Over, Pieces)> = cases.iter().enumerate().flat_map(ways).collect();
    let (next, faults) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let failed: Vec<AtomicUsize> = cases.iter().map(|_| AtomicUsize::new(0)).collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let site = Site::on(site_routes(), Limits::default(), 1);
                while let Some((index, over, pieces)) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let case = &cases[*index];
                    let Err(fault) = run(&site, case, *over, *pieces) else { continue };
                    if failed[*index].fetch_add(1, Ordering::Relaxed) == 0 && expected(case).is_none() {
                        let sent = String::from_utf8_lossy(&case.bytes[..case.bytes.len().min(SHORT)]);
                        faults.lock().unwrap().push(format!(
                            "{} {}: {fault} ({over:?}, {pieces:?})\n    sent {sent:?}",
                            case.section, case.name
                        ));
                    }
                }
            });
        }
    });
    let mut faults = faults.into_inner().unwrap();
    for (case, failed) in cases.iter().zip(failed) {
        if let (Some(known), 0) = (expected(case), failed.into_inner()) {
            faults.push(format!("{} passes now, though {} ({})", case.name, known.reason, known.upstream));
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    assert_eq!(SMUGGLED_IN.load(Ordering::Relaxed), 0, "bytes behind a bad message became a request");
}

fn ways((index, case): (usize, &Case)) -> Vec<(usize, Over, Pieces)> {
    let each = if case.bytes.len() <= LONG { 1 } else { LONG };
    let mut ways = vec![
        (index, Over::Plain, Pieces::Whole),
        (index, Over::Tls, Pieces::Whole),
        (index, Over::Plain, Pieces::Each(each)),
        (index, Over::Tls, Pieces::Each(each)),
    ];
    if case.bytes.len() <= SHORT {
        ways.extend((1..case.bytes.len()).map(|cut| (index, Over::Plain, Pieces::Two(cut))));
    }
    ways
}

/// Asks one case in one way.
fn run(site: &Site, case: &Case, over: Over, pieces: Pieces) -> Result<(), String> {
    let mut client = Client::connect(site, over);
    let tail = match case.then {
        _ if case.ends => "",
        Stays => LAST,
        Closes => SMUGGLED,
    };
    // A server that has ended its side still reads for a while; whatever it says of a write, its answer counts.
    let _ = send(&mut client, &case.bytes, pieces).and_then(|()| match case.ends {
        true => {
            client.end();
            Ok(())
        }
        false => client.try_send(tail.as_bytes()),
    });
    let text = client.rest().map_err(|error| format!("no clean end: {error}"))?;
    let answers = Answers::read(&case.bytes, &text)?;
    let mut want = case.statuses.clone();
    if case.then == Stays && !case.ends {
        want.push(200);
        if !text.ends_with("\r\n\r\nlast") {
            return Err(format!("the next request is not answered: {text:?}"));
        }
    }
    if answers.statuses() != want {
        return Err(format!("{:?} instead of {want:?}: {text:?}", answers.statuses()));
    }
    let own = &answers.0[..case.statuses.len()];
    if let Some(seen) = &case.seen
        && !own.last().is_some_and(|answer| answer.body.contains(seen.as_str()))
    {
        return Err(format!("{seen:?} is not in {own:?}"));
    }
    let has = |text: &str| own.iter().any(|answer| answer.head.to_ascii_lowercase().contains(text));
    match (case.field, case.no_field) {
        (Some(text), _) if !has(text) => Err(format!("{text:?} is not in {own:?}")),
        (_, Some(text)) if has(text) => Err(format!("{text:?} is in {own:?}")),
        _ => Ok(()),
    }
}

fn send(client: &mut Client, bytes: &[u8], pieces: Pieces) -> std::io::Result<()> {
    match pieces {
        Pieces::Whole => client.try_send(bytes),
        Pieces::Each(size) => bytes.chunks(size).try_for_each(|piece| client.try_send(piece)),
        Pieces::Two(at) => client.try_send(&bytes[..at]).and_then(|()| client.try_send(&bytes[at..])),
    }
}

fn site_routes() -> Router {
    routes()
        .route("/last", any(|| async { "last" }))
        .route("/all", any(all))
        .route(
            "/smuggled",
            any(|| async {
                SMUGGLED_IN.fetch_add(1, Ordering::Relaxed);
                "smuggled"
            }),
        )
        .route("/teapot", any(|| async { (axum::http::StatusCode::IM_A_TEAPOT, "short and stout") }))
        .route("/pieces", any(|| async { pieces(&["hel", "lo"]) }))
        .route("/204", any(|| async { axum::http::StatusCode::NO_CONTENT }))
        .route("/304", any(|| async { axum::http::StatusCode::NOT_MODIFIED }))
}

/// A body whose length nobody knows before its end.
fn pieces(parts: &'static [&'static str]) -> Body {
    Body::from_stream(futures_util::stream::iter(parts.iter().map(|part| Ok::<_, Infallible>(*part))))
}

/// All that a handler can see: method, target, version, fields, body, trailers; 400 for a broken body.
async fn all(request: Request) -> Result<String, (axum::http::StatusCode, &'static str)> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| (axum::http::StatusCode::BAD_REQUEST, "broken body"))?;
    let show = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
        format!("{name}={}", String::from_utf8_lossy(value.as_bytes()))
    };
    let fields: Vec<String> = head.headers.iter().map(show).collect();
    let trailers: Vec<String> =
        body.trailers().iter().flat_map(|trailers| trailers.iter()).map(show).collect();
    let body: Bytes = body.to_bytes();
    Ok(format!(
        "{} {} {:?} [{}] [{}] [{}]",
        head.method,
        head.uri,
        head.version,
        fields.join("; "),
        String::from_utf8_lossy(&body),
        trailers.join("; ")
    ))
}

/// A case that is known to fail.
#[derive(Deserialize)]
struct Known {
    name: String,
    reason: String,
    upstream: String,
}

#[derive(Deserialize)]
struct KnownCases {
    #[serde(default)]
    case: Vec<Known>,
}

fn expected(case: &Case) -> Option<&'static Known> {
    static KNOWN: OnceLock<KnownCases> = OnceLock::new();
    let known = KNOWN.get_or_init(|| toml::from_str(include_str!("expected.toml")).unwrap());
    known.case.iter().find(|known| known.name == case.name)
}

/// Every table, in the RFCs' order.
fn tables() -> Vec<Case> {
    let tables = [
        s2_message::cases,
        s3_request_line::cases,
        s5_fields::cases,
        s6_body::cases,
        s7_chunked::cases,
        s9_connection::cases,
        rfc9110::cases,
        sizes::cases,
    ];
    tables.into_iter().flat_map(|cases| cases()).collect()
}

#[test]
fn there_are_at_least_250_cases_and_each_has_a_name_of_its_own() {
    let mut names: Vec<String> = tables().into_iter().map(|case| case.name).collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count, "a name is used twice");
    assert!(count >= 250, "{count}");
    println!("{count} cases");
}
