//! Each type of frame with each length, stream, padding and flag that is illegal for it (RFC 9113 §6.1–§6.8, §6.10).

use crate::client::BOTH;
use crate::site::Site;

use super::block::Block;
use super::frames::*;
use super::{Case, case, check, peer};

pub fn cases() -> Vec<Case> {
    [s6_1(), s6_2(), s6_3(), s6_4(), s6_5(), s6_6(), s6_7(), s6_8(), s6_10()].into_iter().flatten().collect()
}

fn s6_1() -> Vec<Case> {
    let padded = |payload: &[u8]| {
        vec![open_headers(1, Block::post("/echo")), frame(DATA, END_STREAM | PADDED, 1, payload)]
    };
    let most = [&[255][..], b"data", &[0; 255]].concat();
    vec![
        case("data on the connection", &[data(0, b"x")], "GOAWAY PROTOCOL_ERROR"),
        case("padded data", &padded(b"\x03data\0\0\0"), "1: 200"),
        case("data with the most padding", &padded(&most), "1: 200"),
        case("data that is padding only", &padded(b"\x03\0\0\0"), "1: 200"),
        case("data with padding of no length", &padded(b"\0data"), "1: 200"),
        case("padding as long as the data frame", &padded(b"\x04abc"), "GOAWAY PROTOCOL_ERROR"),
        case("padding longer than the data frame", &padded(b"\xffabc"), "GOAWAY PROTOCOL_ERROR"),
        case(
            "padded data without the padding's length",
            &padded(b""),
            "GOAWAY PROTOCOL_ERROR or GOAWAY FRAME_SIZE_ERROR or 1: RST_STREAM FRAME_SIZE_ERROR",
        ),
    ]
}

fn s6_2() -> Vec<Case> {
    let head = |flags: u8, before: &[u8], after: &[u8]| {
        let payload = [before, Block::get("/").as_ref(), after].concat();
        vec![frame(HEADERS, END_HEADERS | END_STREAM | flags, 1, &payload)]
    };
    vec![
        case("a padded head", &head(PADDED, &[5], &[0; 5]), "1: 200"),
        case(
            "a padded head with a priority",
            &head(PADDED | WITH_PRIORITY, &[2, 0, 0, 0, 0, 9], &[0; 2]),
            "1: 200",
        ),
        case("padding longer than the head", &head(PADDED, &[255], &[]), "GOAWAY PROTOCOL_ERROR"),
        case(
            "padding that leaves no room for the priority",
            &[frame(
                HEADERS,
                END_HEADERS | END_STREAM | PADDED | WITH_PRIORITY,
                1,
                &[3, 0, 0, 0, 0, 9, 0, 0],
            )],
            "GOAWAY PROTOCOL_ERROR",
        ),
        case(
            "a padded head without the padding's length",
            &[frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1, &[])],
            "GOAWAY PROTOCOL_ERROR or GOAWAY FRAME_SIZE_ERROR",
        ),
        case(
            "a head too short for its priority",
            &[frame(HEADERS, END_HEADERS | END_STREAM | WITH_PRIORITY, 1, &[0; 4])],
            "GOAWAY FRAME_SIZE_ERROR or GOAWAY PROTOCOL_ERROR",
        ),
        case("a head without fields", &[headers(1, [])], "1: RST_STREAM PROTOCOL_ERROR"),
    ]
}

fn s6_3() -> Vec<Case> {
    let open = || headers(1, Block::get("/hold"));
    vec![
        case("a priority on the connection", &[priority(0, 1)], "GOAWAY PROTOCOL_ERROR"),
        case(
            "a priority too short",
            &[open(), frame(PRIORITY, 0, 1, &[0; 4])],
            "1: RST_STREAM FRAME_SIZE_ERROR or GOAWAY FRAME_SIZE_ERROR",
        ),
        case(
            "a priority too long",
            &[open(), frame(PRIORITY, 0, 1, &[0; 6])],
            "1: RST_STREAM FRAME_SIZE_ERROR or GOAWAY FRAME_SIZE_ERROR",
        ),
    ]
}

fn s6_4() -> Vec<Case> {
    let open = || headers(1, Block::get("/hold"));
    vec![
        case("a reset of the connection", &[reset(0, 8)], "GOAWAY PROTOCOL_ERROR"),
        case("a reset too short", &[open(), frame(RST_STREAM, 0, 1, &[0; 3])], "GOAWAY FRAME_SIZE_ERROR"),
        case("a reset too long", &[open(), frame(RST_STREAM, 0, 1, &[0; 5])], "GOAWAY FRAME_SIZE_ERROR"),
        case("a reset without a code", &[open(), frame(RST_STREAM, 0, 1, &[])], "GOAWAY FRAME_SIZE_ERROR"),
        case("a reset with NO_ERROR", &[open(), reset(1, 0)], "nothing"),
    ]
}

