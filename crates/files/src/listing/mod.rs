//! Answers for a folder with what is in it: a page for people, JSON for programs.
//!
//! In: an open folder, its path and the request. Out: a whole response. `read` looks into the folder, `page` and
//! `json` write; the order of rows is decided here. Takes its time: never on an event loop.

mod json;
mod page;
mod read;

use std::{
    os::fd::OwnedFd,
    sync::atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, header, request::Parts};

use crate::{
    accept_encoding,
    body::Body,
    open_file::Modified,
    options::Options,
    place::Place,
    refusal::Refusal,
    representation::NOSNIFF,
    root::{Missed, Root},
};

/// A name in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    // Not empty; without slash and NUL. May be anything but UTF-8.
    name: Vec<u8>,
    is_folder: bool,
    /// Bytes; 0 for a folder.
    len: u64,
    modified: Modified,
}

/// What a folder holds, in order.
#[derive(Debug)]
struct Listing {
    entries: Vec<Entry>,
    /// How many more there are.
    left_out: usize,
}

/// By what the rows are ordered. Folders always stand first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Name,
    Size,
    Modified,
}

/// What the query asks for: `?sort=name|size|modified&order=asc|desc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Order {
    by: Sort,
    descends: bool,
}

/// Lists `folder`, which is at the clean path `path` beneath the root.
pub(crate) fn answer(
    root: &Root,
    options: &Options,
    folder: &OwnedFd,
    path: &[u8],
    asked: &Parts,
) -> Result<Response<Body>, Missed> {
    let Some(_place) = Place::take(&AT_WORK, MOST_AT_WORK) else { return Err(Refusal::TryLater.into()) };
    let order = Order::of(asked.uri.query().unwrap_or_default());
    let mut listing = read::listing(root, folder, path, options.dotfiles, MOST_ENTRIES)?;
    order.sort(&mut listing.entries);
    let (media_type, text) = match wants_json(&asked.headers) {
        true => (JSON, json::text(&listing)),
        false => (HTML, page::text(&listing, path, order)),
    };
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(header::CONTENT_TYPE, media_type);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(text.len()));
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    let body = if asked.method == Method::HEAD { Body::empty() } else { Body::whole(held(text)?) };
    let mut response = Response::new(body);
    *response.headers_mut() = headers;
    Ok(response)
}

/// A page, counted until it is sent: slow peers must not hold any number of them.
struct Page(Vec<u8>);

fn held(text: String) -> Result<Bytes, Refusal> {
    let page = Page(text.into_bytes());
    let before = HELD.fetch_add(page.0.len(), Ordering::Relaxed);
    if before > MOST_HELD { Err(Refusal::TryLater) } else { Ok(Bytes::from_owner(page)) }
}

impl AsRef<[u8]> for Page {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        HELD.fetch_sub(self.0.len(), Ordering::Relaxed);
    }
}

/// Folders that are read now.
static AT_WORK: AtomicUsize = AtomicUsize::new(0);
/// Bytes of pages on their way.
static HELD: AtomicUsize = AtomicUsize::new(0);

impl Order {
    /// What the query does not say, or says in other words, is by name from A to Z.
    fn of(query: &str) -> Self {
        let value = |key: &str| {
            query
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .find(|(name, _)| *name == key)
                .map(|pair| pair.1)
        };
        let by = match value("sort") {
            Some("size") => Sort::Size,
            Some("modified") => Sort::Modified,
            _ => Sort::Name,
        };
        Self { by, descends: value("order") == Some("desc") }
    }

    fn sort(self, entries: &mut [Entry]) {
        entries.sort_by_cached_key(|entry| {
            (!entry.is_folder, entry.name.to_ascii_lowercase(), entry.name.clone())
        });
        // Stable: rows that are equal stay ordered by name.
        match (self.by, self.descends) {
            (Sort::Name, false) => {}
            (Sort::Name, true) => {
                entries.reverse();
                entries.sort_by_key(|entry| !entry.is_folder);
            }
            (Sort::Size, false) => entries.sort_by_key(|entry| (!entry.is_folder, entry.len)),
            (Sort::Size, true) => entries.sort_by_key(|entry| (!entry.is_folder, u64::MAX - entry.len)),
            (Sort::Modified, false) => entries.sort_by_key(|entry| (!entry.is_folder, entry.modified)),
            (Sort::Modified, true) => {
                entries.sort_by_key(|entry| (!entry.is_folder, std::cmp::Reverse(entry.modified)));
            }
        }
    }
}

