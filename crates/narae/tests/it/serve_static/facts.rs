//! What is compared of two answers, and what is not.
//!
//! In: a case and narae's answer. Out: the differences. Not compared: the text of an error or a redirect with its type
//! and length, and how an `ETag` is written, since narae's is strong and exact to the nanosecond.

use std::fmt;

use super::tree::Tree;
use super::{Answered, Case};
use crate::wire::Reply;

#[derive(Debug, PartialEq, Eq)]
pub struct Difference {
    pub of: Of,
    pub nodes: String,
    pub ours: String,
}

/// What differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// The case has no request that narae could be sent.
    Asking,
    Status,
    Body,
    MediaType,
    Charset,
    ContentLength,
    ContentRange,
    AcceptRanges,
    CacheControl,
    /// Where it leads, not how it is written: narae's are relative.
    Location,
    LastModified,
    /// Whether there is one.
    ETag,
    Allow,
}

impl Difference {
    pub fn not_asked() -> Self {
        Self { of: Of::Asking, nodes: String::new(), ours: String::new() }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is {:?}, in Node {:?},", self.of, self.ours, self.nodes)
    }
}

pub fn differences(case: &Case, reply: &Reply, tree: &Tree) -> Vec<Difference> {
    let nodes = &case.response;
    let mut found = Vec::new();
    let mut compare = |of: Of, nodes: String, ours: String| {
        if nodes != ours {
            found.push(Difference { of, nodes, ours });
        }
    };
    compare(Of::Status, nodes.status.to_string(), reply.status.to_string());
    if nodes.status != reply.status {
        // Then the rest is about something else.
        return found;
    }
    let pair = |name: &str| (text(nodes.field(name)), text(reply.field(name)));
    for (of, name) in [
        (Of::ContentRange, "content-range"),
        (Of::CacheControl, "cache-control"),
        (Of::AcceptRanges, "accept-ranges"),
        (Of::LastModified, "last-modified"),
        (Of::Allow, "allow"),
    ] {
        let (nodes, ours) = pair(name);
        compare(of, nodes, ours);
    }
    let sent = |tag: Option<&str>| tag.map_or("absent", |_| "sent").to_owned();
    compare(Of::ETag, sent(nodes.field("etag")), sent(reply.field("etag")));
    let leads_to = |location: Option<&str>| text(location.map(|to| resolved(&case.target, to)).as_deref());
    compare(Of::Location, leads_to(nodes.field("location")), leads_to(reply.field("location")));
    let has_content = matches!(nodes.status, 200 | 206);
    if has_content {
        let ((nodes_type, nodes_charset), (our_type, our_charset)) =
            (media_type(nodes.field("content-type")), media_type(reply.field("content-type")));
        compare(Of::MediaType, nodes_type, our_type);
        compare(Of::Charset, nodes_charset, our_charset);
    }
    if has_content || nodes.status == 304 {
        let (nodes, ours) = pair("content-length");
        compare(Of::ContentLength, nodes, ours);
    }
    if has_content && case.method != "HEAD" {
        let readable = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let body = body(nodes, tree);
        if body != reply.body {
            compare(Of::Body, readable(&body), readable(&reply.body));
        }
    }
    found
}

fn text(value: Option<&str>) -> String {
    value.unwrap_or("absent").to_owned()
}

fn body(nodes: &Answered, tree: &Tree) -> Vec<u8> {
    match (&nodes.body, &nodes.body_sha256) {
        (Some(text), _) => text.chars().map(|byte| u8::try_from(u32::from(byte)).unwrap()).collect(),
        (None, Some(sha256)) => tree.content(sha256).to_vec(),
        (None, None) => panic!("a case without a body"),
    }
}

/// The media type and its charset, both in small letters.
fn media_type(value: Option<&str>) -> (String, String) {
    let value = value.unwrap_or("absent").to_ascii_lowercase();
    let (media_type, rest) = value.split_once(';').unwrap_or((&value, ""));
    let charset = rest.trim().strip_prefix("charset=").unwrap_or("absent");
    (media_type.to_owned(), charset.to_owned())
}

/// What `reference` means to a client that asked for `target` (RFC 3986 §5.2), for the forms that occur here.
fn resolved(target: &str, reference: &str) -> String {
    match reference.strip_prefix("./") {
        Some(beside) => {
            let path = target.split('?').next().unwrap();
            format!("{}{beside}", &path[..=path.rfind('/').unwrap()])
        }
        None => reference.to_owned(),
    }
}