fn s6_5() -> Vec<Case> {
    let one = |id: u16, value: u32| vec![settings(&[(id, value)])];
    vec![
        case("settings on a stream", &[frame(SETTINGS, 0, 1, &[])], "GOAWAY PROTOCOL_ERROR"),
        case("settings of half a parameter", &[frame(SETTINGS, 0, 0, &[0; 3])], "GOAWAY FRAME_SIZE_ERROR"),
        case(
            "settings of one parameter and a half",
            &[frame(SETTINGS, 0, 0, &[0; 9])],
            "GOAWAY FRAME_SIZE_ERROR",
        ),
        case(
            "an acknowledgement with parameters",
            &[frame(SETTINGS, ACK, 0, &[0; 6])],
            "GOAWAY FRAME_SIZE_ERROR",
        ),
        case("an acknowledgement on a stream", &[frame(SETTINGS, ACK, 1, &[])], "GOAWAY PROTOCOL_ERROR"),
        case("push is on, off, or an error: off", &one(2, 0), "nothing"),
        case("push is on, off, or an error: on", &one(2, 1), "nothing"),
        case("push is on, off, or an error: 2", &one(2, 2), "GOAWAY PROTOCOL_ERROR"),
        case("no streams from the server are fine", &one(3, 0), "nothing"),
        case("the largest window for streams", &one(4, 0x7fff_ffff), "nothing"),
        case("a window for streams that is too large", &one(4, 0x8000_0000), "GOAWAY FLOW_CONTROL_ERROR"),
        case("the smallest frame size", &one(5, 16_384), "nothing"),
        case("the largest frame size", &one(5, 0xff_ffff), "nothing"),
        case("a frame size that is too small", &one(5, 16_383), "GOAWAY PROTOCOL_ERROR"),
        case("a frame size that is too large", &one(5, 0x100_0000), "GOAWAY PROTOCOL_ERROR"),
        case("a list of fields without limit", &one(6, 0xffff_ffff), "nothing"),
        case("the largest table", &one(1, 0xffff_ffff), "nothing"),
        case("a parameter given twice", &[settings(&[(4, 1), (4, 65_535), (2, 0), (2, 0)])], "nothing"),
        case("reserved parameters", &[settings(&[(0, 1), (7, 9), (0x0a0a, 1)])], "nothing"),
    ]
}

fn s6_6() -> Vec<Case> {
    let promise = |stream: u32| {
        let payload = [&2_u32.to_be_bytes()[..], Block::get("/").as_ref()].concat();
        frame(PUSH_PROMISE, END_HEADERS, stream, &payload)
    };
    vec![
        case(
            "a client that promises",
            &[headers(1, Block::get("/hold")), promise(1)],
            "GOAWAY PROTOCOL_ERROR",
        ),
        case("a promise on the connection", &[promise(0)], "GOAWAY PROTOCOL_ERROR"),
        case("a promise on an idle stream", &[promise(1)], "GOAWAY PROTOCOL_ERROR"),
    ]
}

fn s6_7() -> Vec<Case> {
    vec![
        case("a ping on a stream", &[frame(PING, 0, 1, &[0; 8])], "GOAWAY PROTOCOL_ERROR"),
        case("a ping too short", &[ping(0, &[0; 7])], "GOAWAY FRAME_SIZE_ERROR"),
        case("a ping too long", &[ping(0, &[0; 9])], "GOAWAY FRAME_SIZE_ERROR"),
        case("an empty ping", &[ping(0, &[])], "GOAWAY FRAME_SIZE_ERROR"),
        case("an answer to no ping", &[ping(ACK, &[7; 8])], "nothing"),
        case("an answer to no ping on a stream", &[frame(PING, ACK, 3, &[0; 8])], "GOAWAY PROTOCOL_ERROR"),
    ]
}

fn s6_8() -> Vec<Case> {
    vec![
        case("a goodbye on a stream", &[frame(GOAWAY, 0, 1, &[0; 8])], "GOAWAY PROTOCOL_ERROR"),
        case("a goodbye too short", &[frame(GOAWAY, 0, 0, &[0; 7])], "GOAWAY FRAME_SIZE_ERROR"),
    ]
}

