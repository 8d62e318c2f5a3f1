//! HTTP/2 and HPACK on the wire: what a scripted peer sends, and what must come back (RFC 9113, RFC 7541).
//!
//! Cases are data: a sentence, the bytes after the client's preface, and what is due, which is one of
//!
//! - `GOAWAY <code>`, and the connection ends;
//! - `<stream>: RST_STREAM <code>`, and the connection goes on;
//! - `<stream>: <status>`;
//! - `nothing`;
//!
//! several with commas between, and alternatives with `or`. After each case that leaves the connection open
//! another request must be served. Where the engine falls short, `conformance/expected-h2.toml` says what it does
//! instead and why; a case that is listed there and passes is a failure too.

mod attacks;
pub mod block;
mod bounded;
mod flow;
pub mod frames;
pub mod peer;
mod rfc7541;
mod s3_s4_preface_and_frames;
mod s5_streams;
mod s6_9_windows;
mod s6_frame_types;
mod s8_fields;
mod s8_messages;

use std::collections::{BTreeMap, BTreeSet};

use axum::routing::any;

use crate::client::{BOTH, Over};
use crate::site::{Site, routes};
use narae_server::Limits;

/// What is sent and what must come back.
pub struct Case {
    name: &'static str,
    start: Start,
    bytes: Vec<u8>,
    due: &'static str,
}

/// Where a case begins.
#[derive(Clone, Copy)]
pub enum Start {
    /// With the connection's first byte.
    Nothing,
    /// When both sides have each other's settings and the server has opened its windows.
    Opened,
}

/// Frames on a connection that is open.
pub fn case(name: &'static str, frames: &[Vec<u8>], due: &'static str) -> Case {
    Case { name, start: Start::Opened, bytes: frames.concat(), due }
}

/// Bytes in place of the client's preface.
pub fn opening_case(name: &'static str, bytes: Vec<u8>, due: &'static str) -> Case {
    Case { name, start: Start::Nothing, bytes, due }
}

/// The error that a malformed message is (§8.1.1). An answer before it is allowed.
pub const MALFORMED: &str = "1: RST_STREAM PROTOCOL_ERROR or 1: 400";

/// Routes for the cases: `/hold` takes any request and answers never.
pub fn site(limits: Limits) -> Site {
    let hold = any(|body: axum::body::Body| async move {
        let _unread = body;
        std::future::pending::<()>().await;
    });
    Site::with(routes().route("/hold", hold), limits)
}

/// A case that the engine answers otherwise than it is due.
struct Known {
    got: String,
}

fn known() -> BTreeMap<String, Known> {
    let table: toml::Table = include_str!("../../../../../conformance/expected-h2.toml").parse().unwrap();
    let text = |entry: &toml::Value, key: &str| {
        let text = entry.get(key).and_then(toml::Value::as_str).unwrap_or_default().to_owned();
        assert!(!text.is_empty(), "an entry without {key}: {entry}");
        text
    };
    let entries = table.get("deviation").and_then(toml::Value::as_array).cloned().unwrap_or_default();
    let mut known = BTreeMap::new();
    for entry in &entries {
        // The reason and the place upstream are for readers; they must be there.
        let (got, _, _) = (text(entry, "got"), text(entry, "reason"), text(entry, "upstream"));
        for name in entry.get("cases").and_then(toml::Value::as_array).unwrap() {
            let name = name.as_str().unwrap().to_owned();
            assert!(known.insert(name.clone(), Known { got: got.clone() }).is_none(), "listed twice: {name}");
        }
    }
    known
}

/// Plays cases over plain TCP and TLS, and names all that went wrong.
#[track_caller]
fn check(cases: &[Case]) {
    let (site, known) = (site(Limits::default()), known());
    let mut faults = Vec::new();
    for (case, over) in cases.iter().flat_map(|case| BOTH.map(|over| (case, over))) {
        // Shown if the test fails, also when it fails by a panic.
        println!("{}, {over:?}", case.name);
        let got = peer::play(&site, over, case.start, &case.bytes);
        faults.extend(fault(case, over, &got, known.get(case.name)));
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

fn fault(case: &Case, over: Over, got: &str, known: Option<&Known>) -> Option<String> {
    let Case { name, due, .. } = case;
    let is_right = due.split(" or ").any(|due| due == got);
    match known {
        None if is_right => None,
        None => Some(format!("{name}, {over:?}: {got}, not {due}")),
        Some(_) if is_right => Some(format!("{name}, {over:?}: passes, but is listed as known to fail")),
        Some(known) if known.got == got => None,
        Some(known) => Some(format!("{name}, {over:?}: {got}, neither {due} nor the known {}", known.got)),
    }
}

fn all_cases() -> Vec<Case> {
    [
        s3_s4_preface_and_frames::cases(),
        s5_streams::cases(),
        s6_frame_types::cases(),
        s6_9_windows::cases(),
        s8_messages::cases(),
        s8_fields::cases(),
        rfc7541::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[test]
fn the_cases_are_many_and_each_name_is_there_once() {
    let cases = all_cases();
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len());
    assert!(names.len() >= 120, "{}", names.len());
}

#[test]
fn every_case_that_is_known_to_fail_exists() {
    let cases = all_cases();
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name).collect();
    for name in known().keys() {
        assert!(names.contains(&**name), "expected-h2.toml lists no case: {name}");
    }
}