/// Whether `Accept` ranks `application/json` above `text/html` (RFC 9110 §12.5.1).
fn wants_json(headers: &HeaderMap) -> bool {
    let mut json = None;
    let mut html = None;
    for line in headers.get_all(header::ACCEPT) {
        for element in String::from_utf8_lossy(line.as_bytes()).split(',') {
            let mut parts = element.split(';').map(str::trim);
            let range = parts.next().unwrap_or_default();
            // Other parameters may stand before the weight (RFC 9110 §12.5.1).
            let is_weight = |parameter: &&str| parameter.starts_with(['q', 'Q']);
            let weight =
                parts.find(is_weight).map_or(Some(1000), |weight| accept_encoding::weight(weight.as_bytes()));
            let Some(weight) = weight else { continue };
            // The more exact range counts; each kind of page is named exactly, by its group, or by `*/*`.
            let note = |slot: &mut Option<(u8, u16)>, exact: &str, group: &str| {
                let exactness = match range {
                    _ if range.eq_ignore_ascii_case(exact) => 3,
                    _ if range.eq_ignore_ascii_case(group) => 2,
                    "*/*" => 1,
                    _ => return,
                };
                if slot.is_none_or(|(known, _)| exactness > known) {
                    *slot = Some((exactness, weight));
                }
            };
            note(&mut json, "application/json", "application/*");
            note(&mut html, "text/html", "text/*");
        }
    }
    let weight = |slot: Option<(u8, u16)>| slot.map_or(0, |(_, weight)| weight);
    weight(json) > weight(html)
}

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
// The page needs its own style and nothing else, whatever the names of files are.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
// More rows help nobody and cost memory.
const MOST_ENTRIES: usize = 10_000;
// Two seconds of a processor for ten thousand rows are gone soon; more at once would take all of them.
const MOST_AT_WORK: usize = 4;
const MOST_HELD: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, is_folder: bool, len: u64, seconds: i64) -> Entry {
        Entry { name: name.into(), is_folder, len, modified: Modified { seconds, nanoseconds: 0 } }
    }

    #[test]
    fn folders_stand_first_and_the_query_orders_the_rest() {
        let check = |query: &str, expected: &str| {
            let mut entries = [
                entry("b", false, 1, 30),
                entry("A", false, 2, 20),
                entry("c", false, 2, 10),
                entry("z", true, 0, 40),
                entry("Y", true, 0, 50),
            ];
            Order::of(query).sort(&mut entries);
            let names: Vec<u8> = entries.iter().flat_map(|entry| entry.name.clone()).collect();
            assert_eq!(String::from_utf8_lossy(&names), expected, "{query}");
        };
        check("", "YzAbc");
        check("sort=name&order=desc", "zYcbA");
        check("sort=size", "YzbAc");
        check("order=desc&sort=size", "YzAcb");
        check("sort=modified", "zYcAb");
        check("sort=modified&order=desc", "YzbAc");
        check("sort=<script>&order=up&&=", "YzAbc");
    }

    #[test]
    fn json_is_sent_to_those_who_rank_it_higher() {
        let check = |accept: &str, expected: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            assert_eq!(wants_json(&headers), expected, "{accept}");
        };
        check("application/json", true);
        check("Application/JSON; q=0.5, text/html; q=0.4", true);
        check("application/*", true);
        check("application/json, */*;q=0.1", true);
        check("*/*", false);
        check("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", false);
        check("application/json, text/html", false);
        check("application/json;q=0, */*", false);
        check("application/json;q=x", false);
        check("", false);
        assert!(!wants_json(&HeaderMap::new()));
    }
}
