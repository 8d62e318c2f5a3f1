//! Answers one request: from method and path to status, headers and body (RFC 9110 §9.3.1, §13.2, §14.2, §15).
//!
//! In: the head of a request and whether waiting is allowed. Out: a whole response, or `WouldWait`.
//! Owns the order of the checks and what stands in for a file that is not there; the rules themselves live in `path`,
//! `selection`, `conditional` and `range`. Must not know threads, futures or where the service is mounted.

use http::{
    HeaderMap, HeaderValue, Method, Response, StatusCode, Version, header, request::Parts, uri::Scheme,
};

use crate::{
    accept_encoding::Accepted,
    body::{Body, Part as FilePart, Segment},
    conditional::{self, Verdict},
    listing,
    memory::{Kept, Memory, Moment},
    multipart::Multipart,
    open_file::{Opened, Pace},
    options::Options,
    path::FilePath,
    range::{self, Part, Wanted},
    redirect,
    refusal::{self, Refusal},
    representation::{Content, Representation},
    root::{Missed, Root},
    selection::{Found, Selector},
};

/// The kernel would have had to wait, or there is much to do: the same request must be answered where that is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WouldWait;

/// Answers `asked`. At [`Pace::MayWait`] the result is never `WouldWait`.
pub(crate) fn answer(
    root: &Root,
    options: &Options,
    memory: Option<&Memory>,
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
    let accepted =
        if options.negotiates_encoding() { Accepted::of(&asked.headers) } else { Accepted::IDENTITY };
    let select = Selector { root, options, memory, accepted, pace, now: Moment::now() };
    match find(&select, asked) {
        Ok(response) => Ok(response),
        Err(Missed::Refused(refusal)) => Ok(refusal.into_response(is_head)),
        Err(Missed::Unsteady) => Ok(Refusal::TryLater.into_response(is_head)),
        Err(Missed::WouldWait) => Err(WouldWait),
    }
}

fn find(select: &Selector<'_>, asked: &Parts) -> Result<Response<Body>, Missed> {
    let path = FilePath::parse(asked.uri.path().as_bytes(), select.options.dotfiles);
    let found = match &path {
        Ok(path) if path.is_folder() => folder(select, path, asked),
        Ok(path) => file(select, path, asked),
        Err(refusal) => Err((*refusal).into()),
    };
    match found {
        Err(Missed::Refused(Refusal::NotFound)) => instead(select, path.ok().as_ref(), asked),
        decided => decided,
    }
}

fn file(select: &Selector<'_>, path: &FilePath, asked: &Parts) -> Result<Response<Body>, Missed> {
    match select.find(path.as_bytes()) {
        Ok(Found::File(kept)) => return send(&kept, select, asked),
        Ok(Found::Folder) if select.options.redirects => {
            return Ok(redirect::to_folder(path.last_name(), asked.uri.query())?);
        }
        Ok(Found::Folder) => return Err(Refusal::NotFound.into()),
        Err(Missed::Refused(Refusal::NotFound)) if !path.has_extension() => {}
        Err(missed) => return Err(missed),
    }
    let candidates = select.options.extensions.iter().map(|extension| path.with_extension(extension));
    send_first(select, candidates, asked)
}

fn folder(select: &Selector<'_>, path: &FilePath, asked: &Parts) -> Result<Response<Body>, Missed> {
    let candidates = select.options.index.iter().map(|index| path.with_index(index));
    match send_first(select, candidates, asked) {
        Err(Missed::Refused(Refusal::NotFound)) if select.options.listing => {}
        decided => return decided,
    }
    match select.root.open_beneath(path.as_bytes(), select.pace)? {
        Opened::Folder(_) if select.pace == Pace::NoWait => Err(Missed::WouldWait),
        Opened::Folder(folder) => {
            listing::answer(select.root, select.options, &folder, path.as_bytes(), asked)
        }
        Opened::File(_) | Opened::Other => Err(Refusal::NotFound.into()),
    }
}

/// Sends the first candidate that is a file.
fn send_first(
    select: &Selector<'_>,
    candidates: impl Iterator<Item = Vec<u8>>,
    asked: &Parts,
) -> Result<Response<Body>, Missed> {
    for candidate in candidates {
        match select.find(&candidate) {
            Ok(Found::File(kept)) => return send(&kept, select, asked),
            Ok(Found::Folder) | Err(Missed::Refused(Refusal::NotFound)) => {}
            Err(missed) => return Err(missed),
        }
    }
    Err(Refusal::NotFound.into())
}

/// What is sent where nothing is: the single page for what may be one of its routes, or the page that says so.
fn instead(select: &Selector<'_>, path: Option<&FilePath>, asked: &Parts) -> Result<Response<Body>, Missed> {
    let options = select.options;
    if let (Some(page), Some(path)) = (&options.single_page, path)
        && !path.has_extension()
        && let Some(kept) = page_at(select, page)?
    {
        return send(&kept, select, asked);
    }
    if let Some(page) = &options.not_found
        && let Some(kept) = page_at(select, page)?
    {
        return Ok(send_not_found(&kept.representation, asked));
    }
    Err(Refusal::NotFound.into())
}

