//! Header compression: indexes, integers, texts, the table and its size (RFC 7541).

use super::block::Block;
use super::frames::*;
use super::{Case, case, check};

pub fn cases() -> Vec<Case> {
    [s2_3(), s4(), s5_1(), s5_2(), s6()].into_iter().flatten().collect()
}

const BAD: &str = "GOAWAY COMPRESSION_ERROR";

fn get() -> Block {
    Block::get("/")
}

fn one(block: Block) -> Vec<Vec<u8>> {
    vec![headers(1, block)]
}

fn s2_3() -> Vec<Case> {
    vec![
        case("index 0", &one(get().raw([0x80])), BAD),
        case("the last index of the static table", &one(get().indexed(60)), "1: 200"),
        case("an index beyond an empty table", &one(get().indexed(62)), BAD),
        case("an index far beyond the table", &one(get().indexed(100_000)), BAD),
        case("an index beyond the entries", &one(get().kept("x", "y").indexed(63)), BAD),
        case("a name beyond the table", &one(get().raw([0x7e, 0x01, b'x'])), BAD),
        case("a name beyond the table, never to be kept", &one(get().raw([0x1f, 0x2f, 0x01, b'x'])), BAD),
        case("an entry used in its own block", &one(get().kept("x", "y").indexed(62)), "1: 200"),
        case(
            "an entry used by the next request",
            &[headers(1, get().kept("x", "y")), headers(3, get().indexed(62).raw([0x7e, 0x01, b'z']))],
            "1: 200, 3: 200",
        ),
        case(
            "entries are numbered from the youngest",
            &[
                headers(
                    1,
                    Block::of(&[(":scheme", "http"), (":authority", "a")])
                        .raw(b"\x04\x07/absent")
                        .kept(":method", "GET")
                        .kept("x", "y"),
                ),
                headers(3, Block::new().indexed(63).indexed(6).indexed(4).raw(b"\x41\x01a").indexed(63)),
            ],
            "1: 404, 3: 200",
        ),
    ]
}

/// The table holds 4 096 bytes, which is the initial value: the server announces no other.
fn s4() -> Vec<Case> {
    let large = "v".repeat(4200);
    let third = "v".repeat(1400);
    vec![
        case("a size update at the beginning", &one(Block::new().table_size(100).raw(get())), "1: 200"),
        case("a size update to nothing", &one(Block::new().table_size(0).raw(get())), "1: 200"),
        case("a size update to the most", &one(Block::new().table_size(4096).raw(get())), "1: 200"),
        case("a size update beyond the most", &one(Block::new().table_size(4097).raw(get())), BAD),
        case("a size update far beyond the most", &one(Block::new().table_size(1 << 31).raw(get())), BAD),
        case(
            "two size updates at the beginning",
            &one(Block::new().table_size(0).table_size(4096).raw(get())),
            "1: 200",
        ),
        case("a size update after a field", &one(get().table_size(0)), BAD),
        case("a size update between fields", &one(get().table_size(100).field("x", "y")), BAD),
        case(
            "an entry that a size update threw out",
            &[
                headers(1, get().kept("x", "y")),
                headers(3, Block::new().table_size(0).table_size(4096).raw(get()).indexed(62)),
            ],
            "1: 200, GOAWAY COMPRESSION_ERROR or GOAWAY COMPRESSION_ERROR",
        ),
        case(
            "an entry larger than the table empties it",
            &one(get().kept("x", "y").kept("big", &large).indexed(62)),
            BAD,
        ),
        case("an entry larger than the table is no error", &one(get().kept("big", &large)), "1: 200"),
        case(
            "an entry that was thrown out by others",
            &one(get().kept("x", "y").kept("a", &third).kept("b", &third).kept("c", &third).indexed(64)),
            BAD,
        ),
        case(
            "entries of a table without size",
            &[
                headers(1, Block::new().table_size(0).raw(get()).kept("x", "y")),
                headers(3, get().indexed(62)),
            ],
            "1: 200, GOAWAY COMPRESSION_ERROR or GOAWAY COMPRESSION_ERROR",
        ),
    ]
}

