//! Attacks that end with the attacker being cut: floods, resets, header blocks (RFC 9113 §10.5).
//!
//! Each runs while an honest client asks on a connection of its own; every one of its answers must come.

use narae_server::Limits;

use super::block::Block;
use super::bounded::{end_of, flood, name_of_end, under_attack};
use super::frames::*;
use super::{peer, site};
use crate::client::Over;

const CALM: &str = "GOAWAY ENHANCE_YOUR_CALM";

/// A flood of what `batch` gives for each odd number must end so.
#[track_caller]
fn check(name: &str, batches: u32, batch: impl Fn(u32) -> Vec<u8>, end: &str) {
    let site = site(Limits::default());
    let got = under_attack(name, &site, || {
        let mut client = peer::open(&site, Over::Plain);
        flood(&mut client, (0..batches).map(|n| batch(2 * n + 1)));
        end_of(&mut client)
    });
    assert_eq!(got, end, "{name}");
    site.wait_for(|counts| counts.open <= 1);
}

/// The same, with `first` before the flood.
#[track_caller]
fn check_after(name: &str, first: &[u8], frames: u32, repeated: &[u8], end: &str) {
    let batch = |n: u32| if n == 1 { [first, &repeated.repeat(100)].concat() } else { repeated.repeat(100) };
    check(name, frames / 100, batch, end);
}

fn hold(stream: u32) -> Vec<u8> {
    open_headers(stream, Block::post("/hold"))
}

#[test]
fn rapid_reset() {
    let pair = |stream| [headers(stream, Block::get("/hold")), reset(stream, 8)].concat();
    check("rapid reset", 20_000, pair, CALM);
}

#[test]
fn rapid_reset_of_requests_that_run() {
    let site = site(Limits::default());
    let got = under_attack("rapid reset of running requests", &site, || {
        let mut client = peer::open(&site, Over::Plain);
        for stream in (1..4000).step_by(2) {
            client.send(headers(stream, Block::get("/")));
            // The answer shows that the handler ran. The reset comes too late for anything but the budget.
            loop {
                match peer::next(&mut client) {
                    Some(frame) if frame.kind == GOAWAY => return name_of_end(&frame),
                    Some(frame) if frame.kind == HEADERS => break,
                    Some(_) => {}
                    None => return "closed".to_owned(),
                }
            }
            client.send(reset(stream, 8));
        }
        "not cut".to_owned()
    });
    assert_eq!(got, CALM);
}

#[test]
fn made_you_reset_by_content_of_the_wrong_length() {
    let one = |stream| {
        let block = Block::post("/hold").field("content-length", "5");
        [open_headers(stream, block), last_data(stream, b"x")].concat()
    };
    check("made-you-reset, length", 20_000, one, CALM);
}

#[test]
fn made_you_reset_by_a_window_that_overflows() {
    check(
        "made-you-reset, window",
        20_000,
        |stream| [hold(stream), window(stream, 0x7fff_ffff)].concat(),
        CALM,
    );
}

#[test]
fn made_you_reset_by_malformed_requests() {
    let one = |stream| headers(stream, Block::get("/").field("connection", "close"));
    check("made-you-reset, malformed", 20_000, one, CALM);
}

#[test]
fn stream_exhaustion() {
    check("stream exhaustion", 20_000, |stream| headers(stream, Block::get("/hold")), CALM);
}

#[test]
fn continuation_flood() {
    let begun = frame(HEADERS, END_STREAM, 1, Block::get("/").as_ref());
    check_after("CONTINUATION flood", &begun, 20_000, &continuation(0, 1, Block::of(&[("x", "y")])), CALM);
}

#[test]
fn continuation_flood_of_empty_frames() {
    let begun = frame(HEADERS, END_STREAM, 1, Block::get("/").as_ref());
    check_after("CONTINUATION flood, empty", &begun, 20_000, &continuation(0, 1, []), CALM);
}

#[test]
fn continuation_flood_of_large_frames() {
    let begun = frame(HEADERS, END_STREAM, 1, Block::get("/").as_ref());
    let large = continuation(0, 1, Block::new().field("x", [b'y'; 16_000]));
    let site = site(Limits::default());
    let got = under_attack("CONTINUATION flood, large", &site, || {
        let mut client = peer::open(&site, Over::Plain);
        client.send(&begun);
        flood(&mut client, (0..40).map(|_| large.clone()));
        end_of(&mut client)
    });
    assert!(
        ["GOAWAY ENHANCE_YOUR_CALM", "GOAWAY PROTOCOL_ERROR", "GOAWAY COMPRESSION_ERROR"].contains(&&*got),
        "{got}"
    );
}

#[test]
fn settings_flood() {
    check_after("SETTINGS flood", &[], 20_000, &settings(&[(4, 1000)]), CALM);
}

#[test]
fn table_size_flood() {
    let both = [settings(&[(1, 0)]), settings(&[(1, 4096)])].concat();
    check_after("SETTINGS flood of table sizes", &[], 20_000, &both, CALM);
}

#[test]
fn ping_flood() {
    check_after("PING flood", &[], 20_000, &ping(0, b"flooding"), CALM);
}

#[test]
fn priority_flood() {
    check_after("PRIORITY flood", &[], 20_000, &priority(1, 3), CALM);
}

#[test]
fn unknown_frame_flood() {
    check_after("flood of unknown frames", &[], 20_000, &frame(0x77, 0, 0, b"x"), CALM);
}

#[test]
fn empty_data_flood() {
    check_after("flood of empty DATA", &hold(1), 20_000, &data(1, b""), CALM);
}

#[test]
fn padding_flood() {
    // Each frame is padding alone: it says nothing, though it is not empty.
    check_after("flood of padding", &hold(1), 20_000, &frame(DATA, PADDED, 1, b"\x03\0\0\0"), CALM);
}

#[test]
fn goodbye_flood() {
    check_after("GOAWAY flood", &[], 20_000, &goaway_frame(0, 0), "GOAWAY NO_ERROR");
}

#[test]
fn fields_without_names() {
    let one = |stream| headers(stream, Block::get("/").field("", ""));
    check("fields without names", 1000, one, CALM);
}

#[test]
fn a_header_block_that_never_ends() {
    let site = site(Limits::default().head_timeout(std::time::Duration::from_millis(200)));
    let got = under_attack("never-ending header block", &site, || {
        let mut client = peer::open(&site, Over::Plain);
        client.send(frame(HEADERS, END_STREAM, 1, Block::get("/").as_ref()));
        end_of(&mut client)
    });
    assert_eq!(got, CALM);
}
