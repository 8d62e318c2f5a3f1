//! HTTP/1 at random, through the whole server: its answers are well formed, and the same however the bytes arrive.
//!
//! In: a byte of options, two places to cut at, and what a peer sends on one connection.

#![no_main]

use libfuzzer_sys::fuzz_target;
use narae_fuzz::answers::{Answer, Rest, read};
use narae_fuzz::meeting::{Idle, Met, meet};

fuzz_target!(|bytes: &[u8]| {
    let Some(([options, a, b, c, d], input)) = bytes.split_first_chunk() else { return };
    // The other protocol has a target of its own.
    if input.starts_with(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") {
        return;
    }
    let place = |high: u8, low: u8| usize::from(u16::from_be_bytes([high, low])) % (input.len() + 1);
    let (first, second) = (place(*a, *b).min(place(*c, *d)), place(*a, *b).max(place(*c, *d)));
    let pieces = [&input[..first], &input[first..second], &input[second..]];
    let idle = if options & 1 == 0 { Idle::Kept } else { Idle::Parked };

    let whole = meet(&[input], Idle::Kept);
    let cut = meet(&pieces, idle);
    let (answers, after_cut) = (judge(&whole, input), judge(&cut, input));
    let plain = |answers: Vec<Answer>| {
        let mut plain: Vec<_> = answers.into_iter().map(without_reason).collect();
        // A head without an end may be refused as soon as its fault is there, or never.
        if !input.ends_with(b"\r\n\r\n") && plain.last() == Some(&refused()) {
            plain.pop();
        }
        plain
    };
    assert_eq!(
        plain(answers),
        plain(after_cut),
        "{:?}",
        pieces.map(<[u8]>::escape_ascii).map(|piece| piece.to_string())
    );
    assert_eq!(whole.seen.methods, cut.seen.methods);
});

/// Of two faults in one head the one that is named is the one that comes first: the server's last words may differ.
fn without_reason(answer: Answer) -> Answer {
    let is_a_handlers = answer.fields.iter().any(|(name, _)| name == "x-call");
    match answer.status {
        400..500 if !is_a_handlers => refused(),
        _ => answer,
    }
}

fn refused() -> Answer {
    Answer { status: 400, fields: Vec::new(), content: Vec::new(), trailers: Vec::new() }
}

/// The whole answers, if all is as it must be.
fn judge(met: &Met, input: &[u8]) -> Vec<Answer> {
    let (answers, rest) = read(&met.output, &met.seen.methods);
    match &rest {
        Rest::Nothing => {}
        Rest::Unfinished => assert!(met.seen.is_broken, "{}", met.output.escape_ascii()),
        Rest::Switched(echo) => assert!(input.ends_with(echo), "{}", echo.escape_ascii()),
    }
    let by_handlers = answers.iter().filter(|answer| answer.fields.iter().any(|(name, _)| name == "x-call"));
    // A handler that failed, or that met the limit of a body, is answered for.
    let instead = answers.iter().filter(|answer| matches!(answer.status, 413 | 500));
    let answered = by_handlers.count() + instead.count();
    if !met.seen.is_broken {
        let output = met.output.escape_ascii();
        assert_eq!(answered, met.seen.methods.len(), "a request without an answer: {output}");
    }
    answers
}
