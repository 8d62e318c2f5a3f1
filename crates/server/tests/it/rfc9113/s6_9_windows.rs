//! Flow control: increments, overflows, and what a window lets through (RFC 9113 §6.9, §5.2).

use super::block::Block;
use super::frames::*;
use super::{Case, case, check};

const MOST: u32 = 0x7fff_ffff;
/// What a connection's and a stream's window is at first.
const FIRST: u32 = 65_535;

pub fn cases() -> Vec<Case> {
    [s6_9(), s6_9_1(), s6_9_2()].into_iter().flatten().collect()
}

fn open() -> Vec<u8> {
    headers(1, Block::get("/hold"))
}

fn s6_9() -> Vec<Case> {
    vec![
        case("an increment of zero on the connection", &[window(0, 0)], "GOAWAY PROTOCOL_ERROR"),
        case("an increment of zero on a stream", &[open(), window(1, 0)], "1: RST_STREAM PROTOCOL_ERROR"),
        case("an increment too short", &[frame(WINDOW_UPDATE, 0, 0, &[0; 3])], "GOAWAY FRAME_SIZE_ERROR"),
        case("an increment too long", &[frame(WINDOW_UPDATE, 0, 0, &[1; 5])], "GOAWAY FRAME_SIZE_ERROR"),
        case(
            "an increment too short on a stream",
            &[open(), frame(WINDOW_UPDATE, 0, 1, &[1; 3])],
            "GOAWAY FRAME_SIZE_ERROR",
        ),
        case(
            "the reserved bit of an increment is ignored",
            &[open(), window(0, 0x8000_0001), window(1, 0x8000_0001)],
            "nothing",
        ),
        case(
            "an increment of zero behind the reserved bit",
            &[window(0, 0x8000_0000)],
            "GOAWAY PROTOCOL_ERROR",
        ),
    ]
}

fn s6_9_1() -> Vec<Case> {
    let chunk = [7; MAX_FRAME];
    // 256 KiB is the window of a stream, as the server's settings say.
    let full: Vec<u8> = (0..16).flat_map(|_| data(1, &chunk)).collect();
    let more = |stream: u32| -> Vec<u8> { (0..16).flat_map(|_| data(stream, &chunk)).collect() };
    let held = |stream: u32| open_headers(stream, Block::post("/hold"));
    vec![
        case("the connection's window at its most", &[window(0, MOST - FIRST)], "nothing"),
        case(
            "the connection's window beyond its most",
            &[window(0, MOST - FIRST), window(0, 1)],
            "GOAWAY FLOW_CONTROL_ERROR",
        ),
        case("a stream's window at its most", &[open(), window(1, MOST - FIRST)], "nothing"),
        case(
            "a stream's window beyond its most",
            &[open(), window(1, MOST - FIRST), window(1, 1)],
            "1: RST_STREAM FLOW_CONTROL_ERROR",
        ),
        case("data that fills a stream's window", &[held(1), full.clone()], "nothing"),
        case(
            "data beyond a stream's window",
            &[held(1), full.clone(), data(1, b"x")],
            "1: RST_STREAM FLOW_CONTROL_ERROR or GOAWAY FLOW_CONTROL_ERROR",
        ),
        case(
            "no data where a stream's window is full",
            &[held(1), full.clone(), last_data(1, b"")],
            "nothing",
        ),
        case(
            "padding counts",
            &[held(1), full.clone(), frame(DATA, PADDED, 1, b"\x01\0")],
            "1: RST_STREAM FLOW_CONTROL_ERROR or GOAWAY FLOW_CONTROL_ERROR",
        ),
        case(
            "data beyond the connection's window",
            &[held(1), full, held(3), more(3), held(5), more(5), held(7), more(7), held(9), data(9, b"x")],
            "GOAWAY FLOW_CONTROL_ERROR",
        ),
    ]
}

fn s6_9_2() -> Vec<Case> {
    vec![
        case(
            "settings that take a stream's window beyond its most",
            &[open(), window(1, MOST - FIRST), settings(&[(4, FIRST + 1)])],
            "GOAWAY FLOW_CONTROL_ERROR",
        ),
        case(
            "settings that make a window negative",
            &[open(), settings(&[(4, 0)]), settings(&[(4, 100)])],
            "nothing",
        ),
        case(
            "settings do not change the connection's window",
            &[window(0, MOST - FIRST), settings(&[(4, FIRST + 1)])],
            "nothing",
        ),
    ]
}

mod s6_9_window_update {
    use super::*;

    #[test]
    fn an_increment_has_four_bytes_and_is_not_zero() {
        check(&s6_9());
    }
}

mod s6_9_1_the_window {
    use super::*;

    #[test]
    fn no_window_is_overrun_and_none_overflows() {
        check(&s6_9_1());
    }
}

mod s6_9_2_initial_window {
    use super::*;

    #[test]
    fn settings_change_the_windows_of_open_streams_alone() {
        check(&s6_9_2());
    }
}
