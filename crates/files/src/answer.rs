//! Answers one request: from method and path to status, headers and body (RFC 9110 §9.3.1, §13.2, §14.2, §15).
//!
//! In: the head of a request and whether waiting is allowed. Out: a whole response, or `WouldWait`.
//! Owns the order of the checks; the rules themselves live in `path`, `conditional` and `range`. Must not know
//! threads, futures or where the service is mounted.

use std::time::SystemTime;

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, request::Parts};

use crate::{
    body::Body,
    conditional::{self, Verdict},
    content_type,
    open_file::{OpenFile, Opened, Pace, ReadFault},
    path::{Dotfiles, FilePath},
    range::{self, Wanted},
    redirect,
    refusal::{self, Refusal},
    root::{Missed, Root},
    validators::Validators,
};

/// What the application chose.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// The file that stands for its folder.
    pub(crate) index: Option<String>,
    pub(crate) dotfiles: Dotfiles,
    pub(crate) cache_control: Option<HeaderValue>,
}

/// The kernel would have had to wait: the same request must be answered where that is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WouldWait;

/// Answers `asked`. At [`Pace::MayWait`] the result is never `WouldWait`.
pub(crate) fn answer(
    root: &Root,
    options: &Options,
    asked: &Parts,
    pace: Pace,
) -> Result<Response<Body>, WouldWait> {
    let is_head = asked.method == Method::HEAD;
    if asked.method == Method::OPTIONS {
        return Ok(refusal::options());
    }
    if !is_head && asked.method != Method::GET {
        return Ok(Refusal::MethodNotAllowed.into_response(false));
    }
    match find(root, options, asked, pace) {
        Ok(response) => Ok(response),
        Err(Missed::Refused(refusal)) => Ok(refusal.into_response(is_head)),
        Err(Missed::WouldWait) => Err(WouldWait),
    }
}

fn find(root: &Root, options: &Options, asked: &Parts, pace: Pace) -> Result<Response<Body>, Missed> {
    let path = FilePath::parse(asked.uri.path().as_bytes(), options.dotfiles)?;
    let wants_folder = path.is_folder();
    let path = match (wants_folder, &options.index) {
        (false, _) => path,
        (true, Some(index)) => path.with_index(index),
        (true, None) => return Err(Refusal::NotFound.into()),
    };
    match root.open_beneath(path.as_bytes(), pace)? {
        Opened::File(file) => send(file, path.last_name(), options, asked, pace),
        Opened::Folder if !wants_folder => Ok(redirect::to_folder(path.last_name(), asked.uri.query())?),
        // An index that is itself a folder, or nothing that may be read.
        Opened::Folder | Opened::Other => Err(Refusal::NotFound.into()),
    }
}

fn send(
    file: OpenFile,
    name: &[u8],
    options: &Options,
    asked: &Parts,
    pace: Pace,
) -> Result<Response<Body>, Missed> {
    let validators = Validators::new(file.len(), file.modified(), SystemTime::now());
    match conditional::evaluate(&asked.headers, &validators) {
        Verdict::Failed => return Err(Refusal::PreconditionFailed.into()),
        Verdict::NotModified => return Ok(not_modified(&validators, options)),
        Verdict::Proceed => {}
    }
    // Ranges are defined for GET alone (RFC 9110 §14.2).
    let is_head = asked.method == Method::HEAD;
    let wanted = if !is_head && conditional::allows_range(&asked.headers, &validators) {
        range::wanted(&asked.headers, file.len())
    } else {
        Wanted::Whole
    };
    let (start, end) = match wanted {
        Wanted::Whole => (0, file.len()),
        Wanted::Part { start, last } => (start, last + 1),
        Wanted::Unsatisfiable => return Err(Refusal::RangeNotSatisfiable(file.len()).into()),
    };
    let mut headers = HeaderMap::with_capacity(8);
    put_validators(&mut headers, &validators, options);
    headers.insert(header::CONTENT_TYPE, content_type::of(name));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(end - start));
    let mut status = StatusCode::OK;
    if let Wanted::Part { start, last } = wanted
        && let Ok(value) = HeaderValue::try_from(format!("bytes {start}-{last}/{}", file.len()))
    {
        headers.insert(header::CONTENT_RANGE, value);
        status = StatusCode::PARTIAL_CONTENT;
    }
    let body = if is_head { Body::empty() } else { read(file, start, end, pace)? };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

/// Small parts are read before the head is sent, so that both leave together and a fault still has a status;
/// the rest is read while it is sent.
fn read(file: OpenFile, start: u64, end: u64, pace: Pace) -> Result<Body, Missed> {
    let Some(len) = usize::try_from(end - start).ok().filter(|len| *len <= SMALL_BYTES) else {
        return Ok(Body::part(file, start, end));
    };
    match file.read(start, len, pace) {
        Ok(bytes) => Ok(Body::whole(bytes)),
        Err(ReadFault::WouldWait) => Err(Missed::WouldWait),
        Err(ReadFault::Shrunk) => Err(Refusal::TryLater.into()),
        Err(ReadFault::Failed(errno)) => {
            tracing::error!("static files: cannot read an open file: {errno}");
            Err(Refusal::FileSystemFailed.into())
        }
    }
}

/// What a cache needs to refresh its copy, and nothing about a body (RFC 9110 §15.4.5).
fn not_modified(validators: &Validators, options: &Options) -> Response<Body> {
    let mut response = Response::new(Body::absent());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    put_validators(response.headers_mut(), validators, options);
    response
}

fn put_validators(headers: &mut HeaderMap, validators: &Validators, options: &Options) {
    if let Some(etag) = validators.etag_header() {
        headers.insert(header::ETAG, etag);
    }
    if let Some(date) = validators.last_modified_header() {
        headers.insert(header::LAST_MODIFIED, date);
    }
    if let Some(policy) = &options.cache_control {
        headers.insert(header::CACHE_CONTROL, policy.clone());
    }
}

impl From<Refusal> for Missed {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

const SMALL_BYTES: usize = 64 * 1024;
