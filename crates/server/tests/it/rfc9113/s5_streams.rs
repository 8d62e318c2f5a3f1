//! Streams: states, ids, how many at once, priority, errors, extensions (RFC 9113 §5).

use crate::client::BOTH;
use crate::site::Site;

use super::block::Block;
use super::frames::*;
use super::{Case, case, check, peer};

pub fn cases() -> Vec<Case> {
    [idle(), half_closed(), closed(), s5_1_1(), s5_1_2(), s5_3(), s5_4_and_5()]
        .into_iter()
        .flatten()
        .collect()
}

fn idle() -> Vec<Case> {
    vec![
        case("data on an idle stream", &[data(1, b"x")], "GOAWAY PROTOCOL_ERROR"),
        case("a reset of an idle stream", &[reset(1, 8)], "GOAWAY PROTOCOL_ERROR"),
        case("a window update on an idle stream", &[window(1, 1)], "GOAWAY PROTOCOL_ERROR"),
        case(
            "a continuation on an idle stream",
            &[continuation(END_HEADERS, 1, [0x82])],
            "GOAWAY PROTOCOL_ERROR",
        ),
        case("a priority on an idle stream", &[priority(1, 0)], "nothing"),
        case(
            "a request on a stream that had a priority",
            &[priority(1, 0), headers(1, Block::get("/"))],
            "1: 200",
        ),
    ]
}

fn half_closed() -> Vec<Case> {
    let ended = || headers(1, Block::get("/hold"));
    vec![
        case("data after the end", &[ended(), data(1, b"x")], "1: RST_STREAM STREAM_CLOSED"),
        case("empty data after the end", &[ended(), last_data(1, b"")], "1: RST_STREAM STREAM_CLOSED"),
        case(
            "a second head after the end",
            &[ended(), headers(1, Block::get("/"))],
            "1: RST_STREAM STREAM_CLOSED",
        ),
        case(
            "trailers after the end",
            &[ended(), headers(1, Block::of(&[("x", "y")]))],
            "1: RST_STREAM STREAM_CLOSED",
        ),
        case(
            "a continuation after the end",
            &[ended(), continuation(END_HEADERS, 1, [0x82])],
            "GOAWAY PROTOCOL_ERROR",
        ),
        case("a window update after the end", &[ended(), window(1, 100)], "nothing"),
        case("a priority after the end", &[ended(), priority(1, 0)], "nothing"),
        case("a reset after the end", &[ended(), reset(1, 8)], "nothing"),
        case(
            "data after data that ended",
            &[open_headers(1, Block::post("/hold")), last_data(1, b"x"), data(1, b"x")],
            "1: RST_STREAM STREAM_CLOSED",
        ),
    ]
}

fn closed() -> Vec<Case> {
    let gone = || [open_headers(1, Block::post("/hold")), reset(1, 8)].concat();
    vec![
        case(
            "data after a reset",
            &[gone(), data(1, b"x")],
            "1: RST_STREAM STREAM_CLOSED or GOAWAY STREAM_CLOSED",
        ),
        case(
            "a head after a reset",
            &[gone(), headers(1, Block::get("/"))],
            "1: RST_STREAM STREAM_CLOSED or GOAWAY STREAM_CLOSED",
        ),
        case(
            "a continuation after a reset",
            &[gone(), continuation(END_HEADERS, 1, [0x82])],
            "GOAWAY PROTOCOL_ERROR",
        ),
        case("a window update after a reset", &[gone(), window(1, 1)], "nothing"),
        case("a priority after a reset", &[gone(), priority(1, 0)], "nothing"),
        case("a second reset", &[gone(), reset(1, 8)], "nothing"),
    ]
}

fn s5_1_1() -> Vec<Case> {
    vec![
        case("an even stream", &[headers(2, Block::get("/"))], "GOAWAY PROTOCOL_ERROR"),
        case(
            "a stream below the last one",
            &[headers(5, Block::get("/hold")), headers(3, Block::get("/"))],
            "GOAWAY PROTOCOL_ERROR",
        ),
        case("a request on stream 0", &[headers(0, Block::get("/"))], "GOAWAY PROTOCOL_ERROR"),
        case(
            "streams may be left out",
            &[headers(5, Block::get("/")), headers(9, Block::get("/"))],
            "5: 200, 9: 200",
        ),
        case(
            "data on a stream that was left out",
            &[headers(5, Block::get("/hold")), data(3, b"x")],
            "GOAWAY PROTOCOL_ERROR or GOAWAY STREAM_CLOSED or 3: RST_STREAM STREAM_CLOSED",
        ),
        case("data on an even stream", &[data(2, b"x")], "GOAWAY PROTOCOL_ERROR"),
        case("a reset of an even stream", &[reset(2, 8)], "GOAWAY PROTOCOL_ERROR"),
        case("a window update on an even stream", &[window(2, 1)], "GOAWAY PROTOCOL_ERROR"),
    ]
}