fn s5_1() -> Vec<Case> {
    vec![
        case("an index beyond all numbers", &one(get().raw([0xff; 12])), BAD),
        case("an index of ten bytes", &one(get().raw(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")), BAD),
        case(
            "a length of a text beyond all numbers",
            &one(get().raw(b"\0\x01x\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")),
            BAD,
        ),
        case("a length of four gigabytes", &one(get().raw(b"\0\x01x\x7f\xff\xff\xff\xff\x0f")), BAD),
        case(
            "a size update beyond all numbers",
            &one(Block::new().raw(b"\x3f\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01").raw(get())),
            BAD,
        ),
        case("an index that stops in the middle", &one(get().raw([0xff])), BAD),
        case("a length that stops in the middle", &one(get().raw(b"\0\x01x\x7f\x80")), BAD),
        case(
            "a length with zeroes behind",
            &one(get().raw(b"\0\x01x\x7f\x80\x00").raw([b'v'; 127])),
            "1: 200",
        ),
    ]
}

fn s5_2() -> Vec<Case> {
    vec![
        case(
            "a text in Huffman's code",
            &one(get().coded("x", b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff")),
            "1: 200",
        ),
        case(
            "a path in Huffman's code",
            &one(Block::of(&[(":method", "GET"), (":scheme", "http"), (":authority", "a")])
                .coded(":path", b"\x60\xd5\x48\x5f\x2b\xce\x9a\x68")),
            "1: 404",
        ),
        case("a text of no length in Huffman's code", &one(get().coded("x", b"")), "1: 200"),
        // `a` is 00011; the padding is 111.
        case("padding of ones", &one(get().coded("x", b"\x1f")), "1: 200"),
        case("padding of zeroes", &one(get().coded("x", b"\x18")), BAD),
        case("padding of ones and a zero", &one(get().coded("x", b"\x1e")), BAD),
        case("padding of a whole byte", &one(get().coded("x", b"\x1f\xff")), BAD),
        case("a text that is padding alone", &one(get().coded("x", b"\xff")), BAD),
        case("the end of text within a text", &one(get().coded("x", b"\xff\xff\xff\xff")), BAD),
        case("the end of text after a text", &one(get().coded("x", b"\x1f\xff\xff\xff\xff")), BAD),
        case("a text longer than its block", &one(get().raw(b"\0\x01x\x0aabc")), BAD),
        case("a name longer than its block", &one(get().raw(b"\0\x7f\x00x")), BAD),
        case("a text in Huffman's code longer than its block", &one(get().raw(b"\0\x01x\x8a\x1f")), BAD),
    ]
}

fn s6() -> Vec<Case> {
    vec![
        case("a field that is never to be kept", &one(get().never_kept("authorization", "x")), "1: 200"),
        case("a field that is never to be kept is not", &one(get().never_kept("x", "y").indexed(62)), BAD),
        case("a field without indexing is not kept", &one(get().field("x", "y").indexed(62)), BAD),
        case("a value for a name of the static table", &one(get().raw(b"\x0f\x04\x01x")), "1: 200"),
        case("a block that ends after a name", &one(get().raw(b"\x40\x01x")), BAD),
        case("a block that ends after a literal's first byte", &one(get().raw([0x40])), BAD),
        case(
            "a block for a stream that was refused is decoded too",
            &[headers(1, get().kept("x", "y").field("connection", "close")), headers(3, get().indexed(62))],
            "1: RST_STREAM PROTOCOL_ERROR, 3: 200 or 1: 400, 3: 200",
        ),
        case(
            "trailers use the same table",
            &[
                open_headers(1, Block::post("/trailers").kept("x-sum", "5")),
                headers(1, Block::new().indexed(62)),
            ],
            "1: 200",
        ),
    ]
}

mod s2_3_indexes {
    use super::*;

    #[test]
    fn an_index_names_an_entry_that_is_there() {
        check(&s2_3());
    }
}

mod s4_the_table {
    use super::*;

    #[test]
    fn the_table_keeps_to_its_size() {
        check(&s4());
    }
}

mod s5_1_integers {
    use super::*;

    #[test]
    fn integers_end_and_do_not_overflow() {
        check(&s5_1());
    }
}

mod s5_2_texts {
    use super::*;

    #[test]
    fn texts_end_where_they_say_and_are_padded_with_ones() {
        check(&s5_2());
    }
}

mod s6_fields {
    use super::*;

    #[test]
    fn only_what_should_be_kept_is_kept() {
        check(&s6());
    }
}