fn s6_10() -> Vec<Case> {
    let begun = |stream| frame(HEADERS, END_STREAM, stream, Block::get("/").as_ref());
    vec![
        case(
            "a continuation on the connection",
            &[begun(1), continuation(END_HEADERS, 0, [])],
            "GOAWAY PROTOCOL_ERROR",
        ),
        case(
            "a continuation of another stream",
            &[begun(1), continuation(END_HEADERS, 3, [])],
            "GOAWAY PROTOCOL_ERROR",
        ),
        case(
            "a continuation after the head's end",
            &[open_headers(1, Block::post("/hold")), continuation(END_HEADERS, 1, [])],
            "GOAWAY PROTOCOL_ERROR",
        ),
        case(
            "a continuation after data",
            &[open_headers(1, Block::post("/hold")), data(1, b"x"), continuation(END_HEADERS, 1, [])],
            "GOAWAY PROTOCOL_ERROR",
        ),
        case(
            "an empty continuation",
            &[begun(1), continuation(0, 1, []), continuation(END_HEADERS, 1, [])],
            "1: 200",
        ),
        case(
            "a continuation of trailers",
            &[
                open_headers(1, Block::post("/trailers")),
                data(1, b"x"),
                frame(HEADERS, END_STREAM, 1, Block::of(&[("x-sum", "1")]).as_ref()),
                continuation(END_HEADERS, 1, Block::of(&[("x-more", "2")])),
            ],
            "1: 200",
        ),
    ]
}

mod s6_1_data {
    use super::*;

    #[test]
    fn data_belongs_to_a_stream_and_holds_its_padding() {
        check(&s6_1());
    }
}

mod s6_2_headers {
    use super::*;

    #[test]
    fn a_head_holds_its_padding_and_its_priority() {
        check(&s6_2());
    }
}

mod s6_3_priority {
    use super::*;

    #[test]
    fn a_priority_has_five_bytes() {
        check(&s6_3());
    }
}

mod s6_4_rst_stream {
    use super::*;

    #[test]
    fn a_reset_has_four_bytes() {
        check(&s6_4());
    }
}

mod s6_5_settings {
    use super::*;

    #[test]
    fn each_parameter_keeps_to_its_range() {
        check(&s6_5());
    }

    #[test]
    fn each_frame_is_acknowledged_once() {
        let site = Site::new();
        for over in BOTH {
            let mut client = peer::connect(&site, over);
            client.send([peer::opening(), settings(&[(4, 9)]), settings(&[]), ping(0, b"the end.")].concat());
            let mut acks = 0;
            loop {
                let frame = recv(&mut client);
                match frame.kind {
                    SETTINGS if frame.flags & ACK != 0 => acks += 1,
                    PING => break,
                    _ => {}
                }
            }
            assert_eq!(acks, 3, "{over:?}");
        }
    }
}

mod s6_6_push_promise {
    use super::*;

    #[test]
    fn a_client_promises_nothing() {
        check(&s6_6());
    }
}

mod s6_7_ping {
    use super::*;

    #[test]
    fn a_ping_has_eight_bytes() {
        check(&s6_7());
    }

    #[test]
    fn the_answer_has_the_same_bytes() {
        let site = Site::new();
        for over in BOTH {
            let mut client = peer::connect(&site, over);
            client.send([peer::opening(), ping(0, b"\0\x01\xffabcde")].concat());
            let pong = recv_kind(&mut client, PING);
            assert_eq!((pong.flags, &pong.payload[..]), (ACK, &b"\0\x01\xffabcde"[..]));
        }
    }
}

mod s6_8_goaway {
    use super::*;

    #[test]
    fn a_goodbye_belongs_to_the_connection() {
        check(&s6_8());
    }

    #[test]
    fn a_client_that_says_goodbye_still_gets_its_answer() {
        let site = Site::new();
        for over in BOTH {
            let mut client = peer::connect(&site, over);
            client.send(
                [
                    peer::opening(),
                    open_headers(1, Block::post("/echo")),
                    goaway_frame(0, 0),
                    last_data(1, b"late"),
                ]
                .concat(),
            );
            assert_eq!(recv_kind(&mut client, DATA).payload, b"late", "{over:?}");
        }
    }
}

mod s6_10_continuation {
    use super::*;

    #[test]
    fn a_continuation_continues_the_frame_before() {
        check(&s6_10());
    }
}
