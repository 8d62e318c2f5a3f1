//! HTTP/2 at random, through the whole server: it answers with frames that a peer can follow, and no more of them
//! than it was asked for.
//!
//! In: a byte of options, two places to cut at, and what a peer sends on one connection: bytes as they are, or bytes
//! that choose frames.

#![no_main]

use libfuzzer_sys::fuzz_target;
use narae_fuzz::frames::{PREFACE, compose, count, judge};
use narae_fuzz::meeting::{Idle, meet};

fuzz_target!(|bytes: &[u8]| {
    let Some(([options, a, b, c, d], rest)) = bytes.split_first_chunk() else { return };
    let input = if options & 1 == 0 { compose(rest) } else { [PREFACE, rest].concat() };
    let place = |high: u8, low: u8| usize::from(u16::from_be_bytes([high, low])) % (input.len() + 1);
    let (first, second) = (place(*a, *b).min(place(*c, *d)), place(*a, *b).max(place(*c, *d)));
    let pieces = match options & 2 {
        0 => vec![&input[..]],
        _ => vec![&input[..first], &input[first..second], &input[second..]],
    };
    let sent = count(&input);
    let met = meet(&pieces, Idle::Kept);
    let begun = judge(&met.output, &sent);
    assert!(met.seen.methods.len() <= sent.headers, "{} calls, {sent:?}", met.seen.methods.len());
    assert!(begun <= sent.headers, "{begun} answers, {sent:?}");
});