fn page_at(select: &Selector<'_>, page: &str) -> Result<Option<std::sync::Arc<Kept>>, Missed> {
    match select.find(page.as_bytes()) {
        Ok(Found::File(kept)) => Ok(Some(kept)),
        Ok(Found::Folder) | Err(Missed::Refused(Refusal::NotFound)) => Ok(None),
        Err(missed) => Err(missed),
    }
}

fn send(kept: &Kept, select: &Selector<'_>, asked: &Parts) -> Result<Response<Body>, Missed> {
    let representation = &kept.representation;
    match conditional::evaluate(&asked.headers, representation.validators()) {
        Verdict::Failed => return Err(Refusal::PreconditionFailed.into()),
        Verdict::NotModified => return Ok(not_modified(representation)),
        Verdict::Proceed => {}
    }
    // Ranges are defined for GET alone (RFC 9110 §14.2).
    let is_head = asked.method == Method::HEAD;
    let mut wanted = if select.options.ranges
        && !is_head
        && conditional::allows_range(&asked.headers, representation.validators())
    {
        range::wanted(&asked.headers, representation.len())
    } else {
        Wanted::Whole
    };
    let mut headers = representation.headers().clone();
    // A client that decodes what `Content-Encoding` says would decode the text between the parts too.
    if matches!(wanted, Wanted::Several(_)) && headers.contains_key(header::CONTENT_ENCODING) {
        wanted = Wanted::Whole;
    }
    let (status, body) = match wanted {
        Wanted::Whole if is_head => (StatusCode::OK, Body::empty()),
        Wanted::Whole => (StatusCode::OK, whole(representation)),
        Wanted::One(part) => {
            let range = format!("bytes {}-{}/{}", part.start, part.last, representation.len());
            insert_text(&mut headers, header::CONTENT_RANGE, range);
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(part.len()));
            let body = match segment(representation, part) {
                Segment::Bytes(bytes) => Body::whole(bytes),
                Segment::Part(part) => Body::part(part),
            };
            (StatusCode::PARTIAL_CONTENT, body)
        }
        Wanted::Several(parts) => {
            (StatusCode::PARTIAL_CONTENT, several(representation, &parts, &mut headers))
        }
        Wanted::Unsatisfiable => return Err(Refusal::RangeNotSatisfiable(representation.len()).into()),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    if !is_head
        && is_plain_http1(asked)
        && let Some(memory) = select.memory
        && let Some(content) = kept.in_file(memory)
    {
        response.extensions_mut().insert(content);
    }
    Ok(response)
}

/// Whether the peer gets the bytes of the body as they are, so that the kernel may send them.
fn is_plain_http1(asked: &Parts) -> bool {
    asked.version <= Version::HTTP_11 && asked.extensions.get::<Scheme>() != Some(&Scheme::HTTPS)
}

fn whole(representation: &Representation) -> Body {
    match representation.content() {
        Content::Memory(bytes) => Body::whole(bytes.clone()),
        Content::File(file) => Body::part(FilePart::new(file.clone(), 0, file.len())),
    }
}

fn segment(representation: &Representation, part: Part) -> Segment {
    match representation.content() {
        Content::Memory(bytes) => {
            let at = |position: u64| usize::try_from(position).unwrap_or(usize::MAX).min(bytes.len());
            Segment::Bytes(bytes.slice(at(part.start)..at(part.last + 1)))
        }
        Content::File(file) => Segment::Part(FilePart::new(file.clone(), part.start, part.last + 1)),
    }
}

fn several(representation: &Representation, parts: &[Part], headers: &mut HeaderMap) -> Body {
    let media_type = headers.get(header::CONTENT_TYPE).cloned();
    let media_type = media_type.unwrap_or_else(|| HeaderValue::from_static("application/octet-stream"));
    let multipart = Multipart::new(parts, representation.len(), &media_type);
    headers.insert(header::CONTENT_TYPE, multipart.content_type);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(multipart.len));
    let heads = multipart.heads.into_iter().map(Segment::Bytes);
    let contents = parts.iter().map(|part| segment(representation, *part));
    let segments = heads.zip(contents).flat_map(|(head, content)| [head, content]);
    Body::several(segments.chain([Segment::Bytes(multipart.end)]))
}

/// What a cache needs to refresh its copy, and nothing about a body (RFC 9110 §15.4.5).
fn not_modified(representation: &Representation) -> Response<Body> {
    let mut response = Response::new(Body::absent());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    *response.headers_mut() = representation.headers_without_content();
    response
}

/// The text is about the request, not a representation of what was asked for: nothing to validate or to part.
fn send_not_found(representation: &Representation, asked: &Parts) -> Response<Body> {
    let mut headers = representation.headers().clone();
    for name in [header::ETAG, header::LAST_MODIFIED, header::ACCEPT_RANGES, header::CACHE_CONTROL] {
        headers.remove(name);
    }
    let body = if asked.method == Method::HEAD { Body::empty() } else { whole(representation) };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::NOT_FOUND;
    *response.headers_mut() = headers;
    response
}

fn insert_text(headers: &mut HeaderMap, name: http::HeaderName, text: String) {
    if let Ok(value) = HeaderValue::try_from(text) {
        headers.insert(name, value);
    }
}

impl From<Refusal> for Missed {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
