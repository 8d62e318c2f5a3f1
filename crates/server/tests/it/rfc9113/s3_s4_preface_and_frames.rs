//! Starting HTTP/2, and frames and header blocks as such (RFC 9113 §3.4, §4).

use crate::client::{BOTH, Client, PATIENCE};
use crate::site::Site;

use super::block::Block;
use super::frames::*;
use super::{Case, case, check, opening_case, peer};

pub fn cases() -> Vec<Case> {
    [s3_4(), s4_1(), s4_2(), s4_3()].into_iter().flatten().collect()
}

fn s3_4() -> Vec<Case> {
    let begin = |frames: &[Vec<u8>]| [PREFACE, &frames.concat()].concat();
    vec![
        opening_case("a preface with empty settings", begin(&[settings(&[])]), "nothing"),
        opening_case(
            "requests do not wait for the server's settings",
            begin(&[settings(&[(1, 0)]), headers(1, Block::get("/"))]),
            "1: 200",
        ),
        opening_case(
            "a request before any settings",
            begin(&[headers(1, Block::get("/"))]),
            "GOAWAY PROTOCOL_ERROR",
        ),
        opening_case("a ping before any settings", begin(&[ping(0, &[0; 8])]), "GOAWAY PROTOCOL_ERROR"),
        opening_case(
            "a window update before any settings",
            begin(&[window(0, 1), settings(&[])]),
            "GOAWAY PROTOCOL_ERROR",
        ),
        opening_case(
            "an acknowledgement in place of settings",
            begin(&[frame(SETTINGS, ACK, 0, &[])]),
            "GOAWAY PROTOCOL_ERROR",
        ),
        opening_case(
            "an unknown frame before any settings",
            begin(&[frame(0x77, 0, 0, b"x")]),
            "GOAWAY PROTOCOL_ERROR",
        ),
        opening_case(
            "a preface that goes wrong at its end",
            [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rX"[..], &settings(&[])].concat(),
            "GOAWAY PROTOCOL_ERROR or closed or HTTP/1.1",
        ),
    ]
}

fn s4_1() -> Vec<Case> {
    vec![
        case("a flag without meaning is ignored on a ping", &[ping(0xfe, b"whatever")], "nothing"),
        case(
            "flags without meaning are ignored on a head",
            &[frame(
                HEADERS,
                END_HEADERS | END_STREAM | 0xd2 & !PADDED & !WITH_PRIORITY,
                1,
                Block::get("/").as_ref(),
            )],
            "1: 200",
        ),
        case(
            "flags without meaning are ignored on data",
            &[open_headers(1, Block::post("/echo")), frame(DATA, END_STREAM | 0xf6, 1, b"x")],
            "1: 200",
        ),
        case(
            "the reserved bit of a stream's id is ignored",
            &[headers(0x8000_0001, Block::get("/"))],
            "1: 200",
        ),
        case(
            "a frame of an unknown type is ignored on the connection",
            &[frame(0x77, 0xff, 0, b"x")],
            "nothing",
        ),
        case(
            "a frame of an unknown type is ignored on an idle stream",
            &[frame(0x77, 0, 7, b"x")],
            "nothing",
        ),
        case(
            "a frame of an unknown type is ignored within a request",
            &[open_headers(1, Block::post("/echo")), frame(0xbb, 0, 1, b"x"), last_data(1, b"x")],
            "1: 200",
        ),
    ]
}

fn s4_2() -> Vec<Case> {
    let zeroes = vec![0; MAX_FRAME + 6];
    vec![
        case(
            "data as long as a frame may be",
            &[open_headers(1, Block::post("/echo")), last_data(1, &zeroes[..MAX_FRAME])],
            "1: 200",
        ),
        case(
            "data longer than a frame may be",
            &[open_headers(1, Block::post("/hold")), data(1, &zeroes[..MAX_FRAME + 1])],
            "GOAWAY FRAME_SIZE_ERROR or 1: RST_STREAM FRAME_SIZE_ERROR",
        ),
        case(
            "a head longer than a frame may be",
            &[headers(1, &zeroes[..MAX_FRAME + 1])],
            "GOAWAY FRAME_SIZE_ERROR",
        ),
        case(
            "a continuation longer than a frame may be",
            &[
                frame(HEADERS, END_STREAM, 1, Block::get("/").as_ref()),
                continuation(END_HEADERS, 1, &zeroes[..MAX_FRAME + 1]),
            ],
            "GOAWAY FRAME_SIZE_ERROR",
        ),
        case(
            "settings longer than a frame may be",
            &[frame(SETTINGS, 0, 0, &zeroes[..MAX_FRAME + 2])],
            "GOAWAY FRAME_SIZE_ERROR",
        ),
        case(
            "an unknown frame longer than a frame may be",
            &[frame(0x77, 0, 0, &zeroes[..MAX_FRAME + 1])],
            "GOAWAY FRAME_SIZE_ERROR",
        ),
        case(
            "the longest frame that can be announced",
            &[misstated(0xff_ffff, DATA, 0, 1, b"x")],
            "GOAWAY FRAME_SIZE_ERROR",
        ),
    ]
}

fn s4_3() -> Vec<Case> {
    let begun = || frame(HEADERS, END_STREAM, 1, Block::get("/").as_ref());
    vec![
        case("a block that cannot be decoded", &[headers(1, [0x80])], "GOAWAY COMPRESSION_ERROR"),
        case(
            "a request within another's head",
            &[begun(), headers(3, Block::get("/"))],
            "GOAWAY PROTOCOL_ERROR",
        ),
        case("data within a head", &[begun(), data(1, b"x")], "GOAWAY PROTOCOL_ERROR"),
        case("a ping within a head", &[begun(), ping(0, &[0; 8])], "GOAWAY PROTOCOL_ERROR"),
        case("settings within a head", &[begun(), settings(&[])], "GOAWAY PROTOCOL_ERROR"),
        case("a window update within a head", &[begun(), window(0, 1)], "GOAWAY PROTOCOL_ERROR"),
        case("a priority within a head", &[begun(), priority(1, 0)], "GOAWAY PROTOCOL_ERROR"),
        case("a reset within a head", &[begun(), reset(1, 8)], "GOAWAY PROTOCOL_ERROR"),
        case("an unknown frame within a head", &[begun(), frame(0x77, 0, 1, b"x")], "GOAWAY PROTOCOL_ERROR"),
        case(
            "a head in many frames",
            &[
                frame(HEADERS, END_STREAM, 1, &[]),
                continuation(0, 1, [0x82]),
                continuation(0, 1, [0x86, 0x84]),
                continuation(END_HEADERS, 1, b"\x41\x01a"),
            ],
            "1: 200",
        ),
        case(
            "a field in two frames",
            &[frame(HEADERS, END_STREAM, 1, b"\x82\x86\x84\x41"), continuation(END_HEADERS, 1, b"\x01a")],
            "1: 200",
        ),
        case(
            "the block of a malformed request changes the table as any other",
            &[
                headers(1, Block::get("/").kept("x-kept", "1").field("Upper", "x")),
                headers(3, Block::get("/").indexed(62)),
            ],
            "1: RST_STREAM PROTOCOL_ERROR, 3: 200 or 1: 400, 3: 200",
        ),
        case(
            "the block of a reset stream changes the table as any other",
            &[
                open_headers(1, Block::post("/hold")),
                reset(1, 8),
                headers(3, Block::get("/").kept("x-kept", "1")),
                reset(3, 8),
                headers(5, Block::get("/").indexed(62)),
            ],
            // A server that is quick has answered before the reset.
            "5: 200 or 3: 200, 5: 200",
        ),
    ]
}

mod s3_4_preface {
    use super::*;

    #[test]
    fn begins_a_connection_and_nothing_else_does() {
        check(&s3_4());
    }

    #[test]
    fn is_understood_byte_by_byte() {
        let site = Site::new();
        for over in BOTH {
            let mut client = peer::connect(&site, over);
            for byte in [PREFACE, &settings(&[(1, 0)]), &headers(1, Block::get("/"))].concat() {
                client.send([byte]);
            }
            assert_eq!(recv(&mut client).kind, SETTINGS, "the server's settings come first");
            assert_eq!(recv_kind(&mut client, HEADERS).stream, 1);
        }
    }

    #[test]
    fn the_server_sends_its_settings_without_waiting() {
        let site = Site::new();
        let mut client = Client::plain(&site);
        client.send(PREFACE);
        let frame = recv(&mut client);
        assert_eq!((frame.kind, frame.flags, frame.stream), (SETTINGS, 0, 0));
    }

    #[test]
    fn http_1_on_a_connection_that_agreed_on_http_2_is_ended() {
        let site = Site::new();
        let mut client = Client::tls(&site, &[b"h2"]);
        client.socket().set_read_timeout(Some(PATIENCE)).unwrap();
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        while let Some(frame) = peer::next(&mut client) {
            assert!(matches!(frame.kind, SETTINGS | WINDOW_UPDATE | GOAWAY), "{frame:?}");
        }
    }
}

mod s4_1_frame_format {
    use super::*;

    #[test]
    fn what_has_no_meaning_is_ignored() {
        check(&s4_1());
    }
}

mod s4_2_frame_size {
    use super::*;

    #[test]
    fn longer_frames_than_announced_are_refused() {
        check(&s4_2());
    }
}

mod s4_3_header_blocks {
    use super::*;

    #[test]
    fn a_block_is_one_piece_and_is_always_decoded() {
        check(&s4_3());
    }
}