/// 256 requests are open; the stream after them is one too many. One ends, so that there is room again.
fn s5_1_2() -> Vec<Case> {
    let open = |streams: u32| -> Vec<u8> {
        (0..streams).flat_map(|n| headers(2 * n + 1, Block::get("/hold"))).collect()
    };
    vec![
        case("as many streams as are allowed", &[open(255)], "nothing"),
        case(
            "one stream more than is allowed",
            &[open(256), headers(513, Block::get("/")), reset(1, 8)],
            "513: RST_STREAM REFUSED_STREAM",
        ),
        case(
            "streams that ended are not counted",
            &[open(255), reset(1, 8), reset(3, 8), headers(513, Block::get("/hold"))],
            "nothing",
        ),
    ]
}

/// Signals of priority are deprecated and change nothing.
fn s5_3() -> Vec<Case> {
    let with_priority = |on: u32| {
        let payload = [&on.to_be_bytes()[..], &[255], Block::get("/").as_ref()].concat();
        frame(HEADERS, END_HEADERS | END_STREAM | WITH_PRIORITY, 1, &payload)
    };
    vec![
        case("a head with a priority", &[with_priority(0)], "1: 200"),
        case("a head with an exclusive priority", &[with_priority(0x8000_0000)], "1: 200"),
        case("a priority on a stream of the future", &[with_priority(301)], "1: 200"),
        case(
            "a head whose priority is on itself",
            &[with_priority(1)],
            "1: 200 or 1: RST_STREAM PROTOCOL_ERROR",
        ),
        case(
            "a priority frame whose priority is on itself",
            &[open_headers(1, Block::post("/echo")), priority(1, 1), last_data(1, b"x")],
            "1: 200 or 1: RST_STREAM PROTOCOL_ERROR",
        ),
        case(
            "the field priority of RFC 9218",
            &[headers(1, Block::get("/").field("priority", "u=1, i"))],
            "1: 200",
        ),
        case("the frame PRIORITY_UPDATE of RFC 9218", &[frame(0x10, 0, 0, b"\0\0\0\x01u=1")], "nothing"),
    ]
}

fn s5_4_and_5() -> Vec<Case> {
    vec![
        case(
            "an error of one stream leaves the others",
            &[
                headers(1, Block::get("/hold")),
                headers(3, Block::get("/hold")),
                data(1, b"x"),
                headers(5, Block::get("/")),
            ],
            "1: RST_STREAM STREAM_CLOSED, 5: 200",
        ),
        case(
            "an unknown error code in a reset",
            &[headers(1, Block::get("/hold")), reset(1, 0xdead_beef)],
            "nothing",
        ),
        case("an unknown setting", &[settings(&[(0xface, 0xffff_ffff)])], "nothing"),
        case("an unknown frame with a whole frame within", &[frame(0x77, 0, 0, &data(1, b"x"))], "nothing"),
    ]
}

mod s5_1_stream_states {
    use super::*;

    #[test]
    fn an_idle_stream_takes_a_request_or_a_priority_only() {
        check(&idle());
    }

    #[test]
    fn a_request_that_ended_takes_nothing_more() {
        check(&half_closed());
    }

    /// Trailers may have crossed an early answer, and many ends after it.
    #[test]
    fn a_head_on_a_stream_that_ended_long_ago_ends_no_other() {
        let site = Site::new();
        for over in BOTH {
            let mut client = peer::open(&site, over);
            for stream in (1..1300).step_by(2) {
                client.send(headers(stream, Block::request("HEAD", "/")));
                assert_eq!(recv_kind(&mut client, HEADERS).stream, stream);
            }
            client.send(headers(1, Block::of(&[("x-sum", "1")])));
            let reset = recv_kind(&mut client, RST_STREAM);
            assert_eq!((reset.stream, &*peer::name_of(reset_code(&reset))), (1, "STREAM_CLOSED"), "{over:?}");
            client.send(headers(1301, Block::get("/")));
            assert_eq!(recv_kind(&mut client, HEADERS).stream, 1301);
        }
    }

    #[test]
    fn a_closed_stream_stays_closed() {
        check(&closed());
    }
}

mod s5_1_1_identifiers {
    use super::*;

    #[test]
    fn ids_are_odd_and_grow() {
        check(&s5_1_1());
    }
}

mod s5_1_2_concurrency {
    use super::*;

    #[test]
    fn one_request_too_many_is_refused_and_no_other() {
        check(&s5_1_2());
    }
}

mod s5_3_priority {
    use super::*;

    #[test]
    fn priorities_change_nothing() {
        check(&s5_3());
    }
}

mod s5_4_errors_and_5_5_extensions {
    use super::*;

    #[test]
    fn an_error_reaches_as_far_as_it_must_and_the_unknown_is_ignored() {
        check(&s5_4_and_5());
    }

    #[test]
    fn the_end_of_a_connection_names_the_last_stream() {
        let site = Site::new();
        for over in BOTH {
            let mut client = peer::connect(&site, over);
            client.send([peer::opening(), headers(1, Block::get("/")), headers(3, Block::get("/"))].concat());
            recv_kind(&mut client, HEADERS);
            recv_kind(&mut client, HEADERS);
            client.send(ping(0, b"short"));
            assert_eq!(goaway(&recv_kind(&mut client, GOAWAY)), (3, 6), "{over:?}");
        }
    }
}
